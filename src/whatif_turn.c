#include "whatif_build.h"

#include <string.h>

/*
 * Who follows whom in turn. If X goes, a waiter gets its lock some time exactly when all its blockers are out of the
 * way some time: X itself, and those for whom the same holds. So on every way from it along the edges to somebody who
 * waits for nobody stands X: X dominates it (Prosser 1959). Dominators form a tree, `way_out` is the parent in it:
 * what all blockers of a node have in common. In an order in which blockers come first one walk finds them all
 * (Cooper, Harvey, Kennedy 2001), with the nearest common ancestor by jump pointers (Myers 1983) in O(log n).
 *
 * Blockers are not enumerated one by one: what those who hold a mode of a lock have in common, and those who await a
 * mode up to a place in its queue, is found once.
 *
 * A member of a cycle is freed by nobody outside it alone. Who follows a member is not looked into: the cycle must be
 * opened there, which changes the order.
 *
 * Where several go at once, any of them on a way will do: they are taken for one and the same node.
 */

#define WAY_UNKNOWN (GRAPH_NONE - 1) /* of no nodes at all: what they have in common is anything */

struct turns {
	const struct whatif *whatif;
	const struct graph *graph;
	const bool *gone; /* by node: it goes, and is taken for `first_gone`; NULL: nobody is */
	uint32_t first_gone;
	uint32_t *way_out; /* by node: as in struct whatif */
	uint32_t *depth; /* by node, in the tree */
	uint32_t *jump; /* by node: an ancestor further up */
	uint32_t *holders; /* by lock and mode: what those who hold it have in common */
	bool *holders_known;
	uint32_t *same; /* by wait: the one before it that awaits the same mode; GRAPH_NONE */
	uint32_t *chain; /* by wait: what it and those have in common */
	bool *chain_known;
	uint32_t *path; /* room for follow_chain */
	uint32_t *before; /* by wait and mode: the last one ahead of it that awaits the mode; GRAPH_NONE */
};

static uint32_t depth_of(const struct turns *turns, uint32_t node)
{
	return node == GRAPH_NONE ? 0 : turns->depth[node];
}

static uint32_t stand_for(const struct turns *turns, uint32_t node)
{
	return turns->gone && turns->gone[node] ? turns->first_gone : node;
}

static uint32_t climb(const struct turns *turns, uint32_t node, uint32_t depth)
{
	while (depth_of(turns, node) > depth) {
		uint32_t jump = turns->jump[node];
		node = depth_of(turns, jump) >= depth ? jump : turns->way_out[node];
	}
	return node;
}

/* The nearest node on all ways through a and on all ways through b; GRAPH_NONE: there is none. */
static uint32_t in_common(const struct turns *turns, uint32_t a, uint32_t b)
{
	if (a == WAY_UNKNOWN || b == WAY_UNKNOWN)
		return a == WAY_UNKNOWN ? b : a;
	a = climb(turns, a, depth_of(turns, b));
	b = climb(turns, b, depth_of(turns, a));
	while (a != b) {
		bool far = turns->jump[a] != turns->jump[b];
		a = far ? turns->jump[a] : turns->way_out[a];
		b = far ? turns->jump[b] : turns->way_out[b];
	}
	return a;
}

static void hang(struct turns *turns, uint32_t node, uint32_t parent)
{
	turns->way_out[node] = parent;
	turns->depth[node] = depth_of(turns, parent) + 1;
	turns->jump[node] = parent;
	if (parent == GRAPH_NONE)
		return;
	uint32_t jump = turns->jump[parent];
	if (jump == GRAPH_NONE)
		return;
	if (turns->depth[parent] - turns->depth[jump] == turns->depth[jump] - depth_of(turns, turns->jump[jump]))
		turns->jump[node] = turns->jump[jump];
}

/* Of those who hold one of the modes, the node itself left out. */
static uint32_t holders_in_common(const struct turns *turns, const struct graph_lock *lock, uint16_t modes,
				  uint32_t except)
{
	uint32_t common = WAY_UNKNOWN;
	for (uint32_t i = 0; i < lock->holder_count; i++) {
		const struct graph_proc *proc = &turns->graph->procs[lock->first_proc + i];
		if ((proc->held & modes) && proc->node != except)
			common = in_common(turns, common, stand_for(turns, proc->node));
	}
	return common;
}

static uint32_t fold_holders(struct turns *turns, uint32_t lock, uint16_t modes, uint32_t common)
{
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		size_t at = (size_t)lock * LOCKMODE_COUNT + (size_t)mode;
		if (!(modes & LOCKMODE_BIT(mode)))
			continue;
		if (!turns->holders_known[at])
			turns->holders[at] =
				holders_in_common(turns, &turns->graph->locks[lock], LOCKMODE_BIT(mode), GRAPH_NONE);
		turns->holders_known[at] = true;
		common = in_common(turns, common, turns->holders[at]);
	}
	return common;
}

/* What a wait and those ahead of it that await the same mode have in common; each is looked at once in all. */
static uint32_t follow_chain(struct turns *turns, uint32_t wait)
{
	uint32_t length = 0, at = wait;
	for (; at != GRAPH_NONE && !turns->chain_known[at]; at = turns->same[at])
		turns->path[length++] = at;
	uint32_t common = at == GRAPH_NONE ? WAY_UNKNOWN : turns->chain[at];
	while (length > 0) {
		at = turns->path[--length];
		common = in_common(turns, common, stand_for(turns, turns->graph->waits[at].node));
		turns->chain[at] = common;
		turns->chain_known[at] = true;
	}
	return common;
}

static uint32_t fold_ahead(struct turns *turns, uint32_t wait, uint16_t modes, uint32_t common)
{
	if (!turns->graph->locks[turns->graph->waits[wait].lock].order_matters)
		return common;
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		uint32_t last = turns->before[(size_t)wait * LOCKMODE_COUNT + (size_t)mode];
		if ((modes & LOCKMODE_BIT(mode)) && last != GRAPH_NONE)
			common = in_common(turns, common, follow_chain(turns, last));
	}
	return common;
}

/* Those behind a tuple lock wait for the row's owner, too, whoever holds the tuple lock. */
static uint32_t fold_row_owners(const struct turns *turns, uint32_t lock, uint32_t node, uint32_t common)
{
	uint32_t row_lock = turns->whatif->row_lock[lock];
	if (row_lock == GRAPH_NONE)
		return common;
	uint32_t owners =
		holders_in_common(turns, &turns->graph->locks[row_lock], lockmode_conflicts(LOCKMODE_SHARE), node);
	return in_common(turns, common, owners);
}

static uint32_t fold_wait(struct turns *turns, uint32_t index)
{
	const struct graph_wait *wait = &turns->graph->waits[index];
	uint16_t conflicts = lockmode_conflicts(wait->mode), held = turns->graph->procs[wait->proc].held;
	const struct graph_lock *lock = &turns->graph->locks[wait->lock];
	uint32_t common = WAY_UNKNOWN;
	if (held & conflicts)
		common = holders_in_common(turns, lock, conflicts, wait->node);
	else
		common = fold_holders(turns, wait->lock, conflicts, common);
	common = fold_ahead(turns, index, conflicts, common);
	return fold_row_owners(turns, wait->lock, wait->node, common);
}

/* Several processes of one group may wait in one queue, and are not in each other's way: one by one, then. */
static uint32_t fold_group(struct turns *turns, uint32_t index, struct arena *scratch)
{
	const struct graph_node *node = &turns->graph->nodes[index];
	struct graph_blocker *blockers = arena_array(scratch, node->blocker_count, sizeof *blockers);
	uint32_t common = WAY_UNKNOWN;
	graph_blockers(turns->graph, index, blockers, node->blocker_count);
	for (uint32_t i = 0; i < node->blocker_count; i++)
		common = in_common(turns, common, stand_for(turns, blockers[i].node));
	for (uint32_t i = 0; i < node->wait_count; i++) {
		uint32_t wait = turns->graph->node_waits[node->first_wait + i];
		common = fold_row_owners(turns, turns->graph->waits[wait].lock, index, common);
	}
	return common;
}

static void find_way_out(struct turns *turns, uint32_t index, struct arena *scratch)
{
	const struct graph_node *node = &turns->graph->nodes[index];
	uint32_t common = WAY_UNKNOWN;
	if (node->cycle == GRAPH_NONE && node->wait_count == 1)
		common = fold_wait(turns, turns->graph->node_waits[node->first_wait]);
	else if (node->cycle == GRAPH_NONE && node->wait_count > 1)
		common = fold_group(turns, index, scratch);
	hang(turns, index, common == WAY_UNKNOWN ? GRAPH_NONE : common);
}

/* For each wait of a queue the last one ahead of it in each mode. */
static void list_queue(struct turns *turns, const struct graph_lock *lock)
{
	uint32_t last[LOCKMODE_COUNT];
	memset(last, 0xff, sizeof last);
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count; i++) {
		enum lockmode mode = turns->graph->waits[i].mode;
		memcpy(&turns->before[(size_t)i * LOCKMODE_COUNT], last, sizeof last);
		turns->same[i] = last[mode];
		last[mode] = i;
	}
}

static void init(struct turns *turns, struct arena *scratch)
{
	const struct graph *graph = turns->graph;
	turns->way_out = arena_array(scratch, graph->node_count, sizeof *turns->way_out);
	turns->depth = arena_array(scratch, graph->node_count, sizeof *turns->depth);
	turns->jump = arena_array(scratch, graph->node_count, sizeof *turns->jump);
	turns->holders = arena_array(scratch, (size_t)graph->lock_count * LOCKMODE_COUNT, sizeof *turns->holders);
	turns->holders_known =
		arena_array(scratch, (size_t)graph->lock_count * LOCKMODE_COUNT, sizeof *turns->holders_known);
	turns->same = arena_array(scratch, graph->wait_count, sizeof *turns->same);
	turns->chain = arena_array(scratch, graph->wait_count, sizeof *turns->chain);
	turns->chain_known = arena_array(scratch, graph->wait_count, sizeof *turns->chain_known);
	turns->path = arena_array(scratch, graph->wait_count, sizeof *turns->path);
	turns->before = arena_array(scratch, (size_t)graph->wait_count * LOCKMODE_COUNT, sizeof *turns->before);
	for (uint32_t i = 0; i < graph->lock_count; i++)
		if (graph->locks[i].order_matters)
			list_queue(turns, &graph->locks[i]);
}

/* Whoever's cancel frees more of those for whom it is merely ahead. */
static uint32_t better_ahead(const struct whatif *whatif, uint32_t a, uint32_t b)
{
	uint32_t soft_a = a == GRAPH_NONE ? 0 : whatif->blockers[a].soft;
	uint32_t soft_b = b == GRAPH_NONE ? 0 : whatif->blockers[b].soft;
	if (soft_a == 0 && soft_b == 0)
		return GRAPH_NONE;
	return soft_b > soft_a || (soft_b == soft_a && b < a) ? b : a;
}

/* From the leaves of the tree to its roots. */
static void count_following(struct whatif *whatif)
{
	const struct graph *graph = whatif->graph;
	for (uint32_t i = 0; i < graph->node_count; i++)
		whatif->blockers[i].ahead = GRAPH_NONE;
	for (uint32_t i = graph->node_count; i-- > 0;) {
		uint32_t node = graph->order[i], parent = whatif->way_out[node];
		struct whatif_blocker *blocker = &whatif->blockers[node];
		if (parent != GRAPH_NONE) {
			struct whatif_blocker *above = &whatif->blockers[parent];
			above->following += blocker->following + 1;
			above->ahead = better_ahead(whatif, above->ahead, better_ahead(whatif, blocker->ahead, node));
		}
		if (graph->nodes[node].cycle != GRAPH_NONE)
			blocker->following = GRAPH_NONE;
	}
}

void whatif_build_turns(struct whatif *whatif, struct arena *arena)
{
	struct arena scratch = ARENA_INIT;
	struct turns turns = { .whatif = whatif, .graph = whatif->graph };
	init(&turns, &scratch);
	whatif->way_out = turns.way_out = arena_array(arena, whatif->graph->node_count, sizeof *turns.way_out);
	for (uint32_t i = 0; i < whatif->graph->node_count; i++)
		find_way_out(&turns, whatif->graph->order[i], &scratch);
	count_following(whatif);
	arena_release(&scratch);
}

uint32_t whatif_find_following(const struct whatif *whatif, const bool *gone, uint32_t first_gone, bool *follows)
{
	const struct graph *graph = whatif->graph;
	struct arena scratch = ARENA_INIT;
	struct turns turns = { .whatif = whatif, .graph = graph, .gone = gone, .first_gone = first_gone };
	uint32_t count = 0;
	init(&turns, &scratch);
	hang(&turns, first_gone, GRAPH_NONE);
	for (uint32_t i = 0; i < graph->node_count; i++) {
		uint32_t node = graph->order[i];
		if (gone[node])
			continue;
		find_way_out(&turns, node, &scratch);
		uint32_t parent = turns.way_out[node];
		follows[node] = parent == first_gone || (parent != GRAPH_NONE && follows[parent]);
		count += follows[node];
	}
	arena_release(&scratch);
	return count;
}
