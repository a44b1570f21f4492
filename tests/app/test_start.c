/* The time before the first screen: passwords, no free slot, an authentication that hangs; and how long it takes. */
#include "stage.h"

#include "pglocktop/when.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

enum { STARTS = 10 };

static const char *const settings[] = { "max_connections=8", "superuser_reserved_connections=0", "max_wal_senders=0",
					"authentication_timeout=600", NULL };

static int open_small(void **state)
{
	if (stage_open_with(state, settings) != 0)
		return -1;
	struct stage *stage = *state;
	pgserver_run(stage->admin, "create role needs_password login password 'right'");
	return 0;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

/* 100 ms are promised where the machine is idle; a loaded one is given ten times that. */
static void shows_the_first_screen_soon(void **state)
{
	struct stage *stage = *state;
	int64_t times[STARTS];
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	stage_block_row(stage, holder, waiter);
	for (int i = 0; i < STARTS; i++) {
		int64_t began = when_monotonic();
		stage_start(stage, NULL);
		stage_expect(stage, "? help");
		times[i] = when_monotonic() - began;
		assert_true(vt_find(stage->vt, "holder", NULL, NULL));
		stage_quit(stage);
	}
	qsort(times, STARTS, sizeof *times, compare);
	print_message("first screen: median %.1f ms, worst %.1f ms\n", (double)times[STARTS / 2] / 1000,
		      (double)times[STARTS - 1] / 1000);
	assert_true(times[STARTS / 2] < 1000 * 1000);
}

static const char *const with_password[] = { "-U", "needs_password", NULL };

static void asks_for_the_password(void **state)
{
	struct stage *stage = *state;
	stage_start(stage, with_password);
	stage_expect(stage, "Password for user needs_password:");
	vt_send(stage->vt, "wrong\r");
	stage_expect(stage, "Wrong password. Password for user needs_password:");
	vt_send(stage->vt, "junk\025righx\177t\r");
	stage_expect(stage, "LIVE");
	stage_quit(stage);
	size_t length;
	const char *raw = vt_raw(stage->vt, &length);
	assert_null(memmem(raw, length, "righ", 4));
	assert_null(memmem(raw, length, "wrong", 5));
}

static void leaves_the_prompt(struct stage *stage, const char *keys, int number, int status)
{
	stage_start(stage, with_password);
	stage_expect(stage, "Password for user needs_password:");
	assert_string_equal(vt_not_restored(stage->vt), "termios");
	if (number)
		vt_signal(stage->vt, number);
	else
		vt_send(stage->vt, keys);
	assert_int_equal(stage_expect_exit(stage), status);
}

static void an_interrupt_ends_the_prompt(void **state)
{
	leaves_the_prompt(*state, "ri\003", 0, 128 + SIGINT);
}

static void an_end_of_input_ends_the_prompt(void **state)
{
	leaves_the_prompt(*state, "\004", 0, 2);
}

static void sigterm_ends_the_prompt(void **state)
{
	leaves_the_prompt(*state, NULL, SIGTERM, 128 + SIGTERM);
}

static void sighup_ends_the_prompt(void **state)
{
	leaves_the_prompt(*state, NULL, SIGHUP, 128 + SIGHUP);
}

/* Ctrl-Z at the prompt: the shell gets its echo, and the prompt comes back. */
static void the_prompt_can_be_stopped(void **state)
{
	struct stage *stage = *state;
	stage_start(stage, with_password);
	stage_expect(stage, "Password for user needs_password:");
	vt_send(stage->vt, "nonsense\032");
	assert_true(vt_wait_stopped(stage->vt));
	assert_null(vt_not_restored(stage->vt));
	size_t before;
	vt_raw(stage->vt, &before);
	vt_signal(stage->vt, SIGCONT);
	assert_true(vt_wait_continued(stage->vt));
	assert_true(vt_wait_raw(stage->vt, before, "Password for user needs_password:"));
	vt_send(stage->vt, "right\r");
	stage_expect(stage, "LIVE");
	stage_quit(stage);
}

static void never_asks_with_w(void **state)
{
	static const char *const arguments[] = { "-w", "-U", "needs_password", NULL };
	struct stage *stage = *state;
	stage_start_with(stage, arguments, (struct vt_options){ .columns = 300, .rows = 10 });
	assert_int_equal(stage_expect_exit(stage), 2);
	assert_true(vt_find(stage->vt, "no password supplied", NULL, NULL));
}

static void gives_up_after_wrong_passwords(void **state)
{
	struct stage *stage = *state;
	stage_start(stage, with_password);
	for (int i = 0; i < 3; i++) {
		stage_expect(stage, i ? "Wrong password." : "Password for user");
		size_t before;
		vt_raw(stage->vt, &before);
		vt_send(stage->vt, "wrong\r");
		assert_true(
			vt_wait_raw(stage->vt, before,
				    i < 2 ? "Wrong password. Password for user" : "password authentication failed"));
	}
	assert_int_equal(stage_expect_exit(stage), 2);
}

static void gets_in_when_a_slot_frees(void **state)
{
	struct stage *stage = *state;
	PGconn *last = NULL;
	for (int i = 0; i < 7; i++)
		last = stage_session(stage, "user=app");
	stage_start(stage, NULL);
	stage_expect(stage, "no free connection slot; trying every 0.5 s");
	stage_expect(stage, "3rd time, Ctrl-C stops");
	stage_drop_session(stage, last);
	stage_expect(stage, "LIVE");
	vt_send(stage->vt, "q");
	stage_expect(stage, "0 slots free");
	stage_quit(stage);
}

static void an_interrupt_ends_the_wait_for_a_slot(void **state)
{
	struct stage *stage = *state;
	for (int i = 0; i < 7; i++)
		stage_session(stage, "user=app");
	stage_start(stage, NULL);
	stage_expect(stage, "no free connection slot");
	vt_send(stage->vt, "\003");
	assert_int_equal(stage_expect_exit(stage), 128 + SIGINT);
}

static void does_not_wait_for_a_slot_without_a_screen(void **state)
{
	static const char *const arguments[] = { "--once", NULL };
	struct stage *stage = *state;
	struct stage_output output;
	for (int i = 0; i < 7; i++)
		stage_session(stage, "user=app");
	assert_int_equal(stage_run(stage, arguments, &output), 2);
	assert_non_null(strstr(output.err, "too many clients already"));
	stage_output_free(&output);
}

/* The locks are held by one who has connected before; whoever connects now hangs. */
static void says_that_authentication_hangs(void **state)
{
	struct stage *stage = *state;
	pgserver_run(stage->admin, "begin; lock table pg_authid in access exclusive mode");
	stage_start(stage, NULL);
	stage_expect(stage, "accepted, authentication unanswered for");
	pgserver_run(stage->admin, "rollback");
	stage_expect(stage, "LIVE");
	stage_quit(stage);
}

static void says_that_the_first_statement_hangs(void **state)
{
	struct stage *stage = *state;
	pgserver_run(stage->admin, "begin; lock table pg_type in access exclusive mode");
	stage_start(stage, NULL);
	stage_expect(stage, "no answer for");
	pgserver_run(stage->admin, "rollback");
	stage_expect(stage, "LIVE");
	stage_quit(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(shows_the_first_screen_soon, stage_clear),
		cmocka_unit_test_teardown(asks_for_the_password, stage_clear),
		cmocka_unit_test_teardown(an_interrupt_ends_the_prompt, stage_clear),
		cmocka_unit_test_teardown(an_end_of_input_ends_the_prompt, stage_clear),
		cmocka_unit_test_teardown(sigterm_ends_the_prompt, stage_clear),
		cmocka_unit_test_teardown(sighup_ends_the_prompt, stage_clear),
		cmocka_unit_test_teardown(the_prompt_can_be_stopped, stage_clear),
		cmocka_unit_test_teardown(never_asks_with_w, stage_clear),
		cmocka_unit_test_teardown(gives_up_after_wrong_passwords, stage_clear),
		cmocka_unit_test_teardown(gets_in_when_a_slot_frees, stage_clear),
		cmocka_unit_test_teardown(an_interrupt_ends_the_wait_for_a_slot, stage_clear),
		cmocka_unit_test_teardown(does_not_wait_for_a_slot_without_a_screen, stage_clear),
		cmocka_unit_test_teardown(says_that_authentication_hangs, stage_clear),
		cmocka_unit_test_teardown(says_that_the_first_statement_hangs, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_small, stage_close);
}
