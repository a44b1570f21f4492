#include "pglocktop/state.h"

#include "pglocktop/scene.h"
#include "state_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MESSAGE_TIME = 15 * 1000 * 1000,
	ENDED_TIME = 1000 * 1000,
	CYCLE_TIME = 30 * 1000 * 1000,
	STALE_AFTER = 1500 * 1000, /* beyond the interval */
};

void state_init(struct state *state, const struct server_options *options, bool ascii)
{
	*state = (struct state){ .ascii = ascii,
				 .read_only = options->read_only,
				 .interrupted_at = WHEN_NONE,
				 .last_block = { .ended = WHEN_NONE } };
	state->status.interval = options->interval;
	for (int view = 0; view < VIEW_COUNT; view++)
		state->lists[view].cursor = ROW_KEY_NONE;
	prompt_close(&state->prompt);
}

void state_release(struct state *state)
{
	state_clear_effects(state);
	ghosts_clear(&state->ghosts);
	free(state->folds);
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
	ensure(state->effect_count < EFFECTS_MAX);
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

void state_fold(struct state *state, struct row_key key, bool open)
{
	uint32_t low = 0, high = state->fold_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (row_key_compare(state->folds[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == state->fold_count || row_key_compare(state->folds[low].key, key) != 0) {
		if (state->fold_count == state->fold_capacity) {
			state->fold_capacity = state->fold_capacity ? state->fold_capacity * 2 : 16;
			state->folds = realloc(state->folds, state->fold_capacity * sizeof *state->folds);
			if (!state->folds)
				err_die("out of memory");
		}
		memmove(state->folds + low + 1, state->folds + low, (state->fold_count - low) * sizeof *state->folds);
		state->fold_count++;
	}
	state->folds[low] = (struct fold){ key, open };
}

/* The line that a session or a blocker will be remembered by. */
static void node_label(const struct frame *frame, uint32_t node, char label[96])
{
	const struct graph_node *of = &frame->graph->nodes[node];
	if (of->session != SNAPSHOT_NO_INDEX) {
		const struct session *session = &frame->snapshot->sessions[of->session];
		snprintf(label, 96, "%d %.64s", session->id.pid, session->application ? session->application : "");
	} else {
		snprintf(label, 96, "2pc %.64s",
			 of->prepared != SNAPSHOT_NO_INDEX ? frame->snapshot->prepared[of->prepared].gid : "?");
	}
}

static uint32_t heaviest_root(const struct graph *graph)
{
	uint32_t best = GRAPH_NONE;
	int64_t longest = -1;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		const struct graph_node *node = &graph->nodes[i];
		if (node->principal == GRAPH_NONE || graph->nodes[node->principal].wait_count > 0)
			continue;
		if (node->waiting > longest) {
			longest = node->waiting;
			best = node->principal;
		}
	}
	return best;
}

static void state_note_block(struct state *state, const struct frame *frame)
{
	struct last_block *last = &state->last_block;
	uint32_t waiting = frame->graph->waiting_sessions;
	int64_t now = frame->snapshot->taken_at;
	if (waiting == 0) {
		if (last->under_way)
			last->ended = now;
		last->under_way = false;
		return;
	}
	if (!last->under_way) {
		*last = (struct last_block){ .under_way = true, .began = now, .ended = WHEN_NONE };
		if (frame->graph->longest_wait != WHEN_NONE)
			last->began = now - frame->graph->longest_wait;
	}
	if (waiting >= last->most_waiters) {
		uint32_t root = heaviest_root(frame->graph);
		last->most_waiters = waiting;
		if (root != GRAPH_NONE)
			node_label(frame, root, last->label);
		else
			snprintf(last->label, sizeof last->label, "a deadlock");
	}
}

static void state_note_past(struct state *state, const struct frame *frame)
{
	struct past *past = &state->past;
	past->times[past->next] = frame->snapshot->taken_at;
	past->waiting[past->next] = frame->graph->waiting_sessions;
	past->next = (past->next + 1) % PAST_SIZE;
	if (past->count < PAST_SIZE)
		past->count++;
}

/* The session of a line has ended, or the cursor's left the list: its line stays for a while. */
static void state_note_line(struct state *state, const struct scene *old, uint32_t line, const struct frame *frame,
			    int64_t now)
{
	struct row_key key = old->lines[line].key;
	bool ended = key.kind == FOREST_SESSION &&
		     snapshot_find(frame->snapshot, (struct identity){ key.pid, key.start }) == SNAPSHOT_NO_INDEX;
	bool chosen = line == old->cursor && state->lists[state->view].touched;
	bool left = key.kind == FOREST_SESSION && state->view == VIEW_TREE && chosen && !ended &&
		    graph_find_pid(frame->graph, key.pid) == GRAPH_NONE;
	if ((!ended && !left) || old->lines[line].kind == SCENE_GHOST)
		return;
	uint32_t item = scene_item_at(old, line);
	struct column_row row = item != FOREST_NONE ? column_row_of_item(old->forest, item)
						    : column_row_of_session(old->frame, scene_session_at(old, line));
	struct ghost *ghost = ghosts_add(&state->ghosts, ended ? GHOST_ENDED : GHOST_LEFT, key, line);
	ghost->until = now + ENDED_TIME;
	if (item != FOREST_NONE) {
		ghost->depth = old->forest->items[item].depth;
		ghost->last_sibling = old->forest->items[item].last_sibling;
	}
	ghost_take_cells(ghost, &row, state->ascii);
	bool waited = item != FOREST_NONE && old->forest->items[item].wait != WHEN_NONE;
	ghost_set_cell(ghost, COLUMN_STATE, ended ? "has ended" : waited ? "waits no more" : "blocks no more");
}

static void state_note_lines(struct state *state, const struct scene *old, const struct frame *frame, int64_t now)
{
	uint32_t end = old->top + old->list_height;
	for (uint32_t line = old->top; line < end && line < old->line_count; line++)
		state_note_line(state, old, line, frame, now);
}

/* What became of a member of a deadlock that is over. */
static const char *member_fate(const struct frame *old, const struct frame *frame, struct identity id)
{
	uint32_t index = snapshot_find(frame->snapshot, id);
	if (index == SNAPSHOT_NO_INDEX)
		return "has ended";
	if (frame->snapshot->sessions[index].state == SESSION_IDLE_IN_TRANSACTION_ABORTED)
		return "failed";
	uint32_t node = frame->graph->session_node[index];
	bool waits = node != GRAPH_NONE && frame->graph->nodes[node].wait_count > 0;
	if (waits)
		return "still waits";
	uint32_t before = snapshot_find(old->snapshot, id);
	bool same = before != SNAPSHOT_NO_INDEX &&
		    old->snapshot->sessions[before].xact_start == frame->snapshot->sessions[index].xact_start;
	return same ? "goes on" : "transaction over";
}

static void state_note_member(struct state *state, const struct scene *old, uint32_t item, uint32_t line,
			      const struct frame *frame, int64_t until)
{
	const struct forest_item *member = &old->forest->items[item];
	struct column_row row = column_row_of_item(old->forest, item);
	struct row_key key = { SCENE_KEY_PAST, member->key.pid, member->key.start };
	struct ghost *ghost = ghosts_add(&state->ghosts, GHOST_MEMBER, key, line);
	ghost->until = until;
	ghost->depth = 1;
	ghost->last_sibling = member->last_sibling;
	ghost_take_cells(ghost, &row, state->ascii);
	if (member->kind == FOREST_SESSION)
		ghost_set_cell(ghost, COLUMN_STATE,
			       member_fate(old->frame, frame, (struct identity){ member->key.pid, member->key.start }));
}

static bool cycle_lives(const struct frame *frame, struct row_key key)
{
	for (uint32_t i = 0; i < frame->graph->cycle_count; i++) {
		const struct graph_cycle *cycle = &frame->graph->cycles[i];
		for (uint32_t m = 0; m < cycle->member_count; m++) {
			const struct graph_node *node =
				&frame->graph->nodes[frame->graph->cycle_members[cycle->first_member + m]];
			if (node->session != SNAPSHOT_NO_INDEX &&
			    frame->snapshot->sessions[node->session].id.pid == key.pid)
				return true;
		}
	}
	return false;
}

static void state_note_cycle(struct state *state, const struct scene *old, uint32_t item, uint32_t line,
			     const struct frame *frame, int64_t now)
{
	const struct forest_item *head = &old->forest->items[item];
	const struct graph_cycle *cycle = &old->frame->graph->cycles[head->cycle];
	char text[160], clock[WHEN_TEXT_SIZE];
	struct row_key key = { SCENE_KEY_PAST, head->key.pid, head->key.start - 1 };
	ghosts_remove_key(&state->ghosts, key);
	struct ghost *ghost = ghosts_add(&state->ghosts, GHOST_CYCLE, key, line);
	ghost->until = now + CYCLE_TIME;
	snprintf(text, sizeof text, "DEADLOCK of %u, over since %s%s", (unsigned)cycle->member_count,
		 when_format_clock(frame->snapshot->taken_at, clock),
		 cycle->has_soft ? ": the queue was reordered" : "");
	ghost_set_cell(ghost, COLUMN_SESSION, text);
	for (uint32_t member = item + 1, n = 0; n < cycle->member_count;) {
		state_note_member(state, old, member, line + ++n, frame, now + CYCLE_TIME);
		member = old->forest->items[member].next;
		if (member == FOREST_NONE)
			break;
	}
}

static void state_note_cycles(struct state *state, const struct scene *old, const struct frame *frame, int64_t now)
{
	if (!old->forest)
		return;
	for (uint32_t line = 0; line < old->line_count; line++) {
		uint32_t item = scene_item_at(old, line);
		if (item == FOREST_NONE || old->forest->items[item].kind != FOREST_CYCLE)
			continue;
		if (!cycle_lives(frame, old->forest->items[item].key))
			state_note_cycle(state, old, item, line, frame, now);
	}
}

static void state_forget_server(struct state *state, int64_t now)
{
	state->fold_count = 0;
	ghosts_clear(&state->ghosts);
	for (int view = 0; view < VIEW_COUNT; view++) {
		state->lists[view].cursor = ROW_KEY_NONE;
		state->lists[view].touched = false;
	}
	state->details = false;
	state->past = (struct past){ .count = 0 };
	state->last_block = (struct last_block){ .ended = WHEN_NONE };
	state_say(state, MESSAGE_NEWS, now,
		  "this is another server, or it was restarted: folds and cursor were dropped");
}

void state_adopt(struct state *state, const struct scene *old, const struct frame *frame, int64_t now)
{
	struct err err;
	if (old && old->frame->server_epoch != frame->server_epoch) {
		state_forget_server(state, now);
	} else if (old) {
		state_note_lines(state, old, frame, now);
		state_note_cycles(state, old, frame, now);
	}
	ghosts_sweep(&state->ghosts, state->lists[state->view].cursor, now);
	ghosts_sort(&state->ghosts);
	state_note_past(state, frame);
	state_note_block(state, frame);
	if (!question_check(&state->question, frame, &err)) {
		state_say(state, MESSAGE_NEWS, now, "%s", err.text);
		state->swallow_until = now + STATE_SWALLOW_TIME;
	}
}

void state_take_status(struct state *state, const struct source_status *status)
{
	state->status = *status;
}

static const char *verb_word(enum signal_verb verb)
{
	return verb == SIGNAL_CANCEL ? "CANCEL" : "TERM";
}

static void waiting_text(const struct signal_news *news, char *text, size_t size, bool ascii)
{
	text[0] = '\0';
	if (news->waiting_before >= 0 && news->waiting_after >= 0)
		snprintf(text, size, "; waiting %d %s %d", (int)news->waiting_before, ascii ? "->" : "→",
			 (int)news->waiting_after);
}

void state_take_signal(struct state *state, const struct signal_news *news, int64_t now)
{
	const char *verb = verb_word(news->request.verb);
	int pid = news->request.target.pid;
	char waiting[64];
	waiting_text(news, waiting, sizeof waiting, state->ascii);
	int milliseconds = news->elapsed == WHEN_NONE ? 0 : (int)(news->elapsed / 1000);
	switch (news->outcome) {
	case SIGNAL_SENT:
		state_say(state, MESSAGE_NEWS, now, "%s sent to %d, watching what comes of it", verb, pid);
		break;
	case SIGNAL_GONE:
		state_say(state, MESSAGE_NEWS, now, "%s sent to %d: gone after %d ms%s", verb, pid, milliseconds,
			  waiting);
		break;
	case SIGNAL_STOPPED:
		state_say(state, MESSAGE_NEWS, now, "%s sent to %d: its query stopped after %d ms%s", verb, pid,
			  milliseconds, waiting);
		break;
	case SIGNAL_STILL_THERE:
		state_say(state, MESSAGE_ERROR, now, "%s sent to %d, but after 3 s it is still there%s%s", verb, pid,
			  news->text[0] ? ": " : "", news->text);
		break;
	case SIGNAL_NOT_SENT:
		state_say(state, MESSAGE_ERROR, now, "nothing sent to %d%s%s", pid, news->text[0] ? ": " : "",
			  news->text[0] ? news->text : ": it has ended or moved on");
		break;
	case SIGNAL_REFUSED:
		state_say(state, MESSAGE_ERROR, now, "nothing sent to %d, the server refused: %s%s%s", pid, news->text,
			  news->sqlstate[0] ? " " : "", news->sqlstate);
		break;
	case SIGNAL_UNKNOWN:
		state_say(state, MESSAGE_ERROR, now, "%s for %d: no answer, it may have been sent%s%s", verb, pid,
			  news->text[0] ? ": " : "", news->text);
		break;
	}
}

bool state_takes_keys(const struct state *state)
{
	return state->pasting || state->copy_pending || question_is_open(&state->question) ||
	       state->prompt.kind != PROMPT_NONE || state->menu.kind != MENU_NONE;
}

bool state_tick(struct state *state, int64_t now)
{
	bool changed = false;
	if (state->message.kind != MESSAGE_NONE && now >= state->message.until) {
		state->message.kind = MESSAGE_NONE;
		changed = true;
	}
	changed |= ghosts_sweep(&state->ghosts, state->lists[state->view].cursor, now);
	enum question_stage before = state->question.stage;
	question_tick(&state->question, now);
	return changed || state->question.stage != before;
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
	int64_t next = ghosts_next(&state->ghosts, state->lists[state->view].cursor);
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
