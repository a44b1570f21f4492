/* Waits that are for no lock: what is said of them, and that they are no edges. */
#include "document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_stage(void **state)
{
	static const char *const settings[] = { "max_pred_locks_per_transaction=64", "max_worker_processes=8", NULL };
	return stage_open_with(state, settings);
}

static PGconn *doing(struct stage *stage, const char *sql)
{
	PGconn *session = stage_session(stage, "");
	pgserver_run(session, sql);
	return session;
}

/* Until a session is in a wait, and was sent its query a second ago: it is no brief one. */
static void wait_for_event(struct stage *stage, PGconn *session, const char *event)
{
	char sql[256];
	snprintf(sql, sizeof sql,
		 "select wait_event = '%s' and clock_timestamp() - query_start > '1s' from pg_stat_activity "
		 "where pid = %d",
		 event, PQbackendPID(session));
	pgserver_wait_until(stage->admin, sql);
}

static void expect_no_edge(const json_t *session)
{
	assert_int_equal(json_array_size(json_object_get(session, "blocked_by")), 0);
	assert_true(json_is_null(json_object_get(session, "waits_for")));
}

/* Wide enough for all that is said of a blocker. */
static void watch(struct stage *stage)
{
	static const char *const arguments[] = { NULL };
	stage_watch_with(stage, arguments, (struct vt_options){ .columns = 260, .rows = 20 });
}

/* Two serializable writers hold up a reader that wants to be safe from failing. */
static void names_who_holds_up_a_safe_snapshot(void **state)
{
	struct stage *stage = *state;
	char wanted[64], pids[64];
	static const char begin[] = "begin isolation level serializable; update orders set note = 's' where id = ";
	char sql[160];
	PGconn *writers[2];
	for (int i = 0; i < 2; i++) {
		snprintf(sql, sizeof sql, "%s%d", begin, i + 1);
		writers[i] = doing(stage, sql);
	}
	int first = PQbackendPID(writers[0]), second = PQbackendPID(writers[1]);
	snprintf(pids, sizeof pids, "%d %d", first < second ? first : second, first < second ? second : first);
	snprintf(wanted, sizeof wanted, "safe snapshot (%d, %d)", first < second ? first : second,
		 first < second ? second : first);
	PGconn *dump = doing(stage, "begin isolation level serializable, read only, deferrable");
	pgserver_send(dump, "select from orders");
	wait_for_event(stage, dump, "SafeSnapshot");
	json_t *document = document_take_plain(stage);
	const json_t *session = document_session(document, PQbackendPID(dump));
	char text[64];
	expect_no_edge(session);
	document_format_pids(json_object_get(session, "safe_snapshot_blocked_by"), text, sizeof text);
	assert_string_equal(text, pids);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(document, "totals"), "waiting")), 0);
	json_decref(document);
	watch(stage);
	stage_expect(stage, "WAITING 0");
	stage_expect(stage, wanted);
	vt_send(stage->vt, "g\r");
	stage_expect(stage, "It is SERIALIZABLE READ ONLY DEFERRABLE");
	stage_expect(stage, "held up by");
	vt_send(stage->vt, "\033");
	stage_expect(stage, "WAIT");
	for (int i = 0; i < 2; i++)
		pgserver_run(writers[i], "commit");
	stage_expect(stage, "No session waits for a lock.");
	stage_quit(stage);
}

static void says_that_nobody_waits_who_does_not_count(void **state)
{
	static const char *const arguments[] = { "--once", "--exit-code", NULL };
	struct stage *stage = *state;
	struct stage_output output;
	PGconn *writer = doing(stage, "begin isolation level serializable; update orders set note = 's' where id = 1");
	PGconn *dump = doing(stage, "begin isolation level serializable, read only, deferrable");
	pgserver_send(dump, "select from orders");
	wait_for_event(stage, dump, "SafeSnapshot");
	assert_int_equal(stage_run(stage, arguments, &output), 0);
	char wanted[64];
	snprintf(wanted, sizeof wanted, "→ safe snapshot (%d)", PQbackendPID(writer));
	assert_non_null(strstr(output.out, wanted));
	stage_output_free(&output);
}

/* A COMMIT that waits for a standby which is not there keeps its row meanwhile. */
static void names_a_commit_that_no_standby_confirms(void **state)
{
	struct stage *stage = *state;
	PGconn *writer = doing(stage, "begin; update orders set note = 'c' where id = 3");
	PGconn *waiter = doing(stage, "set synchronous_commit = off");
	pgserver_demand_standby(stage->server, stage->admin);
	pgserver_send(writer, "commit");
	wait_for_event(stage, writer, "SyncRep");
	watch(stage);
	stage_expect(stage, "1 commit waits for a standby to confirm (synchronous_standby_names)");
	pgserver_send(waiter, "update orders set note = 'w' where id = 3");
	pgserver_wait_blocked(stage->admin, waiter);
	stage_expect(stage, "→ standby to confirm");
	vt_send(stage->vt, "g\r");
	stage_expect(stage, "It has committed here and keeps its locks until a standby confirms");
	vt_send(stage->vt, "\033");
	pgserver_run(stage->admin, "alter system reset synchronous_standby_names");
	pgserver_run(stage->admin, "select pg_reload_conf()");
	stage_expect(stage, "No session waits for a lock.");
	stage_quit(stage);
}

static void names_the_client_of_an_idle_transaction(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder");
	PGconn *waiter = stage_session(stage, "application_name=waiter");
	stage_block_row(stage, holder, waiter);
	watch(stage);
	stage_expect(stage, "→ client");
	stage_quit(stage);
}

/* Amid a COPY the client sends nothing more. */
static void names_a_client_that_sends_nothing(void **state)
{
	struct stage *stage = *state;
	PGconn *loader = doing(stage, "begin; lock table orders");
	PQclear(PQexec(loader, "copy orders from stdin"));
	PGconn *waiter = stage_session(stage, "");
	pgserver_send(waiter, "select from orders");
	pgserver_wait_blocked(stage->admin, waiter);
	wait_for_event(stage, loader, "ClientRead");
	watch(stage);
	stage_expect(stage, "→ client: it se");
	stage_quit(stage);
}

static void names_a_client_that_does_not_read(void **state)
{
	struct stage *stage = *state;
	PGconn *reader = doing(stage, "begin; lock table orders");
	PGconn *waiter = stage_session(stage, "");
	pgserver_send(reader, "select repeat('x', 1000) from generate_series(1, 1000000)");
	pgserver_send(waiter, "select from orders");
	wait_for_event(stage, reader, "ClientWrite");
	pgserver_wait_blocked(stage->admin, waiter);
	watch(stage);
	stage_expect(stage, "→ client: it does not read");
	stage_quit(stage);
}

/* The leader of a parallel query is blocked by nobody, its workers sleep. */
static void names_the_workers_of_a_query(void **state)
{
	enum { LEADER_MAY_STAND_BY = 110000 };
	struct stage *stage = *state;
	if (PQserverVersion(stage->admin) < LEADER_MAY_STAND_BY)
		skip();
	pgserver_run(stage->admin, "create table if not exists many as select n from generate_series(1, 100000) n;"
				   "create or replace function doze(n int) returns bool language plpgsql parallel safe "
				   "as $$ begin perform pg_sleep(1000); return true; end $$; analyze many");
	PGconn *leader = doing(stage, "set parallel_setup_cost = 0; set parallel_tuple_cost = 0;"
				      "set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 2;"
				      "set parallel_leader_participation = off; begin; lock table orders");
	PGconn *waiter = stage_session(stage, "");
	pgserver_send(leader, "select count(*) from many where doze(n)");
	pgserver_send(waiter, "select from orders");
	wait_for_event(stage, leader, "ExecuteGather");
	pgserver_wait_blocked(stage->admin, waiter);
	watch(stage);
	stage_expect(stage, "→ its workers");
	stage_quit(stage);
}

static void shows_other_events_as_they_are(void **state)
{
	struct stage *stage = *state;
	PGconn *sleeper = doing(stage, "begin; lock table orders");
	PGconn *waiter = stage_session(stage, "");
	pgserver_send(sleeper, "select pg_sleep(1000)");
	pgserver_send(waiter, "select from orders");
	wait_for_event(stage, sleeper, "PgSleep");
	pgserver_wait_blocked(stage->admin, waiter);
	watch(stage);
	stage_expect(stage, "→ pg_sleep()");
	stage_quit(stage);
}

/* A query that waits for another server's, by dblink; left out where the extension is not there. */
static void names_a_remote_server(void **state)
{
	struct stage *stage = *state;
	char sql[512];
	PGresult *created = PQexec(stage->admin, "create extension dblink");
	bool there = PQresultStatus(created) == PGRES_COMMAND_OK;
	PQclear(created);
	if (!there)
		skip();
	PGconn *asking = doing(stage, "begin; lock table orders");
	PGconn *waiter = stage_session(stage, "");
	snprintf(sql, sizeof sql,
		 "select * from dblink('host=%s user=%s dbname=postgres', 'select pg_sleep(1000)::text') as t(x text)",
		 pgserver_socket(stage->server), pgserver_user(stage->server));
	pgserver_send(asking, sql);
	pgserver_send(waiter, "select from orders");
	pgserver_wait_blocked(stage->admin, waiter);
	pgserver_wait_until(stage->admin, "select count(*) = 1 from pg_stat_activity where wait_event = 'PgSleep'");
	watch(stage);
	stage_expect(stage, "orders");
	/* Until 12 it waits in libpq without telling. */
	if (PQserverVersion(stage->admin) >= 170000)
		stage_expect(stage, "→ a remote server");
	else if (PQserverVersion(stage->admin) >= 130000)
		stage_expect(stage, "→ an extension");
	stage_quit(stage);
	pgserver_run(stage->admin,
		     "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(names_who_holds_up_a_safe_snapshot, stage_clear),
		cmocka_unit_test_teardown(says_that_nobody_waits_who_does_not_count, stage_clear),
		cmocka_unit_test_teardown(names_a_commit_that_no_standby_confirms, stage_clear),
		cmocka_unit_test_teardown(names_the_client_of_an_idle_transaction, stage_clear),
		cmocka_unit_test_teardown(names_a_client_that_sends_nothing, stage_clear),
		cmocka_unit_test_teardown(names_a_client_that_does_not_read, stage_clear),
		cmocka_unit_test_teardown(names_the_workers_of_a_query, stage_clear),
		cmocka_unit_test_teardown(shows_other_events_as_they_are, stage_clear),
		cmocka_unit_test_teardown(names_a_remote_server, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_stage, stage_close);
}
