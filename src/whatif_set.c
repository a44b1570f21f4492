#include "whatif_build.h"

#include <stdlib.h>
#include <string.h>

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
	bool *follows; /* by node: freed at once or in turn; NULL: not known */
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

static void find_freed(struct leaving *leaving)
{
	uint32_t lock_count, waits = 0;
	const uint32_t *locks = list_locks(leaving, &lock_count);
	for (uint32_t i = 0; i < lock_count; i++)
		waits += leaving->graph->locks[locks[i]].wait_count;
	leaving->freed = arena_array(&leaving->scratch, waits, sizeof *leaving->freed);
	for (uint32_t i = 0; i < lock_count; i++)
		walk_queue(leaving, locks[i]);
	leaving->forecast.freed = sort_unique(leaving->freed, leaving->freed_count);
}

/* As of a single one: where a cycle is opened, or advisory locks may stay. */
static bool turns_are_unknown(const struct leaving *leaving)
{
	for (uint32_t i = 0; i < leaving->node_count; i++) {
		uint32_t node = leaving->nodes[i];
		if (leaving->graph->nodes[node].cycle != GRAPH_NONE ||
		    (leaving->verb == SIGNAL_CANCEL && leaving->whatif->blockers[node].advisory))
			return true;
	}
	return leaving->node_count == 0;
}

static void find_following(struct leaving *leaving)
{
	uint32_t count = leaving->graph->node_count;
	leaving->forecast.in_turn = GRAPH_NONE;
	if (turns_are_unknown(leaving))
		return;
	bool *gone = arena_array(&leaving->scratch, count, sizeof *gone);
	for (uint32_t i = 0; i < leaving->node_count; i++)
		gone[leaving->nodes[i]] = true;
	leaving->follows = arena_array(&leaving->scratch, count, sizeof *leaving->follows);
	leaving->forecast.in_turn = whatif_find_following(leaving->whatif, gone, leaving->nodes[0], leaving->follows) -
				    leaving->forecast.freed;
}

static struct leaving foresee(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb)
{
	struct leaving leaving = { .whatif = whatif, .graph = whatif->graph, .verb = verb, .scratch = ARENA_INIT };
	take_nodes(&leaving, nodes, count);
	find_freed(&leaving);
	leaving.forecast.nothing = leaving.node_count == 0;
	return leaving;
}

struct whatif_forecast whatif_forecast_set(const struct whatif *whatif, const uint32_t *nodes, uint32_t count,
					   enum signal_verb verb, uint32_t *out, uint32_t capacity)
{
	struct leaving leaving = foresee(whatif, nodes, count, verb);
	find_following(&leaving);
	for (uint32_t i = 0; i < leaving.forecast.freed && i < capacity; i++)
		out[i] = leaving.freed[i];
	arena_release(&leaving.scratch);
	return leaving.forecast;
}

uint32_t whatif_heads(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
		      uint32_t *out, uint32_t capacity)
{
	struct leaving leaving = foresee(whatif, nodes, count, verb);
	uint32_t all = leaving.node_count + leaving.forecast.freed;
	uint32_t *finished = arena_array(&leaving.scratch, all, sizeof *finished);
	memcpy(finished, leaving.nodes, leaving.node_count * sizeof *finished);
	memcpy(finished + leaving.node_count, leaving.freed, leaving.forecast.freed * sizeof *finished);
	struct leaving then = foresee(whatif, finished, all, SIGNAL_TERMINATE);
	uint32_t heads = then.forecast.freed;
	for (uint32_t i = 0; i < heads && i < capacity; i++)
		out[i] = then.freed[i];
	arena_release(&then.scratch);
	arena_release(&leaving.scratch);
	return heads;
}

/* A blocker that stays, behind one that goes. */
static bool find_place(const struct leaving *leaving, uint32_t waiter, struct whatif_place *place)
{
	struct graph_blocker blockers[32];
	uint32_t capacity = sizeof blockers / sizeof *blockers, behind = GRAPH_NONE;
	uint32_t count = graph_blockers(leaving->graph, waiter, blockers, capacity);
	bool any_goes = false;
	for (uint32_t i = 0; i < count && i < capacity; i++) {
		bool goes = leaves(leaving, blockers[i].node);
		any_goes |= goes;
		if (!goes && !leaving->follows[blockers[i].node] && behind == GRAPH_NONE)
			behind = blockers[i].node;
	}
	*place = (struct whatif_place){ waiter, behind };
	return any_goes && behind != GRAPH_NONE;
}

bool whatif_stays_set(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
		      struct whatif_place *stays)
{
	struct leaving leaving = foresee(whatif, nodes, count, verb);
	bool found = false;
	find_following(&leaving);
	for (uint32_t i = 0; leaving.follows && i < whatif->graph->node_count && !found; i++) {
		bool waits = whatif->graph->nodes[i].blocker_count > 0;
		if (waits && !leaving.follows[i] && !leaves(&leaving, i))
			found = find_place(&leaving, i, stays);
	}
	arena_release(&leaving.scratch);
	return found;
}
