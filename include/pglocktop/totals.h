/*
 * totals.h - the counts of a snapshot that headers and documents show.
 */
#ifndef PGLOCKTOP_TOTALS_H
#define PGLOCKTOP_TOTALS_H

#include "pglocktop/frame.h"

struct totals {
	uint32_t sessions; /* all that are listed, background processes included */
	uint32_t connections; /* those that occupy one of max_connections' slots */
	uint32_t active; /* clients only, our own session left out */
	uint32_t idle_in_transaction; /* aborted ones included */
	uint32_t waiting; /* for a heavyweight lock: lock groups, each once */
	uint32_t roots; /* nodes that block somebody and wait for nobody, and cycles */
	int64_t longest_wait; /* WHEN_NONE: nobody waits */
	int64_t new_deadlocks; /* since the source began; -1: not known */
};

struct totals totals_of(const struct frame *frame);

#endif
