/* Deadlocks, which stay since deadlock_timeout is long. */
#include "matrix.h"

#include <stdio.h>

enum { LARGE = 5 };

static int open_matrix(void **state)
{
	return matrix_open(state, "create table t (id int primary key); insert into t select generate_series(1, 20);"
				  "create table u (id int)");
}

/* Each holds its own row and waits for the next one's. */
static void make_ring(struct matrix *matrix, PGconn **members, int count)
{
	char sql[96];
	for (int i = 0; i < count; i++) {
		snprintf(sql, sizeof sql, "begin; delete from t where id = %d", i + 1);
		members[i] = matrix_doing(matrix, sql);
	}
	for (int i = 0; i < count; i++) {
		snprintf(sql, sizeof sql, "delete from t where id = %d", (i + 1) % count + 1);
		matrix_wait(matrix, members[i], sql);
	}
}

static void deadlock_of_2(void **state)
{
	struct matrix *matrix = *state;
	PGconn *members[2];
	make_ring(matrix, members, 2);
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, members[0], hard(members[1]));
	EXPECT_EDGES(matrix, members[1], hard(members[0]));
	matrix_expect_circle(matrix, EDGE_HARD, members, 2);
}

static void deadlock_of_5(void **state)
{
	struct matrix *matrix = *state;
	PGconn *members[LARGE];
	make_ring(matrix, members, LARGE);
	matrix_compare(matrix);
	for (int i = 0; i < LARGE; i++)
		EXPECT_EDGES(matrix, members[i], hard(members[(i + 1) % LARGE]));
	matrix_expect_circle(matrix, EDGE_HARD, members, LARGE);
}

static void deadlock_with_a_tail(void **state)
{
	struct matrix *matrix = *state;
	PGconn *members[3];
	make_ring(matrix, members, 3);
	PGconn *tail = matrix_waiting(matrix, "begin; delete from t where id = 10", "delete from t where id = 1");
	PGconn *end = matrix_waiting(matrix, "begin", "delete from t where id = 10");
	matrix_compare(matrix);
	matrix_expect_circle(matrix, EDGE_HARD, members, 3);
	EXPECT_EDGES(matrix, end, hard(tail));
}

static void two_deadlocks(void **state)
{
	struct matrix *matrix = *state;
	PGconn *members[2];
	make_ring(matrix, members, 2);
	PGconn *third = matrix_doing(matrix, "select pg_advisory_lock(1)");
	PGconn *fourth = matrix_doing(matrix, "select pg_advisory_lock(2)");
	matrix_wait(matrix, third, "select pg_advisory_lock(2)");
	matrix_wait(matrix, fourth, "select pg_advisory_lock(1)");
	matrix_compare(matrix);
	assert_int_equal(matrix->said.circle_count, 2);
}

/* The reader waits only because the ALTER waits ahead of it: nobody fails, the server reorders the queue. */
static void deadlock_through_a_soft_edge(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; select from t");
	PGconn *reader = matrix_doing(matrix, "begin; lock table u");
	PGconn *alter = matrix_waiting(matrix, "begin", "alter table t add more int");
	matrix_wait(matrix, reader, "select from t");
	matrix_wait(matrix, holder, "select from u");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, alter, hard(holder));
	EXPECT_EDGES(matrix, reader, soft(alter));
	EXPECT_EDGES(matrix, holder, hard(reader));
	PGconn *const members[] = { alter, reader, holder };
	matrix_expect_circle(matrix, EDGE_SOFT, members, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(deadlock_of_2, matrix_clear),
		cmocka_unit_test_teardown(deadlock_of_5, matrix_clear),
		cmocka_unit_test_teardown(deadlock_with_a_tail, matrix_clear),
		cmocka_unit_test_teardown(two_deadlocks, matrix_clear),
		cmocka_unit_test_teardown(deadlock_through_a_soft_edge, matrix_clear),
	};
	return cmocka_run_group_tests(tests, open_matrix, matrix_close);
}
