#include "graph_build.h"

#include <string.h>

/* How many waits of a queue await each mode, and which modes conflict with others of the queue. */
struct tally {
	uint32_t waits[LOCKMODE_COUNT];
	uint16_t wanted;
};

static struct tally tally_modes(const struct graph *graph, const struct graph_lock *lock)
{
	struct tally tally = { { 0 }, 0 };
	for (uint32_t i = 0; i < lock->wait_count; i++)
		tally.waits[graph->waits[lock->first_wait + i].mode]++;
	tally.wanted = graph_wanted(graph, lock);
	return tally;
}

/*
 * What it costs to ask all waiters of the modes of `asked`; of a mode outside it that conflicts with itself all but
 * one; UINT32_MAX if two other modes that conflict would be left out.
 */
static uint32_t cover_cost(const struct tally *tally, uint16_t asked)
{
	uint32_t cost = 0;
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		uint16_t bit = LOCKMODE_BIT(mode);
		if (!(tally->wanted & bit))
			continue;
		uint16_t rivals = lockmode_conflicts((enum lockmode)mode) & tally->wanted;
		if (asked & bit)
			cost += tally->waits[mode];
		else if (rivals & (uint16_t) ~(asked | bit))
			return UINT32_MAX;
		else if (rivals & bit)
			cost += tally->waits[mode] - 1;
	}
	return cost;
}

/* The cheapest set of modes: at most 256 to try, mostly two or four. */
static uint16_t cheapest_cover(const struct tally *tally)
{
	uint16_t best = tally->wanted, subset = tally->wanted;
	uint32_t best_cost = cover_cost(tally, best);
	while (subset) {
		subset = (subset - 1) & tally->wanted;
		uint32_t cost = cover_cost(tally, subset);
		if (cost <= best_cost) {
			best = subset;
			best_cost = cost;
		}
	}
	return best;
}

static bool can_be_asked(const struct graph *graph, const struct graph_wait *wait)
{
	const char *type = graph->snapshot->sessions[wait->session].backend_type;
	return !type || strcmp(type, "startup") != 0;
}

/* Of a mode that conflicts with itself the one left out is the last: an answer about a queue's tail costs the most. */
void graph_choose_cover(struct graph *graph, const struct graph_lock *lock)
{
	struct tally tally = tally_modes(graph, lock);
	uint16_t asked = cheapest_cover(&tally);
	uint16_t left_out = 0;
	for (uint32_t i = lock->wait_count; i-- > 0;) {
		struct graph_wait *wait = &graph->waits[lock->first_wait + i];
		uint16_t bit = LOCKMODE_BIT(wait->mode);
		bool holder = graph->procs[wait->proc].held != 0;
		bool rivals_itself = lockmode_conflicts(wait->mode) & bit;
		bool chosen = (asked & bit) || holder || (rivals_itself && (left_out & bit));
		if (!chosen)
			left_out |= bit;
		wait->cover = chosen && can_be_asked(graph, wait);
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
