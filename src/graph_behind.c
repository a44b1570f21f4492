#include "graph_build.h"

/*
 * Each component's set of those who wait for it, as bits of waiting nodes. Components are numbered with blockers before
 * waiters, so walking them from the last to the first finds each one's set complete.
 */
struct behind {
	const struct graph *graph;
	struct graph_vertices vertices;
	const uint32_t *components;
	uint32_t component_count;
	uint32_t *by_component; /* the vertices, sorted by component */
	uint32_t *first_vertex; /* by component, component_count + 1 entries */
	uint32_t *bit; /* by node; GRAPH_NONE: it does not wait */
	uint64_t *sets;
	size_t words; /* of one set */
};

static uint32_t number_waiting(struct behind *behind, struct arena *scratch)
{
	uint32_t count = 0;
	behind->bit = arena_array(scratch, behind->graph->node_count, sizeof *behind->bit);
	for (uint32_t i = 0; i < behind->graph->node_count; i++)
		behind->bit[i] = behind->graph->nodes[i].wait_count > 0 ? count++ : GRAPH_NONE;
	return count;
}

static void sort_vertices(struct behind *behind, struct arena *scratch)
{
	uint32_t count = behind->vertices.vertex_count;
	behind->by_component = arena_array(scratch, count, sizeof *behind->by_component);
	behind->first_vertex = arena_array(scratch, (size_t)behind->component_count + 2, sizeof *behind->first_vertex);
	uint32_t *starts = behind->first_vertex + 1; /* one further on, so that filling leaves them at their places */
	for (uint32_t i = 0; i < count; i++)
		starts[behind->components[i] + 1]++;
	for (uint32_t i = 0; i < behind->component_count; i++)
		starts[i + 1] += starts[i];
	for (uint32_t i = 0; i < count; i++)
		behind->by_component[starts[behind->components[i]]++] = i;
}

static uint64_t *set_of(const struct behind *behind, uint32_t component)
{
	return &behind->sets[component * behind->words];
}

static uint32_t count_bits(const struct behind *behind, const uint64_t *set)
{
	uint32_t count = 0;
	for (size_t i = 0; i < behind->words; i++)
		count += (uint32_t)__builtin_popcountll(set[i]);
	return count;
}

/* Adds a component's own waiting nodes to its set, and takes the nodes' counts from it. */
static void count_component(struct behind *behind, uint32_t component, uint32_t *counts)
{
	uint64_t *set = set_of(behind, component);
	uint32_t first = behind->first_vertex[component], end = behind->first_vertex[component + 1];
	for (uint32_t i = first; i < end; i++) {
		uint32_t node = behind->by_component[i];
		if (node < behind->graph->node_count && behind->bit[node] != GRAPH_NONE)
			set[behind->bit[node] / 64] |= UINT64_C(1) << behind->bit[node] % 64;
	}
	uint32_t count = count_bits(behind, set);
	for (uint32_t i = first; i < end; i++) {
		uint32_t node = behind->by_component[i];
		if (node < behind->graph->node_count)
			counts[node] = count - (behind->bit[node] != GRAPH_NONE);
	}
}

static void pass_on(struct behind *behind, uint32_t component)
{
	const uint64_t *set = set_of(behind, component);
	for (uint32_t i = behind->first_vertex[component]; i < behind->first_vertex[component + 1]; i++) {
		uint32_t vertex = behind->by_component[i];
		uint32_t end = behind->vertices.first_edge[vertex + 1];
		for (uint32_t edge = behind->vertices.first_edge[vertex]; edge < end; edge++) {
			uint32_t to = behind->components[behind->vertices.edges[edge]];
			uint64_t *blocker = set_of(behind, to);
			for (size_t word = 0; to != component && word < behind->words; word++)
				blocker[word] |= set[word];
		}
	}
}

uint32_t *graph_count_behind(const struct graph *graph, uint32_t limit, struct arena *arena)
{
	struct arena scratch = ARENA_INIT;
	struct behind behind = { .graph = graph };
	uint32_t waiting = number_waiting(&behind, &scratch), *counts = NULL;
	if (waiting <= limit) {
		behind.vertices = graph_vertices_new(graph, GRAPH_EDGES_ALL, &scratch);
		behind.components = graph_components(&behind.vertices, &behind.component_count, &scratch);
		sort_vertices(&behind, &scratch);
		behind.words = waiting / 64 + 1;
		behind.sets = arena_array(&scratch, behind.component_count * behind.words, sizeof *behind.sets);
		counts = arena_array(arena, graph->node_count, sizeof *counts);
		for (uint32_t i = behind.component_count; i-- > 0;) {
			count_component(&behind, i, counts);
			pass_on(&behind, i);
		}
	}
	arena_release(&scratch);
	return counts;
}
