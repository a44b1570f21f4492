/* What a newer frame changes: what has ended stays for a while, what is remembered of the past, the question. */
#include "pglocktop/privilege.h"
#include "pglocktop/scene.h"
#include "pglocktop/waitevent.h"
#include "state_private.h"

#include <stdio.h>
#include <string.h>

enum { ENDED_TIME = 1000 * 1000, CYCLE_TIME = 30 * 1000 * 1000, MOST_MEMBERS = 20 };

static void state_note_past(struct state *state, const struct frame *frame)
{
	struct past *past = &state->past;
	int64_t slice = frame->snapshot->taken_at / PAST_SLICE;
	struct past_slice *at = &past->slices[(uint64_t)slice % PAST_SLICES];
	if (!at->known || at->slice != slice)
		*at = (struct past_slice){ .known = true, .slice = slice };
	if (frame->graph->waiting_sessions > at->most_waiting)
		at->most_waiting = frame->graph->waiting_sessions;
}

static bool session_ended(const struct frame *frame, struct row_key key)
{
	struct identity id = { key.pid, key.start };
	return key.kind == FOREST_SESSION && snapshot_find(frame->snapshot, id) == SNAPSHOT_NO_INDEX;
}

static bool session_in_tree(const struct frame *frame, struct row_key key)
{
	uint32_t session = key.kind == FOREST_SESSION ? snapshot_find_pid(frame->snapshot, key.pid) : SNAPSHOT_NO_INDEX;
	return session != SNAPSHOT_NO_INDEX && waitevent_is_shown(frame, session);
}

/* From one frame to a newer one: what is taken note of. */
struct noting {
	struct state *state;
	const struct scene *old;
	const struct frame *frame;
	int64_t now;
	bool *cycle_over; /* by cycle of the old frame: no member is in one any more */
};

static bool cycle_lives(const struct noting *noting, const struct graph_cycle *cycle)
{
	const struct graph *old = noting->old->frame->graph, *graph = noting->frame->graph;
	for (uint32_t i = 0; i < cycle->member_count; i++) {
		uint32_t session = old->nodes[old->cycle_members[cycle->first_member + i]].session;
		if (session == SNAPSHOT_NO_INDEX)
			continue;
		session = snapshot_find(noting->frame->snapshot, noting->old->frame->snapshot->sessions[session].id);
		uint32_t node = session == SNAPSHOT_NO_INDEX ? GRAPH_NONE : graph->session_node[session];
		if (node != GRAPH_NONE && graph->nodes[node].cycle != GRAPH_NONE)
			return true;
	}
	return false;
}

/* Whether the new frame has a row for it in the view that is shown. */
static bool has_row(const struct noting *noting, struct row_key key)
{
	if (key.part != FOREST_WHOLE)
		return forest_has_place(noting->frame->graph, key);
	return noting->state->view == VIEW_SESSIONS || session_in_tree(noting->frame, key);
}

/* It is shown among the members of a deadlock that is over. */
static bool is_past_member(const struct noting *noting, uint32_t item)
{
	if (item == FOREST_NONE)
		return false;
	const struct forest_item *at = &noting->old->forest->items[item];
	return at->kind != FOREST_CYCLE && at->cycle != GRAPH_NONE && noting->cycle_over[at->cycle];
}

/* Where each view says what a session does. */
static void ghost_set_fate(struct ghost *ghost, const char *text)
{
	ghost_set_cell(ghost, COLUMN_STATE, text);
	ghost_set_cell(ghost, COLUMN_WHY, text);
}

/* The session of a line has ended, or the cursor's left the list: its line stays for a while. */
static void note_line(const struct noting *noting, uint32_t line)
{
	struct state *state = noting->state;
	const struct scene *old = noting->old;
	struct row_key key = old->lines[line].key;
	uint32_t item = scene_item_at(old, line);
	bool chosen = line == old->cursor && state->lists[state->view].touched;
	bool ended = session_ended(noting->frame, key);
	bool left = chosen && key.kind == FOREST_SESSION && !has_row(noting, key);
	if ((!ended && !left) || old->lines[line].kind == SCENE_GHOST || old->lines[line].kind == SCENE_EVENT ||
	    is_past_member(noting, item))
		return;
	struct column_row row = item != FOREST_NONE ? column_row_of_item(old->forest, item)
						    : column_row_of_session(old->frame, scene_session_at(old, line));
	ghosts_remove_key(&state->ghosts, key);
	struct ghost *ghost = ghosts_add(&state->ghosts, ended ? GHOST_ENDED : GHOST_LEFT, key, line);
	ghost->until = noting->now + ENDED_TIME;
	if (item != FOREST_NONE) {
		ghost->depth = old->forest->items[item].depth;
		ghost->last_sibling = old->forest->items[item].last_sibling;
	}
	ghost_take_cells(ghost, &row, state->ascii);
	bool waited = item == FOREST_NONE || old->forest->items[item].wait != WHEN_NONE;
	ghost_set_fate(ghost, ended ? "has ended" : waited ? "waits no more" : "blocks no more");
}

/* Those on screen. */
static void note_lines(const struct noting *noting)
{
	const struct scene *old = noting->old;
	for (uint32_t line = old->top; line < old->top + old->list_height && line < old->line_count; line++)
		note_line(noting, line);
}

/* Those who had left the tree may have ended since. */
static void note_ends(const struct noting *noting)
{
	struct ghosts *ghosts = &noting->state->ghosts;
	for (uint32_t i = 0; i < ghosts->count; i++) {
		struct ghost *ghost = &ghosts->list[i];
		if (ghost->kind != GHOST_LEFT || !session_ended(noting->frame, ghost->key))
			continue;
		ghost->kind = GHOST_ENDED;
		ghost->until = noting->now + ENDED_TIME;
		ghost_set_fate(ghost, "has ended");
	}
}

/* What became of a member of a deadlock that is over. */
static const char *member_fate(const struct noting *noting, struct identity id)
{
	const struct snapshot *old = noting->old->frame->snapshot, *snapshot = noting->frame->snapshot;
	uint32_t before = snapshot_find(old, id), index = snapshot_find(snapshot, id);
	if (index == SNAPSHOT_NO_INDEX)
		return "has ended";
	if (snapshot->sessions[index].state == SESSION_IDLE_IN_TRANSACTION_ABORTED)
		return "failed";
	uint32_t node = noting->frame->graph->session_node[index];
	if (node != GRAPH_NONE && noting->frame->graph->nodes[node].wait_count > 0)
		return "still waits";
	bool same =
		before != SNAPSHOT_NO_INDEX && old->sessions[before].xact_start == snapshot->sessions[index].xact_start;
	return same ? "goes on" : "transaction over";
}

/* The cursor stays on what it was on, where that is now a line of the past. */
static void follow_into_past(const struct noting *noting, struct row_key from, struct row_key to)
{
	struct row_key *cursor = &noting->state->lists[VIEW_TREE].cursor;
	if (row_key_compare(*cursor, from) == 0 && !session_in_tree(noting->frame, from))
		*cursor = to;
}

static void note_member(const struct noting *noting, uint32_t item, uint32_t line)
{
	const struct forest_item *member = &noting->old->forest->items[item];
	struct column_row row = column_row_of_item(noting->old->forest, item);
	struct row_key key = { .kind = SCENE_KEY_PAST, .pid = member->key.pid, .start = member->key.start };
	ghosts_remove_key(&noting->state->ghosts, key);
	struct ghost *ghost = ghosts_add(&noting->state->ghosts, GHOST_MEMBER, key, line);
	ghost->until = noting->now + CYCLE_TIME;
	ghost->depth = 1;
	ghost->last_sibling = member->last_sibling;
	ghost_take_cells(ghost, &row, noting->state->ascii);
	if (member->kind == FOREST_SESSION)
		ghost_set_cell(ghost, COLUMN_STATE,
			       member_fate(noting, (struct identity){ member->key.pid, member->key.start }));
	follow_into_past(noting, member->key, key);
}

/* Its lines take the head's place, one after the other. */
static void note_cycle(const struct noting *noting, uint32_t item, uint32_t line)
{
	const struct forest *forest = noting->old->forest;
	const struct forest_item *head = &forest->items[item];
	const struct graph_cycle *cycle = &noting->old->frame->graph->cycles[head->cycle];
	char text[160], clock[WHEN_TEXT_SIZE];
	struct row_key key = { .kind = SCENE_KEY_PAST_HEAD, .pid = head->key.pid, .start = head->key.start };
	ghosts_remove_key(&noting->state->ghosts, key);
	struct ghost *ghost = ghosts_add(&noting->state->ghosts, GHOST_CYCLE, key, line);
	ghost->until = noting->now + CYCLE_TIME;
	snprintf(text, sizeof text, "DEADLOCK of %u, over since %s%s", (unsigned)cycle->member_count,
		 when_format_clock(noting->frame->snapshot->taken_at, clock),
		 cycle->has_soft ? ": the queue was reordered" : "");
	ghost_set_cell(ghost, COLUMN_SESSION, text);
	follow_into_past(noting, head->key, key);
	uint32_t member = item + 1;
	for (unsigned i = 0; i < MOST_MEMBERS && member != FOREST_NONE; i++) {
		note_member(noting, member, line);
		member = forest->items[member].next;
	}
}

static void note_cycles(const struct noting *noting)
{
	const struct scene *old = noting->old;
	for (uint32_t line = 0; old->forest && line < old->line_count; line++) {
		uint32_t item = scene_item_at(old, line);
		if (item == FOREST_NONE || old->forest->items[item].kind != FOREST_CYCLE)
			continue;
		if (noting->cycle_over[old->forest->items[item].cycle])
			note_cycle(noting, item, line);
	}
}

static void state_note_changes(struct state *state, const struct scene *old, const struct frame *frame, int64_t now)
{
	const struct graph *graph = old->frame->graph;
	struct arena scratch = ARENA_INIT;
	struct noting noting = { state, old, frame, now, NULL };
	noting.cycle_over = arena_array(&scratch, graph->cycle_count, sizeof *noting.cycle_over);
	for (uint32_t i = 0; i < graph->cycle_count; i++)
		noting.cycle_over[i] = !cycle_lives(&noting, &graph->cycles[i]);
	note_ends(&noting);
	note_lines(&noting);
	note_cycles(&noting);
	arena_release(&scratch);
}

static void state_forget_server(struct state *state, int64_t now)
{
	state->fold_count = 0;
	ghosts_clear(&state->ghosts);
	for (int view = 0; view < VIEW_COUNT; view++) {
		state->lists[view].cursor = ROW_KEY_NONE;
		state->lists[view].touched = state->lists[view].keeps_line = false;
	}
	state->details = false;
	state->way_back.key = ROW_KEY_NONE;
	state->past = (struct past){ .slices = { { .known = false } } };
	bool tagged = state->tags.count > 0;
	state->tags.count = 0;
	state->choice.open = false;
	state_say(state, MESSAGE_NEWS, now,
		  "this is another server, or it was restarted: folds%s and cursor were dropped",
		  tagged ? ", tags" : "");
}

void state_adopt(struct state *state, const struct scene *old, const struct frame *frame, int64_t now)
{
	struct err err;
	if (old && old->frame->server_epoch != frame->server_epoch)
		state_forget_server(state, now);
	else if (old)
		state_note_changes(state, old, frame, now);
	state_note_tags(state, frame, now);
	history_note_frame(&state->history, old ? old->frame : NULL, frame, state->status.interval);
	ghosts_sweep(&state->ghosts, state_held_key(state), now);
	ghosts_sort(&state->ghosts);
	state->advised = privilege_lacks(&frame->snapshot->role);
	state_note_past(state, frame);
	if (!question_check(&state->question, frame, &err)) {
		state_say(state, MESSAGE_NEWS, now, "%s", err.text);
		state_swallow(state, now);
	}
}
