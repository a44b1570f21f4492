#include "pglocktop/graph.h"

#include "graph_build.h"

static uint32_t *list_by_node(struct graph_build *build, uint32_t count)
{
	return arena_array(build->arena, count, sizeof(uint32_t));
}

static void link_waits(struct graph_build *build)
{
	struct graph *graph = build->graph;
	graph->node_waits = list_by_node(build, graph->wait_count);
	uint32_t first = 0;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		graph->nodes[i].first_wait = first;
		first += graph->nodes[i].wait_count;
		graph->nodes[i].wait_count = 0;
	}
	for (uint32_t i = 0; i < graph->wait_count; i++) {
		struct graph_node *node = &graph->nodes[graph->waits[i].node];
		graph->node_waits[node->first_wait + node->wait_count++] = i;
	}
}

static void link_procs(struct graph_build *build)
{
	struct graph *graph = build->graph;
	graph->node_procs = list_by_node(build, graph->proc_count);
	for (uint32_t i = 0; i < graph->proc_count; i++)
		graph->nodes[graph->procs[i].node].proc_count++;
	uint32_t first = 0;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		graph->nodes[i].first_proc = first;
		first += graph->nodes[i].proc_count;
		graph->nodes[i].proc_count = 0;
	}
	for (uint32_t i = 0; i < graph->proc_count; i++) {
		struct graph_node *node = &graph->nodes[graph->procs[i].node];
		graph->node_procs[node->first_proc + node->proc_count++] = i;
	}
}

static void sum_waiting(struct graph *graph)
{
	graph->longest_wait = WHEN_NONE;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		const struct graph_node *node = &graph->nodes[i];
		graph->waiting_sessions += node->wait_count > 0;
		if (node->waiting > graph->longest_wait)
			graph->longest_wait = node->waiting;
	}
}

static void list_leaders(struct graph_build *build)
{
	const struct snapshot *snapshot = build->snapshot;
	build->leaders = arena_array(build->scratch, snapshot->session_count, sizeof *build->leaders);
	build->group_known = arena_array(build->scratch, snapshot->session_count, sizeof *build->group_known);
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		build->leaders[i] = snapshot->sessions[i].leader;
		build->group_known[i] = snapshot->sessions[i].leader_known;
	}
}

struct graph *graph_new(const struct snapshot *snapshot)
{
	struct arena scratch = ARENA_INIT;
	struct graph *graph = arena_alloc(snapshot->arena, sizeof *graph);
	graph->snapshot = snapshot;
	struct graph_build build = { graph, snapshot, snapshot->arena, &scratch, NULL, NULL };
	list_leaders(&build);
	graph_build_rows(&build);
	if (graph_find_groups(&build)) {
		*graph = (struct graph){ .snapshot = snapshot };
		graph_build_rows(&build);
	}
	link_procs(&build);
	graph_build_queues(&build);
	link_waits(&build);
	graph_build_edges(&build);
	graph_build_cycles(&build);
	sum_waiting(graph);
	arena_release(&scratch);
	return graph;
}

const uint32_t *graph_node_procs(const struct graph *graph, uint32_t node, uint32_t *count)
{
	*count = graph->nodes[node].proc_count;
	return &graph->node_procs[graph->nodes[node].first_proc];
}

uint32_t graph_find_pid(const struct graph *graph, int32_t pid)
{
	uint32_t session = snapshot_find_pid(graph->snapshot, pid);
	return session == SNAPSHOT_NO_INDEX ? GRAPH_NONE : graph->session_node[session];
}
