/* No free connection slot: which of the limits it is, what would mend it, and how many slots there are for whom. */
#include "listener.h"

#include "pglocktop/totals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 12, RESERVED_SINCE = 160000, WALSENDERS_APART_SINCE = 120000 };

static struct pgserver *server;
static PGconn *admin;
static int version;
static PGconn *taken[ALL];
static unsigned taken_count;

static int start(void **state)
{
	static const char *const settings[] = { "max_connections=12", "superuser_reserved_connections=3",
						"max_wal_senders=2", NULL };
	(void)state;
	server = pgserver_new(settings);
	admin = pgserver_connect(server, "postgres");
	version = PQserverVersion(admin);
	pgserver_run(admin, "create role plain login; create role app login;"
			    "create role favoured login; create role limited login connection limit 1");
	if (version >= RESERVED_SINCE) {
		pgserver_run(admin, "grant pg_use_reserved_connections to favoured");
		pgserver_run(admin, "alter system set reserved_connections = 2");
		PQfinish(admin);
		pgserver_stop(server);
		pgserver_start(server);
		admin = pgserver_connect(server, "postgres");
	}
	pgserver_run(admin, "create database limited connection limit 1");
	return 0;
}

static int end(void **state)
{
	(void)state;
	PQfinish(admin);
	pgserver_free(server);
	return 0;
}

static int give_back(void **state)
{
	(void)state;
	while (taken_count > 0)
		PQfinish(taken[--taken_count]);
	pgserver_wait_until(admin, "select count(*) = 1 from pg_stat_activity where backend_type = 'client backend'");
	return 0;
}

static void take(const char *options)
{
	taken[taken_count++] = pgserver_connect(server, options);
}

/* The admin has one, and `left` are left over all. */
static void take_all_but(unsigned left)
{
	while (taken_count < ALL - 1 - left)
		take("dbname=postgres");
}

static void expect_refused(const char *user, const char *database, const char *words, const char *mend)
{
	struct server_options options = listener_options(server);
	struct err err;
	options.interactive = false;
	options.connect.user = user;
	options.connect.database = database;
	struct listener listener = listener_of(source_server_new(&options, &err));
	listener_await_state(&listener, SOURCE_FAILED);
	const char *text = listener.status.text;
	if (!strstr(text, words) || !strstr(text, mend) || strchr(text, '\n'))
		fail_msg("refused with: %s", text);
	listener_stop(&listener);
}

static void gets_in(const char *user)
{
	struct listener listener = listener_new(server, NULL, user);
	listener_refresh(&listener);
	listener_stop(&listener);
	pgserver_wait_until(admin, "select not exists (select from pg_stat_activity"
				   " where application_name = 'pglocktop')");
}

static void superusers_keep_some(void **state)
{
	(void)state;
	take_all_but(3);
	bool by_role = version >= RESERVED_SINCE;
	expect_refused("plain", "postgres", "remaining connection slots are reserved for",
		       by_role ? "GRANT pg_use_reserved_connections" : "only a superuser gets in");
	expect_refused("favoured", "postgres", by_role ? "SUPERUSER" : "non-replication superuser",
		       "only a superuser gets in");
	gets_in(pgserver_user(server));
}

static void reserved_connections_are_for_whom_they_are_granted_to(void **state)
{
	(void)state;
	if (version < RESERVED_SINCE)
		skip();
	take_all_but(5);
	expect_refused("plain", "postgres", "privileges of the \"pg_use_reserved_connections\" role",
		       "GRANT pg_use_reserved_connections to a DBA's role lets it in");
	gets_in("favoured");
}

static void all_are_taken(void **state)
{
	(void)state;
	take_all_but(0);
	expect_refused(pgserver_user(server), "postgres", "too many clients already", "raise max_connections");
}

static void a_databases_limit(void **state)
{
	(void)state;
	take("dbname=limited user=app");
	expect_refused("plain", "limited", "too many connections for database", "connect to another database");
	gets_in("plain");
}

static void a_roles_limit(void **state)
{
	(void)state;
	take("dbname=postgres user=limited");
	expect_refused("limited", "postgres", "too many connections for role", "raise the role's CONNECTION LIMIT");
}

/* On a terminal it is tried again, whichever limit it is. */
static void it_is_tried_again(void **state)
{
	(void)state;
	take("dbname=limited user=app");
	struct listener listener = listener_new(server, "limited", "plain");
	listener_await_state(&listener, SOURCE_NO_SLOT);
	assert_non_null(strstr(listener.status.text, "connect to another database"));
	int64_t began = when_monotonic();
	unsigned attempt = listener.status.attempt;
	while (listener.status.attempt < attempt + 2)
		assert_int_not_equal(listener_hear(&listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	assert_true(when_monotonic() - began >= 8 * WHEN_SECOND / 10);
	PQfinish(taken[--taken_count]);
	listener_await_state(&listener, SOURCE_LIVE);
	listener_stop(&listener);
}

static void slots_are_counted(void **state)
{
	(void)state;
	char options[128];
	snprintf(options, sizeof options, "dbname=postgres replication=true user=%s", pgserver_user(server));
	take(options);
	take("dbname=postgres user=app");
	struct listener listener = listener_new(server, NULL, NULL);
	const struct frame *frame = listener_refresh(&listener);
	int reserved = version >= RESERVED_SINCE ? 5 : 3;
	assert_int_equal(frame->snapshot->server.max_connections, ALL);
	assert_int_equal(frame->snapshot->server.slots_for_all, ALL - reserved);
	/* The admin, app, this one; until 11 a walsender takes such a slot, too. */
	assert_int_equal(totals_of(frame).connections, version < WALSENDERS_APART_SINCE ? 4 : 3);
	listener_stop(&listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(superusers_keep_some, give_back),
		cmocka_unit_test_teardown(reserved_connections_are_for_whom_they_are_granted_to, give_back),
		cmocka_unit_test_teardown(all_are_taken, give_back),
		cmocka_unit_test_teardown(a_databases_limit, give_back),
		cmocka_unit_test_teardown(a_roles_limit, give_back),
		cmocka_unit_test_teardown(it_is_tried_again, give_back),
		cmocka_unit_test_teardown(slots_are_counted, give_back),
	};
	return cmocka_run_group_tests(tests, start, end);
}
