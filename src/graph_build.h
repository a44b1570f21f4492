/*
 * graph_build.h - the steps in which a graph is built; for src/graph*.c alone.
 *
 * graph_new runs them in this order, each relying on what the ones before have filled in:
 *
 *     rows    nodes, locks, procs, and the waits of each lock in the order of the snapshot's rows
 *     groups  where answers tell of lock groups what the sessions do not: rows once more, with that
 *     procs   node_procs (from here on what a node holds and awaits can be enumerated)
 *     queues  the waits of each lock brought into the queue's order; since, asked, cover
 *     links   node_waits (from here on a node's waits can be enumerated)
 *     edges   principal blockers, counts of blockers, what a node heads
 *     cycles  strongly connected components
 *
 * What only the building needs lives in `scratch` and is gone when graph_new returns.
 */
#ifndef GRAPH_BUILD_H
#define GRAPH_BUILD_H

#include "pglocktop/graph.h"

struct graph_build {
	struct graph *graph;
	const struct snapshot *snapshot;
	struct arena *arena; /* the snapshot's */
	struct arena *scratch;
	uint32_t *leaders; /* by session: the session that leads its lock group, or probably does */
	bool *group_known; /* by session: that it does is certain */
};

void graph_build_rows(struct graph_build *build);
bool graph_find_groups(struct graph_build *build); /* true: `leaders` or `group_known` have changed */
void graph_build_queues(struct graph_build *build);
void graph_build_edges(struct graph_build *build);
void graph_build_cycles(struct graph_build *build);

/* The modes that conflict with any mode of a set. */
uint16_t graph_conflicts_of_set(uint16_t modes);

/* One bit for each mode that the queue awaits. */
uint16_t graph_wanted(const struct graph *graph, const struct graph_lock *lock);

/* Chooses the waits to ask about in one queue: sets `cover`. */
void graph_choose_cover(struct graph *graph, const struct graph_lock *lock);

/* Whether a wait began after `when`, so that an answer asked for at that time says nothing of it. 0: it did not. */
bool graph_joined_after(const struct graph *graph, const struct graph_wait *wait, int64_t when);

/* Whether an answer settles that `ahead` is ahead of `behind`, two waits of one lock in conflicting modes. */
bool graph_order_certain(const struct graph *graph, const struct graph_wait *ahead, const struct graph_wait *behind);

uint32_t *graph_answers_by_session(struct graph_build *build);

/* The snapshot's answers, by session: each speaks for the whole lock group, but is sure to be of this wait's time. */
struct graph_answers {
	const uint32_t *of_session; /* index into snapshot.answers, GRAPH_NONE */
	const int32_t *pids; /* of the sessions, in their order: many are looked up */
	uint32_t *named; /* zeroed room for graph_apply_answers */
};

/*
 * Brings the waits of one lock, which stand in the estimated order, into one that agrees with the server's answers.
 * Sets `asked` and `asked_after` of the waits whose answers fit the snapshot and each other.
 */
void graph_apply_answers(struct graph_build *build, struct graph_lock *lock, const struct graph_answers *answers);

/* Whether a node blocks this one wait, and how. O(log holders), unless it only waits. */
bool graph_blocks_wait(const struct graph *graph, uint32_t wait, uint32_t node, enum edge_kind *kind);

/* Whether it is certain that it is this node that waits: its group is known, or the server was asked about it itself.
 */
bool graph_surely_waits(const struct graph_wait *wait);

/* Whether this wait is certain to be this node's, and what it holds on the lock: else it is ahead of nobody for sure.
 */
bool graph_surely_queued(const struct graph *graph, const struct graph_wait *wait);

/* The strongest edge from a waiting node to one that blocks it, over all its waits. */
enum edge_kind graph_edge_kind(const struct graph *graph, uint32_t waiter, uint32_t blocker);

/* graph_blockers without its total: returns how many were written. */
uint32_t graph_list_blockers(const struct graph *graph, uint32_t node, struct graph_blocker *out, uint32_t capacity);

/*
 * The graph as plain adjacency, for the algorithms that walk it: vertices 0 .. node_count are the graph's nodes, the
 * others stand for "those who hold mode h on lock l" and "those who await mode m on lock l, up to a place in the
 * queue", so that the number of edges is linear in the rows. Edges go from the waiter to its blockers. A path from one
 * node to another through such vertices alone is an edge of the graph; a node may get back to itself.
 */
struct graph_vertices {
	uint32_t vertex_count;
	uint32_t *first_edge; /* by vertex, vertex_count + 1 entries */
	uint32_t *edges;
};

enum graph_edge_set {
	GRAPH_EDGES_HARD,
	GRAPH_EDGES_CERTAIN, /* hard ones, and soft ones that answers settle: never one that they do not */
	GRAPH_EDGES_ALL
};

struct graph_vertices graph_vertices_new(const struct graph *graph, enum graph_edge_set set, struct arena *arena);

/*
 * Strongly connected components (Tarjan 1972, with an explicit stack). Returns the component of each vertex; they are
 * numbered so that an edge between two leads from the higher number to the lower: blockers before waiters.
 */
uint32_t *graph_components(const struct graph_vertices *vertices, uint32_t *component_count, struct arena *arena);

#endif
