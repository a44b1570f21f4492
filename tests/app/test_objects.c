/* The view of objects on a real queue, and what maintenance commands say of their progress. */
#include "stage.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { WITH_CREATE_INDEX = 120000 };

static const char *const settings[] = { "log_statement=all", "deadlock_timeout=600s", "max_prepared_transactions=2",
					"autovacuum=off", NULL };

static int open_stage(void **state)
{
	return stage_open_with(state, settings);
}

static const struct vt_options wide = { .columns = 200, .rows = 40 };

struct queue {
	PGconn *holder, *alter, *reader;
};

/* A table whose name would clear the screen; a prepared transaction and an idle one hold it, two stand in its queue. */
static struct queue make_queue(struct stage *stage)
{
	struct queue queue;
	queue.holder = stage_session(stage, "application_name=checkout");
	queue.alter = stage_session(stage, "application_name=migration");
	queue.reader = stage_session(stage, "application_name=report");
	pgserver_run(stage->admin, "create table \"x\033[2Jy\" (n int)");
	pgserver_run(queue.holder, "begin; insert into \"x\033[2Jy\" values (1); prepare transaction 'order-77'");
	pgserver_run(queue.holder, "begin; insert into \"x\033[2Jy\" values (2)");
	pgserver_send(queue.alter, "alter table \"x\033[2Jy\" add column more int");
	pgserver_wait_blocked(stage->admin, queue.alter);
	pgserver_send(queue.reader, "select count(*) from \"x\033[2Jy\"");
	pgserver_wait_blocked(stage->admin, queue.reader);
	pgserver_wait_until(stage->admin, "select min(clock_timestamp() - query_start) > '1s' from pg_stat_activity "
					  "where wait_event_type = 'Lock'");
	return queue;
}

static void end_queue(struct stage *stage, struct queue *queue)
{
	pgserver_run(queue->holder, "rollback");
	pgserver_run(stage->admin, "rollback prepared 'order-77'");
	PQclear(PQgetResult(queue->alter));
	PQclear(PQgetResult(queue->reader));
	pgserver_run(stage->admin, "drop table \"x\033[2Jy\"");
}

static void expect_pid(struct stage *stage, const char *before, PGconn *session, const char *after)
{
	char text[128];
	snprintf(text, sizeof text, "%s%d%s", before, PQbackendPID(session), after);
	stage_expect(stage, text);
}

static void shows_the_queue(void **state)
{
	struct stage *stage = *state;
	struct queue queue = make_queue(stage);
	stage_watch_with(stage, NULL, wide);
	vt_send(stage->vt, "3");
	stage_expect(stage, "HELD / WANTED");
	stage_expect(stage, "x\\x1b[2Jy");
	stage_expect(stage, "2pc order-77 holds");
	expect_pid(stage, "", queue.holder, " holds");
	expect_pid(stage, "", queue.alter, " 1st");
	expect_pid(stage, "", queue.reader, " 2nd");
	stage_expect(stage, "conflicts with 2 holders");
	expect_pid(stage, "only with ", queue.alter, " ahead of it");
	stage_quit(stage);
	end_queue(stage, &queue);
}

static void goes_to_the_object_and_back(void **state)
{
	struct stage *stage = *state;
	struct queue queue = make_queue(stage);
	stage_watch_with(stage, NULL, wide);
	stage_select(stage, queue.reader);
	vt_send(stage->vt, "o");
	stage_expect(stage, "HELD / WANTED");
	vt_send(stage->vt, "C");
	stage_expect(stage, "an object: choose one of the sessions beneath it");
	vt_send(stage->vt, "o");
	stage_expect_gone(stage, "HELD / WANTED");
	vt_send(stage->vt, "C");
	expect_pid(stage, "CANCEL ", queue.reader, " report");
	vt_send(stage->vt, "n");
	stage_expect_gone(stage, "any other key");
	stage_quit(stage);
	end_queue(stage, &queue);
}

static void cancels_in_the_queue(void **state)
{
	struct stage *stage = *state;
	struct queue queue = make_queue(stage);
	stage_watch_with(stage, NULL, wide);
	vt_send(stage->vt, "3");
	stage_expect(stage, "HELD / WANTED");
	stage_ask(stage, queue.alter, 'C');
	vt_send(stage->vt, "y");
	stage_expect(stage, "its query stopped after");
	PGresult *result = PQgetResult(queue.alter);
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
	PQclear(result);
	stage_expect(stage, "No session waits for a lock");
	stage_quit(stage);
	end_queue(stage, &queue);
}

/* ---- progress ---- */

/* The document's `progress` of a session. The caller's to json_decref. */
static json_t *take_progress(struct stage *stage, PGconn *session)
{
	static const char *const arguments[] = { "--once", "--format", "json", NULL };
	struct stage_output output;
	const json_t *one;
	json_t *progress = NULL;
	size_t index;
	assert_int_equal(stage_run(stage, arguments, &output), 0);
	json_t *document = json_loads(output.out, 0, NULL);
	assert_non_null(document);
	json_array_foreach(json_object_get(document, "sessions"), index, one)
	{
		if (json_integer_value(json_object_get(one, "pid")) == PQbackendPID(session))
			progress = json_incref(json_object_get(one, "progress"));
	}
	json_decref(document);
	stage_output_free(&output);
	assert_non_null(progress);
	return progress;
}

static void leave_details(struct stage *stage)
{
	vt_send(stage->vt, "q");
	stage_expect_gone(stage, "identity");
}

static const char *word_of(const json_t *progress, const char *name)
{
	const char *word = json_string_value(json_object_get(progress, name));
	return word ? word : "";
}

/* A cursor pins the table's only page, so that the vacuum stands still in the midst of it. */
static void tells_how_far_a_vacuum_is(void **state)
{
	struct stage *stage = *state;
	PGconn *reader = stage_session(stage, ""), *vacuum = stage_session(stage, "application_name=cleaner"),
	       *alter = stage_session(stage, "application_name=migration");
	pgserver_run(stage->admin,
		     "create table pinned as select 1 as n; delete from pinned; insert into pinned values (2)");
	pgserver_run(reader, "begin; declare c cursor for select * from pinned; fetch 1 from c");
	pgserver_send(vacuum, "vacuum (freeze) pinned");
	pgserver_wait_until(stage->admin,
			    "select exists (select from pg_stat_activity where wait_event = 'BufferPin')");
	pgserver_send(alter, "alter table pinned add column more int");
	pgserver_wait_blocked(stage->admin, alter);
	pgserver_wait_until(stage->admin, "select min(clock_timestamp() - query_start) > '1s' from pg_stat_activity "
					  "where wait_event_type = 'Lock'");
	json_t *progress = take_progress(stage, vacuum), *none = take_progress(stage, reader);
	assert_string_equal(word_of(progress, "command"), "vacuum");
	assert_string_equal(word_of(progress, "phase"), "scanning heap");
	assert_int_equal(json_integer_value(json_object_get(progress, "total")), 1);
	assert_int_equal(json_integer_value(json_object_get(progress, "relation")),
			 pgserver_number(stage->admin, "select 'pinned'::regclass::oid::int8"));
	assert_true(json_is_null(none));
	json_decref(progress);
	json_decref(none);
	stage_watch_with(stage, NULL, wide);
	stage_expect(stage, "% ● table pinned");
	stage_select(stage, vacuum);
	vt_send(stage->vt, "\r");
	stage_expect(stage, "vacuum: scanning heap");
	stage_expect(stage, ", on pinned (");
	leave_details(stage);
	stage_quit(stage);
	pgserver_run(reader, "rollback");
	PQclear(PQgetResult(vacuum));
	PQclear(PQgetResult(alter));
	pgserver_run(stage->admin, "drop table pinned");
}

/* It has built its index and waits for a snapshot that may still need what is not in it. */
static void tells_for_whom_an_index_waits(void **state)
{
	struct stage *stage = *state;
	PGconn *old = stage_session(stage, "application_name=old"),
	       *index = stage_session(stage, "application_name=ddl");
	if (PQserverVersion(stage->admin) < WITH_CREATE_INDEX)
		skip();
	pgserver_run(old, "begin isolation level repeatable read; select 1");
	pgserver_send(index, "create index concurrently orders_note on orders (note)");
	pgserver_wait_blocked(stage->admin, index);
	pgserver_wait_until(stage->admin, "select min(clock_timestamp() - query_start) > '1s' from pg_stat_activity "
					  "where wait_event_type = 'Lock'");
	json_t *progress = take_progress(stage, index);
	assert_string_equal(word_of(progress, "command"), "create index");
	assert_string_equal(word_of(progress, "phase"), "waits for old snapshots");
	assert_int_equal(json_integer_value(json_object_get(progress, "locker")), PQbackendPID(old));
	assert_int_equal(json_integer_value(json_object_get(progress, "lockers_total")), 1);
	assert_int_equal(json_integer_value(json_object_get(progress, "lockers_done")), 0);
	json_decref(progress);
	stage_watch_with(stage, NULL, wide);
	stage_expect(stage, "create index, 0 of 1 done → virtualxid");
	stage_select(stage, index);
	vt_send(stage->vt, "\r");
	expect_pid(stage, "waits for old snapshots, 0 of 1 done, now ", old, ", on orders");
	leave_details(stage);
	stage_quit(stage);
	pgserver_run(old, "rollback");
	PQclear(PQgetResult(index));
	pgserver_run(stage->admin, "drop index orders_note");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(shows_the_queue, stage_clear),
		cmocka_unit_test_teardown(goes_to_the_object_and_back, stage_clear),
		cmocka_unit_test_teardown(cancels_in_the_queue, stage_clear),
		cmocka_unit_test_teardown(tells_how_far_a_vacuum_is, stage_clear),
		cmocka_unit_test_teardown(tells_for_whom_an_index_waits, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_stage, stage_close);
}
