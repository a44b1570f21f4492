#include "graph_build.h"

static bool blocks_node(const struct graph *graph, uint32_t node, uint32_t blocker)
{
	const struct graph_node *waiter = &graph->nodes[node];
	enum edge_kind kind;
	for (uint32_t i = 0; i < waiter->wait_count; i++)
		if (graph_blocks_wait(graph, graph->node_waits[waiter->first_wait + i], blocker, &kind))
			return true;
	return false;
}

/* Answers name a group by its leader, never by a worker. */
static uint32_t find_leading(const struct graph *graph, int32_t pid)
{
	uint32_t session = snapshot_find_pid(graph->snapshot, pid);
	uint32_t node = session == SNAPSHOT_NO_INDEX ? GRAPH_NONE : graph->session_node[session];
	return node != GRAPH_NONE && graph->nodes[node].session == session ? node : GRAPH_NONE;
}

/* Prepared transactions are the last of the nodes. */
static uint32_t count_prepared(const struct graph *graph, uint32_t node)
{
	uint32_t count = 0;
	for (uint32_t i = graph->node_count; i > 0 && graph->nodes[i - 1].session == SNAPSHOT_NO_INDEX; i--)
		count += blocks_node(graph, node, i - 1);
	return count;
}

bool graph_agrees(const struct graph *graph, uint32_t node, const int32_t *blockers, uint32_t count)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (blockers[i] == 0) {
			uint32_t prepared = count_prepared(graph, node);
			if (prepared == 0)
				return false;
			found += prepared;
			continue;
		}
		uint32_t blocker = find_leading(graph, blockers[i]);
		if (blocker == GRAPH_NONE || !blocks_node(graph, node, blocker))
			return false;
		found++;
	}
	return found == graph->nodes[node].blocker_count;
}
