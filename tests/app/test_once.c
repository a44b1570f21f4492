/* --once: its formats, its exit codes, and its edges against pg_blocking_pids(). */
#include "document.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const settings[] = { "deadlock_timeout=600s", "max_prepared_transactions=10", "max_connections=60",
					NULL };

static int open_stage(void **state)
{
	return stage_open_with(state, settings);
}

/* "{0,12,34}" of a session of the document: sorted, each once, 0 for a prepared transaction. */
static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void format_blockers(const json_t *session, char *text, size_t size)
{
	const json_t *blockers = json_object_get(session, "blocked_by");
	int pids[256];
	size_t count = json_array_size(blockers), used = 1, kept = 0;
	assert_true(count < COUNT(pids));
	for (size_t i = 0; i < count; i++)
		pids[i] = (int)json_integer_value(json_object_get(json_array_get(blockers, i), "pid"));
	qsort(pids, count, sizeof *pids, compare);
	text[0] = '{';
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && pids[i] == pids[i - 1])
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%d", kept++ ? "," : "", pids[i]);
	}
	snprintf(text + used, size - used, "}");
}

static const char truth_sql[] =
	"select a.pid, coalesce((select array_agg(distinct b order by b) from unnest(pg_blocking_pids(a.pid)) b), "
	"'{}') "
	"from pg_stat_activity a where a.pid <> pg_backend_pid() and application_name <> 'pglocktop'";

/* Nothing moves, so the server's answer now is its answer then. */
static void expect_edges(struct stage *stage, unsigned waiting)
{
	static const char *const arguments[] = { "--once", "--format", "json", "--all-edges", NULL };
	json_t *document = document_take(stage, arguments);
	PGresult *truth = PQexec(stage->admin, truth_sql);
	assert_int_equal(PQresultStatus(truth), PGRES_TUPLES_OK);
	const json_t *session;
	size_t index;
	unsigned compared = 0;
	json_array_foreach(json_object_get(document, "sessions"), index, session)
	{
		int pid = (int)json_integer_value(json_object_get(session, "pid"));
		char text[2048];
		format_blockers(session, text, sizeof text);
		for (int row = 0; row < PQntuples(truth); row++) {
			if (strtol(PQgetvalue(truth, row, 0), NULL, 10) != pid)
				continue;
			assert_string_equal(text, PQgetvalue(truth, row, 1));
			compared += strcmp(text, "{}") != 0;
		}
	}
	assert_int_equal(compared, waiting);
	PQclear(truth);
	json_decref(document);
}

static PGconn *doing(struct stage *stage, const char *sql)
{
	PGconn *session = stage_session(stage, "");
	pgserver_run(session, sql);
	return session;
}

static PGconn *waiting_for(struct stage *stage, const char *before, const char *sql)
{
	PGconn *session = doing(stage, before);
	pgserver_send(session, sql);
	pgserver_wait_blocked(stage->admin, session);
	return session;
}

static void edges_of_a_row(void **state)
{
	doing(*state, "begin; update orders set note = '1' where id = 1");
	waiting_for(*state, "begin", "update orders set note = '2' where id = 1");
	expect_edges(*state, 1);
}

static void edges_of_a_chain(void **state)
{
	doing(*state, "begin; update orders set note = '1' where id = 1");
	for (int i = 1; i <= 5; i++) {
		char before[96], sql[64];
		snprintf(before, sizeof before, "begin; update orders set note = '2' where id = %d", i + 1);
		snprintf(sql, sizeof sql, "update orders set note = '3' where id = %d", i);
		waiting_for(*state, before, sql);
	}
	expect_edges(*state, 5);
}

static void edges_of_a_tuple_s_queue(void **state)
{
	doing(*state, "begin; update orders set note = '1' where id = 1");
	for (int i = 0; i < 8; i++)
		waiting_for(*state, "begin", "update orders set note = '2' where id = 1");
	expect_edges(*state, 8);
}

static void edges_behind_an_alter(void **state)
{
	doing(*state, "begin; select from orders");
	doing(*state, "begin; update orders set note = '1' where id = 3");
	waiting_for(*state, "begin", "alter table orders add more int");
	for (int i = 0; i < 5; i++)
		waiting_for(*state, "begin", i % 2 ? "select from orders" : "lock table orders in share mode");
	waiting_for(*state, "begin", "drop table orders");
	expect_edges(*state, 7);
}

static void edges_of_a_jump_in_the_queue(void **state)
{
	doing(*state, "begin; lock table orders in row exclusive mode");
	PGconn *jumper = doing(*state, "begin; select from orders");
	waiting_for(*state, "begin", "lock table orders in access exclusive mode");
	pgserver_send(jumper, "lock table orders in share mode");
	pgserver_wait_blocked(((struct stage *)*state)->admin, jumper);
	waiting_for(*state, "begin", "lock table orders in share row exclusive mode");
	expect_edges(*state, 3);
}

static void edges_of_advisory_locks(void **state)
{
	doing(*state, "select pg_advisory_lock(7), pg_advisory_lock(1, 2)");
	doing(*state, "select pg_advisory_lock_shared(4294967298 * 2)");
	waiting_for(*state, "begin", "select pg_advisory_lock(7)");
	waiting_for(*state, "begin", "select pg_advisory_lock_shared(1, 2)");
	waiting_for(*state, "begin", "select pg_advisory_lock(4294967298 * 2)");
	expect_edges(*state, 3);
}

static void edges_of_a_deadlock(void **state)
{
	struct stage *stage = *state;
	PGconn *first = doing(stage, "begin; update orders set note = '1' where id = 1");
	PGconn *second = doing(stage, "begin; update orders set note = '2' where id = 2");
	pgserver_send(first, "update orders set note = '1' where id = 2");
	pgserver_wait_blocked(stage->admin, first);
	pgserver_send(second, "update orders set note = '2' where id = 1");
	pgserver_wait_blocked(stage->admin, second);
	waiting_for(stage, "begin", "update orders set note = '3' where id = 1");
	expect_edges(stage, 3);
	static const char *const arguments[] = { "--once", "--format", "json", NULL };
	json_t *document = document_take(stage, arguments);
	assert_int_equal(json_array_size(json_object_get(document, "deadlocks")), 1);
	json_decref(document);
}

static void edges_of_a_prepared_transaction(void **state)
{
	struct stage *stage = *state;
	doing(stage, "begin; update orders set note = '1' where id = 1; prepare transaction 'order-77'");
	doing(stage, "begin; lock table orders in row share mode; prepare transaction 'order-78'");
	waiting_for(stage, "begin", "update orders set note = '2' where id = 1");
	waiting_for(stage, "begin", "lock table orders in exclusive mode");
	expect_edges(stage, 2);
	static const char *const arguments[] = { "--once", NULL };
	struct stage_output output;
	assert_int_equal(stage_run(stage, arguments, &output), 0);
	assert_non_null(strstr(output.out, "2pc order-77"));
	stage_output_free(&output);
	PQclear(PQexec(stage->admin, "rollback prepared 'order-77'"));
	PQclear(PQexec(stage->admin, "rollback prepared 'order-78'"));
}

/* A leader and its workers that wait for a table, each by itself, and somebody who waits for what they all read. */
static void edges_of_parallel_workers(void **state)
{
	struct stage *stage = *state;
	pgserver_run(stage->admin,
		     "create table if not exists many as select n from generate_series(1, 100000) n;"
		     "create or replace function touch(n int) returns bool language plpgsql parallel safe "
		     "as $$ begin return exists (select from orders); end $$; analyze many");
	doing(stage, "begin; lock table orders in access exclusive mode");
	PGconn *leader = doing(stage, "set parallel_setup_cost = 0; set parallel_tuple_cost = 0;"
				      "set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 2;"
				      "begin");
	pgserver_send(leader, "select count(*) from many where touch(n)");
	pgserver_wait_until(stage->admin, "select count(*) = 3 from pg_stat_activity where wait_event_type = 'Lock'");
	waiting_for(stage, "begin", "lock table many in access exclusive mode");
	expect_edges(stage, 4);
}

static void edges_of_a_unique_key(void **state)
{
	doing(*state, "begin; insert into orders values (100, '')");
	waiting_for(*state, "begin", "insert into orders values (100, '')");
	waiting_for(*state, "begin", "insert into orders values (100, '')");
	expect_edges(*state, 2);
}

static void edges_of_shared_rows(void **state)
{
	for (int i = 0; i < 3; i++)
		doing(*state, "begin; select from orders where id = 5 for share");
	waiting_for(*state, "begin", "update orders set note = 'x' where id = 5");
	waiting_for(*state, "begin", "select from orders where id = 5 for update");
	expect_edges(*state, 2);
}

static void prints_as_often_as_asked(void **state)
{
	static const char *const arguments[] = { "--once", "--format", "json", "--count", "3", "-i", "0.1", NULL };
	struct stage *stage = *state;
	struct stage_output output;
	assert_int_equal(stage_run(stage, arguments, &output), 0);
	size_t documents = 0;
	double taken_at_length = 0;
	for (char *line = strtok(output.out, "\n"); line; line = strtok(NULL, "\n"), documents++) {
		json_t *document = json_loads(line, 0, NULL);
		assert_non_null(document);
		taken_at_length += (double)json_string_length(json_object_get(document, "taken_at"));
		json_decref(document);
	}
	assert_int_equal(documents, 3);
	assert_true(taken_at_length == 3 * 32);
	stage_output_free(&output);
}

static void tells_by_its_exit_whether_somebody_waits(void **state)
{
	static const char *const arguments[] = { "--once", "--exit-code", NULL };
	struct stage *stage = *state;
	struct stage_output output;
	assert_int_equal(stage_run(stage, arguments, &output), 0);
	stage_output_free(&output);
	doing(stage, "begin; update orders set note = '1' where id = 1");
	waiting_for(stage, "begin", "update orders set note = '2' where id = 1");
	assert_int_equal(stage_run(stage, arguments, &output), 3);
	assert_non_null(strstr(output.out, "→ row orders"));
	stage_output_free(&output);
}

static void needs_a_terminal_for_the_screen(void **state)
{
	static const char *const arguments[] = { NULL };
	struct stage_output output;
	assert_int_equal(stage_run(*state, arguments, &output), 1);
	assert_string_equal(output.err, "pglocktop: the screen needs a terminal: --once prints without one\n");
	stage_output_free(&output);
}

/* Runs `shell` with $P as the program and its connection; gives what was written to stderr. */
static int run_shell(struct stage *stage, const char *shell, char *said, size_t size)
{
	int ends[2], status;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		char command[1024];
		signal(SIGPIPE, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		snprintf(command, sizeof command, "P='%s -h %s -U %s -d postgres'; %s", stage_program(),
			 pgserver_socket(stage->server), pgserver_user(stage->server), shell);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	size_t used = 0;
	for (ssize_t length; (length = read(ends[0], said + used, size - 1 - used)) > 0;)
		used += (size_t)length;
	said[used] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void is_silent_when_the_reader_goes(void **state)
{
	char said[1024];
	run_shell(*state, "$P --once --count 50 -i 0.1 | head -n 1 >/dev/null", said, sizeof said);
	assert_string_equal(said, "");
}

static void says_that_the_disk_is_full(void **state)
{
	char said[1024];
	assert_int_equal(run_shell(*state, "$P --once >/dev/full", said, sizeof said), 1);
	assert_string_equal(said, "pglocktop: could not write the output: No space left on device\n");
	assert_int_equal(run_shell(*state, "$P --help >/dev/full", said, sizeof said), 1);
	assert_string_equal(said, "pglocktop: could not write the output: No space left on device\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(edges_of_a_row, stage_clear),
		cmocka_unit_test_teardown(edges_of_a_chain, stage_clear),
		cmocka_unit_test_teardown(edges_of_a_tuple_s_queue, stage_clear),
		cmocka_unit_test_teardown(edges_behind_an_alter, stage_clear),
		cmocka_unit_test_teardown(edges_of_a_jump_in_the_queue, stage_clear),
		cmocka_unit_test_teardown(edges_of_advisory_locks, stage_clear),
		cmocka_unit_test_teardown(edges_of_a_deadlock, stage_clear),
		cmocka_unit_test_teardown(edges_of_a_prepared_transaction, stage_clear),
		cmocka_unit_test_teardown(edges_of_parallel_workers, stage_clear),
		cmocka_unit_test_teardown(edges_of_a_unique_key, stage_clear),
		cmocka_unit_test_teardown(edges_of_shared_rows, stage_clear),
		cmocka_unit_test_teardown(prints_as_often_as_asked, stage_clear),
		cmocka_unit_test_teardown(tells_by_its_exit_whether_somebody_waits, stage_clear),
		cmocka_unit_test_teardown(needs_a_terminal_for_the_screen, stage_clear),
		cmocka_unit_test_teardown(is_silent_when_the_reader_goes, stage_clear),
		cmocka_unit_test_teardown(says_that_the_disk_is_full, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_stage, stage_close);
}
