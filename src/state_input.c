#include "pglocktop/scene.h"
#include "state_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTERRUPT_TIME = 2 * 1000 * 1000, PASTE_PAUSE = 1000 * 1000 };

static void command(struct state *state, enum source_command_kind kind)
{
	state_effect(state, EFFECT_COMMAND, NULL)->command.kind = kind;
}

static void quit(struct state *state, const struct scene *scene, int64_t now)
{
	int slots = state_free_slots(scene);
	bool few = slots <= STATE_FEW_SLOTS && state->status.state == SOURCE_LIVE;
	if (few && !state->leave_anyway) {
		state->leave_anyway = true;
		state_say(state, MESSAGE_ERROR, now, "%d slots free: you may not get back in. q again = leave", slots);
		return;
	}
	state_effect(state, EFFECT_QUIT, NULL);
}

static void close_log(struct state *state)
{
	free(state->log_text);
	state->log_text = NULL;
}

static void interrupt(struct state *state, int64_t now)
{
	if (state->interrupted_at != WHEN_NONE && now - state->interrupted_at <= INTERRUPT_TIME) {
		state_effect(state, EFFECT_QUIT, NULL);
		return;
	}
	state->interrupted_at = now;
	state->help = false;
	close_log(state);
	state->details = false;
	state_say(state, MESSAGE_NEWS, now, "q quits (or ^C once more)");
}

static void toggle_freeze(struct state *state)
{
	state->frozen = !state->frozen;
	command(state, state->frozen ? COMMAND_FREEZE : COMMAND_THAW);
}

static bool parse_number(const char *text, double least, double most, double *number)
{
	char *end;
	errno = 0;
	*number = strtod(text, &end);
	return errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most;
}

static bool enter_number(struct state *state, const struct scene *scene, int64_t now)
{
	struct prompt *prompt = &state->prompt;
	double number;
	struct err err;
	switch (prompt->kind) {
	case PROMPT_INTERVAL:
		if (!parse_number(prompt->text, 0.1, 3600, &number)) {
			err_set(&err, "seconds from 0.1 to 3600, please");
			break;
		}
		state->status.interval = state->status.asked_interval = (int64_t)(number * (double)WHEN_SECOND);
		command(state, COMMAND_INTERVAL);
		state->effects[state->effect_count - 1].command.interval = state->status.interval;
		return true;
	case PROMPT_MINIMUM_AGE:
		if (!prompt->text[0])
			number = 0;
		else if (!parse_number(prompt->text, 0, 1e9, &number)) {
			err_set(&err, "seconds, please; nothing shows all");
			break;
		}
		state->minimum_age = (int64_t)(number * (double)WHEN_SECOND);
		state_rearrange(state);
		return true;
	default:
		if (!parse_number(prompt->text, 1, INT32_MAX, &number))
			err_set(&err, "a process number, please");
		else if (state_go_to_pid(state, scene, (int32_t)number, now))
			return true;
		else
			err_set(&err, "there is no session with pid %d", (int)number);
	}
	state_complain(state, &err, SIZE_MAX);
	return false;
}

static void enter_prompt(struct state *state, const struct scene *scene, int64_t now)
{
	if (state->prompt.kind == PROMPT_FILTER)
		state_apply_filter(state, state->prompt.text);
	else if (state->prompt.kind == PROMPT_SEARCH)
		state_effect(state, EFFECT_SEARCH, state->prompt.text);
	else if (!scene || enter_number(state, scene, now))
		prompt_close(&state->prompt);
}

static void open_prompt(struct state *state, enum prompt_kind kind)
{
	char text[32] = "";
	int64_t asked = state->status.asked_interval ? state->status.asked_interval : state->status.interval;
	if (kind == PROMPT_INTERVAL)
		snprintf(text, sizeof text, "%g", (double)asked / (double)WHEN_SECOND);
	else if (kind == PROMPT_MINIMUM_AGE && state->minimum_age > 0)
		snprintf(text, sizeof text, "%g", (double)state->minimum_age / (double)WHEN_SECOND);
	prompt_open(&state->prompt, kind, kind == PROMPT_FILTER ? state->filter : text);
}

static void scroll(uint32_t *top, uint32_t page, enum action action)
{
	switch (action) {
	case ACTION_UP:
		*top -= *top > 0;
		break;
	case ACTION_DOWN:
		++*top;
		break;
	case ACTION_PAGE_UP:
		*top -= *top < page ? *top : page;
		break;
	case ACTION_PAGE_DOWN:
		*top += page;
		break;
	case ACTION_TOP:
		*top = 0;
		break;
	default:
		*top = UINT32_MAX / 2; /* the view clamps it */
	}
}

static uint32_t page_of(const struct state *state)
{
	return state->height > 6 ? (uint32_t)state->height - 6 : 1;
}

static void open_details(struct state *state, const struct scene *scene, int64_t now)
{
	uint32_t item = scene->forest ? scene_item_at(scene, scene->cursor) : FOREST_NONE;
	if (scene_cursor_session(scene) == SNAPSHOT_NO_INDEX &&
	    (item == FOREST_NONE || scene->forest->items[item].kind != FOREST_PREPARED)) {
		if (scene->cursor != SNAPSHOT_NO_INDEX && scene->lines[scene->cursor].kind == SCENE_TREE)
			state_fold_here(state, scene, ACTION_UNFOLD);
		else
			state_say(state, MESSAGE_NEWS, now, "no session is selected");
		return;
	}
	state->details = true;
	state->details_top = 0;
}

/* What closes first: help, the log, details, the filter's complaint. */
static void leave(struct state *state)
{
	if (state->help)
		state->help = false;
	else if (state->log_text)
		close_log(state);
	else
		state->details = false;
}

static void act_without_frame(struct state *state, enum action action, int64_t now)
{
	switch (action) {
	case ACTION_HELP:
		state->help = !state->help;
		state->help_top = 0;
		break;
	case ACTION_LOG:
		if (state->log_text)
			close_log(state);
		else if (state->read_only)
			state_say(state, MESSAGE_NEWS, now, "read-only: nothing is signalled, and no log is kept");
		else
			state_effect(state, EFFECT_READ_LOG, NULL);
		break;
	case ACTION_ESCAPE:
		leave(state);
		break;
	case ACTION_INTERRUPT:
		interrupt(state, now);
		break;
	case ACTION_SUSPEND:
		state_effect(state, EFFECT_SUSPEND, NULL);
		break;
	case ACTION_REDRAW:
		state_effect(state, EFFECT_REDRAW, NULL);
		break;
	case ACTION_REFRESH:
		command(state, COMMAND_REFRESH);
		break;
	case ACTION_FREEZE:
		toggle_freeze(state);
		break;
	case ACTION_INTERVAL:
		open_prompt(state, PROMPT_INTERVAL);
		break;
	case ACTION_MASK:
		state_mask(state, now);
		break;
	case ACTION_WRAP:
		state->wrap = !state->wrap;
		break;
	default:
		break;
	}
}

static void act_on_view(struct state *state, const struct scene *scene, enum action action, int64_t now)
{
	switch (action) {
	case ACTION_ROOT:
		state_go_to_root(state, scene, now);
		break;
	case ACTION_GO_TO:
		open_prompt(state, PROMPT_GO_TO);
		break;
	case ACTION_TREE:
		state_set_view(state, VIEW_TREE);
		break;
	case ACTION_SESSIONS:
		state_set_view(state, VIEW_SESSIONS);
		break;
	case ACTION_OBJECTS:
		state_set_view(state, VIEW_OBJECTS);
		break;
	case ACTION_EVENTS:
		state_set_view(state, VIEW_EVENTS);
		break;
	case ACTION_OBJECT:
		state_go_to_object(state, scene, now);
		break;
	case ACTION_NEXT_VIEW:
		state_set_view(state, (state->view + 1) % VIEW_COUNT);
		break;
	case ACTION_SORT:
		state_open_sort_menu(state);
		break;
	case ACTION_SORT_PREVIOUS:
	case ACTION_SORT_NEXT:
		state_sort_step(state, action == ACTION_SORT_NEXT ? 1 : -1);
		break;
	case ACTION_INVERT:
		state_sort_invert(state);
		break;
	case ACTION_USER:
		state_open_user_menu(state, scene);
		break;
	case ACTION_IDLE:
		state->hide_idle = !state->hide_idle;
		state_rearrange(state);
		state_say(state, MESSAGE_NEWS, now, "idle sessions are %s in the view of all sessions",
			  state->hide_idle ? "hidden" : "shown");
		break;
	default:
		break;
	}
}

static void act_on_session(struct state *state, const struct scene *scene, enum action action, int64_t now)
{
	switch (action) {
	case ACTION_DETAILS:
		if (state->details)
			state->details = false;
		else if (state->view == VIEW_EVENTS)
			state_go_to_events_session(state, scene, now);
		else
			open_details(state, scene, now);
		break;
	case ACTION_SEARCH:
		open_prompt(state, PROMPT_SEARCH);
		break;
	case ACTION_SEARCH_NEXT:
	case ACTION_SEARCH_PREVIOUS:
		state_search_on(state, scene, action == ACTION_SEARCH_NEXT, now);
		break;
	case ACTION_FILTER:
		open_prompt(state, PROMPT_FILTER);
		break;
	case ACTION_MINIMUM_AGE:
		open_prompt(state, PROMPT_MINIMUM_AGE);
		break;
	case ACTION_CANCEL:
		state_ask(state, scene, SIGNAL_CANCEL, now);
		break;
	case ACTION_TERMINATE:
		state_ask(state, scene, SIGNAL_TERMINATE, now);
		break;
	case ACTION_TAG:
		state_tag(state, scene, now);
		break;
	case ACTION_UNTAG_ALL:
		state_untag_all(state, now);
		break;
	case ACTION_NAMES:
		state_look_up(state, scene, now);
		break;
	case ACTION_COPY:
		state->copy_pending = true;
		break;
	default:
		break;
	}
}

static bool is_movement(enum action action)
{
	return action_rows[action].group == ACTION_GROUP_MOVE && action != ACTION_ROOT && action != ACTION_GO_TO;
}

static bool goes_with_help(const struct state *state, enum action action)
{
	return action == (state->help ? ACTION_HELP : ACTION_LOG) || action == ACTION_INTERRUPT ||
	       action == ACTION_SUSPEND || action == ACTION_REDRAW || action == ACTION_MASK;
}

static void act(struct state *state, const struct scene *scene, enum action action, int64_t now)
{
	if (action == ACTION_NONE)
		return;
	bool covered = state->help || state->log_text;
	if (is_movement(action) && covered) {
		scroll(state->help ? &state->help_top : &state->log_top, page_of(state), action);
	} else if (covered ? !goes_with_help(state, action) : action == ACTION_QUIT && state->details) {
		leave(state);
	} else if (action == ACTION_QUIT) {
		quit(state, scene, now);
	} else if (is_movement(action) && state->details) {
		scroll(&state->details_top, page_of(state), action);
	} else if (is_movement(action) && scene) {
		state_move(state, scene, action);
	} else if (action_rows[action].group == ACTION_GROUP_FOLDING && scene && !state->details) {
		state_fold_here(state, scene, action);
	} else {
		act_without_frame(state, action, now);
		if (scene) {
			act_on_view(state, scene, action, now);
			act_on_session(state, scene, action, now);
		}
	}
}

static void take_prompt_key(struct state *state, const struct scene *scene, uint32_t key, int64_t now)
{
	switch (prompt_key(&state->prompt, key, state->pasting)) {
	case PROMPT_ENTERED:
		enter_prompt(state, scene, now);
		break;
	case PROMPT_LEFT:
		prompt_close(&state->prompt);
		break;
	case PROMPT_GOES_ON:
		break;
	}
}

/* A y that was pressed twice is no command; after another C or K it is an answer again. */
static bool is_second_y(const struct state *state, const struct input *input, int64_t now)
{
	return input->key == 'y' && now < state->answered_until && !question_is_open(&state->question);
}

static void take_key(struct state *state, const struct scene *scene, const struct input *input, enum action action,
		     int64_t now)
{
	if (state->pasting)
		state->paste_until = now + PASTE_PAUSE;
	if (state->prompt.kind != PROMPT_NONE) {
		take_prompt_key(state, scene, input->key, now);
		return;
	}
	if (state->pasting || now < state->swallow_until || is_second_y(state, input, now))
		return;
	if (question_is_open(&state->question)) {
		state_question_input(state, scene, input, now);
		return;
	}
	if (action != ACTION_QUIT)
		state->leave_anyway = false;
	if (state->copy_pending) {
		state_copy_key(state, scene, input->key, now);
	} else if (state->choice.open) {
		state_choice_key(state, scene, input->key, action, now);
	} else if (state->menu.kind != MENU_NONE) {
		state_menu_key(state, input->key);
	} else {
		if (action != ACTION_NONE)
			state->message.kind = MESSAGE_NONE;
		act(state, scene, action, now);
	}
}

static void begin_paste(struct state *state, int64_t now)
{
	state->pasting = true;
	state->paste_until = now + PASTE_PAUSE;
	state->copy_pending = state->choice.open = false;
	if (question_is_open(&state->question)) {
		question_close(&state->question);
		state_say(state, MESSAGE_ERROR, now, "a paste is no answer: %s",
			  state->question.of_mask ? "masked as before" : "nothing sent");
	}
}

void state_input(struct state *state, const struct scene *scene, const struct input *input, enum action action,
		 int64_t now)
{
	switch (input->kind) {
	case INPUT_KEY:
		take_key(state, scene, input, action, now);
		break;
	case INPUT_PASTE_BEGIN:
		begin_paste(state, now);
		break;
	case INPUT_PASTE_END:
		state->pasting = false;
		break;
	case INPUT_ANSWER:
		question_answered(&state->question);
		break;
	default:
		break;
	}
}
