/*
 * matrix.h - a scenario: sessions brought into a known situation on a real server, and what the program must say of it.
 *
 * A scenario puts its sessions where it wants them, calls matrix_compare, which holds the program against
 * pg_blocking_pids(), and then states what it knows itself: matrix_expect, matrix_expect_circle.
 */
#ifndef PGLOCKTOP_TESTS_MATRIX_H
#define PGLOCKTOP_TESTS_MATRIX_H

#include "app/stage.h"
#include "compare.h"

struct matrix {
	struct stage *stage;
	int version; /* PG_VERSION_NUM */
	struct edges said; /* what the program said in the last matrix_compare: --once --format json --all-edges */
	struct comparison once, live; /* in all */
	unsigned scenarios;
};

/*
 * For cmocka: one server for a program, on which `sql` (NULL: nothing) was run, cleared after each scenario.
 * `matrix_close` reports to matrix_report.
 */
int matrix_open(void **state, const char *sql);
int matrix_close(void **state);
int matrix_clear(void **state);

/* A session that has run this; one that has run this (NULL: nothing) and now waits for that; one sent to wait. */
PGconn *matrix_doing(struct matrix *matrix, const char *sql);
PGconn *matrix_waiting(struct matrix *matrix, const char *before, const char *sql);
void matrix_wait(struct matrix *matrix, PGconn *session, const char *sql);
void matrix_run(struct matrix *matrix, const char *sql); /* as the administrator */
void matrix_await(struct matrix *matrix, const char *condition); /* the same; until it is true */

/* Ends what the session runs, and waits until its server process has done so. */
void matrix_cancel(struct matrix *matrix, PGconn *session);

/* What the program's document says now to this role, NULL: a superuser; the caller's to edges_release. */
void matrix_read_document(struct matrix *matrix, const char *user, bool all_edges, struct edges *edges);

/*
 * In a quiet moment, which is waited for: the program's document, to a superuser and to a role without rights, and the
 * live source's frame, each edge of each session, the numbers of those blocked and the circles. The program's document
 * must hold no presumed edge.
 */
void matrix_compare(struct matrix *matrix);

/* What the program said of this session in the last matrix_compare: just these edges. Ends with matrix_end. */
void matrix_expect(struct matrix *matrix, PGconn *waiter, const struct edge *edges);
#define EXPECT_EDGES(matrix, waiter, ...)                                                                              \
	matrix_expect(matrix, waiter, (const struct edge[]){ __VA_ARGS__, { -1, EDGE_HARD } })
#define EXPECT_NO_EDGES(matrix, waiter) matrix_expect(matrix, waiter, (const struct edge[]){ { -1, EDGE_HARD } })

struct edge hard(PGconn *blocker);
struct edge soft(PGconn *blocker);
struct edge prepared(void);

/* The only circle is this one; and there is none. */
void matrix_expect_circle(struct matrix *matrix, enum edge_kind kind, PGconn *const *members, uint32_t count);
void matrix_expect_no_circle(struct matrix *matrix);

/* Adds a line to the file $PGLOCKTOP_MATRIX_REPORT, if that is set. */
void matrix_report(const char *what, int version, unsigned scenarios, const struct comparison *comparison);

#endif
