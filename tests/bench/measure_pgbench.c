/*
 * What pgbench's eight clients lose by somebody who looks on while 1,000 sessions wait. The ways of looking on take
 * turns, there and back, so that what changes with time hits all alike; a ratio is made of two runs of one round.
 */
#include "bench/bench.h"

#include "bench/fail.h"
#include "bench/watch.h"
#include "bench/wire.h"
#include "pglocktop/strbuf.h"
#include "pglocktop/when.h"

#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAITERS = 1000, PATH_SIZE = 300, SLICE = 20000, BARE_PERIOD = 100000, PATIENCE = 60 };

enum onlooker { ONLOOKER_NOBODY, ONLOOKER_PGLOCKTOP_1, ONLOOKER_BARE_10, ONLOOKER_PGLOCKTOP_10, ONLOOKERS };

static const struct mode {
	const char *name, *option;
	bool writes;
} modes[] = { { "select-only", "--select-only", false }, { "tpc-b", "--builtin=tpcb-like", true } };

static const char *const initialize[] = { "--initialize", "--quiet", "--scale=10", NULL };

/* What one run of pgbench did. */
struct yield {
	double throughput; /* transactions a second */
	double p99; /* ms */
};

struct proof {
	struct bench *bench;
	char program[PATH_SIZE], directory[PATH_SIZE]; /* pgbench; where its logs go */
	const char *seconds;
	struct strbuf bare; /* the cheaper statement */
};

/* ---- pgbench ---- */

static void find_pgbench(struct proof *proof)
{
	glob_t found;
	snprintf(proof->program, PATH_SIZE, "%.250s/pgbench", pgserver_bindir(proof->bench->server));
	if (access(proof->program, X_OK) == 0)
		return;
	if (glob("/usr/lib/postgresql/*/bin/pgbench", 0, NULL, &found) != 0)
		fail("pgbench was not found; it comes with PostgreSQL's server or contrib package");
	snprintf(proof->program, PATH_SIZE, "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
}

static pid_t start_pgbench(const struct proof *proof, const char *const *options)
{
	const struct pgserver *server = proof->bench->server;
	const char *arguments[24] = { proof->program, "-h", pgserver_socket(server), "-U", pgserver_user(server) };
	unsigned count = 5;
	char **argv;
	while (*options)
		arguments[count++] = *options++;
	arguments[count] = "postgres";
	pid_t child = fork();
	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int nothing = open("/dev/null", O_RDWR);
	dup2(nothing, STDOUT_FILENO);
	dup2(nothing, STDERR_FILENO);
	const char *const *constant = arguments;
	memcpy(&argv, &constant, sizeof argv); /* execv changes nothing in it */
	if (chdir(proof->directory) == 0)
		execv(argv[0], argv);
	_exit(127);
}

static bool has_ended(const struct proof *proof, pid_t child)
{
	int status;
	pid_t ended = waitpid(child, &status, WNOHANG);
	if (ended == child && status != 0)
		fail("%s failed", proof->program);
	return ended == child;
}

/* A line is: client, number, latency in microseconds, and what is of no interest here. */
static void read_log(const char *path, struct sample *latencies)
{
	char line[128];
	double latency;
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "%*d %*d %lf", &latency) == 1)
			sample_add(latencies, latency / 1000);
	if (file)
		fclose(file);
	unlink(path);
}

static struct yield read_logs(const struct proof *proof)
{
	char pattern[PATH_SIZE + 16];
	struct sample latencies = { .count = 0 };
	glob_t found;
	snprintf(pattern, sizeof pattern, "%s/latency.*", proof->directory);
	if (glob(pattern, 0, NULL, &found) != 0)
		fail("pgbench left no log in %s", proof->directory);
	for (size_t i = 0; i < found.gl_pathc; i++)
		read_log(found.gl_pathv[i], &latencies);
	globfree(&found);
	struct yield yield = { .throughput = latencies.count / strtod(proof->seconds, NULL),
			       .p99 = sample_quantile(&latencies, 0.99) };
	sample_release(&latencies);
	return yield;
}

/* ---- onlookers ---- */

static void open_watch(struct watch *watch, const struct proof *proof, const char *interval)
{
	const char *arguments[] = { "-i", interval, NULL };
	watch_start(watch, proof->bench->server,
		    &(struct watch_options){
			    .program = proof->bench->options.program, .arguments = arguments, .direct = true });
	if (!watch_until_text(watch, "LIVE", when_monotonic() + PATIENCE * WHEN_SECOND))
		fail("pglocktop shows nothing; it wrote: %s", watch->screen);
}

static void look_on(const struct proof *proof, const char *const *options, const char *interval)
{
	struct watch watch;
	open_watch(&watch, proof, interval);
	pid_t pgbench = start_pgbench(proof, options);
	while (!has_ended(proof, pgbench))
		watch_until(&watch, when_monotonic() + SLICE);
	watch_end(&watch);
}

static void look_barely(const struct proof *proof, const char *const *options)
{
	pid_t pgbench = start_pgbench(proof, options);
	for (int64_t next = when_monotonic(); !has_ended(proof, pgbench); next += BARE_PERIOD) {
		wire_run(proof->bench->peer, proof->bare.text);
		int64_t left = next + BARE_PERIOD - when_monotonic();
		poll(NULL, 0, left > 0 ? (int)(left / 1000) : 0);
	}
}

static void look_away(const struct proof *proof, const char *const *options)
{
	pid_t pgbench = start_pgbench(proof, options);
	while (!has_ended(proof, pgbench))
		poll(NULL, 0, SLICE / 1000);
}

static struct yield run_pgbench(const struct proof *proof, const struct mode *mode, enum onlooker onlooker)
{
	const char *options[] = { "--no-vacuum", "--client=8",		 "--jobs=2",   "--time", proof->seconds,
				  "--log",	 "--log-prefix=latency", mode->option, NULL };
	/* What one run has updated nobody may clean up while the jam's transaction is open: it would slow the next. */
	if (mode->writes)
		look_away(proof, initialize);
	switch (onlooker) {
	case ONLOOKER_PGLOCKTOP_1:
		look_on(proof, options, "1");
		break;
	case ONLOOKER_PGLOCKTOP_10:
		look_on(proof, options, "0.1");
		break;
	case ONLOOKER_BARE_10:
		look_barely(proof, options);
		break;
	default:
		look_away(proof, options);
	}
	return read_logs(proof);
}

/* ---- rounds ---- */

static void add_round(const struct yield yields[static ONLOOKERS], struct sample samples[static METRIC_COUNT])
{
	const struct yield *nobody = &yields[ONLOOKER_NOBODY], *slow = &yields[ONLOOKER_PGLOCKTOP_1];
	const struct yield *bare = &yields[ONLOOKER_BARE_10], *fast = &yields[ONLOOKER_PGLOCKTOP_10];
	sample_add(&samples[METRIC_PGBENCH_TPS], nobody->throughput);
	sample_add(&samples[METRIC_PGBENCH_P99], nobody->p99);
	sample_add(&samples[METRIC_PGBENCH_TPS_1], slow->throughput / nobody->throughput);
	sample_add(&samples[METRIC_PGBENCH_P99_1], slow->p99 / nobody->p99);
	sample_add(&samples[METRIC_PGBENCH_TPS_10], fast->throughput / bare->throughput);
	sample_add(&samples[METRIC_PGBENCH_P99_10], fast->p99 / bare->p99);
}

static void run_mode(struct proof *proof, const struct mode *mode)
{
	struct sample samples[METRIC_COUNT] = { { .count = 0 } };
	struct yield yields[ONLOOKERS];
	for (unsigned round = 0; round < proof->bench->options.rounds; round++) {
		for (int i = 0; i < ONLOOKERS; i++) {
			int onlooker = round % 2 == 0 ? i : ONLOOKERS - 1 - i;
			yields[onlooker] = run_pgbench(proof, mode, (enum onlooker)onlooker);
		}
		add_round(yields, samples);
		fprintf(stderr, "%s, round %u: %.0f transactions a second, with pglocktop %.0f\n", mode->name,
			round + 1, yields[ONLOOKER_NOBODY].throughput, yields[ONLOOKER_PGLOCKTOP_1].throughput);
	}
	for (int metric = 0; metric < METRIC_COUNT; metric++) {
		results_add(&proof->bench->results, mode->name, WAITERS, (enum metric)metric, &samples[metric]);
		sample_release(&samples[metric]);
	}
}

/* The cheaper of scanning and asking, run twice so that the second finds the caches filled. */
static void choose_bare(struct proof *proof)
{
	struct strbuf ask = STRBUF_INIT;
	char *waiters = load_waiters(proof->bench->load);
	PGconn *peer = proof->bench->peer;
	strbuf_add_string(&proof->bare, "select * from pg_stat_get_activity(null); select * from pg_lock_status()");
	strbuf_printf(&ask,
		      "select * from pg_stat_get_activity(null); select pg_blocking_pids(p) from unnest('%s'::int[]) p",
		      waiters);
	wire_run(peer, proof->bare.text);
	wire_run(peer, ask.text);
	if (wire_run(peer, ask.text).server < wire_run(peer, proof->bare.text).server) {
		strbuf_reset(&proof->bare);
		strbuf_add_string(&proof->bare, ask.text);
	}
	strbuf_release(&ask);
	free(waiters);
}

void measure_pgbench(struct bench *bench)
{
	struct proof proof = { .bench = bench, .seconds = bench->options.pgbench, .bare = STRBUF_INIT };
	find_pgbench(&proof);
	snprintf(proof.directory, PATH_SIZE, "%s", pgserver_socket(bench->server));
	look_away(&proof, initialize);
	load_connect(bench->load, WAITERS + 1);
	shape_play(shape_find("row"), bench->load);
	choose_bare(&proof);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		run_mode(&proof, &modes[i]);
	load_relax(bench->load);
	strbuf_release(&proof.bare);
}
