/*
 * signaller.h - the one way from a decision to a signal: on the record first, then to the server.
 *
 * A signal's intent is given to the log; when it is on disk the request goes to the source, and what the source says
 * of it is logged in turn. Where the log
 * - says that it cannot be written, nothing is sent, unless the person was told so before and agreed
 *   (signal_request.unlogged);
 * - does not answer within AUDIT_PATIENCE, the request goes out: a dead disk is no reason to let an incident go on.
 *   What is then told of the signal says `unlogged`.
 *
 * A read-only run has no signaller.
 */
#ifndef PGLOCKTOP_SIGNALLER_H
#define PGLOCKTOP_SIGNALLER_H

#include "pglocktop/audit.h"
#include "pglocktop/frame.h"
#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"

struct signaller;

/* Neither is taken over; both must outlive it. */
struct signaller *signaller_new(struct source *source, struct audit *audit);

/* Ends without waiting: signals that were sent, and whose outcome is not known, are logged as unknown. */
void signaller_free(struct signaller *owned);

/* `frame` is what the decision was made upon; it is not kept. */
void signaller_send(struct signaller *signaller, const struct signal_request *request, const struct frame *frame);

/*
 * Each new frame, when it comes from the source: who of those that waited for a target wait no more. O(their number)
 * for each signal whose outcome is awaited.
 */
void signaller_note_frame(struct signaller *signaller, const struct frame *frame);

/* Logs what the source said of a signal, and adds to it whether it went out unlogged and how many it freed. */
void signaller_note(struct signaller *signaller, struct signal_news *news);

/*
 * An answer of kind AUDIT_APPENDED. True when it means that a signal is not sent: `news` then says so, as a source
 * would.
 */
bool signaller_take(struct signaller *signaller, const struct audit_answer *answer, struct signal_news *news);

/* "gone", "not sent" … */
const char *signal_outcome_name(enum signal_outcome outcome);

/* Appends what became of a signal as a JSON object in one line, without a newline. */
void signal_add_result(struct strbuf *out, const struct signal_news *news);

/* Signals whose intent is not on disk yet. */
unsigned signaller_pending(const struct signaller *signaller);

#endif
