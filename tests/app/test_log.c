/* The audit log of the program itself: what is in it, and what is asked where it cannot be written. */
#include "stage.h"

#include "pglocktop/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINES_MOST = 64 };

struct lines {
	json_t *line[LINES_MOST];
	int count;
};

/* Every line of the log must be a document. */
static struct lines read_lines(const char *path)
{
	struct lines lines = { .count = 0 };
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "re");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	for (ssize_t length; (length = getline(&text, &size, file)) > 0;) {
		assert_true(lines.count < LINES_MOST && text[length - 1] == '\n');
		lines.line[lines.count] = json_loads(text, 0, NULL);
		assert_non_null(lines.line[lines.count++]);
	}
	free(text);
	fclose(file);
	return lines;
}

static void free_lines(struct lines *lines)
{
	for (int i = 0; i < lines->count; i++)
		json_decref(lines->line[i]);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	if (!text)
		fail_msg("there is no \"%s\"", name);
	return text;
}

static void expect_event(const json_t *line, const char *event, const char *id)
{
	assert_string_equal(text_of(line, "event"), event);
	assert_string_equal(text_of(line, "id"), id);
	assert_true(json_integer_value(json_object_get(json_object_get(line, "os"), "pid")) > 0);
}

static void expect_in_server_log(struct stage *stage, const char *text)
{
	char path[256], *line = NULL;
	size_t size = 0;
	bool found = false;
	snprintf(path, sizeof path, "%s/log", pgserver_socket(stage->server));
	FILE *log = fopen(path, "re");
	assert_non_null(log);
	while (!found && getline(&line, &size, log) > 0)
		found = strstr(line, text) != NULL;
	free(line);
	fclose(log);
	if (!found)
		fail_msg("\"%s\" is not in the server's log", text);
}

static void logs_the_intent_and_what_came_of_it(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	char text[128], host[256] = "";
	size_t before;
	stage_block_row(stage, holder, waiter);
	stage_watch(stage, NULL);
	stage_ask(stage, waiter, 'K');
	vt_send(stage->vt, "r");
	stage_expect(stage, "Reason for the audit log");
	vt_raw(stage->vt, &before);
	vt_send(stage->vt, "ticket 4711\r");
	stage_expect(stage, "Reason: ticket 4711");
	assert_true(vt_wait_raw(stage->vt, before, "\033[5n"));
	vt_send(stage->vt, "y");
	stage_expect(stage, "gone after");
	vt_send(stage->vt, "A");
	snprintf(text, sizeof text, "terminate %d: gone after", PQbackendPID(waiter));
	stage_expect(stage, text);
	stage_expect(stage, "because: ticket 4711");
	vt_send(stage->vt, "q");
	stage_expect(stage, "LIVE");
	stage_quit(stage);
	struct lines lines = read_lines(stage->log);
	assert_int_equal(lines.count, 3);
	const char *id = text_of(lines.line[0], "id");
	expect_event(lines.line[0], "intent", id);
	expect_event(lines.line[1], "sent", id);
	expect_event(lines.line[2], "outcome", id);
	assert_string_equal(text_of(lines.line[0], "reason"), "ticket 4711");
	const json_t *target = json_object_get(lines.line[0], "target");
	assert_int_equal(json_integer_value(json_object_get(target, "pid")), PQbackendPID(waiter));
	assert_string_equal(text_of(target, "user"), "app");
	assert_string_equal(text_of(target, "database"), "postgres");
	assert_string_equal(text_of(target, "query"), "update orders set note = ? where id = ?");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(lines.line[0], "what_if"), "frees")), 0);
	assert_true(json_number_value(json_object_get(json_object_get(target, "ages"), "wait")) >= 1);
	assert_true(strlen(text_of(json_object_get(lines.line[0], "server"), "system_identifier")) > 10);
	assert_string_equal(text_of(lines.line[2], "outcome"), "gone");
	assert_string_equal(text_of(lines.line[2], "target"), text_of(target, "id"));
	free_lines(&lines);
	assert_int_equal(gethostname(host, sizeof host - 1), 0);
	snprintf(text, sizeof text, "@%.60s terminates %d app@postgres */ select", host, PQbackendPID(waiter));
	expect_in_server_log(stage, text);
	assert_true(stage_lives(stage, PQbackendPID(holder)));
}

static void asks_for_more_where_it_cannot_be_written(void **state)
{
	static const char *const arguments[] = { "--log", "/proc/pglocktop.jsonl", NULL };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, arguments);
	stage_expect(stage, "UNLOGGED");
	stage_ask(stage, jam.holder, 'K');
	stage_expect(stage, "UNLOGGED TERMINATE");
	stage_expect(stage, "/proc/pglocktop.jsonl: No such file");
	vt_send(stage->vt, "y\r");
	stage_expect(stage, "left");
	stage_expect_untouched(stage, jam.holder, jam.waiter);
	stage_ask(stage, jam.holder, 'K');
	vt_send(stage->vt, "yes");
	stage_expect(stage, "leave it: yes_");
	vt_send(stage->vt, "\r");
	stage_expect(stage, "gone after");
	stage_expect_dead(stage, PQbackendPID(jam.holder));
	stage_quit(stage);
}

/* As on a network home that is dead: whoever takes the lock first is not to be waited for. */
static int lock_log(const struct stage *stage)
{
	char *directory = strndup(stage->log, strlen(stage->log) - strlen("/audit.jsonl"));
	char *above = strndup(directory, strlen(directory) - strlen("/pglocktop"));
	mkdir(above, 0700);
	mkdir(directory, 0700);
	free(above);
	free(directory);
	int fd = open(stage->log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

static void says_that_the_log_hangs(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	int fd = lock_log(stage);
	stage_watch(stage, NULL);
	stage_expect(stage, "UNLOGGED");
	stage_ask(stage, jam.holder, 'K');
	stage_expect(stage, "UNLOGGED TERMINATE");
	vt_send(stage->vt, "yes");
	stage_expect(stage, "leave it: yes_");
	vt_send(stage->vt, "\r");
	stage_expect(stage, "gone after");
	stage_expect_dead(stage, PQbackendPID(jam.holder));
	close(fd);
	stage_quit(stage);
}

/* The probe found room, the writing does not: nothing goes out, and the next question says so. */
static void sends_nothing_that_could_not_be_logged(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	struct rlimit before, limit = { 100, RLIM_INFINITY };
	char path[200];
	snprintf(path, sizeof path, "%s/small.jsonl", pgserver_socket(stage->server));
	const char *with_path[] = { "--log", path, NULL };
	stage_block_row(stage, holder, waiter);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	stage_start(stage, with_path);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	stage_expect(stage, "LIVE");
	stage->statements_before = 0;
	stage->statements_before = stage_signal_statements(stage);
	stage_ask(stage, holder, 'K');
	vt_send(stage->vt, "y");
	stage_expect(stage, "the audit log cannot be written");
	stage_expect(stage, "UNLOGGED");
	stage_expect_untouched(stage, holder, waiter);
	struct lines lines = read_lines(path);
	assert_int_equal(lines.count, 0);
	stage_ask(stage, holder, 'K');
	stage_expect(stage, "UNLOGGED TERMINATE");
	stage_expect_untouched(stage, holder, waiter);
	vt_send(stage->vt, "n\r");
	stage_expect(stage, "that was not yes");
	stage_quit(stage);
}

static void keeps_no_log_when_read_only(void **state)
{
	static const char *const arguments[] = { "-r", "--log", "/proc/pglocktop.jsonl", NULL };
	struct stage *stage = *state;
	stage_watch(stage, arguments);
	stage_expect(stage, "READ-ONLY");
	vt_send(stage->vt, "A");
	stage_expect(stage, "read-only: nothing is signalled, and no log is kept");
	assert_int_equal(stage_signal_statements(stage), 0);
	stage_quit(stage);
}

/* Names that would end the comment, or forge a line, if they could. */
static void hostile_names_stay_inside_the_comment(void **state)
{
	struct stage *stage = *state;
	char sql[512], text[256];
	pgserver_run(stage->admin, "create role \"x*/;select pg_reload_conf();--\nLOG:  forged\" login");
	pgserver_run(stage->admin, "create database \"d*/\xc3\xa9\n\"");
	PGconn *victim =
		stage_session(stage, "application_name='*/ drop' user='x*/;select pg_reload_conf();--\nLOG:  forged' "
				     "dbname='d*/\xc3\xa9\n'");
	int pid = PQbackendPID(victim);
	stage_watch(stage, NULL);
	vt_send(stage->vt, "2");
	stage_ask(stage, victim, 'K');
	vt_send(stage->vt, "y");
	stage_expect(stage, "gone after");
	snprintf(text, sizeof text,
		 "terminates %d x???select?pg_reload_conf???"
		 "--?LOG???forged@d????? */ select",
		 pid);
	expect_in_server_log(stage, text);
	stage_quit(stage);
	struct lines lines = read_lines(stage->log);
	const json_t *target = json_object_get(lines.line[lines.count - 3], "target");
	assert_string_equal(text_of(target, "database"), "d*/\xc3\xa9\n");
	assert_string_equal(text_of(target, "application"), "*/ drop");
	free_lines(&lines);
	stage_drop_session(stage, victim);
	snprintf(sql, sizeof sql, "drop database \"d*/\xc3\xa9\n\"");
	pgserver_run(stage->admin, sql);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(logs_the_intent_and_what_came_of_it, stage_clear),
		cmocka_unit_test_teardown(asks_for_more_where_it_cannot_be_written, stage_clear),
		cmocka_unit_test_teardown(says_that_the_log_hangs, stage_clear),
		cmocka_unit_test_teardown(sends_nothing_that_could_not_be_logged, stage_clear),
		cmocka_unit_test_teardown(keeps_no_log_when_read_only, stage_clear),
		cmocka_unit_test_teardown(hostile_names_stay_inside_the_comment, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
