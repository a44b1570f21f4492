/*
 * A subscription that applies a large transaction by a worker of its own while it comes in (16 and later): at its end
 * the subscription's first worker waits for that one, by a lock of the type applytransaction. The two are no lock
 * group, though the server calls the first one the other's leader.
 */
#include "matrix.h"

#include <stdio.h>
#include <string.h>

enum { SINCE = 160000 };

static int open_matrix(void **state)
{
	int failed = matrix_open(state, "create table feed (id int primary key, note text)");
	struct matrix *matrix = *state;
	if (failed || matrix->version < SINCE)
		return failed;
	matrix_run(matrix, "create database publisher");
	matrix_run(matrix, "alter database publisher set logical_decoding_work_mem = 64"); /* kB: the least */
	PGconn *publisher = stage_session(matrix->stage, "dbname=publisher");
	pgserver_run(publisher, "create table feed (id int primary key, note text)");
	pgserver_run(publisher, "create publication feed for table feed");
	pgserver_run(publisher, "select pg_create_logical_replication_slot('feed', 'pgoutput')");
	stage_drop_session(matrix->stage, publisher);
	return 0;
}

static void subscribe(struct matrix *matrix)
{
	char sql[512];
	snprintf(sql, sizeof sql,
		 "create subscription feed connection 'host=%s user=%s dbname=publisher' publication feed"
		 " with (create_slot = false, slot_name = 'feed', copy_data = false, streaming = parallel)",
		 pgserver_socket(matrix->stage->server), pgserver_user(matrix->stage->server));
	matrix_run(matrix, sql);
	matrix_await(matrix, "select exists (select from pg_stat_replication where state = 'streaming')");
}

static int unsubscribe(void **state)
{
	struct matrix *matrix = *state;
	if (matrix->version >= SINCE) {
		matrix_run(matrix, "alter subscription feed disable");
		matrix_run(matrix, "alter subscription feed set (slot_name = none)");
		matrix_run(matrix, "drop subscription feed");
		matrix_await(matrix, "select not active from pg_replication_slots");
	}
	return matrix_clear(state);
}

/* The pid of the one whose lock of this type is granted, or not. */
static int32_t find_locker(struct matrix *matrix, const char *type, bool granted)
{
	char sql[160];
	snprintf(sql, sizeof sql,
		 "select pid from pg_locks where locktype = '%s' and %s granted and pid <> pg_backend_pid()", type,
		 granted ? "" : "not");
	return (int32_t)pgserver_number(matrix->stage->admin, sql);
}

static void expect_one_edge(struct matrix *matrix, int32_t waiter, int32_t blocker)
{
	const struct edges_session *said = edges_find(&matrix->said, waiter);
	assert_non_null(said);
	assert_int_equal(said->count, 1);
	assert_int_equal(said->edges[0].blocker, blocker);
	assert_int_equal(said->edges[0].kind, EDGE_HARD);
}

static void parallel_apply(void **state)
{
	struct matrix *matrix = *state;
	if (matrix->version < SINCE)
		skip();
	PGconn *publisher = stage_session(matrix->stage, "dbname=publisher");
	PGconn *holder = matrix_doing(matrix, "begin; insert into feed values (5000, 'mine')");
	subscribe(matrix);
	pgserver_run(publisher, "insert into feed select n, repeat('x', 100) from generate_series(1, 20000) n");
	matrix_await(matrix,
		     "select exists (select from pg_locks where locktype = 'applytransaction' and not granted)");
	matrix_compare(matrix);
	int32_t first = find_locker(matrix, "applytransaction", false);
	int32_t second = find_locker(matrix, "transactionid", false);
	expect_one_edge(matrix, first, second);
	expect_one_edge(matrix, second, PQbackendPID(holder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(parallel_apply, unsubscribe),
	};
	return cmocka_run_group_tests(tests, open_matrix, matrix_close);
}
