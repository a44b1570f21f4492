#include "pglocktop/consequence.h"
#include "pglocktop/scene.h"
#include "pglocktop/verb.h"
#include "state_private.h"

#include <stdio.h>

enum { QUESTION_MIN_WIDTH = 40, QUESTION_MIN_HEIGHT = 10, SWALLOW_TIME = 500 * 1000 };

static const char *ghost_reason(const struct ghost *ghost)
{
	switch (ghost->kind) {
	case GHOST_ENDED:
		return "has ended";
	case GHOST_LEFT:
		if (ghost->key.part != FOREST_WHOLE)
			return "neither holds nor wants this any more: 2 shows all sessions";
		return "neither waits nor blocks any more: 2 shows all sessions";
	default:
		return "was in a deadlock that is over: 2 shows all sessions";
	}
}

static bool refuse_prepared(const struct scene *scene, uint32_t node, struct err *err)
{
	uint32_t index = scene->frame->graph->nodes[node].prepared;
	if (index == SNAPSHOT_NO_INDEX)
		return err_set(
			err, "a prepared transaction has no process: see pg_prepared_xacts, ROLLBACK PREPARED ends it");
	const struct prepared *prepared = &scene->frame->snapshot->prepared[index];
	struct strbuf sql = STRBUF_INIT;
	consequence_add_rollback(prepared, &sql);
	err_set(err, "no process to signal: in database %s, as %s or a superuser: %s (y s copies it)",
		prepared->database ? prepared->database : "?", prepared->owner ? prepared->owner : "its owner",
		sql.text);
	strbuf_release(&sql);
	return false;
}

static bool refuse_tree_line(const struct scene *scene, uint32_t at, struct err *err)
{
	const struct outline_line *line = &scene->outline->lines[scene->lines[at].index];
	if (line->kind == LINE_BRIEF && scene->forest->of_objects)
		return err_set(err, "%u objects: unfold, then choose a session", (unsigned)line->count);
	if (line->kind != LINE_ITEM)
		return err_set(err, "%u sessions: unfold, then choose one", (unsigned)line->count);
	const struct forest_item *item = &scene->forest->items[line->item];
	if (item->kind == FOREST_CYCLE)
		return err_set(err, "a deadlock: choose one of its members");
	if (item->kind == FOREST_OBJECT)
		return err_set(err, "an object: choose one of the sessions beneath it");
	return refuse_prepared(scene, item->node, err);
}

bool state_pick_session(const struct state *state, const struct scene *scene, uint32_t *session, struct err *err)
{
	if (scene->cursor == SNAPSHOT_NO_INDEX)
		return err_set(err, "no session is selected");
	if (scene->lines[scene->cursor].kind == SCENE_GHOST) {
		const struct ghost *ghost = &state->ghosts.list[scene->lines[scene->cursor].index];
		if (ghost->kind == GHOST_CYCLE)
			return err_set(err, "that deadlock is over");
		return err_set(err, "%d %s", (int)ghost->key.pid, ghost_reason(ghost));
	}
	if (scene->lines[scene->cursor].kind == SCENE_EVENT)
		return err_set(err, "an event: Enter goes to its session, if that lives");
	*session = scene_cursor_session(scene);
	return *session != SNAPSHOT_NO_INDEX || refuse_tree_line(scene, scene->cursor, err);
}

bool state_has_room_to_ask(const struct state *state)
{
	return state->width >= QUESTION_MIN_WIDTH && state->height >= QUESTION_MIN_HEIGHT;
}

static bool may_ask(const struct state *state, struct err *err)
{
	if (state->read_only)
		return err_set(err, "read-only: no signal can be sent in this run");
	if (state->status.state != SOURCE_LIVE && state->status.state != SOURCE_FROZEN)
		return err_set(err, "not connected: no signal possible");
	if (!state_has_room_to_ask(state))
		return err_set(err, "the question needs 40 columns and 10 lines: make the terminal larger");
	return true;
}

/* The question says what is known by now; what the probe finds comes later. */
static void want_answer(struct state *state)
{
	char pid[16];
	snprintf(pid, sizeof pid, "%d", (int)state->question.targets[0].id.pid);
	question_want(&state->question, state->confirms_by_pid ? pid : state->unlogged ? "yes" : "", state->unlogged);
}

void state_take_log(struct state *state, const char *why)
{
	state->unlogged = why != NULL;
	/* A question that is open goes on saying why. */
	if (why)
		snprintf(state->unlogged_why, sizeof state->unlogged_why, "%s", why);
	want_answer(state);
}

/* It is open, and on a frame read after the key. */
static void begin_question(struct state *state, int64_t now)
{
	want_answer(state);
	state_effect(state, EFFECT_PROBE_LOG, NULL);
	state->message.kind = MESSAGE_NONE;
	state->lists[state->view].touched = true;
	if (state->question.stage == QUESTION_WANTED) {
		state->frozen = false;
		state_effect(state, EFFECT_COMMAND, NULL)->command.kind = COMMAND_THAW;
		state_say(state, MESSAGE_NEWS, now, "was frozen: reading again first");
	}
}

void state_ask_one(struct state *state, const struct scene *scene, uint32_t session, enum signal_verb verb, int64_t now)
{
	struct err err;
	if (may_ask(state, &err) &&
	    question_open(&state->question, verb, scene->frame, session, state->frozen, now, &err))
		begin_question(state, now);
	else
		state_say(state, MESSAGE_ERROR, now, "%s", err.text);
}

void state_ask_tagged(struct state *state, const struct scene *scene, enum signal_verb verb, int64_t now)
{
	struct err err;
	if (may_ask(state, &err) &&
	    question_open_tagged(&state->question, verb, scene->frame, &state->tags, state->frozen, now, &err))
		begin_question(state, now);
	else
		state_say(state, MESSAGE_ERROR, now, "%s", err.text);
}

void state_ask(struct state *state, const struct scene *scene, enum signal_verb verb, int64_t now)
{
	struct err err;
	uint32_t session = scene_cursor_session(scene);
	const struct session *cursor = session == SNAPSHOT_NO_INDEX ? NULL : &scene->frame->snapshot->sessions[session];
	bool ready = may_ask(state, &err);
	if (ready && state->tags.count > 0 && cursor && !tags_have(&state->tags, cursor->id))
		state_open_choice(state, cursor, verb);
	else if (ready && state->tags.count > 0)
		state_ask_tagged(state, scene, verb, now);
	else if (ready && state_pick_session(state, scene, &session, &err))
		state_ask_one(state, scene, session, verb, now);
	else
		state_say(state, MESSAGE_ERROR, now, "%s", err.text);
}

static void send_signal(struct state *state, uint32_t target, const struct frame *frame, int64_t now)
{
	struct effect *effect = state_effect(state, EFFECT_COMMAND, NULL);
	effect->command.kind = COMMAND_SIGNAL;
	effect->command.signal = question_request(&state->question, target, frame, now);
	effect->command.signal.serial = ++state->signal_serial;
}

/* Those who have ended or moved on since they were asked about are left out, and told of with the others. */
static void send_volley(struct state *state, const struct frame *frame, int64_t now)
{
	const struct question *question = &state->question;
	struct err why;
	volley_begin(&state->volley, question->verb, state->signal_serial + 1);
	for (uint32_t i = 0; i < question->target_count; i++) {
		const struct question_target *target = &question->targets[i];
		if (target->part == QUESTION_MEANT) {
			volley_add(&state->volley, target->id);
			send_signal(state, i, frame, now);
			continue;
		}
		question_explain(question, target, frame, &why);
		volley_leave_out(&state->volley, target->id, why.text);
		state->signal_serial++;
	}
}

static void send_signals(struct state *state, const struct frame *frame, int64_t now)
{
	if (state->status.state != SOURCE_LIVE) {
		state_say(state, MESSAGE_ERROR, now, "not connected: nothing sent");
		return;
	}
	if (state->question.of_tags)
		send_volley(state, frame, now);
	else
		send_signal(state, 0, frame, now);
	state_say(state, MESSAGE_NEWS, now, "sending %s to %s", signal_verbs[state->question.verb].brief,
		  state->question.label);
}

void state_swallow(struct state *state, int64_t now)
{
	state->swallow_until = now + SWALLOW_TIME;
}

void state_close_question(struct state *state, int64_t now, const char *reason)
{
	if (!question_is_open(&state->question))
		return;
	question_close(&state->question);
	state_say(state, MESSAGE_ERROR, now, "%s", reason);
	state_swallow(state, now);
}

/* The list of those tagged; its keys are no answer. */
static bool scroll_targets(struct state *state, uint32_t key)
{
	struct question *question = &state->question;
	uint32_t page = state->height > QUESTION_MIN_HEIGHT ? (uint32_t)state->height / 2 : 2;
	if (!question->of_tags)
		return false;
	switch (key) {
	case INPUT_UP:
		question->top -= question->top > 0;
		return true;
	case INPUT_PAGE_UP:
		question->top -= question->top < page ? question->top : page;
		return true;
	case INPUT_DOWN:
		question->top++; /* the view clamps it */
		return true;
	case INPUT_PAGE_DOWN:
		question->top += page;
		return true;
	default:
		return false;
	}
}

void state_question_input(struct state *state, const struct scene *scene, const struct input *input, int64_t now)
{
	if (state->question.of_mask) {
		state_mask_input(state, input, now);
		return;
	}
	if (scroll_targets(state, input->key))
		return;
	const char *it_is = state->question.asked == 1 ? "it is" : "they are";
	switch (question_key(&state->question, input)) {
	case QUESTION_EARLY:
		state_say(state, MESSAGE_ERROR, now, "typed before the question: %s again",
			  state->question.answer[0] ? "answer" : "press y");
		break;
	case QUESTION_TYPING:
		break;
	case QUESTION_WRONG:
		state_say(state, MESSAGE_ERROR, now, "that was not %s: left %s as %s", state->question.answer,
			  state->question.label, it_is);
		break;
	case QUESTION_YES:
		send_signals(state, scene->frame, now);
		state->answered_until = now + SWALLOW_TIME;
		break;
	case QUESTION_NO:
		state_say(state, MESSAGE_NEWS, now, "left %s as %s", state->question.label, it_is);
		break;
	case QUESTION_PILE:
		state_say(state, MESSAGE_ERROR, now, "%s came at once: nothing sent",
			  state->question.answer[0] ? "several keys" : "more than y");
		state_swallow(state, now); /* the rest of it */
		break;
	}
}
