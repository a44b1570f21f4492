/* Tags are held by identity, and what came of signals to many is told together. */
#include "fixture.h"

#include "pglocktop/tags.h"
#include "pglocktop/volley.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct identity id(int pid, int64_t start)
{
	return (struct identity){ pid, start };
}

static void a_tag_is_taken_back(void **state)
{
	struct tags tags = { .count = 0 };
	(void)state;
	for (int pid = 5; pid > 0; pid--)
		assert_true(tags_toggle(&tags, id(pid, 1)));
	assert_int_equal(tags.count, 5);
	assert_true(tags_toggle(&tags, id(3, 1)));
	assert_int_equal(tags.count, 4);
	assert_false(tags_have(&tags, id(3, 1)));
	assert_true(tags_have(&tags, id(4, 1)));
	assert_false(tags_have(&tags, id(4, 2))); /* another session with its pid */
}

static void what_cannot_be_tagged(void **state)
{
	static struct tags tags;
	(void)state;
	assert_false(tags_toggle(&tags, id(1, WHEN_NONE)));
	for (int pid = 1; pid <= TAGS_MOST; pid++)
		assert_true(tags_toggle(&tags, id(pid, 1)));
	assert_false(tags_toggle(&tags, id(TAGS_MOST + 1, 1)));
	assert_int_equal(tags.count, TAGS_MOST);
	assert_true(tags_toggle(&tags, id(7, 1)));
	assert_true(tags_toggle(&tags, id(TAGS_MOST + 1, 1)));
}

static void those_who_end_lose_it(void **state)
{
	static struct identity gone[TAGS_MOST];
	struct tags tags = { .count = 0 };
	struct frame *frame = fixture_new();
	(void)state;
	fixture_session(frame, 10, "here", SESSION_IDLE);
	fixture_session(frame, 20, "newcomer", SESSION_IDLE);
	fixture_finish(frame);
	struct identity here = frame->snapshot->sessions[0].id, newcomer = frame->snapshot->sessions[1].id;
	assert_true(tags_toggle(&tags, here));
	assert_true(tags_toggle(&tags, id(20, newcomer.backend_start - 1)));
	assert_true(tags_toggle(&tags, id(30, 1)));
	assert_int_equal(tags_drop_ended(&tags, frame->snapshot, gone), 2);
	assert_int_equal(gone[0].pid, 20);
	assert_int_equal(gone[1].pid, 30);
	assert_int_equal(tags.count, 1);
	assert_true(tags_have(&tags, here));
	frame_free(frame);
}

static void take(struct volley *volley, uint64_t serial, enum signal_outcome outcome, const char *text)
{
	struct signal_news news = { .outcome = outcome, .waiting_before = 9, .waiting_after = -1 };
	news.request.serial = serial;
	news.waiting_after = outcome == SIGNAL_GONE ? 9 - (int32_t)(serial - 40) : -1;
	snprintf(news.text, sizeof news.text, "%s", text);
	assert_true(volley_take(volley, &news));
}

static void expect(const struct volley *volley, const char *text)
{
	struct strbuf out = STRBUF_INIT;
	volley_describe(volley, true, &out);
	assert_string_equal(out.text, text);
	strbuf_release(&out);
}

static void outcomes_are_told_together(void **state)
{
	static struct volley volley;
	(void)state;
	volley_begin(&volley, SIGNAL_TERMINATE, 41);
	volley_add(&volley, id(8008, 1));
	volley_add(&volley, id(8017, 1));
	volley_add(&volley, id(8020, 1));
	volley_leave_out(&volley, id(8056, 1), "8056 has ended");
	struct signal_news other = { .request = { .serial = 40 } };
	assert_false(volley_take(&volley, &other));
	other.request.serial = 45;
	assert_false(volley_take(&volley, &other));
	take(&volley, 41, SIGNAL_SENT, "");
	expect(&volley, "1 TERM sent: 1 watched; 2 to go. Not sent: 8056 has ended");
	take(&volley, 42, SIGNAL_SENT, "");
	take(&volley, 43, SIGNAL_NOT_SENT, "the time for it was over before the server came to it");
	take(&volley, 41, SIGNAL_GONE, "");
	assert_false(volley_is_over(&volley));
	take(&volley, 42, SIGNAL_STILL_THERE, "");
	assert_true(volley_is_over(&volley));
	assert_false(volley_went_well(&volley));
	expect(&volley, "2 TERM sent: 1 gone, 1 still there (8017); waiting 9 -> 8. Not sent: 8020 the time for it was "
			"over before the server came to it; 8056 has ended");
	take(&volley, 42, SIGNAL_GONE, "");
	expect(&volley,
	       "2 TERM sent: 2 gone; waiting 9 -> 7. Not sent: 8020 the time for it was over before the server "
	       "came to it; 8056 has ended");
}

static void a_refusal_is_named(void **state)
{
	static struct volley volley;
	(void)state;
	volley_begin(&volley, SIGNAL_CANCEL, 41);
	volley_add(&volley, id(8008, 1));
	take(&volley, 41, SIGNAL_REFUSED, "must be a superuser");
	expect(&volley, "0 CANCEL sent. Not sent: 8008 was refused: must be a superuser");
	assert_true(volley_is_over(&volley));
	assert_true(volley_has(&volley, id(8008, 1)));
	assert_false(volley_has(&volley, id(8008, 2)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_is_taken_back),	 cmocka_unit_test(what_cannot_be_tagged),
		cmocka_unit_test(those_who_end_lose_it), cmocka_unit_test(outcomes_are_told_together),
		cmocka_unit_test(a_refusal_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
