#include "pglocktop/filter.h"

#include "filter_parse.h"
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define LONG_TEXT 1000000
#define ROW_XID 4711

static struct filter *make(const char *terms)
{
	struct err err;
	struct filter *filter = filter_new(terms, &err, NULL);
	if (!filter)
		fail_msg("%s: %s", terms, err.text);
	return filter;
}

/* 1 holds and is idle in its transaction, 2 waits for it, 3 has nothing to do with it. */
static struct frame *shop_frame(void)
{
	struct frame *frame = fixture_new();
	struct session *first = fixture_session(frame, 1, "Checkout", SESSION_IDLE_IN_TRANSACTION);
	first->query_with_literals = "update  orders\n\tset status = 'Paid'";
	fixture_session(frame, 2, "worker-1", SESSION_ACTIVE)->query_with_literals = "select 1 from user::text";
	struct session *third = fixture_session(frame, 3, "psql", SESSION_IDLE);
	third->user = "Ärger";
	third->database = "crm";
	third->client = "local";
	third->query_with_literals = "";
	fixture_holds(frame, 1, fixture_xid(ROW_XID), LOCKMODE_EXCLUSIVE);
	fixture_waits(frame, 2, fixture_xid(ROW_XID), LOCKMODE_SHARE, 280);
	fixture_finish(frame);
	return frame;
}

/* `wanted`: the pids of shop_frame() that match, "12" for 1 and 2. */
static void assert_matches(const struct frame *frame, const char *terms, const char *wanted)
{
	struct filter *filter = make(terms);
	char matched[8] = "";
	for (uint32_t i = 0; i < frame->snapshot->session_count; i++) {
		struct column_row row = column_row_of_session(frame, i);
		if (filter_match_row(filter, &row) == FILTER_YES)
			matched[strlen(matched)] = (char)('0' + frame->snapshot->sessions[i].id.pid);
	}
	if (strcmp(matched, wanted) != 0)
		fail_msg("'%s' matched \"%s\", not \"%s\"", terms, matched, wanted);
	filter_free(filter);
}

static void test_terms(void **state)
{
	(void)state;
	static const struct {
		const char *terms, *wanted;
	} cases[] = {
		{ "", "123" },
		{ "   ", "123" },
		{ "worker", "2" },
		{ "!worker", "13" },
		{ "worker select", "2" },
		{ "worker update", "" },
		{ "!worker !psql", "1" },
		{ "shop|crm", "123" },
		{ "db:crm", "3" },
		{ "database:^shop$", "12" },
		{ "app:^worker", "2" },
		{ "!app:^worker", "13" },
		{ "session:^worker", "" }, /* the pid comes first */
		{ "session:^2", "2" },
		{ "state:idle", "13" },
		{ "state:^idle$", "3" },
		{ "State:waits", "2" },
		{ "object:^xid", "12" },
		{ "client:local", "3" },
		{ "xact:5m", "123" },
		{ "user:select", "" },
		{ "update:x", "" },
		{ "user::text", "2" }, /* a cast, no column */
		{ "from.user::text", "2" },
		{ "query:\"set status\"", "1" },
		{ "'update orders set'", "1" }, /* white space as it is shown */
		{ "update\\ orders", "1" },
		{ "\"'paid'\"", "1" },
		{ "checkout", "1" },
		{ "Checkout", "1" },
		{ "CHECKOUT", "" },
		{ "\\Wpaid\\W", "1" }, /* \W is no upper-case letter */
		{ "\\p{Lu}rger", "3" },
		{ "ärger", "3" },
		{ "ÄRGER", "" },
		{ "\\!", "" },
	};
	struct frame *frame = shop_frame();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_matches(frame, cases[i].terms, cases[i].wanted);
	frame_free(frame);
}

static void test_bad_terms(void **state)
{
	(void)state;
	static const struct {
		const char *terms;
		size_t position;
		const char *wanted;
	} cases[] = {
		{ "(", 1, "filter: term 1, position 2: missing closing parenthesis" },
		{ "a user:(b", 9, "filter: term 2, position 10: missing closing parenthesis" },
		{ "ä ö(", 6, "filter: term 2, position 5: missing closing parenthesis" },
		{ "a *", 2, "filter: term 2, position 3: quantifier does not follow a repeatable item" },
		{ "a \"b c", 2, "filter: term 2, position 3: this quote is not closed" },
		{ "'b'c", 3, "filter: term 1, position 4: a blank must follow the closing quote" },
		{ "a !", 3, "filter: term 2, position 4: a pattern is missing here" },
		{ "user: b", 5, "filter: term 1, position 6: a pattern is missing here" },
		{ "''", 1, "filter: term 1, position 2: a pattern is missing here" },
		{ "[a", 2, "filter: term 1, position 3: missing terminating ] for character class" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err err;
		size_t position = 999;
		assert_null(filter_new(cases[i].terms, &err, &position));
		assert_string_equal(err.text, cases[i].wanted);
		assert_int_equal(position, cases[i].position);
	}
}

static void test_too_long(void **state)
{
	(void)state;
	struct err err;
	char *terms = malloc(5001);
	memset(terms, 'a', 5000);
	terms[5000] = '\0';
	assert_null(filter_new(terms, &err, NULL));
	assert_non_null(strstr(err.text, "too long"));
	terms[4096] = '\0';
	struct filter *filter = make(terms);
	assert_string_equal(filter_text(filter), terms);
	filter_free(filter);
	free(terms);
}

static void test_hostile_bytes(void **state)
{
	(void)state;
	struct err err;
	assert_null(filter_new("\xff\xfe", &err, NULL));
	assert_non_null(strstr(err.text, "UTF-8"));
}

/* Patterns that would take hours are given up, the row is not matched, negated or not, and that is counted. */
static void test_given_up(void **state)
{
	(void)state;
	static const char *const patterns[] = { "query:(a+)+$", "query:(a|aa)+$", "query:\\w+\\d", "!query:(a*a*)*c" };
	struct frame *frame = fixture_new();
	char *text = malloc(LONG_TEXT + 1);
	memset(text, 'a', LONG_TEXT);
	text[LONG_TEXT - 1] = '!';
	text[LONG_TEXT] = '\0';
	fixture_session(frame, 1, "x", SESSION_ACTIVE)->query_with_literals = text;
	fixture_finish(frame);
	struct column_row row = column_row_of_session(frame, 0);
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		struct filter *filter = make(patterns[i]);
		clock_t start = clock();
		assert_int_equal(filter_match_row(filter, &row), FILTER_GAVE_UP);
		assert_true(clock() - start < CLOCKS_PER_SEC / 4); /* far more than it takes, sanitizers too */
		filter_free(filter);
	}
	frame_free(frame);
	free(text);
}

static void test_long_text_matches(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	char *text = malloc(LONG_TEXT + 1);
	memset(text, 'a', LONG_TEXT);
	memcpy(text + LONG_TEXT - 6, "needle", 6);
	text[LONG_TEXT] = '\0';
	fixture_session(frame, 1, "x", SESSION_ACTIVE)->query_with_literals = text;
	fixture_finish(frame);
	struct column_row row = column_row_of_session(frame, 0);
	struct filter *filter = make("needle$");
	assert_int_equal(filter_match_row(filter, &row), FILTER_YES);
	filter_free(filter);
	frame_free(frame);
	free(text);
}

static void test_run_in_slices(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	struct arena arena = ARENA_INIT;
	for (int32_t pid = 1; pid <= 9; pid++)
		fixture_session(frame, pid, pid % 2 ? "odd" : "even", SESSION_IDLE);
	fixture_prepared(frame, ROW_XID, "order-77", "5/87");
	fixture_prepared(frame, ROW_XID + 1, "odd-78", "5/88");
	fixture_session(frame, 10, "even", SESSION_ACTIVE);
	fixture_waits(frame, 10, fixture_xid(ROW_XID), LOCKMODE_SHARE, 1);
	fixture_finish(frame);
	struct filter *filter = make("odd|object:x|4711");
	struct filter_run run;
	filter_run_start(&run, filter, frame, &arena);
	int slices = 0;
	while (!run.done) {
		filter_run_slice(&run, 0); /* long past: one row each */
		slices++;
	}
	assert_int_equal(slices, 12);
	for (int32_t pid = 1; pid <= 10; pid++)
		assert_int_equal(run.sessions[pid - 1], pid % 2 || pid == 10);
	assert_true(run.prepared[0]); /* it holds xid 4711 */
	assert_true(run.prepared[1]);
	assert_int_equal(run.given_up, 0);
	filter_free(filter);
	arena_release(&arena);
	frame_free(frame);
}

static void test_run_of_nothing(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	struct arena arena = ARENA_INIT;
	fixture_finish(frame);
	struct filter *filter = make("x");
	struct filter_run run;
	filter_run_start(&run, filter, frame, &arena);
	filter_run_slice(&run, INT64_MAX);
	assert_true(run.done);
	filter_free(filter);
	arena_release(&arena);
	frame_free(frame);
}

static void test_parse(void **state)
{
	(void)state;
	struct filter_parser parser = { .line = " !user:^app  'a\\' b' x\\ y" };
	struct filter_part part;
	assert_int_equal(filter_parse_next(&parser, &part), FILTER_PARSE_TERM);
	assert_true(part.negated);
	assert_ptr_equal(part.column, &columns[COLUMN_USER]);
	assert_int_equal(part.start, 7);
	assert_int_equal(part.length, 4);
	assert_int_equal(filter_parse_next(&parser, &part), FILTER_PARSE_TERM);
	assert_false(part.negated);
	assert_null(part.column);
	assert_memory_equal(parser.line + part.start, "a\\' b", part.length);
	assert_int_equal(filter_parse_next(&parser, &part), FILTER_PARSE_TERM);
	assert_memory_equal(parser.line + part.start, "x\\ y", part.length);
	assert_int_equal(filter_parse_next(&parser, &part), FILTER_PARSE_END);
	assert_int_equal(filter_parse_next(&parser, &part), FILTER_PARSE_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_bad_terms),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_long_text_matches),
		cmocka_unit_test(test_run_in_slices),
		cmocka_unit_test(test_run_of_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
