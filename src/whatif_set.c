#include "whatif_build.h"

#include <stdlib.h>

/*
 * Several who go at once. A waiter is free when all its blockers go, so each queue that one of them has to do with is
 * walked once, with what is held and awaited ahead by those who stay.
 */

struct leaving {
	const struct whatif *whatif;
	const struct graph *graph;
	enum signal_verb verb;
	uint32_t *nodes; /* sorted */
	uint32_t node_count;
	uint32_t *freed; /* one who waits in several queues may be there more than once */
	uint32_t freed_count;
	struct whatif_forecast forecast;
	struct arena scratch;
};

/* What stands in the way in one queue: how many hold, or await ahead, each mode. */
struct obstacles {
	uint32_t held[LOCKMODE_COUNT], ahead[LOCKMODE_COUNT];
	uint32_t kept[LOCKMODE_COUNT]; /* by those who go, but whose cancel may not give it up */
};

static int compare_nodes(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static uint32_t sort_unique(uint32_t *list, uint32_t count)
{
	uint32_t left = 0;
	qsort(list, count, sizeof *list, compare_nodes);
	for (uint32_t i = 0; i < count; i++)
		if (left == 0 || list[left - 1] != list[i])
			list[left++] = list[i];
	return left;
}

static bool leaves(const struct leaving *leaving, uint32_t node)
{
	return bsearch(&node, leaving->nodes, leaving->node_count, sizeof node, compare_nodes) != NULL;
}

static bool does_something(const struct leaving *leaving, uint32_t node)
{
	uint32_t session = leaving->graph->nodes[node].session;
	if (leaving->verb == SIGNAL_TERMINATE)
		return true;
	return session != SNAPSHOT_NO_INDEX && whatif_runs(leaving->graph, session);
}

static bool is_kept_by_cancel(const struct leaving *leaving, const struct graph_lock *lock)
{
	return leaving->verb == SIGNAL_CANCEL &&
	       (lock->tag->kind == LOCKTAG_ADVISORY || lock->tag->kind == LOCKTAG_USERLOCK);
}

static void count_held(const struct leaving *leaving, const struct graph_lock *lock, struct obstacles *obstacles)
{
	for (uint32_t i = 0; i < lock->holder_count; i++) {
		const struct graph_proc *proc = &leaving->graph->procs[lock->first_proc + i];
		bool goes = leaves(leaving, proc->node);
		if (goes && !is_kept_by_cancel(leaving, lock))
			continue;
		for (int mode = 0; mode < LOCKMODE_COUNT; mode++)
			if (proc->held & LOCKMODE_BIT(mode))
				(goes ? obstacles->kept : obstacles->held)[mode]++;
	}
}

/* Whether any of these modes is in the way of somebody who holds `own` of them. */
static bool is_in_the_way(const uint32_t *counts, uint16_t conflicts, uint16_t own)
{
	for (int mode = 0; mode < LOCKMODE_COUNT; mode++)
		if ((conflicts & LOCKMODE_BIT(mode)) && counts[mode] > ((own & LOCKMODE_BIT(mode)) ? 1u : 0u))
			return true;
	return false;
}

/* A parallel group waits with several processes, which are not in each other's way: its blockers one by one. */
static bool group_is_blocked(struct leaving *leaving, uint32_t node)
{
	uint32_t count = leaving->graph->nodes[node].blocker_count;
	struct graph_blocker *blockers = arena_array(&leaving->scratch, count, sizeof *blockers);
	graph_blockers(leaving->graph, node, blockers, count);
	for (uint32_t i = 0; i < count; i++)
		if (!leaves(leaving, blockers[i].node))
			return true;
	return false;
}

/* Whether one of its processes wants an advisory lock of somebody whose cancel may not give it up. */
static bool group_is_kept(const struct leaving *leaving, uint32_t node)
{
	const struct graph_node *at = &leaving->graph->nodes[node];
	for (uint32_t i = 0; i < at->wait_count; i++) {
		const struct graph_wait *wait = &leaving->graph->waits[leaving->graph->node_waits[at->first_wait + i]];
		struct obstacles obstacles = { .held = { 0 } };
		count_held(leaving, &leaving->graph->locks[wait->lock], &obstacles);
		if (is_in_the_way(obstacles.kept, lockmode_conflicts(wait->mode), 0))
			return true;
	}
	return false;
}

/* Whether somebody who stays owns the row that a tuple lock's queue is about. */
static bool row_stays_owned(const struct leaving *leaving, const struct graph_wait *wait)
{
	uint32_t row_lock = leaving->whatif->row_lock[wait->lock];
	if (leaving->graph->locks[wait->lock].tag->kind != LOCKTAG_TUPLE || row_lock == GRAPH_NONE)
		return false;
	const struct graph_lock *lock = &leaving->graph->locks[row_lock];
	for (uint32_t i = 0; i < lock->holder_count; i++) {
		const struct graph_proc *proc = &leaving->graph->procs[lock->first_proc + i];
		if ((proc->held & lockmode_conflicts(LOCKMODE_SHARE)) && proc->node != wait->node &&
		    !leaves(leaving, proc->node))
			return true;
	}
	return false;
}

static void free_waiter(struct leaving *leaving, const struct graph_wait *wait)
{
	const struct whatif_waiter *waiter = &leaving->whatif->waiters[wait->node];
	if (row_stays_owned(leaving, wait)) {
		leaving->forecast.moved++;
		return;
	}
	leaving->freed[leaving->freed_count++] = wait->node;
	if (waiter->by != GRAPH_NONE)
		leaving->forecast.doubts |= waiter->doubts;
	else if (wait->principal_kind == EDGE_PRESUMED)
		leaving->forecast.doubts |= WHATIF_ORDER;
}

static void judge_wait(struct leaving *leaving, const struct graph_wait *wait, const struct obstacles *obstacles)
{
	const struct graph_node *node = &leaving->graph->nodes[wait->node];
	uint16_t conflicts = lockmode_conflicts(wait->mode), own = leaving->graph->procs[wait->proc].held;
	bool blocked = is_in_the_way(obstacles->held, conflicts, own) || is_in_the_way(obstacles->ahead, conflicts, 0);
	bool kept = is_in_the_way(obstacles->kept, conflicts, 0);
	if (node->blocker_count == 0)
		return;
	if (node->wait_count > 1) {
		blocked = group_is_blocked(leaving, wait->node);
		kept = group_is_kept(leaving, wait->node);
	}
	if (blocked)
		return;
	if (kept)
		leaving->forecast.doubts |= WHATIF_ADVISORY;
	else
		free_waiter(leaving, wait);
}

static void walk_queue(struct leaving *leaving, uint32_t index)
{
	const struct graph_lock *lock = &leaving->graph->locks[index];
	struct obstacles obstacles = { .held = { 0 } };
	count_held(leaving, lock, &obstacles);
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		const struct graph_wait *wait = &leaving->graph->waits[lock->first_wait + i];
		if (leaves(leaving, wait->node))
			continue;
		judge_wait(leaving, wait, &obstacles);
		obstacles.ahead[wait->mode]++;
	}
}

static void take_nodes(struct leaving *leaving, const uint32_t *nodes, uint32_t count)
{
	leaving->nodes = arena_array(&leaving->scratch, count, sizeof *leaving->nodes);
	for (uint32_t i = 0; i < count; i++)
		if (does_something(leaving, nodes[i]))
			leaving->nodes[leaving->node_count++] = nodes[i];
	leaving->node_count = sort_unique(leaving->nodes, leaving->node_count);
}

/* The locks that they have to do with, each once. */
static uint32_t *list_locks(struct leaving *leaving, uint32_t *lock_count)
{
	uint32_t all = 0, listed = 0, count;
	for (uint32_t i = 0; i < leaving->node_count; i++)
		all += leaving->graph->nodes[leaving->nodes[i]].proc_count;
	uint32_t *locks = arena_array(&leaving->scratch, all, sizeof *locks);
	for (uint32_t i = 0; i < leaving->node_count; i++) {
		const uint32_t *procs = graph_node_procs(leaving->graph, leaving->nodes[i], &count);
		for (uint32_t j = 0; j < count; j++)
			locks[listed++] = leaving->graph->procs[procs[j]].lock;
	}
	*lock_count = sort_unique(locks, listed);
	return locks;
}

struct whatif_forecast whatif_forecast_set(const struct whatif *whatif, const uint32_t *nodes, uint32_t count,
					   enum signal_verb verb, uint32_t *out, uint32_t capacity)
{
	struct leaving leaving = { .whatif = whatif, .graph = whatif->graph, .verb = verb, .scratch = ARENA_INIT };
	uint32_t lock_count, waits = 0;
	take_nodes(&leaving, nodes, count);
	const uint32_t *locks = list_locks(&leaving, &lock_count);
	for (uint32_t i = 0; i < lock_count; i++)
		waits += whatif->graph->locks[locks[i]].wait_count;
	leaving.freed = arena_array(&leaving.scratch, waits, sizeof *leaving.freed);
	for (uint32_t i = 0; i < lock_count; i++)
		walk_queue(&leaving, locks[i]);
	leaving.forecast.freed = sort_unique(leaving.freed, leaving.freed_count);
	for (uint32_t i = 0; i < leaving.forecast.freed && i < capacity; i++)
		out[i] = leaving.freed[i];
	leaving.forecast.nothing = leaving.node_count == 0;
	leaving.forecast.in_turn = GRAPH_NONE;
	arena_release(&leaving.scratch);
	return leaving.forecast;
}
