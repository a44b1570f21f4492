#include "graph_build.h"

#include <string.h>

/* How many nodes, not counting auxiliary vertices, are in the component of each node. */
static uint32_t *component_sizes(const struct graph *graph, enum graph_edge_set set, struct arena *scratch)
{
	uint32_t count;
	struct graph_vertices vertices = graph_vertices_new(graph, set, scratch);
	const uint32_t *components = graph_components(&vertices, &count, scratch);
	uint32_t *sizes = arena_array(scratch, count, sizeof *sizes);
	for (uint32_t i = 0; i < graph->node_count; i++)
		sizes[components[i]]++;
	uint32_t *by_node = arena_array(scratch, graph->node_count, sizeof *by_node);
	for (uint32_t i = 0; i < graph->node_count; i++)
		by_node[i] = sizes[components[i]];
	return by_node;
}

/* Numbers the cycles by their first members, and counts the members. */
static void number_cycles(struct graph_build *build, const uint32_t *components, uint32_t component_count)
{
	struct graph *graph = build->graph;
	uint32_t *sizes = arena_array(build->scratch, component_count, sizeof *sizes);
	uint32_t *cycle_of = arena_array(build->scratch, component_count, sizeof *cycle_of);
	uint32_t cycles = 0;
	for (uint32_t i = 0; i < graph->node_count; i++)
		if (++sizes[components[i]] == 2)
			cycles++;
	graph->cycles = arena_array(build->arena, cycles, sizeof *graph->cycles);
	memset(cycle_of, 0xff, component_count * sizeof *cycle_of);
	for (uint32_t i = 0; i < graph->node_count; i++) {
		uint32_t *cycle = &cycle_of[components[i]];
		if (sizes[components[i]] < 2)
			continue;
		if (*cycle == GRAPH_NONE)
			*cycle = graph->cycle_count++;
		graph->nodes[i].cycle = *cycle;
		graph->cycles[*cycle].member_count++;
	}
}

/* By component, blockers before waiters: a counting sort. */
static void order_nodes(struct graph_build *build, const uint32_t *components, uint32_t component_count)
{
	struct graph *graph = build->graph;
	uint32_t *next = arena_array(build->scratch, (size_t)component_count + 1, sizeof *next);
	graph->order = arena_array(build->arena, graph->node_count, sizeof *graph->order);
	for (uint32_t i = 0; i < graph->node_count; i++)
		next[components[i] + 1]++;
	for (uint32_t i = 0; i < component_count; i++)
		next[i + 1] += next[i];
	for (uint32_t i = 0; i < graph->node_count; i++)
		graph->order[next[components[i]]++] = i;
}

static void list_members(struct graph_build *build)
{
	struct graph *graph = build->graph;
	uint32_t total = 0;
	for (uint32_t i = 0; i < graph->cycle_count; i++) {
		graph->cycles[i].first_member = total;
		total += graph->cycles[i].member_count;
		graph->cycles[i].member_count = 0;
	}
	graph->cycle_members = arena_array(build->arena, total, sizeof *graph->cycle_members);
	for (uint32_t i = 0; i < graph->node_count; i++) {
		if (graph->nodes[i].cycle == GRAPH_NONE)
			continue;
		struct graph_cycle *cycle = &graph->cycles[graph->nodes[i].cycle];
		graph->cycle_members[cycle->first_member + cycle->member_count++] = i;
	}
}

static void judge_edges(struct graph_build *build)
{
	struct graph *graph = build->graph;
	const uint32_t *hard = component_sizes(graph, GRAPH_EDGES_HARD, build->scratch);
	const uint32_t *certain = component_sizes(graph, GRAPH_EDGES_CERTAIN, build->scratch);
	for (uint32_t i = 0; i < graph->cycle_count; i++) {
		graph->cycles[i].has_soft = true;
		graph->cycles[i].presumed = true;
	}
	for (uint32_t i = 0; i < graph->node_count; i++) {
		if (graph->nodes[i].cycle == GRAPH_NONE)
			continue;
		struct graph_cycle *cycle = &graph->cycles[graph->nodes[i].cycle];
		cycle->has_soft &= hard[i] < 2;
		cycle->presumed &= certain[i] < 2;
	}
}

static int64_t member_since(const struct graph *graph, const struct graph_cycle *cycle, uint32_t member)
{
	const struct graph_node *node = &graph->nodes[graph->cycle_members[cycle->first_member + member]];
	return graph->waits[node->principal_wait].since;
}

/* When the last member began to wait and so closed the cycle; WHEN_NONE if a member's start is not known. */
static int64_t closed_at(const struct graph *graph, const struct graph_cycle *cycle)
{
	int64_t last = WHEN_NONE;
	for (uint32_t i = 0; i < cycle->member_count; i++) {
		int64_t since = member_since(graph, cycle, i);
		if (since == WHEN_NONE)
			return WHEN_NONE;
		if (since > last)
			last = since;
	}
	return last;
}

/*
 * Each waiter looks for a deadlock once, deadlock_timeout after it began to wait (ProcSleep, CheckDeadLock): the first
 * check that comes after the cycle was closed finds it, and fails its own process. Other sessions' own settings of
 * deadlock_timeout cannot be seen.
 */
static void predict_end(const struct graph *graph, struct graph_cycle *cycle)
{
	const struct snapshot *snapshot = graph->snapshot;
	int64_t closed = closed_at(graph, cycle), timeout = snapshot->server.deadlock_timeout;
	cycle->age = when_age(snapshot->taken_at, closed);
	cycle->ends_in = WHEN_NONE;
	cycle->victim = GRAPH_NONE;
	if (closed == WHEN_NONE || timeout <= 0)
		return;
	int64_t first = INT64_MAX;
	for (uint32_t i = 0; i < cycle->member_count; i++) {
		int64_t check = member_since(graph, cycle, i) + timeout;
		if (check < closed || check >= first)
			continue;
		first = check;
		cycle->victim = graph->cycle_members[cycle->first_member + i];
	}
	cycle->ends_in = first - snapshot->taken_at;
}

void graph_build_cycles(struct graph_build *build)
{
	struct graph *graph = build->graph;
	uint32_t component_count;
	struct graph_vertices vertices = graph_vertices_new(graph, GRAPH_EDGES_ALL, build->scratch);
	const uint32_t *components = graph_components(&vertices, &component_count, build->scratch);
	order_nodes(build, components, component_count);
	number_cycles(build, components, component_count);
	if (graph->cycle_count == 0)
		return;
	list_members(build);
	judge_edges(build);
	for (uint32_t i = 0; i < graph->cycle_count; i++)
		predict_end(graph, &graph->cycles[i]);
}
