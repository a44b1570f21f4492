/* What a question says of the session's own fate and of those who rely on it: seen on the processes themselves. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL = 5, WORKER_TYPES_SINCE = 110000, REMOTE_EVENTS_SINCE = 130000 };

static int open_stage(void **state)
{
	static const char *const settings[] = { "wal_level=logical", NULL };
	return stage_open_with(state, settings);
}

/* Wide enough that no sentence is broken. */
static void watch(struct stage *stage)
{
	stage_watch_with(stage, NULL, (struct vt_options){ .columns = 220, .rows = 40 });
	vt_send(stage->vt, "2");
	stage_expect(stage, "1 tree");
}

static void ask_and_leave(struct stage *stage, int pid, char key, const char *text)
{
	stage_ask_pid(stage, pid, key);
	stage_expect(stage, text);
	vt_send(stage->vt, "n");
	stage_expect(stage, "left");
}

static void a_backup(void **state)
{
	struct stage *stage = *state;
	PGconn *dump = stage_session(stage, "application_name=pg_dump");
	pgserver_run(dump, "begin isolation level repeatable read; lock table orders in access share mode");
	watch(stage);
	ask_and_leave(stage, PQbackendPID(dump), 'K',
		      "A backup is being taken by it: that fails and must be begun again.");
	stage_quit(stage);
}

static void a_pool(void **state)
{
	struct stage *stage = *state;
	PGconn *first = NULL;
	for (int i = 0; i < POOL; i++)
		first = stage_session(stage, "application_name=web user=app");
	watch(stage);
	ask_and_leave(stage, PQbackendPID(first), 'K',
		      "There are others like it: a pool, which will connect again at once.");
	stage_quit(stage);
}

/* It has committed when it waits: a cancel only makes it return. */
static void a_commit_that_waits_for_a_standby(void **state)
{
	struct stage *stage = *state;
	PGconn *writer = stage_session(stage, "user=app");
	PGconn *waiter = stage_session(stage, "options='-c synchronous_commit=off'");
	pgserver_run(writer, "begin; update orders set note = 'c' where id = 3");
	pgserver_run(stage->admin, "alter system set synchronous_standby_names = 'nobody'");
	pgserver_run(stage->admin, "select pg_reload_conf()");
	pgserver_wait_until(stage->admin, "select current_setting('synchronous_standby_names') = 'nobody'");
	/* The checkpointer tells the others that there is a name to wait for: before it does what it is asked for. */
	pgserver_run(stage->admin, "checkpoint");
	pgserver_run(stage->admin, "checkpoint");
	pgserver_send(writer, "commit");
	pgserver_wait_until(stage->admin, "select exists (select from pg_stat_activity where wait_event = 'SyncRep')");
	pgserver_send(waiter, "update orders set note = 'w' where id = 3");
	pgserver_wait_blocked(stage->admin, waiter);
	watch(stage);
	stage_ask(stage, writer, 'C');
	stage_expect(stage, "its COMMIT returns with a warning.");
	stage_expect(stage,
		     "It is committed here already, but the standby may not have it; the next COMMIT will wait, too.");
	vt_send(stage->vt, "y");
	stage_expect(stage, "freed 1 of 1 waiter");
	PGresult *result = PQgetResult(writer);
	assert_string_equal(PQcmdStatus(result), "COMMIT");
	PQclear(result);
	pgserver_run(stage->admin, "alter system reset synchronous_standby_names");
	pgserver_run(stage->admin, "select pg_reload_conf()");
	assert_int_equal(pgserver_number(stage->admin, "select count(*) from orders where id = 3 and note = 'w'"), 1);
	stage_quit(stage);
}

static bool has_extension(struct stage *stage, const char *name)
{
	char sql[64];
	snprintf(sql, sizeof sql, "create extension if not exists %s", name);
	PGresult *created = PQexec(stage->admin, sql);
	bool there = PQresultStatus(created) == PGRES_COMMAND_OK;
	PQclear(created);
	return there;
}

static void expect_remote(struct stage *stage, PGconn *asking, const char *text)
{
	pgserver_wait_until(stage->admin, "select count(*) = 1 from pg_stat_activity where wait_event = 'PgSleep'");
	watch(stage);
	ask_and_leave(stage, PQbackendPID(asking), 'C', text);
	stage_quit(stage);
	pgserver_run(stage->admin,
		     "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'");
}

static void a_remote_query(void **state)
{
	struct stage *stage = *state;
	char sql[256];
	if (!has_extension(stage, "dblink"))
		skip();
	PGconn *asking = stage_session(stage, "");
	snprintf(sql, sizeof sql,
		 "select * from dblink('host=%s user=%s dbname=postgres', 'select pg_sleep(600)::text') as t(x text)",
		 pgserver_socket(stage->server), pgserver_user(stage->server));
	pgserver_send(asking, sql);
	expect_remote(stage, asking,
		      PQserverVersion(asking) >= REMOTE_EVENTS_SINCE
			      ? "It waits for a session on another server, which may go on."
			      : "Before PostgreSQL 13 no signal ends a wait for dblink");
}

static void a_foreign_table(void **state)
{
	enum { OWN_EVENTS_SINCE = 170000 };
	struct stage *stage = *state;
	char sql[512];
	if (!has_extension(stage, "postgres_fdw"))
		skip();
	snprintf(sql, sizeof sql,
		 "create view sleeping as select pg_sleep(600)::text as x;"
		 "create server itself foreign data wrapper postgres_fdw options (host '%s', dbname 'postgres');"
		 "create user mapping for current_user server itself options (user '%s');"
		 "create foreign table far_away (x text) server itself options (table_name 'sleeping')",
		 pgserver_socket(stage->server), pgserver_user(stage->server));
	pgserver_run(stage->admin, sql);
	PGconn *asking = stage_session(stage, "");
	pgserver_send(asking, "select x from far_away");
	expect_remote(stage, asking,
		      PQserverVersion(asking) >= OWN_EVENTS_SINCE
			      ? "It waits for a session on another server, which may go on."
			      : "It waits in an extension: if for a session on another server, that may go on.");
}

/* ---- replication, from one database of the server to another ---- */

static void subscribe(struct stage *stage)
{
	char sql[512];
	pgserver_run(stage->admin, "create table feed (id int primary key)");
	pgserver_run(stage->admin, "create database publisher");
	PGconn *publisher = stage_session(stage, "dbname=publisher");
	pgserver_run(publisher, "create table feed (id int primary key); create publication feed for table feed");
	pgserver_run(publisher, "select pg_create_logical_replication_slot('feed', 'pgoutput')");
	stage_drop_session(stage, publisher);
	snprintf(sql, sizeof sql,
		 "create subscription feed connection 'host=%s user=%s dbname=publisher application_name=feed' "
		 "publication feed with (create_slot = false, slot_name = 'feed', copy_data = false)",
		 pgserver_socket(stage->server), pgserver_user(stage->server));
	pgserver_run(stage->admin, sql);
	pgserver_wait_until(stage->admin, "select exists (select from pg_stat_replication where state = 'streaming')");
}

static void unsubscribe(struct stage *stage)
{
	pgserver_run(stage->admin, "alter subscription feed disable");
	pgserver_run(stage->admin, "alter subscription feed set (slot_name = none)");
	pgserver_run(stage->admin, "drop subscription feed");
	pgserver_wait_until(stage->admin, "select not exists (select from pg_stat_replication)");
}

static void replication(void **state)
{
	struct stage *stage = *state;
	subscribe(stage);
	int sender = (int)pgserver_number(stage->admin, "select pid from pg_stat_replication");
	int applier = (int)pgserver_number(stage->admin, "select pid from pg_stat_subscription");
	watch(stage);
	ask_and_leave(stage, sender, 'K', "Replication through it stops until the receiver connects again.");
	ask_and_leave(stage, applier, 'K',
		      PQserverVersion(stage->admin) >= WORKER_TYPES_SINCE
			      ? "Replication from its publisher stops; the server soon starts it again."
			      : "It is a background process: what it does stops, unless the server starts it again.");
	stage_quit(stage);
	unsubscribe(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_backup, stage_clear),
		cmocka_unit_test_teardown(a_pool, stage_clear),
		cmocka_unit_test_teardown(a_commit_that_waits_for_a_standby, stage_clear),
		cmocka_unit_test_teardown(a_remote_query, stage_clear),
		cmocka_unit_test_teardown(a_foreign_table, stage_clear),
		cmocka_unit_test_teardown(replication, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_stage, stage_close);
}
