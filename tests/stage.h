/*
 * stage.h - the screen played without a terminal, a server or a clock: a desk (tui/desk.h) to which a script gives
 * keys, frames and time, and from which it reads the canvas and what was to be done.
 *
 * A line of a script:
 *
 *     size WIDTHxHEIGHT
 *     ascii | read-only | silent            the terminal has no UTF-8; -r; the terminal never answers
 *     situation [NAME]                      a frame, of the lines that follow (situation.h) or of NAME.situation
 *     change                                the same, but with these lines: a session's, or of server, role and
 * outline, takes the place of the one before, others are added ends PID...                           the same without
 * these sessions; `releases`: without their locks again                                 the same, read anew epoch from
 * now on frames come from another server keys KEY...                           typed one by one: "j", "Enter", "^C",
 * "F9", "PgDn", "any text" pile KEY...                           the same, but all of it was there at once paste TEXT |
 * paste-begin TEXT         bracketed; its end gets lost answer                                the terminal answers that
 * all drawn is on its screen after AGE                             time passes status STATE [TEXT] [attempt=]
 * [retry=AGE] [stage=] news OUTCOME [AGE] [before=] [after=] [sqlstate=] [TEXT]     of the signal asked for last
 *
 * A frame is taken at the time of the clock: SITUATION_TIME and what has passed since.
 */
#ifndef STAGE_H
#define STAGE_H

#include "desk.h"

struct stage {
	struct desk desk;
	int64_t start, now; /* when_monotonic(), as it were */
	bool can_answer;
	uint64_t epoch, serial;
	const char *directory; /* where NAME.situation is */
	struct strbuf situation; /* as it was read last */
	struct strbuf effects; /* what was to be done since they were taken, a line each */
	struct signal_request request; /* the last one */
};

void stage_init(struct stage *stage, const char *directory);
void stage_release(struct stage *stage);

/* Plays a line, cut into words; `block` are the lines that follow it. False with `err` when it is not understood. */
bool stage_play(struct stage *stage, char *words[], int count, const char *block, struct err *err) MUST_CHECK;

/*
 * Appends the canvas' rows from `first` on, 1 is the top one. Before each stands "|", or ":" where all of it is dimmed;
 * under the cursor "*", or "%" where it is dimmed.
 */
void stage_add_rows(const struct stage *stage, int first, int last, struct strbuf *out);

#endif
