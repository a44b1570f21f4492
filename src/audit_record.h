/*
 * audit_record.h - what the log says of a signal: one line before it is sent, one for each piece of news after it.
 *
 * Lines of one signal have the same "id". A query is told without its literals, whatever the screen shows.
 */
#ifndef PGLOCKTOP_AUDIT_RECORD_H
#define PGLOCKTOP_AUDIT_RECORD_H

#include "freed.h"

#include "pglocktop/frame.h"
#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"

/* Members of a JSON object, for audit_append. `frame` is what the person, or the script, decided upon. */
void audit_record_intent(const char *id, const struct signal_request *request, const struct frame *frame,
			 struct strbuf *out);

/* So many of those who were freed are named, the others counted. */
#define AUDIT_RECORD_NAMED 100

/*
 * SIGNAL_SENT makes the event "sent", all else "outcome". `freed` is who waited for the target; NULL: not known. That
 * `news` went out unlogged is in the line: an intent of the same id has come to the disk late, if at all.
 */
void audit_record_outcome(const char *id, const struct signal_news *news, const struct freed *freed,
			  struct strbuf *out);

#endif
