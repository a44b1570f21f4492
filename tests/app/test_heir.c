/* A pid that another session has by the time of the answer: that one is never signalled. Left out but for root. */
#include "stage.h"

#include <stdio.h>
#include <string.h>

/* Read once: the screen still shows the one who was there before. */
static const char *const once[] = { "-i", "3600", NULL };

static PGconn *sleeper(struct stage *stage, const char *options)
{
	char sql[128];
	PGconn *session = stage_session(stage, options);
	pgserver_send(session, "select pg_sleep(600)");
	snprintf(sql, sizeof sql, "select state = 'active' from pg_stat_activity where pid = %d",
		 PQbackendPID(session));
	pgserver_wait_until(stage->admin, sql);
	return session;
}

/* It has the pid of `session`, and does the same. */
static PGconn *put_heir(struct stage *stage, PGconn *session)
{
	PGconn *heir;
	char sql[128];
	if (!stage_reuse_pid(stage, session, &heir))
		skip();
	pgserver_send(heir, "select pg_sleep(600)");
	snprintf(sql, sizeof sql, "select state = 'active' from pg_stat_activity where pid = %d", PQbackendPID(heir));
	pgserver_wait_until(stage->admin, sql);
	return heir;
}

static void expect_running(struct stage *stage, PGconn *session)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where pid = %d and state = 'active'",
		 PQbackendPID(session));
	assert_int_equal(pgserver_number(stage->admin, sql), 1);
	assert_true(PQisBusy(session));
}

static void one_that_was_asked_about(void **state)
{
	static const char keys[] = { 'K', 'C' };
	struct stage *stage = *state;
	for (size_t i = 0; i < sizeof keys; i++) {
		char text[128];
		PGconn *meant = sleeper(stage, "application_name=meant user=app");
		stage_watch(stage, once);
		vt_send(stage->vt, "2");
		stage_ask(stage, meant, keys[i]);
		PGconn *heir = put_heir(stage, meant);
		vt_send(stage->vt, "y");
		snprintf(text, sizeof text, "nothing sent to %d: %d has ended, and another session has its pid now",
			 PQbackendPID(heir), PQbackendPID(heir));
		stage_expect(stage, text);
		assert_int_equal(stage_signal_statements(stage), 1);
		expect_running(stage, heir);
		stage_quit(stage);
		stage_drop_session(stage, heir);
	}
}

static void one_of_those_tagged(void **state)
{
	struct stage *stage = *state;
	char text[160];
	PGconn *meant = sleeper(stage, "application_name=meant user=app"), *other = sleeper(stage, "user=app");
	stage_watch(stage, once);
	vt_send(stage->vt, "2");
	stage_select(stage, other);
	vt_send(stage->vt, " ");
	stage_expect(stage, "TAGGED 1");
	stage_select(stage, meant);
	vt_send(stage->vt, " ");
	stage_expect(stage, "TAGGED 2");
	stage_select(stage, meant);
	size_t before;
	vt_raw(stage->vt, &before);
	vt_send(stage->vt, "K");
	assert_true(vt_wait_raw(stage->vt, before, "\033[5n"));
	stage_expect(stage, "TERMINATE 2 tagged sessions?");
	PGconn *heir = put_heir(stage, meant);
	vt_send(stage->vt, "2");
	stage_expect(stage, "leave them: 2_");
	vt_send(stage->vt, "\r");
	snprintf(text, sizeof text, "Not sent: %d has ended, and another session has its pid now", PQbackendPID(heir));
	stage_expect(stage, text);
	stage_expect(stage, "1 TERM sent: 1 gone");
	stage_expect_dead(stage, PQbackendPID(other));
	expect_running(stage, heir);
	stage_quit(stage);
}

/* A refresh shows who is there now: question and tag are over, and the cursor does not go to the heir. */
static void one_that_a_refresh_tells_apart(void **state)
{
	static const char *const often[] = { "-i", "0.2", NULL };
	struct stage *stage = *state;
	char text[64];
	PGconn *meant = sleeper(stage, "application_name=meant user=app");
	stage_watch(stage, often);
	vt_send(stage->vt, "2");
	stage_select(stage, meant);
	vt_send(stage->vt, " ");
	stage_expect(stage, "TAGGED 1");
	stage_select(stage, meant);
	size_t before;
	vt_raw(stage->vt, &before);
	vt_send(stage->vt, "K");
	assert_true(vt_wait_raw(stage->vt, before, "\033[5n"));
	stage_expect(stage, "TERMINATE 1 tagged session?");
	PGconn *heir = put_heir(stage, meant);
	stage_expect(stage, "the question was closed");
	stage_expect_gone(stage, "TAGGED");
	stage_expect(stage, "heir");
	stage_clear_message(stage, "the question was closed");
	vt_send(stage->vt, "K");
	snprintf(text, sizeof text, "%d has ended", PQbackendPID(heir));
	stage_expect(stage, text);
	vt_send(stage->vt, "yn");
	assert_int_equal(stage_signal_statements(stage), 0);
	expect_running(stage, heir);
	stage_quit(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(one_that_was_asked_about, stage_clear),
		cmocka_unit_test_teardown(one_of_those_tagged, stage_clear),
		cmocka_unit_test_teardown(one_that_a_refresh_tells_apart, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
