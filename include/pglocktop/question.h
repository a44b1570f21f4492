/*
 * question.h - the question before a signal, as a machine of its own, since it is what must never go wrong; and by the
 * same rules the one before masked literals are shown.
 *
 *     CLOSED -> OPEN -> DRAWN -> ARMED -> CLOSED
 *
 * - The targets are identities, taken when the key was pressed: one session, or all that are tagged. The verb never
 *   changes, and none is added. Of those tagged who cannot be meant, or no longer, each stays listed with its reason.
 * - Only in ARMED does `y` act, and it gets there only when the terminal has answered that the question's frame is on
 *   its screen (or when 300 ms have passed on a terminal that was never seen to answer, 3 s on one that was).
 * - `y` counts only when it was typed by itself: with more input right behind it, it was pasted or piled up.
 * - Where a typed answer is wanted, exactly that and Enter acts, by the same rules. Of tagged ones it is their count,
 *   as it was when the question was first shown.
 * - `r` asks for a reason, for the audit log; what was asked is then drawn and armed anew.
 * - Anything else is no. It closes by itself when its last target ends, becomes another, or, for a cancel, moves on.
 */
#ifndef PGLOCKTOP_QUESTION_H
#define PGLOCKTOP_QUESTION_H

#include "pglocktop/prompt.h"
#include "pglocktop/source.h"
#include "pglocktop/tags.h"

enum question_stage {
	QUESTION_CLOSED,
	QUESTION_WANTED, /* the data were frozen: a frame read after the key is awaited */
	QUESTION_OPEN, /* not drawn yet */
	QUESTION_DRAWN, /* the terminal's answer is awaited */
	QUESTION_ARMED /* the person's answer is awaited */
};

/* What has become of one of those whom the question is about. */
enum question_part {
	QUESTION_MEANT,
	QUESTION_REFUSED, /* it could not be asked about: question_explain says why */
	QUESTION_ENDED,
	QUESTION_MOVED_ON /* for a cancel: the query that was meant is over */
};

struct question_target {
	struct identity id;
	int64_t query_start; /* of the query that a cancel means, as it was when the question opened */
	enum question_part part;
};

struct question {
	enum question_stage stage;
	enum signal_verb verb;
	struct question_target targets[TAGS_MOST]; /* those meant at first, then those left out */
	uint32_t target_count;
	uint32_t asked; /* so many of them were meant when it was first shown */
	bool of_tags; /* they are the tagged ones, however many; else it is one, and meant */
	bool of_mask; /* it is about nobody, but whether literals are to show; the rest of this is about signals */
	uint32_t top; /* of the list of targets, the first one that shows */
	uint64_t server_epoch;
	int64_t wanted_at; /* WANTED: when_monotonic() of the key; older frames do not count */
	int64_t due; /* DRAWN: when_monotonic() at which it is armed without an answer */
	unsigned answers_owed; /* by the terminal, for this question and those before it */
	bool terminal_answers; /* it was seen to */
	char label[96]; /* "8008 checkout", "3 tagged sessions"; hostile */
	char answer[16]; /* what must be typed; "": y is enough */
	bool unlogged; /* it says that the audit log cannot be written */
	bool piled; /* more was already there behind the last key of a typed answer */
	struct prompt entry; /* the typed answer, or with PROMPT_REASON the reason, as it is being typed */
	char reason[512]; /* "": none was given */
};

#define QUESTION_INIT                                                                                                  \
	{                                                                                                              \
		.stage = QUESTION_CLOSED                                                                               \
	}

/*
 * Opens for a session of the frame; `wanted` when the frame is frozen and must be read again first. False with the
 * reason when nothing may be asked: `err` then says why, in one line.
 */
bool question_open(struct question *question, enum signal_verb verb, const struct frame *frame, uint32_t session,
		   bool wanted, int64_t now, struct err *err) MUST_CHECK;

/* The same for those tagged; false when none of them may be asked about. */
bool question_open_tagged(struct question *question, enum signal_verb verb, const struct frame *frame,
			  const struct tags *tags, bool wanted, int64_t now, struct err *err) MUST_CHECK;

/* Whether the mask may be taken off; a typed y and Enter acts. Frames do not close it. */
void question_open_mask(struct question *question);

/* How many are meant by now. */
uint32_t question_count_meant(const struct question *question);

/* Why a target is left out: "8017 has ended". */
void question_explain(const struct question *question, const struct question_target *target, const struct frame *frame,
		      struct err *why);

/*
 * What acts: `answer` typed, or y for "". `unlogged`: the question says that the audit log cannot be written. An open
 * question that says less than that is drawn and armed anew; one that says it already stays as it is. Tagged ones are
 * answered for by their count, whatever is wanted here.
 */
void question_want(struct question *question, const char *answer, bool unlogged);

/* Its frame was handed to the terminal, which was asked to answer (or cannot be). */
void question_drawn(struct question *question, bool asked, int64_t now);
void question_answered(struct question *question);
void question_tick(struct question *question, int64_t now);

enum question_reply {
	QUESTION_EARLY, /* typed before it was armed: discarded */
	QUESTION_TYPING, /* it goes on, and looks different */
	QUESTION_YES, /* act; it is closed */
	QUESTION_NO, /* it is closed */
	QUESTION_WRONG, /* another answer than the one that is wanted: no; it is closed */
	QUESTION_PILE /* a y with more behind it: no; it is closed */
};

enum question_reply question_key(struct question *question, const struct input *input);

/* Whether this key would act if it was typed by itself. */
bool question_would_act(const struct question *question, const struct input *input);

/*
 * Holds it against a newer frame: a wanted one opens; one whose target is no longer what was asked about closes.
 * False, with the reason, when it closed.
 */
bool question_check(struct question *question, const struct frame *frame, struct err *err) MUST_CHECK;

void question_close(struct question *question);
bool question_is_open(const struct question *question);

/* Whether it stands among the rows of the list: it is about a signal, and not frozen. */
bool question_is_shown(const struct question *question);

/* The request about one target for a `y` at `now` on that frame: it expires 3 s after, by the server's clock. */
struct signal_request question_request(const struct question *question, uint32_t target, const struct frame *frame,
				       int64_t now);

#endif
