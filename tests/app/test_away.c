/* The server goes away, comes back, or cannot be had at the start. */
#include "stage.h"

#include "pglocktop/when.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void stop_fast(struct stage *stage)
{
	siginfo_t info;
	pid_t postmaster = pgserver_postmaster(stage->server);
	kill(postmaster, SIGINT);
	assert_int_equal(waitid(P_PID, (id_t)postmaster, &info, WEXITED | WNOWAIT), 0);
	pgserver_stop(stage->server);
}

static void start_again(struct stage *stage)
{
	PQfinish(stage->admin);
	pgserver_start(stage->server);
	stage->admin = pgserver_connect(stage->server, "dbname=postgres application_name=admin");
}

static void restarts(struct stage *stage, void (*stop)(struct stage *stage))
{
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	stage_block_row(stage, holder, waiter);
	stage_watch(stage, NULL);
	stage_select(stage, holder);
	vt_send(stage->vt, "h"); /* folded: this is to be forgotten */
	stop(stage);
	stage_expect(stage, "LOST since");
	stage_expect(stage, "connection to server on socket");
	stage_expect(stage, "Try 3 in ");
	stage_expect(stage, "No signal possible");
	vt_send(stage->vt, "K");
	stage_expect(stage, "not connected: no signal possible");
	stage_drop_session(stage, holder);
	stage_drop_session(stage, waiter);
	start_again(stage);
	stage_expect(stage, "this is another server, or it was restarted");
	stage_expect(stage, "LIVE");
	stage_quit(stage);
}

static void stop_at_once(struct stage *stage)
{
	pgserver_stop(stage->server);
}

static void survives_a_crash_of_the_server(void **state)
{
	restarts(*state, stop_at_once);
}

static void survives_a_restart_of_the_server(void **state)
{
	restarts(*state, stop_fast);
}

/* Only the program's connection goes: the same server comes back, and nothing is dropped. */
static void comes_back_to_the_same_server(void **state)
{
	struct stage *stage = *state;
	char sql[64];
	stage_watch(stage, NULL);
	int pid = (int)stage_own_backend(stage);
	snprintf(sql, sizeof sql, "select pg_terminate_backend(%d)", pid);
	pgserver_run(stage->admin, sql);
	stage_expect(stage, "LOST since");
	stage_expect(stage, "terminating connection");
	stage_expect(stage, "LIVE");
	assert_int_not_equal(stage_own_backend(stage), pid);
	assert_false(vt_find(stage->vt, "another server", NULL, NULL));
	stage_quit(stage);
}

static void expect_one_line(const char *text)
{
	assert_memory_equal(text, "pglocktop: ", 11);
	const char *end = strchr(text, '\n');
	assert_non_null(end);
	if (end[1] != '\0')
		fail_msg("more than one line:\n%s", text);
}

static void says_in_one_line_why_there_is_no_connection(void **state)
{
	static const struct {
		const char *arguments[8], *says;
	} cases[] = {
		{ { "--once", "-d", "nowhere" }, "database \"nowhere\" does not exist" },
		{ { "--once", "-U", "nobody" }, "role \"nobody\" does not exist" },
		{ { "--once", "-h", "/nonexistent" }, "No such file or directory" },
		{ { "--once", "-w", "-U", "needs_password" }, "no password supplied" },
		{ { "--once", "-d", "host=/tmp/none\033]0;x\007y" }, "/tmp/none\\x1b]0;x\\x07y" },
		{ { "--once", "-d", "sp\033[31mlat" }, "does not exist" },
		{ { "--once", "-d", "service=nosuchservice" }, "nosuchservice" },
		{ { "--once", "-d", "postgresql://127.0.0.1:1/x" }, "refused" },
	};
	struct stage *stage = *state;
	pgserver_run(stage->admin, "create role needs_password login password 'right'");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct stage_output output;
		int code = stage_run(stage, cases[i].arguments, &output);
		if (!strstr(output.err, cases[i].says))
			fail_msg("\"%s\" is not in:\n%s", cases[i].says, output.err);
		expect_one_line(output.err);
		assert_null(strchr(output.err, '\033'));
		assert_true(code == 2 || code == 1);
		assert_int_equal(output.out_length, 0);
		print_message("%d: %s", code, output.err);
		stage_output_free(&output);
	}
}

static void the_screen_is_not_opened_without_a_server(void **state)
{
	static const char *const arguments[] = { "-d", "nowhere", NULL };
	struct stage *stage = *state;
	stage_start_with(stage, arguments, (struct vt_options){ .columns = 300, .rows = 10 });
	assert_int_equal(stage_expect_exit(stage), 2);
	size_t length;
	assert_null(strstr(vt_raw(stage->vt, &length), "\033[?1049h"));
	assert_true(vt_find(stage->vt, "pglocktop: ", NULL, NULL));
	assert_true(vt_find(stage->vt, "\"nowhere\" does not exist", NULL, NULL));
}

static void a_server_that_is_not_there_is_said(void **state)
{
	struct stage *stage = *state;
	pgserver_stop(stage->server);
	stage_start(stage, NULL);
	assert_int_equal(stage_expect_exit(stage), 2);
	assert_true(vt_find(stage->vt, "pglocktop: ", NULL, NULL));
	start_again(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(survives_a_crash_of_the_server, stage_clear),
		cmocka_unit_test_teardown(survives_a_restart_of_the_server, stage_clear),
		cmocka_unit_test_teardown(comes_back_to_the_same_server, stage_clear),
		cmocka_unit_test_teardown(says_in_one_line_why_there_is_no_connection, stage_clear),
		cmocka_unit_test_teardown(the_screen_is_not_opened_without_a_server, stage_clear),
		cmocka_unit_test_teardown(a_server_that_is_not_there_is_said, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
