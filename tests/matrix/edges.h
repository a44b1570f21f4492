/*
 * edges.h - who blocks whom, as one party says it: the server, the program's JSON, or a frame of the live source.
 *
 * All three are brought into this form, so that they can be compared: each session with the list of its blockers, a
 * prepared transaction named 0 as pg_blocking_pids() names it, each blocker once.
 */
#ifndef PGLOCKTOP_TESTS_EDGES_H
#define PGLOCKTOP_TESTS_EDGES_H

#include "pglocktop/frame.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { EDGES_PREPARED = 0 }; /* the pid of a prepared transaction */

struct edge {
	int32_t blocker;
	enum edge_kind kind;
};

struct edges_session {
	int32_t pid;
	bool worker; /* of a parallel query: its list is its leader's */
	bool waits; /* it has a request that is not granted */
	int32_t direct; /* how many it blocks itself; -1: not said */
	struct edge *edges; /* by blocker */
	uint32_t count;
	uint32_t more; /* blockers left out of the list */
	char *sql; /* what it runs, for reports; may be NULL */
};

/* Sessions that wait for each other in a circle. */
struct edges_circle {
	int32_t *members; /* by pid */
	uint32_t count;
	enum edge_kind kind; /* of the weakest edge that it cannot do without */
};

/* Lives in one arena. */
struct edges {
	struct arena arena;
	struct edges_session *sessions; /* by pid */
	uint32_t session_count;
	struct edges_circle *circles; /* by first member */
	uint32_t circle_count;
	int32_t prepared_direct; /* how many a prepared transaction blocks, where there is only one; -1: not said */
};

/* Filled with sessions in any order, `edges_finish` sorts. `edges` of a session are copied. */
void edges_init(struct edges *edges, uint32_t capacity);
struct edges_session *edges_add(struct edges *edges, int32_t pid, const struct edge *list, uint32_t count);
void edges_finish(struct edges *edges);
void edges_release(struct edges *edges);

const struct edges_session *edges_find(const struct edges *edges, int32_t pid); /* NULL: it is not there */
bool edges_find_edge(const struct edges_session *session, int32_t blocker, enum edge_kind *kind);

/* Finds the circles from the edges themselves, by Warshall's algorithm. */
void edges_find_circles(struct edges *edges);

void edges_of_document(const json_t *document, struct edges *edges);
void edges_of_frame(const struct frame *frame, struct edges *edges);

const char *edges_kind_name(enum edge_kind kind);

#endif
