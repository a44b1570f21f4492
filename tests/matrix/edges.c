#include "edges.h"

#include "pids.h"

#include <stdlib.h>
#include <string.h>

void edges_init(struct edges *edges, uint32_t capacity)
{
	*edges = (struct edges){ .arena = ARENA_INIT, .prepared_direct = -1 };
	edges->sessions = arena_array(&edges->arena, capacity, sizeof *edges->sessions);
}

void edges_release(struct edges *edges)
{
	arena_release(&edges->arena);
	*edges = (struct edges){ .arena = ARENA_INIT };
}

static int compare_edges(const void *left, const void *right)
{
	const struct edge *a = left, *b = right;
	return (a->blocker > b->blocker) - (a->blocker < b->blocker);
}

/* Of several prepared transactions the weakest edge stays; there should be hard ones only. */
static uint32_t make_unique(struct edge *list, uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (kept > 0 && list[kept - 1].blocker == list[i].blocker) {
			if (list[i].kind > list[kept - 1].kind)
				list[kept - 1].kind = list[i].kind;
			continue;
		}
		list[kept++] = list[i];
	}
	return kept;
}

struct edges_session *edges_add(struct edges *edges, int32_t pid, const struct edge *list, uint32_t count)
{
	struct edges_session *session = &edges->sessions[edges->session_count++];
	*session = (struct edges_session){ .pid = pid, .direct = -1 };
	session->edges = arena_array(&edges->arena, count, sizeof *list);
	if (count > 0) {
		memcpy(session->edges, list, count * sizeof *list);
		qsort(session->edges, count, sizeof *list, compare_edges);
	}
	session->count = make_unique(session->edges, count);
	return session;
}

static int compare_sessions(const void *left, const void *right)
{
	const struct edges_session *a = left, *b = right;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

static int compare_circles(const void *left, const void *right)
{
	const struct edges_circle *a = left, *b = right;
	return (a->members[0] > b->members[0]) - (a->members[0] < b->members[0]);
}

void edges_finish(struct edges *edges)
{
	if (edges->session_count > 0)
		qsort(edges->sessions, edges->session_count, sizeof *edges->sessions, compare_sessions);
	for (uint32_t i = 0; i < edges->circle_count; i++)
		pids_sort(edges->circles[i].members, edges->circles[i].count);
	if (edges->circle_count > 0)
		qsort(edges->circles, edges->circle_count, sizeof *edges->circles, compare_circles);
}

const struct edges_session *edges_find(const struct edges *edges, int32_t pid)
{
	const struct edges_session key = { .pid = pid };
	if (edges->session_count == 0)
		return NULL;
	return bsearch(&key, edges->sessions, edges->session_count, sizeof key, compare_sessions);
}

bool edges_find_edge(const struct edges_session *session, int32_t blocker, enum edge_kind *kind)
{
	const struct edge key = { .blocker = blocker };
	const struct edge *edge = NULL;
	if (session && session->count > 0)
		edge = bsearch(&key, session->edges, session->count, sizeof key, compare_edges);
	if (edge)
		*kind = edge->kind;
	return edge != NULL;
}

const char *edges_kind_name(enum edge_kind kind)
{
	static const char *const names[] = { [EDGE_HARD] = "hard", [EDGE_SOFT] = "soft", [EDGE_PRESUMED] = "presumed" };
	return names[kind];
}

/* ---- circles, naively ---- */

/* reaches[i * count + j]: i waits for j, directly or through others, by edges of at most this kind. */
static bool *find_reachable(const struct edges *edges, enum edge_kind weakest)
{
	uint32_t count = edges->session_count;
	bool *reaches = calloc((size_t)count * count + 1, sizeof *reaches);
	if (!reaches)
		err_die("out of memory");
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t e = 0; !edges->sessions[i].worker && e < edges->sessions[i].count; e++) {
			const struct edge *edge = &edges->sessions[i].edges[e];
			const struct edges_session *blocker = edges_find(edges, edge->blocker);
			if (blocker && edge->kind <= weakest)
				reaches[(size_t)i * count + (size_t)(blocker - edges->sessions)] = true;
		}
	for (uint32_t middle = 0; middle < count; middle++)
		for (uint32_t i = 0; i < count; i++)
			for (uint32_t j = 0; reaches[(size_t)i * count + middle] && j < count; j++)
				reaches[(size_t)i * count + j] |= reaches[(size_t)middle * count + j];
	return reaches;
}

static void add_circle(struct edges *edges, uint32_t first, const bool *reaches, const bool *hard, bool *done)
{
	size_t count = edges->session_count;
	struct edges_circle *circle = &edges->circles[edges->circle_count++];
	circle->members = arena_array(&edges->arena, count, sizeof *circle->members);
	circle->kind = EDGE_SOFT;
	for (size_t i = first; i < count; i++) {
		if (!reaches[first * count + i] || !reaches[i * count + first])
			continue;
		circle->members[circle->count++] = edges->sessions[i].pid;
		done[i] = true;
		if (hard[i * count + i])
			circle->kind = EDGE_HARD;
	}
}

void edges_find_circles(struct edges *edges)
{
	size_t count = edges->session_count;
	bool *reaches = find_reachable(edges, EDGE_PRESUMED), *hard = find_reachable(edges, EDGE_HARD);
	bool *done = arena_array(&edges->arena, count, sizeof *done);
	edges->circles = arena_array(&edges->arena, count, sizeof *edges->circles);
	edges->circle_count = 0;
	for (uint32_t i = 0; i < count; i++)
		if (!done[i] && reaches[i * count + i])
			add_circle(edges, i, reaches, hard, done);
	free(reaches);
	free(hard);
}
