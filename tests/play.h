/*
 * play.h - the screen played without a terminal, a server or a clock: a desk (tui/desk.h) to which a script gives
 * keys, frames and time, and from which it reads the canvas and what was to be done.
 *
 * A line of a script:
 *
 *     size WIDTHxHEIGHT
 *     ascii | read-only | masked        no UTF-8; -r; -m, before the first frame
 *     silent                            the terminal never answers
 *     confirms-by-pid | banner          a question wants the pid typed; the banner is PRODUCTION
 *     situation [NAME]                  a frame: the lines that follow (situation.h), NAME.situation before them
 *     change                            the same with these lines, too; a session's, a server's, a role's and an
 *                                       outline's take the place of the one before
 *     ends PID...                       the same without these sessions
 *     releases PID...                   the same without their locks
 *     again                             the same, read anew
 *     epoch                             from now on frames come from another server
 *     keys KEY...                       typed one by one: j Enter ^C F9 PgDn "any text"
 *     pile KEY...                       likewise, but all of it was there at once
 *     paste TEXT | paste-begin TEXT     bracketed; its end gets lost
 *     answer                            the terminal answers that all drawn is on its screen
 *     after AGE                         time passes
 *     log [REASON]                      the audit log can be written, or why it cannot
 *     shows-log                         its last lines have come: those that follow
 *     status STATE [TEXT] [attempt=] [retry=AGE] [stage=] [interval=AGE]
 *     news OUTCOME [AGE] [before=] [after=] [freed=] [waiters=] [late] [sqlstate=] [TEXT]
 *                                       of the signal asked for last
 *
 * A frame is taken at the time of the clock: SITUATION_TIME and what has passed since.
 */
#ifndef PLAY_H
#define PLAY_H

#include "desk.h"

struct play {
	struct desk desk;
	int64_t start, now; /* when_monotonic(), as it were */
	bool can_answer;
	uint64_t epoch, serial;
	const char *directory; /* where NAME.situation is */
	struct strbuf situation; /* as it was read last */
	struct strbuf effects; /* what was to be done since they were taken, a line each */
	struct signal_request request; /* the last one */
};

void play_init(struct play *play, const char *directory);
void play_release(struct play *play);

/* Plays a line, cut into words; `block` are the lines that follow it. False with `err` when it is not understood. */
bool play_line(struct play *play, char *words[], int count, const char *block, struct err *err) MUST_CHECK;

/*
 * Appends the canvas' rows from `first` on, 1 is the top one. Before each stands "|", or ":" where all of it is dimmed;
 * under the cursor "*", or "%" where it is dimmed.
 */
void play_add_rows(const struct play *play, int first, int last, struct strbuf *out);

#endif
