/*
 * whatif_build.h - what the forecasts are made of; for src/whatif*.c alone.
 */
#ifndef WHATIF_BUILD_H
#define WHATIF_BUILD_H

#include "pglocktop/whatif.h"

/* What would give a waiting node its lock. */
struct whatif_waiter {
	uint32_t by; /* the one who alone blocks it; GRAPH_NONE: nobody, or several */
	uint32_t behind; /* by `by` going it gets a row's tuple lock, and then waits for this owner; GRAPH_NONE */
	bool advisory; /* an advisory lock that `by` holds is what it waits for */
	uint8_t doubts;
};

/* What the going of a node would give others. */
struct whatif_blocker {
	uint32_t freed, kept_by_cancel, moved; /* `kept_by_cancel`: of those freed, the ones who want advisory locks */
	uint32_t soft; /* of those freed, the ones ahead of whom it only waits */
	uint32_t following; /* who is freed at once or in turn */
	uint32_t ahead; /* of these, the one with most `soft`; GRAPH_NONE: none has any */
	int64_t longest; /* the longest wait of those freed; 0 */
	bool advisory; /* it holds an advisory lock that somebody waits for */
	uint8_t doubts;
};

struct whatif {
	const struct graph *graph;
	struct whatif_waiter *waiters; /* by node */
	struct whatif_blocker *blockers; /* by node */
	uint32_t *row_lock; /* by lock, of a tuple's: the lock on which its holder waits for the row's owner; GRAPH_NONE
			     */
	uint32_t *way_out; /* by node: the nearest one that every way from it out of the graph leads through; GRAPH_NONE
			    */
};

/* Fills in way_out, following and ahead. The rest is there. */
void whatif_build_turns(struct whatif *whatif, struct arena *arena);

/*
 * Who is freed, at once or in turn, when all those go who are `gone` by node, of whom `first_gone` is one and none is
 * in a cycle: `follows` by node, false before. Returns how many. O(rows log rows).
 */
uint32_t whatif_find_following(const struct whatif *whatif, const bool *gone, uint32_t first_gone, bool *follows);

#endif
