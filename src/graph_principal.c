#include "graph_build.h"

#include <string.h>

/*
 * Who heads each wait, how many block it, and on which lock a node keeps most waiting; without a look at a pair of
 * processes: for each lock it is enough to know, for each mode, the first two nodes that hold or await it, and how
 * many. Two, since nobody blocks itself.
 */

struct pair {
	uint32_t first, second; /* GRAPH_NONE */
};

struct lock_summary {
	struct pair holders[LOCKMODE_COUNT]; /* nodes, the oldest transactions */
	struct pair waiters[LOCKMODE_COUNT]; /* waits, the frontmost ones, of two nodes */
	uint32_t hard[LOCKMODE_COUNT]; /* how many nodes hold what conflicts with the mode */
	uint32_t soft[LOCKMODE_COUNT]; /* how many nodes so far in the queue await such a one, and hold none */
	uint32_t waiting[LOCKMODE_COUNT]; /* how many waits await the mode */
	uint32_t single[LOCKMODE_COUNT]; /* those of nodes that wait but once; then, those of them still to come */
	int64_t since[LOCKMODE_COUNT]; /* when the first of them began; INT64_MAX */
};

struct summing {
	struct graph *graph;
	int64_t *age_keys; /* by node: when its transaction began, as far as known; INT64_MAX */
	uint16_t *counted; /* by proc: the modes in whose `soft` it is counted */
	uint32_t *heads_waiting; /* by node: how many others wait on the lock that it heads so far */
	int64_t *heads_since;
};

/* Whose lock group is not known is rather nobody's principal. */
static int64_t transaction_start(const struct graph_build *build, const struct graph_node *node)
{
	const struct snapshot *snapshot = build->snapshot;
	int64_t when = WHEN_NONE;
	if (node->prepared != SNAPSHOT_NO_INDEX) {
		when = snapshot->prepared[node->prepared].prepared_at;
	} else if (node->session != SNAPSHOT_NO_INDEX && build->group_known[node->session]) {
		const struct session *session = &snapshot->sessions[node->session];
		when = session->xact_start != WHEN_NONE ? session->xact_start : session->id.backend_start;
	}
	return when == WHEN_NONE ? INT64_MAX : when;
}

static bool is_older(const struct summing *summing, uint32_t a, uint32_t b)
{
	if (b == GRAPH_NONE || summing->age_keys[a] != summing->age_keys[b])
		return b == GRAPH_NONE || summing->age_keys[a] < summing->age_keys[b];
	return a < b;
}

static void add_holder(const struct summing *summing, struct pair *pair, uint32_t node)
{
	if (is_older(summing, node, pair->first))
		*pair = (struct pair){ node, pair->first };
	else if (is_older(summing, node, pair->second))
		pair->second = node;
}

static void sum_holders(const struct summing *summing, const struct graph_lock *lock, struct lock_summary *summary)
{
	for (uint32_t i = 0; i < lock->holder_count; i++) {
		const struct graph_proc *proc = &summing->graph->procs[lock->first_proc + i];
		uint16_t against = graph_conflicts_of_set(proc->held);
		for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
			if (proc->held & LOCKMODE_BIT(mode))
				add_holder(summing, &summary->holders[mode], proc->node);
			summary->hard[mode] += against >> mode & 1;
		}
	}
}

static void sum_waits(const struct summing *summing, const struct graph_lock *lock, struct lock_summary *summary)
{
	const struct graph *graph = summing->graph;
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[i];
		struct pair *pair = &summary->waiters[wait->mode];
		if (pair->first == GRAPH_NONE)
			pair->first = i;
		else if (pair->second == GRAPH_NONE && graph->waits[pair->first].node != wait->node)
			pair->second = i;
		summary->waiting[wait->mode]++;
		summary->single[wait->mode] += graph->nodes[wait->node].wait_count == 1;
		if (wait->since != WHEN_NONE && wait->since < summary->since[wait->mode])
			summary->since[wait->mode] = wait->since;
	}
}

/* Among those who hold a conflicting mode the one with the oldest transaction. */
static uint32_t oldest_holder(const struct summing *summing, const struct lock_summary *summary,
			      const struct graph_wait *wait)
{
	uint16_t conflicts = lockmode_conflicts(wait->mode);
	uint32_t oldest = GRAPH_NONE;
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		const struct pair *pair = &summary->holders[mode];
		uint32_t node = pair->first == wait->node ? pair->second : pair->first;
		if ((conflicts & LOCKMODE_BIT(mode)) && node != GRAPH_NONE && is_older(summing, node, oldest))
			oldest = node;
	}
	return oldest;
}

/* The frontmost wait in a conflicting mode, if it is ahead of this one. */
static uint32_t frontmost_wait(const struct graph *graph, const struct lock_summary *summary, uint32_t index)
{
	const struct graph_wait *wait = &graph->waits[index];
	uint16_t conflicts = lockmode_conflicts(wait->mode);
	uint32_t front = index;
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		const struct pair *pair = &summary->waiters[mode];
		bool own = pair->first != GRAPH_NONE && graph->waits[pair->first].node == wait->node;
		uint32_t candidate = own ? pair->second : pair->first;
		if ((conflicts & LOCKMODE_BIT(mode)) && candidate < front)
			front = candidate;
	}
	return front == index ? GRAPH_NONE : front;
}

static void choose_principal(const struct summing *summing, const struct lock_summary *summary, uint32_t index)
{
	struct graph *graph = summing->graph;
	struct graph_wait *wait = &graph->waits[index];
	wait->principal = oldest_holder(summing, summary, wait);
	if (wait->principal != GRAPH_NONE) {
		graph_blocks_wait(graph, index, wait->principal, &wait->principal_kind);
		return;
	}
	uint32_t front = frontmost_wait(graph, summary, index);
	if (front == GRAPH_NONE)
		return;
	wait->principal = graph->waits[front].node;
	wait->principal_kind = graph_order_certain(graph, &graph->waits[front], wait) ? EDGE_SOFT : EDGE_PRESUMED;
}

/* Counts a wait as one ahead of those to come, once a node for each mode that waits for it. */
static void count_ahead(const struct summing *summing, struct lock_summary *summary, const struct graph_wait *wait)
{
	struct graph_node *node = &summing->graph->nodes[wait->node];
	summary->single[wait->mode] -= node->wait_count == 1;
	uint16_t against = graph_conflicts_of_set(summing->graph->procs[wait->proc].held);
	uint16_t blocked = lockmode_conflicts(wait->mode) & (uint16_t)~against;
	uint16_t newly = blocked & (uint16_t)~summing->counted[wait->proc];
	summing->counted[wait->proc] |= newly;
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		if (!(newly & LOCKMODE_BIT(mode)))
			continue;
		summary->soft[mode]++;
		node->blocked_count += summary->single[mode];
	}
}

static void count_blockers(const struct summing *summing, const struct lock_summary *summary, struct graph_wait *wait)
{
	uint16_t own = graph_conflicts_of_set(summing->graph->procs[wait->proc].held);
	uint32_t own_hard = own >> wait->mode & 1u;
	uint32_t own_soft = summing->counted[wait->proc] >> wait->mode & 1u;
	wait->hard_count = summary->hard[wait->mode] - own_hard;
	wait->blocker_count = wait->hard_count + summary->soft[wait->mode] - own_soft;
}

static bool waits_for(const struct graph *graph, const struct graph_proc *proc, uint16_t modes, uint32_t *times)
{
	const struct graph_node *node = &graph->nodes[proc->node];
	*times = 0;
	for (uint32_t i = 0; i < node->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[graph->node_waits[node->first_wait + i]];
		*times += wait->lock == proc->lock && (modes & LOCKMODE_BIT(wait->mode));
	}
	return *times > 0;
}

/* Whom a holder blocks by what it holds, and whether that is the lock on which it keeps most waiting. */
static void sum_blocked(struct summing *summing, const struct graph_proc *proc, const struct lock_summary *summary)
{
	struct graph_node *node = &summing->graph->nodes[proc->node];
	uint16_t wanted = graph_conflicts_of_set(proc->held);
	uint32_t waiting = 0, single = 0, own;
	int64_t since = INT64_MAX;
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		if (!(wanted & LOCKMODE_BIT(mode)))
			continue;
		waiting += summary->waiting[mode];
		single += summary->single[mode];
		if (summary->since[mode] < since)
			since = summary->since[mode];
	}
	if (waits_for(summing->graph, proc, wanted, &own)) {
		waiting -= own;
		single -= node->wait_count == 1;
	}
	node->blocked_count += single;
	bool more = waiting > summing->heads_waiting[proc->node];
	bool longer = waiting == summing->heads_waiting[proc->node] && since < summing->heads_since[proc->node];
	if (waiting == 0 || !(more || longer))
		return;
	summing->heads_waiting[proc->node] = waiting;
	summing->heads_since[proc->node] = since;
	node->heads = proc->lock;
}

static void sum_lock(struct summing *summing, const struct graph_lock *lock)
{
	struct lock_summary summary = { .hard = { 0 } };
	memset(summary.holders, 0xff, sizeof summary.holders);
	memset(summary.waiters, 0xff, sizeof summary.waiters);
	for (int mode = 0; mode < LOCKMODE_COUNT; mode++)
		summary.since[mode] = INT64_MAX;
	sum_holders(summing, lock, &summary);
	sum_waits(summing, lock, &summary);
	for (uint32_t i = 0; i < lock->holder_count; i++)
		sum_blocked(summing, &summing->graph->procs[lock->first_proc + i], &summary);
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count; i++) {
		choose_principal(summing, &summary, i);
		count_blockers(summing, &summary, &summing->graph->waits[i]);
		count_ahead(summing, &summary, &summing->graph->waits[i]);
	}
}

/* Hard before soft, then the older holder, or the earlier wait. */
static bool is_better(const struct summing *summing, const struct graph_wait *a, const struct graph_wait *b)
{
	if (a->principal == GRAPH_NONE || b->principal == GRAPH_NONE)
		return b->principal == GRAPH_NONE && a->principal != GRAPH_NONE;
	bool a_hard = a->principal_kind == EDGE_HARD, b_hard = b->principal_kind == EDGE_HARD;
	if (a_hard != b_hard)
		return a_hard;
	return a_hard && is_older(summing, a->principal, b->principal) && a->principal != b->principal;
}

static void set_waiting(struct graph *graph, struct graph_node *node)
{
	const struct graph_wait *wait = &graph->waits[node->principal_wait];
	const struct snapshot *snapshot = graph->snapshot;
	node->waiting_exact = wait->since != WHEN_NONE;
	node->waiting = when_age(snapshot->taken_at,
				 node->waiting_exact ? wait->since : snapshot->sessions[wait->session].query_start);
}

/*
 * A group that waits more than once may be blocked by one node in several ways: its blockers are counted by listing
 * them. Only lock groups come here, and those are as small as max_parallel_workers_per_gather.
 */
static void sum_group(struct graph *graph, uint32_t index)
{
	struct graph_node *node = &graph->nodes[index];
	size_t most = 0;
	for (uint32_t i = 0; i < node->wait_count; i++)
		most += graph->waits[graph->node_waits[node->first_wait + i]].blocker_count;
	if (node->principal != GRAPH_NONE)
		node->principal_kind = graph_edge_kind(graph, index, node->principal);
	struct arena scratch = ARENA_INIT;
	struct graph_blocker *all = arena_array(&scratch, most + 1, sizeof *all);
	node->blocker_count = graph_list_blockers(graph, index, all, (uint32_t)most + 1);
	for (uint32_t i = 0; i < node->blocker_count; i++)
		graph->nodes[all[i].node].blocked_count++;
	arena_release(&scratch);
}

static void sum_node(const struct summing *summing, uint32_t index)
{
	struct graph *graph = summing->graph;
	struct graph_node *node = &graph->nodes[index];
	if (node->wait_count == 0)
		return;
	node->principal_wait = graph->node_waits[node->first_wait];
	for (uint32_t i = 1; i < node->wait_count; i++) {
		uint32_t wait = graph->node_waits[node->first_wait + i];
		if (is_better(summing, &graph->waits[wait], &graph->waits[node->principal_wait]))
			node->principal_wait = wait;
	}
	const struct graph_wait *wait = &graph->waits[node->principal_wait];
	node->principal = wait->principal;
	node->principal_kind = wait->principal_kind;
	node->blocker_count = wait->blocker_count;
	if (node->wait_count > 1)
		sum_group(graph, index);
	if (node->heads == GRAPH_NONE)
		node->heads = wait->lock;
	set_waiting(graph, node);
}

void graph_build_edges(struct graph_build *build)
{
	struct graph *graph = build->graph;
	struct arena *scratch = build->scratch;
	struct summing summing = { .graph = graph };
	summing.age_keys = arena_array(scratch, graph->node_count, sizeof *summing.age_keys);
	summing.counted = arena_array(scratch, graph->proc_count, sizeof *summing.counted);
	summing.heads_waiting = arena_array(scratch, graph->node_count, sizeof *summing.heads_waiting);
	summing.heads_since = arena_array(scratch, graph->node_count, sizeof *summing.heads_since);
	for (uint32_t i = 0; i < graph->node_count; i++)
		summing.age_keys[i] = transaction_start(build, &graph->nodes[i]);
	for (uint32_t i = 0; i < graph->lock_count; i++)
		sum_lock(&summing, &graph->locks[i]);
	for (uint32_t i = 0; i < graph->node_count; i++)
		sum_node(&summing, i);
}
