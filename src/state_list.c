#include "pglocktop/scene.h"
#include "state_private.h"

static struct list_state *state_list(struct state *state)
{
	return &state->lists[state->view];
}

static void cursor_to_line(struct state *state, const struct scene *scene, uint32_t line)
{
	struct list_state *list = state_list(state);
	if (line >= scene->line_count)
		return;
	list->touched = true;
	list->keeps_line = line > 0;
	list->cursor = scene->lines[line].key;
	list->cursor_index = line;
	if (line < scene->top)
		list->cursor_line = 0;
	else if (line >= scene->top + scene->list_height)
		list->cursor_line = scene->list_height > 0 ? scene->list_height - 1 : 0;
	else
		list->cursor_line = line - scene->top;
}

static uint32_t clamp_line(const struct scene *scene, int64_t line)
{
	if (line < 0 || scene->line_count == 0)
		return 0;
	return line >= scene->line_count ? scene->line_count - 1 : (uint32_t)line;
}

void state_move(struct state *state, const struct scene *scene, enum action action)
{
	struct list_state *list = state_list(state);
	int64_t at = scene->cursor != SNAPSHOT_NO_INDEX ? scene->cursor : list->cursor_index;
	int64_t page = scene->list_height > 1 ? scene->list_height - 1 : 1;
	switch (action) {
	case ACTION_UP:
		at--;
		break;
	case ACTION_DOWN:
		at += scene->cursor != SNAPSHOT_NO_INDEX || scene->line_count == 0;
		break;
	case ACTION_PAGE_UP:
		at -= page;
		break;
	case ACTION_PAGE_DOWN:
		at += page;
		break;
	case ACTION_TOP:
		at = 0;
		break;
	default:
		at = scene->line_count;
	}
	cursor_to_line(state, scene, clamp_line(scene, at));
}

/* Puts the cursor on a row that has no line yet; in the next scene it has one, whatever the room. */
static void cursor_to_key(struct state *state, const struct scene *scene, struct row_key key)
{
	struct list_state *list = state_list(state);
	list->cursor = key;
	list->cursor_line = scene->list_height / 2;
	list->touched = list->keeps_line = true;
	state->sought = true;
}

static void say_not_listed(struct state *state, int64_t now)
{
	struct row_key key = state_list(state)->cursor;
	if (key.kind == FOREST_SESSION)
		state_say(state, MESSAGE_NEWS, now, "%d is not listed%s", (int)key.pid,
			  state->view == VIEW_SESSIONS
				  ? ": a filter, the age or i leaves it out"
				  : ": a filter or the age leaves it out, or it no longer waits or blocks");
	else
		state_say(state, MESSAGE_NEWS, now,
			  "it is not listed: a filter or the age leaves it out, or it is over");
}

void state_check_sought(struct state *state, const struct scene *scene, int64_t now)
{
	if (state->sought && scene->cursor == SNAPSHOT_NO_INDEX)
		say_not_listed(state, now);
	state->sought = false;
}

/* Puts the cursor on an item that may be folded away: what is above it unfolds. */
static void cursor_to_item(struct state *state, const struct scene *scene, uint32_t item)
{
	const struct forest *forest = scene->forest;
	for (uint32_t line = 0; line < scene->line_count; line++) {
		if (scene_item_at(scene, line) == item) {
			cursor_to_line(state, scene, line);
			return;
		}
	}
	for (uint32_t above = forest->items[item].parent; above != FOREST_NONE; above = forest->items[above].parent)
		state_unfold(state, forest->items[above].key);
	cursor_to_key(state, scene, forest->items[item].key);
}

/* A root that would be summed up with others if the brief waits had not been unfolded. */
static bool is_brief_root(const struct state *state, const struct forest_item *item)
{
	int64_t longest = item->wait > item->behind ? item->wait : item->behind;
	return item->parent == FOREST_NONE && item->kind != FOREST_CYCLE && longest < state->status.interval;
}

static void fold_item(struct state *state, const struct scene *scene, uint32_t item, bool open)
{
	const struct forest_item *at = &scene->forest->items[item];
	if (open || (scene->outline->lines[scene->lines[scene->cursor].index].open && at->child_count > 0))
		state_fold(state, at->key, open);
	else if (at->parent != FOREST_NONE)
		cursor_to_item(state, scene, at->parent);
	else if (is_brief_root(state, at))
		state_fold(state, ROW_KEY_NONE, false);
}

void state_fold_here(struct state *state, const struct scene *scene, enum action action)
{
	if (!scene->forest)
		return;
	state_rearrange(state);
	if (action == ACTION_UNFOLD_ALL) {
		state->unfolded_all = !state->unfolded_all;
		state->fold_count = 0;
		return;
	}
	if (scene->cursor == SNAPSHOT_NO_INDEX || scene->lines[scene->cursor].kind != SCENE_TREE)
		return;
	bool open = action == ACTION_UNFOLD;
	uint32_t item = scene_item_at(scene, scene->cursor);
	if (item != FOREST_NONE) {
		fold_item(state, scene, item, open);
		return;
	}
	const struct outline_line *line = &scene->outline->lines[scene->lines[scene->cursor].index];
	if (line->kind == LINE_BRIEF)
		state_fold(state, ROW_KEY_NONE, open);
	else if (open)
		state_fold(state, scene->forest->items[line->item].key, true);
	else
		cursor_to_item(state, scene, line->item);
}

static uint32_t cursor_item(const struct scene *scene)
{
	return scene->cursor == SNAPSHOT_NO_INDEX || !scene->forest ? FOREST_NONE : scene_item_at(scene, scene->cursor);
}

/* Whom a node waits for in the end; in a deadlock the first that is part of it. */
static uint32_t root_of_node(const struct graph *graph, uint32_t node)
{
	while (graph->nodes[node].principal != GRAPH_NONE && graph->nodes[node].cycle == GRAPH_NONE)
		node = graph->nodes[node].principal;
	return node;
}

void state_go_to_root(struct state *state, const struct scene *scene, int64_t now)
{
	const struct forest *forest = scene->forest;
	uint32_t item = cursor_item(scene);
	bool of_objects = forest && forest->of_objects;
	if (item == FOREST_NONE || (of_objects && forest->items[item].kind == FOREST_OBJECT)) {
		state_say(state, MESSAGE_NEWS, now, "no session of the tree is selected");
		return;
	}
	if (of_objects)
		item = forest->node_item[root_of_node(scene->frame->graph, forest->items[item].node)];
	while (!of_objects && forest->items[item].parent != FOREST_NONE)
		item = forest->items[item].parent;
	cursor_to_item(state, scene, item);
}

/* The graph's lock that a row is about: of a session the one it waits for, else the one that most want of it. */
static uint32_t lock_of_line(const struct scene *scene, uint32_t line)
{
	const struct graph *graph = scene->frame->graph;
	uint32_t item = cursor_item(scene), session = scene_session_at(scene, line), node = GRAPH_NONE;
	if (item != FOREST_NONE && scene->forest->items[item].lock != GRAPH_NONE)
		return scene->forest->items[item].lock;
	if (item != FOREST_NONE)
		node = scene->forest->items[item].node;
	else if (session != SNAPSHOT_NO_INDEX)
		node = graph->session_node[session];
	if (node == GRAPH_NONE)
		return GRAPH_NONE;
	const struct graph_node *of = &graph->nodes[node];
	return of->principal_wait != GRAPH_NONE ? graph->waits[of->principal_wait].lock : of->heads;
}

static void go_back(struct state *state, const struct scene *scene, int64_t now)
{
	struct way_back back = state->way_back;
	if (back.key.kind == ROW_KEY_NONE.kind) {
		state_say(state, MESSAGE_NEWS, now, "o goes back to the session that one came from: choose a session");
		return;
	}
	state->way_back.key = ROW_KEY_NONE;
	state_set_view(state, back.view);
	cursor_to_key(state, scene, back.key);
}

void state_go_to_object(struct state *state, const struct scene *scene, int64_t now)
{
	uint32_t item = cursor_item(scene);
	if (scene->cursor == SNAPSHOT_NO_INDEX || scene->lines[scene->cursor].kind == SCENE_GHOST) {
		state_say(state, MESSAGE_NEWS, now, "no session is selected");
		return;
	}
	if (item != FOREST_NONE && scene->forest->items[item].kind == FOREST_OBJECT) {
		go_back(state, scene, now);
		return;
	}
	uint32_t lock = lock_of_line(scene, scene->cursor);
	if (lock == GRAPH_NONE) {
		state_say(state, MESSAGE_NEWS, now,
			  scene_cursor_session(scene) == SNAPSHOT_NO_INDEX
				  ? "no session is selected"
				  : "it neither waits for a lock nor holds one that is waited for");
		return;
	}
	state->way_back = (struct way_back){ state->view, scene->lines[scene->cursor].key };
	state_set_view(state, VIEW_OBJECTS);
	cursor_to_key(state, scene, forest_object_key(scene->frame->graph, lock));
}

bool state_go_to_pid(struct state *state, const struct scene *scene, int32_t pid, int64_t now)
{
	uint32_t session = snapshot_find_pid(scene->frame->snapshot, pid);
	if (session == SNAPSHOT_NO_INDEX)
		return false;
	uint32_t node = graph_find_pid(scene->frame->graph, pid);
	if (scene->forest && node != GRAPH_NONE) {
		cursor_to_item(state, scene, scene->forest->node_item[node]);
		return true;
	}
	if (scene->forest)
		state_say(state, MESSAGE_NEWS, now, "%d neither waits nor blocks: shown among all sessions", (int)pid);
	state_set_view(state, VIEW_SESSIONS);
	const struct session *at = &scene->frame->snapshot->sessions[session];
	struct row_key key = { .kind = FOREST_SESSION, .pid = pid, .start = at->id.backend_start };
	cursor_to_key(state, scene, key);
	return true;
}

void state_go_to_events_session(struct state *state, const struct scene *scene, int64_t now)
{
	const struct event *event;
	const struct event_line *line = scene_event_at(state, scene, scene->cursor, &event);
	if (!line || line->session.pid == 0) {
		state_say(state, MESSAGE_NEWS, now, "this line is about no session");
		return;
	}
	uint32_t session = snapshot_find(scene->frame->snapshot, line->session);
	if (session == SNAPSHOT_NO_INDEX) {
		state_say(state, MESSAGE_NEWS, now, "%d has ended", (int)line->session.pid);
		return;
	}
	bool in_tree = scene->frame->graph->session_node[session] != GRAPH_NONE;
	state_set_view(state, in_tree ? VIEW_TREE : VIEW_SESSIONS);
	cursor_to_key(state, scene,
		      (struct row_key){
			      .kind = FOREST_SESSION, .pid = line->session.pid, .start = line->session.backend_start });
}

static bool search_tree(struct state *state, const struct scene *scene, bool forward)
{
	uint32_t count = scene->forest->count, at = cursor_item(scene);
	if (at == FOREST_NONE)
		at = forward ? count - 1 : 0;
	for (uint32_t step = 1; step <= count; step++) {
		uint32_t item = (forward ? at + step : at + count - step) % count;
		if (scene_item_is_found(scene, item)) {
			cursor_to_item(state, scene, item);
			return true;
		}
	}
	return false;
}

static bool search_lines(struct state *state, const struct scene *scene, bool forward)
{
	uint32_t count = scene->line_count;
	uint32_t at = scene->cursor != SNAPSHOT_NO_INDEX ? scene->cursor : forward ? count - 1 : 0;
	for (uint32_t step = 1; step <= count; step++) {
		uint32_t line = (forward ? at + step : at + count - step) % count;
		if (scene_line_is_found(scene, line)) {
			cursor_to_line(state, scene, line);
			return true;
		}
	}
	return false;
}

void state_search_on(struct state *state, const struct scene *scene, bool forward, int64_t now)
{
	bool found = false;
	if (!scene->found) {
		state_say(state, MESSAGE_NEWS, now, "nothing to search for: / begins a search");
		return;
	}
	if (scene->forest && scene->forest->count > 0)
		found = search_tree(state, scene, forward);
	else if (!scene->forest && scene->line_count > 0)
		found = search_lines(state, scene, forward);
	if (!found)
		state_say(state, MESSAGE_NEWS, now, "not found%s: %s",
			  scene->found_count > 0 && scene->forest ? " in this view (2 shows all sessions)" : "",
			  state->search);
}

void state_jump_to_found(struct state *state, const struct scene *scene, int64_t now)
{
	state->search_jump = false;
	if (scene_line_is_found(scene, scene->cursor))
		return;
	state_search_on(state, scene, true, now);
}

void state_set_view(struct state *state, enum view view)
{
	state->details = false;
	if (state->view == view)
		return;
	ghosts_clear(&state->ghosts);
	state->view = view;
}
