/* --cancel and --terminate, --select: the guarded signal without a screen. */
#include "stage.h"

#include "pglocktop/snapshot.h"
#include "pglocktop/when.h"

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *identity_of(struct stage *stage, PGconn *session, char id[static IDENTITY_TEXT_SIZE])
{
	char sql[256];
	snprintf(sql, sizeof sql,
		 "select to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"') "
		 "from pg_stat_activity where pid = %d",
		 PQbackendPID(session));
	char *start = pgserver_value(stage->admin, sql);
	snprintf(id, IDENTITY_TEXT_SIZE, "%d@%.40s", PQbackendPID(session), start);
	free(start);
	return id;
}

/* Runs it, and expects this exit status. */
static struct stage_output run(struct stage *stage, int status, const char *const *arguments)
{
	struct stage_output output;
	int got = stage_run(stage, arguments, &output);
	if (got != status)
		fail_msg("exit %d, not %d; it wrote\n%s%s", got, status, output.out, output.err);
	return output;
}

static void expect_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in\n%s", part, text);
}

static void terminates_whom_it_names(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	char id[IDENTITY_TEXT_SIZE], line[160];
	const char *const arguments[] = { "--terminate", identity_of(stage, jam.holder, id), "--yes", NULL };
	struct stage_output output = run(stage, 0, arguments);
	snprintf(line, sizeof line, "terminate %s: signalled, gone after ", id);
	expect_text(output.out, line);
	expect_text(output.out, "; waiting 1 -> 0");
	assert_string_equal(output.err, "");
	stage_output_free(&output);
	stage_expect_dead(stage, PQbackendPID(jam.holder));
	assert_true(stage_lives(stage, PQbackendPID(jam.waiter)));
	/* Once more: it has ended. */
	output = run(stage, 4, arguments);
	expect_text(output.out, "not sent: it has ended");
	stage_output_free(&output);
}

static void cancels_and_says_so_in_json(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	char first[IDENTITY_TEXT_SIZE], second[IDENTITY_TEXT_SIZE];
	const char *const arguments[] = { "--cancel", identity_of(stage, jam.waiter, first),
					  "--cancel", identity_of(stage, jam.holder, second),
					  "--yes",    "--format",
					  "json",     NULL };
	/* The holder runs nothing: a cancel is refused, and that is said by the status. */
	struct stage_output output = run(stage, 4, arguments);
	char *end = strchr(output.out, '\n');
	assert_non_null(end);
	json_t *refused = json_loadb(output.out, (size_t)(end - output.out), 0, NULL);
	json_t *done = json_loads(end + 1, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(refused, "id")), second);
	assert_string_equal(json_string_value(json_object_get(refused, "outcome")), "not sent");
	expect_text(json_string_value(json_object_get(refused, "text")), "runs nothing");
	assert_string_equal(json_string_value(json_object_get(done, "id")), first);
	assert_string_equal(json_string_value(json_object_get(done, "outcome")), "stopped");
	json_decref(refused);
	json_decref(done);
	stage_output_free(&output);
	PGresult *result = PQgetResult(jam.waiter);
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
	PQclear(result);
	assert_true(stage_lives(stage, PQbackendPID(jam.holder)));
}

static void refuses_what_is_no_identity(void **state)
{
	static const char *const wrong[][2] = {
		{ "8008", "8008 is a pid, which another session may have by now" },
		{ "8008@yesterday", "is no session's id" },
		{ "", "is no session's id" },
		{ "0@2026-11-22T14:32:07.123456+00:00", "is no session's id" },
		{ "-8008@2026-11-22T14:32:07.123456+00:00", "is no session's id" },
	};
	struct stage *stage = *state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		const char *const arguments[] = { "--terminate", wrong[i][0], "--yes", NULL };
		struct stage_output output = run(stage, 1, arguments);
		expect_text(output.err, wrong[i][1]);
		assert_string_equal(output.out, "");
		stage_output_free(&output);
	}
}

static void refuses_more_than_the_limit(void **state)
{
	struct stage *stage = *state;
	char ids[3][IDENTITY_TEXT_SIZE];
	PGconn *victims[3];
	for (int i = 0; i < 3; i++) {
		victims[i] = stage_session(stage, "user=app");
		identity_of(stage, victims[i], ids[i]);
	}
	/* The same one twice is one. */
	const char *const arguments[] = { "--terminate", ids[0], "--terminate", ids[1],	 "--terminate", ids[2],
					  "--terminate", ids[0], "--yes",	"--max", "2",		NULL };
	struct stage_output output = run(stage, 1, arguments);
	expect_text(output.err, "3 sessions are named, more than 2: nothing was sent");
	stage_output_free(&output);
	for (int i = 0; i < 3; i++)
		assert_true(stage_lives(stage, PQbackendPID(victims[i])));
}

static void refuses_when_read_only(void **state)
{
	static const char *const arguments[] = { "-r", "--terminate", "8@2026-11-22T14:32:07+00:00", "--yes", NULL };
	struct stage_output output = run(*state, 1, arguments);
	expect_text(output.err, "--read-only goes with neither --cancel nor --terminate");
	stage_output_free(&output);
}

static void never_ends_itself_or_a_superuser(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder");
	char id[IDENTITY_TEXT_SIZE];
	const char *const arguments[] = { "-U", "guard", "--terminate", identity_of(stage, holder, id), "--yes", NULL };
	struct stage_output output = run(stage, 4, arguments);
	expect_text(output.out, "is a superuser's session");
	stage_output_free(&output);
	assert_true(stage_lives(stage, PQbackendPID(holder)));
}

static void sends_nothing_without_a_log_or_an_answer(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder");
	char id[IDENTITY_TEXT_SIZE];
	identity_of(stage, holder, id);
	const char *const unlogged[] = { "--terminate", id, "--yes", "--log", "/proc/pglocktop.jsonl", NULL };
	struct stage_output output = run(stage, 4, unlogged);
	expect_text(output.err, "nothing was sent, since the audit log cannot be written: /proc/pglocktop.jsonl");
	stage_output_free(&output);
	const char *const unasked[] = { "--terminate", id, NULL };
	output = run(stage, 4, unasked);
	expect_text(output.err, "there is no terminal to ask on, and nothing was sent");
	stage_output_free(&output);
	assert_true(stage_lives(stage, PQbackendPID(holder)));
}

static void says_that_the_target_lives_on(void **state)
{
	struct stage *stage = *state;
	PGconn *victim = stage_session(stage, "user=app");
	char id[IDENTITY_TEXT_SIZE];
	const char *const short_wait[] = {
		"--terminate", identity_of(stage, victim, id), "--yes", "--wait", "0.2", NULL
	};
	const char *const no_wait[] = { "--terminate", id, "--yes", "--wait", "0", NULL };
	kill(PQbackendPID(victim), SIGSTOP);
	stage->frozen = PQbackendPID(victim);
	struct stage_output output = run(stage, 4, short_wait);
	expect_text(output.out, "signalled, still there");
	stage_output_free(&output);
	output = run(stage, 0, no_wait);
	expect_text(output.out, "signalled, not waited for");
	stage_output_free(&output);
	stage_thaw_backend(stage);
	stage_expect_dead(stage, PQbackendPID(victim));
}

static void asks_on_the_terminal_itself(void **state)
{
	struct stage *stage = *state;
	PGconn *first = stage_session(stage, "application_name=one"), *second = stage_session(stage, "user=app");
	char ids[2][IDENTITY_TEXT_SIZE], text[64];
	const char *const one[] = { "--terminate", identity_of(stage, first, ids[0]), NULL };
	const char *const both[] = { "--terminate", ids[0], "--terminate", identity_of(stage, second, ids[1]), NULL };
	struct vt_options elsewhere = { .columns = 120, .rows = 30, .output_elsewhere = true };
	stage_start_with(stage, one, elsewhere);
	snprintf(text, sizeof text, "TERMINATE %d one (postgres", PQbackendPID(first));
	stage_expect(stage, "Type y and Enter to do it");
	vt_send(stage->vt, "n\r");
	stage_expect(stage, "nothing was sent: the answer was not y");
	assert_int_equal(stage_expect_exit(stage), 4);
	stage_start_with(stage, both, elsewhere);
	stage_expect(stage, "Type 2 and Enter to do it");
	vt_send(stage->vt, "y\r");
	assert_int_equal(stage_expect_exit(stage), 4);
	assert_true(stage_lives(stage, PQbackendPID(first)));
	stage_start_with(stage, both, elsewhere);
	stage_expect(stage, "Type 2 and Enter to do it");
	vt_send(stage->vt, "2\r");
	assert_int_equal(stage_expect_exit(stage), 0);
	stage_expect_dead(stage, PQbackendPID(first));
	stage_expect_dead(stage, PQbackendPID(second));
}

static void leaves_the_heir_of_a_pid_alone(void **state)
{
	struct stage *stage = *state;
	PGconn *first = stage_session(stage, "user=app"), *heir = NULL;
	char id[IDENTITY_TEXT_SIZE];
	identity_of(stage, first, id);
	if (!stage_reuse_pid(stage, first, &heir))
		skip();
	const char *const arguments[] = { "--terminate", id, "--yes", NULL };
	struct stage_output output = run(stage, 4, arguments);
	expect_text(output.out, "not sent: it has ended, and another session has its pid");
	stage_output_free(&output);
	assert_true(stage_lives(stage, PQbackendPID(heir)));
}

static void asks_for_more_where_there_is_no_log(void **state)
{
	struct stage *stage = *state;
	PGconn *victim = stage_session(stage, "user=app");
	char id[IDENTITY_TEXT_SIZE];
	const char *const arguments[] = { "--terminate", identity_of(stage, victim, id), "--log",
					  "/proc/pglocktop.jsonl", NULL };
	struct vt_options elsewhere = { .columns = 120, .rows = 30, .output_elsewhere = true };
	stage_start_with(stage, arguments, elsewhere);
	stage_expect(stage, "UNLOGGED: there will be no trace of it in the audit log: /proc/pglocktop.jsonl");
	stage_expect(stage, "Type yes and Enter to do it");
	vt_send(stage->vt, "y\r");
	stage_expect(stage, "nothing was sent: the answer was not yes");
	assert_int_equal(stage_expect_exit(stage), 4);
	assert_true(stage_lives(stage, PQbackendPID(victim)));
	stage_start_with(stage, arguments, elsewhere);
	stage_expect(stage, "Type yes and Enter to do it");
	vt_send(stage->vt, "yes\r");
	assert_int_equal(stage_expect_exit(stage), 0);
	stage_expect_dead(stage, PQbackendPID(victim));
}

static char *select_ids(struct stage *stage, const char *const *arguments)
{
	struct stage_output output = run(stage, 0, arguments);
	char *ids = strdup(output.out);
	stage_output_free(&output);
	return ids;
}

static void expect_lines(char *owned, const char *wanted)
{
	assert_string_equal(owned, wanted);
	free(owned);
}

/* Two steps: the first chooses, the second is guarded by identity. */
static void selects_what_cancel_reads(void **state)
{
	static const char *const waiting[] = { "--once", "--min-wait", "0.5", NULL };
	static const char *const waiting_at_all[] = { "--once", "--min-wait", "0", NULL };
	static const char *const blocking[] = { "--once", "--blocks", "1", "--state", "idle in transaction", NULL };
	static const char *const by_terms[] = { "--once", "--select", "user:app", NULL };
	static const char *const nobody[] = { "--once", "--min-xact", "100000", NULL };
	static const char *const json[] = { "--once", "--format", "json", "--min-wait", "0.5", NULL };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	char ids[2][IDENTITY_TEXT_SIZE], lines[2][IDENTITY_TEXT_SIZE + 2];
	snprintf(lines[0], sizeof lines[0], "%s\n", identity_of(stage, jam.holder, ids[0]));
	snprintf(lines[1], sizeof lines[1], "%s\n", identity_of(stage, jam.waiter, ids[1]));
	expect_lines(select_ids(stage, waiting), lines[1]);
	expect_lines(select_ids(stage, waiting_at_all), lines[1]);
	expect_lines(select_ids(stage, blocking), lines[0]);
	expect_lines(select_ids(stage, by_terms), lines[1]);
	expect_lines(select_ids(stage, nobody), "");
	char *text = select_ids(stage, json);
	json_t *document = json_loads(text, 0, NULL), *sessions = json_object_get(document, "sessions");
	assert_int_equal(json_array_size(sessions), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(sessions, 0), "id")), ids[1]);
	json_decref(document);
	free(text);
}

/* From one program's output into the other's input, as in a shell. */
static void reads_ids_from_its_input(void **state)
{
	struct stage *stage = *state;
	PGconn *first = stage_session(stage, "user=app"), *second = stage_session(stage, "user=app");
	char ids[2][IDENTITY_TEXT_SIZE], command[1200];
	identity_of(stage, first, ids[0]);
	identity_of(stage, second, ids[1]);
	snprintf(command, sizeof command,
		 "printf ' %s\n\n%s\n' | '%s' -h '%s' -d postgres -U '%s' --terminate - --yes >/dev/null", ids[0],
		 ids[1], stage_program(), pgserver_socket(stage->server), pgserver_user(stage->server));
	assert_int_equal(system(command), 0);
	stage_expect_dead(stage, PQbackendPID(first));
	stage_expect_dead(stage, PQbackendPID(second));
	snprintf(command, sizeof command, "'%s' --terminate - --yes </dev/null", stage_program());
	assert_int_equal(system(command), 0);
}

static void refuses_input_with_a_bad_line(void **state)
{
	static const char *const inputs[][2] = {
		{ "\\n8@2026-11-22T14:32:07+00:00\\n 4711 \\n", "standard input, line 3: 4711 is a pid" },
		{ "8@2026-11-22T14:32:07+00:00 x@y\\n", "standard input, line 1: \"x@y\" is no session's id" },
		{ "8@2026-11-22T14:32:07+00:00\\n\\0\\n", "standard input has a zero byte in line 2" },
	};
	struct stage *stage = *state;
	char command[1200], seen[1200];
	for (size_t i = 0; i < COUNT(inputs); i++) {
		snprintf(command, sizeof command, "printf '%s' | '%s' -h '%s' -d postgres --terminate - --yes 2>&1",
			 inputs[i][0], stage_program(), pgserver_socket(stage->server));
		FILE *output = popen(command, "re");
		assert_non_null(output);
		seen[fread(seen, 1, sizeof seen - 1, output)] = '\0';
		assert_int_equal(WEXITSTATUS(pclose(output)), 1);
		expect_text(seen, inputs[i][1]);
	}
}

/* Of the log's lines about one target those that have `text`. */
static unsigned count_logged(struct stage *stage, const char *id, const char *text)
{
	char *line = NULL;
	size_t size = 0;
	unsigned count = 0;
	FILE *log = fopen(stage->log, "re");
	while (log && getline(&line, &size, log) > 0)
		count += strstr(line, id) && strstr(line, text);
	free(line);
	if (log)
		fclose(log);
	return count;
}

/* As with "| head -1": whom it was to signal is signalled, and on the record to the end. */
static void goes_on_where_nobody_reads(void **state)
{
	struct stage *stage = *state;
	char ids[3][IDENTITY_TEXT_SIZE], command[1200];
	for (int i = 0; i < 3; i++)
		identity_of(stage, stage_session(stage, "user=app"), ids[i]);
	snprintf(command, sizeof command,
		 "'%s' -h '%s' -d postgres -U '%s' --yes --terminate %s --terminate %s --terminate %s 2>/dev/null | "
		 "true",
		 stage_program(), pgserver_socket(stage->server), pgserver_user(stage->server), ids[0], ids[1], ids[2]);
	assert_int_equal(system(command), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(count_logged(stage, ids[i], "\"outcome\":\"gone\""), 1);
}

static void await_sent(struct stage *stage, const char *id)
{
	int64_t deadline = when_monotonic() + VT_PATIENCE_MS * INT64_C(1000);
	while (count_logged(stage, id, "\"event\":\"sent\"") == 0) {
		assert_true(when_monotonic() < deadline);
		poll(NULL, 0, 5);
	}
}

/* The log goes after the signal went out: that is no success. */
static void says_that_the_record_is_not_whole(void **state)
{
	struct stage *stage = *state;
	PGconn *victim = stage_session(stage, "user=app");
	char id[IDENTITY_TEXT_SIZE], moved[200];
	const char *const arguments[] = {
		"--terminate", identity_of(stage, victim, id), "--yes", "--wait", "600", NULL
	};
	kill(PQbackendPID(victim), SIGSTOP);
	stage->frozen = PQbackendPID(victim);
	stage_start(stage, arguments);
	await_sent(stage, id);
	snprintf(moved, sizeof moved, "%s.1", stage->log);
	assert_int_equal(rename(stage->log, moved), 0);
	assert_int_equal(mkdir(stage->log, 0700), 0);
	stage_thaw_backend(stage);
	stage_expect(stage, "gone after");
	stage_expect(stage, "not all of it is in the audit log: ");
	assert_int_equal(stage_expect_exit(stage), 1);
	assert_int_equal(rmdir(stage->log), 0);
	assert_int_equal(rename(moved, stage->log), 0);
}

/* Ctrl-C while it waits: the server has the signal, what came of it is on the record as unknown. */
static void logs_that_it_was_interrupted(void **state)
{
	struct stage *stage = *state;
	PGconn *victim = stage_session(stage, "user=app");
	char id[IDENTITY_TEXT_SIZE];
	const char *const arguments[] = {
		"--terminate", identity_of(stage, victim, id), "--yes", "--wait", "600", NULL
	};
	kill(PQbackendPID(victim), SIGSTOP);
	stage->frozen = PQbackendPID(victim);
	stage_start(stage, arguments);
	await_sent(stage, id);
	vt_signal(stage->vt, SIGINT);
	stage_expect(stage, "unknown: interrupted: it may have been sent");
	assert_int_equal(stage_expect_exit(stage), 128 + SIGINT);
	assert_int_equal(count_logged(stage, id, "\"outcome\":\"unknown\""), 1);
	assert_int_equal(count_logged(stage, id, "the program was ended"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(terminates_whom_it_names, stage_clear),
		cmocka_unit_test_teardown(cancels_and_says_so_in_json, stage_clear),
		cmocka_unit_test_teardown(refuses_what_is_no_identity, stage_clear),
		cmocka_unit_test_teardown(refuses_more_than_the_limit, stage_clear),
		cmocka_unit_test_teardown(refuses_when_read_only, stage_clear),
		cmocka_unit_test_teardown(never_ends_itself_or_a_superuser, stage_clear),
		cmocka_unit_test_teardown(sends_nothing_without_a_log_or_an_answer, stage_clear),
		cmocka_unit_test_teardown(says_that_the_target_lives_on, stage_clear),
		cmocka_unit_test_teardown(asks_on_the_terminal_itself, stage_clear),
		cmocka_unit_test_teardown(asks_for_more_where_there_is_no_log, stage_clear),
		cmocka_unit_test_teardown(selects_what_cancel_reads, stage_clear),
		cmocka_unit_test_teardown(reads_ids_from_its_input, stage_clear),
		cmocka_unit_test_teardown(refuses_input_with_a_bad_line, stage_clear),
		cmocka_unit_test_teardown(goes_on_where_nobody_reads, stage_clear),
		cmocka_unit_test_teardown(says_that_the_record_is_not_whole, stage_clear),
		cmocka_unit_test_teardown(logs_that_it_was_interrupted, stage_clear),
		cmocka_unit_test_teardown(leaves_the_heir_of_a_pid_alone, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
