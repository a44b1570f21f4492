#include "pglocktop/question.h"

#include "pglocktop/privilege.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_WAIT = 300 * 1000, KNOWN_ANSWER_WAIT = 3 * 1000 * 1000 };

static bool runs_nothing(const struct session *session)
{
	return session->state != SESSION_ACTIVE && session->state != SESSION_FASTPATH;
}

static bool question_allowed(enum signal_verb verb, const struct frame *frame, uint32_t index, struct err *err)
{
	const struct snapshot *snapshot = frame->snapshot;
	const struct session *session = &snapshot->sessions[index];
	int pid = session->id.pid;
	uint32_t leader = snapshot->sessions[index].leader;
	if (leader != index)
		return err_set(err, "%d is a parallel worker of %d: choose that one", pid,
			       snapshot->sessions[leader].id.pid);
	if (session->may != MAY_SIGNAL) {
		struct strbuf why = STRBUF_INIT;
		privilege_explain(snapshot, session, &why);
		err_set(err, "%s", why.text);
		strbuf_release(&why);
		return false;
	}
	if (verb == SIGNAL_CANCEL && session->state == SESSION_DISABLED)
		return err_set(err, "%d does not tell what it runs (track_activities is off); K terminates", pid);
	if (verb == SIGNAL_CANCEL && runs_nothing(session))
		return err_set(err, "%d runs nothing, a cancel does nothing; K terminates", pid);
	return true;
}

static void question_set_label(struct question *question, const struct session *session)
{
	const char *name = session->application && *session->application ? session->application : session->user;
	if (!name)
		name = session->backend_type ? session->backend_type : "";
	snprintf(question->label, sizeof question->label, "%d%s%.64s", session->id.pid, *name ? " " : "", name);
}

static void add_target(struct question *question, const struct session *session, enum question_part part)
{
	question->targets[question->target_count++] =
		(struct question_target){ session->id, session->query_start, part };
}

static void open_with_targets(struct question *question, enum signal_verb verb, const struct frame *frame, bool wanted,
			      int64_t now)
{
	question->stage = wanted ? QUESTION_WANTED : QUESTION_OPEN;
	question->wanted_at = now;
	question->verb = verb;
	question->server_epoch = frame->server_epoch;
	question->answer[0] = question->reason[0] = '\0';
	question->unlogged = question->piled = false;
	question->top = 0;
	question->asked = question_count_meant(question);
	prompt_close(&question->entry);
}

bool question_open(struct question *question, enum signal_verb verb, const struct frame *frame, uint32_t session,
		   bool wanted, int64_t now, struct err *err)
{
	const struct session *target = &frame->snapshot->sessions[session];
	if (!question_allowed(verb, frame, session, err))
		return false;
	question->of_tags = question->of_mask = false;
	question->target_count = 0;
	add_target(question, target, QUESTION_MEANT);
	open_with_targets(question, verb, frame, wanted, now);
	question_set_label(question, target);
	return true;
}

/* Before anything is typed: how many are asked about is what must be typed. */
static void want_count(struct question *question)
{
	question->asked = question_count_meant(question);
	snprintf(question->answer, sizeof question->answer, "%" PRIu32, question->asked);
	snprintf(question->label, sizeof question->label, "%" PRIu32 " tagged session%s", question->asked,
		 question->asked == 1 ? "" : "s");
	prompt_open(&question->entry, PROMPT_ANSWER, "");
}

bool question_open_tagged(struct question *question, enum signal_verb verb, const struct frame *frame,
			  const struct tags *tags, bool wanted, int64_t now, struct err *err)
{
	struct err why;
	question->target_count = 0;
	for (int meant = 1; meant >= 0; meant--) {
		for (uint32_t i = 0; i < tags->count; i++) {
			uint32_t index = snapshot_find(frame->snapshot, tags->ids[i]);
			if (index == SNAPSHOT_NO_INDEX || question_allowed(verb, frame, index, &why) != (meant == 1))
				continue;
			add_target(question, &frame->snapshot->sessions[index],
				   meant ? QUESTION_MEANT : QUESTION_REFUSED);
		}
	}
	if (question_count_meant(question) == 0) {
		question_close(question);
		return question->target_count > 0
			       ? err_set(err, "of those tagged nobody can be meant: %.300s", why.text)
			       : err_set(err, "nobody is tagged any more");
	}
	question->of_tags = true;
	question->of_mask = false;
	open_with_targets(question, verb, frame, wanted, now);
	want_count(question);
	return true;
}

void question_open_mask(struct question *question)
{
	question->stage = QUESTION_OPEN;
	question->of_mask = true;
	question->of_tags = question->unlogged = question->piled = false;
	question->target_count = question->asked = 0;
	snprintf(question->answer, sizeof question->answer, "y");
	prompt_open(&question->entry, PROMPT_UNMASK, "");
}

uint32_t question_count_meant(const struct question *question)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < question->target_count; i++)
		count += question->targets[i].part == QUESTION_MEANT;
	return count;
}

static void ask_anew(struct question *question)
{
	if (question->stage > QUESTION_OPEN)
		question->stage = QUESTION_OPEN;
	question->piled = false;
	if (question->answer[0])
		prompt_open(&question->entry, PROMPT_ANSWER, "");
	else
		prompt_close(&question->entry);
}

void question_want(struct question *question, const char *answer, bool unlogged)
{
	bool more = unlogged > question->unlogged || (*answer && !question->answer[0]);
	if (!question_is_open(question) || question->of_mask || !more)
		return;
	if (!question->of_tags)
		snprintf(question->answer, sizeof question->answer, "%s", answer);
	question->unlogged = unlogged;
	ask_anew(question);
}

void question_drawn(struct question *question, bool asked, int64_t now)
{
	if (question->stage != QUESTION_OPEN)
		return;
	question->stage = QUESTION_DRAWN;
	question->answers_owed += asked;
	question->due = now + (asked && question->terminal_answers ? KNOWN_ANSWER_WAIT : ANSWER_WAIT);
}

void question_answered(struct question *question)
{
	question->terminal_answers = true;
	if (question->answers_owed > 0)
		question->answers_owed--;
	/* An answer that is late may be an earlier question's: only the last one says that this frame is there. */
	if (question->stage == QUESTION_DRAWN && question->answers_owed == 0)
		question->stage = QUESTION_ARMED;
}

void question_tick(struct question *question, int64_t now)
{
	if (question->stage == QUESTION_DRAWN && now >= question->due)
		question->stage = QUESTION_ARMED;
}

static_assert(sizeof((struct question *)0)->reason == sizeof((struct prompt *)0)->text, "a reason is a prompt's text");

static enum question_reply take_reason(struct question *question, const struct input *input)
{
	enum prompt_reply reply = prompt_key(&question->entry, input->key, false);
	if (reply == PROMPT_GOES_ON)
		return QUESTION_TYPING;
	if (reply == PROMPT_ENTERED)
		memcpy(question->reason, question->entry.text, sizeof question->reason);
	ask_anew(question);
	return QUESTION_TYPING;
}

/* Enter counts only when it was not there yet as the key before it was read. */
static enum question_reply take_answer(struct question *question, const struct input *input)
{
	bool piled = question->piled || input->more;
	enum prompt_reply reply = prompt_key(&question->entry, input->key, false);
	question->piled = input->more;
	if (reply == PROMPT_GOES_ON)
		return QUESTION_TYPING;
	question_close(question);
	if (reply == PROMPT_LEFT || question->entry.length == 0)
		return QUESTION_NO;
	if (strcmp(question->entry.text, question->answer) != 0)
		return QUESTION_WRONG;
	return piled ? QUESTION_PILE : QUESTION_YES;
}

static bool asks_for_reason(const struct question *question, const struct input *input)
{
	return input->key == 'r' && !input->more && question->entry.length == 0 && !question->of_mask;
}

static bool is_answer(const struct question *question, uint32_t key)
{
	return question->answer[0] ? key > ' ' && key < INPUT_FIRST : key == 'y';
}

enum question_reply question_key(struct question *question, const struct input *input)
{
	if (question->stage == QUESTION_ARMED && question->entry.kind == PROMPT_REASON)
		return take_reason(question, input);
	if (question->stage != QUESTION_ARMED && is_answer(question, input->key))
		return QUESTION_EARLY;
	if (question->stage == QUESTION_ARMED && asks_for_reason(question, input)) {
		prompt_open(&question->entry, PROMPT_REASON, question->reason);
		return QUESTION_TYPING;
	}
	if (question->stage == QUESTION_ARMED && question->answer[0])
		return take_answer(question, input);
	question_close(question);
	if (input->key != 'y')
		return QUESTION_NO;
	return input->more ? QUESTION_PILE : QUESTION_YES;
}

bool question_would_act(const struct question *question, const struct input *input)
{
	if (question->stage != QUESTION_ARMED || input->kind != INPUT_KEY || question->entry.kind == PROMPT_REASON)
		return false;
	return question->answer[0] ? input->key == INPUT_ENTER : input->key == 'y';
}

/* What a newer frame says of it; false with the reason when it is meant no more. */
static bool check_target(const struct question *question, struct question_target *target, const struct frame *frame,
			 struct err *why)
{
	uint32_t index = snapshot_find(frame->snapshot, target->id);
	const struct session *session = index == SNAPSHOT_NO_INDEX ? NULL : &frame->snapshot->sessions[index];
	bool cancels = question->verb == SIGNAL_CANCEL;
	if (!session)
		target->part = QUESTION_ENDED;
	else if (cancels && (session->query_start != target->query_start || runs_nothing(session)))
		target->part = QUESTION_MOVED_ON;
	else if (!question_allowed(question->verb, frame, index, why))
		target->part = QUESTION_REFUSED;
	if (target->part == QUESTION_ENDED || target->part == QUESTION_MOVED_ON)
		question_explain(question, target, frame, why);
	return target->part == QUESTION_MEANT;
}

void question_explain(const struct question *question, const struct question_target *target, const struct frame *frame,
		      struct err *why)
{
	uint32_t index = snapshot_find(frame->snapshot, target->id);
	int pid = target->id.pid;
	if (target->part == QUESTION_ENDED || index == SNAPSHOT_NO_INDEX)
		err_set(why, "%d has ended", pid);
	else if (target->part == QUESTION_MOVED_ON)
		err_set(why, "%d has moved on, its query is over", pid);
	else if (question_allowed(question->verb, frame, index, why))
		err_set(why, "%d could not be meant when the question was asked", pid);
}

bool question_check(struct question *question, const struct frame *frame, struct err *err)
{
	bool wanted = question->stage == QUESTION_WANTED;
	struct err why = { .text = "" };
	uint32_t meant = 0;
	if (!question_is_open(question) || question->of_mask || (wanted && frame->received_at < question->wanted_at))
		return true;
	if (question->server_epoch != frame->server_epoch) {
		question_close(question);
		return err_set(err, "the question was closed: this is another server, or it was restarted");
	}
	for (uint32_t i = 0; i < question->target_count; i++)
		meant += question->targets[i].part == QUESTION_MEANT &&
			 check_target(question, &question->targets[i], frame, &why);
	if (meant == 0) {
		question_close(question);
		if (question->targets[0].part == QUESTION_REFUSED && !question->of_tags)
			return err_set(err, "%s", why.text);
		return err_set(err, "the question was closed: %s%.400s",
			       question->target_count > 1 ? "nobody of those tagged is left; " : "", why.text);
	}
	if (wanted)
		question->stage = QUESTION_OPEN;
	if (wanted && question->of_tags)
		want_count(question);
	return true;
}

void question_close(struct question *question)
{
	question->stage = QUESTION_CLOSED;
}

bool question_is_open(const struct question *question)
{
	return question->stage != QUESTION_CLOSED;
}

bool question_is_shown(const struct question *question)
{
	return question->stage > QUESTION_WANTED && !question->of_mask;
}

struct signal_request question_request(const struct question *question, uint32_t target, const struct frame *frame,
				       int64_t now)
{
	int64_t server_now = frame->snapshot->taken_at + (now - frame->received_at);
	struct signal_request request = { .verb = question->verb,
					  .target = question->targets[target].id,
					  .query_start = question->targets[target].query_start,
					  .not_after = server_now + 3 * WHEN_SECOND,
					  .server_epoch = question->server_epoch,
					  .unlogged = question->unlogged };
	memcpy(request.reason, question->reason, sizeof request.reason);
	return request;
}
