/*
 * graph.h - the wait-for graph: who blocks whom, exactly as pg_blocking_pids() would say it.
 *
 * The rule is that of GetBlockerStatusData (lock.c) and pg_blocking_pids (lockfuncs.c): a process P that waits on lock
 * L in mode m is blocked by every process E of another lock group that holds a mode on L which conflicts with m (a
 * hard edge), or else waits on L with a conflicting mode ahead of P in L's queue (a soft edge).
 *
 * - A node is a lock group (a parallel query's leader with its workers, any other session by itself) or a prepared
 *   transaction. Only nodes that wait, or that block somebody, are in the graph.
 * - A process that waits is blocked by nobody for the moment between the lock's release and its own wake-up: a node
 *   may wait without a blocker.
 * - The graph is kept bipartite, node -> wait -> lock -> processes, and edges are enumerated when asked for: a queue of
 *   4,000 on one row costs 4,000, not 16,000,000. Building is O(rows log rows).
 * - fastpath rows and SIReadLock rows do not take part.
 * - The order of a queue matters only between waiters whose modes conflict. It is certain where an answer of
 *   pg_blocking_pids() settles the pair (snapshot.answers), otherwise estimated, and its soft edges are `presumed`.
 * - A process that may be a parallel query's worker, of which neither the sessions nor the answers tell whose
 *   (session.leader_known), is a node of its own, or is with its probable leader. What it holds, and what it waits for
 *   unless it was asked about, makes no edge that is more than presumed: the leader may be another one.
 *
 * A graph lives in its snapshot's arena, is immutable, and indexes into the snapshot.
 */
#ifndef PGLOCKTOP_GRAPH_H
#define PGLOCKTOP_GRAPH_H

#include "pglocktop/snapshot.h"

#define GRAPH_NONE UINT32_MAX

enum edge_kind {
	EDGE_HARD, /* it holds a lock that conflicts */
	EDGE_SOFT, /* it waits ahead for one that conflicts, and the order is certain */
	EDGE_PRESUMED /* soft, by an order that was only estimated; or by a process whose lock group is not known */
};

/* A lock that somebody waits for. */
struct graph_lock {
	const struct locktag *tag;
	uint32_t first_proc, proc_count; /* graph.procs: who holds what somebody waits for, or waits himself */
	uint32_t holder_count; /* the first so many of them hold a mode; the others only wait. Each part by node */
	uint32_t first_wait, wait_count; /* graph.waits: its queue, in order */
	bool order_matters; /* two of its waiters conflict */
};

/* What one node has to do with one contended lock. */
struct graph_proc {
	uint32_t node;
	uint32_t lock;
	uint16_t held; /* LOCKMODE_BIT set, united over the group; of one that waits, too, also if it blocks nobody */
	uint16_t doubtful; /* of these what only processes hold whose lock group is not known */
	uint16_t wanted; /* likewise, what it waits for */
};

/* One process' wait: a process waits for at most one lock; a lock group may have several. */
struct graph_wait {
	uint32_t node;
	uint32_t lock;
	uint32_t session; /* the process itself: a worker's own index */
	uint32_t row; /* index into snapshot.locks */
	uint32_t proc; /* its node's entry for this lock */
	uint32_t tuple_row; /* snapshot.locks: the tuple lock that it holds while it waits for a row's owner; GRAPH_NONE
			     */
	enum lockmode mode;
	bool group_known; /* the process is certain to be of its node's lock group, and of none besides */
	int64_t since; /* waitstart where it is usable (14+, not stale), else WHEN_NONE */
	bool cover; /* the queue's order is certain only if the server is asked about it: see graph_cover */
	bool asked; /* the server was asked, and nothing contradicts it: its place in the queue is certain */
	int64_t asked_after; /* asked: only against those who waited by then (queue_answer.after) */
	uint32_t principal; /* the node that heads this wait's blockers, GRAPH_NONE if it has none */
	enum edge_kind principal_kind;
	uint32_t blocker_count; /* distinct nodes */
	uint32_t hard_count; /* those of them that hold a conflicting mode, be it presumed that they do */
};

struct graph_node {
	uint32_t session; /* index of the leader, SNAPSHOT_NO_INDEX: a prepared transaction */
	uint32_t prepared; /* index, SNAPSHOT_NO_INDEX: a session, or an unmatched prepared transaction */
	const char *virtualtransaction; /* of an unmatched prepared transaction, all that is known of it; else NULL */
	uint32_t first_wait, wait_count; /* graph.node_waits: indices into graph.waits */
	uint32_t first_proc, proc_count; /* graph.node_procs: see graph_node_procs */
	uint32_t cycle; /* index into graph.cycles, GRAPH_NONE */
	uint32_t principal; /* the principal blocker over all its waits, GRAPH_NONE: it is a root */
	uint32_t principal_wait; /* the wait that it is the principal of; GRAPH_NONE without waits */
	enum edge_kind principal_kind;
	uint32_t blocker_count; /* distinct nodes, over all its waits */
	uint32_t blocked_count; /* distinct nodes that it blocks directly */
	uint32_t heads; /* the lock on which most wait for what it holds, among equals the longest; if nobody does, the
			   lock that it waits for; GRAPH_NONE */
	int64_t waiting; /* how long its principal_wait has lasted: taken_at - since, else - query_start; WHEN_NONE */
	bool waiting_exact; /* `waiting` comes from waitstart */
};

/* A strongly connected component of two or more nodes: sessions that wait for each other in a circle. */
struct graph_cycle {
	uint32_t first_member, member_count; /* graph.cycle_members: nodes, sorted by pid */
	bool has_soft; /* no circle of hard edges is in it: the server will probably reorder a queue, and nobody fails
			*/
	bool presumed; /* no circle of hard and certain soft edges is in it: it may not exist */
	int64_t age; /* since its last member began to wait; WHEN_NONE */
	int64_t ends_in; /* until the server's deadlock check should run, by DeadLockTimeout; WHEN_NONE not known; <0
			    past */
	uint32_t victim; /* the node whose check finds it first, probably; GRAPH_NONE not known */
};

struct graph {
	const struct snapshot *snapshot;
	struct graph_node *nodes; /* sessions by pid, then prepared transactions by xid, then unmatched ones */
	uint32_t node_count;
	struct graph_lock *locks;
	uint32_t lock_count;
	struct graph_proc *procs;
	uint32_t proc_count;
	struct graph_wait *waits; /* lock by lock, each lock's queue in order */
	uint32_t wait_count;
	uint32_t *node_waits; /* by node */
	uint32_t *node_procs; /* by node: indices into procs, lock by lock */
	struct graph_cycle *cycles;
	uint32_t cycle_count;
	uint32_t *cycle_members;
	uint32_t *order; /* all nodes, each behind its blockers; the members of a cycle follow each other */
	uint32_t *session_node; /* by session index: its node (a worker's is its leader's), GRAPH_NONE */
	uint32_t waiting_sessions; /* nodes that wait */
	int64_t longest_wait; /* WHEN_NONE: nobody waits */
};

/* Builds the graph of a finished snapshot in its arena. Cannot fail. */
struct graph *graph_new(const struct snapshot *snapshot);

struct graph_blocker {
	uint32_t node;
	enum edge_kind kind;
};

/*
 * The distinct blockers of a node, the principal one first, then hard before soft, each group in the order of the
 * lock's processes or queue. Writes at most `capacity` of them; returns how many there are in all. O(the waits' locks),
 * and usually O(capacity).
 */
uint32_t graph_blockers(const struct graph *graph, uint32_t node, struct graph_blocker *out, uint32_t capacity);

/* The distinct nodes that this one blocks directly, lock by lock in the queues' order; as graph_blockers. */
uint32_t graph_blocked(const struct graph *graph, uint32_t node, uint32_t *out, uint32_t capacity);

/*
 * Whether these, as pg_blocking_pids() names them (each once, 0 for any number of prepared transactions), are just the
 * blockers of a node. O(count log n), and with a 0 among them O(prepared transactions in the graph) more.
 */
bool graph_agrees(const struct graph *graph, uint32_t node, const int32_t *blockers, uint32_t count);

/* The entries of graph.procs of one node: every lock that it waits for, or that somebody wants of it. */
const uint32_t *graph_node_procs(const struct graph *graph, uint32_t node, uint32_t *count);

/*
 * For every node the number of distinct nodes that wait for it, directly or through others, itself excluded. Exact
 * with bitsets over the condensed graph, the one declared quadratic step; returns NULL above `limit` waiting nodes.
 * In the given arena. By node index.
 */
uint32_t *graph_count_behind(const struct graph *graph, uint32_t limit, struct arena *arena);

/* The node that a pid's session belongs to (a worker's is its leader's), or GRAPH_NONE. O(log n). */
uint32_t graph_find_pid(const struct graph *graph, int32_t pid);

/*
 * Whom to ask pg_blocking_pids() about, so that every conflicting pair of waiters has an asked member: the cheapest
 * cover of modes of each queue, plus waiters that hold something on the lock (queue jumpers). Writes the waiting
 * processes' pids, those never asked before those asked, in each half first those that share a lock with `first` (a
 * node that is on screen or selected, GRAPH_NONE without), at most `capacity`. Waits already asked are left out unless
 * `again`. Returns how many pids there are without the limit. The startup process of a standby is never asked about:
 * pg_blocking_pids() always says that nobody blocks it.
 */
uint32_t graph_cover(const struct graph *graph, uint32_t first, bool again, int32_t *pids, uint32_t capacity);

#endif
