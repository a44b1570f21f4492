#include "bench/results.h"

#include "pglocktop/err.h"
#include "pglocktop/strbuf.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SIZES = 16 };

const struct metric_kind metric_kinds[METRIC_COUNT] = {
	[METRIC_ACTIVITY] = { "activity", "select * from pg_stat_get_activity(null), server CPU", "ms", 0.2, false },
	[METRIC_LOCKS] = { "locks", "select * from pg_lock_status(), server CPU", "ms", 0.2, false },
	[METRIC_FLOOR] = { "floor", "count(*) of both, server CPU", "ms", 0.2, false },
	[METRIC_SCANS_WALL] = { "scans.wall", "both scans, wall", "ms", 2, false },
	[METRIC_SCANS_BYTES] = { "scans.bytes", "both scans, received", "bytes", 1000, false },
	[METRIC_ASK] = { "ask", "pg_blocking_pids() of each waiter, server CPU", "ms", 0.2, false },
	[METRIC_ASK_WALL] = { "ask.wall", "pg_blocking_pids() of each waiter, wall", "ms", 2, false },
	[METRIC_ASK_BYTES] = { "ask.bytes", "pg_blocking_pids() of each waiter, received", "bytes", 1000, false },
	[METRIC_REFRESH] = { "refresh", "a refresh, server CPU", "ms", 0.2, true },
	[METRIC_REFRESH_CLIENT] = { "refresh.client", "a refresh, own CPU", "ms", 0.2, true },
	[METRIC_REFRESH_WALL] = { "refresh.wall", "a refresh, from request to drawn", "ms", 2, true },
	[METRIC_REFRESH_BYTES] = { "refresh.bytes", "a refresh, received", "bytes", 1000, true },
	[METRIC_REFRESH_TRIPS] = { "refresh.trips", "a refresh, round trips", "", 0.1, true },
	[METRIC_REFRESH_TTY] = { "refresh.tty", "a refresh, written to the terminal", "bytes", 100, true },
	[METRIC_PG_ACTIVITY_BLOCKING] = { "pg_activity.blocking", "pg_activity's blocking query, server CPU", "ms", 1,
					  false },
	[METRIC_PG_ACTIVITY_WAITING] = { "pg_activity.waiting", "pg_activity's waiting query, server CPU", "ms", 1,
					 false },
	[METRIC_PG_TOP] = { "pg_top", "pg_top's refresh, server CPU", "ms", 1, false },
	[METRIC_START_FIRST] = { "start.first", "start to the first byte on the terminal", "ms", 3, true },
	[METRIC_START_DATA] = { "start.data", "start to the first screen with sessions", "ms", 5, true },
	[METRIC_KEY_QUIET] = { "key.quiet", "key to screen", "ms", 0.5, true },
	[METRIC_KEY_LOAD] = { "key.load", "key to screen, all cores busy", "ms", 2, true },
	[METRIC_KEY_STALLED] = { "key.stalled", "key to screen, the server does not answer", "ms", 0.5, true },
	[METRIC_KEY_ESC] = { "key.esc", "a lone Esc to screen", "ms", 2, true },
	[METRIC_MEMORY] = { "memory", "resident", "kB", 300, true },
	[METRIC_MEMORY_PEAK] = { "memory.peak", "resident, at most", "kB", 300, true },
	[METRIC_FROZEN_BYTES] = { "frozen.bytes", "frozen screen: written in 3 s", "bytes", 0.5, true },
	[METRIC_FROZEN_WAKEUPS] = { "frozen.wakeups", "frozen screen: wake-ups in 3 s", "", 0.5, true },
	[METRIC_LINK_TRIPS] = { "link.trips", "a refresh over a link of 100 ms, round trips", "", 0.1, true },
	[METRIC_LINK_WALL] = { "link.wall", "a refresh over a link of 100 ms, from request to drawn", "ms", 5, true },
	[METRIC_CHANGE_TTY] = { "change.tty", "a refresh that changes ten rows and all ages, written", "bytes", 100,
				true },
	[METRIC_PGBENCH_TPS] = { "pgbench.tps", "pgbench, nobody looks on", "1/s", 0, false },
	[METRIC_PGBENCH_P99] = { "pgbench.p99", "pgbench, nobody looks on, 99 in 100 within", "ms", 0, false },
	[METRIC_PGBENCH_TPS_1] = { "pgbench.tps.1", "pgbench, throughput with pglocktop / without", "x", 0, false },
	[METRIC_PGBENCH_P99_1] = { "pgbench.p99.1", "pgbench, latency (p99) with pglocktop / without", "x", 0, false },
	[METRIC_PGBENCH_TPS_10] = { "pgbench.tps.10", "pgbench, throughput, 10 Hz: pglocktop / bare query", "x", 0,
				    false },
	[METRIC_PGBENCH_P99_10] = { "pgbench.p99.10", "pgbench, latency (p99), 10 Hz: pglocktop / bare", "x", 0,
				    false },
};

void results_release(struct results *results)
{
	for (unsigned i = 0; i < results->note_count; i++)
		free(results->notes[i]);
	free(results->notes);
	free(results->figures);
	*results = (struct results){ .count = 0 };
}

void results_add(struct results *results, const char *shape, unsigned sessions, enum metric metric,
		 struct sample *sample)
{
	if (sample->count == 0)
		return;
	if (results->count == results->capacity) {
		results->capacity = results->capacity ? results->capacity * 2 : 256;
		results->figures = realloc(results->figures, results->capacity * sizeof *results->figures);
		ensure(results->figures);
	}
	struct figure *figure = &results->figures[results->count++];
	*figure = (struct figure){ .sessions = sessions, .metric = metric, .count = sample->count };
	snprintf(figure->shape, sizeof figure->shape, "%s", shape);
	figure->mean = sample_mean(sample);
	figure->median = sample_quantile(sample, 0.5);
	figure->low = sample_quantile(sample, 0.25);
	figure->high = sample_quantile(sample, 0.75);
	figure->p99 = sample_quantile(sample, 0.99);
	figure->most = sample_quantile(sample, 1);
	sample_reset(sample);
}

void results_add_one(struct results *results, const char *shape, unsigned sessions, enum metric metric, double value)
{
	results_add(results, shape, sessions, metric, &(struct sample){ .values = &value, .count = 1, .capacity = 1 });
}

void results_note(struct results *results, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list args;
	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	fprintf(stderr, "left out: %s\n", text.text);
	results->notes = realloc(results->notes, (results->note_count + 1) * sizeof *results->notes);
	ensure(results->notes);
	results->notes[results->note_count++] = strbuf_detach(&text);
}

const struct figure *results_find(const struct results *results, const char *shape, unsigned sessions,
				  enum metric metric)
{
	for (unsigned i = 0; i < results->count; i++) {
		const struct figure *figure = &results->figures[i];
		if (figure->metric == metric && figure->sessions == sessions && strcmp(figure->shape, shape) == 0)
			return figure;
	}
	return NULL;
}

double results_mean(const struct results *results, const char *shape, unsigned sessions, enum metric metric)
{
	const struct figure *figure = results_find(results, shape, sessions, metric);
	return figure ? figure->mean : 0;
}

double results_cheaper(const struct results *results, const char *shape, unsigned sessions)
{
	double activity = results_mean(results, shape, sessions, METRIC_ACTIVITY);
	double locks = results_mean(results, shape, sessions, METRIC_LOCKS);
	const struct figure *ask = results_find(results, shape, sessions, METRIC_ASK);
	return activity + (ask && ask->mean < locks ? ask->mean : locks);
}

double results_expected(const struct results *results, const char *shape, unsigned sessions, enum metric metric)
{
	double expected = 0;
	for (unsigned i = 0; i < results->count; i++) {
		const struct figure *figure = &results->figures[i];
		if (figure->metric == metric && figure->sessions < sessions && strcmp(figure->shape, shape) == 0)
			expected = figure->median * pow((double)sessions / figure->sessions, 3);
	}
	return expected;
}

bool results_growth(const struct results *results, const char *shape, enum metric metric, double *exponent)
{
	double sessions[MOST_SIZES], values[MOST_SIZES];
	unsigned count = 0;
	for (unsigned i = 0; i < results->count && count < MOST_SIZES; i++) {
		const struct figure *figure = &results->figures[i];
		if (figure->metric != metric || strcmp(figure->shape, shape) != 0 || figure->median <= 0)
			continue;
		sessions[count] = figure->sessions;
		values[count++] = figure->median;
	}
	*exponent = sample_exponent(sessions, values, count);
	return count >= 2;
}

static bool came_before(const struct results *results, const struct figure *figure)
{
	for (const struct figure *other = results->figures; other < figure; other++)
		if (other->sessions == figure->sessions && strcmp(other->shape, figure->shape) == 0)
			return true;
	return false;
}

bool results_next_case(const struct results *results, const struct figure **next)
{
	const struct figure *end = results->figures + results->count;
	const struct figure *figure = *next ? *next + 1 : results->figures;
	while (figure < end && came_before(results, figure))
		figure++;
	*next = figure;
	return figure < end;
}
