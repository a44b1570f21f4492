/* A standby: its lag, its recovery as blocker and as waiter, and what it waits for that is no lock. */
#include "document.h"

#include "pglocktop/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The stage is the standby; its primary is beside it. */
struct pair {
	struct stage stage; /* first: cmocka's state serves the stage's functions, too */
	struct pgserver *primary;
	PGconn *source; /* a session of the primary */
};

enum { NO_CONFLICT_EVENTS_BEFORE = 130000 };

static int open_pair(void **state)
{
	struct pair *pair = calloc(1, sizeof *pair);
	if (!pair)
		return -1;
	pair->primary = pgserver_new(NULL);
	pair->stage.server = pgserver_new_standby(pair->primary, NULL);
	pair->stage.admin = pgserver_connect(pair->stage.server, "dbname=postgres application_name=admin");
	pair->source = pgserver_connect(pair->primary, "dbname=postgres");
	pgserver_run(pair->source, "create role plain login; create table orders (id int primary key, note text);"
				   "insert into orders select n, '' from generate_series(1, 20) n");
	*state = pair;
	return 0;
}

static int close_pair(void **state)
{
	struct pair *pair = *state;
	PQfinish(pair->source);
	PQfinish(pair->stage.admin);
	pgserver_free(pair->stage.server);
	pgserver_free(pair->primary);
	free(pair);
	return 0;
}

static int clear_pair(void **state)
{
	struct pair *pair = *state;
	if (PQtransactionStatus(pair->source) != PQTRANS_IDLE && PQstatus(pair->source) == CONNECTION_OK)
		pgserver_run(pair->source, "rollback");
	return stage_clear(state);
}

/* Until the standby has replayed all that the primary has done. */
static void catch_up(struct pair *pair)
{
	char sql[128], *end = pgserver_value(pair->source, "select pg_current_wal_insert_lsn()");
	pgserver_run(pair->source, "create table flushed (); drop table flushed");
	snprintf(sql, sizeof sql, "select pg_last_wal_replay_lsn() >= '%s'", end);
	pgserver_wait_until(pair->stage.admin, sql);
	free(end);
}

static void set_delay(struct pair *pair, const char *delay)
{
	char sql[160];
	snprintf(sql, sizeof sql, "alter system set max_standby_streaming_delay = '%s'", delay);
	pgserver_run(pair->stage.admin, sql);
	pgserver_run(pair->stage.admin, "select pg_reload_conf()");
	snprintf(sql, sizeof sql, "select current_setting('max_standby_streaming_delay') = '%s'", delay);
	pgserver_wait_until(pair->stage.admin, sql);
}

static int startup_pid(struct pair *pair)
{
	return (int)pgserver_number(pair->stage.admin,
				    "select pid from pg_stat_activity where backend_type = 'startup'");
}

static void expect_blockers(const json_t *session, const char *list, int pid)
{
	char text[256], wanted[16];
	document_format_pids(json_object_get(session, list), text, sizeof text);
	snprintf(wanted, sizeof wanted, "%d", pid);
	assert_string_equal(text, wanted);
}

/* ---- the lag ---- */

static void has_no_lag_while_the_primary_is_idle(void **state)
{
	struct pair *pair = *state;
	set_delay(pair, "-1");
	catch_up(pair);
	pgserver_wait_until(pair->stage.admin, "select clock_timestamp() - pg_last_xact_replay_timestamp() > '1s'");
	json_t *document = document_take_plain(&pair->stage);
	const json_t *server = json_object_get(document, "server");
	assert_true(json_is_true(json_object_get(server, "in_recovery")));
	assert_true(json_is_true(json_object_get(server, "receives_wal")));
	assert_true(json_number_value(json_object_get(server, "replay_lag")) == 0);
	assert_true(json_number_value(json_object_get(server, "max_standby_delay")) == -1);
	json_decref(document);
	static const char *const arguments[] = { NULL };
	stage_watch(&pair->stage, arguments);
	stage_expect(&pair->stage, "standby, no replay lag");
	stage_quit(&pair->stage);
}

/* What is asked of a standby, every role may ask. */
static void tells_the_lag_to_a_role_without_rights(void **state)
{
	static const char *const arguments[] = { "--once", "--format", "json", "-U", "plain", NULL };
	struct pair *pair = *state;
	catch_up(pair);
	json_t *document = document_take(&pair->stage, arguments);
	const json_t *server = json_object_get(document, "server");
	assert_true(json_is_true(json_object_get(server, "receives_wal")));
	assert_true(json_is_number(json_object_get(server, "replay_lag")));
	json_decref(document);
}

/* The primary goes away: what the standby has is all replayed, and yet nobody knows how far behind it is. */
static void does_not_claim_to_be_up_to_date_alone(void **state)
{
	static const char *const arguments[] = { NULL };
	struct pair *pair = *state;
	catch_up(pair);
	PQfinish(pair->source);
	pgserver_stop(pair->primary);
	pgserver_wait_until(pair->stage.admin, "select not exists (select from pg_stat_get_wal_receiver() w "
					       "where w.pid is not null)");
	stage_watch(&pair->stage, arguments);
	stage_expect(&pair->stage, "standby, no WAL receiver, replayed up to");
	stage_quit(&pair->stage);
	pgserver_start(pair->primary);
	pair->source = pgserver_connect(pair->primary, "dbname=postgres");
	pgserver_wait_until(pair->stage.admin, "select w.pid is not null from pg_stat_get_wal_receiver() w");
}

/* ---- recovery and locks ---- */

/* The primary's transaction takes a table for itself, and the standby has replayed that or tries to. */
static void lock_on_primary(struct pair *pair)
{
	char sql[160];
	pgserver_run(pair->source, "begin; lock table orders in access exclusive mode; select txid_current()");
	/* A running transaction's record gets to the standby with the next that is flushed. */
	PGconn *other = pgserver_connect(pair->primary, "dbname=postgres");
	pgserver_run(other, "create table flushed (); drop table flushed");
	PQfinish(other);
	snprintf(sql, sizeof sql,
		 "select exists (select from pg_locks where pid = %d and relation = 'orders'::regclass "
		 "and mode = 'AccessExclusiveLock')",
		 startup_pid(pair));
	pgserver_wait_until(pair->stage.admin, sql);
}

/* Its type is hidden from them, and its locks give it away. */
static void expect_recovery_known_to_all(struct pair *pair, PGconn *waiter, const char *words)
{
	static const char *const arguments[] = { "--once", "--format", "json", "-U", "plain", NULL };
	json_t *document = document_take(&pair->stage, arguments);
	const json_t *startup = document_session(document, startup_pid(pair));
	assert_true(json_is_null(json_object_get(startup, "backend_type")));
	assert_non_null(strstr(json_string_value(json_object_get(json_object_get(startup, "may"), "why_not")), words));
	expect_blockers(document_session(document, PQbackendPID(waiter)), "blocked_by", startup_pid(pair));
	json_decref(document);
}

static void names_recovery_as_the_blocker(void **state)
{
	struct pair *pair = *state;
	struct stage *stage = &pair->stage;
	set_delay(pair, "-1");
	catch_up(pair);
	lock_on_primary(pair);
	PGconn *reader = stage_session(stage, "application_name=reader");
	pgserver_send(reader, "select from orders");
	pgserver_wait_blocked(stage->admin, reader);
	pgserver_wait_until(stage->admin, "select bool_and(clock_timestamp() - query_start > '1s') "
					  "from pg_stat_activity where application_name = 'reader'");
	json_t *document = document_take_plain(stage);
	expect_blockers(document_session(document, PQbackendPID(reader)), "blocked_by", startup_pid(pair));
	const json_t *may = json_object_get(document_session(document, startup_pid(pair)), "may");
	assert_false(json_is_true(json_object_get(may, "terminate")));
	assert_non_null(strstr(json_string_value(json_object_get(may, "why_not")),
			       "recovery: cannot be signalled; end the transaction on the primary"));
	json_decref(document);
	expect_recovery_known_to_all(pair, reader, "is the startup process. recovery: cannot be signalled");
	static const char *const arguments[] = { NULL };
	stage_watch_with(stage, arguments, (struct vt_options){ .columns = 200, .rows = 30 });
	stage_expect(stage, "recovery: cannot be signalled; end");
	vt_send(stage->vt, "gK");
	stage_expect(stage,
		     "is the startup process. recovery: cannot be signalled; end the transaction on the primary");
	stage_quit(stage);
}

static void names_whom_recovery_waits_for(void **state)
{
	struct pair *pair = *state;
	struct stage *stage = &pair->stage;
	char sql[64];
	set_delay(pair, "-1");
	catch_up(pair);
	PGconn *report = stage_session(stage, "application_name=report");
	PGconn *reader = stage_session(stage, "application_name=reader");
	pgserver_run(report, "begin; select from orders");
	lock_on_primary(pair);
	pgserver_send(reader, "select from orders");
	pgserver_wait_blocked(stage->admin, reader);
	pgserver_wait_until(stage->admin, "select bool_and(clock_timestamp() - query_start > '1s') "
					  "from pg_stat_activity where application_name = 'reader'");
	json_t *document = document_take_plain(stage);
	const json_t *startup = document_session(document, startup_pid(pair));
	expect_blockers(startup, "blocked_by", PQbackendPID(report));
	assert_string_equal(json_string_value(json_object_get(json_object_get(startup, "waits_for"), "mode")),
			    "AccessExclusiveLock");
	expect_blockers(document_session(document, PQbackendPID(reader)), "blocked_by", startup_pid(pair));
	snprintf(sql, sizeof sql, "select (pg_blocking_pids(%d))[1]", PQbackendPID(reader));
	assert_int_equal(pgserver_number(stage->admin, sql), startup_pid(pair));
	json_decref(document);
	expect_recovery_known_to_all(pair, reader, "is the startup process. recovery waits; the server");
	static const char *const arguments[] = { NULL };
	stage_watch_with(stage, arguments, (struct vt_options){ .columns = 200, .rows = 30 });
	stage_expect(stage, "recovery waits; the server");
	vt_send(stage->vt, "gjC");
	stage_expect(stage, "recovery waits; the server never cancels its blocker: max_standby_streaming_delay is -1");
	set_delay(pair, "1h");
	vt_send(stage->vt, "\r");
	stage_expect(stage,
		     "recovery waits; the server cancels its blocker within max_standby_streaming_delay (1h00m)");
	vt_send(stage->vt, "\033");
	stage_expect(stage, "BEHIND");
	stage_quit(stage);
}

/* ---- recovery and what is no lock ---- */

/* Until 12 a standby shows nothing of it but that it does not get on. */
static void names_the_old_snapshots_that_recovery_waits_for(void **state)
{
	struct pair *pair = *state;
	struct stage *stage = &pair->stage;
	char wanted[96];
	set_delay(pair, "-1");
	catch_up(pair);
	PGconn *report = stage_session(stage, "application_name=report");
	pgserver_run(report, "begin isolation level repeatable read; select from orders");
	pgserver_run(pair->source, "update orders set note = note || 'x'");
	pgserver_run(pair->source, "vacuum orders");
	pgserver_run(pair->source, "insert into orders values (1000, '')");
	pgserver_run(pair->source, "delete from orders where id = 1000");
	pgserver_wait_until(stage->admin, "select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() "
					  "and clock_timestamp() - pg_last_xact_replay_timestamp() > '1s'");
	json_t *document = document_take_plain(stage);
	const json_t *server = json_object_get(document, "server");
	assert_true(json_number_value(json_object_get(server, "replay_lag")) > 0.9);
	assert_int_equal(json_array_size(json_object_get(document_session(document, startup_pid(pair)), "blocked_by")),
			 0);
	json_decref(document);
	static const char *const arguments[] = { NULL };
	stage_watch_with(stage, arguments, (struct vt_options){ .columns = 200, .rows = 30 });
	stage_expect(stage, "s behind");
	if (PQserverVersion(stage->admin) >= NO_CONFLICT_EVENTS_BEFORE) {
		snprintf(wanted, sizeof wanted, "old snapshots (%d?)", PQbackendPID(report));
		stage_expect(stage, wanted);
		vt_send(stage->vt, "gK");
		stage_expect(stage, "recovery waits; the server never cancels its blocker");
	}
	stage_quit(stage);
}

/* A cursor stands on a page that the primary's vacuum has cleaned of a row that nobody could ever see. */
static void says_that_recovery_waits_for_a_pin(void **state)
{
	struct pair *pair = *state;
	struct stage *stage = &pair->stage;
	set_delay(pair, "-1");
	pgserver_run(pair->source, "create table pages (id int); insert into pages values (1), (2)");
	pgserver_run(pair->source, "begin; insert into pages values (3); rollback");
	catch_up(pair);
	PGconn *report = stage_session(stage, "application_name=report");
	pgserver_run(report, "begin; declare c cursor for select id from pages; fetch 1 from c");
	pgserver_run(pair->source, "vacuum pages");
	pgserver_wait_until(stage->admin, "select exists (select from pg_stat_activity where backend_type = 'startup' "
					  "and wait_event_type = 'BufferPin')");
	static const char *const arguments[] = { NULL };
	stage_watch_with(stage, arguments, (struct vt_options){ .columns = 200, .rows = 30 });
	stage_expect(stage, "buffer pin (holder unknown)");
	stage_quit(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(has_no_lag_while_the_primary_is_idle, clear_pair),
		cmocka_unit_test_teardown(tells_the_lag_to_a_role_without_rights, clear_pair),
		cmocka_unit_test_teardown(does_not_claim_to_be_up_to_date_alone, clear_pair),
		cmocka_unit_test_teardown(names_recovery_as_the_blocker, clear_pair),
		cmocka_unit_test_teardown(names_whom_recovery_waits_for, clear_pair),
		cmocka_unit_test_teardown(names_the_old_snapshots_that_recovery_waits_for, clear_pair),
		cmocka_unit_test_teardown(says_that_recovery_waits_for_a_pin, clear_pair),
	};
	return cmocka_run_group_tests(tests, open_pair, close_pair);
}
