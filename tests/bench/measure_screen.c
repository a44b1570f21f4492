#include "bench/bench.h"

#include "bench/fail.h"
#include "bench/meter.h"
#include "bench/watch.h"
#include "pglocktop/when.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PATIENCE = 60,
	SETTLE_REFRESHES = 10,
	LINK_DELAY = 50000, /* one way */
	CHANGES = 10, /* rows */
	SLOW_SHARE = 3, /* of the refreshes elsewhere */
	KEY_PATIENCE = 30,
	KEY_PAUSE = 20000, /* between two keys; and up to as much again, so that they meet refreshes at all times */
	MEMORY_SECONDS = 10,
	STILL_SECONDS = 3,
	MOST_SPINNERS = 64
};

struct screen {
	struct bench *bench;
	const char *shape;
	unsigned sessions;
	struct watch watch;
};

static int64_t seconds_from_now(double seconds)
{
	return when_monotonic() + (int64_t)(seconds * WHEN_SECOND);
}

static void wait_for_text(struct screen *screen, const char *text)
{
	if (!watch_until_text(&screen->watch, text, seconds_from_now(PATIENCE)))
		fail("\"%s\" does not come; there is: %s", text, screen->watch.screen);
}

static void open_screen(struct screen *screen, const char *interval, int64_t delay, bool direct)
{
	const char *arguments[] = { "-i", interval, NULL };
	const struct bench *bench = screen->bench;
	watch_start(&screen->watch, bench->server,
		    &(struct watch_options){ .program = bench->options.program,
					     .arguments = arguments,
					     .direct = direct,
					     .interval = strtod(interval, NULL),
					     .delay = delay });
	wait_for_text(screen, "LIVE");
	watch_find_backend(&screen->watch, bench->admin);
}

static void add(struct screen *screen, enum metric metric, struct sample *sample)
{
	results_add(&screen->bench->results, screen->shape, screen->sessions, metric, sample);
	sample_release(sample);
}

static void add_one(struct screen *screen, enum metric metric, double value)
{
	results_add_one(&screen->bench->results, screen->shape, screen->sessions, metric, value);
}

static void next_refresh(struct screen *screen)
{
	if (!watch_refresh(&screen->watch, seconds_from_now(PATIENCE)))
		fail("no refresh in %d s; the screen: %s", PATIENCE, screen->watch.screen);
}

/* ---- start ---- */

static void measure_start(struct screen *screen)
{
	struct sample first = { .count = 0 }, data = { .count = 0 };
	const struct bench *bench = screen->bench;
	struct watch *watch = &screen->watch;
	for (unsigned i = 0; i < bench->options.starts; i++) {
		watch_start(watch, bench->server,
			    &(struct watch_options){ .program = bench->options.program, .direct = true });
		if (!watch_until_written(watch, seconds_from_now(PATIENCE)))
			fail("%s writes nothing", bench->options.program);
		sample_add(&first, (double)(watch->tty_at - watch->started_at) / 1000);
		wait_for_text(screen, "LIVE");
		sample_add(&data, (double)(watch->tty_at - watch->started_at) / 1000);
		watch_end(watch);
	}
	add(screen, METRIC_START_FIRST, &first);
	add(screen, METRIC_START_DATA, &data);
}

/* ---- keys ---- */

/* From the writing of the key to the first byte of what it changes. */
static void press(struct screen *screen, const char *key, struct sample *sample)
{
	struct watch *watch = &screen->watch;
	int64_t pressed_at = when_monotonic();
	watch_send(watch, key);
	if (!watch_until_written(watch, seconds_from_now(KEY_PATIENCE)))
		fail("the screen does not react to a key for %d s", KEY_PATIENCE);
	if (sample)
		sample_add(sample, (double)(watch->tty_at - pressed_at) / 1000);
}

static void pause_between(struct screen *screen, unsigned *state)
{
	*state = *state * 1664525 + 1013904223; /* Numerical Recipes' generator: the same pauses in each run */
	watch_until(&screen->watch, when_monotonic() + KEY_PAUSE + (*state >> 16) % KEY_PAUSE);
}

static void press_keys(struct screen *screen, const char *odd, const char *even, struct sample *odd_sample,
		       struct sample *even_sample)
{
	unsigned state = 1;
	for (unsigned i = 0; i < screen->bench->options.keys; i++) {
		pause_between(screen, &state);
		press(screen, i % 2 == 0 ? odd : even, i % 2 == 0 ? odd_sample : even_sample);
	}
}

static void measure_moves(struct screen *screen, enum metric metric)
{
	struct sample sample = { .count = 0 };
	press_keys(screen, "j", "k", &sample, &sample);
	add(screen, metric, &sample);
}

static void measure_escapes(struct screen *screen)
{
	struct sample sample = { .count = 0 };
	press_keys(screen, "/", "\033", NULL, &sample);
	add(screen, METRIC_KEY_ESC, &sample);
}

/* As many queries as there are cores, and a refresh ten times a second. */
static void measure_under_load(struct screen *screen)
{
	PGconn *spinners[MOST_SPINNERS];
	long cores = sysconf(_SC_NPROCESSORS_ONLN), count = cores < MOST_SPINNERS ? cores : MOST_SPINNERS;
	for (long i = 0; i < count; i++) {
		spinners[i] = pgserver_connect(screen->bench->server, "postgres");
		pgserver_run(spinners[i], "set max_parallel_workers_per_gather = 0");
		pgserver_send(spinners[i],
			      "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b");
	}
	open_screen(screen, "0.1", 0, true);
	measure_moves(screen, METRIC_KEY_LOAD);
	watch_end(&screen->watch);
	for (long i = 0; i < count; i++) {
		char sql[64];
		snprintf(sql, sizeof sql, "select pg_terminate_backend(%d)", PQbackendPID(spinners[i]));
		pgserver_run(screen->bench->admin, sql);
		PQfinish(spinners[i]);
	}
}

static void measure_stalled(struct screen *screen)
{
	kill(screen->watch.backend, SIGSTOP);
	measure_moves(screen, METRIC_KEY_STALLED);
	kill(screen->watch.backend, SIGCONT);
}

/* ---- at rest ---- */

static void measure_memory(struct screen *screen)
{
	watch_until(&screen->watch, seconds_from_now(MEMORY_SECONDS * screen->bench->options.interval));
	add_one(screen, METRIC_MEMORY, (double)meter_memory(screen->watch.session.program, "VmRSS"));
	add_one(screen, METRIC_MEMORY_PEAK, (double)meter_memory(screen->watch.session.program, "VmHWM"));
}

static void measure_frozen(struct screen *screen)
{
	struct watch *watch = &screen->watch;
	press(screen, "Z", NULL);
	wait_for_text(screen, "FROZEN");
	watch_until(watch,
		    seconds_from_now(2 * screen->bench->options.interval)); /* a reading on its way still comes in */
	uint64_t bytes = watch->tty_bytes, switches = meter_switches(watch->session.program);
	watch_until(watch, seconds_from_now(STILL_SECONDS));
	add_one(screen, METRIC_FROZEN_BYTES, (double)(watch->tty_bytes - bytes));
	add_one(screen, METRIC_FROZEN_WAKEUPS, (double)(meter_switches(watch->session.program) - switches));
}

/* ---- refreshes ---- */

/* These go by the second, whatever the interval. */
static unsigned slow_refreshes(const struct screen *screen)
{
	unsigned refreshes = screen->bench->options.refreshes / SLOW_SHARE;
	return refreshes ? refreshes : 1;
}

static void measure_link(struct screen *screen)
{
	struct sample trips = { .count = 0 }, wall = { .count = 0 };
	struct watch *watch = &screen->watch;
	unsigned refreshes = slow_refreshes(screen);
	open_screen(screen, "1", LINK_DELAY, false);
	for (unsigned i = 0; i < SETTLE_REFRESHES && i < screen->bench->options.refreshes; i++)
		next_refresh(screen);
	for (unsigned i = 0; i < refreshes; i++) {
		unsigned before = watch->relay.requests;
		next_refresh(screen);
		sample_add(&trips, watch->relay.requests - before);
		sample_add(&wall, (double)(watch->tty_at - watch->relay.refresh_at) / 1000);
	}
	add(screen, METRIC_LINK_TRIPS, &trips);
	add(screen, METRIC_LINK_WALL, &wall);
	watch_end(watch);
}

/* The roots of the trees run another query each. */
static void change_rows(struct screen *screen, unsigned turn)
{
	char sql[64];
	for (unsigned i = 0; i < CHANGES; i++) {
		snprintf(sql, sizeof sql, "select %u as turn, %u as root", turn, i);
		load_run_one(screen->bench->load, i, sql);
	}
}

static void measure_changes(struct screen *screen)
{
	struct sample sample = { .count = 0 };
	struct watch *watch = &screen->watch;
	unsigned refreshes = slow_refreshes(screen);
	open_screen(screen, "1", 0, false);
	next_refresh(screen);
	for (unsigned i = 0; i < refreshes; i++) {
		uint64_t before = watch->tty_bytes;
		change_rows(screen, i);
		next_refresh(screen);
		sample_add(&sample, (double)(watch->tty_bytes - before));
	}
	add(screen, METRIC_CHANGE_TTY, &sample);
	watch_end(watch);
}

void measure_screen(struct bench *bench, const struct shape *shape)
{
	struct screen screen = { .bench = bench, .shape = shape->name, .sessions = load_count(bench->load) };
	char interval[32];
	snprintf(interval, sizeof interval, "%g", bench->options.interval);
	measure_start(&screen);
	open_screen(&screen, interval, 0, true);
	measure_moves(&screen, METRIC_KEY_QUIET);
	measure_escapes(&screen);
	measure_stalled(&screen);
	measure_memory(&screen);
	measure_frozen(&screen);
	watch_end(&screen.watch);
	measure_under_load(&screen);
	measure_link(&screen);
	measure_changes(&screen);
}
