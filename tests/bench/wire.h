/*
 * wire.h - a statement whose answer goes into the void: read from the socket and not looked at, so that the server
 * never waits for a client that is slow. What psql, a driver or a tool would do with the rows is not in it.
 *
 * libpq opens the connection and must not be used with it afterwards, but for PQfinish and PQbackendPID.
 */
#ifndef TESTS_BENCH_WIRE_H
#define TESTS_BENCH_WIRE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct wire_cost {
	double server; /* CPU of its backend, ms */
	double wall; /* ms */
	uint64_t bytes; /* received */
	bool failed; /* by the server: its statement_timeout */
};

/* The simple protocol, results as text; several statements may be in it. */
struct wire_cost wire_run(PGconn *conn, const char *sql);

#endif
