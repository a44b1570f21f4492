/* However the program ends or stops, the terminal is as it was. */
#include "stage.h"

#include "pglocktop/when.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLEARED "\033[2J" /* how every drawing of the whole screen begins */

static void ends_by(struct stage *stage, int number)
{
	stage_watch(stage, NULL);
	assert_non_null(vt_not_restored(stage->vt));
	vt_signal(stage->vt, number);
	assert_int_equal(stage_expect_exit(stage), 128 + number);
}

static void ends_by_sigterm(void **state)
{
	ends_by(*state, SIGTERM);
}

static void ends_by_sighup(void **state)
{
	ends_by(*state, SIGHUP);
}

static void ends_by_sigint(void **state)
{
	ends_by(*state, SIGINT);
}

static void ends_by_sigsegv(void **state)
{
	ends_by(*state, SIGABRT);
}

static void ends_by_q(void **state)
{
	stage_watch(*state, NULL);
	stage_quit(*state);
}

static void ends_by_two_interrupts(void **state)
{
	struct stage *stage = *state;
	stage_watch(stage, NULL);
	vt_send(stage->vt, "\003");
	stage_expect(stage, "q quits (or ^C once more)");
	vt_send(stage->vt, "\003");
	assert_int_equal(stage_expect_exit(stage), 0);
}

/* Nobody is there to see it; what counts is that it ends, and soon. */
static void ends_with_its_terminal(void **state)
{
	struct stage *stage = *state;
	int status;
	stage_watch(stage, NULL);
	vt_hang_up(stage->vt);
	assert_true(vt_wait_exit(stage->vt, &status));
	stage_expect_dead(stage, (int)stage_own_backend(stage));
}

static void stops_and_goes_on(void **state)
{
	struct stage *stage = *state;
	for (int round = 0; round < 2; round++) {
		stage_watch(stage, NULL);
		if (round)
			vt_signal(stage->vt, SIGTSTP);
		else
			vt_send(stage->vt, "\032");
		assert_true(vt_wait_stopped(stage->vt));
		assert_null(vt_not_restored(stage->vt));
		vt_resize(stage->vt, 90, 20);
		vt_signal(stage->vt, SIGCONT);
		assert_true(vt_wait_continued(stage->vt));
		stage_expect(stage, "LIVE");
		vt_send(stage->vt, "?");
		stage_expect(stage, "(asks)");
		vt_send(stage->vt, "?");
		stage_expect(stage, "LIVE");
		stage_quit(stage);
	}
}

/* SIGSTOP gives no notice. */
static void goes_on_after_a_stop_without_notice(void **state)
{
	struct stage *stage = *state;
	stage_watch(stage, NULL);
	vt_signal(stage->vt, SIGSTOP);
	assert_true(vt_wait_stopped(stage->vt));
	size_t before;
	vt_raw(stage->vt, &before);
	vt_signal(stage->vt, SIGCONT);
	assert_true(vt_wait_continued(stage->vt));
	assert_true(vt_wait_raw(stage->vt, before, CLEARED));
	stage_expect(stage, "LIVE");
	stage_quit(stage);
}

static void survives_a_storm_of_sizes(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	stage_block_row(stage, holder, waiter);
	static const char *const arguments[] = { "-i", "0.1", NULL };
	static const char *const keys[] = { "j",  "\r", "?", "2", "1",	  "\033[6~", "s",
					    "\r", "K",	"n", "w", "/x\r", "f\003" };
	stage_watch(stage, arguments);
	for (int i = 0; i < 400; i++) {
		int width = i % 4 ? 1 + i * 7 % 230 : 1, height = i % 3 ? 1 + i * 5 % 70 : 1;
		vt_resize(stage->vt, width, height);
		vt_send(stage->vt, keys[(size_t)i % COUNT(keys)]);
	}
	vt_resize(stage->vt, 100, 30);
	vt_send(stage->vt, "\003\0331");
	stage_expect(stage, "LIVE");
	assert_int_equal(stage_signal_statements(stage), 0);
	vt_signal(stage->vt, SIGTERM);
	assert_int_equal(stage_expect_exit(stage), 128 + SIGTERM);
}

static void leaves_no_backend_behind(void **state)
{
	struct stage *stage = *state;
	stage_watch(stage, NULL);
	int pid = (int)stage_own_backend(stage);
	assert_true(pid > 0);
	vt_signal(stage->vt, SIGKILL);
	stage_expect_dead(stage, pid);
}

static void warns_when_the_slots_are_few(void **state)
{
	struct stage *stage = *state;
	pgserver_run(stage->admin, "alter system set superuser_reserved_connections = 97");
	pgserver_stop(stage->server);
	PQfinish(stage->admin);
	pgserver_start(stage->server);
	stage->admin = pgserver_connect(stage->server, "dbname=postgres application_name=admin");
	stage_watch(stage, NULL);
	vt_send(stage->vt, "q");
	stage_expect(stage, "slots free: you may not get back in. q again = leave");
	vt_send(stage->vt, "q");
	assert_int_equal(stage_expect_exit(stage), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(ends_by_sigterm, stage_clear),
		cmocka_unit_test_teardown(ends_by_sighup, stage_clear),
		cmocka_unit_test_teardown(ends_by_sigint, stage_clear),
		cmocka_unit_test_teardown(ends_by_sigsegv, stage_clear),
		cmocka_unit_test_teardown(ends_by_q, stage_clear),
		cmocka_unit_test_teardown(ends_by_two_interrupts, stage_clear),
		cmocka_unit_test_teardown(ends_with_its_terminal, stage_clear),
		cmocka_unit_test_teardown(stops_and_goes_on, stage_clear),
		cmocka_unit_test_teardown(goes_on_after_a_stop_without_notice, stage_clear),
		cmocka_unit_test_teardown(survives_a_storm_of_sizes, stage_clear),
		cmocka_unit_test_teardown(leaves_no_backend_behind, stage_clear),
		cmocka_unit_test_teardown(warns_when_the_slots_are_few, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
