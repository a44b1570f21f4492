/* `make bench`: what pglocktop costs the server and its user, beside what the server must do and what others ask of it.
 */
#include "bench/bench.h"

#include "bench/fail.h"
#include "bench/meter.h"
#include "bench/report.h"
#include "bench/saved.h"
#include "pglocktop/when.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] = "Usage: bench [OPTION]...\n"
			   "  --sessions N,...   how many sessions (500,1000,2000,4000)\n"
			   "  --shapes NAME,...  which jams (all): row table chain forest few wide idle\n"
			   "  --quick            two minutes: 60 and 120 sessions, few readings\n"
			   "  --refreshes N      readings of each (60)\n"
			   "  --keys N           keys pressed in each state (200; 0: no screen)\n"
			   "  --starts N         how often it is started (20)\n"
			   "  --interval S       pglocktop's (1)\n"
			   "  --limit S          what takes another tool longer is left out (60)\n"
			   "  --json FILE        write all figures\n"
			   "  --markdown FILE    write the README's tables, into README.md itself or a new file\n"
			   "  --compare FILE     beside an earlier run's figures; exit status 1 where some are worse\n"
			   "  --tolerance X      by so much (0.25)\n"
			   "  --program FILE     pglocktop (build/pglocktop)\n";

enum {
	OPTION_SESSIONS,
	OPTION_SHAPES,
	OPTION_QUICK,
	OPTION_REFRESHES,
	OPTION_KEYS,
	OPTION_STARTS,
	OPTION_INTERVAL,
	OPTION_LIMIT,
	OPTION_PGBENCH,
	OPTION_ROUNDS,
	OPTION_JSON,
	OPTION_MARKDOWN,
	OPTION_COMPARE,
	OPTION_TOLERANCE,
	OPTION_PROGRAM,
	OPTION_HELP
};

/* A tree is one of 20 in the forest. */
enum { LEAST_SESSIONS = 3 * LOAD_TREES };

static const struct option long_options[] = {
	{ "sessions", required_argument, NULL, OPTION_SESSIONS },
	{ "shapes", required_argument, NULL, OPTION_SHAPES },
	{ "quick", no_argument, NULL, OPTION_QUICK },
	{ "refreshes", required_argument, NULL, OPTION_REFRESHES },
	{ "keys", required_argument, NULL, OPTION_KEYS },
	{ "starts", required_argument, NULL, OPTION_STARTS },
	{ "interval", required_argument, NULL, OPTION_INTERVAL },
	{ "limit", required_argument, NULL, OPTION_LIMIT },
	{ "pgbench", required_argument, NULL, OPTION_PGBENCH },
	{ "rounds", required_argument, NULL, OPTION_ROUNDS },
	{ "json", required_argument, NULL, OPTION_JSON },
	{ "markdown", required_argument, NULL, OPTION_MARKDOWN },
	{ "compare", required_argument, NULL, OPTION_COMPARE },
	{ "tolerance", required_argument, NULL, OPTION_TOLERANCE },
	{ "program", required_argument, NULL, OPTION_PROGRAM },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int compare_sizes(const void *left, const void *right)
{
	const unsigned *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

/* The load grows from one number to the next. */
static void read_sizes(struct bench_options *options, const char *list)
{
	char *end;
	options->size_count = 0;
	do {
		unsigned long size = strtoul(list, &end, 10);
		if (end == list || (*end && *end != ',') || size < LEAST_SESSIONS || size > 20000 ||
		    options->size_count == BENCH_SIZES)
			fail("--sessions: numbers of %d and more, separated by commas", LEAST_SESSIONS);
		options->sizes[options->size_count++] = (unsigned)size;
		list = end + 1;
	} while (*end);
	qsort(options->sizes, options->size_count, sizeof *options->sizes, compare_sizes);
}

static unsigned read_number(const char *text, unsigned least)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	if (end == text || *end || number < least || number > 100000)
		fail("%s: a number from %u to 100000 is wanted", text, least);
	return (unsigned)number;
}

static unsigned read_count(const char *text)
{
	return read_number(text, 1);
}

static double read_amount(const char *text)
{
	char *end;
	double amount = strtod(text, &end);
	if (*end || !(amount > 0))
		fail("%s: a number above 0 is wanted", text);
	return amount;
}

static void be_quick(struct bench_options *options)
{
	read_sizes(options, "60,120");
	options->refreshes = 3;
	options->keys = 20;
	options->starts = 3;
	options->interval = 0.2;
	options->limit = 5;
}

static void read_option(struct bench_options *options, int option)
{
	switch (option) {
	case OPTION_SESSIONS:
		read_sizes(options, optarg);
		break;
	case OPTION_SHAPES:
		options->shapes = optarg;
		break;
	case OPTION_QUICK:
		be_quick(options);
		break;
	case OPTION_REFRESHES:
		options->refreshes = read_count(optarg);
		break;
	case OPTION_KEYS:
		options->keys = (read_number(optarg, 0) + 1) / 2 * 2; /* there and back */
		break;
	case OPTION_STARTS:
		options->starts = read_count(optarg);
		break;
	case OPTION_INTERVAL:
		options->interval = read_amount(optarg);
		break;
	case OPTION_LIMIT:
		options->limit = read_amount(optarg);
		break;
	case OPTION_PGBENCH:
		read_count(optarg);
		options->pgbench = optarg;
		break;
	case OPTION_ROUNDS:
		options->rounds = read_count(optarg);
		break;
	case OPTION_JSON:
		options->json = optarg;
		break;
	case OPTION_MARKDOWN:
		options->markdown = optarg;
		break;
	case OPTION_COMPARE:
		options->compare = optarg;
		break;
	case OPTION_TOLERANCE:
		options->tolerance = read_amount(optarg);
		break;
	case OPTION_PROGRAM:
		options->program = optarg;
		break;
	default:
		fputs(help, option == OPTION_HELP ? stdout : stderr);
		exit(option == OPTION_HELP ? 0 : 1);
	}
}

static bool is_chosen(const struct bench_options *options, const struct shape *shape)
{
	size_t length = strlen(shape->name);
	for (const char *next = options->shapes; next && *next; next += strcspn(next, ","), next += *next == ',')
		if (strncmp(next, shape->name, length) == 0 && (!next[length] || next[length] == ','))
			return true;
	return !options->shapes;
}

static void check_shapes(const struct bench_options *options)
{
	char name[32];
	for (const char *next = options->shapes; next && *next; next += strcspn(next, ","), next += *next == ',') {
		snprintf(name, sizeof name, "%.*s", (int)strcspn(next, ","), next);
		if (!shape_find(name))
			fail("--shapes: there is no jam %s", name);
	}
}

/* The least or the most. */
static bool is_end(const struct bench_options *options, unsigned sessions)
{
	return sessions == options->sizes[0] || sessions == options->sizes[options->size_count - 1];
}

static void run_case(struct bench *bench, const struct shape *shape)
{
	int64_t began = when_monotonic();
	unsigned waiting = shape_play(shape, bench->load);
	fprintf(stderr, "%s (%s), %u sessions: %u wait after %.1f s\n", shape->name, shape->title,
		load_count(bench->load), waiting, (double)(when_monotonic() - began) / 1e6);
	measure_refreshes(bench, shape, waiting);
	measure_peers(bench, shape);
	if (bench->options.keys > 0 && strcmp(shape->name, "forest") == 0 &&
	    is_end(&bench->options, load_count(bench->load)))
		measure_screen(bench, shape);
	load_relax(bench->load);
	report_case(bench, shape->name);
}

static void run(struct bench *bench)
{
	const struct bench_options *options = &bench->options;
	for (unsigned i = 0; i < options->size_count; i++) {
		int64_t began = when_monotonic();
		load_connect(bench->load, options->sizes[i]);
		fprintf(stderr, "%u sessions after %.1f s\n", options->sizes[i],
			(double)(when_monotonic() - began) / 1e6);
		for (unsigned shape = 0; shape < shape_count; shape++)
			if (is_chosen(options, &shapes[shape]))
				run_case(bench, &shapes[shape]);
	}
}

static void describe(struct bench *bench)
{
	const struct bench_options *options = &bench->options;
	char *version = pgserver_value(bench->admin, "select current_setting('server_version')");
	double load[1] = { 0 };
	getloadavg(load, 1);
	snprintf(bench->results.about, sizeof bench->results.about,
		 "PostgreSQL %s, %ld cores, load %.1f at the start; ", version, sysconf(_SC_NPROCESSORS_ONLN), load[0]);
	size_t length = strlen(bench->results.about);
	if (options->pgbench)
		snprintf(bench->results.about + length, sizeof bench->results.about - length, "%u rounds, runs of %s s",
			 options->rounds, options->pgbench);
	else
		snprintf(bench->results.about + length, sizeof bench->results.about - length,
			 "%u refreshes, one every %g s", options->refreshes, options->interval);
	free(version);
}

static void open_bench(struct bench *bench)
{
	char conninfo[64];
	bench->server = pgserver_new(load_settings(bench->options.sizes[bench->options.size_count - 1]));
	bench->load = load_new(bench->server);
	bench->admin = pgserver_connect(bench->server, "postgres");
	snprintf(conninfo, sizeof conninfo, "dbname=postgres options='-c statement_timeout=%.0fs'",
		 bench->options.limit);
	bench->peer = pgserver_connect(bench->server, conninfo);
	describe(bench);
}

static void close_bench(struct bench *bench)
{
	PQfinish(bench->peer);
	PQfinish(bench->admin);
	load_free(bench->load);
	pgserver_free(bench->server);
	results_release(&bench->results);
}

int main(int argc, char **argv)
{
	struct bench bench = { .options = { .program = "build/pglocktop",
					    .sizes = { 500, 1000, 2000, 4000 },
					    .size_count = 4,
					    .refreshes = 60,
					    .keys = 200,
					    .starts = 20,
					    .rounds = 5,
					    .interval = 1,
					    .limit = 60,
					    .tolerance = 0.25 } };
	int option;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		read_option(&bench.options, option);
	check_shapes(&bench.options);
	if (bench.options.compare)
		saved_check(bench.options.compare);
	signal(SIGPIPE, SIG_IGN);
	if (!meter_go_first())
		results_note(&bench.results,
			     "keys are timed with the waits of the measuring process for a core: run as "
			     "root it has none");
	open_bench(&bench);
	if (bench.options.pgbench)
		measure_pgbench(&bench);
	else
		run(&bench);
	bool good = report(&bench);
	close_bench(&bench);
	return good ? 0 : 1;
}
