/* The question before a signal: what arms it, what answers it, what closes it. */
#include "fixture.h"

#include "pglocktop/question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PID = 8008, NOW = 1000 * 1000 };

static struct frame *frame_with(enum session_state state, double query_started)
{
	struct frame *frame = fixture_new();
	fixture_session(frame, PID, "checkout", state)->query_start = fixture_ago(query_started);
	fixture_finish(frame);
	frame->received_at = NOW;
	return frame;
}

static struct question asked(enum signal_verb verb, const struct frame *frame, bool wanted)
{
	struct question question = QUESTION_INIT;
	struct err err;
	assert_true(question_open(&question, verb, frame, 0, wanted, NOW, &err));
	return question;
}

static enum question_reply press(struct question *question, uint32_t key, bool more)
{
	struct input input = { INPUT_KEY, key, more };
	return question_key(question, &input);
}

static void only_an_armed_one_is_answered(void **state)
{
	struct frame *frame = frame_with(SESSION_ACTIVE, 5);
	struct question question = asked(SIGNAL_TERMINATE, frame, false);
	(void)state;
	assert_int_equal(press(&question, 'y', false), QUESTION_EARLY);
	question_answered(&question); /* to nothing: it has not been drawn */
	assert_int_equal(press(&question, 'y', false), QUESTION_EARLY);
	question_drawn(&question, true, NOW);
	assert_int_equal(press(&question, 'y', false), QUESTION_EARLY);
	question_answered(&question);
	assert_int_equal(press(&question, 'y', false), QUESTION_YES);
	assert_false(question_is_open(&question));
	frame_free(frame);
}

static void time_arms_it_too(void **state)
{
	struct frame *frame = frame_with(SESSION_ACTIVE, 5);
	struct question question = asked(SIGNAL_TERMINATE, frame, false);
	(void)state;
	question_drawn(&question, false, NOW);
	question_tick(&question, NOW + 299999);
	assert_int_equal(question.stage, QUESTION_DRAWN);
	question_tick(&question, NOW + 300000);
	assert_int_equal(question.stage, QUESTION_ARMED);
	/* Where answers are known to come, they are awaited for longer. */
	question_answered(&question);
	question_close(&question);
	struct err err;
	assert_true(question_open(&question, SIGNAL_TERMINATE, frame, 0, false, NOW, &err));
	question_drawn(&question, true, NOW);
	question_tick(&question, NOW + 2999999);
	assert_int_equal(question.stage, QUESTION_DRAWN);
	question_tick(&question, NOW + 3000000);
	assert_int_equal(question.stage, QUESTION_ARMED);
	frame_free(frame);
}

static void every_key_but_y_is_no(void **state)
{
	static const uint32_t keys[] = { 'n',
					 'Y',
					 'N',
					 ' ',
					 INPUT_ENTER,
					 INPUT_ESCAPE,
					 INPUT_UP,
					 INPUT_TAB,
					 INPUT_CTRL('c'),
					 INPUT_OTHER,
					 'C',
					 'K',
					 INPUT_F1 + 8,
					 INPUT_CTRL('y'),
					 0xfd,
					 0x443 /* Cyrillic */ };
	struct frame *frame = frame_with(SESSION_ACTIVE, 5);
	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		for (int armed = 0; armed < 2; armed++) {
			struct question question = asked(SIGNAL_TERMINATE, frame, false);
			question_drawn(&question, true, NOW);
			if (armed)
				question_answered(&question);
			assert_int_equal(press(&question, keys[i], false), QUESTION_NO);
			assert_false(question_is_open(&question));
		}
	}
	frame_free(frame);
}

static void a_pile_is_no_answer(void **state)
{
	struct frame *frame = frame_with(SESSION_ACTIVE, 5);
	struct question question = asked(SIGNAL_TERMINATE, frame, false);
	(void)state;
	question_drawn(&question, true, NOW);
	question_answered(&question);
	assert_int_equal(press(&question, 'y', true), QUESTION_PILE);
	assert_false(question_is_open(&question));
	frame_free(frame);
}

static void a_late_answer_arms_no_newer_one(void **state)
{
	struct frame *frame = frame_with(SESSION_ACTIVE, 5);
	struct question question = asked(SIGNAL_TERMINATE, frame, false);
	struct err err;
	(void)state;
	question_drawn(&question, true, NOW);
	question_close(&question);
	assert_true(question_open(&question, SIGNAL_CANCEL, frame, 0, false, NOW, &err));
	question_drawn(&question, true, NOW);
	question_answered(&question);
	assert_int_equal(question.stage, QUESTION_DRAWN);
	question_answered(&question);
	assert_int_equal(question.stage, QUESTION_ARMED);
	frame_free(frame);
}

/* What a newer frame does to a question: whether it stays open. */
static bool stays(enum signal_verb verb, struct frame *newer, const char *reason)
{
	struct frame *frame = frame_with(SESSION_ACTIVE, 5);
	struct question question = asked(verb, frame, false);
	struct err err = { .text = "" };
	bool open = question_check(&question, newer, &err);
	assert_int_equal(open, question_is_open(&question));
	if (!open)
		assert_non_null(strstr(err.text, reason));
	frame_free(frame);
	frame_free(newer);
	return open;
}

static void it_closes_by_itself(void **state)
{
	(void)state;
	struct frame *other = frame_with(SESSION_ACTIVE, 5), *reused = frame_with(SESSION_ACTIVE, 5);
	struct frame *refused = frame_with(SESSION_ACTIVE, 5), *none = fixture_new();
	other->server_epoch++;
	reused->snapshot->sessions[0].id.backend_start += 1;
	refused->snapshot->sessions[0].may = MAY_NOT_SUPERUSER;
	fixture_finish(none);
	assert_false(stays(SIGNAL_TERMINATE, other, "another server"));
	assert_false(stays(SIGNAL_TERMINATE, reused, "has ended"));
	assert_false(stays(SIGNAL_TERMINATE, refused, "superuser"));
	assert_false(stays(SIGNAL_TERMINATE, none, "has ended"));
	assert_false(stays(SIGNAL_CANCEL, frame_with(SESSION_ACTIVE, 4), "moved on"));
	assert_false(stays(SIGNAL_CANCEL, frame_with(SESSION_IDLE_IN_TRANSACTION, 5), "moved on"));
	assert_true(stays(SIGNAL_CANCEL, frame_with(SESSION_ACTIVE, 5), ""));
	assert_true(stays(SIGNAL_TERMINATE, frame_with(SESSION_ACTIVE, 4), ""));
	assert_true(stays(SIGNAL_TERMINATE, frame_with(SESSION_IDLE_IN_TRANSACTION, 5), ""));
}

static void a_wanted_one_opens_on_a_newer_frame(void **state)
{
	struct frame *frame = frame_with(SESSION_ACTIVE, 5), *older = frame_with(SESSION_ACTIVE, 4);
	struct question question = asked(SIGNAL_CANCEL, frame, true);
	struct err err;
	(void)state;
	assert_int_equal(question.stage, QUESTION_WANTED);
	older->received_at = NOW - 1; /* on its way when the key was pressed */
	assert_true(question_check(&question, older, &err));
	assert_int_equal(question.stage, QUESTION_WANTED);
	question_drawn(&question, true, NOW);
	question_answered(&question);
	assert_int_equal(question.stage, QUESTION_WANTED);
	assert_true(question_check(&question, frame, &err));
	assert_int_equal(question.stage, QUESTION_OPEN);
	frame_free(frame);
	frame_free(older);
}

static void a_cancel_is_refused_where_nothing_runs(void **state)
{
	static const enum session_state idle[] = { SESSION_IDLE, SESSION_IDLE_IN_TRANSACTION,
						   SESSION_IDLE_IN_TRANSACTION_ABORTED, SESSION_DISABLED };
	(void)state;
	for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++) {
		struct frame *frame = frame_with(idle[i], 5);
		struct question question = QUESTION_INIT;
		struct err err;
		assert_false(question_open(&question, SIGNAL_CANCEL, frame, 0, false, NOW, &err));
		assert_non_null(strstr(err.text, "K terminates"));
		assert_true(question_open(&question, SIGNAL_TERMINATE, frame, 0, false, NOW, &err));
		frame_free(frame);
	}
}

static void the_request_is_the_identity_and_expires(void **state)
{
	struct frame *frame = frame_with(SESSION_ACTIVE, 5);
	struct question question = asked(SIGNAL_CANCEL, frame, false);
	(void)state;
	frame->server_epoch = 7; /* of the frame on screen, not of the one that was asked on */
	struct signal_request request = question_request(&question, 0, frame, NOW + 12 * WHEN_SECOND);
	assert_int_equal(request.verb, SIGNAL_CANCEL);
	assert_int_equal(request.target.pid, PID);
	assert_int_equal(request.target.backend_start, fixture_ago(7200));
	assert_int_equal(request.query_start, fixture_ago(5));
	assert_int_equal(request.not_after, FIXTURE_NOW + 15 * WHEN_SECOND);
	assert_int_equal(request.server_epoch, 0);
	frame_free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_an_armed_one_is_answered),
		cmocka_unit_test(time_arms_it_too),
		cmocka_unit_test(every_key_but_y_is_no),
		cmocka_unit_test(a_pile_is_no_answer),
		cmocka_unit_test(a_late_answer_arms_no_newer_one),
		cmocka_unit_test(it_closes_by_itself),
		cmocka_unit_test(a_wanted_one_opens_on_a_newer_frame),
		cmocka_unit_test(a_cancel_is_refused_where_nothing_runs),
		cmocka_unit_test(the_request_is_the_identity_and_expires),
	};
	return cmocka_run_group_tests_name("question", tests, NULL, NULL);
}
