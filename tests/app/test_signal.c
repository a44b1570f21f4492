/* Cancelling and terminating with the program: the question, what is sent, what comes of it. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void cancels_the_right_session(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	PGconn *other = stage_session(stage, "user=plain");
	stage_block_row(stage, holder, waiter);
	pgserver_send(other, "update orders set note = 'other' where id = 1");
	pgserver_wait_blocked(stage->admin, other);
	stage_watch(stage, NULL);
	stage_ask(stage, waiter, 'C');
	vt_send(stage->vt, "y");
	stage_expect(stage, "its query stopped after");
	PGresult *result = PQgetResult(waiter);
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
	PQclear(result);
	pgserver_wait_blocked(stage->admin, other);
	assert_true(stage_lives(stage, PQbackendPID(waiter)));
	assert_true(stage_lives(stage, PQbackendPID(holder)));
	stage_quit(stage);
}

static void terminates_the_right_session(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	stage_block_row(stage, holder, waiter);
	stage_watch(stage, NULL);
	stage_ask(stage, holder, 'K');
	vt_send(stage->vt, "y");
	stage_expect(stage, "gone after");
	stage_expect(stage, "waiting 1 → 0");
	stage_expect_dead(stage, PQbackendPID(holder));
	assert_true(stage_lives(stage, PQbackendPID(waiter)));
	PGresult *result = PQgetResult(waiter);
	assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
	PQclear(result);
	stage_quit(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(cancels_the_right_session, stage_clear),
		cmocka_unit_test_teardown(terminates_the_right_session, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
