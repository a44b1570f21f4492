/* Parallel queries, whose processes are one lock group, and prepared transactions, which have no process. */
#include "matrix.h"

#include <stdio.h>

enum { WORKERS = 2 };

static int open_matrix(void **state)
{
	return matrix_open(
		state, "create table many (id int); insert into many select generate_series(1, 20000);"
		       "alter table many set (parallel_workers = 2); analyze many;"
		       "create table t (id int primary key); create table u (id int); create table other (id int);"
		       "insert into t select generate_series(1, 9);"
		       /* in whatever process it runs: parallel safe as far as the planner knows */
		       "create function touch(int) returns bool language plpgsql volatile parallel safe as"
		       " $$ begin perform from u; return true; end $$;"
		       "create function touch_apart(int) returns bool language plpgsql volatile parallel safe as"
		       " $$ begin if exists (select from pg_stat_get_activity(pg_backend_pid())"
		       " where backend_type <> 'client backend') then perform from u; else perform from other; end if;"
		       " return true; end $$;"
		       "create function rest(int) returns bool language sql volatile parallel safe as"
		       " $$ select pg_sleep(600)::text = '' $$");
}

/* A session whose queries are parallel: with or without the leader's own share of the work. */
static PGconn *parallel_session(struct matrix *matrix, bool leader_works)
{
	PGconn *session = matrix_doing(matrix, "set parallel_setup_cost = 0; set parallel_tuple_cost = 0;"
					       "set min_parallel_table_scan_size = 0;"
					       "set max_parallel_workers_per_gather = 2");
	pgserver_run(session,
		     matrix->version >= 160000 ? "set debug_parallel_query = on" : "set force_parallel_mode = on");
	if (!leader_works)
		pgserver_run(session, "set parallel_leader_participation = off");
	pgserver_run(session, "begin");
	return session;
}

static void await_waiting(struct matrix *matrix, const char *relation, int count)
{
	char sql[160];
	snprintf(sql, sizeof sql, "select count(*) = %d from pg_locks where relation = '%s'::regclass and not granted",
		 count, relation);
	matrix_await(matrix, sql);
}

/* Every process of the group holds the table; it is named once, by its leader. */
static void parallel_query_as_blocker(void **state)
{
	struct matrix *matrix = *state;
	PGconn *leader = parallel_session(matrix, true);
	pgserver_send(leader, "select count(*) from many where rest(id)");
	matrix_await(matrix, "select count(*) = 3 from pg_stat_activity where wait_event = 'PgSleep'");
	PGconn *waiter = matrix_waiting(matrix, "begin", "lock table many");
	PGconn *behind = matrix_waiting(matrix, "begin", "select from many");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, waiter, hard(leader));
	EXPECT_EDGES(matrix, behind, soft(waiter));
}

static void parallel_query_as_waiter(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; lock table u");
	PGconn *leader = parallel_session(matrix, true);
	pgserver_send(leader, "select count(*) from many where touch(id)");
	await_waiting(matrix, "u", WORKERS + 1);
	PGconn *behind = matrix_waiting(matrix, "begin", "lock table u");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, leader, hard(holder));
	EXPECT_EDGES(matrix, behind, hard(holder), soft(leader));
}

/* The leader itself waits for its workers, which is no lock; the list of blockers is the group's all the same. */
static void workers_alone_as_waiters(void **state)
{
	struct matrix *matrix = *state;
	if (matrix->version < 110000)
		skip(); /* parallel_leader_participation came with 11 */
	PGconn *holder = matrix_doing(matrix, "begin; lock table u in exclusive mode");
	PGconn *alter = matrix_waiting(matrix, "begin", "alter table u add more int");
	PGconn *leader = parallel_session(matrix, false);
	pgserver_send(leader, "select count(*) from many where touch(id)");
	await_waiting(matrix, "u", WORKERS + 1);
	PGconn *behind = matrix_waiting(matrix, "begin", "lock table u");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, leader, soft(alter));
	EXPECT_EDGES(matrix, behind, hard(holder), soft(alter), soft(leader));
}

/* One group, two queues. */
static void group_in_two_queues(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; lock table u");
	PGconn *second = matrix_doing(matrix, "begin; lock table other in exclusive mode");
	PGconn *alter = matrix_waiting(matrix, "begin", "alter table other add more int");
	PGconn *leader = parallel_session(matrix, true);
	pgserver_send(leader, "select count(*) from many where touch_apart(id)");
	await_waiting(matrix, "u", WORKERS);
	await_waiting(matrix, "other", 2);
	PGconn *behind = matrix_waiting(matrix, "begin", "lock table other");
	PGconn *third = matrix_waiting(matrix, "begin", "lock table u in share mode");
	PGconn *last = matrix_waiting(matrix, "begin", "lock table u");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, leader, hard(holder), soft(alter));
	EXPECT_EDGES(matrix, behind, hard(second), soft(alter), soft(leader));
	EXPECT_EDGES(matrix, last, hard(holder), soft(leader), soft(third));
}

/* A circle that is closed by a worker's wait. */
static void deadlock_of_a_parallel_query(void **state)
{
	struct matrix *matrix = *state;
	PGconn *leader = parallel_session(matrix, true);
	PGconn *holder = matrix_doing(matrix, "begin; lock table u");
	pgserver_run(leader, "lock table other");
	pgserver_send(leader, "select count(*) from many where touch(id)");
	await_waiting(matrix, "u", WORKERS + 1);
	matrix_wait(matrix, holder, "select from other");
	matrix_compare(matrix);
	PGconn *const members[] = { leader, holder };
	matrix_expect_circle(matrix, EDGE_HARD, members, 2);
}

/* Its workers have the index locked exclusively, as their leader does. */
static void parallel_index_build(void **state)
{
	struct matrix *matrix = *state;
	if (matrix->version < 110000)
		skip();
	matrix_run(matrix,
		   "create function slow(int) returns int language plpgsql immutable parallel safe as"
		   " $$ begin return $1; end $$;"
		   "create index many_slow on many (slow(id));"
		   "create or replace function slow(int) returns int language plpgsql immutable parallel safe as"
		   " $$ begin perform pg_sleep(600); return $1; end $$");
	PGconn *builder = matrix_doing(matrix, "set maintenance_work_mem = '256MB';"
					       "set max_parallel_maintenance_workers = 2");
	pgserver_send(builder, "reindex index many_slow");
	matrix_await(matrix, "select count(*) = 3 from pg_stat_activity where wait_event = 'PgSleep'");
	PGconn *second = matrix_waiting(matrix, "begin", "reindex index many_slow");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, second, hard(builder));
	PGconn *writer = matrix_waiting(matrix, "begin", "insert into many values (1)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, writer, hard(builder), hard(second));
}

/* ---- prepared transactions ---- */

static void prepared_transaction_as_root(void **state)
{
	struct matrix *matrix = *state;
	matrix_doing(matrix, "begin; delete from t where id = 1; prepare transaction 'order-1'");
	matrix_doing(matrix, "begin; lock table u in share mode; prepare transaction 'order-2'");
	PGconn *first = matrix_waiting(matrix, "begin", "delete from t where id = 1");
	PGconn *second = matrix_waiting(matrix, "begin", "insert into u values (1)");
	PGconn *third = matrix_waiting(matrix, "begin", "delete from t where id = 1");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, first, prepared());
	EXPECT_EDGES(matrix, second, prepared());
	EXPECT_EDGES(matrix, third, hard(first));
}

static void prepared_transaction_in_the_middle(void **state)
{
	struct matrix *matrix = *state;
	matrix_doing(matrix, "begin; lock table u in share mode; prepare transaction 'order-1'");
	PGconn *holder = matrix_doing(matrix, "begin; lock table u in share mode; delete from t where id = 1");
	PGconn *writer = matrix_waiting(matrix, "begin; delete from t where id = 2", "insert into u values (1)");
	PGconn *behind = matrix_waiting(matrix, "begin", "delete from t where id = 2");
	PGconn *reader = matrix_waiting(matrix, "begin", "lock table u in share mode");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, writer, prepared(), hard(holder));
	EXPECT_EDGES(matrix, behind, hard(writer));
	EXPECT_EDGES(matrix, reader, soft(writer));
}

static void two_prepared_transactions_in_one_way(void **state)
{
	struct matrix *matrix = *state;
	matrix_doing(matrix, "begin; lock table u in share mode; prepare transaction 'order-1'");
	matrix_doing(matrix, "begin; lock table u in share mode; prepare transaction 'order-2'");
	PGconn *writer = matrix_waiting(matrix, "begin", "insert into u values (1)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, writer, prepared());
}

/* It waits for the prepared transaction itself, where others wait for a session's virtual one. */
static void create_index_concurrently_waits_for_a_prepared_one(void **state)
{
	struct matrix *matrix = *state;
	matrix_doing(matrix, "begin; insert into t values (100); prepare transaction 'order-1'");
	PGconn *builder = matrix_waiting(matrix, NULL, "create index concurrently on t (id)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, builder, prepared());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(parallel_query_as_blocker, matrix_clear),
		cmocka_unit_test_teardown(parallel_query_as_waiter, matrix_clear),
		cmocka_unit_test_teardown(workers_alone_as_waiters, matrix_clear),
		cmocka_unit_test_teardown(group_in_two_queues, matrix_clear),
		cmocka_unit_test_teardown(deadlock_of_a_parallel_query, matrix_clear),
		cmocka_unit_test_teardown(parallel_index_build, matrix_clear),
		cmocka_unit_test_teardown(prepared_transaction_as_root, matrix_clear),
		cmocka_unit_test_teardown(prepared_transaction_in_the_middle, matrix_clear),
		cmocka_unit_test_teardown(two_prepared_transactions_in_one_way, matrix_clear),
		cmocka_unit_test_teardown(create_index_concurrently_waits_for_a_prepared_one, matrix_clear),
	};
	return cmocka_run_group_tests(tests, open_matrix, matrix_close);
}
