#include "pglocktop/state.h"

#include "pglocktop/heap.h"
#include "pglocktop/outcome.h"
#include "pglocktop/scene.h"
#include "state_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MESSAGE_TIME = 15 * 1000 * 1000,
	STALE_AFTER = 1500 * 1000, /* beyond the interval */
};

void state_init(struct state *state, const struct server_options *options, bool ascii)
{
	*state = (struct state){ .ascii = ascii,
				 .read_only = options->read_only,
				 .interrupted_at = WHEN_NONE,
				 .lost_since = WHEN_NONE,
				 .way_back = { .key = ROW_KEY_NONE } };
	history_init(&state->history);
	state->status.interval = options->interval;
	for (int view = 0; view < VIEW_COUNT; view++)
		state->lists[view].cursor = ROW_KEY_NONE;
	prompt_close(&state->prompt);
}

void state_release(struct state *state)
{
	state_clear_effects(state);
	ghosts_clear(&state->ghosts);
	free(state->effects);
	history_release(&state->history);
	free(state->folds);
	free(state->log_text);
}

void state_set_masked(struct state *state, bool masked)
{
	state->masked = masked;
	if (masked)
		ghosts_mask(&state->ghosts);
}

void state_resize(struct state *state, int width, int height)
{
	state->width = width;
	state->height = height;
}

void state_say(struct state *state, enum message_kind kind, int64_t now, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(state->message.text, sizeof state->message.text, fmt, args);
	va_end(args);
	state->message.kind = kind;
	state->message.until = now + MESSAGE_TIME;
}

struct effect *state_effect(struct state *state, enum effect_kind kind, const char *text)
{
	size_t wanted = state->effect_count + (size_t)1;
	state->effects = heap_grow(state->effects, &state->effect_capacity, wanted, sizeof *state->effects);
	struct effect *effect = &state->effects[state->effect_count++];
	*effect = (struct effect){ .kind = kind, .text = text ? strdup(text) : NULL };
	if (text && !effect->text)
		err_die("out of memory");
	return effect;
}

void state_clear_effects(struct state *state)
{
	for (uint32_t i = 0; i < state->effect_count; i++)
		free(state->effects[i].text);
	state->effect_count = 0;
}

void state_complain(struct state *state, const struct err *err, size_t position)
{
	snprintf(state->prompt.complaint, sizeof state->prompt.complaint, "%.*s",
		 (int)sizeof state->prompt.complaint - 1, err->text);
	state->prompt.complaint_at = position;
}

void state_use_filter(struct state *state, const char *terms)
{
	size_t length = strlen(terms), tail = strlen(state->user_term);
	/* The user menu's term is kept apart, so that the filter can be edited without it. */
	if (tail > 0 && length >= tail && strcmp(terms + length - tail, state->user_term) == 0)
		length -= tail;
	while (length > 0 && terms[length - 1] == ' ')
		length--;
	snprintf(state->filter, sizeof state->filter, "%.*s", (int)length, terms);
	prompt_close(&state->prompt);
}

void state_use_search(struct state *state, const char *terms)
{
	snprintf(state->search, sizeof state->search, "%s", terms);
	state->search_jump = *terms != '\0';
	prompt_close(&state->prompt);
}

/* Where the fold with this key is, or would be put. */
static uint32_t find_fold(const struct state *state, struct row_key key, bool *found)
{
	uint32_t low = 0, high = state->fold_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (row_key_compare(state->folds[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < state->fold_count && row_key_compare(state->folds[low].key, key) == 0;
	return low;
}

void state_fold(struct state *state, struct row_key key, bool open)
{
	bool found;
	uint32_t at = find_fold(state, key, &found);
	if (!found) {
		size_t wanted = state->fold_count + (size_t)1;
		state->folds = heap_grow(state->folds, &state->fold_capacity, wanted, sizeof *state->folds);
		memmove(state->folds + at + 1, state->folds + at, (state->fold_count - at) * sizeof *state->folds);
		state->fold_count++;
	}
	state->folds[at] = (struct fold){ key, open };
}

void state_unfold(struct state *state, struct row_key key)
{
	bool found;
	uint32_t at = find_fold(state, key, &found);
	if (!found || state->folds[at].open)
		return;
	state->fold_count--;
	memmove(state->folds + at, state->folds + at + 1, (state->fold_count - at) * sizeof *state->folds);
}

void state_rearrange(struct state *state)
{
	for (int view = 0; view < VIEW_COUNT; view++)
		state->lists[view].rearranged = true;
}

struct row_key state_held_key(const struct state *state)
{
	const struct list_state *list = &state->lists[state->view];
	return list->touched ? list->cursor : ROW_KEY_NONE;
}

static bool is_connected(const struct source_status *status)
{
	return status->state == SOURCE_LIVE || status->state == SOURCE_FROZEN;
}

void state_take_status(struct state *state, const struct source_status *status, int64_t now)
{
	state->status = *status;
	history_note_status(&state->history, status);
	if (status->state == SOURCE_LOST)
		state->lost_since = status->since;
	if (is_connected(status)) {
		state->lost_since = WHEN_NONE;
		return;
	}
	if (!state->question.of_mask)
		state_close_question(state, now, "the question was closed: the connection was lost, nothing was sent");
}

void state_show_log(struct state *state, const char *text)
{
	if (question_is_open(&state->question))
		return; /* it came late, and would cover what is asked */
	free(state->log_text);
	state->log_text = strdup(text);
	if (!state->log_text)
		err_die("out of memory (the audit log)");
	state->log_top = UINT32_MAX / 2; /* its end: the view clamps it */
}

bool state_takes_keys(const struct state *state)
{
	return state->pasting || state->copy_pending || state->choice.open || question_is_open(&state->question) ||
	       state->prompt.kind != PROMPT_NONE || state->menu.kind != MENU_NONE;
}

bool state_tick(struct state *state, int64_t now)
{
	bool changed = false;
	if (state->message.kind != MESSAGE_NONE && now >= state->message.until) {
		state->message.kind = MESSAGE_NONE;
		changed = true;
	}
	if (state->pasting && now >= state->paste_until)
		state->pasting = false;
	changed |= ghosts_sweep(&state->ghosts, state_held_key(state), now);
	enum question_stage before = state->question.stage;
	question_tick(&state->question, now);
	return changed || state->question.stage != before;
}

void state_scrolled(struct state *state, uint32_t last_top, uint32_t question_last_top)
{
	if (state->question.top > question_last_top)
		state->question.top = question_last_top;
	uint32_t *top = state->help ? &state->help_top : state->log_text ? &state->log_top : &state->details_top;
	if (*top > last_top)
		*top = last_top;
}

static void say_volley(struct state *state, int64_t now)
{
	bool well = volley_went_well(&state->volley) && !state->volley.unlogged;
	struct strbuf text = STRBUF_INIT;
	volley_describe(&state->volley, state->ascii, &text);
	state_say(state, well ? MESSAGE_NEWS : MESSAGE_ERROR, now, "%s", text.text);
	strbuf_release(&text);
}

static void say_outcome(struct state *state, const struct signal_news *news, int64_t now)
{
	bool error = news->unlogged || outcome_is_bad(news->outcome);
	struct strbuf text = STRBUF_INIT;
	outcome_add(news, state->ascii, &text);
	state_say(state, error ? MESSAGE_ERROR : MESSAGE_NEWS, now, "%s", text.text);
	strbuf_release(&text);
}

void state_take_signal(struct state *state, const struct signal_news *news, int64_t now)
{
	if (volley_take(&state->volley, news))
		say_volley(state, now);
	else
		say_outcome(state, news, now);
	history_note_signal(&state->history, news, now, state->ascii);
}

bool state_is_stale(const struct state *state, const struct frame *frame, int64_t now)
{
	if (!frame || state->status.state == SOURCE_FROZEN || state->frozen)
		return false;
	return now - frame->received_at > state->status.interval + STALE_AFTER;
}

static bool state_is_counting(const struct state *state)
{
	return state->status.state == SOURCE_LOST || state->status.state == SOURCE_NO_SLOT ||
	       state->status.state == SOURCE_CONNECTING || state->status.state == SOURCE_AUTHENTICATING ||
	       state->status.state == SOURCE_WARMING;
}

int64_t state_next_tick(const struct state *state, const struct frame *frame, int64_t now)
{
	int64_t next = ghosts_next(&state->ghosts, state_held_key(state));
	if (state->pasting && state->paste_until < next)
		next = state->paste_until;
	if (state->message.kind != MESSAGE_NONE && state->message.until < next)
		next = state->message.until;
	if (state->question.stage == QUESTION_DRAWN && state->question.due < next)
		next = state->question.due;
	int64_t clock = INT64_MAX;
	if (state_is_counting(state) || state_is_stale(state, frame, now))
		clock = now + WHEN_SECOND;
	else if (frame && !state->frozen)
		clock = frame->received_at + state->status.interval + STALE_AFTER + 1;
	return clock < next ? clock : next;
}
