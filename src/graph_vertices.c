#include "graph_build.h"

struct edge {
	uint32_t from, to;
};

/* While the vertices are numbered and their edges collected. */
struct drawing {
	const struct graph *graph;
	struct arena *scratch;
	struct edge *edges;
	size_t edge_count, edge_capacity;
	uint32_t vertex_count;
};

static void add_edge(struct drawing *drawing, uint32_t from, uint32_t to)
{
	drawing->edges = arena_grow(drawing->scratch, drawing->edges, &drawing->edge_capacity, drawing->edge_count + 1,
				    sizeof *drawing->edges);
	drawing->edges[drawing->edge_count++] = (struct edge){ from, to };
}

/* From each wait to the vertices of the modes that conflict with it, as far as there are any. */
static void add_edges_to_modes(struct drawing *drawing, uint32_t node, uint16_t modes, const uint32_t *vertex_of_mode)
{
	for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++)
		if ((modes & LOCKMODE_BIT(mode)) && vertex_of_mode[mode] != GRAPH_NONE)
			add_edge(drawing, node, vertex_of_mode[mode]);
}

static void forget_modes(uint32_t *vertex_of_mode)
{
	for (int mode = 0; mode < LOCKMODE_COUNT; mode++)
		vertex_of_mode[mode] = GRAPH_NONE;
}

/* Of all, or of what is certain. */
static void draw_holders(struct drawing *drawing, const struct graph_lock *lock, bool all)
{
	const struct graph *graph = drawing->graph;
	uint16_t against = graph_conflicts_of_set(graph_wanted(graph, lock));
	uint32_t holders[LOCKMODE_COUNT];
	forget_modes(holders);
	for (uint32_t i = 0; i < lock->holder_count; i++) {
		const struct graph_proc *proc = &graph->procs[lock->first_proc + i];
		uint16_t held = all ? proc->held : proc->held & (uint16_t)~proc->doubtful;
		for (int mode = LOCKMODE_ACCESS_SHARE; mode <= LOCKMODE_ACCESS_EXCLUSIVE; mode++) {
			if (!(held & against & LOCKMODE_BIT(mode)))
				continue;
			if (holders[mode] == GRAPH_NONE)
				holders[mode] = drawing->vertex_count++;
			add_edge(drawing, holders[mode], proc->node);
		}
	}
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[lock->first_wait + i];
		if (all || graph_surely_waits(wait))
			add_edges_to_modes(drawing, wait->node, lockmode_conflicts(wait->mode), holders);
	}
}

/* Makes a wait the last of those who await its mode: a vertex that leads to its node and to those ahead. */
static void extend_chain(struct drawing *drawing, const struct graph_wait *wait, uint32_t *chain)
{
	uint32_t vertex = drawing->vertex_count++;
	add_edge(drawing, vertex, wait->node);
	if (chain[wait->mode] != GRAPH_NONE)
		add_edge(drawing, vertex, chain[wait->mode]);
	chain[wait->mode] = vertex;
}

static void draw_queue(struct drawing *drawing, const struct graph_lock *lock)
{
	uint32_t chain[LOCKMODE_COUNT];
	forget_modes(chain);
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		const struct graph_wait *wait = &drawing->graph->waits[lock->first_wait + i];
		add_edges_to_modes(drawing, wait->node, lockmode_conflicts(wait->mode), chain);
		extend_chain(drawing, wait, chain);
	}
}

/* The earliest reading that an answer about this queue relies on: who waited by then is judged by all of them. */
static int64_t earliest_answer(const struct graph *graph, const struct graph_lock *lock)
{
	int64_t earliest = INT64_MAX;
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[lock->first_wait + i];
		if (wait->asked && wait->asked_after > 0 && wait->asked_after < earliest)
			earliest = wait->asked_after;
	}
	return earliest == INT64_MAX ? 0 : earliest;
}

/*
 * graph_order_certain, for all pairs at once: one asked is certain behind all that are ahead and judged; one not asked,
 * but judged, is behind those ahead that were asked and wait but once, unless it holds against them: then they name it
 * anyway. Of whom it is not known whose it is nobody is certain behind.
 */
static void draw_certain_queue(struct drawing *drawing, const struct graph_lock *lock)
{
	const struct graph *graph = drawing->graph;
	int64_t earliest = earliest_answer(graph, lock);
	uint32_t asked[LOCKMODE_COUNT], judged[LOCKMODE_COUNT];
	forget_modes(asked);
	forget_modes(judged);
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[lock->first_wait + i];
		uint16_t conflicts = lockmode_conflicts(wait->mode);
		uint16_t held_against = graph_conflicts_of_set(graph->procs[wait->proc].held);
		bool is_judged = !graph_joined_after(graph, wait, earliest), sure = graph_surely_queued(graph, wait);
		if (wait->asked)
			add_edges_to_modes(drawing, wait->node, conflicts, judged);
		if (is_judged && wait->group_known)
			add_edges_to_modes(drawing, wait->node, conflicts & (uint16_t)~held_against, asked);
		if (is_judged && sure)
			extend_chain(drawing, wait, judged);
		if (wait->asked && sure && graph->nodes[wait->node].wait_count == 1)
			extend_chain(drawing, wait, asked);
	}
}

/* The edges by their first vertex: a counting sort. */
static struct graph_vertices collect(const struct drawing *drawing, struct arena *arena)
{
	struct graph_vertices vertices = { .vertex_count = drawing->vertex_count };
	vertices.first_edge = arena_array(arena, (size_t)drawing->vertex_count + 1, sizeof *vertices.first_edge);
	vertices.edges = arena_array(arena, drawing->edge_count, sizeof *vertices.edges);
	uint32_t *next = arena_array(drawing->scratch, (size_t)drawing->vertex_count + 1, sizeof *next);
	for (size_t i = 0; i < drawing->edge_count; i++)
		vertices.first_edge[drawing->edges[i].from + 1]++;
	for (uint32_t i = 0; i < drawing->vertex_count; i++) {
		vertices.first_edge[i + 1] += vertices.first_edge[i];
		next[i] = vertices.first_edge[i];
	}
	for (size_t i = 0; i < drawing->edge_count; i++)
		vertices.edges[next[drawing->edges[i].from]++] = drawing->edges[i].to;
	return vertices;
}

struct graph_vertices graph_vertices_new(const struct graph *graph, enum graph_edge_set set, struct arena *arena)
{
	struct arena scratch = ARENA_INIT;
	struct drawing drawing = { .graph = graph, .scratch = &scratch, .vertex_count = graph->node_count };
	for (uint32_t i = 0; i < graph->lock_count; i++) {
		const struct graph_lock *lock = &graph->locks[i];
		draw_holders(&drawing, lock, set == GRAPH_EDGES_ALL);
		if (!lock->order_matters)
			continue;
		if (set == GRAPH_EDGES_ALL)
			draw_queue(&drawing, lock);
		else if (set == GRAPH_EDGES_CERTAIN)
			draw_certain_queue(&drawing, lock);
	}
	struct graph_vertices vertices = collect(&drawing, arena);
	arena_release(&scratch);
	return vertices;
}

/* Tarjan's algorithm under way: how far each vertex has been walked, and the way to the one at hand. */
struct walk {
	const struct graph_vertices *vertices;
	uint32_t *order; /* by vertex: when it was met, counted from 1; 0: not yet */
	uint32_t *low; /* by vertex: the earliest vertex still open that it leads back to */
	uint32_t *next_edge; /* by vertex */
	uint32_t *open; /* vertices whose component is not yet known, in the order in which they were met */
	uint32_t *path; /* vertices being walked, from the start to the one at hand */
	uint32_t *components;
	uint32_t met, open_count, path_length, component_count;
};

static void enter(struct walk *walk, uint32_t vertex)
{
	walk->order[vertex] = ++walk->met;
	walk->low[vertex] = walk->met;
	walk->next_edge[vertex] = walk->vertices->first_edge[vertex];
	walk->open[walk->open_count++] = vertex;
	walk->path[walk->path_length++] = vertex;
}

static void lower(struct walk *walk, uint32_t vertex, uint32_t low)
{
	if (low < walk->low[vertex])
		walk->low[vertex] = low;
}

static void leave(struct walk *walk, uint32_t vertex)
{
	walk->path_length--;
	if (walk->path_length > 0)
		lower(walk, walk->path[walk->path_length - 1], walk->low[vertex]);
	if (walk->low[vertex] != walk->order[vertex])
		return;
	uint32_t member;
	do {
		member = walk->open[--walk->open_count];
		walk->components[member] = walk->component_count;
	} while (member != vertex);
	walk->component_count++;
}

static void walk_from(struct walk *walk, uint32_t start)
{
	enter(walk, start);
	while (walk->path_length > 0) {
		uint32_t vertex = walk->path[walk->path_length - 1];
		if (walk->next_edge[vertex] == walk->vertices->first_edge[vertex + 1]) {
			leave(walk, vertex);
			continue;
		}
		uint32_t to = walk->vertices->edges[walk->next_edge[vertex]++];
		if (walk->order[to] == 0)
			enter(walk, to);
		else if (walk->components[to] == GRAPH_NONE)
			lower(walk, vertex, walk->order[to]);
	}
}

uint32_t *graph_components(const struct graph_vertices *vertices, uint32_t *component_count, struct arena *arena)
{
	struct arena scratch = ARENA_INIT;
	uint32_t count = vertices->vertex_count;
	struct walk walk = { .vertices = vertices };
	walk.order = arena_array(&scratch, count, sizeof *walk.order);
	walk.low = arena_array(&scratch, count, sizeof *walk.low);
	walk.next_edge = arena_array(&scratch, count, sizeof *walk.next_edge);
	walk.open = arena_array(&scratch, count, sizeof *walk.open);
	walk.path = arena_array(&scratch, count, sizeof *walk.path);
	walk.components = arena_array(arena, count, sizeof *walk.components);
	for (uint32_t i = 0; i < count; i++)
		walk.components[i] = GRAPH_NONE;
	for (uint32_t i = 0; i < count; i++)
		if (walk.order[i] == 0)
			walk_from(&walk, i);
	arena_release(&scratch);
	*component_count = walk.component_count;
	return walk.components;
}
