/* Names come on the side: they follow renames, wait for no lock, and those of another database only come when asked
 * for. */
#include "listener.h"
#include "pglocktop/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct pgserver *server;
static PGconn *admin;

static int start(void **state)
{
	(void)state;
	server = pgserver_new(NULL);
	admin = pgserver_connect(server, "postgres");
	pgserver_run(admin, "create role app login; create role guard login in role pg_monitor, pg_signal_backend");
	pgserver_run(admin, "create database shop");
	pgserver_run(admin, "create database latin encoding 'LATIN1' template template0");
	return 0;
}

static int end(void **state)
{
	(void)state;
	PQfinish(admin);
	pgserver_free(server);
	return 0;
}

/* Of the lock on a relation that this session holds; NULL: it holds none. */
static const struct lock *find_lock(const struct listener *listener, PGconn *holder)
{
	const struct snapshot *snapshot = listener->frame->snapshot;
	for (uint32_t i = 0; i < snapshot->lock_count; i++)
		if (snapshot->locks[i].pid == PQbackendPID(holder) && snapshot->locks[i].tag.kind == LOCKTAG_RELATION)
			return &snapshot->locks[i];
	return NULL;
}

struct naming {
	struct listener *listener;
	PGconn *holder;
	const char *name;
};

static bool is_named(const struct frame *frame, const void *argument)
{
	const struct naming *naming = argument;
	const struct lock *lock = find_lock(naming->listener, naming->holder);
	struct strbuf text = STRBUF_INIT;
	if (lock)
		object_describe(frame->snapshot, &lock->tag, &text);
	bool same = strcmp(text.text, naming->name) == 0;
	strbuf_release(&text);
	return same;
}

static void expect_name(struct listener *listener, PGconn *holder, const char *name)
{
	struct naming naming = { listener, holder, name };
	listener_select(listener, holder); /* nobody wants its locks: they are read of whom one looks at */
	listener_refresh_until(listener, is_named, &naming);
}

/* At once, in the first frame that has the lock. */
static void expect_oid(struct listener *listener, PGconn *holder, const char *database, const char *oid)
{
	char name[64];
	struct naming naming = { listener, holder, name };
	snprintf(name, sizeof name, "%s%s", database, oid);
	listener_select(listener, holder);
	listener_refresh(listener);
	if (!is_named(listener->frame, &naming))
		fail_msg("not named \"%s\"", name);
}

static void hold(PGconn *holder, const char *table)
{
	char sql[128];
	snprintf(sql, sizeof sql, "begin; lock table %s in share mode", table);
	pgserver_run(holder, sql);
}

/* A listener that has seen a session that locks a table, in that session's database. */
struct holding {
	PGconn *holder;
	struct listener listener;
};

static struct holding hold_in(const char *database, const char *create, const char *table)
{
	struct holding holding = { .holder = pgserver_connect(server, database) };
	if (create)
		pgserver_run(holding.holder, create);
	hold(holding.holder, table);
	holding.listener = listener_new(server, NULL, "guard");
	listener_select(&holding.listener, holding.holder);
	listener_refresh(&holding.listener);
	return holding;
}

static void let_go(struct holding *holding)
{
	listener_stop(&holding->listener);
	PQfinish(holding->holder);
}

/* Its look-up is asked for, and waits for this session. */
static PGconn *lock_catalog(struct holding *holding)
{
	PGconn *locker = pgserver_connect(server, "shop");
	pgserver_run(locker, "begin; lock table pg_catalog.pg_class in access exclusive mode");
	struct source_command command = { .kind = COMMAND_LOOKUP };
	command.database = listener_session(&holding->listener, holding->holder)->datid;
	holding->listener.source->ops->send(holding->listener.source, &command);
	return locker;
}

static void a_rename_is_noticed(void **state)
{
	(void)state;
	PGconn *holder = pgserver_connect(server, "postgres"), *waiter = pgserver_connect(server, "postgres");
	pgserver_run(admin, "create table before_rename (n int)");
	struct listener listener = listener_new(server, NULL, "guard");
	hold(holder, "before_rename");
	pgserver_send(waiter, "begin; lock table before_rename in access exclusive mode");
	pgserver_wait_blocked(admin, waiter);
	expect_name(&listener, holder, "table before_rename");
	/* The waiter fails then; the next one waits for the same table by its new name. */
	pgserver_run(holder, "alter table before_rename rename to \"After\"; commit");
	hold(holder, "\"After\"");
	PGconn *next = pgserver_connect(server, "postgres");
	pgserver_send(next, "begin; lock table \"After\" in access exclusive mode");
	pgserver_wait_blocked(admin, next);
	expect_name(&listener, holder, "table \"After\"");
	PQfinish(next);
	listener_stop(&listener);
	PQfinish(holder);
	PQfinish(waiter);
}

/* The frame does not wait for it, and the name is there soon after the lock has gone. */
static void a_name_that_cannot_be_had_is_filled_in_later(void **state)
{
	(void)state;
	PGconn *locker = pgserver_connect(server, "postgres"), *holder = pgserver_connect(server, "postgres");
	pgserver_run(admin, "create table nameless (n int)");
	char *oid = pgserver_value(admin, "select 'nameless'::regclass::oid");
	struct listener listener = listener_new(server, NULL, "guard");
	listener_refresh(&listener);
	hold(holder, "nameless");
	pgserver_run(locker, "begin; lock table pg_catalog.pg_class in access exclusive mode");
	expect_oid(&listener, holder, "rel ", oid);
	assert_true(listener.frame->snapshot->cost.round_trip < 5 * WHEN_SECOND);
	int64_t began = when_monotonic();
	for (int i = 0; i < 10; i++)
		listener_refresh(&listener);
	assert_true(when_monotonic() - began < 30 * WHEN_SECOND);
	pgserver_run(locker, "rollback");
	expect_name(&listener, holder, "table nameless");
	free(oid);
	listener_stop(&listener);
	PQfinish(locker);
	PQfinish(holder);
}

/* ---- another database ---- */

static void names_of_another_database_come_when_asked_for(void **state)
{
	(void)state;
	struct holding holding = hold_in("shop", "create table items (n int)", "items");
	char *oid = pgserver_value(holding.holder, "select 'items'::regclass::oid");
	expect_oid(&holding.listener, holding.holder, "shop:", oid);
	listener_look_up(&holding.listener, holding.holder, LOOKUP_DONE);
	assert_true(holding.listener.lookup.found >= 1);
	assert_string_equal(holding.listener.lookup.database, "shop");
	expect_name(&holding.listener, holding.holder, "table items in shop");
	/* Its connection is gone again. */
	pgserver_wait_until(admin, "select count(*) = 1 from pg_stat_activity where application_name = 'pglocktop'");
	free(oid);
	let_go(&holding);
}

static void names_in_another_encoding(void **state)
{
	(void)state;
	struct holding holding = hold_in("latin", "create table \"caf\xe9\" (n int)", "\"caf\xe9\"");
	listener_look_up(&holding.listener, holding.holder, LOOKUP_DONE);
	expect_name(&holding.listener, holding.holder, "table \"café\" in latin");
	let_go(&holding);
}

static void a_role_that_may_not_connect_is_told_so(void **state)
{
	(void)state;
	struct holding holding = hold_in("shop", NULL, "items");
	pgserver_run(admin, "revoke connect on database shop from public");
	listener_look_up(&holding.listener, holding.holder, LOOKUP_FAILED);
	assert_non_null(strstr(holding.listener.lookup.text, "permission denied for database"));
	listener_refresh(&holding.listener);
	pgserver_run(admin, "grant connect on database shop to public");
	let_go(&holding);
}

/* It has its time; after that no second one is begun, for as long as the first may hang on the server. */
static void a_locked_catalog_of_another_database(void **state)
{
	(void)state;
	struct holding holding = hold_in("shop", NULL, "items");
	struct listener *listener = &holding.listener;
	unsigned lookups = listener->lookups;
	PGconn *locker = lock_catalog(&holding);
	/* Refreshes and signals go on meanwhile. */
	PGconn *victim = pgserver_connect(server, "dbname=postgres user=app");
	listener_refresh(listener);
	struct signal_request request = listener_request(listener, victim, SIGNAL_TERMINATE);
	listener_send_signal(listener, &request);
	listener_await_signal(listener, SIGNAL_SENT);
	listener_await_signal(listener, SIGNAL_GONE);
	listener_await_lookup(listener, lookups, LOOKUP_FAILED);
	assert_non_null(strstr(listener->lookup.text, "no answer in 2 s"));
	listener_look_up(listener, holding.holder, LOOKUP_FAILED);
	assert_non_null(strstr(listener->lookup.text, "an earlier look-up still waits"));
	assert_int_equal(pgserver_number(admin, "select count(*) from pg_locks where not granted"), 1);
	lookups = listener->lookups;
	pgserver_run(locker, "rollback");
	listener_await_lookup(listener, lookups, LOOKUP_DONE);
	expect_name(listener, holding.holder, "table items in shop");
	PQfinish(victim);
	PQfinish(locker);
	let_go(&holding);
}

static void it_can_be_left_while_a_look_up_hangs(void **state)
{
	(void)state;
	struct holding holding = hold_in("shop", NULL, "items");
	PGconn *locker = lock_catalog(&holding);
	pgserver_wait_until(admin, "select exists (select from pg_locks where not granted)");
	int64_t began = when_monotonic();
	listener_stop(&holding.listener);
	assert_true(when_monotonic() - began < WHEN_SECOND);
	PQfinish(holding.holder);
	PQfinish(locker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rename_is_noticed),
		cmocka_unit_test(a_name_that_cannot_be_had_is_filled_in_later),
		cmocka_unit_test(names_of_another_database_come_when_asked_for),
		cmocka_unit_test(names_in_another_encoding),
		cmocka_unit_test(a_role_that_may_not_connect_is_told_so),
		cmocka_unit_test(a_locked_catalog_of_another_database),
		cmocka_unit_test(it_can_be_left_while_a_look_up_hangs),
	};
	return cmocka_run_group_tests(tests, start, end);
}
