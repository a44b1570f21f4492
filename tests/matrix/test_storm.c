/*
 * Random locks by many sessions, and the program held against pg_blocking_pids() in every pause: by its document, and
 * by the frames of a live source, which is what people look at.
 *
 * STORM_SEED=N repeats the choices; STORM_COMPARISONS=N is how many there have to be, STORM_SESSIONS=N how many
 * sessions; STORM_PARALLEL=0 leaves parallel queries out.
 */
#include "storm.h"

#include "pg/listener.h"
#include "server_private.h"

#include <stdlib.h>

enum { COMPARISONS = 5000, SESSIONS = 200, REPORTS = 5, FRAMES_FOR_A_WATCH = 4 };

#define MILLISECOND INT64_C(1000)

static int open_storm(void **state)
{
	int failed = matrix_open(state, NULL);
	if (!failed)
		storm_make_tables(*state);
	return failed;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);
	return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

static struct listener listen_to(struct matrix *matrix)
{
	struct server_options options = listener_options(matrix->stage->server);
	struct server_limits limits = server_limits_default;
	struct err err;
	options.interval = WHEN_SECOND / 10;
	limits.watch_below = 1000; /* whatever it costs, and however seldom it finds what it has */
	limits.watch_restless = true;
	return listener_of(server_new_with(&options, &limits, &err));
}

static bool is_watched(const struct frame *frame, const void *left)
{
	unsigned *frames = (unsigned *)(uintptr_t)left;
	return frame->snapshot->locks_age > 0 || --*frames == 0;
}

/* Asked for, then the locks are read; or by itself, then the source watches as soon as two readings are alike. */
static const struct frame *read_live(struct listener *live, bool by_itself)
{
	unsigned frames = FRAMES_FOR_A_WATCH;
	return by_itself ? listener_await_frame(live, is_watched, &frames) : listener_refresh(live);
}

/* Both readings, each between two of the oracle. The document is of all edges, or of 32 each and in less time. */
static void look(struct matrix *matrix, struct listener *live, uint64_t round, struct comparison *by_once,
		 struct comparison *by_live, uint64_t *watches)
{
	struct oracle first, second, third;
	struct edges said, frame;
	oracle_read(matrix->stage->admin, &first);
	matrix_read_document(matrix, NULL, round % 2 == 0, &said);
	oracle_read(matrix->stage->admin, &second);
	const struct frame *shown = read_live(live, round % 3 != 0);
	*watches += shown->snapshot->locks_age > 0;
	edges_of_frame(shown, &frame);
	oracle_read(matrix->stage->admin, &third);
	compare_readings(&first, &said, &second, by_once);
	compare_readings(&second, &frame, &third, by_live);
	edges_release(&said);
	edges_release(&frame);
	oracle_release(&first);
	oracle_release(&second);
	oracle_release(&third);
}

static void run_storm(struct matrix *matrix, const char *deadlock_timeout)
{
	struct comparison once = COMPARISON_INIT, live = COMPARISON_INIT;
	struct listener listener = listen_to(matrix);
	struct storm storm;
	uint64_t seed = setting("STORM_SEED", (uint64_t)when_wall_clock());
	uint64_t wanted = setting("STORM_COMPARISONS", COMPARISONS), rounds = 0, watches = 0;
	char what[64];
	storm_start(&storm, matrix, seed, (unsigned)setting("STORM_SESSIONS", SESSIONS), deadlock_timeout);
	storm.random.parallel = setting("STORM_PARALLEL", 1) > 0;
	while (once.compared + live.compared < wanted && once.mismatches + live.mismatches < REPORTS) {
		uint64_t wrong = once.mismatches + live.mismatches;
		storm_issue(&storm);
		storm_settle(&storm, (storm_below(&storm.random, 2) ? 4 : 30) * MILLISECOND, 200 * MILLISECOND);
		look(matrix, &listener, rounds, &once, &live, &watches);
		rounds++;
		if (once.mismatches + live.mismatches > wrong)
			printf("round %llu\nby the document:\n%s\nby the live source:\n%s\n",
			       (unsigned long long)rounds, once.report.text, live.report.text);
		strbuf_reset(&once.report);
		strbuf_reset(&live.report);
	}
	print_message("STORM_SEED=%llu: %llu rounds, %llu statements, %llu watches\n", (unsigned long long)seed,
		      (unsigned long long)rounds, (unsigned long long)storm.statements, (unsigned long long)watches);
	snprintf(what, sizeof what, "storm %s", deadlock_timeout);
	matrix_report(what, matrix->version, 0, &once);
	snprintf(what, sizeof what, "storm %s, live", deadlock_timeout);
	matrix_report(what, matrix->version, 0, &live);
	listener_stop(&listener);
	strbuf_release(&once.report);
	strbuf_release(&live.report);
	assert_int_equal(once.mismatches + live.mismatches, 0);
	assert_true(once.compared > 0 && live.compared > 0);
}

static void agrees_in_a_storm(void **state)
{
	run_storm(*state, "1s");
}

/* The server's deadlock checks come often, and reorder its queues. */
static void agrees_where_queues_are_reordered(void **state)
{
	run_storm(*state, "20ms");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(agrees_in_a_storm, matrix_clear),
		cmocka_unit_test_teardown(agrees_where_queues_are_reordered, matrix_clear),
	};
	return cmocka_run_group_tests(tests, open_storm, matrix_close);
}
