/* What the program costs: nothing while nothing changes, little at each refresh. */
#include "stage.h"

#include "pglocktop/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUIET_US = 2 * 1000 * 1000, REFRESHES = 20, BYTES_A_REFRESH = 2000 };

enum { WAITERS = 28, CHANGED = 10, BYTES_OF_A_CHANGE = 4096 };

/* Of all threads: how often they went to sleep and were woken again. */
static long count_wakes(pid_t pid)
{
	char command[128], line[256];
	long sum = 0, number;
	snprintf(command, sizeof command, "cat /proc/%d/task/*/status", (int)pid);
	FILE *statuses = popen(command, "re");
	assert_non_null(statuses);
	while (fgets(line, sizeof line, statuses))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &number) == 1)
			sum += number;
	assert_int_equal(pclose(statuses), 0);
	return sum;
}

static bool never(struct vt *vt, void *context)
{
	(void)vt;
	(void)context;
	return false;
}

/* What it writes meanwhile is read. */
static void let_pass(struct stage *stage, int64_t microseconds)
{
	vt_wait(stage->vt, never, NULL, (int)(microseconds / 1000));
}

static void make_jam(struct stage *stage)
{
	stage_block_row(stage, stage_session(stage, "application_name=holder"), stage_session(stage, "user=app"));
}

/* Whether it neither wrote a byte nor woke up for a while. */
static bool rests(struct stage *stage)
{
	size_t before, after;
	vt_raw(stage->vt, &before);
	long wakes = count_wakes(vt_pid(stage->vt));
	let_pass(stage, QUIET_US);
	wakes = count_wakes(vt_pid(stage->vt)) - wakes;
	vt_raw(stage->vt, &after);
	return wakes == 0 && after == before;
}

/* What was under way when the key came is awaited first. */
static void frozen_it_does_nothing(void **state)
{
	struct stage *stage = *state;
	make_jam(stage);
	stage_watch(stage, NULL);
	vt_send(stage->vt, "Z");
	stage_expect(stage, "FROZEN");
	int64_t deadline = when_monotonic() + VT_PATIENCE_MS * 1000;
	while (!rests(stage))
		if (when_monotonic() > deadline)
			fail_msg("it does not come to rest; the screen is\n%s", vt_text(stage->vt));
	stage_quit(stage);
}

static void cancel(PGconn *session)
{
	char message[256];
	PGcancel *request = PQgetCancel(session);
	assert_true(PQcancel(request, message, sizeof message));
	PQfreeCancel(request);
	for (PGresult *result; (result = PQgetResult(session));)
		PQclear(result);
}

/* Waits for the row that the holder has, under this name. */
static void wait_as(struct stage *stage, PGconn *session, const char *name)
{
	char sql[128];
	snprintf(sql, sizeof sql, "set application_name = '%s'; update orders set note = '' where id = 1", name);
	pgserver_send(session, sql);
	pgserver_wait_blocked(stage->admin, session);
}

static unsigned count_shown(struct vt *vt, const char *text)
{
	unsigned count = 0;
	for (const char *next = vt_text(vt); (next = strstr(next, text)); next++)
		count++;
	return count;
}

static bool ten_have_changed(struct vt *vt, void *context)
{
	(void)context;
	return count_shown(vt, " other ") == CHANGED;
}

static bool all_are_shown(struct vt *vt, void *context)
{
	(void)context;
	return count_shown(vt, " waiter ") == WAITERS;
}

/* Ten rows say something else, and all ages on the screen have grown: a second and more lies between the readings. */
static void a_refresh_writes_little(void **state)
{
	static const char *const arguments[] = { "-i", "3600", NULL };
	struct stage *stage = *state;
	PGconn *waiters[WAITERS];
	size_t before, after;
	pgserver_run(stage_session(stage, "application_name=holder"),
		     "begin; update orders set note = '' where id = 1");
	for (int i = 0; i < WAITERS; i++)
		wait_as(stage, waiters[i] = stage_session(stage, "user=app"), "waiter");
	stage_watch_with(stage, arguments, (struct vt_options){ .columns = 120, .rows = 40 });
	vt_send(stage->vt, "*");
	assert_true(vt_wait(stage->vt, all_are_shown, NULL, VT_PATIENCE_MS));
	for (int i = 0; i < CHANGED; i++) {
		cancel(waiters[2 * i]);
		wait_as(stage, waiters[2 * i], "other");
	}
	let_pass(stage, WHEN_SECOND);
	vt_raw(stage->vt, &before);
	vt_send(stage->vt, "R");
	assert_true(vt_wait(stage->vt, ten_have_changed, NULL, VT_PATIENCE_MS));
	let_pass(stage, WHEN_SECOND / 4);
	vt_raw(stage->vt, &after);
	print_message("ten rows and all ages change: %zu bytes\n", after - before);
	assert_in_range(after - before, 1, BYTES_OF_A_CHANGE);
}

static bool has_refreshed(struct vt *vt, void *context)
{
	(void)vt;
	struct stage *stage = context;
	return pgserver_number(stage->admin,
			       "select count(*) from pg_stat_activity where application_name = 'pglocktop' "
			       "and query_start > clock_timestamp() - interval '1s'") > 0;
}

static long cpu_ticks(pid_t pid)
{
	char path[64], text[1024];
	long user = 0, system = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *stat = fopen(path, "re");
	assert_non_null(stat);
	assert_non_null(fgets(text, sizeof text, stat));
	fclose(stat);
	const char *rest = strrchr(text, ')');
	assert_int_equal(sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system), 2);
	return user + system;
}

static void a_refresh_costs_little(void **state)
{
	static const char *const arguments[] = { "-i", "0.1", NULL };
	struct stage *stage = *state;
	size_t before, after;
	make_jam(stage);
	stage_watch(stage, arguments);
	assert_true(vt_wait(stage->vt, has_refreshed, stage, VT_PATIENCE_MS));
	let_pass(stage, 500 * 1000);
	vt_raw(stage->vt, &before);
	long ticks = cpu_ticks(vt_pid(stage->vt)), wakes = count_wakes(vt_pid(stage->vt));
	let_pass(stage, REFRESHES * 100 * 1000);
	ticks = cpu_ticks(vt_pid(stage->vt)) - ticks;
	wakes = count_wakes(vt_pid(stage->vt)) - wakes;
	vt_raw(stage->vt, &after);
	print_message("a refresh: %zu bytes, %.1f wake-ups, %.1f ms of CPU\n", (after - before) / REFRESHES,
		      (double)wakes / REFRESHES, (double)ticks * 1000 / (double)sysconf(_SC_CLK_TCK) / REFRESHES);
	assert_true((after - before) / REFRESHES < BYTES_A_REFRESH);
}

/* Where the terminal is gone and nobody sent SIGHUP: reading says so, and it ends instead of reading for ever. */
static void needs_no_signal_to_notice_the_end_of_its_terminal(void **state)
{
	struct stage *stage = *state;
	const char *program = stage_program();
	char command[1024];
	int status;
	snprintf(command, sizeof command, "trap '' HUP; exec %s -h %s -d postgres -U %s", program,
		 pgserver_socket(stage->server), pgserver_user(stage->server));
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	stage->vt = vt_start(&(struct vt_options){ .argv = argv, .columns = 120, .rows = 30 });
	stage_expect(stage, "LIVE");
	vt_hang_up(stage->vt);
	assert_true(vt_wait_exit(stage->vt, &status));
	assert_true(WIFEXITED(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(frozen_it_does_nothing, stage_clear),
		cmocka_unit_test_teardown(a_refresh_writes_little, stage_clear),
		cmocka_unit_test_teardown(a_refresh_costs_little, stage_clear),
		cmocka_unit_test_teardown(needs_no_signal_to_notice_the_end_of_its_terminal, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
