/*
 * The live source between two scans: it asks about every wait instead of reading the lock table, for as long as nothing
 * has changed, and no longer.
 */
#include "listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct pgserver *server;

struct cast {
	PGconn *observer, *holder, *first, *second;
	struct listener listener;
};

static int start(void **state)
{
	/* Nobody looks for deadlocks unless a test wants it: what a watch finds is not to depend on the time. */
	static const char *const settings[] = { "deadlock_timeout=1h", "max_prepared_transactions=4", NULL };
	(void)state;
	server = pgserver_new(settings);
	PGconn *admin = pgserver_connect(server, "postgres");
	pgserver_run(admin, "create table orders (id int primary key, note text)");
	pgserver_run(admin, "insert into orders values (1, 'a'), (2, 'b')");
	pgserver_run(admin, "create role plain login; grant all on orders to public");
	/* So many locks that reading them is sure to cost more than a few questions. */
	pgserver_run(admin, "create function many_locks() returns bigint language sql as "
			    "'select count(pg_advisory_xact_lock(7, g)) from generate_series(1, 3000) g'");
	PQfinish(admin);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pgserver_free(server);
	return 0;
}

/* The holder has a row and a lot of other locks. */
static void open_cast(struct cast *cast, const char *user)
{
	struct server_options options = listener_options(server);
	struct err err;
	cast->observer = pgserver_connect(server, "postgres");
	cast->holder = pgserver_connect(server, "postgres");
	cast->first = pgserver_connect(server, "postgres");
	cast->second = pgserver_connect(server, "postgres");
	pgserver_run(cast->holder, "begin; update orders set note = 'h' where id = 1; select many_locks()");
	options.interval = WHEN_SECOND / 10;
	if (user)
		options.connect.user = user;
	cast->listener = listener_of(source_server_new(&options, &err));
}

static void close_cast(struct cast *cast)
{
	PQfinish(cast->first);
	PQfinish(cast->second);
	PQfinish(cast->holder);
	PQfinish(cast->observer);
	listener_stop(&cast->listener);
}

static void wait_for_row(struct cast *cast, PGconn *waiter, int row)
{
	char sql[80];
	snprintf(sql, sizeof sql, "update orders set note = 'w' where id = %d", row);
	pgserver_send(waiter, sql);
	pgserver_wait_blocked(cast->observer, waiter);
}

static bool is_watched(const struct frame *frame, const void *waiting)
{
	return frame->snapshot->locks_age > 0 && frame->graph->waiting_sessions == *(const uint32_t *)waiting;
}

/* Of so many who wait, who are shown by a watch. */
static struct frame *await_watch(struct cast *cast, uint32_t waiting)
{
	return listener_await_frame(&cast->listener, is_watched, &waiting);
}

/* The server's, in the unit of a snapshot. */
static int64_t clock_of(const struct cast *cast)
{
	return pgserver_number(cast->observer, "select (date_part('epoch', clock_timestamp()"
					       " - timestamptz '2000-01-01 00:00:00+00') * 1000000)::int8");
}

struct wanted {
	uint32_t waiting;
	int64_t after;
};

static bool is_wanted(const struct frame *frame, const void *argument)
{
	const struct wanted *wanted = argument;
	return frame->snapshot->taken_at > wanted->after && frame->graph->waiting_sessions == wanted->waiting;
}

/* A frame of so many who wait, that was taken after this time. */
static struct frame *await_waiting(struct cast *cast, uint32_t waiting, int64_t after)
{
	struct wanted wanted = { waiting, after };
	return listener_await_frame(&cast->listener, is_wanted, &wanted);
}

/* Not of a watch that has the locks of before. A frame that nobody took gives way to the next, which may be a watch's.
 */
static bool is_read_since(const struct frame *frame, const void *time)
{
	return frame->snapshot->taken_at - frame->snapshot->locks_age >= *(const int64_t *)time;
}

static void expect_read_since(const struct frame *frame, int64_t time)
{
	assert_true(is_read_since(frame, &time));
}

static int32_t only_blocker(const struct frame *frame, PGconn *waiter)
{
	struct graph_blocker blocker;
	uint32_t node = graph_find_pid(frame->graph, PQbackendPID(waiter));
	assert_int_not_equal(node, GRAPH_NONE);
	assert_int_equal(graph_blockers(frame->graph, node, &blocker, 1), 1);
	uint32_t session = frame->graph->nodes[blocker.node].session;
	return session == SNAPSHOT_NO_INDEX ? 0 : frame->snapshot->sessions[session].id.pid;
}

static bool has_older_locks(const struct frame *frame, const void *age)
{
	return frame->snapshot->locks_age > *(const int64_t *)age;
}

static void keeps_the_locks_of_a_jam_that_stands_still(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, NULL);
	wait_for_row(&cast, cast.first, 1);
	struct frame *frame = await_watch(&cast, 1);
	int64_t age = frame->snapshot->locks_age;
	assert_int_equal(only_blocker(frame, cast.first), PQbackendPID(cast.holder));
	assert_int_equal(frame->snapshot->cost.lock_rows, 0);
	assert_int_equal(frame->snapshot->answer_count, 1);
	assert_string_equal(frame->graph->locks[0].tag->type, "transactionid");
	listener_await_frame(&cast.listener, has_older_locks, &age);
	close_cast(&cast);
}

/* None of them is told by a watch's frame, since it would show the locks of before. */
static void scans_at_once_whatever_changes(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, NULL);
	wait_for_row(&cast, cast.first, 1);
	await_watch(&cast, 1);
	/* one more who waits */
	int64_t before = clock_of(&cast);
	pgserver_run(cast.second, "begin");
	wait_for_row(&cast, cast.second, 1);
	expect_read_since(await_waiting(&cast, 2, before), before);
	await_watch(&cast, 2);
	/* another query of the same session, in the same queue */
	before = clock_of(&cast);
	free(pgserver_value(cast.observer, "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = "
					   "'tuple'"));
	PQclear(PQgetResult(cast.second));
	PQclear(PQgetResult(cast.second));
	pgserver_run(cast.second, "rollback");
	expect_read_since(await_waiting(&cast, 1, before), before);
	await_watch(&cast, 1);
	/* the blocker is another, the waiter and its query are the same */
	wait_for_row(&cast, cast.second, 1);
	await_watch(&cast, 2);
	pgserver_run(cast.holder, "commit");
	close_cast(&cast);
}

static bool is_blocked_by(const struct frame *frame, const void *argument)
{
	const struct cast *cast = argument;
	uint32_t node = graph_find_pid(frame->graph, PQbackendPID(cast->first));
	struct graph_blocker blocker;
	if (node == GRAPH_NONE || graph_blockers(frame->graph, node, &blocker, 1) != 1)
		return false;
	uint32_t session = frame->graph->nodes[blocker.node].session;
	return session != SNAPSHOT_NO_INDEX && frame->snapshot->sessions[session].id.pid == PQbackendPID(cast->second);
}

/* The waiter's query is the same, and still it waits: only the answer about it tells that it is for another. */
static void follows_a_waiter_to_its_next_blocker(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, NULL);
	pgserver_run(cast.second, "begin; update orders set note = 's' where id = 2");
	pgserver_send(cast.first, "do $$ begin update orders set note = 'w' where id = 1;"
				  " update orders set note = 'w' where id = 2; end $$");
	pgserver_wait_blocked(cast.observer, cast.first);
	assert_int_equal(only_blocker(await_watch(&cast, 1), cast.first), PQbackendPID(cast.holder));
	int64_t before = clock_of(&cast);
	pgserver_run(cast.holder, "rollback");
	expect_read_since(listener_await_frame(&cast.listener, is_blocked_by, &cast), before);
	pgserver_run(cast.second, "rollback");
	PQclear(PQgetResult(cast.first));
	close_cast(&cast);
}

static void notices_that_nobody_waits_any_more(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, NULL);
	wait_for_row(&cast, cast.first, 1);
	await_watch(&cast, 1);
	int64_t before = clock_of(&cast);
	pgserver_run(cast.holder, "rollback");
	expect_read_since(await_waiting(&cast, 0, before), before);
	close_cast(&cast);
}

static void reads_no_locks_while_nobody_waits(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, NULL);
	struct frame *frame = await_watch(&cast, 0);
	assert_int_equal(frame->snapshot->cost.lock_rows, 0);
	assert_int_equal(frame->snapshot->answer_count, 0);
	wait_for_row(&cast, cast.first, 1);
	assert_int_equal(only_blocker(await_waiting(&cast, 1, 0), cast.first), PQbackendPID(cast.holder));
	close_cast(&cast);
}

/* An answer's 0 says that it is one, not which. */
static void tells_prepared_transactions_apart(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, NULL);
	pgserver_run(cast.second, "begin");
	pgserver_run(cast.second, "update orders set note = 'p' where id = 2");
	pgserver_run(cast.second, "prepare transaction 'order-77'");
	wait_for_row(&cast, cast.first, 2);
	assert_int_equal(only_blocker(await_watch(&cast, 1), cast.first), 0);
	pgserver_run(cast.second, "begin");
	pgserver_run(cast.second, "select pg_advisory_xact_lock(8)");
	pgserver_run(cast.second, "prepare transaction 'order-78'");
	for (int i = 0; i < 3; i++)
		assert_int_equal(await_waiting(&cast, 1, clock_of(&cast))->snapshot->locks_age, 0);
	pgserver_run(cast.second, "rollback prepared 'order-78'");
	await_watch(&cast, 1);
	int64_t before = clock_of(&cast);
	pgserver_run(cast.second, "rollback prepared 'order-77'");
	expect_read_since(await_waiting(&cast, 0, before), before);
	PQclear(PQgetResult(cast.first));
	close_cast(&cast);
}

static void reads_all_when_asked_to(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, NULL);
	wait_for_row(&cast, cast.first, 1);
	await_watch(&cast, 1);
	int64_t before = clock_of(&cast);
	listener_command(&cast.listener, COMMAND_REFRESH);
	listener_await_frame(&cast.listener, is_read_since, &before);
	close_cast(&cast);
}

static bool shows_locks_of(const struct frame *frame, const void *pid)
{
	for (uint32_t i = 0; i < frame->snapshot->lock_count; i++)
		if (frame->snapshot->locks[i].fastpath && frame->snapshot->locks[i].pid == *(const int32_t *)pid)
			return true;
	return false;
}

static bool shows_none_of(const struct frame *frame, const void *pid)
{
	return !shows_locks_of(frame, pid);
}

/* The locks of whom one looks at are read when one begins to, and again when it has done something. */
static void reads_the_locks_of_whom_one_looks_at(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, NULL);
	int32_t pid = PQbackendPID(cast.second);
	pgserver_run(cast.second, "begin; select * from orders");
	await_watch(&cast, 0);
	listener_select(&cast.listener, cast.second);
	listener_await_frame(&cast.listener, shows_locks_of, &pid);
	assert_true(shows_locks_of(await_watch(&cast, 0), &pid));
	pgserver_run(cast.second, "commit");
	listener_await_frame(&cast.listener, shows_none_of, &pid);
	close_cast(&cast);
}

/* Who may not see the others' wait events reads the lock table each time. */
static void always_scans_where_sessions_are_hidden(void **state)
{
	struct cast cast;
	(void)state;
	open_cast(&cast, "plain");
	wait_for_row(&cast, cast.first, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(await_waiting(&cast, 1, 0)->snapshot->locks_age, 0);
	close_cast(&cast);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_locks_of_a_jam_that_stands_still),
		cmocka_unit_test(scans_at_once_whatever_changes),
		cmocka_unit_test(follows_a_waiter_to_its_next_blocker),
		cmocka_unit_test(notices_that_nobody_waits_any_more),
		cmocka_unit_test(reads_no_locks_while_nobody_waits),
		cmocka_unit_test(tells_prepared_transactions_apart),
		cmocka_unit_test(reads_all_when_asked_to),
		cmocka_unit_test(reads_the_locks_of_whom_one_looks_at),
		cmocka_unit_test(always_scans_where_sessions_are_hidden),
	};
	return cmocka_run_group_tests(tests, start, end);
}
