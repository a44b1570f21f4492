/*
 * column_state.h - the column STATE: what a session does, and since when; for the table in src/column.c.
 */
#ifndef COLUMN_STATE_H
#define COLUMN_STATE_H

#include "pglocktop/column.h"

/* A getter as in pglocktop/column.h: the word, and the age. Who waits says so, whatever the server calls its state. */
struct column_value column_state_get(const struct column_row *row, bool ascii, struct strbuf *text);

/* "waits <=4s": "<=" before an age that is only known not to be exceeded; "?" for what this role may not see. */
void column_state_format(const struct column_row *row, bool ascii, struct strbuf *out);

#endif
