#include "bench/bench.h"

#include "bench/meter.h"
#include "bench/watch.h"
#include "bench/wire.h"
#include "pglocktop/strbuf.h"
#include "pglocktop/when.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PG_ACTIVITY_QUERIES "/usr/lib/python3/dist-packages/pgactivity/queries/"
#define PG_TOP "/usr/bin/pg_top"

enum { QUERY_RUNS = 3, TOP_REFRESHES = 5, TOP_PATIENCE = 10 };

/* ---- pg_activity: its queries as its package has them ---- */

static const struct {
	enum metric metric;
	const char *file, *what;
} pg_activity_queries[] = {
	{ METRIC_PG_ACTIVITY_BLOCKING, PG_ACTIVITY_QUERIES "get_blocking_post_090600.sql", "blocking" },
	{ METRIC_PG_ACTIVITY_WAITING, PG_ACTIVITY_QUERIES "get_waiting_post_090200.sql", "waiting" },
};

/* What pg_activity puts in their places when it is started without options. */
static const char *const places[][2] = {
	{ "{duration_column}", "query_start" },
	{ "%(min_duration)s", "0" },
	{ "%(dbname_filter)s", "null" },
};

static bool replace_place(const char **next, struct strbuf *sql)
{
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		size_t length = strlen(places[i][0]);
		if (strncmp(*next, places[i][0], length) != 0)
			continue;
		strbuf_add_string(sql, places[i][1]);
		*next += length;
		return true;
	}
	return false;
}

/* False: the package is not installed. */
static bool read_query(const char *path, struct strbuf *sql)
{
	char text[32768];
	FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
	if (file)
		fclose(file);
	text[length] = '\0';
	for (const char *next = text; *next;)
		if (!replace_place(&next, sql))
			strbuf_add_char(sql, *next++);
	return length > 0;
}

static void run_query(struct bench *bench, const struct shape *shape, size_t which)
{
	struct strbuf sql = STRBUF_INIT;
	struct sample sample = { .count = 0 };
	enum metric metric = pg_activity_queries[which].metric;
	unsigned sessions = load_count(bench->load);
	double expected = results_expected(&bench->results, shape->name, sessions, metric) / 1000;
	double limit = bench->options.limit;
	bool installed = read_query(pg_activity_queries[which].file, &sql), over = expected > limit;
	double spent = 0;
	for (int i = 0; installed && !over && i < QUERY_RUNS && spent < limit * 1000; i++) {
		struct wire_cost cost = wire_run(bench->peer, sql.text);
		over = cost.failed;
		spent += cost.wall * 2;
		if (!over)
			sample_add(&sample, cost.server);
	}
	if (over)
		results_note(&bench->results, "%s, %u sessions: pg_activity's %s query takes over %.0f s", shape->name,
			     sessions, pg_activity_queries[which].what, limit);
	results_add(&bench->results, shape->name, sessions, metric, &sample);
	sample_release(&sample);
	strbuf_release(&sql);
}

/* ---- pg_top, in a terminal ---- */

static int64_t top_deadline(void)
{
	return when_monotonic() + TOP_PATIENCE * WHEN_SECOND;
}

/* With -W it asks for a password, which the server does not want, and keeps its connection. */
static bool open_pg_top(struct watch *watch, const struct bench *bench)
{
	static const char *const arguments[] = { "-W", "-s", "1", NULL };
	watch_start(watch, bench->server, &(struct watch_options){ .program = PG_TOP, .arguments = arguments });
	if (!watch_until_text(watch, "Password", top_deadline()))
		return false;
	watch_send(watch, "\n");
	return watch_refresh(watch, top_deadline());
}

static void run_pg_top(struct bench *bench, const struct shape *shape)
{
	struct watch watch;
	struct sample sample = { .count = 0 };
	if (!open_pg_top(&watch, bench)) {
		results_note(&bench->results, "%s, %u sessions: pg_top shows nothing", shape->name,
			     load_count(bench->load));
		watch_end(&watch);
		return;
	}
	watch_find_backend(&watch, bench->admin);
	double before = meter_cpu(watch.backend);
	for (unsigned i = 0; i < TOP_REFRESHES && i < bench->options.refreshes && watch_refresh(&watch, top_deadline());
	     i++) {
		double now = meter_cpu(watch.backend);
		sample_add(&sample, now - before);
		before = now;
	}
	results_add(&bench->results, shape->name, load_count(bench->load), METRIC_PG_TOP, &sample);
	sample_release(&sample);
	watch_end(&watch);
}

void measure_peers(struct bench *bench, const struct shape *shape)
{
	for (size_t i = 0; i < sizeof pg_activity_queries / sizeof *pg_activity_queries; i++)
		run_query(bench, shape, i);
	if (access(PG_TOP, X_OK) == 0)
		run_pg_top(bench, shape);
}
