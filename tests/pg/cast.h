/*
 * cast.h - sessions that wait on a real server, a forecast made from the live source's frame, the signal really sent,
 * and those who then got what they waited for compared with it.
 */
#ifndef TESTS_PG_CAST_H
#define TESTS_PG_CAST_H

#include "listener.h"

#include "pglocktop/whatif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CAST_MOST = 24 };

struct cast {
	PGconn *conns[CAST_MOST];
	int pids[CAST_MOST];
	bool done[CAST_MOST]; /* of those who waited: it got what it waited for */
	bool waited[CAST_MOST];
	unsigned count;
	struct listener listener;
};

/* For cmocka: one server for the program, a new cast for each test. */
int cast_start(void **state);
int cast_end(void **state);
int cast_open(void **state);
int cast_close(void **state);
void cast_dismiss(struct cast *cast);

/* A superuser who looks on. */
PGconn *cast_observer(void);

/* A session more, that has done this, or waits with it; returns which one. */
unsigned cast_doing(struct cast *cast, const char *sql);
unsigned cast_waiting(struct cast *cast, const char *before, const char *sql);

/* Until each of those who waited is either done or waits for somebody, and something besides holds, in SQL. */
void cast_await_rest(struct cast *cast, const char *besides);
bool cast_is_done(const struct cast *cast, unsigned who);

/* Reads the situation; then what is foreseen of it. */
void cast_look(struct cast *cast);
uint32_t cast_node(const struct cast *cast, unsigned who);
struct whatif_forecast cast_foresee(const struct cast *cast, unsigned who, enum signal_verb verb);

/* Sends the signal, and waits until all is at rest. */
void cast_let_go(struct cast *cast, unsigned who, enum signal_verb verb);

/* Exactly those are done who were to be freed. Returns how many. */
unsigned cast_check_freed(struct cast *cast, uint32_t node, enum signal_verb verb);

/* The whole of it for one target, or for several who go one after the other. */
struct whatif_forecast cast_check(struct cast *cast, unsigned who, enum signal_verb verb);
struct whatif_forecast cast_check_set(struct cast *cast, const unsigned *who, uint32_t count, enum signal_verb verb);

#endif
