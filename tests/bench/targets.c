#include "bench/targets.h"

#include <string.h>

/* What of a figure counts. */
enum aspect { ASPECT_MEAN, ASPECT_MEDIAN, ASPECT_P99, ASPECT_MOST };

struct target {
	const char *name, *unit;
	/* The figure, or what is made of it, for a case. False: not measured. */
	bool (*measure)(const struct results *results, const struct figure *of, const struct target *target,
			double *value);
	enum metric metric;
	enum aspect aspect;
	const char *shape; /* NULL: every one */
	const char *except; /* NULL: none */
	unsigned sessions; /* 0: any number */
	double wanted;
	bool at_least;
};

static double aspect_of(const struct figure *figure, enum aspect aspect)
{
	switch (aspect) {
	case ASPECT_MEAN:
		return figure->mean;
	case ASPECT_MEDIAN:
		return figure->median;
	case ASPECT_P99:
		return figure->p99;
	case ASPECT_MOST:
		return figure->most;
	}
	return 0;
}

static bool measure_plain(const struct results *results, const struct figure *of, const struct target *target,
			  double *value)
{
	const struct figure *figure = results_find(results, of->shape, of->sessions, target->metric);
	if (figure)
		*value = aspect_of(figure, target->aspect);
	return figure != NULL;
}

/* Against the cheaper of the bare ways. */
static bool measure_to_bare(const struct results *results, const struct figure *of, const struct target *target,
			    double *value)
{
	double bare = results_cheaper(results, of->shape, of->sessions);
	bool measured = measure_plain(results, of, target, value);
	if (measured)
		*value /= bare;
	return measured && bare > 0;
}

/* How many refreshes it costs. */
static bool measure_in_refreshes(const struct results *results, const struct figure *of, const struct target *target,
				 double *value)
{
	double refresh = results_mean(results, of->shape, of->sessions, METRIC_REFRESH);
	bool measured = measure_plain(results, of, target, value);
	if (measured)
		*value /= refresh;
	return measured && refresh > 0;
}

static bool measure_growth(const struct results *results, const struct figure *of, const struct target *target,
			   double *value)
{
	return results_growth(results, of->shape, target->metric, value);
}

#define BARE "refresh, server CPU against the cheaper bare way"
static const struct target targets[] = {
	{ BARE, "x", measure_to_bare, METRIC_REFRESH, ASPECT_MEAN, NULL, NULL, 0, 1.15, false },
	{ "refresh, growth of server CPU", "", measure_growth, METRIC_REFRESH, ASPECT_MEDIAN, NULL, NULL, 0, 1.1,
	  false },
	{ "refresh, growth of own CPU", "", measure_growth, METRIC_REFRESH_CLIENT, ASPECT_MEDIAN, NULL, NULL, 0, 1.1,
	  false },
	{ "pg_activity's blocking query, in refreshes", "x", measure_in_refreshes, METRIC_PG_ACTIVITY_BLOCKING,
	  ASPECT_MEAN, "forest", NULL, 2000, 50, true },
	{ "pg_activity's blocking query, in refreshes", "x", measure_in_refreshes, METRIC_PG_ACTIVITY_BLOCKING,
	  ASPECT_MEAN, "forest", NULL, 4000, 100, true },
	{ "pg_blocking_pids() of each, in refreshes", "x", measure_in_refreshes, METRIC_ASK, ASPECT_MEAN, "row", NULL,
	  4000, 100, true },
	{ "refresh, own CPU", "ms", measure_plain, METRIC_REFRESH_CLIENT, ASPECT_MEAN, NULL, "wide", 1000, 5, false },
	{ "refresh, own CPU", "ms", measure_plain, METRIC_REFRESH_CLIENT, ASPECT_MEAN, NULL, "wide", 4000, 25, false },
	{ "refresh, own CPU, 100,000 lock rows", "ms", measure_plain, METRIC_REFRESH_CLIENT, ASPECT_MEAN, "wide", NULL,
	  0, 60, false },
	{ "key to screen, 99 in 100", "ms", measure_plain, METRIC_KEY_QUIET, ASPECT_P99, NULL, NULL, 0, 5, false },
	{ "key to screen, all", "ms", measure_plain, METRIC_KEY_QUIET, ASPECT_MOST, NULL, NULL, 0, 16, false },
	{ "key to screen, cores busy, 99 in 100", "ms", measure_plain, METRIC_KEY_LOAD, ASPECT_P99, NULL, NULL, 0, 5,
	  false },
	{ "key to screen, cores busy, all", "ms", measure_plain, METRIC_KEY_LOAD, ASPECT_MOST, NULL, NULL, 0, 16,
	  false },
	{ "key to screen, no answer, 99 in 100", "ms", measure_plain, METRIC_KEY_STALLED, ASPECT_P99, NULL, NULL, 0, 5,
	  false },
	{ "key to screen, no answer, all", "ms", measure_plain, METRIC_KEY_STALLED, ASPECT_MOST, NULL, NULL, 0, 16,
	  false },
	{ "a lone Esc to screen, 99 in 100", "ms", measure_plain, METRIC_KEY_ESC, ASPECT_P99, NULL, NULL, 0, 30,
	  false },
	{ "a lone Esc to screen, all", "ms", measure_plain, METRIC_KEY_ESC, ASPECT_MOST, NULL, NULL, 0, 41, false },
	{ "start to first screen with sessions", "ms", measure_plain, METRIC_START_DATA, ASPECT_MEDIAN, NULL, NULL, 0,
	  50, false },
	{ "resident", "kB", measure_plain, METRIC_MEMORY_PEAK, ASPECT_MEDIAN, NULL, NULL, 500, 12 * 1024, false },
	{ "resident", "kB", measure_plain, METRIC_MEMORY_PEAK, ASPECT_MEDIAN, NULL, NULL, 4000, 48 * 1024, false },
	{ "frozen screen, written", "bytes", measure_plain, METRIC_FROZEN_BYTES, ASPECT_MEDIAN, NULL, NULL, 0, 0,
	  false },
	{ "frozen screen, wake-ups", "", measure_plain, METRIC_FROZEN_WAKEUPS, ASPECT_MEDIAN, NULL, NULL, 0, 0, false },
	{ "refresh over a link of 100 ms, round trips", "", measure_plain, METRIC_LINK_TRIPS, ASPECT_MEDIAN, NULL, NULL,
	  0, 1, false },
	{ "refresh, ten rows and all ages change, written", "bytes", measure_plain, METRIC_CHANGE_TTY, ASPECT_MEDIAN,
	  NULL, NULL, 0, 4000, false },
	{ "pgbench, throughput with pglocktop / without", "x", measure_plain, METRIC_PGBENCH_TPS_1, ASPECT_MEDIAN, NULL,
	  NULL, 0, 0.98, true },
	{ "pgbench, latency (p99) with pglocktop / without", "x", measure_plain, METRIC_PGBENCH_P99_1, ASPECT_MEDIAN,
	  NULL, NULL, 0, 1.05, false },
	/* No worse; what is less than this cannot be measured. */
	{ "pgbench, throughput, 10 Hz: pglocktop / bare query", "x", measure_plain, METRIC_PGBENCH_TPS_10,
	  ASPECT_MEDIAN, NULL, NULL, 0, 0.99, true },
	{ "pgbench, latency (p99), 10 Hz: pglocktop / bare", "x", measure_plain, METRIC_PGBENCH_P99_10, ASPECT_MEDIAN,
	  NULL, NULL, 0, 1.01, false },
};

static bool is_worse(const struct target *target, double value, double than)
{
	return target->at_least ? value < than : value > than;
}

static bool is_about(const struct target *target, const struct figure *of)
{
	return (!target->shape || strcmp(target->shape, of->shape) == 0) &&
	       (!target->except || strcmp(target->except, of->shape) != 0) &&
	       (target->sessions == 0 || target->sessions == of->sessions);
}

/* The worst of all cases. False: there is none. */
static bool check(const struct results *results, const struct target *target, struct target_result *result)
{
	bool any = false;
	double value;
	for (const struct figure *of = NULL; results_next_case(results, &of);) {
		if (!is_about(target, of) || !target->measure(results, of, target, &value) ||
		    (any && !is_worse(target, value, result->measured)))
			continue;
		any = true;
		result->measured = value;
		snprintf(result->at, sizeof result->at, "%s, %u", of->shape, of->sessions);
	}
	return any;
}

unsigned targets_check(const struct results *results, void (*take)(const struct target_result *result, void *context),
		       void *context)
{
	unsigned missed = 0;
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		const struct target *target = &targets[i];
		struct target_result result = { .unit = target->unit,
						.wanted = target->wanted,
						.at_least = target->at_least };
		if (!check(results, target, &result))
			continue;
		snprintf(result.name, sizeof result.name, "%s", target->name);
		result.met = !is_worse(target, result.measured, target->wanted);
		missed += !result.met;
		take(&result, context);
	}
	return missed;
}
