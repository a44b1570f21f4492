/* The configuration on real connections, by service; and a read-only run, which has nothing to signal with. */
#include "stage.h"

#include "pglocktop/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Two services that lead to the stage's server, and what the configuration says of them and of a third. */
static void configure(struct stage *stage)
{
	const char *directory = pgserver_socket(stage->server), *user = pgserver_user(stage->server);
	struct strbuf text = STRBUF_INIT;
	char path[256];
	snprintf(path, sizeof path, "%s/services", directory);
	strbuf_printf(&text, "[production]\nhost=%s\ndbname=postgres\nuser=%s\n", directory, user);
	strbuf_printf(&text, "[reporting]\nhost=%s\ndbname=postgres\nuser=%s\n", directory, user);
	write_file(path, text.text);
	setenv("PGSERVICEFILE", path, 1);
	strbuf_release(&text);
	snprintf(path, sizeof path, "%s/state", directory);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/state/pglocktop", directory);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/state/pglocktop/config", directory);
	write_file(path, "[service production]\nbanner = PRODUCTION, handle with care\ntyped_confirmation = yes\n"
			 "[service  reporting ]\nread_only = yes\nmask = yes\n"
			 "[service elsewhere]\nbanner = ELSEWHERE\nread_only = yes\n");
}

static int open_configured(void **state)
{
	if (stage_open(state) != 0)
		return -1;
	configure(*state);
	return 0;
}

/* Without any option of the connection but these; `environment` may be NULL. */
static void watch_service(struct stage *stage, const char *operand, const char *environment)
{
	const char *const argv[] = { stage_program(), operand, NULL };
	const char *const variables[] = { environment, NULL };
	vt_end(stage->vt);
	stage->vt = vt_start(&(struct vt_options){
		.argv = argv, .environment = environment ? variables : NULL, .columns = 120, .rows = 30 });
	stage_expect(stage, "LIVE");
	stage->statements_before = 0;
	stage->statements_before = stage_signal_statements(stage);
}

static void its_banner_and_its_question_are_the_services(void **state)
{
	static const char *const ways[][2] = {
		{ "service=production", NULL },
		{ "postgresql:///?service=production", NULL },
		{ NULL, "PGSERVICE=production" },
	};
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	char text[128], answer[32];
	stage_block_row(stage, holder, waiter);
	for (size_t i = 0; i < COUNT(ways); i++) {
		watch_service(stage, ways[i][0], ways[i][1]);
		assert_non_null(strstr(vt_row(stage->vt, 0), "PRODUCTION, handle with care"));
		assert_null(strstr(vt_text(stage->vt), "ELSEWHERE"));
		assert_null(strstr(vt_text(stage->vt), "READ-ONLY"));
	}
	snprintf(text, sizeof text, "Type %d and Enter to terminate it", PQbackendPID(holder));
	snprintf(answer, sizeof answer, "%d", PQbackendPID(holder));
	stage_ask(stage, holder, 'K');
	stage_expect(stage, text);
	vt_send(stage->vt, "y\r");
	stage_expect(stage, "left");
	stage_expect_untouched(stage, holder, waiter);
	stage_ask(stage, holder, 'K');
	vt_send(stage->vt, answer);
	snprintf(text, sizeof text, "leave it: %s_", answer);
	stage_expect(stage, text);
	vt_send(stage->vt, "\r");
	stage_expect(stage, "gone after");
	stage_expect_dead(stage, PQbackendPID(holder));
	stage_quit(stage);
}

/* Neither does it hold for who comes another way. */
static void no_other_connection_has_them(void **state)
{
	struct stage *stage = *state;
	stage_watch(stage, NULL);
	assert_null(strstr(vt_text(stage->vt), "PRODUCTION"));
	assert_null(strstr(vt_text(stage->vt), "READ-ONLY"));
	stage_quit(stage);
}

static void expect_refused(struct stage *stage, const char *operand)
{
	const char *const arguments[] = { "-d", operand, "--terminate", "8@2026-11-22T14:32:07+00:00", "--yes", NULL };
	struct stage_output output;
	assert_int_equal(stage_run(stage, arguments, &output), 1);
	assert_non_null(strstr(output.err, "read-only: nothing can be signalled"));
	stage_output_free(&output);
}

static off_t log_size(struct stage *stage, char path[static 256])
{
	struct stat is;
	snprintf(path, 256, "%s/log", pgserver_socket(stage->server));
	assert_int_equal(stat(path, &is), 0);
	return is.st_size;
}

static void expect_no_signal_function(struct stage *stage, off_t from)
{
	char path[256], *line = NULL;
	size_t size = 0;
	bool refreshed = false;
	log_size(stage, path);
	FILE *log = fopen(path, "re");
	assert_non_null(log);
	assert_int_equal(fseeko(log, from, SEEK_SET), 0);
	while (getline(&line, &size, log) > 0) {
		refreshed |= strstr(line, "pg_lock_status") != NULL;
		if (strstr(line, "pg_cancel_backend") || strstr(line, "pg_terminate_backend"))
			fail_msg("the server was sent %s", line);
	}
	assert_true(refreshed);
	free(line);
	fclose(log);
}

/* The audit log's thread, and syslog's, by their names. */
static void expect_no_thread(struct stage *stage, const char *unwanted)
{
	char path[320], name[32];
	snprintf(path, sizeof path, "/proc/%d/task", (int)vt_pid(stage->vt));
	DIR *tasks = opendir(path);
	unsigned count = 0;
	assert_non_null(tasks);
	for (const struct dirent *task; (task = readdir(tasks));) {
		if (task->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%.200s/comm", (int)vt_pid(stage->vt), task->d_name);
		FILE *comm = fopen(path, "re");
		if (!comm)
			continue;
		assert_non_null(fgets(name, sizeof name, comm));
		fclose(comm);
		assert_true(strncmp(name, unwanted, strlen(unwanted)) != 0);
		count++;
	}
	closedir(tasks);
	assert_true(count >= 2);
}

/* No statement that signals is as much as warmed up, no log is opened, no key and no option gets further than a no. */
static void a_read_only_service_has_nothing_to_signal_with(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	char path[256];
	stage_block_row(stage, holder, waiter);
	off_t before = log_size(stage, path);
	unlink(stage->log);
	watch_service(stage, "service=reporting", NULL);
	stage_expect(stage, "READ-ONLY");
	stage_expect(stage, "MASKED");
	stage_select(stage, holder);
	vt_send(stage->vt, "K");
	stage_expect(stage, "read-only: no signal can be sent in this run");
	vt_send(stage->vt, " ");
	vt_send(stage->vt, "C");
	stage_expect(stage, "read-only");
	vt_send(stage->vt, "A");
	stage_expect(stage, "no log is kept");
	expect_no_thread(stage, "audit");
	stage_quit(stage);
	expect_refused(stage, "service=reporting");
	stage_expect_untouched(stage, holder, waiter);
	expect_no_signal_function(stage, before);
	assert_int_equal(access(stage->log, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(its_banner_and_its_question_are_the_services, stage_clear),
		cmocka_unit_test_teardown(no_other_connection_has_them, stage_clear),
		cmocka_unit_test_teardown(a_read_only_service_has_nothing_to_signal_with, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_configured, stage_close);
}
