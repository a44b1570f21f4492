/*
 * freed.h - who waited for a session when it was signalled, and how many of them wait no more.
 *
 * They are held by identity and by what they waited for, since totals change for others' reasons, too. Of one that has
 * ended it is not known whether it had got its lock before: it is counted by itself. Not freed, either, was one that
 * only took the next place before a row, or the next old transaction in a list of them: it still waits, in the same
 * query.
 */
#ifndef FREED_H
#define FREED_H

#include "pglocktop/frame.h"

struct freed_waiter {
	struct identity id; /* of a parallel query its leader's */
	int64_t query_start;
	uint64_t lock; /* locktag_hash */
	bool in_steps; /* for a lock of which one may follow another within the same wait */
	bool moves_up; /* for a row's tuple lock: who gets that waits for the row's owner next */
	bool freed; /* waits no more, by the frame that was counted last */
	bool ended; /* by that frame the session is gone */
};

struct freed {
	struct freed_waiter *waiters;
	uint32_t count;
};

/* Those whom the target blocks directly; none when it is in no wait. O(direct waiters). */
void freed_init(struct freed *freed, const struct frame *frame, struct identity target);
void freed_release(struct freed *freed);

/* How many of them wait no more in a later frame. O(direct waiters, log sessions). */
uint32_t freed_count(struct freed *freed, const struct frame *frame);

/* How many had ended by that frame. */
uint32_t freed_count_ended(const struct freed *freed);

#endif
