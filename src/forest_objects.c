#include "forest_plan.h"

#include "graph_build.h"

#include <string.h>

static struct forest_item plan_object(const struct graph *graph, uint32_t lock)
{
	return (struct forest_item){
		.kind = FOREST_OBJECT,
		.key = forest_object_key(graph, lock),
		.node = GRAPH_NONE,
		.cycle = GRAPH_NONE,
		.lock = lock,
		.holder = GRAPH_NONE,
		.place = GRAPH_NONE,
		.parent = FOREST_NONE,
		.edge = EDGE_HARD,
		.wait = WHEN_NONE,
	};
}

/* A row beneath the object whose item is its lock's index. */
static struct forest_item plan_row(const struct forest_item *object, const struct graph *graph, uint32_t node,
				   enum forest_part part)
{
	struct forest_item item = *object;
	item.kind = graph->nodes[node].session != SNAPSHOT_NO_INDEX ? FOREST_SESSION : FOREST_PREPARED;
	item.key = forest_node_key(graph, node);
	item.key.object = object->key.object;
	item.key.part = (uint8_t)part;
	item.node = node;
	item.parent = object->lock;
	return item;
}

static struct forest_item plan_holder(const struct forest_item *object, const struct graph *graph, uint32_t proc)
{
	struct forest_item item = plan_row(object, graph, graph->procs[proc].node, FOREST_HOLDER);
	item.holder = proc;
	return item;
}

static int64_t wait_age(const struct graph *graph, const struct graph_wait *wait)
{
	int64_t since = wait->since != WHEN_NONE ? wait->since : graph->snapshot->sessions[wait->session].query_start;
	return when_age(graph->snapshot->taken_at, since);
}

/* A lock group's process waits for itself, under its own identity. */
static struct forest_item plan_waiter(const struct forest_item *object, const struct graph *graph, uint32_t index)
{
	const struct graph_wait *wait = &graph->waits[index];
	struct identity id = graph->snapshot->sessions[wait->session].id;
	struct forest_item item = plan_row(object, graph, wait->node, FOREST_WAITER);
	item.key.pid = id.pid;
	item.key.start = id.backend_start;
	item.place = index;
	item.wait = wait_age(graph, wait);
	return item;
}

/* By mode: how many were not asked about, and since when the answers about the others say nothing of newcomers. */
struct queue_doubts {
	uint32_t unasked[LOCKMODE_COUNT];
	uint32_t unknown[LOCKMODE_COUNT]; /* of which lock group it is, or what of it holds */
	int64_t answered_until[LOCKMODE_COUNT]; /* 0: there are no newcomers */
};

static struct queue_doubts tally_doubts(const struct graph *graph, const struct graph_lock *lock)
{
	struct queue_doubts doubts = { .unasked = { 0 } };
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[i];
		int64_t *until = &doubts.answered_until[wait->mode];
		doubts.unknown[wait->mode] += !graph_surely_queued(graph, wait);
		if (!wait->asked)
			doubts.unasked[wait->mode]++;
		else if (wait->asked_after != 0 && (*until == 0 || wait->asked_after < *until))
			*until = wait->asked_after;
	}
	return doubts;
}

/* Whether the server was not asked about it, nor about one whose request conflicts with its own; or cannot tell. */
static bool is_presumed(const struct graph *graph, const struct graph_wait *wait, const struct queue_doubts *doubts)
{
	uint16_t rivals = lockmode_conflicts(wait->mode);
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
		bool itself = mode == (int)wait->mode;
		if (!(rivals & LOCKMODE_BIT(mode)))
			continue;
		if (doubts->unknown[mode] > (itself && !graph_surely_queued(graph, wait)))
			return true;
		if (wait->asked)
			continue;
		if (doubts->unasked[mode] > itself || graph_joined_after(graph, wait, doubts->answered_until[mode]))
			return true;
	}
	return false;
}

static void plan_rows(struct forest *plan, uint32_t index)
{
	const struct graph *graph = plan->frame->graph;
	const struct graph_lock *lock = &graph->locks[index];
	const struct forest_item *object = &plan->items[index];
	struct queue_doubts doubts = tally_doubts(graph, lock);
	for (uint32_t i = 0; i < lock->holder_count; i++)
		plan->items[plan->count++] = plan_holder(object, graph, lock->first_proc + i);
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count; i++) {
		struct forest_item *item = &plan->items[plan->count++];
		*item = plan_waiter(object, graph, i);
		item->presumed = lock->order_matters && is_presumed(graph, &graph->waits[i], &doubts);
	}
}

void forest_plan_objects(struct forest *plan, struct arena *scratch)
{
	const struct graph *graph = plan->frame->graph;
	uint32_t capacity = graph->lock_count + graph->wait_count;
	for (uint32_t i = 0; i < graph->lock_count; i++)
		capacity += graph->locks[i].holder_count;
	plan->items = arena_array(scratch, capacity, sizeof *plan->items);
	for (uint32_t i = 0; i < graph->lock_count; i++)
		plan->items[plan->count++] = plan_object(graph, i);
	for (uint32_t i = 0; i < graph->lock_count; i++)
		plan_rows(plan, i);
}

struct row_key forest_object_key(const struct graph *graph, uint32_t lock)
{
	return (struct row_key){ .kind = FOREST_OBJECT,
				 .start = WHEN_NONE,
				 .object = locktag_hash(graph->locks[lock].tag) };
}

static bool waits_here(const struct graph *graph, uint32_t node, uint32_t lock, struct row_key key)
{
	const struct graph_node *of = &graph->nodes[node];
	for (uint32_t i = 0; i < of->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[graph->node_waits[of->first_wait + i]];
		if (wait->lock == lock && graph->snapshot->sessions[wait->session].id.pid == key.pid)
			return true;
	}
	return false;
}

bool forest_has_place(const struct graph *graph, struct row_key key)
{
	uint32_t node = graph_find_pid(graph, key.pid), count = 0;
	const uint32_t *procs = node == GRAPH_NONE ? NULL : graph_node_procs(graph, node, &count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t lock = graph->procs[procs[i]].lock;
		const struct graph_lock *at = &graph->locks[lock];
		if (locktag_hash(at->tag) != key.object)
			continue;
		if (key.part == FOREST_HOLDER)
			return procs[i] - at->first_proc < at->holder_count;
		return waits_here(graph, node, lock, key);
	}
	return false;
}
