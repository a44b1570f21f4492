/*
 * history.h - makes events of what differs from one frame to the next, and of what the source and its signals tell.
 *
 * - A deadlock is an event when it is over, with its members and what became of each, or when the server's counter
 *   rises without one having been seen. Circles that are only presumed are none.
 * - A block is an event once somebody has waited for its root for HISTORY_BLOCK_LEAST: the event says how many wait
 *   now, and is renewed with how long it lasted when nobody waits for the root any more.
 * - Time is the server's: a moment between two frames is reckoned from the last one.
 * O(nodes of the graph) a frame; nothing of a frame is kept.
 */
#ifndef PGLOCKTOP_HISTORY_H
#define PGLOCKTOP_HISTORY_H

#include "pglocktop/event.h"
#include "pglocktop/forest.h"
#include "pglocktop/source.h"

#define HISTORY_BLOCK_LEAST WHEN_SECOND
#define HISTORY_LATE (5 * WHEN_SECOND) /* beyond the interval: a refresh that was so late is an event */

enum { HISTORY_LABEL = 96 };

/* A root that others wait for. */
struct history_block {
	struct row_key key;
	struct identity session; /* pid 0: a prepared transaction */
	char label[HISTORY_LABEL]; /* "8008 checkout", hostile */
	int64_t began; /* server time */
	uint32_t now, most; /* waiters beneath it */
	uint64_t event; /* number */
};

/* The block that ended last; of several at once the one that held up most. */
struct history_last {
	int64_t began, ended; /* server time; `ended` WHEN_NONE: there was none */
	uint32_t most; /* waiters beneath it */
	char label[HISTORY_LABEL]; /* hostile */
};

struct history {
	struct events events;
	struct history_last last_block;
	struct history_block *blocks; /* by key */
	uint32_t block_count;
	int64_t server_time, clock; /* the last frame's taken_at and received_at; WHEN_NONE: there was none */
	bool interrupted; /* since the last frame the source was not simply live */
	int64_t lost_at; /* server time; WHEN_NONE: it is connected */
	uint64_t deadlock_event; /* number of one whose place in the server's counter has not been seen yet; 0 */
};

void history_init(struct history *history);
void history_release(struct history *history);

/* A newer frame; `old` NULL: it is the first. `interval`: how far apart refreshes should be. */
void history_note_frame(struct history *history, const struct frame *old, const struct frame *frame, int64_t interval);

void history_note_status(struct history *history, const struct source_status *status);
void history_note_signal(struct history *history, const struct signal_news *news, int64_t now, bool ascii);

#endif
