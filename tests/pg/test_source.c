/* The live source against a real server: what is in its frames. */
#include "listener.h"
#include "server_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct pgserver *server;

static int start(void **state)
{
	static const char *const settings[] = { "deadlock_timeout=7s", "track_activity_query_size=16384", NULL };
	(void)state;
	server = pgserver_new_with(
		settings, "create table orders (id int primary key, note text);"
			  "insert into orders values (1, 'a'), (2, 'b'); grant all on orders to public;"
			  "create schema \"My Shop\"; create table \"My Shop\".\"Select\" (id int primary key);"
			  "create role plain login; create role seer login in role pg_monitor;"
			  "create role app login");
	return 0;
}

static int end(void **state)
{
	(void)state;
	pgserver_free(server);
	return 0;
}

static void is_live_with_a_frame(void **state)
{
	(void)state;
	struct listener listener = listener_new(server, NULL, NULL);
	int64_t began = when_monotonic();
	while (listener.frames == 0)
		assert_int_not_equal(listener_hear(&listener, began + 10 * WHEN_SECOND), NEWS_NONE);
	assert_int_equal(listener.status.state, SOURCE_LIVE);
	const struct snapshot *snapshot = listener.frame->snapshot;
	assert_int_equal(listener.frame->server_epoch, 1);
	assert_int_equal(listener.frame->serial, 1);
	assert_string_equal(snapshot->server.host, pgserver_socket(server));
	assert_string_equal(snapshot->server.database, "postgres");
	assert_true(snapshot->server.version_num >= 100000);
	assert_int_equal(snapshot->server.deadlock_timeout, 7 * WHEN_SECOND);
	assert_int_equal(snapshot->server.max_connections, 100);
	assert_int_equal(snapshot->server.slots_for_all, 97);
	assert_false(snapshot->server.pooled);
	assert_non_null(snapshot->server.system_identifier);
	assert_true(snapshot->server.started_at < snapshot->taken_at);
	assert_true(snapshot->role.known && snapshot->role.superuser && snapshot->role.sees_all);
	assert_string_equal(snapshot->role.name, pgserver_user(server));
	assert_true(snapshot->deadlocks >= 0);
	assert_true(snapshot->cost.server > 0 && snapshot->cost.client > 0 && snapshot->cost.round_trip > 0);
	assert_int_equal(snapshot->cost.lock_rows, snapshot->lock_count);
	listener_stop(&listener);
}

static void knows_its_own_session(void **state)
{
	(void)state;
	struct listener listener = listener_new(server, NULL, NULL);
	const struct snapshot *snapshot = listener_refresh(&listener)->snapshot;
	unsigned own = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		if (session->may != MAY_NOT_OWN)
			continue;
		own++;
		assert_string_equal(session->application, "pglocktop");
		assert_string_equal(session->client, "local");
		assert_true(session->is_client);
	}
	assert_int_equal(own, 1);
	listener_stop(&listener);
}

static bool somebody_waits(const struct frame *frame, const void *argument)
{
	return frame->graph->waiting_sessions >= *(const uint32_t *)argument;
}

static void sees_who_blocks_whom(void **state)
{
	(void)state;
	PGconn *holder = pgserver_connect(server, "dbname=postgres application_name=holder");
	PGconn *waiter = pgserver_connect(server, "dbname=postgres application_name=waiter user=app");
	struct listener listener = listener_new(server, NULL, NULL);
	const uint32_t one = 1;
	pgserver_run(holder, "begin; update orders set note = 'x' where id = 1");
	pgserver_send(waiter, "update orders set note = 'y' where id = 1");
	struct frame *frame = listener_refresh_until(&listener, somebody_waits, &one);
	const struct session *session = listener_session(&listener, waiter);
	assert_string_equal(session->application, "waiter");
	assert_string_equal(session->user, "app");
	assert_string_equal(session->database, "postgres");
	assert_string_equal(session->wait_event_type, "Lock");
	assert_int_equal(session->state, SESSION_ACTIVE);
	assert_string_equal(session->query_with_literals, "update orders set note = 'y' where id = 1");
	assert_int_equal(listener_session(&listener, holder)->state, SESSION_IDLE_IN_TRANSACTION);
	uint32_t node = graph_find_pid(frame->graph, PQbackendPID(waiter));
	struct graph_blocker blocker;
	assert_int_equal(graph_blockers(frame->graph, node, &blocker, 1), 1);
	assert_int_equal(blocker.kind, EDGE_HARD);
	assert_int_equal(blocker.node, graph_find_pid(frame->graph, PQbackendPID(holder)));
	PQfinish(holder);
	PQfinish(waiter);
	listener_stop(&listener);
}

static bool order_is_certain(const struct frame *frame, const void *argument)
{
	uint32_t node = graph_find_pid(frame->graph, PQbackendPID((PGconn *)(uintptr_t)argument));
	struct graph_blocker blocker;
	return node != GRAPH_NONE && graph_blockers(frame->graph, node, &blocker, 1) == 1 && blocker.kind == EDGE_SOFT;
}

/* The SELECT waits behind the ALTER that waits: only the server knows the order, and it was asked. */
static void asks_for_the_order_of_a_queue(void **state)
{
	(void)state;
	PGconn *holder = pgserver_connect(server, "postgres");
	PGconn *alter = pgserver_connect(server, "postgres");
	PGconn *reader = pgserver_connect(server, "postgres");
	PGconn *observer = pgserver_connect(server, "postgres");
	struct listener listener = listener_new(server, NULL, NULL);
	pgserver_run(holder, "begin; select * from orders");
	pgserver_send(alter, "alter table orders add column more int");
	pgserver_wait_blocked(observer, alter);
	pgserver_send(reader, "select * from orders");
	pgserver_wait_blocked(observer, reader);
	struct frame *frame = listener_refresh_until(&listener, order_is_certain, reader);
	assert_true(frame->snapshot->answer_count > 0);
	assert_int_equal(frame->graph->waiting_sessions, 2);
	PQfinish(alter);
	PQfinish(holder);
	PQfinish(reader);
	pgserver_run(observer, "alter table orders drop column if exists more");
	PQfinish(observer);
	listener_stop(&listener);
}

/* --once waits until the order is settled in its very first frame. */
static void settles_before_the_first_frame_of_once(void **state)
{
	(void)state;
	PGconn *holder = pgserver_connect(server, "postgres");
	PGconn *alter = pgserver_connect(server, "postgres");
	PGconn *reader = pgserver_connect(server, "postgres");
	PGconn *observer = pgserver_connect(server, "postgres");
	pgserver_run(holder, "begin; select * from orders");
	pgserver_send(alter, "alter table orders add column more int");
	pgserver_wait_blocked(observer, alter);
	pgserver_send(reader, "select * from orders");
	pgserver_wait_blocked(observer, reader);
	struct server_options options = listener_options(server);
	struct err err;
	options.once = true;
	options.interactive = false;
	struct listener listener = listener_of(source_server_new(&options, &err));
	int64_t deadline = when_monotonic() + 30 * WHEN_SECOND;
	while (listener.frames == 0)
		assert_int_not_equal(listener_hear(&listener, deadline), NEWS_NONE);
	assert_true(order_is_certain(listener.frame, reader));
	assert_non_null(snapshot_find_relation(listener.frame->snapshot, listener_session(&listener, reader)->datid,
					       listener.frame->graph->locks[0].tag->relation));
	listener_stop(&listener);
	PQfinish(alter);
	PQfinish(holder);
	PQfinish(reader);
	pgserver_run(observer, "alter table orders drop column if exists more");
	PQfinish(observer);
}

static const struct relation_name *find_name(const struct snapshot *snapshot, const char *name)
{
	for (uint32_t i = 0; i < snapshot->relation_count; i++)
		if (strcmp(snapshot->relations[i].name, name) == 0)
			return &snapshot->relations[i];
	return NULL;
}

static bool knows_relation(const struct frame *frame, const void *name)
{
	return find_name(frame->snapshot, name) != NULL;
}

static uint32_t fastpath_rows(const struct listener *listener, PGconn *conn)
{
	const struct snapshot *snapshot = listener->frame->snapshot;
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++)
		count += snapshot->locks[i].fastpath && snapshot->locks[i].pid == PQbackendPID(conn);
	return count;
}

/* They cannot block anybody, so they are asked for only where they are shown. */
static void fastpath_rows_come_of_the_selected_session(void **state)
{
	(void)state;
	PGconn *one = pgserver_connect(server, "postgres");
	PGconn *other = pgserver_connect(server, "postgres");
	struct listener listener = listener_new(server, NULL, NULL);
	pgserver_run(one, "begin; select * from orders");
	pgserver_run(other, "begin; select * from orders");
	listener_refresh(&listener);
	assert_int_equal(fastpath_rows(&listener, one), 0);
	listener_select(&listener, one);
	listener_refresh(&listener);
	assert_true(fastpath_rows(&listener, one) > 0);
	assert_int_equal(fastpath_rows(&listener, other), 0);
	PQfinish(one);
	PQfinish(other);
	listener_stop(&listener);
}

static int sent_whole(PGconn *reader, const char *since, int32_t pid)
{
	const char *values[] = { "false", NULL, since };
	const struct query *query = query_find(QUERY_CHANGES, PQserverVersion(reader));
	PGresult *result = PQexecParams(reader, query->text, 3, query->params, values, NULL, NULL, 0);
	int sent = 0;
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	for (int i = 0; i < PQntuples(result); i++)
		sent += atoi(PQgetvalue(result, i, 0)) == pid && !PQgetisnull(result, i, SESSION_COLUMNS_MOVING);
	PQclear(result);
	return sent;
}

static void expect_query(struct listener *listener, PGconn *conn, const char *query)
{
	assert_string_equal(listener_session(listener, conn)->query_with_literals, query);
}

/* Sent whole once, and kept for as long as the session reports nothing else. */
static void sessions_come_whole_when_they_are_new(void **state)
{
	(void)state;
	PGconn *session = pgserver_connect(server, "postgres"), *reader = pgserver_connect(server, "postgres");
	struct listener listener = listener_new(server, NULL, NULL);
	pgserver_run(session, "select 'one'");
	for (int i = 0; i < 3; i++) {
		listener_refresh(&listener);
		expect_query(&listener, session, "select 'one'");
	}
	pgserver_run(session, "select 'two'");
	listener_refresh(&listener);
	expect_query(&listener, session, "select 'two'");
	assert_int_equal(sent_whole(reader, "-infinity", PQbackendPID(session)), 1);
	assert_int_equal(sent_whole(reader, "infinity", PQbackendPID(session)), 0);
	PQfinish(session);
	PQfinish(reader);
	listener_stop(&listener);
}

/* One statement, from one lock to the next: it reports nothing, and yet is not what it was. */
static void what_changes_without_a_report_shows(void **state)
{
	(void)state;
	PGconn *observer = pgserver_connect(server, "postgres"), *holder = pgserver_connect(server, "postgres");
	PGconn *session = pgserver_connect(server, "postgres");
	struct listener listener = listener_new(server, NULL, NULL);
	pgserver_run(holder, "select pg_advisory_lock(98), pg_advisory_lock(99)");
	pgserver_send(session, "do $$ begin perform pg_advisory_xact_lock(98);"
			       " perform set_config('application_name', 'second part', false);"
			       " perform txid_current(); perform pg_advisory_xact_lock(99); end $$");
	pgserver_wait_blocked(observer, session);
	for (int i = 0; i < 3; i++)
		listener_refresh(&listener);
	const struct session *before = listener_session(&listener, session);
	int64_t reported = before->state_change;
	assert_null(before->application);
	assert_int_equal(before->backend_xid, 0);
	pgserver_run(holder, "select pg_advisory_unlock(98)");
	pgserver_wait_until(observer, "select exists (select from pg_stat_activity where"
				      " application_name = 'second part' and wait_event_type = 'Lock')");
	listener_refresh(&listener);
	const struct session *after = listener_session(&listener, session);
	assert_true(after->state_change == reported);
	assert_string_equal(after->application, "second part");
	assert_int_not_equal(after->backend_xid, 0);
	assert_non_null(strstr(after->query_with_literals, "advisory_xact_lock(98)"));
	assert_string_equal(after->client, "local");
	PQfinish(session);
	PQfinish(holder);
	PQfinish(observer);
	listener_stop(&listener);
}

static void names_relations(void **state)
{
	(void)state;
	PGconn *holder = pgserver_connect(server, "postgres");
	struct listener listener = listener_new(server, NULL, NULL);
	pgserver_run(holder,
		     "begin; lock table \"My Shop\".\"Select\"; select * from \"My Shop\".\"Select\" where id = 1;"
		     " lock table orders; lock table pg_database in access share mode");
	listener_select(&listener, holder);
	struct frame *frame = listener_refresh_until(&listener, knows_relation, "\"My Shop\".\"Select\"");
	assert_non_null(find_name(frame->snapshot, "orders"));
	const struct relation_name *index = find_name(frame->snapshot, "\"My Shop\".\"Select_pkey\"");
	assert_non_null(index);
	assert_int_equal(index->kind, 'i');
	assert_string_equal(index->table, "\"My Shop\".\"Select\"");
	const struct relation_name *shared = find_name(frame->snapshot, "pg_catalog.pg_database");
	assert_non_null(shared);
	assert_int_equal(shared->database, 0);
	PQfinish(holder);
	listener_stop(&listener);
}

static void names_a_toast_table_by_its_table(void **state)
{
	(void)state;
	PGconn *holder = pgserver_connect(server, "postgres");
	struct listener listener = listener_new(server, NULL, NULL);
	char *lock = pgserver_value(holder, "select 'begin; select count(*) from ' || reltoastrelid::regclass"
					    " from pg_class where relname = 'orders'");
	char *toast = pgserver_value(holder, "select reltoastrelid::regclass from pg_class where relname = 'orders'");
	pgserver_run(holder, lock);
	listener_select(&listener, holder);
	struct frame *frame = listener_refresh_until(&listener, knows_relation, toast);
	const struct relation_name *name = find_name(frame->snapshot, toast);
	assert_int_equal(name->kind, 't');
	assert_string_equal(name->table, "orders");
	free(lock);
	free(toast);
	PQfinish(holder);
	listener_stop(&listener);
}

static bool has_prepared(const struct frame *frame, const void *gid)
{
	const struct snapshot *snapshot = frame->snapshot;
	for (uint32_t i = 0; i < snapshot->prepared_count; i++)
		if (strcmp(snapshot->prepared[i].gid, gid) == 0)
			return snapshot->prepared[i].owner != NULL && snapshot->prepared[i].database != NULL;
	return false;
}

static void connects_prepared_transactions_with_their_locks(void **state)
{
	(void)state;
	PGconn *session = pgserver_connect(server, "postgres");
	PGconn *waiter = pgserver_connect(server, "postgres");
	struct listener listener = listener_new(server, NULL, NULL);
	const uint32_t one = 1;
	pgserver_run(session, "begin");
	pgserver_run(session, "update orders set note = '2pc' where id = 2");
	pgserver_run(session, "prepare transaction 'order-77'");
	pgserver_send(waiter, "update orders set note = 'w' where id = 2");
	listener_refresh_until(&listener, somebody_waits, &one);
	struct frame *frame = listener_refresh_until(&listener, has_prepared, "order-77");
	uint32_t node = graph_find_pid(frame->graph, PQbackendPID(waiter));
	struct graph_blocker blocker;
	assert_int_equal(graph_blockers(frame->graph, node, &blocker, 1), 1);
	assert_int_equal(frame->graph->nodes[blocker.node].session, SNAPSHOT_NO_INDEX);
	assert_int_equal(frame->graph->nodes[blocker.node].prepared, 0);
	pgserver_run(session, "rollback prepared 'order-77'");
	PQfinish(session);
	PQfinish(waiter);
	listener_stop(&listener);
}

/* ---- encodings ---- */

static bool decodes_query(const char *encoding, const char *bytes, const char *wanted)
{
	PGconn *admin = pgserver_connect(server, "postgres");
	char sql[256], options[64];
	snprintf(sql, sizeof sql, "create database d_%s encoding '%s' template template0", encoding, encoding);
	pgserver_run(admin, sql);
	snprintf(options, sizeof options, "dbname=d_%s", encoding);
	for (char *c = options; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	PGconn *session = pgserver_connect(server, options);
	snprintf(sql, sizeof sql, "select '%s'", bytes);
	pgserver_run(session, sql);
	struct listener listener = listener_new(server, NULL, NULL);
	listener_refresh(&listener);
	const char *query = listener_session(&listener, session)->query_with_literals;
	snprintf(sql, sizeof sql, "select '%s'", wanted);
	bool same = query && strcmp(query, sql) == 0;
	if (!same)
		print_error("%s: %s\n", encoding, query ? query : "(none)");
	listener_stop(&listener);
	PQfinish(session);
	PQfinish(admin);
	return same;
}

static void decodes_each_session_by_its_database(void **state)
{
	(void)state;
	assert_true(decodes_query("UTF8", "na\xc3\xafve \xe2\x82\xac", "na\xc3\xafve \xe2\x82\xac"));
	assert_true(decodes_query("LATIN1", "na\xefve \xa3", "na\xc3\xafve \xc2\xa3"));
	assert_true(decodes_query("EUC_JP", "\xc6\xfc\xcb\xdc", "\xe6\x97\xa5\xe6\x9c\xac"));
	assert_true(decodes_query("SQL_ASCII", "\xff\xc3\xaf", "\\xff\xc3\xaf"));
}

/* ---- what a role may see ---- */

static void a_plain_role_sees_the_graph_but_no_identity(void **state)
{
	(void)state;
	PGconn *holder = pgserver_connect(server, "postgres");
	PGconn *waiter = pgserver_connect(server, "postgres");
	PGconn *same = pgserver_connect(server, "dbname=postgres user=plain");
	struct listener listener = listener_new(server, NULL, "plain");
	const uint32_t one = 1;
	pgserver_run(holder, "begin; update orders set note = 'x' where id = 1");
	pgserver_send(waiter, "update orders set note = 'y' where id = 1");
	struct frame *frame = listener_refresh_until(&listener, somebody_waits, &one);
	const struct session *hidden = listener_session(&listener, holder);
	assert_int_equal(hidden->state, SESSION_HIDDEN);
	assert_null(hidden->query_with_literals);
	assert_true(hidden->is_client);
	assert_int_equal(hidden->id.backend_start, WHEN_NONE);
	assert_int_equal(hidden->may, MAY_NOT_SUPERUSER); /* which no GRANT would change: said first */
	assert_int_equal(listener_session(&listener, same)->may, MAY_SIGNAL);
	assert_true(frame->snapshot->role.known);
	assert_false(frame->snapshot->role.sees_all);
	assert_false(frame->snapshot->role.signals_others);
	PQfinish(holder);
	PQfinish(waiter);
	PQfinish(same);
	listener_stop(&listener);
}

static void pg_monitor_sees_all_and_signals_its_own(void **state)
{
	(void)state;
	PGconn *other = pgserver_connect(server, "dbname=postgres user=app");
	PGconn *superuser = pgserver_connect(server, "postgres");
	struct listener listener = listener_new(server, NULL, "seer");
	pgserver_run(other, "select 1");
	struct frame *frame = listener_refresh(&listener);
	assert_true(frame->snapshot->role.sees_all);
	assert_false(frame->snapshot->role.signals_others);
	assert_string_equal(listener_session(&listener, other)->query_with_literals, "select 1");
	assert_int_equal(listener_session(&listener, other)->may, MAY_NOT_MEMBER);
	assert_int_equal(listener_session(&listener, superuser)->may, MAY_NOT_SUPERUSER);
	PQfinish(other);
	PQfinish(superuser);
	listener_stop(&listener);
}

/* ---- commands ---- */

static void freezes_and_thaws(void **state)
{
	(void)state;
	struct listener listener = listener_new(server, NULL, NULL);
	struct source_command often = { .kind = COMMAND_INTERVAL, .interval = WHEN_SECOND / 10 };
	listener_refresh(&listener);
	listener.source->ops->send(listener.source, &often);
	listener_command(&listener, COMMAND_FREEZE);
	listener_await_state(&listener, SOURCE_FROZEN);
	unsigned frames = listener.frames;
	assert_int_equal(listener_hear(&listener, when_monotonic() + WHEN_SECOND / 2), NEWS_NONE);
	assert_int_equal(listener.frames, frames);
	listener_command(&listener, COMMAND_THAW);
	listener_await_state(&listener, SOURCE_LIVE);
	assert_int_equal(listener.status.interval, WHEN_SECOND / 10);
	while (listener.frames < frames + 3)
		assert_int_not_equal(listener_hear(&listener, when_monotonic() + 30 * WHEN_SECOND), NEWS_NONE);
	listener_stop(&listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_live_with_a_frame),
		cmocka_unit_test(knows_its_own_session),
		cmocka_unit_test(sees_who_blocks_whom),
		cmocka_unit_test(asks_for_the_order_of_a_queue),
		cmocka_unit_test(settles_before_the_first_frame_of_once),
		cmocka_unit_test(fastpath_rows_come_of_the_selected_session),
		cmocka_unit_test(sessions_come_whole_when_they_are_new),
		cmocka_unit_test(what_changes_without_a_report_shows),
		cmocka_unit_test(names_relations),
		cmocka_unit_test(names_a_toast_table_by_its_table),
		cmocka_unit_test(connects_prepared_transactions_with_their_locks),
		cmocka_unit_test(decodes_each_session_by_its_database),
		cmocka_unit_test(a_plain_role_sees_the_graph_but_no_identity),
		cmocka_unit_test(pg_monitor_sees_all_and_signals_its_own),
		cmocka_unit_test(freezes_and_thaws),
	};
	return cmocka_run_group_tests(tests, start, end);
}
