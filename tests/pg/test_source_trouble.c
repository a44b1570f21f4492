/* The live source when the server is not to be had, gone, full, or hangs on its own catalogs. */
#include "listener.h"
#include "server_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct pgserver *server;

static int start(void **state)
{
	static const char *const settings[] = { "max_connections=12", "superuser_reserved_connections=2",
						"max_wal_senders=0", NULL };
	(void)state;
	server = pgserver_new_with(settings,
				   "create role needs_password login password 'open sesame'; create role plain login;"
				   "create table orders (id int primary key)");
	return 0;
}

static int end(void **state)
{
	(void)state;
	pgserver_free(server);
	return 0;
}

static void expect_failure(struct server_options *options, const char *words)
{
	struct err err;
	options->interactive = false;
	struct listener listener = listener_of(source_server_new(options, &err));
	listener_await_state(&listener, SOURCE_FAILED);
	if (!strstr(listener.status.text, words) || strchr(listener.status.text, '\n'))
		fail_msg("failed with other words: %s", listener.status.text);
	listener_stop(&listener);
}

/* ---- connecting ---- */

static void bad_options_are_an_error_at_once(void **state)
{
	(void)state;
	struct server_options options = { .connect = { .conninfo = "hosst=x dbname=y" }, .interval = WHEN_SECOND };
	struct err err;
	assert_null(source_server_new(&options, &err));
	assert_non_null(strstr(err.text, "hosst"));
	options.connect.conninfo = "postgresql://[::1/x";
	assert_null(source_server_new(&options, &err));
	assert_null(strchr(err.text, '\n'));
}

static void failures_are_one_clear_line(void **state)
{
	(void)state;
	struct server_options options = listener_options(server);
	options.connect.database = "nowhere";
	expect_failure(&options, "database \"nowhere\" does not exist");
	options = listener_options(server);
	options.connect.user = "nobody_at_all";
	expect_failure(&options, "role \"nobody_at_all\" does not exist");
	options = listener_options(server);
	options.connect.host = "/nonexistent";
	expect_failure(&options, "No such file or directory; ");
}

static void a_connection_string_connects(void **state)
{
	(void)state;
	char conninfo[256];
	snprintf(conninfo, sizeof conninfo, "host=%s dbname=postgres user=%s application_name=incident",
		 pgserver_socket(server), pgserver_user(server));
	struct server_options options = { .connect = { .conninfo = conninfo }, .interval = WHEN_SECOND };
	struct err err;
	struct listener listener = listener_of(source_server_new(&options, &err));
	const struct snapshot *snapshot = listener_refresh(&listener)->snapshot;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (snapshot->sessions[i].may == MAY_NOT_OWN)
			assert_string_equal(snapshot->sessions[i].application, "incident");
	listener_stop(&listener);
}

static void the_second_of_two_hosts_will_do(void **state)
{
	(void)state;
	char hosts[256];
	snprintf(hosts, sizeof hosts, "/nonexistent,%s", pgserver_socket(server));
	struct server_options options = listener_options(server);
	struct err err;
	options.connect.host = hosts;
	struct listener listener = listener_of(source_server_new(&options, &err));
	assert_string_equal(listener_refresh(&listener)->snapshot->server.host, pgserver_socket(server));
	listener_stop(&listener);
}

/* ---- passwords ---- */

static struct listener need_password(bool interactive)
{
	struct server_options options = listener_options(server);
	struct err err;
	options.connect.user = "needs_password";
	options.interactive = interactive;
	struct listener listener = listener_of(source_server_new(&options, &err));
	listener_await_state(&listener, SOURCE_PASSWORD);
	assert_false(listener.status.password_known);
	assert_string_equal(listener.status.user, "needs_password");
	return listener;
}

static void a_wrong_password_is_asked_for_again(void **state)
{
	(void)state;
	struct listener listener = need_password(false);
	listener.source->ops->give_password(listener.source, "wrong");
	do
		assert_int_not_equal(listener_hear(&listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	while (!listener.status.password_known);
	assert_int_equal(listener.status.state, SOURCE_PASSWORD);
	listener.source->ops->give_password(listener.source, "open sesame");
	listener_refresh(&listener);
	assert_string_equal(listener.frame->snapshot->role.name, "needs_password");
	listener_stop(&listener);
}

static void no_password_is_a_failure(void **state)
{
	(void)state;
	struct listener listener = need_password(true);
	listener.source->ops->give_password(listener.source, NULL);
	listener_await_state(&listener, SOURCE_FAILED);
	assert_non_null(strstr(listener.status.text, "no password"));
	listener_stop(&listener);
	struct server_options options = listener_options(server);
	options.connect.user = "needs_password";
	options.connect.never_prompt = true;
	expect_failure(&options, "no password");
}

/* Without asking again: the password went from the lost connection to the next. */
static void reconnects_with_the_password(void **state)
{
	(void)state;
	struct listener listener = need_password(true);
	listener.source->ops->give_password(listener.source, "open sesame");
	listener_refresh(&listener);
	pgserver_stop(server);
	listener_await_state(&listener, SOURCE_LOST);
	pgserver_start(server);
	listener_await_state(&listener, SOURCE_LIVE);
	listener_refresh(&listener);
	listener_stop(&listener);
}

/* ---- lost ---- */

static void a_restarted_server_is_another_epoch(void **state)
{
	(void)state;
	struct listener listener = listener_new(server, NULL, NULL);
	assert_int_equal(listener_refresh(&listener)->server_epoch, 1);
	pgserver_stop(server);
	listener_await_state(&listener, SOURCE_LOST);
	assert_true(listener.status.text[0] != '\0');
	assert_true(listener.status.retry_at != WHEN_NONE);
	int64_t since = listener.status.since;
	while (listener.status.attempt < 2)
		assert_int_not_equal(listener_hear(&listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	assert_int_equal(listener.status.state, SOURCE_LOST);
	assert_int_equal(listener.status.since, since);
	pgserver_start(server);
	listener_await_state(&listener, SOURCE_LIVE);
	assert_int_equal(listener_refresh(&listener)->server_epoch, 2);
	listener_stop(&listener);
}

static void the_same_server_is_the_same_epoch(void **state)
{
	(void)state;
	struct listener listener = listener_new(server, NULL, NULL);
	PGconn *admin = pgserver_connect(server, "postgres");
	listener_refresh(&listener);
	pgserver_run(admin, "select pg_terminate_backend(pid) from pg_stat_activity"
			    " where application_name = 'pglocktop'");
	listener_await_state(&listener, SOURCE_LOST);
	assert_non_null(strstr(listener.status.text, "terminating connection due to administrator command"));
	listener_await_state(&listener, SOURCE_LIVE);
	assert_int_equal(listener_refresh(&listener)->server_epoch, 1);
	PQfinish(admin);
	listener_stop(&listener);
}

static void signals_are_refused_while_it_is_lost(void **state)
{
	(void)state;
	struct listener listener = listener_new(server, NULL, NULL);
	PGconn *target = pgserver_connect(server, "postgres");
	listener_refresh(&listener);
	struct signal_request request = listener_request(&listener, target, SIGNAL_TERMINATE);
	pgserver_stop(server);
	listener_await_state(&listener, SOURCE_LOST);
	listener_send_signal(&listener, &request);
	listener_await_signal(&listener, SIGNAL_NOT_SENT);
	assert_non_null(strstr(listener.signal.text, "no connection"));
	listener_stop(&listener);
	PQfinish(target);
	pgserver_start(server);
}

static void a_silent_server_is_given_up(void **state)
{
	(void)state;
	struct server_options options = listener_options(server);
	struct server_limits limits = server_limits_default;
	struct err err;
	limits.silence = WHEN_SECOND / 2;
	struct listener listener = listener_of(server_new_with(&options, &limits, &err));
	PGconn *admin = pgserver_connect(server, "postgres");
	listener_refresh(&listener);
	pid_t backend = (pid_t)pgserver_number(admin, "select pid from pg_stat_activity"
						      " where application_name = 'pglocktop'");
	assert_int_equal(kill(backend, SIGSTOP), 0);
	listener_command(&listener, COMMAND_REFRESH);
	listener_await_state(&listener, SOURCE_LOST);
	assert_non_null(strstr(listener.status.text, "no byte"));
	listener_await_state(&listener, SOURCE_LIVE);
	assert_int_equal(kill(backend, SIGCONT), 0);
	PQfinish(admin);
	listener_stop(&listener);
}

/* ---- full ---- */

static void waits_for_a_free_slot(void **state)
{
	(void)state;
	PGconn *taken[10];
	for (int i = 0; i < 10; i++)
		taken[i] = pgserver_connect(server, "postgres");
	struct server_options options = listener_options(server);
	options.connect.user = "plain";
	expect_failure(&options, "remaining connection slots are reserved");
	struct listener listener = listener_new(server, NULL, "plain");
	listener_await_state(&listener, SOURCE_NO_SLOT);
	while (listener.status.attempt < 3)
		assert_int_not_equal(listener_hear(&listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	assert_int_equal(listener.status.state, SOURCE_NO_SLOT);
	PQfinish(taken[0]);
	listener_await_state(&listener, SOURCE_LIVE);
	listener_refresh(&listener);
	listener_stop(&listener);
	for (int i = 1; i < 10; i++)
		PQfinish(taken[i]);
}

/* ---- catalogs that are locked ---- */

static void an_open_source_hangs_on_no_catalog(void **state)
{
	static const char *const catalogs[] = { "pg_class",	   "pg_authid",		 "pg_database",	 "pg_proc",
						"pg_type",	   "pg_namespace",	 "pg_attribute", "pg_index",
						"pg_auth_members", "pg_db_role_setting", "pg_operator" };
	(void)state;
	struct listener as_superuser = listener_new(server, NULL, NULL);
	struct listener as_plain = listener_new(server, NULL, "plain");
	PGconn *locker = pgserver_connect(server, "postgres");
	listener_refresh(&as_superuser);
	listener_refresh(&as_plain);
	for (size_t i = 0; i < sizeof catalogs / sizeof *catalogs; i++) {
		char sql[128];
		snprintf(sql, sizeof sql, "begin; lock table pg_catalog.%s in access exclusive mode", catalogs[i]);
		pgserver_run(locker, sql);
		int64_t began = when_monotonic();
		listener_refresh(&as_superuser);
		listener_refresh(&as_plain);
		if (when_monotonic() - began > 2 * WHEN_SECOND)
			fail_msg("a refresh took too long while %s was locked", catalogs[i]);
		pgserver_run(locker, "rollback");
	}
	PQfinish(locker);
	listener_stop(&as_superuser);
	listener_stop(&as_plain);
}

static void a_locked_pg_authid_hangs_authentication(void **state)
{
	(void)state;
	PGconn *locker = pgserver_connect(server, "postgres");
	pgserver_run(locker, "begin; lock table pg_catalog.pg_authid in access exclusive mode");
	char port[] = "5432";
	char conninfo[256];
	snprintf(conninfo, sizeof conninfo, "host=%s port=%s user=%s dbname=postgres connect_timeout=2",
		 pgserver_socket(server), port, pgserver_user(server));
	struct server_options options = { .connect = { .conninfo = conninfo }, .interval = WHEN_SECOND };
	struct err err;
	expect_failure(&options, "authentication");
	options.interactive = true;
	struct listener listener = listener_of(source_server_new(&options, &err));
	listener_await_state(&listener, SOURCE_AUTHENTICATING);
	/* It stays with this one attempt, beyond the timeout, too. */
	int64_t until = when_monotonic() + 3 * WHEN_SECOND;
	while (listener_hear(&listener, until) != NEWS_NONE)
		assert_int_equal(listener.status.state, SOURCE_AUTHENTICATING);
	assert_int_equal(listener.status.attempt, 1);
	pgserver_run(locker, "rollback");
	listener_await_state(&listener, SOURCE_LIVE);
	listener_refresh(&listener);
	listener_stop(&listener);
	PQfinish(locker);
}

/* New connections do not hang on pg_type, their first statement does. */
static void a_locked_pg_type_hangs_the_first_statement(void **state)
{
	(void)state;
	PGconn *locker = pgserver_connect(server, "postgres");
	pgserver_run(locker, "begin; lock table pg_catalog.pg_type in access exclusive mode");
	struct server_options options = listener_options(server);
	struct server_limits limits = server_limits_default;
	struct err err;
	limits.first_statement = WHEN_SECOND;
	struct listener listener = listener_of(server_new_with(&options, &limits, &err));
	listener_await_state(&listener, SOURCE_WARMING);
	while (strcmp(listener.status.stage, "SELECT 1") != 0)
		assert_int_not_equal(listener_hear(&listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	pgserver_run(locker, "rollback");
	listener_await_state(&listener, SOURCE_LIVE);
	listener_stop(&listener);
	pgserver_run(locker, "begin; lock table pg_catalog.pg_type in access exclusive mode");
	options.interactive = false;
	listener = listener_of(server_new_with(&options, &limits, &err));
	listener_await_state(&listener, SOURCE_FAILED);
	assert_non_null(strstr(listener.status.text, "SELECT 1"));
	listener_stop(&listener);
	PQfinish(locker);
}

/* Later statements have the lock_timeout: they are tried again on the same connection. */
static void a_locked_pg_proc_is_waited_for(void **state)
{
	(void)state;
	PGconn *locker = pgserver_connect(server, "postgres");
	pgserver_run(locker, "begin; lock table pg_catalog.pg_proc in access exclusive mode");
	struct listener listener = listener_new(server, NULL, NULL);
	listener_await_state(&listener, SOURCE_WARMING);
	while (!strstr(listener.status.text, "lock timeout"))
		assert_int_not_equal(listener_hear(&listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	assert_true(listener.status.stage[0] != '\0');
	pgserver_run(locker, "rollback");
	listener_await_state(&listener, SOURCE_LIVE);
	listener_refresh(&listener);
	listener_stop(&listener);
	PQfinish(locker);
}

/* ---- what is no server ---- */

/* Accepts into its backlog and says nothing. */
static int silent_socket(char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void a_silent_socket_can_be_left_at_once(void **state)
{
	(void)state;
	char directory[] = "/tmp/pglocktop.XXXXXX", path[64];
	int fd = silent_socket(directory);
	struct server_options options = listener_options(server);
	struct err err;
	options.connect.host = directory;
	struct listener listener = listener_of(source_server_new(&options, &err));
	listener_await_state(&listener, SOURCE_AUTHENTICATING);
	int64_t began = when_monotonic();
	listener_stop(&listener);
	assert_true(when_monotonic() - began < 3 * WHEN_SECOND);
	close(fd);
	snprintf(path, sizeof path, "%s/.s.PGSQL.5432", directory);
	unlink(path);
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_options_are_an_error_at_once),
		cmocka_unit_test(failures_are_one_clear_line),
		cmocka_unit_test(a_connection_string_connects),
		cmocka_unit_test(the_second_of_two_hosts_will_do),
		cmocka_unit_test(a_wrong_password_is_asked_for_again),
		cmocka_unit_test(no_password_is_a_failure),
		cmocka_unit_test(waits_for_a_free_slot),
		cmocka_unit_test(an_open_source_hangs_on_no_catalog),
		cmocka_unit_test(a_locked_pg_authid_hangs_authentication),
		cmocka_unit_test(a_locked_pg_type_hangs_the_first_statement),
		cmocka_unit_test(a_locked_pg_proc_is_waited_for),
		cmocka_unit_test(a_silent_socket_can_be_left_at_once),
		cmocka_unit_test(a_silent_server_is_given_up),
		cmocka_unit_test(the_same_server_is_the_same_epoch),
		cmocka_unit_test(signals_are_refused_while_it_is_lost),
		cmocka_unit_test(a_restarted_server_is_another_epoch),
		cmocka_unit_test(reconnects_with_the_password),
	};
	return cmocka_run_group_tests(tests, start, end);
}
