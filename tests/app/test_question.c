/* What must not be taken for an answer: after none of it has the server been asked to send a signal. */
#include "stage.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER "\033[0n"
#define CLEARED "\033[2J" /* how every drawing of the whole screen begins */

static void other_keys_leave_it(void **state)
{
	static const struct {
		const char *keys, *message;
	} cases[] = {
		{ "n", "left" },       { "\r", "left" },     { "\033", "left" },   { "\003", "left" },
		{ "Y", "left" },       { "q", "left" },	     { "\033[A", "left" }, { "\032", "left" },
		{ "yyyy", "at once" }, { "y\r", "at once" }, { "yK", "at once" },  { " ", "left" },
	};
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		stage_ask(stage, i % 2 ? jam.holder : jam.waiter, i % 2 ? 'K' : 'C');
		vt_send(stage->vt, cases[i].keys);
		stage_expect_gone(stage, "any other key");
		stage_expect(stage, cases[i].message);
		stage_clear_message(stage, cases[i].message);
	}
	stage_expect_untouched(stage, jam.holder, jam.waiter);
	stage_quit(stage);
}

static void a_paste_is_no_answer(void **state)
{
	static const char *const pastes[] = { "y", "yyyy", "y\r", "K\ry\r" };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, NULL);
	for (size_t i = 0; i < COUNT(pastes); i++) {
		stage_ask(stage, jam.holder, 'K');
		vt_paste(stage->vt, pastes[i]);
		stage_expect_gone(stage, "any other key");
		stage_expect(stage, "a paste is no answer: nothing sent");
		stage_clear_message(stage, "a paste is no answer");
	}
	vt_paste(stage->vt, "Ky");
	vt_send(stage->vt, "?");
	stage_expect(stage, "terminate this session (asks)");
	stage_expect_untouched(stage, jam.holder, jam.waiter);
}

static void what_came_before_the_question_is_no_answer(void **state)
{
	static const char *const bursts[] = { "Ky", "Kyyyy", "KyK", "Ky\r" };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, NULL);
	for (size_t i = 0; i < COUNT(bursts); i++) {
		stage_select(stage, jam.holder);
		vt_send(stage->vt, bursts[i]);
		stage_expect(stage, i < 2 ? "typed before the question: press y again" : "left");
		stage_expect_untouched(stage, jam.holder, jam.waiter);
		vt_send(stage->vt, i < 2 ? "n\014" : "\014");
		stage_expect_gone(stage, i < 2 ? "any other key" : "left");
	}
	stage_expect_untouched(stage, jam.holder, jam.waiter);
}

/* An answer that comes late is an earlier question's, and a second one is nobody's. */
static void only_its_own_answer_arms_it(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	struct vt *vt = stage_watch_with(stage, NULL, (struct vt_options){ .answers = VT_ANSWER_HELD });
	stage_ask(stage, jam.holder, 'K');
	vt_give_answers(vt);
	vt_send(vt, ANSWER "n");
	stage_expect(stage, "left");
	/* It is known to answer now, so the next ones are waited for. */
	stage_ask(stage, jam.holder, 'K');
	vt_send(vt, "n");
	stage_expect_gone(stage, "any other key");
	stage_ask(stage, jam.holder, 'K');
	vt_send(vt, ANSWER);
	vt_send(vt, "y");
	stage_expect(stage, "typed before the question: press y again");
	stage_expect_untouched(stage, jam.holder, jam.waiter);
	vt_send(vt, ANSWER);
	vt_send(vt, "y");
	stage_expect(stage, "gone after");
	stage_expect_dead(stage, PQbackendPID(jam.holder));
}

/* Two refreshes, a second apart, say for sure that the 300 ms are over. */
struct refreshes {
	char clock[16];
	int seen;
};

static bool is_refreshed_twice(struct vt *vt, void *context)
{
	struct refreshes *refreshes = context;
	int y, x;
	if (!vt_find(vt, " UTC", &y, &x) || x < 8)
		return false;
	const char *end = strstr(vt_row(vt, y), " UTC");
	if (end && strncmp(refreshes->clock, end - 8, 8) != 0) {
		memcpy(refreshes->clock, end - 8, 8);
		refreshes->seen++;
	}
	return refreshes->seen >= 3;
}

static void arms_where_no_answer_ever_comes(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	struct refreshes refreshes = { "", 0 };
	stage_watch_with(stage, NULL, (struct vt_options){ .answers = VT_ANSWER_NEVER });
	stage_ask(stage, jam.holder, 'K');
	assert_true(vt_wait(stage->vt, is_refreshed_twice, &refreshes, VT_PATIENCE_MS));
	vt_send(stage->vt, "y");
	stage_expect(stage, "gone after");
	stage_expect_dead(stage, PQbackendPID(jam.holder));
}

static void a_size_without_room_closes_it(void **state)
{
	static const int sizes[][2] = { { 1, 1 }, { 80, 9 }, { 39, 24 }, { 300, 1 } };
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, NULL);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		stage_ask(stage, jam.holder, 'K');
		size_t before;
		vt_raw(stage->vt, &before);
		vt_resize(stage->vt, sizes[i][0], sizes[i][1]);
		assert_true(vt_wait_raw(stage->vt, before, CLEARED));
		vt_resize(stage->vt, 100, 24);
		stage_expect(stage, "does not fit");
		stage_clear_message(stage, "does not fit");
	}
	stage_expect_untouched(stage, jam.holder, jam.waiter);
	stage_ask(stage, jam.holder, 'K');
	vt_resize(stage->vt, 60, 20); /* a size is no key */
	stage_expect(stage, "y = terminate");
	vt_send(stage->vt, "n");
	stage_expect(stage, "left");
}

static void stopping_closes_it(void **state)
{
	struct stage *stage = *state;
	struct stage_jam jam = stage_jam(stage);
	stage_watch(stage, NULL);
	stage_ask(stage, jam.holder, 'K');
	vt_signal(stage->vt, SIGTSTP);
	assert_true(vt_wait_stopped(stage->vt));
	vt_send(stage->vt, "y");
	vt_signal(stage->vt, SIGCONT);
	assert_true(vt_wait_continued(stage->vt));
	stage_expect(stage, "the question was closed: the program was stopped");
	stage_expect_untouched(stage, jam.holder, jam.waiter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(other_keys_leave_it, stage_clear),
		cmocka_unit_test_teardown(a_paste_is_no_answer, stage_clear),
		cmocka_unit_test_teardown(what_came_before_the_question_is_no_answer, stage_clear),
		cmocka_unit_test_teardown(only_its_own_answer_arms_it, stage_clear),
		cmocka_unit_test_teardown(arms_where_no_answer_ever_comes, stage_clear),
		cmocka_unit_test_teardown(a_size_without_room_closes_it, stage_clear),
		cmocka_unit_test_teardown(stopping_closes_it, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
