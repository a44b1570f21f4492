/*
 * forest.h - the graph as trees: each waiter under its principal blocker, cycles as groups at top level; or each lock
 * that is waited for, with its holders and its queue beneath it.
 *
 * - Each graph node is one item. A waiter's place is under its principal blocker (graph.h). Members of a cycle are the
 *   children of a group item, flat, each with its own waiters beneath. A blocker that waits for nobody is a root.
 * - Of objects: each graph lock is a root; its children are those who hold what somebody waits for, then its queue, in
 *   the queue's order whatever sorts the locks. One who holds it and waits for more is there twice; a parallel group's
 *   processes wait each for itself.
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
	FOREST_CYCLE, /* a deadlock's head line; its members are its children */
	FOREST_OBJECT /* a lock that is waited for; its holders and its queue are its children */
};

/* What a row beneath an object is there for. */
enum forest_part { FOREST_WHOLE, FOREST_HOLDER, FOREST_WAITER };

/* What an item is, across snapshots: never an index. */
struct row_key {
	uint8_t kind; /* enum forest_kind, or 0xff: no row */
	int32_t pid; /* session: pid; prepared: its xid (-1, -2 … if unmatched); cycle: the smallest member's pid */
	int64_t start; /* backend_start; prepared_at; the smallest member's backend_start */
	uint64_t object; /* of objects: locktag_hash of the lock that the row is or is beneath; else 0 */
	uint8_t part; /* enum forest_part */
};

#define ROW_KEY_NONE ((struct row_key){ .kind = 0xff })

int row_key_compare(struct row_key a, struct row_key b);

struct forest_item {
	enum forest_kind kind;
	struct row_key key;
	uint32_t node; /* graph node; GRAPH_NONE for FOREST_CYCLE and FOREST_OBJECT */
	uint32_t cycle; /* FOREST_CYCLE: index into graph.cycles */
	uint32_t lock; /* of objects: index into graph.locks; GRAPH_NONE: this is the tree */
	uint32_t holder; /* FOREST_HOLDER: index into graph.procs; else GRAPH_NONE */
	uint32_t place; /* FOREST_WAITER: index into graph.waits; else GRAPH_NONE */
	bool presumed; /* FOREST_WAITER: its place in the queue is only estimated, and matters */
	uint32_t parent; /* item; FOREST_NONE: a root */
	uint32_t next; /* next sibling; FOREST_NONE: the last */
	uint32_t child_count;
	uint32_t beneath; /* items under it: what the BLOCKS column shows, for a cycle less its members (child_count) */
	uint16_t depth; /* 0 for a root; saturates */
	bool last_sibling;
	enum edge_kind edge; /* to the parent; EDGE_HARD for roots and a cycle's members */
	int64_t wait; /* its own wait, of objects that for the object; WHEN_NONE */
	int64_t behind; /* the longest wait beneath, itself excluded; of a cycle's member also the others' waits;
			   WHEN_NONE */
	int64_t wait_sum; /* all waits beneath and its own, summed: the default order, longest first */
};

struct forest {
	const struct frame *frame;
	struct forest_item *items;
	uint32_t count;
	uint32_t root_count;
	uint32_t *node_item; /* by graph node: its item; of objects the first where it waits, else where it holds */
	bool of_objects;
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

/*
 * Builds the forest of objects. By a column, objects are ordered by what it says of them; by default, and where it
 * says nothing, by the summed wait.
 */
struct forest *forest_new_objects(const struct frame *frame, struct forest_order order, struct arena *arena);

/* Whether the forest of objects has a row for the session of a key: it holds or awaits that very object. O(log n). */
bool forest_has_place(const struct graph *graph, struct row_key key);

/* The key of the row of a lock in the forest of objects. */
struct row_key forest_object_key(const struct graph *graph, uint32_t lock);

/* The session of an item as an index into the snapshot, a waiting worker's its own; SNAPSHOT_NO_INDEX: it has none. */
uint32_t forest_session(const struct forest *forest, uint32_t item);

/* The item with this key, or FOREST_NONE. O(items) the first time; callers with many keys sort them. */
uint32_t forest_find(const struct forest *forest, struct row_key key);

#endif
