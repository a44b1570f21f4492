/*
 * forest.h - the graph as trees: each waiter under its principal blocker, cycles as groups at top level.
 *
 * - Each graph node is one item. A waiter's place is under its principal blocker (graph.h). Members of a cycle are the
 *   children of a group item, flat, each with its own waiters beneath. A blocker that waits for nobody is a root.
 * - Items are in drawing order: items[0 .. count) is the whole forest walked depth first, siblings sorted. So
 *   the subtree of item i is items[i .. i + 1 + beneath).
 * - Sorting is total and stable: ties by pid, then backend_start.
 * - Building is O(nodes log nodes), without recursion. A forest lives in the arena that it is given.
 */
#ifndef PGLOCKTOP_FOREST_H
#define PGLOCKTOP_FOREST_H

#include "pglocktop/frame.h"

#define FOREST_NONE UINT32_MAX

enum forest_kind {
	FOREST_SESSION,
	FOREST_PREPARED,
	FOREST_CYCLE /* a deadlock's head line; its members are its children */
};

/* What an item is, across snapshots: never an index. */
struct row_key {
	uint8_t kind; /* enum forest_kind, or 0xff: no row */
	int32_t pid; /* session: pid; prepared: its xid (-1, -2 … if unmatched); cycle: the smallest member's pid */
	int64_t start; /* backend_start; prepared_at; the smallest member's backend_start */
};

#define ROW_KEY_NONE ((struct row_key){ 0xff, 0, 0 })

int row_key_compare(struct row_key a, struct row_key b);

struct forest_item {
	enum forest_kind kind;
	struct row_key key;
	uint32_t node; /* graph node; GRAPH_NONE for FOREST_CYCLE */
	uint32_t cycle; /* FOREST_CYCLE: index into graph.cycles */
	uint32_t parent; /* item; FOREST_NONE: a root */
	uint32_t next; /* next sibling; FOREST_NONE: the last */
	uint32_t child_count;
	uint32_t beneath; /* items under it: what the BLOCKS column shows, for a cycle less its members (child_count) */
	uint16_t depth; /* 0 for a root; saturates */
	bool last_sibling;
	enum edge_kind edge; /* to the parent; EDGE_HARD for roots and a cycle's members */
	int64_t wait; /* its own wait; WHEN_NONE */
	int64_t behind; /* the longest wait beneath, itself excluded; of a cycle's member also the others' waits;
			   WHEN_NONE */
	int64_t wait_sum; /* all waits beneath and its own, summed: the default order, longest first */
};

struct forest {
	const struct frame *frame;
	struct forest_item *items;
	uint32_t count;
	uint32_t root_count;
	uint32_t *node_item; /* by graph node: its item */
};

struct column; /* column.h */

struct forest_order {
	const struct column *column; /* NULL: by the summed wait */
	bool descending; /* of the column; the default order is always worst first */
};

/*
 * Builds the forest. By a column, siblings are ordered by the largest value in each one's subtree where it is a number
 * or an age, by the row's own where it is a text; a cycle by the largest of its members. Unknown values come last in
 * both directions.
 */
struct forest *forest_new(const struct frame *frame, struct forest_order order, struct arena *arena);

/* The item with this key, or FOREST_NONE. O(items) the first time; callers with many keys sort them. */
uint32_t forest_find(const struct forest *forest, struct row_key key);

#endif
