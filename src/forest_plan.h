/*
 * forest_plan.h - the items of a forest as they come, before they are put in order; between src/forest.c and
 * src/forest_objects.c.
 */
#ifndef FOREST_PLAN_H
#define FOREST_PLAN_H

#include "pglocktop/forest.h"

/* The key of a graph node's row in the tree. */
struct row_key forest_node_key(const struct graph *graph, uint32_t node);

/*
 * The locks, as many items as the graph has, then lock by lock its holders and its queue: sets items and count in the
 * plan, whose frame is set. O(waits + procs).
 */
void forest_plan_objects(struct forest *plan, struct arena *scratch);

#endif
