/* Signals against real sessions: the right one or none, and what came of it. */
#include "listener.h"
#include "server_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

static struct pgserver *server;

struct cast {
	PGconn *admin, *target;
	struct listener listener;
};

static int start(void **state)
{
	static const char *const settings[] = { "deadlock_timeout=30s", NULL };
	(void)state;
	server = pgserver_new_with(settings, "create table orders (id int primary key, note text);"
					     "insert into orders values (1, 'a'); grant all on orders to public;"
					     "create role signaller login in role pg_signal_backend, pg_monitor;"
					     "create role watcher login in role pg_monitor; create role app login");
	return 0;
}

static int end(void **state)
{
	(void)state;
	pgserver_free(server);
	return 0;
}

/* A target that is in the listener's last frame, running a long query or idle. */
static struct cast cast_new(const char *user, const char *target, const char *runs)
{
	struct cast cast = { .admin = pgserver_connect(server, "postgres"),
			     .target = pgserver_connect(server, target),
			     .listener = listener_new(server, NULL, user) };
	char sql[160];
	snprintf(sql, sizeof sql, "select state = 'active' from pg_stat_activity where pid = %d",
		 PQbackendPID(cast.target));
	if (runs) {
		pgserver_send(cast.target, runs);
		pgserver_wait_until(cast.admin, sql);
	}
	/* What is warmed up behind the first frame is over when the second one comes. */
	listener_refresh(&cast.listener);
	listener_refresh(&cast.listener);
	return cast;
}

static void cast_end(struct cast *cast)
{
	listener_stop(&cast->listener);
	PQfinish(cast->target);
	PQfinish(cast->admin);
}

static bool target_lives(struct cast *cast)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where pid = %d", PQbackendPID(cast->target));
	return pgserver_number(cast->admin, sql) == 1;
}

static bool target_runs(struct cast *cast)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where pid = %d and state = 'active'",
		 PQbackendPID(cast->target));
	return pgserver_number(cast->admin, sql) == 1;
}

static void terminate_is_sent_and_the_target_gone(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_SENT);
	assert_int_equal(cast.listener.signal.request.serial, 4711);
	listener_await_signal(&cast.listener, SIGNAL_GONE);
	assert_true(cast.listener.signal.elapsed > 0 && cast.listener.signal.elapsed < 30 * WHEN_SECOND);
	assert_false(target_lives(&cast));
	cast_end(&cast);
}

static void cancel_stops_the_query_and_the_session_lives(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_CANCEL);
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_SENT);
	listener_await_signal(&cast.listener, SIGNAL_STOPPED);
	assert_true(target_lives(&cast));
	assert_false(target_runs(&cast));
	cast_end(&cast);
}

static bool one_waits(const struct frame *frame, const void *argument)
{
	(void)argument;
	return frame->graph->waiting_sessions == 1;
}

static void counts_the_waiters_before_and_after(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", NULL);
	PGconn *waiter = pgserver_connect(server, "postgres");
	pgserver_run(cast.target, "begin; update orders set note = 'x'");
	pgserver_send(waiter, "update orders set note = 'y'");
	listener_refresh_until(&cast.listener, one_waits, NULL);
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	unsigned frames = cast.listener.frames;
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_SENT);
	listener_await_signal(&cast.listener, SIGNAL_GONE);
	assert_int_equal(cast.listener.signal.waiting_before, 1);
	assert_int_equal(cast.listener.signal.waiting_after, 0);
	assert_true(cast.listener.frames > frames);
	PQfinish(waiter);
	cast_end(&cast);
}

/* ---- the guard ---- */

static void expect_not_sent(struct cast *cast, const struct signal_request *request, const char *why)
{
	listener_send_signal(&cast->listener, request);
	listener_await_signal(&cast->listener, SIGNAL_NOT_SENT);
	if (!strstr(cast->listener.signal.text, why))
		fail_msg("not sent for another reason: %s", cast->listener.signal.text);
	assert_true(target_lives(cast));
}

static void one_microsecond_off_is_another_session(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	request.target.backend_start++;
	expect_not_sent(&cast, &request, "another session has its pid now");
	assert_true(target_runs(&cast));
	cast_end(&cast);
}

static void an_ended_session_gets_nothing(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", NULL);
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	char sql[96];
	snprintf(sql, sizeof sql, "select count(*) = 0 from pg_stat_activity where pid = %d",
		 PQbackendPID(cast.target));
	PQfinish(cast.target);
	pgserver_wait_until(cast.admin, sql);
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_NOT_SENT);
	assert_non_null(strstr(cast.listener.signal.text, "has ended"));
	cast.target = NULL;
	cast_end(&cast);
}

static void another_query_is_not_cancelled(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_CANCEL);
	request.query_start--;
	expect_not_sent(&cast, &request, "another query");
	assert_true(target_runs(&cast));
	cast_end(&cast);
}

static void an_idle_session_is_not_cancelled(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", NULL);
	pgserver_run(cast.target, "select 1");
	listener_refresh(&cast.listener);
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_CANCEL);
	expect_not_sent(&cast, &request, "had ended");
	cast_end(&cast);
}

static void an_expired_signal_is_not_sent(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	request.not_after = cast.listener.frame->snapshot->taken_at;
	expect_not_sent(&cast, &request, "time");
	assert_true(target_runs(&cast));
	cast_end(&cast);
}

static void another_servers_session_gets_nothing(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", NULL);
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	request.server_epoch++;
	expect_not_sent(&cast, &request, "restarted");
	cast_end(&cast);
}

static void its_own_session_gets_nothing(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", NULL);
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	const struct snapshot *snapshot = cast.listener.frame->snapshot;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (snapshot->sessions[i].may == MAY_NOT_OWN)
			request.target = snapshot->sessions[i].id;
	expect_not_sent(&cast, &request, "own session");
	cast_end(&cast);
}

/* ---- refusals ---- */

static void a_superusers_session_is_refused(void **state)
{
	(void)state;
	struct cast cast = cast_new("signaller", "postgres", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	assert_int_equal(listener_session(&cast.listener, cast.target)->may, MAY_NOT_SUPERUSER);
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_REFUSED);
	assert_string_equal(cast.listener.signal.sqlstate, "42501");
	assert_true(cast.listener.signal.text[0] != '\0');
	assert_true(target_runs(&cast));
	cast_end(&cast);
}

static void pg_signal_backend_may(void **state)
{
	(void)state;
	struct cast cast = cast_new("signaller", "dbname=postgres user=app", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	assert_int_equal(listener_session(&cast.listener, cast.target)->may, MAY_SIGNAL);
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_SENT);
	listener_await_signal(&cast.listener, SIGNAL_GONE);
	cast_end(&cast);
}

static void pg_monitor_alone_may_not(void **state)
{
	(void)state;
	struct cast cast = cast_new("watcher", "dbname=postgres user=app", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_CANCEL);
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_REFUSED);
	assert_string_equal(cast.listener.signal.sqlstate, "42501");
	cast_end(&cast);
}

static void an_auxiliary_process_is_refused_by_a_warning(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", NULL);
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	const struct snapshot *snapshot = cast.listener.frame->snapshot;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (snapshot->sessions[i].backend_type &&
		    strcmp(snapshot->sessions[i].backend_type, "checkpointer") == 0) {
			assert_int_equal(snapshot->sessions[i].may, MAY_NOT_AUXILIARY);
			request.target = snapshot->sessions[i].id;
		}
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_REFUSED);
	assert_string_equal(cast.listener.signal.sqlstate, "01000");
	assert_non_null(strstr(cast.listener.signal.text, "is not a PostgreSQL"));
	cast_end(&cast);
}

/* ---- a server that does not answer ---- */

static pid_t own_backend(const struct listener *listener)
{
	const struct snapshot *snapshot = listener->frame->snapshot;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (snapshot->sessions[i].may == MAY_NOT_OWN)
			return snapshot->sessions[i].id.pid;
	fail_msg("the own session is not in the frame");
	return 0;
}

static void a_frozen_backend_leaves_it_unknown_and_then_expired(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	listener_command(&cast.listener, COMMAND_FREEZE);
	listener_await_state(&cast.listener, SOURCE_FROZEN);
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	request.not_after = cast.listener.frame->snapshot->taken_at + 3 * WHEN_SECOND;
	pid_t backend = own_backend(&cast.listener);
	assert_int_equal(kill(backend, SIGSTOP), 0);
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_UNKNOWN);
	assert_true(cast.listener.signal.elapsed >= 5 * WHEN_SECOND);
	assert_int_equal(kill(backend, SIGCONT), 0);
	/* The truth comes late, and the statement has expired. */
	listener_await_signal(&cast.listener, SIGNAL_NOT_SENT);
	assert_true(target_runs(&cast));
	cast_end(&cast);
}

/* A refresh that hangs is cancelled; here not even that gets through. */
static void a_frozen_refresh_lets_no_signal_through(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	pid_t backend = own_backend(&cast.listener);
	assert_int_equal(kill(backend, SIGSTOP), 0);
	listener_command(&cast.listener, COMMAND_REFRESH);
	while (cast.listener.status.asked_at == WHEN_NONE)
		assert_int_not_equal(listener_hear(&cast.listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	int64_t sent = when_monotonic();
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_NOT_SENT);
	assert_true(when_monotonic() - sent >= 3 * WHEN_SECOND);
	assert_int_equal(kill(backend, SIGCONT), 0);
	listener_refresh(&cast.listener);
	assert_true(target_runs(&cast));
	cast_end(&cast);
}

/* The names' statement waits 250 ms for a locked catalog: a signal does not wait with it. */
static void a_slow_statement_is_preempted(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	PGconn *locker = pgserver_connect(server, "postgres");
	PGconn *holder = pgserver_connect(server, "postgres");
	pgserver_run(holder, "create table if not exists fresh (id int)");
	pgserver_run(holder, "begin; lock table fresh");
	pgserver_run(locker, "begin; lock table pg_class");
	unsigned frames = cast.listener.frames;
	listener_command(&cast.listener, COMMAND_REFRESH);
	while (cast.listener.frames == frames)
		assert_int_not_equal(listener_hear(&cast.listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	int64_t sent = when_monotonic();
	listener_send_signal(&cast.listener, &request);
	listener_await_signal(&cast.listener, SIGNAL_SENT);
	assert_true(when_monotonic() - sent < 3 * WHEN_SECOND);
	listener_await_signal(&cast.listener, SIGNAL_GONE);
	PQfinish(locker);
	PQfinish(holder);
	cast_end(&cast);
}

static void the_connection_lost_leaves_it_unknown(void **state)
{
	(void)state;
	struct cast cast = cast_new(NULL, "postgres", "select pg_sleep(60)");
	listener_command(&cast.listener, COMMAND_FREEZE);
	listener_await_state(&cast.listener, SOURCE_FROZEN);
	struct signal_request request = listener_request(&cast.listener, cast.target, SIGNAL_TERMINATE);
	request.not_after = cast.listener.frame->snapshot->taken_at;
	pid_t backend = own_backend(&cast.listener);
	char sql[64];
	snprintf(sql, sizeof sql, "select pg_terminate_backend(%d)", (int)backend);
	assert_int_equal(kill(backend, SIGSTOP), 0);
	listener_send_signal(&cast.listener, &request);
	pgserver_run(cast.admin, sql);
	/* Not before the statement is in the backend's socket: no answer for the time that makes it unknown says so. */
	listener_await_signal(&cast.listener, SIGNAL_UNKNOWN);
	assert_int_equal(kill(backend, SIGCONT), 0);
	listener_await_state(&cast.listener, SOURCE_LOST);
	listener_await_state(&cast.listener, SOURCE_FROZEN);
	assert_true(target_runs(&cast));
	cast_end(&cast);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminate_is_sent_and_the_target_gone),
		cmocka_unit_test(cancel_stops_the_query_and_the_session_lives),
		cmocka_unit_test(counts_the_waiters_before_and_after),
		cmocka_unit_test(one_microsecond_off_is_another_session),
		cmocka_unit_test(an_ended_session_gets_nothing),
		cmocka_unit_test(another_query_is_not_cancelled),
		cmocka_unit_test(an_idle_session_is_not_cancelled),
		cmocka_unit_test(an_expired_signal_is_not_sent),
		cmocka_unit_test(another_servers_session_gets_nothing),
		cmocka_unit_test(its_own_session_gets_nothing),
		cmocka_unit_test(a_superusers_session_is_refused),
		cmocka_unit_test(pg_signal_backend_may),
		cmocka_unit_test(pg_monitor_alone_may_not),
		cmocka_unit_test(an_auxiliary_process_is_refused_by_a_warning),
		cmocka_unit_test(a_slow_statement_is_preempted),
		cmocka_unit_test(a_frozen_refresh_lets_no_signal_through),
		cmocka_unit_test(a_frozen_backend_leaves_it_unknown_and_then_expired),
		cmocka_unit_test(the_connection_lost_leaves_it_unknown),
	};
	return cmocka_run_group_tests(tests, start, end);
}
