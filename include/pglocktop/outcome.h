/*
 * outcome.h - what came of a signal, in words: for the message line and the events.
 *
 * 'Sent' is never told as done: only what was seen after it is.
 */
#ifndef PGLOCKTOP_OUTCOME_H
#define PGLOCKTOP_OUTCOME_H

#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"

/* Hostile: the server's words may be in it. */
void outcome_add(const struct signal_news *news, bool ascii, struct strbuf *out);

/* Whether it is not what was wanted. */
bool outcome_is_bad(enum signal_outcome outcome);

#endif
