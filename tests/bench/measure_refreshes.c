#include "bench/bench.h"

#include "bench/fail.h"
#include "bench/meter.h"
#include "bench/watch.h"
#include "bench/wire.h"
#include "pglocktop/strbuf.h"
#include "pglocktop/when.h"

#include <stdlib.h>
#include <string.h>

/* Refreshes that do not count: catalogs are read, and queues settled. */
enum { WARM_UP = 5, PATIENCE = 60, ASK_RUNS = 3, ASK_SHARE = 6 };

#define ACTIVITY "select * from pg_stat_get_activity(null)"
#define LOCKS "select * from pg_lock_status()"
#define FLOOR "select count(*) from pg_stat_get_activity(null); select count(*) from pg_lock_status()"

/* One cell of the table in the making. */
struct cell {
	struct bench *bench;
	const struct shape *shape;
	unsigned sessions;
	struct watch watch;
	struct strbuf ask; /* the statement; empty: nobody waits */
	bool ask_between; /* cheap enough to be run between two refreshes */
	struct sample samples[METRIC_COUNT];
};

static struct sample *sample_of(struct cell *cell, enum metric metric)
{
	return &cell->samples[metric];
}

/* ---- what it is compared with ---- */

static void run_scans(struct cell *cell)
{
	struct wire_cost activity = wire_run(cell->bench->peer, ACTIVITY);
	struct wire_cost locks = wire_run(cell->bench->peer, LOCKS);
	sample_add(sample_of(cell, METRIC_ACTIVITY), activity.server);
	sample_add(sample_of(cell, METRIC_LOCKS), locks.server);
	sample_add(sample_of(cell, METRIC_SCANS_WALL), activity.wall + locks.wall);
	sample_add(sample_of(cell, METRIC_SCANS_BYTES), (double)(activity.bytes + locks.bytes));
}

static void run_floor(struct cell *cell)
{
	sample_add(sample_of(cell, METRIC_FLOOR), wire_run(cell->bench->peer, FLOOR).server);
}

static bool run_ask(struct cell *cell)
{
	struct wire_cost cost = wire_run(cell->bench->peer, cell->ask.text);
	if (cost.failed)
		return false;
	sample_add(sample_of(cell, METRIC_ASK), cost.server);
	sample_add(sample_of(cell, METRIC_ASK_WALL), cost.wall);
	sample_add(sample_of(cell, METRIC_ASK_BYTES), (double)cost.bytes);
	return true;
}

static void make_ask(struct cell *cell, unsigned waiting)
{
	char *waiters = load_waiters(cell->bench->load);
	if (waiting > 0)
		strbuf_printf(&cell->ask, "select p, pg_blocking_pids(p) from unnest('%s'::int[]) p", waiters);
	free(waiters);
}

/* The first run says whether it can be done between refreshes; if not it is done here. */
static void try_ask(struct cell *cell, unsigned waiting)
{
	const struct results *results = &cell->bench->results;
	double expected = results_expected(results, cell->shape->name, cell->sessions, METRIC_ASK_WALL) / 1000;
	double limit = cell->bench->options.limit;
	make_ask(cell, waiting);
	if (!cell->ask.length)
		return;
	if (expected > limit) {
		results_note(&cell->bench->results,
			     "%s, %u sessions: pg_blocking_pids() of each waiter would take about %.0f s",
			     cell->shape->name, cell->sessions, expected);
		return;
	}
	int64_t began = when_monotonic();
	if (!run_ask(cell)) {
		results_note(&cell->bench->results,
			     "%s, %u sessions: pg_blocking_pids() of each waiter takes over %.0f s", cell->shape->name,
			     cell->sessions, limit);
		return;
	}
	int64_t took = when_monotonic() - began;
	cell->ask_between = (double)took < cell->bench->options.interval * WHEN_SECOND / ASK_SHARE;
	if (cell->ask_between) /* it was the first: caches were cold */
		for (int metric = METRIC_ASK; metric <= METRIC_ASK_BYTES; metric++)
			sample_reset(&cell->samples[metric]);
	for (int i = 1; !cell->ask_between && i < ASK_RUNS && took * i < WHEN_SECOND * limit; i++)
		if (!run_ask(cell))
			return;
}

/* By turns, spread over the time between two refreshes: as long after other work as a refresh is. */
static void run_others(struct cell *cell, unsigned turn)
{
	unsigned slots = cell->ask_between ? 3 : 2;
	int64_t interval = (int64_t)(cell->bench->options.interval * WHEN_SECOND);
	int64_t asked_at = cell->watch.relay.refresh_at;
	for (unsigned slot = 0; slot < slots; slot++) {
		watch_until(&cell->watch, asked_at + interval * (slot + 1) / (slots + 1));
		switch ((turn + slot) % slots) {
		case 0:
			run_scans(cell);
			break;
		case 1:
			run_floor(cell);
			break;
		default:
			run_ask(cell);
		}
	}
}

/* ---- refreshes ---- */

struct counters {
	double server, client;
	uint64_t bytes, tty;
	unsigned refreshes, requests;
};

static struct counters read_counters(const struct watch *watch)
{
	return (struct counters){ .server = meter_cpu(watch->backend),
				  .client = meter_cpu(watch->session.program),
				  .bytes = watch->relay.bytes_down,
				  .tty = watch->tty_bytes,
				  .refreshes = watch->relay.refreshes,
				  .requests = watch->relay.requests };
}

static void next_refresh(struct cell *cell)
{
	if (!watch_refresh(&cell->watch, when_monotonic() + PATIENCE * WHEN_SECOND))
		fail("no refresh in %d s; the screen: %s", PATIENCE, cell->watch.screen);
}

/* A refresh's cost is that of all until the next one. Where what was run between them took too long it were two. */
static void add_refresh(struct cell *cell, struct counters *last)
{
	struct counters now = read_counters(&cell->watch);
	double refreshes = now.refreshes - last->refreshes;
	const struct watch *watch = &cell->watch;
	sample_add(sample_of(cell, METRIC_REFRESH), (now.server - last->server) / refreshes);
	sample_add(sample_of(cell, METRIC_REFRESH_CLIENT), (now.client - last->client) / refreshes);
	sample_add(sample_of(cell, METRIC_REFRESH_BYTES), (double)(now.bytes - last->bytes) / refreshes);
	sample_add(sample_of(cell, METRIC_REFRESH_TTY), (double)(now.tty - last->tty) / refreshes);
	sample_add(sample_of(cell, METRIC_REFRESH_TRIPS), (now.requests - last->requests) / refreshes);
	sample_add(sample_of(cell, METRIC_REFRESH_WALL), (double)(watch->tty_at - watch->relay.refresh_at) / 1000);
	*last = now;
}

static void start(struct cell *cell)
{
	char interval[32];
	const char *arguments[] = { "-i", interval, NULL };
	struct bench *bench = cell->bench;
	snprintf(interval, sizeof interval, "%g", bench->options.interval);
	watch_start(&cell->watch, bench->server,
		    &(struct watch_options){ .program = bench->options.program,
					     .arguments = arguments,
					     .interval = bench->options.interval });
	if (!watch_until_text(&cell->watch, "LIVE", when_monotonic() + PATIENCE * WHEN_SECOND))
		fail("%s shows nothing; it wrote: %s", bench->options.program, cell->watch.screen);
	watch_find_backend(&cell->watch, bench->admin);
}

static void run_refreshes(struct cell *cell)
{
	unsigned refreshes = cell->bench->options.refreshes;
	for (unsigned i = 0; i < WARM_UP; i++)
		next_refresh(cell);
	struct counters last = read_counters(&cell->watch);
	for (unsigned i = 0; i < refreshes; i++) {
		next_refresh(cell);
		add_refresh(cell, &last);
		run_others(cell, i);
	}
}

void measure_refreshes(struct bench *bench, const struct shape *shape, unsigned waiting)
{
	struct cell cell = { .bench = bench, .shape = shape, .sessions = load_count(bench->load), .ask = STRBUF_INIT };
	try_ask(&cell, waiting);
	start(&cell);
	run_refreshes(&cell);
	watch_end(&cell.watch);
	for (int metric = 0; metric < METRIC_COUNT; metric++) {
		results_add(&bench->results, shape->name, cell.sessions, metric, &cell.samples[metric]);
		sample_release(&cell.samples[metric]);
	}
	strbuf_release(&cell.ask);
}
