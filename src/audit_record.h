/*
 * audit_record.h - what the log says of a signal: one line before it is sent, one for each piece of news after it.
 *
 * Lines of one signal have the same "id". A query is told without its literals, whatever the screen shows.
 */
#ifndef PGLOCKTOP_AUDIT_RECORD_H
#define PGLOCKTOP_AUDIT_RECORD_H

#include "pglocktop/frame.h"
#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"

/* Members of a JSON object, for audit_append. `frame` is what the person, or the script, decided upon. */
void audit_record_intent(const char *id, const struct signal_request *request, const struct frame *frame,
			 struct strbuf *out);

/* SIGNAL_SENT makes the event "sent", all else "outcome". */
void audit_record_outcome(const char *id, const struct signal_news *news, struct strbuf *out);

#endif
