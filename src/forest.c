#include "pglocktop/forest.h"

#include "forest_plan.h"
#include "forest_sort.h"

#include <string.h>

/*
 * Until they are put in drawing order, items are numbered as they come: item i is graph node i, and behind the nodes
 * come the cycles.
 */
struct planting {
	const struct graph *graph;
	struct arena scratch;
	struct forest plan; /* with the items as they come */
	uint32_t *children; /* items by parent: the roots, then the children of each item */
	uint32_t *first_child; /* by item; [count] is behind the last. The roots are children[0 .. root_count) */
	uint32_t *by_level; /* items, parents before children */
	uint32_t *drawn; /* by item: where it went in drawing order */
};

int row_key_compare(struct row_key a, struct row_key b)
{
	if (a.kind != b.kind)
		return a.kind < b.kind ? -1 : 1;
	if (a.pid != b.pid)
		return a.pid < b.pid ? -1 : 1;
	if (a.start != b.start)
		return a.start < b.start ? -1 : 1;
	if (a.object != b.object)
		return a.object < b.object ? -1 : 1;
	return (a.part > b.part) - (a.part < b.part);
}

/* Unmatched prepared transactions are the last nodes; they have nothing but their place among themselves. */
static struct row_key key_of_unmatched(const struct graph *graph, uint32_t node)
{
	uint32_t first = node;
	while (first > 0 && graph->nodes[first - 1].virtualtransaction)
		first--;
	return (struct row_key){ .kind = FOREST_PREPARED, .pid = -1 - (int32_t)(node - first), .start = WHEN_NONE };
}

struct row_key forest_node_key(const struct graph *graph, uint32_t index)
{
	const struct graph_node *node = &graph->nodes[index];
	if (node->session != SNAPSHOT_NO_INDEX) {
		struct identity id = graph->snapshot->sessions[node->session].id;
		return (struct row_key){ .kind = FOREST_SESSION, .pid = id.pid, .start = id.backend_start };
	}
	if (node->prepared == SNAPSHOT_NO_INDEX)
		return key_of_unmatched(graph, index);
	const struct prepared *prepared = &graph->snapshot->prepared[node->prepared];
	return (struct row_key){ .kind = FOREST_PREPARED,
				 .pid = (int32_t)prepared->xid,
				 .start = prepared->prepared_at };
}

static struct forest_item item_of_node(const struct graph *graph, uint32_t index)
{
	const struct graph_node *node = &graph->nodes[index];
	struct forest_item item = {
		.kind = node->session != SNAPSHOT_NO_INDEX ? FOREST_SESSION : FOREST_PREPARED,
		.key = forest_node_key(graph, index),
		.node = index,
		.cycle = node->cycle,
		.lock = GRAPH_NONE,
		.holder = GRAPH_NONE,
		.place = GRAPH_NONE,
		.parent = FOREST_NONE,
		.edge = EDGE_HARD,
		.wait = node->waiting,
	};
	if (node->cycle != GRAPH_NONE) {
		item.parent = graph->node_count + node->cycle;
	} else if (node->principal != GRAPH_NONE) {
		item.parent = node->principal;
		item.edge = node->principal_kind;
	}
	return item;
}

static struct forest_item item_of_cycle(const struct graph *graph, uint32_t cycle)
{
	uint32_t first = graph->cycle_members[graph->cycles[cycle].first_member];
	struct forest_item item = { .kind = FOREST_CYCLE, .key = forest_node_key(graph, first) };
	item.key.kind = FOREST_CYCLE;
	item.node = item.lock = item.holder = item.place = GRAPH_NONE;
	item.cycle = cycle;
	item.parent = FOREST_NONE;
	item.edge = EDGE_HARD;
	item.wait = WHEN_NONE;
	return item;
}

static void plan_nodes(struct planting *planting)
{
	const struct graph *graph = planting->graph;
	struct forest *plan = &planting->plan;
	plan->count = graph->node_count + graph->cycle_count;
	plan->items = arena_array(&planting->scratch, plan->count, sizeof *plan->items);
	for (uint32_t i = 0; i < graph->node_count; i++)
		plan->items[i] = item_of_node(graph, i);
	for (uint32_t i = 0; i < graph->cycle_count; i++)
		plan->items[graph->node_count + i] = item_of_cycle(graph, i);
}

static void plant_items(struct planting *planting)
{
	struct forest *plan = &planting->plan;
	if (plan->of_objects)
		forest_plan_objects(plan, &planting->scratch);
	else
		plan_nodes(planting);
	for (uint32_t i = 0; i < plan->count; i++) {
		if (plan->items[i].parent == FOREST_NONE)
			plan->root_count++;
		else
			plan->items[plan->items[i].parent].child_count++;
	}
}

/* Children by parent, each parent's in the order given. */
static void link_children(struct planting *planting, const uint32_t *order)
{
	const struct forest *plan = &planting->plan;
	uint32_t *next = arena_array(&planting->scratch, (size_t)plan->count + 1, sizeof *next);
	uint32_t first = plan->root_count, roots = 0;
	for (uint32_t i = 0; i < plan->count; i++) {
		planting->first_child[i] = next[i] = first;
		first += plan->items[i].child_count;
	}
	planting->first_child[plan->count] = first;
	for (uint32_t i = 0; i < plan->count; i++) {
		uint32_t parent = plan->items[order[i]].parent;
		planting->children[parent == FOREST_NONE ? roots++ : next[parent]++] = order[i];
	}
}

static void sort_by_level(struct planting *planting)
{
	const struct forest *plan = &planting->plan;
	uint32_t *queue = planting->by_level;
	uint32_t end = plan->root_count;
	memcpy(queue, planting->children, end * sizeof *queue);
	for (uint32_t i = 0; i < end; i++) {
		uint32_t count = plan->items[queue[i]].child_count;
		memcpy(&queue[end], &planting->children[planting->first_child[queue[i]]], count * sizeof *queue);
		end += count;
	}
	ensure(end == plan->count); /* else principal blockers go in a circle that is no cycle of the graph */
}

static void add_to_parent(struct forest_item *parent, const struct forest_item *item)
{
	parent->beneath += 1 + item->beneath;
	parent->wait_sum += item->wait_sum;
	int64_t longest = item->wait > item->behind ? item->wait : item->behind;
	if (longest > parent->behind)
		parent->behind = longest;
}

/* Each member of a cycle has the others behind it: all it takes are the two longest waits. */
static void sum_up_cycle(const struct graph *graph, const struct graph_cycle *cycle, struct forest_item *items)
{
	const uint32_t *members = &graph->cycle_members[cycle->first_member];
	uint32_t longest = members[0], second = members[1];
	for (uint32_t i = 1; i < cycle->member_count; i++) {
		if (items[members[i]].wait > items[longest].wait) {
			second = longest;
			longest = members[i];
		} else if (items[members[i]].wait > items[second].wait) {
			second = members[i];
		}
	}
	for (uint32_t i = 0; i < cycle->member_count; i++) {
		int64_t wait = items[members[i] == longest ? second : longest].wait;
		if (wait > items[members[i]].behind)
			items[members[i]].behind = wait;
	}
}

static void sum_up(struct planting *planting)
{
	struct forest_item *items = planting->plan.items;
	for (uint32_t i = 0; i < planting->plan.count; i++) {
		items[i].behind = WHEN_NONE;
		items[i].wait_sum = items[i].wait == WHEN_NONE ? 0 : items[i].wait;
	}
	for (uint32_t i = planting->plan.count; i-- > 0;) {
		const struct forest_item *item = &items[planting->by_level[i]];
		if (item->parent != FOREST_NONE)
			add_to_parent(&items[item->parent], item);
	}
	for (uint32_t i = 0; i < planting->graph->cycle_count && !planting->plan.of_objects; i++)
		sum_up_cycle(planting->graph, &planting->graph->cycles[i], items);
}

/* Puts a parent's children on the stack, so that the first comes off first. */
static uint32_t push_children(const uint32_t *children, uint32_t count, uint32_t *stack, uint32_t depth)
{
	for (uint32_t i = count; i-- > 0;)
		stack[depth++] = children[i];
	return depth;
}

static void draw_item(struct forest *forest, const struct planting *planting, uint32_t planned)
{
	struct forest_item *item = &forest->items[forest->count];
	*item = planting->plan.items[planned];
	if (item->parent != FOREST_NONE) {
		item->parent = planting->drawn[item->parent];
		uint16_t depth = forest->items[item->parent].depth;
		item->depth = depth < UINT16_MAX ? depth + 1 : depth;
	}
	planting->drawn[planned] = forest->count++;
}

/* Depth first. */
static void draw_in_order(struct forest *forest, struct planting *planting)
{
	uint32_t *stack = arena_array(&planting->scratch, planting->plan.count, sizeof *stack);
	uint32_t depth = push_children(planting->children, planting->plan.root_count, stack, 0);
	while (depth > 0) {
		uint32_t planned = stack[--depth];
		draw_item(forest, planting, planned);
		depth = push_children(&planting->children[planting->first_child[planned]],
				      planting->plan.items[planned].child_count, stack, depth);
	}
}

static void link_siblings(struct forest *forest)
{
	for (uint32_t i = 0; i < forest->count; i++) {
		struct forest_item *item = &forest->items[i];
		uint32_t next = i + 1 + item->beneath;
		bool has_next = next < forest->count && forest->items[next].parent == item->parent;
		item->next = has_next ? next : FOREST_NONE;
		item->last_sibling = !has_next;
	}
}

/* A queue's order is its own: only the objects are sorted. */
static void keep_queues(const struct forest *plan, uint32_t *sorted)
{
	uint32_t roots = 0;
	for (uint32_t i = 0; i < plan->count; i++)
		if (plan->items[sorted[i]].parent == FOREST_NONE)
			sorted[roots++] = sorted[i];
	for (uint32_t i = 0; i < plan->count; i++)
		if (plan->items[i].parent != FOREST_NONE)
			sorted[roots++] = i;
}

/* Each node has one item in the tree; of objects the first where it waits, else the first where it holds, is kept. */
static void index_nodes(struct forest *forest, struct arena *arena)
{
	uint32_t count = forest->frame->graph->node_count;
	forest->node_item = arena_array(arena, count, sizeof *forest->node_item);
	for (uint32_t i = 0; i < count; i++)
		forest->node_item[i] = FOREST_NONE;
	for (uint32_t i = forest->count; i-- > 0;) {
		const struct forest_item *item = &forest->items[i];
		uint32_t *at = item->node == GRAPH_NONE ? NULL : &forest->node_item[item->node];
		if (at && (*at == FOREST_NONE || item->place != GRAPH_NONE || forest->items[*at].place == GRAPH_NONE))
			*at = i;
	}
}

/* Sums, and the order of siblings. */
static void put_in_order(struct planting *planting, struct forest_order order)
{
	struct arena *scratch = &planting->scratch;
	uint32_t count = planting->plan.count;
	planting->children = arena_array(scratch, count, sizeof *planting->children);
	planting->first_child = arena_array(scratch, (size_t)count + 1, sizeof *planting->first_child);
	planting->by_level = arena_array(scratch, count, sizeof *planting->by_level);
	planting->drawn = arena_array(scratch, count, sizeof *planting->drawn);
	uint32_t *sorted = arena_array(scratch, count, sizeof *sorted);
	for (uint32_t i = 0; i < count; i++)
		sorted[i] = i;
	link_children(planting, sorted);
	sort_by_level(planting);
	sum_up(planting);
	forest_sort(&planting->plan, order, planting->by_level, sorted, scratch);
	if (planting->plan.of_objects)
		keep_queues(&planting->plan, sorted);
	link_children(planting, sorted);
}

static struct forest *plant(const struct frame *frame, bool of_objects, struct forest_order order, struct arena *arena)
{
	struct planting planting = { .graph = frame->graph, .scratch = ARENA_INIT };
	planting.plan = (struct forest){ .frame = frame, .of_objects = of_objects };
	plant_items(&planting);
	put_in_order(&planting, order);
	struct forest *forest = arena_alloc(arena, sizeof *forest);
	forest->frame = frame;
	forest->of_objects = of_objects;
	forest->root_count = planting.plan.root_count;
	forest->items = arena_array(arena, planting.plan.count, sizeof *forest->items);
	draw_in_order(forest, &planting);
	link_siblings(forest);
	index_nodes(forest, arena);
	arena_release(&planting.scratch);
	return forest;
}

struct forest *forest_new(const struct frame *frame, struct forest_order order, struct arena *arena)
{
	return plant(frame, false, order, arena);
}

struct forest *forest_new_objects(const struct frame *frame, struct forest_order order, struct arena *arena)
{
	return plant(frame, true, order, arena);
}

uint32_t forest_session(const struct forest *forest, uint32_t item)
{
	const struct graph *graph = forest->frame->graph;
	const struct forest_item *at = &forest->items[item];
	if (at->place != GRAPH_NONE)
		return graph->waits[at->place].session;
	return at->node == GRAPH_NONE ? SNAPSHOT_NO_INDEX : graph->nodes[at->node].session;
}

uint32_t forest_find(const struct forest *forest, struct row_key key)
{
	for (uint32_t i = 0; i < forest->count; i++)
		if (row_key_compare(forest->items[i].key, key) == 0)
			return i;
	return FOREST_NONE;
}
