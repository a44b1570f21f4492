/* The tree of a real lock jam: what is shown, sorted, folded, filtered, and told in details. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const settings[] = { "log_statement=all", "deadlock_timeout=6s", NULL };

static int open_stage(void **state)
{
	return stage_open_with(state, settings);
}

struct forest_jam {
	PGconn *holder, *alter, *reader, *other_holder, *other_waiter;
};

/* holder <- alter <- reader, and beside them another pair. */
static struct forest_jam make_jam(struct stage *stage)
{
	struct forest_jam jam;
	jam.holder = stage_session(stage, "application_name=checkout");
	jam.alter = stage_session(stage, "application_name=migration");
	jam.reader = stage_session(stage, "application_name=report user=app");
	jam.other_holder = stage_session(stage, "application_name=batch");
	jam.other_waiter = stage_session(stage, "application_name=zebra user=app");
	pgserver_run(jam.holder, "begin; update orders set note = 'held' where id = 1");
	pgserver_send(jam.alter, "alter table orders add column if not exists more int");
	pgserver_wait_blocked(stage->admin, jam.alter);
	pgserver_send(jam.reader, "select count(*) from orders");
	pgserver_wait_blocked(stage->admin, jam.reader);
	pgserver_run(jam.other_holder, "select pg_advisory_lock(42)");
	pgserver_run(jam.other_holder, "begin");
	pgserver_send(jam.other_waiter, "select pg_advisory_lock(42)");
	pgserver_wait_blocked(stage->admin, jam.other_waiter);
	pgserver_wait_until(stage->admin, "select min(clock_timestamp() - query_start) > '1s' from pg_stat_activity "
					  "where wait_event_type = 'Lock'");
	return jam;
}

/* In the list: the line above it names sessions, too. */
static bool find_row(struct vt *vt, const char *text, int *row)
{
	enum { TITLES = 3, LAST = 38 };
	for (*row = TITLES + 1; *row < LAST; ++*row)
		if (strstr(vt_row(vt, *row), text))
			return true;
	return false;
}

static int row_of(struct stage *stage, const char *text)
{
	int row;
	if (!find_row(stage->vt, text, &row))
		fail_msg("\"%s\" is not in the list; the screen is\n%s", text, vt_text(stage->vt));
	return row;
}

static bool is_above(struct vt *vt, void *context)
{
	const char *const *texts = context;
	int first, second;
	return find_row(vt, texts[0], &first) && find_row(vt, texts[1], &second) && first < second;
}

static void expect_above(struct stage *stage, const char *first, const char *second)
{
	const char *texts[] = { first, second };
	if (!vt_wait(stage->vt, is_above, texts, VT_PATIENCE_MS))
		fail_msg("\"%s\" is not above \"%s\"; the screen is\n%s", first, second, vt_text(stage->vt));
}

static void shows_who_waits_for_whom(void **state)
{
	struct stage *stage = *state;
	make_jam(stage);
	stage_watch(stage, NULL);
	stage_expect(stage, "WAITING 3");
	stage_expect(stage, "╌"); /* the server is asked about the queue's order when the first screen is there */
	expect_above(stage, "batch", "zebra"); /* the last that are drawn */
	int checkout = row_of(stage, "checkout"), migration = row_of(stage, "migration"),
	    report = row_of(stage, "report");
	assert_int_equal(migration, checkout + 1);
	assert_int_equal(report, checkout + 2);
	assert_int_equal(row_of(stage, "zebra"), row_of(stage, "batch") + 1);
	assert_non_null(strstr(vt_row(stage->vt, migration), "└"));
	assert_non_null(strstr(vt_row(stage->vt, migration), "orders"));
	assert_non_null(strstr(vt_row(stage->vt, report), "╌")); /* it waits behind one who merely waits */
	assert_non_null(strstr(vt_row(stage->vt, checkout), "idle in txn"));
	stage_quit(stage);
}

static void sorts(void **state)
{
	static const char *const arguments[] = { "--sort", "-session", NULL };
	struct stage *stage = *state;
	make_jam(stage);
	stage_watch(stage, NULL);
	expect_above(stage, "checkout", "batch");
	vt_send(stage->vt, "s");
	stage_expect(stage, "sort by");
	vt_send(stage->vt, "\003");
	stage_expect_gone(stage, "sort by");
	vt_send(stage->vt, "s");
	stage_expect(stage, "sort by");
	vt_send(stage->vt, "\033[B\r");
	stage_expect_gone(stage, "sort by");
	stage_quit(stage);
	stage_watch(stage, arguments);
	expect_above(stage, "batch", "checkout");
	vt_send(stage->vt, "I");
	expect_above(stage, "checkout", "batch");
	stage_quit(stage);
}

static void folds(void **state)
{
	struct stage *stage = *state;
	struct forest_jam jam = make_jam(stage);
	stage_watch(stage, NULL);
	stage_select(stage, jam.holder);
	vt_send(stage->vt, "h");
	stage_expect_gone(stage, "alter table");
	stage_expect(stage, "zebra");
	vt_send(stage->vt, "l");
	stage_expect(stage, "alter table");
	stage_quit(stage);
}

static void filters_and_keeps_who_is_around(void **state)
{
	struct stage *stage = *state;
	make_jam(stage);
	stage_watch(stage, NULL);
	vt_send(stage->vt, "fzebra\r");
	stage_expect_gone(stage, "alter table");
	stage_expect(stage, "batch");
	stage_expect(stage, "WAITING 3");
	vt_send(stage->vt, "f\025\r");
	stage_expect(stage, "alter table");
	vt_send(stage->vt, "f(\r");
	stage_expect(stage, "missing");
	vt_send(stage->vt, "\003");
	stage_expect(stage, "alter table");
	vt_send(stage->vt, "/repo.t\r");
	stage_expect(stage, "/    -");
	vt_send(stage->vt, "K");
	stage_expect(stage, "TERMINATE");
	stage_expect(stage, "report (app@postgres");
	vt_send(stage->vt, "n");
	stage_expect(stage, "left");
	stage_quit(stage);
}

static void tells_all_about_a_session(void **state)
{
	struct stage *stage = *state;
	struct forest_jam jam = make_jam(stage);
	stage_watch(stage, NULL);
	stage_select(stage, jam.alter);
	vt_send(stage->vt, "\r");
	stage_expect(stage, "alter table orders add column if not exists more int");
	stage_expect(stage, "AccessExclusive");
	stage_open_question(stage, 'C');
	stage_expect(stage, "CANCEL");
	stage_expect(stage, "any other key");
	vt_send(stage->vt, "y");
	stage_expect(stage, "its query stopped after");
	PGresult *result = PQgetResult(jam.alter);
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
	PQclear(result);
}

/* Who fails and when follows from when the waits began, which servers tell since 14. */
static void expect_prediction(struct stage *stage, PGconn *victim)
{
	char text[32];
	if (PQserverVersion(stage->admin) < 140000) {
		assert_false(vt_find(stage->vt, "ends it in about", NULL, NULL));
		assert_false(vt_find(stage->vt, "failing", NULL, NULL));
		return;
	}
	stage_expect(stage, "the server ends it in about");
	snprintf(text, sizeof text, "probably by failing %d", PQbackendPID(victim));
	assert_true(vt_find(stage->vt, text, NULL, NULL));
}

static void follows_a_deadlock_to_its_end(void **state)
{
	struct stage *stage = *state;
	PGconn *first = stage_session(stage, "application_name=alice"),
	       *second = stage_session(stage, "application_name=bob");
	pgserver_run(first, "begin; update orders set note = '1' where id = 1");
	pgserver_run(second, "begin; update orders set note = '2' where id = 2");
	static const char *const arguments[] = { "-i", "0.2", NULL };
	stage_watch(stage, arguments);
	pgserver_send(first, "update orders set note = '1' where id = 2");
	pgserver_wait_blocked(stage->admin, first);
	pgserver_send(second, "update orders set note = '2' where id = 1");
	stage_expect(stage, "DEADLOCK of 2: nothing to do, the server ends it");
	expect_prediction(stage, first);
	stage_expect(stage, "DEADLOCK of 2, over since");
	PGresult *result = PQgetResult(first);
	assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
	assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "40P01");
	PQclear(result);
	pgserver_run(first, "rollback");
	stage_expect(stage, "deadlocks +1");
	stage_quit(stage);
}

static void says_that_nobody_waits(void **state)
{
	struct stage *stage = *state;
	struct forest_jam jam = make_jam(stage);
	stage_watch(stage, NULL);
	stage_expect(stage, "WAITING 3");
	pgserver_run(jam.holder, "rollback");
	pgserver_run(jam.other_holder, "rollback; select pg_advisory_unlock_all()");
	stage_expect(stage, "No session waits for a lock");
	stage_expect(stage, "last block:");
	stage_quit(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(shows_who_waits_for_whom, stage_clear),
		cmocka_unit_test_teardown(sorts, stage_clear),
		cmocka_unit_test_teardown(folds, stage_clear),
		cmocka_unit_test_teardown(filters_and_keeps_who_is_around, stage_clear),
		cmocka_unit_test_teardown(tells_all_about_a_session, stage_clear),
		cmocka_unit_test_teardown(follows_a_deadlock_to_its_end, stage_clear),
		cmocka_unit_test_teardown(says_that_nobody_waits, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_stage, stage_close);
}
