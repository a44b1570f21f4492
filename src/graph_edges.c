#include "graph_build.h"

/*
 * Edges on demand. A node that waits for several locks, or several times for one, is a lock group with workers; it may
 * be blocked by the same node more than once. Then the strongest edge counts, and it is listed at the first wait.
 */

static bool found(const struct graph *graph, uint32_t low, uint32_t high, uint32_t node, uint32_t *proc)
{
	uint32_t end = high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (graph->procs[middle].node < node)
			low = middle + 1;
		else
			high = middle;
	}
	*proc = low;
	return low < end && graph->procs[low].node == node;
}

/* Whether a node holds what conflicts with a wait, and how certain that is. */
static bool holds_against(const struct graph *graph, const struct graph_wait *wait, uint32_t node, enum edge_kind *kind)
{
	const struct graph_lock *lock = &graph->locks[wait->lock];
	uint16_t conflicts = lockmode_conflicts(wait->mode);
	uint32_t proc;
	if (!found(graph, lock->first_proc, lock->first_proc + lock->holder_count, node, &proc) ||
	    !(graph->procs[proc].held & conflicts))
		return false;
	bool sure = graph->procs[proc].held & (uint16_t)~graph->procs[proc].doubtful & conflicts;
	*kind = sure && graph_surely_waits(wait) ? EDGE_HARD : EDGE_PRESUMED;
	return true;
}

/* Whether a node waits ahead of this wait, in a mode that conflicts; `kind` says how certain that is. */
static bool waits_ahead(const struct graph *graph, uint32_t wait, uint32_t node, enum edge_kind *kind)
{
	const struct graph_wait *behind = &graph->waits[wait];
	const struct graph_node *who = &graph->nodes[node];
	bool is_ahead = false;
	*kind = EDGE_PRESUMED;
	for (uint32_t i = 0; i < who->wait_count; i++) {
		uint32_t other = graph->node_waits[who->first_wait + i];
		const struct graph_wait *ahead = &graph->waits[other];
		if (ahead->lock != behind->lock || other >= wait)
			continue;
		if (!(lockmode_conflicts(behind->mode) & LOCKMODE_BIT(ahead->mode)))
			continue;
		is_ahead = true;
		if (graph_order_certain(graph, ahead, behind))
			*kind = EDGE_SOFT;
	}
	return is_ahead;
}

bool graph_blocks_wait(const struct graph *graph, uint32_t wait, uint32_t node, enum edge_kind *kind)
{
	const struct graph_wait *waiter = &graph->waits[wait];
	if (waiter->node == node)
		return false;
	return holds_against(graph, waiter, node, kind) || waits_ahead(graph, wait, node, kind);
}

/* An edge between two nodes, as it is over all waits of the one. */
struct strongest {
	enum edge_kind kind;
	uint32_t first; /* the wait that it is listed at: the first that has one, rather a hard one; GRAPH_NONE */
	bool holds; /* there the blocker holds, be it presumed */
};

/* That a blocker may hold what one wait is for makes it presumed, even if it is certain to be ahead of another wait. */
static struct strongest strongest_edge(const struct graph *graph, uint32_t waiter, uint32_t blocker)
{
	const struct graph_node *node = &graph->nodes[waiter];
	struct strongest strongest = { EDGE_PRESUMED, GRAPH_NONE, false };
	bool doubtful = false;
	enum edge_kind kind;
	for (uint32_t i = 0; i < node->wait_count; i++) {
		uint32_t wait = graph->node_waits[node->first_wait + i];
		bool holds =
			graph->waits[wait].node != blocker && holds_against(graph, &graph->waits[wait], blocker, &kind);
		if (!holds && !graph_blocks_wait(graph, wait, blocker, &kind))
			continue;
		bool first_hard = kind == EDGE_HARD && strongest.kind != EDGE_HARD;
		if (strongest.first == GRAPH_NONE || first_hard)
			strongest = (struct strongest){ strongest.kind, wait, holds };
		if (kind < strongest.kind)
			strongest.kind = kind;
		doubtful |= holds && kind == EDGE_PRESUMED;
	}
	if (doubtful && strongest.kind == EDGE_SOFT)
		strongest.kind = EDGE_PRESUMED;
	return strongest;
}

enum edge_kind graph_edge_kind(const struct graph *graph, uint32_t waiter, uint32_t blocker)
{
	return strongest_edge(graph, waiter, blocker).kind;
}

struct listing {
	const struct graph *graph;
	uint32_t node, principal;
	struct graph_blocker *out;
	uint32_t count, capacity;
};

static void list_blocker(struct listing *listing, uint32_t wait, uint32_t blocker, bool holds)
{
	if (blocker == listing->principal || blocker == listing->node)
		return;
	struct strongest edge = strongest_edge(listing->graph, listing->node, blocker);
	if (edge.first != wait || edge.holds != holds)
		return;
	listing->out[listing->count++] = (struct graph_blocker){ blocker, edge.kind };
}

static void list_holders(struct listing *listing, uint32_t index)
{
	const struct graph *graph = listing->graph;
	const struct graph_wait *wait = &graph->waits[index];
	const struct graph_lock *lock = &graph->locks[wait->lock];
	uint16_t conflicts = lockmode_conflicts(wait->mode);
	uint32_t left = wait->hard_count;
	for (uint32_t i = 0; i < lock->holder_count && left > 0 && listing->count < listing->capacity; i++) {
		const struct graph_proc *proc = &graph->procs[lock->first_proc + i];
		if (!(proc->held & conflicts) || proc->node == wait->node)
			continue;
		left--;
		list_blocker(listing, index, proc->node, true);
	}
}

/* Whether an earlier wait of the same node in the same queue has been listed already. */
static bool is_repeated(const struct graph *graph, uint32_t index, uint16_t conflicts)
{
	const struct graph_node *node = &graph->nodes[graph->waits[index].node];
	for (uint32_t i = 0; i < node->wait_count; i++) {
		uint32_t other = graph->node_waits[node->first_wait + i];
		if (other < index && graph->waits[other].lock == graph->waits[index].lock &&
		    (conflicts & LOCKMODE_BIT(graph->waits[other].mode)))
			return true;
	}
	return false;
}

static void list_queue(struct listing *listing, uint32_t index)
{
	const struct graph *graph = listing->graph;
	const struct graph_wait *wait = &graph->waits[index];
	const struct graph_lock *lock = &graph->locks[wait->lock];
	uint16_t conflicts = lockmode_conflicts(wait->mode);
	uint32_t left = wait->blocker_count - wait->hard_count;
	for (uint32_t i = lock->first_wait; i < index && left > 0 && listing->count < listing->capacity; i++) {
		const struct graph_wait *ahead = &graph->waits[i];
		if (!(conflicts & LOCKMODE_BIT(ahead->mode)) || ahead->node == wait->node)
			continue;
		if ((graph->procs[ahead->proc].held & conflicts) || is_repeated(graph, i, conflicts))
			continue;
		left--;
		list_blocker(listing, index, ahead->node, false);
	}
}

uint32_t graph_list_blockers(const struct graph *graph, uint32_t node, struct graph_blocker *out, uint32_t capacity)
{
	const struct graph_node *waiter = &graph->nodes[node];
	struct listing listing = { graph, node, waiter->principal, out, 0, capacity };
	if (waiter->principal != GRAPH_NONE && capacity > 0)
		out[listing.count++] = (struct graph_blocker){ waiter->principal, waiter->principal_kind };
	for (uint32_t i = 0; i < waiter->wait_count; i++)
		list_holders(&listing, graph->node_waits[waiter->first_wait + i]);
	for (uint32_t i = 0; i < waiter->wait_count; i++)
		list_queue(&listing, graph->node_waits[waiter->first_wait + i]);
	return listing.count;
}

uint32_t graph_blockers(const struct graph *graph, uint32_t node, struct graph_blocker *out, uint32_t capacity)
{
	graph_list_blockers(graph, node, out, capacity);
	return graph->nodes[node].blocker_count;
}

/* A waiter is listed at the first of its waits that the node blocks. */
static bool is_first_blocked(const struct graph *graph, uint32_t wait, uint32_t blocker)
{
	const struct graph_node *node = &graph->nodes[graph->waits[wait].node];
	enum edge_kind kind;
	for (uint32_t i = 0; i < node->wait_count; i++) {
		uint32_t other = graph->node_waits[node->first_wait + i];
		if (other == wait)
			return true;
		if (graph_blocks_wait(graph, other, blocker, &kind))
			return false;
	}
	return true;
}

static uint32_t list_blocked(const struct graph *graph, const struct graph_lock *lock, uint32_t node, uint32_t *out,
			     uint32_t wanted)
{
	uint32_t count = 0;
	enum edge_kind kind;
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count && count < wanted; i++)
		if (graph_blocks_wait(graph, i, node, &kind) && is_first_blocked(graph, i, node))
			out[count++] = graph->waits[i].node;
	return count;
}

uint32_t graph_blocked(const struct graph *graph, uint32_t node, uint32_t *out, uint32_t capacity)
{
	uint32_t proc_count, count = 0, total = graph->nodes[node].blocked_count;
	uint32_t wanted = total < capacity ? total : capacity;
	const uint32_t *procs = graph_node_procs(graph, node, &proc_count);
	for (uint32_t i = 0; i < proc_count && count < wanted; i++) {
		const struct graph_lock *lock = &graph->locks[graph->procs[procs[i]].lock];
		count += list_blocked(graph, lock, node, out + count, wanted - count);
	}
	return total;
}
