/* What came of a signal, on a real server: seen, not assumed; and the view of what has happened. */
#include "stage.h"

#include "pglocktop/when.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char *const settings[] = { "log_statement=all", "deadlock_timeout=3s", NULL };

/* The server's process does not hear anything for a while, as one that waits for a dead disk. */
static void stop_backend(struct stage *stage, PGconn *session)
{
	stage->frozen = PQbackendPID(session);
	kill(stage->frozen, SIGSTOP);
}

static void in_log(struct stage *stage, const char *text)
{
	char line[8192];
	bool found = false;
	FILE *log = fopen(stage->log, "re");
	assert_non_null(log);
	while (!found && fgets(line, sizeof line, log))
		found = strstr(line, text) != NULL;
	fclose(log);
	if (!found)
		fail_msg("\"%s\" is not in the audit log", text);
}

static void says_whom_a_terminate_freed(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	PGconn *other = stage_session(stage, "user=plain");
	char text[128];
	pgserver_run(holder, "begin; lock table orders in access exclusive mode");
	pgserver_send(waiter, "select count(*) from orders");
	pgserver_send(other, "select count(*) from orders");
	pgserver_wait_blocked(stage->admin, waiter);
	pgserver_wait_blocked(stage->admin, other);
	pgserver_run(stage->admin, "select pg_sleep(1.1)");
	stage_watch(stage, NULL);
	stage_ask(stage, holder, 'K');
	vt_send(stage->vt, "y");
	stage_expect(stage, "; freed 2 of 2 waiters; waiting 2 → 0");
	vt_send(stage->vt, "4");
	snprintf(text, sizeof text, "signal   TERM sent to %d: gone after", PQbackendPID(holder));
	stage_expect(stage, text);
	snprintf(text, sizeof text, "block    %d holder blocked 2 waiters at most, for ", PQbackendPID(holder));
	stage_expect(stage, text);
	stage_quit(stage);
	in_log(stage, "\"waiters\":2,\"freed\":2");
}

static void a_waiter_that_moves_up_is_not_freed(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	PGconn *other = stage_session(stage, "user=plain");
	pgserver_send(other, "update orders set note = 'other' where id = 1");
	pgserver_wait_blocked(stage->admin, other);
	stage_watch(stage, NULL);
	stage_ask(stage, jam.waiter, 'C');
	vt_send(stage->vt, "y");
	stage_expect(stage, "its query stopped after");
	stage_expect(stage, "; freed 0 of 1 waiter");
	stage_quit(stage);
}

static void says_that_a_cancel_leaves_the_transaction_aborted(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	pgserver_run(waiter, "begin");
	stage_block_row(stage, holder, waiter);
	stage_watch(stage, NULL);
	stage_ask(stage, waiter, 'C');
	vt_send(stage->vt, "y");
	stage_expect(stage, "its transaction is aborted, its locks are gone");
	stage_quit(stage);
}

/* Only what came after the savepoint is undone: those who wait for what was locked before it go on waiting. */
static void says_that_a_savepoint_kept_the_locks(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	pgserver_run(holder, "begin; update orders set note = 'held' where id = 1; savepoint s");
	pgserver_send(holder, "select pg_sleep(600)");
	pgserver_send(waiter, "update orders set note = 'wanted' where id = 1");
	pgserver_wait_blocked(stage->admin, waiter);
	stage_watch_with(stage, NULL, (struct vt_options){ .columns = 200, .rows = 30 });
	stage_ask(stage, holder, 'C');
	stage_expect(stage, "its transaction's locks go unless a savepoint is open");
	vt_send(stage->vt, "y");
	stage_expect(stage, "freed 0 of 1 waiter");
	stage_expect(stage, "a savepoint was open, what was locked before it is still locked");
	pgserver_wait_blocked(stage->admin, waiter);
	stage_quit(stage);
}

static void one_that_does_not_take_it_is_still_there(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	char text[128];
	stage_watch(stage, NULL);
	stage_ask(stage, jam.holder, 'K');
	stop_backend(stage, jam.holder);
	vt_send(stage->vt, "y");
	snprintf(text, sizeof text, "TERM sent to %d, watching what comes of it", PQbackendPID(jam.holder));
	stage_expect(stage, text);
	snprintf(text, sizeof text, "%d is still there 3 s after TERM: idle in transaction", PQbackendPID(jam.holder));
	stage_expect(stage, text);
	stage_expect(stage, "wait event Client/ClientRead");
	stage_thaw_backend(stage);
	snprintf(text, sizeof text, "%d is gone, ", PQbackendPID(jam.holder));
	stage_expect(stage, text);
	stage_expect(stage, "s after TERM; freed 1 of 1 waiter; waiting 1 → 0");
	stage_quit(stage);
	in_log(stage, "\"outcome\":\"still there\"");
	in_log(stage, "\"late\":true");
}

static void a_query_that_goes_on_after_a_cancel(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	char text[128];
	stage_watch(stage, NULL);
	stage_ask(stage, jam.waiter, 'C');
	stop_backend(stage, jam.waiter);
	vt_send(stage->vt, "y");
	snprintf(text, sizeof text, "%d still runs its query 3 s after the cancel: active", PQbackendPID(jam.waiter));
	stage_expect(stage, text);
	stage_expect(stage, "wait event Lock/transactionid");
	stage_thaw_backend(stage);
	snprintf(text, sizeof text, "%d has stopped its query, ", PQbackendPID(jam.waiter));
	stage_expect(stage, text);
	assert_true(stage_lives(stage, PQbackendPID(jam.waiter)));
	stage_quit(stage);
}

static void a_deadlock_with_its_members(void **state)
{
	static const char *const arguments[] = { "-i", "0.1", NULL };
	struct stage *stage = *state;
	PGconn *first = stage_session(stage, "application_name=alice"),
	       *second = stage_session(stage, "application_name=bob");
	char text[128];
	pgserver_run(first, "begin; update orders set note = 'secret1' where id = 1");
	pgserver_run(second, "begin; update orders set note = 'secret2' where id = 2");
	stage_watch(stage, arguments);
	vt_send(stage->vt, "4");
	pgserver_send(first, "update orders set note = 'secret1' where id = 2");
	pgserver_wait_blocked(stage->admin, first);
	pgserver_send(second, "update orders set note = 'secret2' where id = 1");
	snprintf(text, sizeof text, "a circle of 2 in postgres is over: %d was failed", PQbackendPID(first));
	stage_expect(stage, text);
	snprintf(text, sizeof text, "%d alice  failed  update orders set note = ? where id = ?", PQbackendPID(first));
	stage_expect(stage, text);
	stage_expect_gone(stage, "secret");
	PQclear(PQgetResult(first));
	stage_quit(stage);
}

static void a_block_from_its_beginning_to_its_end(void **state)
{
	struct stage *stage = *state;
	PGconn *holder = stage_session(stage, "application_name=holder"), *waiter = stage_session(stage, "user=app");
	char text[128];
	stage_watch(stage, NULL);
	vt_send(stage->vt, "4");
	stage_expect(stage, "Nothing has happened");
	stage_block_row(stage, holder, waiter);
	snprintf(text, sizeof text, "%d holder blocks 1 since", PQbackendPID(holder));
	stage_expect(stage, text);
	vt_send(stage->vt, "\r");
	stage_expect(stage, "BEHIND SESSION");
	pgserver_run(holder, "commit");
	PQclear(PQgetResult(waiter));
	vt_send(stage->vt, "4");
	snprintf(text, sizeof text, "%d holder blocked 1 waiter at most, for ", PQbackendPID(holder));
	stage_expect(stage, text);
	vt_send(stage->vt, "G");
	stage_expect(stage, "over, its transaction is over");
	stage_quit(stage);
}

static void the_connection_lost_and_back(void **state)
{
	static const char *const arguments[] = { "-i", "0.2", NULL };
	struct stage *stage = *state;
	stage_watch(stage, arguments);
	vt_send(stage->vt, "4");
	stage_expect(stage, "Nothing has happened");
	char text[64];
	snprintf(text, sizeof text, "select pg_terminate_backend(%d)", (int)stage_own_backend(stage));
	pgserver_run(stage->admin, text);
	stage_expect(stage, "server   LOST");
	stage_expect(stage, "server   connected again after");
	stage_quit(stage);
}

static int open_with(void **state)
{
	return stage_open_with(state, settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(says_whom_a_terminate_freed, stage_clear),
		cmocka_unit_test_teardown(a_waiter_that_moves_up_is_not_freed, stage_clear),
		cmocka_unit_test_teardown(says_that_a_cancel_leaves_the_transaction_aborted, stage_clear),
		cmocka_unit_test_teardown(says_that_a_savepoint_kept_the_locks, stage_clear),
		cmocka_unit_test_teardown(one_that_does_not_take_it_is_still_there, stage_clear),
		cmocka_unit_test_teardown(a_query_that_goes_on_after_a_cancel, stage_clear),
		cmocka_unit_test_teardown(a_deadlock_with_its_members, stage_clear),
		cmocka_unit_test_teardown(a_block_from_its_beginning_to_its_end, stage_clear),
		cmocka_unit_test_teardown(the_connection_lost_and_back, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_with, stage_close);
}
