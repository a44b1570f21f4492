/* What the screen says to each role, and the names of another database. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void start_as(struct stage *stage, const char *user, int columns, int rows)
{
	const char *const arguments[] = { "-i", "0.2", "-U", user, NULL };
	stage_start_with(stage, arguments, (struct vt_options){ .columns = columns, .rows = rows });
	stage_expect(stage, "LIVE");
}

static void a_dba_sees_what_it_may(void **state)
{
	struct stage *stage = *state;
	start_as(stage, "guard", 120, 30);
	stage_expect(stage, "guard: sees all, may signal");
	assert_false(vt_find(stage->vt, "GRANT", NULL, NULL));
	stage_quit(stage);
	start_as(stage, pgserver_user(stage->server), 120, 30);
	stage_expect(stage, ": superuser");
	stage_quit(stage);
}

/* A question mark for each thing hidden, the GRANT in a line, a reason in place of a question. */
static void a_plain_role_is_told_what_it_lacks(void **state)
{
	static const int sizes[][2] = { { 200, 50 }, { 120, 40 }, { 80, 24 } };
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "user=app application_name=holder"),
	       *waiter = stage_session(stage, "user=app");
	stage_block_row(stage, holder, waiter);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		start_as(stage, "plain", sizes[i][0], sizes[i][1]);
		stage_expect(stage, "plain: sees locks only, cannot signal");
		stage_expect(stage, "GRANT pg_monitor, pg_signal_backend TO plain; never for an application's role");
		stage_expect(stage, "idle in txn ?");
		stage_select(stage, holder);
		vt_send(stage->vt, "K");
		stage_expect(stage, "hides its start, so no signal is safe: GRANT");
		vt_send(stage->vt, "\r");
		stage_expect(stage, "? (this role may not see it");
		vt_send(stage->vt, "q");
		stage_expect_gone(stage, "? (this role may not see it");
		stage_quit(stage);
	}
	assert_true(stage_lives(stage, PQbackendPID(holder)));
	pgserver_wait_blocked(stage->admin, waiter);
}

static void a_grant_shows_while_it_runs(void **state)
{
	struct stage *stage = *state;
	start_as(stage, "plain", 120, 30);
	stage_expect(stage, "sees locks only, cannot signal");
	pgserver_run(stage->admin, "grant pg_monitor, pg_signal_backend to plain");
	stage_expect(stage, "plain: sees all, may signal");
	stage_expect_gone(stage, "GRANT pg_monitor");
	pgserver_run(stage->admin, "revoke pg_monitor, pg_signal_backend from plain");
	stage_expect(stage, "sees locks only, cannot signal");
	stage_quit(stage);
}

static void d_names_another_databases_tables(void **state)
{
	struct stage *stage = *state;
	char name[64];
	pgserver_run(stage->admin, "create database shop");
	PGconn *holder = stage_session(stage, "dbname=shop"), *waiter = stage_session(stage, "dbname=shop");
	pgserver_run(holder, "create table items (n int)");
	char *oid = pgserver_value(holder, "select 'items'::regclass::oid");
	pgserver_run(holder, "begin; lock table items");
	pgserver_send(waiter, "begin; lock table items");
	pgserver_wait_blocked(stage->admin, waiter);
	start_as(stage, "guard", 120, 30);
	snprintf(name, sizeof name, "shop:%s", oid);
	stage_expect(stage, name);
	stage_select(stage, holder);
	vt_send(stage->vt, "D");
	stage_expect(stage, "table items in shop");
	stage_expect(stage, "database shop named 1 relation; that connection is closed again");
	stage_expect_gone(stage, name);
	free(oid);
	stage_quit(stage);
}

static void d_takes_none_of_the_last_slots(void **state)
{
	struct stage *stage = *state;
	PGconn *other = stage_session(stage, "dbname=template1");
	for (int i = 0; i < 12; i++)
		stage_session(stage, "");
	start_as(stage, "guard", 120, 30);
	vt_send(stage->vt, "2");
	stage_select(stage, other);
	vt_send(stage->vt, "D");
	stage_expect(stage, "2 slots free: too few to take one for names");
	vt_send(stage->vt, "q");
	stage_expect(stage, "you may not get back in");
	stage_quit(stage);
}

static const char *const settings[] = { "log_statement=all", "max_connections=20", "superuser_reserved_connections=3",
					"max_wal_senders=0", NULL };

static int open_small(void **state)
{
	return stage_open_with(state, settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_dba_sees_what_it_may, stage_clear),
		cmocka_unit_test_teardown(a_plain_role_is_told_what_it_lacks, stage_clear),
		cmocka_unit_test_teardown(a_grant_shows_while_it_runs, stage_clear),
		cmocka_unit_test_teardown(d_names_another_databases_tables, stage_clear),
		cmocka_unit_test_teardown(d_takes_none_of_the_last_slots, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_small, stage_close);
}
