/* A snapshot as a table and as a graph, for other programs: what is quoted, what is inert, what is masked. */
#include "batch_csv.h"
#include "batch_dot.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct charset unicode = { .unicode = true };

/* 8008 has a table, 8017 waits for it, 8020 behind that one; 8100 and 8101 have nothing to do with it. */
static struct frame *jam(void)
{
	struct frame *frame = fixture_new();
	fixture_session(frame, 8008, "check,out", SESSION_IDLE_IN_TRANSACTION);
	fixture_session(frame, 8017, "=cmd|' /C calc'!A1", SESSION_ACTIVE);
	fixture_session(frame, 8020, "a\"b\\\n\x1b[31m\xe2\x80\xae", SESSION_ACTIVE);
	fixture_session(frame, 8100, "report", SESSION_IDLE)->client = NULL;
	fixture_session(frame, 8101, "hidden", SESSION_HIDDEN)->query_with_literals = NULL;
	fixture_holds(frame, 8008, fixture_relation(7), LOCKMODE_ROW_EXCLUSIVE);
	fixture_waits(frame, 8017, fixture_relation(7), LOCKMODE_ACCESS_EXCLUSIVE, 5.25);
	fixture_waits(frame, 8020, fixture_relation(7), LOCKMODE_ACCESS_SHARE, 4);
	fixture_finish(frame);
	return frame;
}

static char *as_csv(struct frame *frame, const bool *selected)
{
	struct arena arena = ARENA_INIT;
	struct strbuf out = STRBUF_INIT;
	batch_add_csv(forest_new(frame, (struct forest_order){ NULL, false }, &arena), selected, unicode, &out);
	arena_release(&arena);
	return strbuf_detach(&out);
}

static void expect_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in\n%s", part, text);
}

static void expect_inert(const char *text)
{
	for (const char *at = text; *at; at++)
		assert_true((unsigned char)*at >= ' ' || *at == '\n');
	assert_null(strstr(text, "\xe2\x80\xae"));
}

static unsigned count_lines(const char *text)
{
	unsigned count = 0;
	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static void a_table_has_every_session_the_tree_first(void **state)
{
	struct frame *frame = jam();
	char *text = as_csv(frame, NULL);
	(void)state;
	assert_int_equal(count_lines(text), 6);
	expect_inert(text);
	expect_part(text, "id,parent,frees,blocks,behind,session,state,state_age,object,xact,user,database,client,"
			  "wait_event,query_age,query,application\n8008@");
	expect_part(text, ",,1,2,5.250000,\"8008 check,out\",\"idle in txn\",298.000000,");
	expect_part(text, "\n8017@2026-11-22T12:32:07.123456+00:00,8008@2026-11-22T12:32:07.123456+00:00,");
	expect_part(text, ",waits,5.250000,");
	expect_part(text, ",\"update orders set status = 'paid'\",\"'=cmd|' /C calc'!A1\"\n");
	expect_part(text, "\n8020@2026-11-22T12:32:07.123456+00:00,8017@");
	expect_part(text, ",\"a\"\"b\\");
	expect_part(text, "\n8101@2026-11-22T12:32:07.123456+00:00,,,,,\"8101 hidden\",?,,");
	free(text);
	frame_free(frame);
}

static void a_table_has_those_who_are_selected(void **state)
{
	struct frame *frame = jam();
	bool selected[5] = { false };
	(void)state;
	selected[snapshot_find_pid(frame->snapshot, 8017)] = true;
	selected[snapshot_find_pid(frame->snapshot, 8100)] = true;
	char *text = as_csv(frame, selected);
	assert_int_equal(count_lines(text), 3);
	expect_part(text, "\n8017@");
	expect_part(text, "\n8100@");
	free(text);
	frame_free(frame);
}

static void a_graph_has_an_arrow_for_each_edge(void **state)
{
	struct frame *frame = jam();
	struct strbuf out = STRBUF_INIT;
	(void)state;
	batch_add_dot(frame, false, unicode, &out);
	expect_inert(out.text);
	expect_part(out.text, "digraph pglocktop {\n");
	expect_part(out.text, "  n0 [label=\"8008 check,out\\nidle in txn 4m58s\\n");
	expect_part(out.text, "8020 a\\\"b\\\\");
	expect_part(out.text, "  n1 -> n0 [style=solid];\n");
	expect_part(out.text, "  n2 -> n1 [style=dotted];\n");
	assert_null(strstr(out.text, "n2 -> n0"));
	assert_null(strstr(out.text, "8100"));
	strbuf_release(&out);
	frame_free(frame);
}

static void neither_has_a_masked_literal(void **state)
{
	struct frame *frame = jam();
	struct strbuf out = STRBUF_INIT;
	(void)state;
	frame->shows_literals = false;
	batch_add_dot(frame, false, unicode, &out);
	expect_part(out.text, "update orders set status = ?");
	assert_null(strstr(out.text, "paid"));
	char *text = as_csv(frame, NULL);
	expect_part(text, "update orders set status = ?");
	assert_null(strstr(text, "paid"));
	free(text);
	strbuf_release(&out);
	frame_free(frame);
}

static void not_all_arrows_are_drawn(void **state)
{
	struct frame *frame = fixture_new();
	struct strbuf out = STRBUF_INIT;
	(void)state;
	for (int i = 0; i < 40; i++) {
		fixture_session(frame, 8000 + i, "reader", SESSION_ACTIVE);
		fixture_holds(frame, 8000 + i, fixture_relation(7), LOCKMODE_ACCESS_SHARE);
	}
	fixture_session(frame, 9000, "migration", SESSION_ACTIVE);
	fixture_waits(frame, 9000, fixture_relation(7), LOCKMODE_ACCESS_EXCLUSIVE, 5);
	fixture_finish(frame);
	batch_add_dot(frame, false, unicode, &out);
	expect_part(out.text, "  n40 [xlabel=\"+8 further blockers\"];\n");
	strbuf_reset(&out);
	batch_add_dot(frame, true, unicode, &out);
	assert_null(strstr(out.text, "further"));
	strbuf_release(&out);
	frame_free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_has_every_session_the_tree_first),
		cmocka_unit_test(a_table_has_those_who_are_selected),
		cmocka_unit_test(a_graph_has_an_arrow_for_each_edge),
		cmocka_unit_test(neither_has_a_masked_literal),
		cmocka_unit_test(not_all_arrows_are_drawn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
