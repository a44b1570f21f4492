/* Cancelling and terminating with the program: the question, what is sent, what comes of it. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void cancels_the_right_session(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	PGconn *other = stage_session(stage, "user=plain");
	pgserver_send(other, "update orders set note = 'other' where id = 1");
	pgserver_wait_blocked(stage->admin, other);
	stage_watch(stage, NULL);
	stage_ask(stage, jam.waiter, 'C');
	vt_send(stage->vt, "y");
	stage_expect(stage, "its query stopped after");
	PGresult *result = PQgetResult(jam.waiter);
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
	PQclear(result);
	pgserver_wait_blocked(stage->admin, other);
	assert_true(stage_lives(stage, PQbackendPID(jam.waiter)));
	assert_true(stage_lives(stage, PQbackendPID(jam.holder)));
	stage_quit(stage);
}

static void terminates_the_right_session(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, NULL);
	stage_ask(stage, jam.holder, 'K');
	vt_send(stage->vt, "y");
	stage_expect(stage, "gone after");
	stage_expect(stage, "waiting 1 → 0");
	stage_expect_dead(stage, PQbackendPID(jam.holder));
	assert_true(stage_lives(stage, PQbackendPID(jam.waiter)));
	PGresult *result = PQgetResult(jam.waiter);
	assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	stage_quit(stage);
}

static void refuses_to_cancel_what_runs_nothing(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	char text[128];
	stage_watch(stage, NULL);
	stage_select(stage, jam.holder);
	vt_send(stage->vt, "C");
	snprintf(text, sizeof text, "%d runs nothing, a cancel does nothing; K terminates", PQbackendPID(jam.holder));
	stage_expect(stage, text);
	stage_expect_untouched(stage, jam.holder, jam.waiter);
}

static void signals_nobody_when_read_only(void **state)
{
	static const char *const arguments[] = { "-r", NULL };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, arguments);
	stage_expect(stage, "READ-ONLY");
	stage_select(stage, jam.holder);
	vt_send(stage->vt, "K");
	stage_expect(stage, "read-only: no signal can be sent in this run");
	vt_send(stage->vt, "y");
	stage_expect_untouched(stage, jam.holder, jam.waiter);
}

static void says_why_a_superuser_is_out_of_reach(void **state)
{
	static const char *const arguments[] = { "-U", "guard", NULL };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, arguments);
	stage_select(stage, jam.holder);
	vt_send(stage->vt, "K");
	stage_expect(stage, "is a superuser's session: only a superuser may signal it");
	stage_expect_untouched(stage, jam.holder, jam.waiter);
	stage_ask(stage, jam.waiter, 'K');
	vt_send(stage->vt, "y");
	stage_expect(stage, "gone after");
	stage_expect_dead(stage, PQbackendPID(jam.waiter));
	assert_true(stage_lives(stage, PQbackendPID(jam.holder)));
}

static void says_which_grant_is_missing(void **state)
{
	static const char *const arguments[] = { "-U", "plain", NULL };
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "user=app"), *waiter = stage_session(stage, "user=app");
	stage_block_row(stage, holder, waiter);
	stage_watch(stage, arguments);
	stage_select(stage, holder);
	vt_send(stage->vt, "K");
	stage_expect(stage, "no signal is safe: GRANT pg_monitor, pg_signal_backend TO plain");
	stage_expect_untouched(stage, holder, waiter);
}

/* The refusal is the server's own: what the program knew about the role has changed meanwhile. */
static void shows_the_refusal_of_the_server(void **state)
{
	static const char *const arguments[] = { "-U", "guard", "-i", "3600", NULL };
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "user=app"), *waiter = stage_session(stage, "user=app");
	stage_block_row(stage, holder, waiter);
	stage_watch(stage, arguments);
	stage_ask(stage, holder, 'K');
	pgserver_run(stage->admin, "revoke pg_signal_backend from guard");
	vt_send(stage->vt, "y");
	stage_expect(stage, "the server refused: must be a member of the role whose process is being terminated");
	pgserver_run(stage->admin, "grant pg_signal_backend to guard");
	assert_true(stage_lives(stage, PQbackendPID(holder)));
}

static void leaves_alone_a_session_that_moved_on(void **state)
{
	static const char *const arguments[] = { "-i", "3600", NULL };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	char text[128];
	stage_watch(stage, arguments);
	stage_ask(stage, jam.waiter, 'C');
	pgserver_run(jam.holder, "rollback");
	PQclear(PQgetResult(jam.waiter));
	assert_null(PQgetResult(jam.waiter));
	pgserver_send(jam.waiter, "select pg_sleep(100)");
	snprintf(text, sizeof text, "select query like '%%pg_sleep%%' from pg_stat_activity where pid = %d",
		 PQbackendPID(jam.waiter));
	pgserver_wait_until(stage->admin, text);
	vt_send(stage->vt, "y");
	snprintf(text, sizeof text, "nothing sent to %d: %d runs another query by now", PQbackendPID(jam.waiter),
		 PQbackendPID(jam.waiter));
	stage_expect(stage, text);
	assert_int_equal(stage_signal_statements(stage), 1);
	assert_true(PQisBusy(jam.waiter));
	assert_true(stage_lives(stage, PQbackendPID(jam.waiter)));
}

static void closes_the_question_about_one_that_moved_on(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	PGconn *other = stage_session(stage, "user=plain");
	stage_watch(stage, NULL);
	stage_ask(stage, jam.waiter, 'C');
	pgserver_run(jam.holder, "rollback");
	PQclear(PQgetResult(jam.waiter));
	stage_expect(stage, "the question was closed");
	vt_send(stage->vt, "y");
	assert_int_equal(stage_signal_statements(stage), 0);
	assert_true(stage_lives(stage, PQbackendPID(other)));
}

static void says_that_a_session_has_ended(void **state)
{
	static const char *const arguments[] = { "-i", "3600", NULL };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	int pid = PQbackendPID(jam.holder);
	char text[64];
	stage_watch(stage, arguments);
	stage_ask(stage, jam.holder, 'K');
	stage_drop_session(stage, jam.holder);
	stage_expect_dead(stage, pid);
	vt_send(stage->vt, "y");
	snprintf(text, sizeof text, "nothing sent to %d: %d has ended", pid, pid);
	stage_expect(stage, text);
	assert_true(stage_lives(stage, PQbackendPID(jam.waiter)));
}

static void keeps_the_cursor_off_others_when_its_session_ends(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	PGconn *last = stage_session(stage, "user=plain");
	int pid = PQbackendPID(jam.waiter);
	char text[64];
	pgserver_send(last, "update orders set note = 'last' where id = 1");
	pgserver_wait_blocked(stage->admin, last);
	stage_watch(stage, NULL);
	stage_select(stage, jam.waiter);
	snprintf(text, sizeof text, "select pg_terminate_backend(%d)", pid);
	pgserver_run(stage->admin, text);
	stage_expect_dead(stage, pid);
	vt_send(stage->vt, "R");
	stage_expect(stage, "WAITING 1");
	vt_send(stage->vt, "K");
	snprintf(text, sizeof text, "%d has ended", pid);
	stage_expect(stage, text);
	vt_send(stage->vt, "y");
	stage_expect_untouched(stage, jam.holder, last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(refuses_to_cancel_what_runs_nothing, stage_clear),
		cmocka_unit_test_teardown(signals_nobody_when_read_only, stage_clear),
		cmocka_unit_test_teardown(says_why_a_superuser_is_out_of_reach, stage_clear),
		cmocka_unit_test_teardown(says_which_grant_is_missing, stage_clear),
		cmocka_unit_test_teardown(shows_the_refusal_of_the_server, stage_clear),
		cmocka_unit_test_teardown(leaves_alone_a_session_that_moved_on, stage_clear),
		cmocka_unit_test_teardown(closes_the_question_about_one_that_moved_on, stage_clear),
		cmocka_unit_test_teardown(says_that_a_session_has_ended, stage_clear),
		cmocka_unit_test_teardown(keeps_the_cursor_off_others_when_its_session_ends, stage_clear),
		cmocka_unit_test_teardown(cancels_the_right_session, stage_clear),
		cmocka_unit_test_teardown(terminates_the_right_session, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
