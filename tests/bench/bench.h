/*
 * bench.h - one run: its options, its server, its load, and what the measuring parts share.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "bench/results.h"
#include "bench/shape.h"

enum { BENCH_SIZES = 16 };

struct bench_options {
	const char *program;
	const char *shapes; /* names, separated by commas; NULL: all */
	unsigned sizes[BENCH_SIZES], size_count; /* ascending */
	unsigned refreshes, keys, starts, rounds;
	const char *pgbench; /* seconds of a run; NULL: the jams are measured, and not what pgbench loses */
	double interval; /* seconds */
	double limit; /* seconds that one statement of a peer may take */
	double tolerance; /* by which a figure may be worse than the saved one: 0.25 is a quarter */
	const char *json, *compare, *markdown;
};

struct bench {
	struct bench_options options;
	struct pgserver *server;
	struct load *load;
	PGconn *admin, *peer; /* the peer's is wire.h's */
	struct results results;
};

/* The bare scans, asking, and a refresh, by turns. The jam stands. */
void measure_refreshes(struct bench *bench, const struct shape *shape, unsigned waiting);

/* What other tools ask. */
void measure_peers(struct bench *bench, const struct shape *shape);

/* What a person at the screen meets: start, keys, freezing, memory, a slow link, what is written. */
void measure_screen(struct bench *bench, const struct shape *shape);

/* What others lose by it. */
void measure_pgbench(struct bench *bench);

#endif
