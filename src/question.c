#include "pglocktop/question.h"

#include "pglocktop/privilege.h"

#include <assert.h>
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

bool question_open(struct question *question, enum signal_verb verb, const struct frame *frame, uint32_t session,
		   bool wanted, int64_t now, struct err *err)
{
	if (!question_allowed(verb, frame, session, err))
		return false;
	const struct session *target = &frame->snapshot->sessions[session];
	question->stage = wanted ? QUESTION_WANTED : QUESTION_OPEN;
	question->wanted_at = now;
	question->verb = verb;
	question->target = target->id;
	question->query_start = target->query_start;
	question->server_epoch = frame->server_epoch;
	question->answer[0] = question->reason[0] = '\0';
	question->unlogged = false;
	prompt_close(&question->entry);
	question_set_label(question, target);
	return true;
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
	if (!question_is_open(question) || !more)
		return;
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
	return input->key == 'r' && !input->more && question->entry.length == 0;
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

bool question_check(struct question *question, const struct frame *frame, struct err *err)
{
	bool wanted = question->stage == QUESTION_WANTED;
	if (!question_is_open(question) || (wanted && frame->received_at < question->wanted_at))
		return true;
	uint32_t index = snapshot_find(frame->snapshot, question->target);
	int pid = question->target.pid;
	if (question->server_epoch != frame->server_epoch) {
		question_close(question);
		return err_set(err, "the question was closed: this is another server, or it was restarted");
	}
	if (index == SNAPSHOT_NO_INDEX) {
		question_close(question);
		return err_set(err, "the question was closed: %d has ended", pid);
	}
	const struct session *session = &frame->snapshot->sessions[index];
	if (question->verb == SIGNAL_CANCEL &&
	    (session->query_start != question->query_start || runs_nothing(session))) {
		question_close(question);
		return err_set(err, "the question was closed: %d has moved on, its query is over", pid);
	}
	if (!question_allowed(question->verb, frame, index, err)) {
		question_close(question);
		return false;
	}
	if (wanted)
		question->stage = QUESTION_OPEN;
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

struct signal_request question_request(const struct question *question, const struct frame *frame, int64_t now)
{
	int64_t server_now = frame->snapshot->taken_at + (now - frame->received_at);
	struct signal_request request = { .verb = question->verb,
					  .target = question->target,
					  .query_start = question->query_start,
					  .not_after = server_now + 3 * WHEN_SECOND,
					  .server_epoch = question->server_epoch,
					  .unlogged = question->unlogged };
	memcpy(request.reason, question->reason, sizeof request.reason);
	return request;
}
