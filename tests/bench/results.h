/*
 * results.h - what was measured, by jam, number of sessions and metric.
 */
#ifndef TESTS_BENCH_RESULTS_H
#define TESTS_BENCH_RESULTS_H

#include "bench/sample.h"

#include <stdbool.h>
#include <stdio.h>

enum metric {
	METRIC_ACTIVITY,
	METRIC_LOCKS,
	METRIC_FLOOR,
	METRIC_SCANS_WALL,
	METRIC_SCANS_BYTES,
	METRIC_ASK,
	METRIC_ASK_WALL,
	METRIC_ASK_BYTES,
	METRIC_REFRESH,
	METRIC_REFRESH_CLIENT,
	METRIC_REFRESH_WALL,
	METRIC_REFRESH_BYTES,
	METRIC_REFRESH_TRIPS,
	METRIC_REFRESH_TTY,
	METRIC_PG_ACTIVITY_BLOCKING,
	METRIC_PG_ACTIVITY_WAITING,
	METRIC_PG_TOP,
	METRIC_START_FIRST,
	METRIC_START_DATA,
	METRIC_KEY_QUIET,
	METRIC_KEY_LOAD,
	METRIC_KEY_STALLED,
	METRIC_KEY_ESC,
	METRIC_MEMORY,
	METRIC_MEMORY_PEAK,
	METRIC_FROZEN_BYTES,
	METRIC_FROZEN_WAKEUPS,
	METRIC_LINK_TRIPS,
	METRIC_LINK_WALL,
	METRIC_CHANGE_TTY,
	METRIC_PGBENCH_TPS,
	METRIC_PGBENCH_P99,
	METRIC_PGBENCH_TPS_1,
	METRIC_PGBENCH_P99_1,
	METRIC_PGBENCH_TPS_10,
	METRIC_PGBENCH_P99_10,
	METRIC_COUNT
};

struct metric_kind {
	const char *name; /* in JSON */
	const char *title, *unit;
	double noise; /* differences below it mean nothing */
	bool own; /* pglocktop's, not what it is compared with */
};

extern const struct metric_kind metric_kinds[METRIC_COUNT];

struct figure {
	char shape[16];
	unsigned sessions;
	enum metric metric;
	unsigned count; /* of readings */
	double mean, median, low, high, p99, most; /* low, high: a quarter of the readings is below, above */
};

struct results {
	char about[160]; /* server, machine, number of readings */
	struct figure *figures;
	unsigned count, capacity;
	char **notes;
	unsigned note_count;
};

void results_release(struct results *results);

/* Empties the sample. Nothing is added when it has no reading. */
void results_add(struct results *results, const char *shape, unsigned sessions, enum metric metric,
		 struct sample *sample);
void results_add_one(struct results *results, const char *shape, unsigned sessions, enum metric metric, double value);

/* What was left out, and why. Also printed at once. */
void results_note(struct results *results, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* NULL: not measured. */
const struct figure *results_find(const struct results *results, const char *shape, unsigned sessions,
				  enum metric metric);

/* The mean; 0: not measured. */
double results_mean(const struct results *results, const char *shape, unsigned sessions, enum metric metric);

/* The cheaper of activity + locks and activity + asking about each waiter, ms of the server's CPU; 0: neither. */
double results_cheaper(const struct results *results, const char *shape, unsigned sessions);

/* What it is to be expected with so many sessions: by their cube, from the last measured with fewer. 0: not known. */
double results_expected(const struct results *results, const char *shape, unsigned sessions, enum metric metric);

/* The exponent by which a metric's medians grow with the sessions. False: fewer than two. */
bool results_growth(const struct results *results, const char *shape, enum metric metric, double *exponent);

/* One figure of each jam and number of sessions, as they came; `next` is NULL at first. False: no more. */
bool results_next_case(const struct results *results, const struct figure **next);

#endif
