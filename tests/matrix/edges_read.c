/* The program's two ways to say who blocks whom: its JSON document, and a frame of the live source. */
#include "edges.h"

#include <stdlib.h>
#include <string.h>

/* ---- the document ---- */

static enum edge_kind parse_kind(const json_t *value)
{
	const char *name = json_string_value(value);
	for (int kind = EDGE_HARD; name && kind <= EDGE_PRESUMED; kind++)
		if (strcmp(name, edges_kind_name((enum edge_kind)kind)) == 0)
			return (enum edge_kind)kind;
	err_die("the document has an edge of kind \"%s\"", name ? name : "(none)");
}

static int32_t integer_of(const json_t *object, const char *key)
{
	return (int32_t)json_integer_value(json_object_get(object, key));
}

static void add_document_session(struct edges *edges, const json_t *value)
{
	const json_t *list = json_object_get(value, "blocked_by"), *item;
	size_t index, count = json_array_size(list);
	struct edge *copy = arena_array(&edges->arena, count, sizeof *copy);
	json_array_foreach(list, index, item) copy[index] =
		(struct edge){ integer_of(item, "pid"), parse_kind(json_object_get(item, "kind")) };
	struct edges_session *session = edges_add(edges, integer_of(value, "pid"), copy, (uint32_t)count);
	const char *type = json_string_value(json_object_get(value, "backend_type"));
	const char *sql = json_string_value(json_object_get(value, "query"));
	session->worker = type && strcmp(type, "parallel worker") == 0;
	session->waits = json_is_object(json_object_get(value, "waits_for"));
	session->more = (uint32_t)integer_of(value, "blocked_by_more");
	session->direct = integer_of(json_object_get(value, "blocks"), "direct");
	session->sql = sql ? arena_string(&edges->arena, sql) : NULL;
}

static void add_document_circle(struct edges *edges, const json_t *value)
{
	const json_t *members = json_object_get(value, "pids"), *member;
	struct edges_circle *circle = &edges->circles[edges->circle_count++];
	size_t index;
	circle->kind = parse_kind(json_object_get(value, "kind"));
	circle->members = arena_array(&edges->arena, json_array_size(members), sizeof *circle->members);
	json_array_foreach(members, index, member)
	{
		circle->members[circle->count++] = (int32_t)json_integer_value(member);
	}
}

void edges_of_document(const json_t *document, struct edges *edges)
{
	const json_t *sessions = json_object_get(document, "sessions"),
		     *circles = json_object_get(document, "deadlocks");
	const json_t *prepared = json_object_get(document, "prepared"), *value;
	size_t index;
	edges_init(edges, (uint32_t)json_array_size(sessions));
	json_array_foreach(sessions, index, value) add_document_session(edges, value);
	edges->circles = arena_array(&edges->arena, json_array_size(circles), sizeof *edges->circles);
	json_array_foreach(circles, index, value) add_document_circle(edges, value);
	if (json_array_size(prepared) == 1)
		edges->prepared_direct = integer_of(json_object_get(json_array_get(prepared, 0), "blocks"), "direct");
	edges_finish(edges);
}

/* ---- the frame ---- */

static int32_t pid_of_node(const struct graph *graph, uint32_t node)
{
	uint32_t session = graph->nodes[node].session;
	return session == SNAPSHOT_NO_INDEX ? EDGES_PREPARED : graph->snapshot->sessions[session].id.pid;
}

static void add_frame_session(struct edges *edges, const struct graph *graph, uint32_t index)
{
	const struct session *of = &graph->snapshot->sessions[index];
	uint32_t node = graph->session_node[index];
	uint32_t capacity = node == GRAPH_NONE ? 0 : graph->nodes[node].blocker_count;
	struct graph_blocker *blockers = arena_array(&edges->arena, capacity, sizeof *blockers);
	struct edge *copy = arena_array(&edges->arena, capacity, sizeof *copy);
	uint32_t count = node == GRAPH_NONE ? 0 : graph_blockers(graph, node, blockers, capacity);
	for (uint32_t i = 0; i < count && i < capacity; i++)
		copy[i] = (struct edge){ pid_of_node(graph, blockers[i].node), blockers[i].kind };
	struct edges_session *session = edges_add(edges, of->id.pid, copy, count < capacity ? count : capacity);
	bool leads = node != GRAPH_NONE && graph->nodes[node].session == index;
	session->worker = of->backend_type && strcmp(of->backend_type, "parallel worker") == 0;
	session->more = count > capacity ? count - capacity : 0;
	session->waits = leads && graph->nodes[node].wait_count > 0;
	session->direct = leads ? (int32_t)graph->nodes[node].blocked_count : 0;
	session->sql = of->query ? arena_string(&edges->arena, of->query) : NULL;
}

static void add_frame_circle(struct edges *edges, const struct graph *graph, const struct graph_cycle *cycle)
{
	struct edges_circle *circle = &edges->circles[edges->circle_count++];
	circle->kind = cycle->presumed ? EDGE_PRESUMED : cycle->has_soft ? EDGE_SOFT : EDGE_HARD;
	circle->members = arena_array(&edges->arena, cycle->member_count, sizeof *circle->members);
	for (uint32_t i = 0; i < cycle->member_count; i++)
		circle->members[circle->count++] = pid_of_node(graph, graph->cycle_members[cycle->first_member + i]);
}

void edges_of_frame(const struct frame *frame, struct edges *edges)
{
	const struct graph *graph = frame->graph;
	uint32_t prepared = 0;
	edges_init(edges, frame->snapshot->session_count);
	for (uint32_t i = 0; i < frame->snapshot->session_count; i++)
		add_frame_session(edges, graph, i);
	edges->circles = arena_array(&edges->arena, graph->cycle_count, sizeof *edges->circles);
	for (uint32_t i = 0; i < graph->cycle_count; i++)
		add_frame_circle(edges, graph, &graph->cycles[i]);
	for (uint32_t i = 0; i < graph->node_count; i++)
		if (graph->nodes[i].session == SNAPSHOT_NO_INDEX && prepared++ == 0)
			edges->prepared_direct = (int32_t)graph->nodes[i].blocked_count;
	if (prepared != 1)
		edges->prepared_direct = -1;
	edges_finish(edges);
}
