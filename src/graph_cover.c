#include "graph_build.h"

#include "pglocktop/recovery.h"

#include <string.h>

/* The waits of a queue by mode. */
struct tally {
	uint32_t waits[LOCKMODE_COUNT];
	uint32_t not_asked[LOCKMODE_COUNT];
	uint32_t left_out[LOCKMODE_COUNT]; /* of a mode that conflicts with itself the one not to ask; GRAPH_NONE */
	uint16_t wanted;
};

/* What it costs to ask; among equals those are better about whom an answer is there. */
struct cost {
	uint32_t questions, new_questions;
};

static bool is_holder(const struct graph *graph, const struct graph_wait *wait)
{
	return graph->procs[wait->proc].held != 0;
}

/* The one left out is the last not asked yet, else the last: an answer about a queue's tail costs the server most. */
static struct tally tally_modes(const struct graph *graph, const struct graph_lock *lock)
{
	struct tally tally = { .wanted = graph_wanted(graph, lock) };
	memset(tally.left_out, 0xff, sizeof tally.left_out);
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[i];
		uint32_t *left_out = &tally.left_out[wait->mode];
		tally.waits[wait->mode]++;
		tally.not_asked[wait->mode] += !wait->asked;
		if (is_holder(graph, wait))
			continue;
		if (*left_out == GRAPH_NONE || !wait->asked || graph->waits[*left_out].asked)
			*left_out = i;
	}
	return tally;
}

/*
 * For a set of modes: all waiters of those are asked, and of a mode outside the set that conflicts with itself all but
 * one. False if two modes outside the set conflict, so that a pair would be left out.
 */
static bool is_cover(const struct tally *tally, uint16_t asked, struct cost *cost)
{
	*cost = (struct cost){ 0, 0 };
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		uint16_t bit = LOCKMODE_BIT(mode);
		if (!(tally->wanted & bit))
			continue;
		uint16_t rivals = lockmode_conflicts((enum lockmode)mode) & tally->wanted;
		if (!(asked & bit) && (rivals & (uint16_t) ~(asked | bit)))
			return false;
		if (!(asked & bit) && !(rivals & bit))
			continue;
		uint32_t spared = !(asked & bit);
		cost->questions += tally->waits[mode] - spared;
		cost->new_questions += tally->not_asked[mode] - (tally->not_asked[mode] > 0 ? spared : 0);
	}
	return true;
}

/* The cheapest set of modes: at most 256 to try, mostly two or four. */
static uint16_t cheapest_cover(const struct tally *tally)
{
	struct cost best_cost, cost;
	uint16_t best = tally->wanted, subset = tally->wanted;
	is_cover(tally, best, &best_cost);
	while (subset) {
		subset = (subset - 1) & tally->wanted;
		if (!is_cover(tally, subset, &cost) || cost.questions > best_cost.questions)
			continue;
		if (cost.questions == best_cost.questions && cost.new_questions > best_cost.new_questions)
			continue;
		best = subset;
		best_cost = cost;
	}
	return best;
}

static bool can_be_asked(const struct graph *graph, const struct graph_wait *wait)
{
	return !recovery_is_startup(&graph->snapshot->sessions[wait->session]);
}

/*
 * Of a lock group that waits several times, and of a process whose group is not known, only all answers tell enough.
 * Of one that is not listed they come too late: it is gone.
 */
static bool needs_all(const struct graph *graph, const struct graph_lock *lock)
{
	for (uint32_t i = lock->first_proc; i < lock->first_proc + lock->proc_count; i++) {
		const struct graph_node *node = &graph->nodes[graph->procs[i].node];
		const struct session *session =
			node->session == SNAPSHOT_NO_INDEX ? NULL : &graph->snapshot->sessions[node->session];
		bool known = !session || session->leader_known || !session->listed;
		if (!known || (lock->order_matters && node->wait_count > 1))
			return true;
	}
	return false;
}

void graph_choose_cover(struct graph *graph, const struct graph_lock *lock)
{
	bool all = needs_all(graph, lock);
	if (!all && !lock->order_matters)
		return;
	struct tally tally = tally_modes(graph, lock);
	uint16_t asked = cheapest_cover(&tally);
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count; i++) {
		struct graph_wait *wait = &graph->waits[i];
		uint16_t bit = LOCKMODE_BIT(wait->mode);
		bool rivals_itself = lockmode_conflicts(wait->mode) & bit;
		bool chosen = (asked & bit) || (rivals_itself && tally.left_out[wait->mode] != i);
		wait->cover = (all || chosen || is_holder(graph, wait)) && can_be_asked(graph, wait);
	}
}

/* A node's procs are lock by lock. */
static bool shares_lock(const struct graph *graph, const struct graph_wait *wait, uint32_t node)
{
	uint32_t count = 0, low = 0;
	const uint32_t *procs = node == GRAPH_NONE ? NULL : graph_node_procs(graph, node, &count);
	for (uint32_t high = count; low < high;) {
		uint32_t middle = low + (high - low) / 2;
		if (graph->procs[procs[middle]].lock < wait->lock)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && graph->procs[procs[low]].lock == wait->lock;
}

uint32_t graph_cover(const struct graph *graph, uint32_t first, bool again, int32_t *pids, uint32_t capacity)
{
	uint32_t count = 0;
	for (int pass = 0; pass < 4; pass++) {
		bool asked = pass >= 2, shared = pass % 2 == 0;
		if (asked && !again)
			break;
		for (uint32_t i = 0; i < graph->wait_count; i++) {
			const struct graph_wait *wait = &graph->waits[i];
			if (!wait->cover || wait->asked != asked || shares_lock(graph, wait, first) != shared)
				continue;
			if (count < capacity)
				pids[count] = graph->snapshot->sessions[wait->session].id.pid;
			count++;
		}
	}
	return count;
}
