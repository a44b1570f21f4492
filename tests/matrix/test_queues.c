/* Waits for tables: every mode against every other, and the order of queues. */
#include "matrix.h"

#include <stdio.h>
#include <string.h>

enum { MODES = 8, CELLS = MODES * MODES };

static const char *const modes[MODES] = { "access share",  "row share",
					  "row exclusive", "share update exclusive",
					  "share",	   "share row exclusive",
					  "exclusive",	   "access exclusive" };

/* The manual's table of conflicting lock modes: X where the two conflict. */
static const char *const conflicts[MODES] = { ".......X", "......XX", "....XXXX", "...XXXXX",
					      "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX" };

static int open_matrix(void **state)
{
	return matrix_open(state,
			   "create table t (id int); create table u (id int); insert into t values (1);"
			   "do $$ begin for i in 0..63 loop execute 'create table cell_' || i || ' (id int)'; end loop;"
			   " end $$");
}

static const char *lock_table(char *sql, size_t size, const char *before, int cell, const char *mode)
{
	snprintf(sql, size, "%slock table cell_%d in %s mode", before, cell, mode);
	return sql;
}

/* One session holds table n in mode n / 8, another wants it in mode n % 8. */
static void all_modes_against_all_modes_held(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin"), *wanting[CELLS];
	char sql[128];
	for (int cell = 0; cell < CELLS; cell++) {
		pgserver_run(holder, lock_table(sql, sizeof sql, "", cell, modes[cell / MODES]));
		bool waits = conflicts[cell / MODES][cell % MODES] == 'X';
		wanting[cell] = matrix_doing(matrix, "begin");
		lock_table(sql, sizeof sql, "", cell, modes[cell % MODES]);
		if (waits)
			matrix_wait(matrix, wanting[cell], sql);
		else
			pgserver_run(wanting[cell], sql);
	}
	matrix_compare(matrix);
	for (int cell = 0; cell < CELLS; cell++)
		if (conflicts[cell / MODES][cell % MODES] == 'X')
			EXPECT_EDGES(matrix, wanting[cell], hard(holder));
		else
			EXPECT_NO_EDGES(matrix, wanting[cell]);
}

/* Two wait for each table, the first in mode n / 8, the second in mode n % 8. */
static void all_modes_against_all_modes_waited_for(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin"), *first[CELLS], *second[CELLS];
	char sql[128];
	for (int cell = 0; cell < CELLS; cell++) {
		pgserver_run(holder, lock_table(sql, sizeof sql, "", cell, modes[MODES - 1]));
		first[cell] =
			matrix_waiting(matrix, "begin", lock_table(sql, sizeof sql, "", cell, modes[cell / MODES]));
		second[cell] =
			matrix_waiting(matrix, "begin", lock_table(sql, sizeof sql, "", cell, modes[cell % MODES]));
	}
	matrix_compare(matrix);
	for (int cell = 0; cell < CELLS; cell++) {
		EXPECT_EDGES(matrix, first[cell], hard(holder));
		if (conflicts[cell / MODES][cell % MODES] == 'X')
			EXPECT_EDGES(matrix, second[cell], hard(holder), soft(first[cell]));
		else
			EXPECT_EDGES(matrix, second[cell], hard(holder));
	}
}

static void queue_behind_an_alter_table(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; select from t"), *readers[20];
	PGconn *alter = matrix_waiting(matrix, "begin", "alter table t add more int");
	for (unsigned i = 0; i < COUNT(readers); i++)
		readers[i] = matrix_waiting(matrix, "begin", "select from t");
	PGconn *drop = matrix_waiting(matrix, "begin", "drop table t");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, alter, hard(holder));
	for (unsigned i = 0; i < COUNT(readers); i++)
		EXPECT_EDGES(matrix, readers[i], soft(alter));
	assert_int_equal(edges_find(&matrix->said, PQbackendPID(drop))->count, COUNT(readers) + 2);
}

static void soft_block_only(void **state)
{
	struct matrix *matrix = *state;
	PGconn *holder = matrix_doing(matrix, "begin; lock table t in share mode");
	PGconn *writer = matrix_waiting(matrix, "begin", "insert into t values (2)");
	PGconn *behind = matrix_waiting(matrix, "begin", "lock table t in share mode");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, writer, hard(holder));
	EXPECT_EDGES(matrix, behind, soft(writer));
}

static void readers_and_writers_in_one_queue(void **state)
{
	struct matrix *matrix = *state;
	matrix_doing(matrix, "begin; update t set id = 2");
	matrix_doing(matrix, "begin; select from t");
	for (unsigned i = 0; i < 24; i++) {
		char sql[96];
		snprintf(sql, sizeof sql, "lock table t in %s mode", modes[(i * 5 + 7) % MODES]);
		PGconn *session = matrix_doing(matrix, i % 3 ? "begin" : "begin; lock table u in access share mode");
		pgserver_send(session, sql);
		matrix_await(matrix, "select not exists (select from pg_stat_activity where state = 'active' and"
				     " pid <> pg_backend_pid() and wait_event_type is distinct from 'Lock')");
	}
	matrix_compare(matrix);
}

struct jump {
	PGconn *holder, *jumper, *first, *second;
};

/* Who holds something that the first one in the queue must wait for goes in front of it. */
static struct jump make_jump(struct matrix *matrix)
{
	struct jump jump;
	jump.holder = matrix_doing(matrix, "begin; lock table t in row exclusive mode");
	jump.jumper = matrix_doing(matrix, "begin; select from t");
	jump.first = matrix_waiting(matrix, "begin", "lock table t in access exclusive mode");
	jump.second = matrix_waiting(matrix, "begin", "lock table t in share mode");
	matrix_wait(matrix, jump.jumper, "lock table t in share row exclusive mode");
	return jump;
}

static void queue_jump(void **state)
{
	struct matrix *matrix = *state;
	struct jump jump = make_jump(matrix);
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, jump.first, hard(jump.holder), hard(jump.jumper));
	EXPECT_EDGES(matrix, jump.jumper, hard(jump.holder));
	EXPECT_EDGES(matrix, jump.second, hard(jump.holder), soft(jump.first), soft(jump.jumper));
}

/* The one jumped over has gone: nothing shows any more why the jumper is ahead of the one behind. */
static void queue_jump_hidden(void **state)
{
	struct matrix *matrix = *state;
	struct jump jump = make_jump(matrix);
	matrix_cancel(matrix, jump.first);
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, jump.jumper, hard(jump.holder));
	EXPECT_EDGES(matrix, jump.second, hard(jump.holder), soft(jump.jumper));
}

/*
 * `last` closes a circle that goes through the queue's order: last -> moved -> first -> last. Its deadlock check moves
 * `moved` ahead of `first`; the time at which each began to wait says the opposite.
 */
static void queue_reordered_by_the_deadlock_checker(void **state)
{
	struct matrix *matrix = *state;
	PGconn *other = matrix_doing(matrix, "begin; lock table t in row exclusive mode");
	PGconn *last = matrix_doing(matrix, "set deadlock_timeout = '20ms'; begin; lock table t in row share mode");
	PGconn *moved = matrix_doing(matrix, "begin; lock table u in access exclusive mode");
	PGconn *first = matrix_waiting(matrix, "begin", "lock table t in exclusive mode");
	matrix_wait(matrix, moved, "lock table t in share mode");
	char sql[128];
	snprintf(sql, sizeof sql, "select not %d = any (pg_blocking_pids(%d))", PQbackendPID(first),
		 PQbackendPID(moved));
	matrix_wait(matrix, last, "select from u");
	matrix_await(matrix, sql);
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, moved, hard(other));
	EXPECT_EDGES(matrix, first, hard(other), hard(last), soft(moved));
	EXPECT_EDGES(matrix, last, hard(moved));
	matrix_expect_no_circle(matrix);
}

static void upgrade_of_a_mode(void **state)
{
	struct matrix *matrix = *state;
	PGconn *other = matrix_doing(matrix, "begin; lock table t in share mode");
	PGconn *upgrader = matrix_doing(matrix, "begin; lock table t in share mode");
	PGconn *before = matrix_waiting(matrix, "begin", "lock table t in row exclusive mode");
	matrix_wait(matrix, upgrader, "lock table t in exclusive mode");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, upgrader, hard(other));
	EXPECT_EDGES(matrix, before, hard(other), hard(upgrader));
}

/* Weak table locks are noted aside until somebody wants what conflicts; then they are moved, and are in the way. */
static void fast_path_locks(void **state)
{
	struct matrix *matrix = *state;
	PGconn *reader = matrix_doing(matrix, "begin; select from t"), *writer = matrix_doing(matrix, "begin");
	PGconn *noise = matrix_doing(matrix, "begin; select from u");
	pgserver_run(writer, "insert into t values (3)");
	PGconn *waiter = matrix_waiting(matrix, "begin", "lock table t in share mode");
	PGconn *later = matrix_doing(matrix, "begin; select from t");
	PGconn *strong = matrix_waiting(matrix, "begin", "truncate t");
	matrix_compare(matrix);
	EXPECT_EDGES(matrix, waiter, hard(writer));
	EXPECT_EDGES(matrix, strong, hard(writer), hard(reader), hard(later), soft(waiter));
	EXPECT_NO_EDGES(matrix, noise);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(all_modes_against_all_modes_held, matrix_clear),
		cmocka_unit_test_teardown(all_modes_against_all_modes_waited_for, matrix_clear),
		cmocka_unit_test_teardown(queue_behind_an_alter_table, matrix_clear),
		cmocka_unit_test_teardown(soft_block_only, matrix_clear),
		cmocka_unit_test_teardown(readers_and_writers_in_one_queue, matrix_clear),
		cmocka_unit_test_teardown(queue_jump, matrix_clear),
		cmocka_unit_test_teardown(queue_jump_hidden, matrix_clear),
		cmocka_unit_test_teardown(queue_reordered_by_the_deadlock_checker, matrix_clear),
		cmocka_unit_test_teardown(upgrade_of_a_mode, matrix_clear),
		cmocka_unit_test_teardown(fast_path_locks, matrix_clear),
	};
	return cmocka_run_group_tests(tests, open_matrix, matrix_close);
}
