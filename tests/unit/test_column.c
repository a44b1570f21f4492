#include "pglocktop/column.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ROW_XID 4711

static void assert_format(const struct column_row *row, enum column_id id, const char *wanted)
{
	struct strbuf text = STRBUF_INIT;
	column_format(&columns[id], row, false, &text);
	assert_string_equal(text.text, wanted);
	strbuf_release(&text);
}

static void assert_get(const struct column_row *row, enum column_id id, const char *wanted)
{
	struct strbuf text = STRBUF_INIT;
	struct column_value value = column_get(&columns[id], row, false, &text);
	assert_string_equal(text.text, wanted);
	assert_int_equal(value.known, *wanted != '\0');
	strbuf_release(&text);
}

static struct column_row row_of_pid(const struct frame *frame, int32_t pid)
{
	return column_row_of_session(frame, snapshot_find_pid(frame->snapshot, pid));
}

/* Names in options, filters and help: a row of the table each, and a text for each. */
static void test_table(void **state)
{
	(void)state;
	for (int i = 0; i < COLUMN_OF_SESSIONS; i++) {
		assert_int_equal(columns[i].id, i);
		assert_ptr_equal(column_find(columns[i].name), &columns[i]);
		assert_true(columns[i].help && *columns[i].help);
		assert_non_null(columns[i].get);
		for (const char *c = column_title(&columns[i], true); *c; c++)
			assert_true(*c >= ' ' && *c < 0x7f);
	}
}

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(column_find("BEHIND"), &columns[COLUMN_BEHIND]);
	assert_ptr_equal(column_find("query"), &columns[COLUMN_QUERY]);
	assert_ptr_equal(column_find("query_"), &columns[COLUMN_QUERY_AGE]);
	assert_ptr_equal(column_find("be"), &columns[COLUMN_BEHIND]);
	assert_null(column_find("b"));
	assert_null(column_find(""));
	assert_null(column_find("behinds"));
}

static void test_compare_texts(void **state)
{
	(void)state;
	static const char *const sorted[] = { "",	   "007 a",	    "7 a",	   "8 b",     "10.0.0.9",
					      "10.0.0.10", "8008 checkout", "8008 worker", "10017 x", "a",
					      "a2",	   "a10",	    "a10b",	   "b",	      "\xc3\xa4" };
	const size_t count = sizeof sorted / sizeof sorted[0];
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			int order = column_compare_texts(sorted[i], sorted[j]);
			if ((order < 0) != (i < j) || (order > 0) != (i > j))
				fail_msg("\"%s\" and \"%s\" give %d", sorted[i], sorted[j], order);
		}
	}
}

static void test_states(void **state)
{
	(void)state;
	const struct {
		enum session_state state;
		const char *word, *shown;
	} cases[] = {
		{ SESSION_ACTIVE, "active", "active 4m59s" },
		{ SESSION_IDLE, "idle", "idle 4m58s" },
		{ SESSION_IDLE_IN_TRANSACTION, "idle in txn", "idle in txn 4m58s" },
		{ SESSION_IDLE_IN_TRANSACTION_ABORTED, "aborted txn", "aborted txn 4m58s" },
		{ SESSION_FASTPATH, "function call", "function call 4m58s" },
		{ SESSION_DISABLED, "not tracked", "not tracked" },
		{ SESSION_STARTING, "starting", "starting 2h00m" },
		{ SESSION_HIDDEN, "", "?" },
		{ SESSION_NO_STATE, "", "-" },
	};
	struct frame *frame = fixture_new();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		fixture_session(frame, (int32_t)i + 1, "psql", cases[i].state);
	fixture_finish(frame);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct column_row row = row_of_pid(frame, (int32_t)i + 1);
		assert_get(&row, COLUMN_STATE, cases[i].word);
		assert_format(&row, COLUMN_STATE, cases[i].shown);
	}
	frame_free(frame);
}

static void test_state_of_background(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	struct session *writer = fixture_session(frame, 1, "", SESSION_NO_STATE);
	writer->user = NULL;
	writer->usesysid = 0;
	writer->backend_type = "walwriter";
	writer->wait_event_type = "Activity";
	writer->wait_event = "WalWriterMain";
	writer->query = NULL;
	struct session *odd = fixture_session(frame, 2, "", SESSION_OTHER);
	odd->state_text = "dreaming";
	fixture_finish(frame);
	struct column_row row = row_of_pid(frame, 1);
	assert_format(&row, COLUMN_STATE, "WalWriterMain");
	assert_format(&row, COLUMN_SESSION, "1 walwriter");
	assert_format(&row, COLUMN_USER, "-");
	assert_format(&row, COLUMN_WAIT_EVENT, "Activity/WalWriterMain");
	row = row_of_pid(frame, 2);
	assert_format(&row, COLUMN_STATE, "dreaming 4m58s");
	frame_free(frame);
}

static void test_session(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	fixture_session(frame, 1, "checkout", SESSION_ACTIVE);
	fixture_session(frame, 2, "", SESSION_ACTIVE);
	fixture_session(frame, 3, NULL, SESSION_ACTIVE)->user = NULL;
	fixture_finish(frame);
	struct column_row rows[] = { row_of_pid(frame, 1), row_of_pid(frame, 2), row_of_pid(frame, 3) };
	assert_format(&rows[0], COLUMN_SESSION, "1 checkout");
	assert_format(&rows[1], COLUMN_SESSION, "2 app");
	assert_format(&rows[2], COLUMN_SESSION, "3 client backend");
	assert_format(&rows[0], COLUMN_APPLICATION, "checkout");
	assert_format(&rows[1], COLUMN_APPLICATION, "-");
	assert_format(&rows[2], COLUMN_USER, "10"); /* the name is not known yet */
	assert_format(&rows[0], COLUMN_DATABASE, "shop");
	frame_free(frame);
}

/* "?" is what the role may not see, "-" what there is not. */
static void test_hidden_and_missing(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	for (int32_t pid = 1; pid <= 2; pid++) {
		struct session *session = fixture_session(frame, pid, "x", pid == 1 ? SESSION_HIDDEN : SESSION_IDLE);
		session->xact_start = WHEN_NONE;
		session->client = NULL;
		session->query = NULL;
		if (pid == 1)
			session->query_start = WHEN_NONE;
	}
	fixture_holds(frame, 3, fixture_xid(ROW_XID), LOCKMODE_EXCLUSIVE); /* no activity row */
	fixture_finish(frame);
	const enum column_id ids[] = { COLUMN_XACT, COLUMN_CLIENT, COLUMN_WAIT_EVENT, COLUMN_QUERY_AGE };
	struct column_row hidden = row_of_pid(frame, 1), idle = row_of_pid(frame, 2), unlisted = row_of_pid(frame, 3);
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		assert_format(&hidden, ids[i], "?");
		assert_format(&idle, ids[i], "-");
		assert_format(&unlisted, ids[i], "-");
	}
	assert_format(&hidden, COLUMN_QUERY, "?");
	assert_format(&idle, COLUMN_QUERY, "");
	assert_format(&unlisted, COLUMN_QUERY, "");
	assert_format(&unlisted, COLUMN_SESSION, "3");
	assert_format(&unlisted, COLUMN_STATE, "-");
	frame_free(frame);
}

static void test_query(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	fixture_session(frame, 1, "x", SESSION_ACTIVE);
	fixture_session(frame, 2, "x", SESSION_IDLE_IN_TRANSACTION);
	fixture_finish(frame);
	struct column_row active = row_of_pid(frame, 1), idle = row_of_pid(frame, 2);
	assert_format(&active, COLUMN_QUERY, "update orders set status = 'paid'");
	assert_format(&idle, COLUMN_QUERY, "last: update orders set status = 'paid'");
	assert_get(&idle, COLUMN_QUERY, "update orders set status = 'paid'");
	assert_format(&active, COLUMN_QUERY_AGE, "4m59s");
	assert_format(&active, COLUMN_XACT, "5m00s");
	frame_free(frame);
}

/* 1 holds, 2 and 3 wait; of 3 the server tells no wait start, and it is hidden besides. */
static struct frame *blocked_frame(void)
{
	struct frame *frame = fixture_new();
	fixture_session(frame, 1, "checkout", SESSION_IDLE_IN_TRANSACTION);
	fixture_session(frame, 2, "worker-1", SESSION_ACTIVE);
	fixture_session(frame, 3, "worker-2", SESSION_ACTIVE)->query_start = fixture_ago(3);
	fixture_holds(frame, 1, fixture_xid(ROW_XID), LOCKMODE_EXCLUSIVE);
	fixture_waits(frame, 2, fixture_xid(ROW_XID), LOCKMODE_SHARE, 280);
	fixture_waits(frame, 3, fixture_xid(ROW_XID), LOCKMODE_SHARE, -1);
	fixture_finish(frame);
	return frame;
}

static void test_waiting(void **state)
{
	(void)state;
	struct frame *frame = blocked_frame();
	struct column_row holder = row_of_pid(frame, 1), waiter = row_of_pid(frame, 2), old = row_of_pid(frame, 3);
	assert_format(&holder, COLUMN_STATE, "idle in txn 4m58s");
	assert_format(&waiter, COLUMN_STATE, "waits 4m40s");
	assert_format(&old, COLUMN_STATE, "waits ≤3s");
	struct strbuf ascii = STRBUF_INIT;
	column_format(&columns[COLUMN_STATE], &old, true, &ascii);
	assert_string_equal(ascii.text, "waits <=3s");
	strbuf_release(&ascii);
	assert_format(&holder, COLUMN_OBJECT, "● xid 4711");
	assert_get(&holder, COLUMN_OBJECT, "xid 4711");
	frame_free(frame);
}

static void test_tree_columns(void **state)
{
	(void)state;
	struct frame *frame = blocked_frame();
	struct arena arena = ARENA_INIT;
	struct forest *forest = forest_new(frame, (struct forest_order){ NULL, false }, &arena);
	assert_int_equal(forest->count, 3);
	struct column_row root = column_row_of_item(forest, 0), leaf = column_row_of_item(forest, 1);
	assert_format(&root, COLUMN_SESSION, "1 checkout");
	assert_format(&root, COLUMN_BLOCKS, "2");
	assert_format(&root, COLUMN_BEHIND, "4m40s");
	assert_format(&leaf, COLUMN_SESSION, "2 worker-1");
	assert_format(&leaf, COLUMN_BLOCKS, "0");
	assert_format(&leaf, COLUMN_BEHIND, "-");
	struct column_row flat = row_of_pid(frame, 1);
	assert_format(&flat, COLUMN_BLOCKS, "-"); /* not looked at in a tree */
	arena_release(&arena);
	frame_free(frame);
}

/* Two that wait for each other: what a member blocks is told by the group, not by a 0. */
static void test_cycle(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	struct arena arena = ARENA_INIT;
	for (int32_t pid = 1; pid <= 2; pid++) {
		fixture_session(frame, pid, "billing", SESSION_ACTIVE);
		fixture_holds(frame, pid, fixture_xid((uint32_t)pid), LOCKMODE_EXCLUSIVE);
		fixture_waits(frame, pid, fixture_xid((uint32_t)(3 - pid)), LOCKMODE_SHARE, pid);
	}
	fixture_finish(frame);
	struct forest *forest = forest_new(frame, (struct forest_order){ NULL, false }, &arena);
	assert_int_equal(forest->count, 3);
	struct column_row head = column_row_of_item(forest, 0), member = column_row_of_item(forest, 1);
	for (int i = 0; i < COLUMN_OF_SESSIONS; i++)
		if (i != COLUMN_BLOCKS && i != COLUMN_BEHIND)
			assert_format(&head, (enum column_id)i, i == COLUMN_QUERY ? "" : "-");
	assert_format(&member, COLUMN_BLOCKS, "-");
	assert_format(&member, COLUMN_STATE, forest->items[1].key.pid == 1 ? "waits 1s" : "waits 2s");
	assert_format(&member, COLUMN_BEHIND, forest->items[1].key.pid == 1 ? "2s" : "1s");
	arena_release(&arena);
	frame_free(frame);
}

static void test_prepared(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	struct arena arena = ARENA_INIT;
	fixture_prepared(frame, ROW_XID, "order-77", "5/87");
	fixture_session(frame, 2, "worker-1", SESSION_ACTIVE);
	fixture_waits(frame, 2, fixture_xid(ROW_XID), LOCKMODE_SHARE, 280);
	fixture_finish(frame);
	struct forest *forest = forest_new(frame, (struct forest_order){ NULL, false }, &arena);
	struct column_row row = column_row_of_item(forest, 0);
	assert_format(&row, COLUMN_SESSION, "2pc order-77");
	assert_format(&row, COLUMN_STATE, "prepared 10m00s");
	assert_format(&row, COLUMN_XACT, "10m00s");
	assert_format(&row, COLUMN_USER, "app");
	assert_format(&row, COLUMN_DATABASE, "shop");
	assert_format(&row, COLUMN_CLIENT, "-");
	assert_format(&row, COLUMN_QUERY, "");
	assert_format(&row, COLUMN_BLOCKS, "1");
	arena_release(&arena);
	frame_free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_compare_texts),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_state_of_background),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_hidden_and_missing),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_tree_columns),
		cmocka_unit_test(test_cycle),
		cmocka_unit_test(test_prepared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
