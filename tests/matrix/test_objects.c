/* Everything that is locked and is neither a row nor a plain table, and what looks like a lock and is none. */
#include "matrix.h"

#include <stdio.h>

static int open_matrix(void **state)
{
	return matrix_open(state,
			   "create table t (id int primary key, note text); insert into t values (1, ''), (2, '');"
			   "create role clerk; create schema shop; create type shop.colour as enum ('red')");
}

/* ---- advisory locks ---- */

static void advisory_locks_of_both_forms(void **state)
{
	struct matrix *matrix = *state;
	/* 4294967298 is 1 and 2 in its two halves, and yet another key than (1, 2). */
	PGconn *one = matrix_doing(matrix, "select pg_advisory_lock(4294967298), pg_advisory_lock(-7)");
	PGconn *two = matrix_doing(matrix, "select pg_advisory_lock(1, 2), pg_advisory_lock(-1, -7)");
	PGconn *bigint = matrix_waiting(matrix, "begin", "select pg_advisory_lock(4294967298)");
	PGconn *ints = matrix_waiting(matrix, "begin", "select pg_advisory_lock(1, 2)");
	PGconn *minus = matrix_waiting(matrix, "begin", "select pg_advisory_lock(-7)");
	PGconn *minuses = matrix_waiting(matrix, "begin", "select pg_advisory_lock(-1, -7)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, bigint, hard(one));
	EXPECT_EDGES(matrix, ints, hard(two));
	EXPECT_EDGES(matrix, minus, hard(one));
	EXPECT_EDGES(matrix, minuses, hard(two));
}

static void advisory_locks_of_sessions_and_transactions(void **state)
{
	struct matrix *matrix = *state;
	PGconn *session = matrix_doing(matrix, "begin; select pg_advisory_lock_shared(1); commit");
	PGconn *transaction = matrix_doing(matrix, "begin; select pg_advisory_xact_lock_shared(1)");
	PGconn *writer = matrix_waiting(matrix, "begin", "select pg_advisory_xact_lock(1)");
	PGconn *reader = matrix_waiting(matrix, "begin", "select pg_advisory_lock_shared(1)");
	PGconn *second = matrix_waiting(matrix, "begin", "select pg_advisory_lock(1)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, writer, hard(session), hard(transaction));
	EXPECT_EDGES(matrix, reader, soft(writer));
	EXPECT_EDGES(matrix, second, hard(session), hard(transaction), soft(writer), soft(reader));
}

/* ---- one name, two things ---- */

static void same_oid_and_key_in_two_databases(void **state)
{
	struct matrix *matrix = *state;
	/* Its template must have no other session: as after matrix_clear. */
	matrix_run(matrix, "create database shadow template template0");
	PGconn *there = stage_session(matrix->stage, "dbname=shadow");
	PGconn *here = matrix_doing(matrix, "begin; lock table pg_language; select pg_advisory_lock(1)");
	pgserver_run(there, "begin; lock table pg_language; select pg_advisory_lock(1)");
	PGconn *waits_here = matrix_waiting(matrix, "begin", "lock table pg_language in share mode");
	PGconn *waits_there = stage_session(matrix->stage, "dbname=shadow");
	PGconn *key_there = stage_session(matrix->stage, "dbname=shadow");
	pgserver_run(waits_there, "begin");
	matrix_wait(matrix, waits_there, "lock table pg_language in share mode");
	matrix_wait(matrix, key_there, "select pg_advisory_lock(1)");
	PGconn *key_here = matrix_waiting(matrix, "begin", "select pg_advisory_lock(1)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, waits_here, hard(here));
	EXPECT_EDGES(matrix, key_here, hard(here));
	EXPECT_EDGES(matrix, waits_there, hard(there));
	EXPECT_EDGES(matrix, key_there, hard(there));
}

static void shared_catalog_from_two_databases(void **state)
{
	struct matrix *matrix = *state;
	matrix_run(matrix, "create database neighbour template template0");
	PGconn *there = stage_session(matrix->stage, "dbname=neighbour");
	pgserver_run(there, "begin; lock table pg_shdescription in share mode");
	PGconn *waiter = matrix_waiting(matrix, "begin", "lock table pg_shdescription in row exclusive mode");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, waiter, hard(there));
}

/* ---- maintenance ---- */

static void create_index_concurrently_waits_for_a_virtualxid(void **state)
{
	struct matrix *matrix = *state;
	PGconn *writer = matrix_doing(matrix, "begin; insert into t values (3, '')");
	PGconn *builder = matrix_waiting(matrix, NULL, "create index concurrently on t (note)");
	PGconn *second = matrix_waiting(matrix, NULL, "create index concurrently on t (note)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, builder, hard(writer));
	EXPECT_EDGES(matrix, second, hard(builder));
}

static void vacuum_and_ddl(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; lock table t in share update exclusive mode");
	PGconn *vacuum = matrix_waiting(matrix, NULL, "vacuum t");
	PGconn *analyze = matrix_waiting(matrix, "begin", "analyze t");
	PGconn *alter = matrix_waiting(matrix, "begin", "alter table t alter note set default ''");
	PGconn *writer = matrix_waiting(matrix, "begin", "insert into t values (4, '')");
	PGconn *index = matrix_waiting(matrix, "begin", "create index on t (note)");
	PGconn *truncate = matrix_waiting(matrix, "begin", "truncate t");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, vacuum, hard(holder));
	EXPECT_EDGES(matrix, analyze, hard(holder), soft(vacuum));
	EXPECT_EDGES(matrix, alter, hard(holder), soft(vacuum), soft(analyze));
	EXPECT_EDGES(matrix, writer, soft(alter));
	EXPECT_EDGES(matrix, index, hard(holder), soft(vacuum), soft(analyze), soft(alter), soft(writer));
	EXPECT_EDGES(matrix, truncate, hard(holder), soft(vacuum), soft(analyze), soft(alter), soft(writer),
		     soft(index));
}

/*
 * VACUUM that empties an index's list of pending entries holds the list's page; vacuum_cost_delay makes that long,
 * which before 13 is no wait event.
 */
static void page_of_a_gin_index(void **state)
{
	struct matrix *matrix = *state;
	matrix_run(matrix, "create table words (list int[]) with (autovacuum_enabled = off);"
			   "alter table words alter list set storage plain;"
			   "create index words_list on words using gin (list);"
			   "insert into words select array_agg(n * 100000 + m) from generate_series(1, 40) n,"
			   " generate_series(1, 500) m group by n");
	PGconn *vacuum = matrix_doing(matrix, "set vacuum_cost_limit = 1; set vacuum_cost_page_hit = 1;"
					      "set vacuum_cost_page_miss = 1; set vacuum_cost_page_dirty = 1;"
					      "set vacuum_cost_delay = 100; set application_name = 'resting'");
	pgserver_send(vacuum, "vacuum words");
	matrix_await(matrix, "select exists (select from pg_locks where locktype = 'page' and granted)");
	PGconn *waiter = matrix_waiting(matrix, "begin", "select gin_clean_pending_list('words_list')");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, waiter, hard(vacuum));
}

/* ---- objects ---- */

static void schema_and_type(void **state)
{
	struct matrix *matrix = *state;
	PGconn *creator = matrix_doing(matrix, "begin; create table shop.orders (id int)");
	PGconn *dropper = matrix_waiting(matrix, "begin", "drop schema shop cascade");
	PGconn *second = matrix_waiting(matrix, "begin", "create table shop.items (id int)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, dropper, hard(creator));
	EXPECT_EDGES(matrix, second, soft(dropper));
}

static void role_in_use(void **state)
{
	struct matrix *matrix = *state;
	PGconn *granter = matrix_doing(matrix, "begin; grant select on t to clerk");
	PGconn *dropper = matrix_waiting(matrix, "begin", "drop role clerk");
	PGconn *second =
		matrix_waiting(matrix, "begin", "create table of_clerk (id int); alter table of_clerk owner to clerk");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, dropper, hard(granter));
	EXPECT_EDGES(matrix, second, soft(dropper));
}

/* ---- what is no lock ---- */

/* It waits for a safe snapshot, not for a lock: pg_blocking_pids() says nothing. */
static void serializable_deferrable(void **state)
{
	struct matrix *matrix = *state;
	matrix_doing(matrix, "begin isolation level serializable; update t set note = 'x' where id = 1");
	PGconn *reader = matrix_doing(matrix, "begin isolation level serializable read only deferrable");
	pgserver_send(reader, "select from t");
	matrix_await(matrix, "select exists (select from pg_stat_activity where wait_event = 'SafeSnapshot')");
	matrix_compare(matrix);
	EXPECT_NO_EDGES(matrix, reader);
}

/* Predicate locks have the same columns as the locks that others wait for. */
static void predicate_locks(void **state)
{
	struct matrix *matrix = *state;
	PGconn *sessions[3];
	for (unsigned i = 0; i < COUNT(sessions); i++) {
		sessions[i] = matrix_doing(matrix, "begin isolation level serializable");
		pgserver_run(sessions[i], "set enable_seqscan = off; select from t where id = 1; select * from t");
	}
	pgserver_run(sessions[0], "update t set note = 'x' where id = 1");
	matrix_wait(matrix, sessions[1], "update t set note = 'y' where id = 1");
	matrix_wait(matrix, sessions[2], "update t set note = 'z' where id = 1");
	PGconn *locker = matrix_waiting(matrix, "begin", "lock table t");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, sessions[1], hard(sessions[0]));
	EXPECT_EDGES(matrix, sessions[2], hard(sessions[1]));
	EXPECT_EDGES(matrix, locker, hard(sessions[0]), hard(sessions[1]), hard(sessions[2]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(advisory_locks_of_both_forms, matrix_clear),
		cmocka_unit_test_teardown(advisory_locks_of_sessions_and_transactions, matrix_clear),
		cmocka_unit_test_teardown(same_oid_and_key_in_two_databases, matrix_clear),
		cmocka_unit_test_teardown(shared_catalog_from_two_databases, matrix_clear),
		cmocka_unit_test_teardown(create_index_concurrently_waits_for_a_virtualxid, matrix_clear),
		cmocka_unit_test_teardown(vacuum_and_ddl, matrix_clear),
		cmocka_unit_test_teardown(page_of_a_gin_index, matrix_clear),
		cmocka_unit_test_teardown(schema_and_type, matrix_clear),
		cmocka_unit_test_teardown(role_in_use, matrix_clear),
		cmocka_unit_test_teardown(serializable_deferrable, matrix_clear),
		cmocka_unit_test_teardown(predicate_locks, matrix_clear),
	};
	return cmocka_run_group_tests(tests, open_matrix, matrix_close);
}
