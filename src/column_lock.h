/*
 * column_lock.h - the columns of the view of objects; for the table in src/column.c.
 *
 * Getters as in pglocktop/column.h. Of a row that is no object nor beneath one they know nothing.
 */
#ifndef COLUMN_LOCK_H
#define COLUMN_LOCK_H

#include "pglocktop/column.h"

struct column_value column_lock_waiters(const struct column_row *row, bool ascii, struct strbuf *text);
struct column_value column_lock_lock(const struct column_row *row, bool ascii, struct strbuf *text);
struct column_value column_lock_mode(const struct column_row *row, bool ascii, struct strbuf *text);
struct column_value column_lock_waited(const struct column_row *row, bool ascii, struct strbuf *text);
struct column_value column_lock_why(const struct column_row *row, bool ascii, struct strbuf *text);

/* "<=" before an age that is only known not to be exceeded: the server does not tell when the wait began. */
void column_lock_format_waited(const struct column_row *row, bool ascii, struct strbuf *out);

/* Nothing where there is nothing to tell. */
void column_lock_format_why(const struct column_row *row, bool ascii, struct strbuf *out);

#endif
