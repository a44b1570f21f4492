/* The program while its own server process is stopped: keys, what the screen says, and a signal that cannot be sent. */
#include "stage.h"

#include "pglocktop/when.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { REACTIONS = 200, SLOWEST_US = 50 * 1000 };

/* A key, and what it must bring to the screen or take from it. */
struct expected {
	const char *key, *text;
	bool gone;
};

static bool is_as_expected(struct vt *vt, void *context)
{
	const struct expected *expected = context;
	return vt_find(vt, expected->text, NULL, NULL) != expected->gone;
}

static int64_t react(struct stage *stage, struct expected expected)
{
	int64_t sent_at = when_monotonic();
	vt_send(stage->vt, expected.key);
	if (!vt_wait(stage->vt, is_as_expected, &expected, VT_PATIENCE_MS))
		fail_msg("\"%s\" is not answered; the screen is\n%s", expected.key, vt_text(stage->vt));
	return when_monotonic() - sent_at;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

/* The median is what is promised; the worst depends on who else uses the machine. */
static void answers_every_key(void **state)
{
	static const struct expected keys[] = {
		{ "?", "(asks)", false },	{ "?", "(asks)", true },     { "\r", "Esc back", false },
		{ "\r", "Esc back", true },	{ "s", "sort by", false },   { "\003", "sort by", true },
		{ "f", "filter:", false },	{ "x", "filter: x", false }, { "\003", "filter:", true },
		{ "2", "1 tree", false },	{ "1", "1 tree", true },     { "K", "any other key", false },
		{ "n", "any other key", true },
	};
	struct stage *stage = *state;
	int64_t reactions[REACTIONS];
	stage_jam(stage);
	stage_watch(stage, NULL);
	stage_freeze_backend(stage);
	stage_expect(stage, "STALE");
	for (int i = 0; i < REACTIONS; i++)
		reactions[i] = react(stage, keys[(size_t)i % COUNT(keys)]);
	qsort(reactions, REACTIONS, sizeof *reactions, compare);
	print_message("keys while the backend is stopped: median %.1f ms, 99 %% %.1f ms, worst %.1f ms\n",
		      (double)reactions[REACTIONS / 2] / 1000, (double)reactions[REACTIONS * 99 / 100] / 1000,
		      (double)reactions[REACTIONS - 1] / 1000);
	assert_true(reactions[REACTIONS / 2] < SLOWEST_US);
	assert_true(reactions[REACTIONS - 1] < 20 * SLOWEST_US);
	stage_thaw_backend(stage);
	stage_expect(stage, "LIVE");
}

/* The program reads again and again, so that a statement of its own is under way: that one is to be cancelled first. */
static void sends_nothing_behind_a_refresh_that_hangs(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, NULL);
	stage_freeze_backend(stage);
	stage_expect(stage, "STALE");
	stage_ask(stage, jam.holder, 'K');
	stage_expect(stage, "STALE: this was so");
	vt_send(stage->vt, "y");
	stage_expect(stage, "nothing sent");
	stage_thaw_backend(stage);
	stage_expect(stage, "LIVE");
	stage_expect_untouched(stage, jam.holder, jam.waiter);
}

/* The statement itself hangs: nobody can tell, and it expires. */
static void a_statement_that_hangs_expires(void **state)
{
	static const char *const arguments[] = { "-i", "3600", NULL };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, arguments);
	stage_ask(stage, jam.holder, 'K');
	stage_freeze_backend(stage);
	vt_send(stage->vt, "y");
	stage_expect(stage, "no answer, it may have been sent");
	stage_thaw_backend(stage);
	stage_expect(stage, "the time for it was over before the server came to it");
	assert_int_equal(stage_signal_statements(stage), 1);
	assert_true(stage_lives(stage, PQbackendPID(jam.holder)));
	pgserver_wait_blocked(stage->admin, jam.waiter);
}

static void leaves_with(struct stage *stage, int number, int status)
{
	stage_jam(stage);
	stage_watch(stage, NULL);
	stage_freeze_backend(stage);
	stage_expect(stage, "STALE");
	int64_t began = when_monotonic();
	if (number)
		vt_signal(stage->vt, number);
	else
		vt_send(stage->vt, "q");
	assert_int_equal(stage_expect_exit(stage), status);
	print_message("left after %d ms\n", (int)((when_monotonic() - began) / 1000));
}

static void is_left_at_once(void **state)
{
	leaves_with(*state, 0, 0);
}

static void is_terminated_at_once(void **state)
{
	leaves_with(*state, SIGTERM, 128 + SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(answers_every_key, stage_clear),
		cmocka_unit_test_teardown(sends_nothing_behind_a_refresh_that_hangs, stage_clear),
		cmocka_unit_test_teardown(a_statement_that_hangs_expires, stage_clear),
		cmocka_unit_test_teardown(is_left_at_once, stage_clear),
		cmocka_unit_test_teardown(is_terminated_at_once, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
