/* Waits for rows and keys: the owner's transaction, the tuple's queue, sharers, unique keys, foreign keys. */
#include "matrix.h"

#include <stdio.h>
#include <string.h>

enum { CHAIN = 50, QUEUE = 40 };

static int open_matrix(void **state)
{
	return matrix_open(state, "create table items (id int primary key, note text);"
				  "insert into items select n, '' from generate_series(1, 100) n;"
				  "create table parents (id int primary key, note text);"
				  "create table children (id int, parent int references parents);"
				  "insert into parents values (1, ''), (2, '')");
}

static void row_lock(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; update items set note = 'h' where id = 1");
	PGconn *waiter = matrix_waiting(matrix, "begin", "update items set note = 'w' where id = 1");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, waiter, hard(holder));
	EXPECT_NO_EDGES(matrix, holder);
	matrix_expect_no_circle(matrix);
}

static void row_lock_of_a_savepoint(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; savepoint a; update items set note = 'h' where id = 1;"
					      "savepoint b; update items set note = 'h' where id = 2");
	PGconn *first = matrix_waiting(matrix, "begin", "update items set note = 'w' where id = 1");
	PGconn *second = matrix_waiting(matrix, "begin", "delete from items where id = 2");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, first, hard(holder));
	EXPECT_EDGES(matrix, second, hard(holder));
}

static void chain_of_50(void **state)
{
	struct matrix *matrix = *state;
	PGconn *sessions[CHAIN + 1];
	char before[96], sql[96];
	for (int i = 0; i <= CHAIN; i++) {
		snprintf(before, sizeof before, "begin; update items set note = 'h' where id = %d", i + 1);
		snprintf(sql, sizeof sql, "update items set note = 'w' where id = %d", i);
		sessions[i] = i == 0 ? matrix_doing(matrix, before) : matrix_waiting(matrix, before, sql);
	}
	matrix_compare(matrix);
	for (int i = 1; i <= CHAIN; i++)
		EXPECT_EDGES(matrix, sessions[i], hard(sessions[i - 1]));
}

/* The first waiter has the tuple and waits for the row's owner; the others wait for the tuple, one behind the other. */
static void tuple_queue(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; update items set note = 'h' where id = 1");
	PGconn *waiters[QUEUE];
	for (int i = 0; i < QUEUE; i++)
		waiters[i] = matrix_waiting(matrix, "begin", "update items set note = 'w' where id = 1");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, waiters[0], hard(holder));
	EXPECT_EDGES(matrix, waiters[1], hard(waiters[0]));
	EXPECT_EDGES(matrix, waiters[3], hard(waiters[0]), soft(waiters[1]), soft(waiters[2]));
	assert_int_equal(edges_find(&matrix->said, PQbackendPID(waiters[QUEUE - 1]))->count, QUEUE - 1);
}

/* FOR SHARE asks for the tuple in RowShare, FOR UPDATE in AccessExclusive: not all of them conflict. */
static void tuple_queue_of_mixed_strength(void **state)
{
	struct matrix *matrix = *state;
	static const char *const strengths[] = { "update",    "share",	"no key update", "share",
						 "key share", "update", "share" };
	char sql[96];
	matrix_doing(matrix, "begin; delete from items where id = 1");
	for (unsigned i = 0; i < COUNT(strengths); i++) {
		snprintf(sql, sizeof sql, "select from items where id = 1 for %s", strengths[i]);
		matrix_waiting(matrix, "begin", sql);
	}
	matrix_compare(matrix);
}

/* The waiter waits for one of them after the other. */
static void multixact_of_three_sharers(void **state)
{
	struct matrix *matrix = *state;
	for (int i = 0; i < 3; i++)
		matrix_doing(matrix, "begin; select from items where id = 5 for share");
	PGconn *waiter = matrix_waiting(matrix, "begin", "update items set note = 'w' where id = 5");
	PGconn *behind = matrix_waiting(matrix, "begin", "select from items where id = 5 for update");
	matrix_compare(matrix);
	assert_int_equal(edges_find(&matrix->said, PQbackendPID(waiter))->count, 1);
	EXPECT_EDGES(matrix, behind, hard(waiter));
}

static void unique_key(void **state)
{
	struct matrix *matrix = *state;
	PGconn *first = matrix_doing(matrix, "begin; insert into items values (200, '')");
	PGconn *second = matrix_waiting(matrix, "begin", "insert into items values (200, '')");
	PGconn *third = matrix_waiting(matrix, "begin", "insert into items values (200, '') on conflict do nothing");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, second, hard(first));
	EXPECT_EDGES(matrix, third, hard(first));
}

/*
 * ON CONFLICT inserts the row, then the index entries, and takes it all back if somebody was faster. An index on a
 * function that waits keeps a session in between; whoever meets its row waits for its token.
 */
static void speculative_insertion(void **state)
{
	struct matrix *matrix = *state;
	matrix_run(matrix, "create table upserts (id int unique);"
			   "create function wait_for_7(int) returns int language plpgsql immutable as"
			   " $$ begin perform pg_advisory_xact_lock_shared(7); return $1; end $$;"
			   "create index on upserts (wait_for_7(id))");
	PGconn *holder = matrix_doing(matrix, "select pg_advisory_lock(7)");
	PGconn *first = matrix_waiting(matrix, "begin", "insert into upserts values (1) on conflict do nothing");
	PGconn *second = matrix_waiting(matrix, "begin", "insert into upserts values (1) on conflict do nothing");
	PGconn *third = matrix_waiting(matrix, "begin", "insert into upserts values (1)");
	matrix_await(matrix, "select count(*) = 2 from pg_locks where locktype like 'spec%' and not granted");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, first, hard(holder));
	EXPECT_EDGES(matrix, second, hard(first));
	EXPECT_EDGES(matrix, third, hard(first));
}

static void foreign_key(void **state)
{
	struct matrix *matrix = *state;
	PGconn *deleter = matrix_doing(matrix, "begin; delete from parents where id = 1");
	PGconn *child = matrix_waiting(matrix, "begin", "insert into children values (1, 1)");
	PGconn *sharer = matrix_doing(matrix, "begin; insert into children values (2, 2)");
	PGconn *waiter = matrix_waiting(matrix, "begin", "delete from parents where id = 2");
	PGconn *second = matrix_doing(matrix, "begin; insert into children values (3, 2)");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, child, hard(deleter));
	EXPECT_EDGES(matrix, waiter, hard(sharer));
	EXPECT_NO_EDGES(matrix, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(row_lock, matrix_clear),
		cmocka_unit_test_teardown(row_lock_of_a_savepoint, matrix_clear),
		cmocka_unit_test_teardown(chain_of_50, matrix_clear),
		cmocka_unit_test_teardown(tuple_queue, matrix_clear),
		cmocka_unit_test_teardown(tuple_queue_of_mixed_strength, matrix_clear),
		cmocka_unit_test_teardown(multixact_of_three_sharers, matrix_clear),
		cmocka_unit_test_teardown(unique_key, matrix_clear),
		cmocka_unit_test_teardown(speculative_insertion, matrix_clear),
		cmocka_unit_test_teardown(foreign_key, matrix_clear),
	};
	return cmocka_run_group_tests(tests, open_matrix, matrix_close);
}
