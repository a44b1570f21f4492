/* DDL and maintenance in each other's way: partitions, keys that cascade, types, whole databases, what runs
 * concurrently. */
#include "matrix.h"

#include <stdio.h>

static int open_matrix(void **state)
{
	return matrix_open(
		state,
		"create table parents (id int primary key, note text); insert into parents values (1, ''), (2, '');"
		"create table children (id int primary key, parent int references parents on delete cascade);"
		"create table grandchildren (id int, child int references children on delete cascade);"
		"insert into children values (1, 1), (2, 2); insert into grandchildren values (1, 1);"
		"create table days (day int, note text) partition by range (day);"
		"create table monday partition of days for values from (1) to (2);"
		"create table tuesday partition of days for values from (2) to (3);"
		"insert into days values (1, ''), (2, '');"
		"create type mood as enum ('good'); create table moods (mood mood);"
		"create table t (id int primary key, note text); insert into t values (1, ''), (2, '');"
		"create index t_note on t (note);"
		"create materialized view summary as select id from t; create unique index on summary (id)");
}

/* ---- rows ---- */

static void skip_locked_and_nowait(void **state)
{
	struct matrix *matrix = *state;
	PGconn *first = matrix_doing(matrix, "begin; select from t where id = 1 for update");
	PGconn *second = matrix_doing(matrix, "begin; select from t order by id limit 1 for update skip locked");
	PGconn *waiter = matrix_waiting(matrix, "begin", "select from t where id = 2 for update");
	PGconn *both = matrix_waiting(matrix, "begin", "select from t order by id for update");
	pgserver_run(second, "savepoint s");
	PQclear(PQexec(second, "select from t where id = 1 for update nowait"));
	pgserver_run(second, "rollback to s");
	matrix_compare(matrix);
	EXPECT_NO_EDGES(matrix, second);
	EXPECT_EDGES(matrix, waiter, hard(second));
	EXPECT_EDGES(matrix, both, hard(first));
}

static void cascade_of_foreign_keys(void **state)
{
	struct matrix *matrix = *state;
	PGconn *writer = matrix_doing(matrix, "begin; update grandchildren set id = 2");
	PGconn *deleter = matrix_waiting(matrix, "begin", "delete from parents where id = 1");
	PGconn *child = matrix_waiting(matrix, "begin", "insert into children values (3, 1)");
	PGconn *grandchild = matrix_waiting(matrix, "begin", "insert into grandchildren values (3, 1)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, deleter, hard(writer));
	EXPECT_EDGES(matrix, child, hard(deleter));
	EXPECT_EDGES(matrix, grandchild, hard(deleter));
}

/* What a savepoint took is given back with it, and what was before it is not. */
static void savepoint_taken_back(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; update t set note = 'h' where id = 1; savepoint s;"
					      "update t set note = 'h' where id = 2; lock table moods");
	PGconn *row = matrix_waiting(matrix, "begin", "update t set note = 'w' where id = 1");
	PGconn *freed = matrix_waiting(matrix, "begin", "update t set note = 'w' where id = 2");
	PGconn *table = matrix_waiting(matrix, "begin", "select from moods");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, freed, hard(holder));
	EXPECT_EDGES(matrix, table, hard(holder));
	pgserver_run(holder, "rollback to s");
	matrix_await(matrix, "select count(*) = 1 from pg_locks where not granted");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, row, hard(holder));
	EXPECT_NO_EDGES(matrix, freed);
	EXPECT_NO_EDGES(matrix, table);
}

static void exclusion_constraint(void **state)
{
	struct matrix *matrix = *state;
	matrix_run(matrix, "create table bookings (during int4range, exclude using gist (during with &&))");
	PGconn *first = matrix_doing(matrix, "begin; insert into bookings values ('[1,5)')");
	PGconn *second = matrix_waiting(matrix, "begin", "insert into bookings values ('[4,8)')");
	PGconn *third = matrix_waiting(matrix, "begin", "insert into bookings values ('[4,5)')");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, second, hard(first));
	assert_true(edges_find(&matrix->said, PQbackendPID(third))->count > 0);
}

/* ---- tables ---- */

static void truncate_of_what_refers_to_each_other(void **state)
{
	struct matrix *matrix = *state;
	PGconn *reader = matrix_doing(matrix, "begin; select from grandchildren");
	PGconn *truncate = matrix_waiting(matrix, "begin", "truncate parents cascade");
	PGconn *parent = matrix_waiting(matrix, "begin", "select from parents");
	PGconn *grandchild = matrix_waiting(matrix, "begin", "select from grandchildren");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, truncate, hard(reader));
	EXPECT_EDGES(matrix, parent, hard(truncate));
	EXPECT_EDGES(matrix, grandchild, soft(truncate));
}

static void partitions(void **state)
{
	struct matrix *matrix = *state;
	PGconn *writer = matrix_doing(matrix, "begin; insert into days values (1, 'x')");
	PGconn *detach = matrix_waiting(matrix, "begin", "alter table days detach partition monday");
	PGconn *reader = matrix_waiting(matrix, "begin", "select from days where day = 2");
	PGconn *direct = matrix_doing(matrix, "begin; select from tuesday");
	PGconn *drop = matrix_waiting(matrix, "begin", "drop table tuesday");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, detach, hard(writer));
	EXPECT_NO_EDGES(matrix, direct);
	assert_true(edges_find(&matrix->said, PQbackendPID(drop))->count > 0);
	assert_non_null(edges_find(&matrix->said, PQbackendPID(reader)));
}

static void detach_partition_concurrently(void **state)
{
	struct matrix *matrix = *state;
	if (matrix->version < 140000)
		skip();
	PGconn *reader = matrix_doing(matrix, "begin; select from days");
	PGconn *detach = matrix_waiting(matrix, NULL, "alter table days detach partition monday concurrently");
	PGconn *attach = matrix_waiting(matrix, "begin", "alter table days detach partition tuesday");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, detach, hard(reader));
	assert_true(edges_find(&matrix->said, PQbackendPID(attach))->count > 0);
}

static void reindex_concurrently(void **state)
{
	struct matrix *matrix = *state;
	if (matrix->version < 120000)
		skip();
	PGconn *writer = matrix_doing(matrix, "begin; update t set note = 'x' where id = 1");
	PGconn *reindex = matrix_waiting(matrix, NULL, "reindex index concurrently t_note");
	PGconn *drop = matrix_waiting(matrix, "begin", "drop index t_note");
	PGconn *reader = matrix_waiting(matrix, "begin", "select from t where note = ''");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, reindex, hard(writer));
	assert_true(edges_find(&matrix->said, PQbackendPID(drop))->count >= 2);
	EXPECT_EDGES(matrix, reader, soft(drop));
}

static void cluster_and_reindex(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; reindex table t");
	PGconn *cluster = matrix_waiting(matrix, NULL, "cluster t using t_pkey");
	PGconn *reader = matrix_waiting(matrix, "begin", "select from t where id = 1");
	PGconn *full = matrix_waiting(matrix, NULL, "vacuum full t");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, cluster, hard(holder));
	EXPECT_EDGES(matrix, reader, soft(cluster));
	assert_true(edges_find(&matrix->said, PQbackendPID(full))->count > 0);
}

static void refresh_of_a_materialized_view(void **state)
{
	struct matrix *matrix = *state;
	PGconn *refresh = matrix_doing(matrix, "begin; refresh materialized view concurrently summary");
	PGconn *reader = matrix_doing(matrix, "begin; select from summary");
	PGconn *second = matrix_waiting(matrix, "begin", "refresh materialized view concurrently summary");
	PGconn *blocking = matrix_waiting(matrix, "begin", "refresh materialized view summary");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, second, hard(refresh));
	EXPECT_EDGES(matrix, blocking, hard(refresh), hard(reader), soft(second));
}

static void trigger_and_foreign_key(void **state)
{
	struct matrix *matrix = *state;
	PGconn *writer = matrix_doing(matrix, "begin; insert into t values (10, '')");
	PGconn *key = matrix_waiting(matrix, "begin", "create table of_t (id int references t)");
	PGconn *trigger = matrix_waiting(matrix, "begin", "alter table t disable trigger user");
	PGconn *index = matrix_waiting(matrix, "begin", "create index on t (note)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, key, hard(writer));
	EXPECT_EDGES(matrix, trigger, hard(writer), soft(key));
	EXPECT_EDGES(matrix, index, hard(writer), soft(key), soft(trigger));
}

static void sequence(void **state)
{
	struct matrix *matrix = *state;
	matrix_run(matrix, "create sequence numbers");
	PGconn *holder = matrix_doing(matrix, "begin; alter sequence numbers cache 2");
	PGconn *waiter = matrix_waiting(matrix, "begin", "select nextval('numbers')");
	PGconn *drop = matrix_waiting(matrix, "begin", "drop sequence numbers");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, waiter, hard(holder));
	EXPECT_EDGES(matrix, drop, hard(holder), soft(waiter));
}

/* ---- objects ---- */

static void type_and_function(void **state)
{
	struct matrix *matrix = *state;
	matrix_run(matrix, "create function f(int) returns int language sql as 'select 1'");
	PGconn *commenter =
		matrix_doing(matrix, "begin; comment on type mood is 'x'; comment on function f(int) is 'x'");
	PGconn *drop = matrix_waiting(matrix, "begin", "drop type mood cascade");
	PGconn *second = matrix_waiting(matrix, "begin", "comment on type mood is 'y'");
	PGconn *function = matrix_waiting(matrix, "begin", "drop function f(int)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, drop, hard(commenter));
	EXPECT_EDGES(matrix, second, hard(commenter), soft(drop));
	EXPECT_EDGES(matrix, function, hard(commenter));
}

/* A session on its way in waits for its database, and has no database yet, or is in no list of sessions at all. */
static void whole_database(void **state)
{
	struct matrix *matrix = *state;
	matrix_run(matrix, "create database doomed template template0");
	PGconn *commenter = matrix_doing(matrix, "begin; comment on database doomed is 'x'");
	PGconn *drop = matrix_waiting(matrix, NULL, "drop database doomed");
	char conninfo[512];
	snprintf(conninfo, sizeof conninfo, "host=%s user=%s dbname=doomed", pgserver_socket(matrix->stage->server),
		 pgserver_user(matrix->stage->server));
	PGconn *newcomer = PQconnectStart(conninfo);
	while (PQstatus(newcomer) != CONNECTION_AWAITING_RESPONSE && PQconnectPoll(newcomer) != PGRES_POLLING_FAILED)
		;
	matrix_await(matrix, "select count(*) = 2 from pg_locks where locktype = 'object' and not granted");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, drop, hard(commenter));
	int32_t pid =
		(int32_t)pgserver_number(matrix->stage->admin, "select pid from pg_locks where locktype = 'object'"
							       " and not granted and mode = 'RowExclusiveLock'");
	const struct edges_session *said = edges_find(&matrix->said, pid);
	assert_non_null(said);
	assert_int_equal(said->count, 1);
	assert_int_equal(said->edges[0].blocker, PQbackendPID(drop));
	assert_int_equal(said->edges[0].kind, EDGE_SOFT);
	PQfinish(newcomer);
}

/* ---- who is no client ---- */

/* A logical slot begins where all transactions under way have ended: it waits for them by their xids. */
static void logical_slot(void **state)
{
	struct matrix *matrix = *state;
	PGconn *writer = matrix_doing(matrix, "begin; insert into t values (20, '')");
	PGconn *slot = matrix_waiting(matrix, NULL, "select pg_create_logical_replication_slot('s', 'pgoutput', true)");
	PGconn *sender = stage_session(matrix->stage, "replication=database");
	matrix_wait(matrix, sender, "CREATE_REPLICATION_SLOT w TEMPORARY LOGICAL pgoutput");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, slot, hard(writer));
	EXPECT_EDGES(matrix, sender, hard(writer));
	pgserver_run(writer, "commit");
}

/* ---- commits ---- */

static void await_standby(struct matrix *matrix, int count)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select count(*) = %d from pg_stat_activity where wait_event = 'SyncRep'", count);
	matrix_await(matrix, sql);
}

/* Who commits a NOTIFY holds a lock on all of them until it is over, here until a standby confirms that is not there.
 */
static void notify_behind_a_standby(void **state)
{
	struct matrix *matrix = *state;
	pgserver_demand_standby(matrix->stage->server, matrix->stage->admin);
	PGconn *listener = matrix_doing(matrix, "listen news");
	PGconn *first = matrix_doing(matrix, "begin; update t set note = 'x' where id = 1; notify news, 'one'");
	pgserver_send(first, "commit");
	await_standby(matrix, 1);
	PGconn *second = matrix_waiting(matrix, "begin; notify news, 'two'", "commit");
	PGconn *third = matrix_waiting(matrix, "begin; notify news, 'three'", "commit");
	PGconn *row = matrix_waiting(matrix, "begin", "update t set note = 'y' where id = 1");
	matrix_compare(matrix);
	EXPECT_NO_EDGES(matrix, listener);
	EXPECT_EDGES(matrix, second, hard(first));
	EXPECT_EDGES(matrix, third, hard(first), soft(second));
	EXPECT_EDGES(matrix, row, hard(first));
	matrix_run(matrix, "alter system reset synchronous_standby_names");
	matrix_run(matrix, "select pg_reload_conf()");
}

/* The server gives the locks of a prepared transaction other columns when it has read them from disk. */
static void prepared_transactions_of_an_earlier_run(void **state)
{
	struct matrix *matrix = *state;
	matrix_doing(matrix,
		     "begin; lock table t in share mode; lock table moods; select from parents where id = 1 for share;"
		     "savepoint s; insert into parents values (50, ''); prepare transaction 'order-1'");
	matrix_doing(matrix, "begin; lock table t in share mode; delete from parents where id = 2;"
			     "select pg_advisory_xact_lock(1); prepare transaction 'order-2'");
	void *stage = matrix->stage;
	stage_clear(&stage);
	pgserver_stop(matrix->stage->server);
	pgserver_start(matrix->stage->server);
	PQreset(matrix->stage->admin);
	PGconn *holder = matrix_doing(matrix, "begin; lock table t in share mode");
	PGconn *writer = matrix_waiting(matrix, "begin", "insert into t values (30, '')");
	PGconn *reader = matrix_waiting(matrix, "begin", "select from moods");
	PGconn *row = matrix_waiting(matrix, "begin", "delete from parents where id = 2");
	PGconn *key = matrix_waiting(matrix, "begin", "select pg_advisory_lock(1)");
	PGconn *unique = matrix_waiting(matrix, "begin", "insert into parents values (50, '')");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, writer, prepared(), hard(holder));
	EXPECT_EDGES(matrix, reader, prepared());
	EXPECT_EDGES(matrix, row, prepared());
	EXPECT_EDGES(matrix, key, prepared());
	EXPECT_EDGES(matrix, unique, prepared());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(skip_locked_and_nowait, matrix_clear),
		cmocka_unit_test_teardown(cascade_of_foreign_keys, matrix_clear),
		cmocka_unit_test_teardown(savepoint_taken_back, matrix_clear),
		cmocka_unit_test_teardown(exclusion_constraint, matrix_clear),
		cmocka_unit_test_teardown(truncate_of_what_refers_to_each_other, matrix_clear),
		cmocka_unit_test_teardown(partitions, matrix_clear),
		cmocka_unit_test_teardown(detach_partition_concurrently, matrix_clear),
		cmocka_unit_test_teardown(reindex_concurrently, matrix_clear),
		cmocka_unit_test_teardown(cluster_and_reindex, matrix_clear),
		cmocka_unit_test_teardown(refresh_of_a_materialized_view, matrix_clear),
		cmocka_unit_test_teardown(trigger_and_foreign_key, matrix_clear),
		cmocka_unit_test_teardown(sequence, matrix_clear),
		cmocka_unit_test_teardown(type_and_function, matrix_clear),
		cmocka_unit_test_teardown(whole_database, matrix_clear),
		cmocka_unit_test_teardown(logical_slot, matrix_clear),
		cmocka_unit_test_teardown(notify_behind_a_standby, matrix_clear),
		cmocka_unit_test_teardown(prepared_transactions_of_an_earlier_run, matrix_clear),
	};
	return cmocka_run_group_tests(tests, open_matrix, matrix_close);
}
