#include "pglocktop/scene.h"

#include "pglocktop/waitevent.h"

#include "fingerprint.h"

#include <stdlib.h>
#include <string.h>

static void *scene_array(struct scene *scene, size_t count, size_t size)
{
	return arena_array(&scene->arena, count, size);
}

static bool is_idle(const struct session *session)
{
	return session->state == SESSION_IDLE || session->state == SESSION_NO_STATE ||
	       session->state == SESSION_DISABLED;
}

/* How long a session has been at what it is doing: what "long-running first" and the minimum age go by. */
static int64_t session_age(const struct snapshot *snapshot, const struct session *session)
{
	if (session->xact_start != WHEN_NONE)
		return when_age(snapshot->taken_at, session->xact_start);
	if (session->state == SESSION_ACTIVE)
		return when_age(snapshot->taken_at, session->query_start);
	return WHEN_NONE;
}

/* Whether a filter or a search has found the session or prepared transaction of an item that has a node. */
static bool item_is_in(const struct forest *forest, const struct forest_item *item, const bool *sessions,
		       const bool *prepared)
{
	uint32_t session = forest_session(forest, (uint32_t)(item - forest->items));
	uint32_t index = forest->frame->graph->nodes[item->node].prepared;
	if (session != SNAPSHOT_NO_INDEX)
		return sessions[session];
	return index != SNAPSHOT_NO_INDEX && prepared[index];
}

/* Who holds an object counts by the longest wait for it. */
static int64_t longest_of(const struct scene *scene, const struct forest_item *item)
{
	if (item->holder != GRAPH_NONE)
		return scene->forest->items[item->parent].behind;
	return item->behind > item->wait ? item->behind : item->wait;
}

static bool item_matches(const struct scene *scene, const struct state *state, const struct filter_run *filter,
			 const struct forest_item *item)
{
	if (item->node == GRAPH_NONE)
		return false;
	if (filter && !item_is_in(scene->forest, item, filter->sessions, filter->prepared))
		return false;
	return state->minimum_age <= 0 || longest_of(scene, item) >= state->minimum_age;
}

static const bool *scene_match_items(struct scene *scene, const struct state *state, const struct filter_run *filter)
{
	if (!filter && state->minimum_age <= 0)
		return NULL;
	bool *matched = scene_array(scene, scene->forest->count, sizeof *matched);
	for (uint32_t i = 0; i < scene->forest->count; i++)
		matched[i] = item_matches(scene, state, filter, &scene->forest->items[i]);
	return matched;
}

static int compare_keys(const void *a, const void *b)
{
	const struct row_key *x = a, *y = b;
	return row_key_compare(*x, *y);
}

static bool item_is_tagged(const struct tags *tags, const struct forest_item *item)
{
	struct identity id = { item->key.pid, item->key.start };
	return tags->count > 0 && item->kind == FOREST_SESSION && tags_have(tags, id);
}

/* What must not disappear into a summed-up line: the cursor's session, what is tagged, what a filter or a search found.
 */
static struct row_key *scene_keep(struct scene *scene, const struct state *state, const bool *matched, uint32_t *count)
{
	const struct forest *forest = scene->forest;
	struct row_key *keep = scene_array(scene, (size_t)forest->count + 1, sizeof *keep);
	uint32_t kept = 0;
	keep[kept++] = state->lists[state->view].cursor;
	for (uint32_t i = 0; i < forest->count; i++) {
		const struct forest_item *item = &forest->items[i];
		if (scene_item_is_found(scene, i) || (matched && matched[i]) || item_is_tagged(&state->tags, item))
			keep[kept++] = item->key;
	}
	qsort(keep, kept, sizeof *keep, compare_keys);
	*count = kept;
	return keep;
}

/* Of those that are alike: what makes them so, under that parent. Each of them may leave, the line is the same. */
static struct row_key alike_key(const struct forest *forest, const struct outline_line *line)
{
	const struct frame *frame = forest->frame;
	uint32_t index = frame->graph->nodes[forest->items[line->example].node].session;
	const struct session *session = &frame->snapshot->sessions[index];
	return (struct row_key){ .kind = SCENE_KEY_ALIKE,
				 .pid = forest->items[line->item].key.pid,
				 .start = (int64_t)(session_fingerprint(session) ^ (uint64_t)session->state) };
}

static struct row_key line_key(const struct forest *forest, const struct outline_line *line)
{
	struct row_key key = line->key;
	switch (line->kind) {
	case LINE_ITEM:
		return forest->items[line->item].key;
	case LINE_MORE:
		key.kind = SCENE_KEY_MORE;
		return key;
	case LINE_ALIKE:
		return alike_key(forest, line);
	case LINE_BRIEF:
		break;
	}
	return (struct row_key){ .kind = SCENE_KEY_BRIEF };
}

static void scene_add_line(struct scene *scene, enum scene_line_kind kind, uint32_t index, struct row_key key)
{
	scene->lines[scene->line_count++] = (struct scene_line){ kind, index, key };
}

/* A ghost of one who left the tree, or an object's queue, is not shown when it is back. */
static bool ghost_shows(const struct scene *scene, const struct ghost *ghost)
{
	const struct frame *frame = scene->frame;
	if (ghost->kind != GHOST_LEFT || ghost->key.kind != FOREST_SESSION)
		return true;
	if (ghost->key.part != FOREST_WHOLE)
		return !forest_has_place(frame->graph, ghost->key);
	uint32_t session = snapshot_find_pid(frame->snapshot, ghost->key.pid);
	return session == SNAPSHOT_NO_INDEX || !waitevent_is_shown(frame, session);
}

/* Where in the list ghosts are about to be put. */
enum ghost_place { WITHIN_A_TREE, BEFORE_A_ROOT, AT_THE_END };

static bool ghost_goes_here(const struct scene *scene, const struct ghost *ghost, enum ghost_place place)
{
	if (place == AT_THE_END)
		return true;
	/* A deadlock that is over does not split a tree. */
	return ghost->line <= scene->line_count && (place == BEFORE_A_ROOT || ghost->kind != GHOST_CYCLE);
}

/* Those whose place has come; a deadlock's lines follow each other. */
static void scene_add_ghosts(struct scene *scene, const struct state *state, uint32_t *next, enum ghost_place place)
{
	const struct ghosts *ghosts = &state->ghosts;
	for (; *next < ghosts->count && ghost_goes_here(scene, &ghosts->list[*next], place); ++*next)
		if (ghost_shows(scene, &ghosts->list[*next]))
			scene_add_line(scene, SCENE_GHOST, *next, ghosts->list[*next].key);
}

int64_t scene_brief_wait(const struct state *state)
{
	return state->status.interval < WHEN_SECOND ? state->status.interval : WHEN_SECOND;
}

/* What a filter and a minimum age leave. */
static bool session_matches(const struct state *state, const struct snapshot *snapshot, uint32_t index,
			    const struct filter_run *filter)
{
	if (filter && !filter->sessions[index])
		return false;
	return state->minimum_age <= 0 || session_age(snapshot, &snapshot->sessions[index]) >= state->minimum_age;
}

static bool is_hidden_as_idle(const struct state *state, const struct session *session)
{
	return state->view == VIEW_SESSIONS && state->hide_idle && is_idle(session);
}

bool scene_leaves_out(const struct scene *scene, const struct state *state, uint32_t session)
{
	const struct snapshot *snapshot = scene->frame->snapshot;
	uint32_t node = scene->frame->graph->session_node[session];
	if (scene->matched && !scene->matched[session])
		return true;
	if (is_hidden_as_idle(state, &snapshot->sessions[session]))
		return true;
	if (scene->forest && node != GRAPH_NONE && scene->forest->node_item[node] != FOREST_NONE)
		return !item_matches(scene, state, NULL, &scene->forest->items[scene->forest->node_item[node]]);
	return !session_matches(state, snapshot, session, NULL);
}

/* Those who are shown behind the tree, but not behind the objects: writes their indices, returns how many they are. */
static uint32_t scene_find_beside(const struct scene *scene, const struct state *state, const struct filter_run *filter,
				  uint32_t *sessions)
{
	const struct snapshot *snapshot = scene->frame->snapshot;
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->session_count && state->view == VIEW_TREE; i++)
		if (waitevent_is_beside_tree(scene->frame, i) && session_matches(state, snapshot, i, filter))
			sessions[count++] = i;
	return count;
}

static void scene_add_sessions(struct scene *scene, const struct state *state, uint32_t *next, const uint32_t *sessions,
			       uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct identity id = scene->frame->snapshot->sessions[sessions[i]].id;
		scene_add_ghosts(scene, state, next, BEFORE_A_ROOT);
		struct row_key key = { .kind = FOREST_SESSION, .pid = id.pid, .start = id.backend_start };
		scene_add_line(scene, SCENE_SESSION, sessions[i], key);
	}
}

/* The tree, or the objects. */
static void scene_make_forest(struct scene *scene, struct state *state, const struct filter_run *filter)
{
	struct outline_options options = {
		.folds = state->folds,
		.fold_count = state->fold_count,
		.brief = scene_brief_wait(state),
		.whole = state->unfolded_all,
	};
	uint32_t *beside = scene_array(scene, scene->frame->snapshot->session_count, sizeof *beside);
	uint32_t beside_count = scene_find_beside(scene, state, filter, beside);
	uint32_t others = state->ghosts.count + beside_count;
	options.height = scene->list_height > others ? scene->list_height - others : 1;
	struct forest_order order = state->lists[state->view].order;
	scene->forest = state->view == VIEW_OBJECTS ? forest_new_objects(scene->frame, order, &scene->arena)
						    : forest_new(scene->frame, order, &scene->arena);
	options.matched = scene_match_items(scene, state, filter);
	options.keep = scene_keep(scene, state, options.matched, &options.keep_count);
	scene->outline = outline_new(scene->forest, &options, &scene->arena);
	scene->lines = scene_array(scene, (size_t)scene->outline->count + others, sizeof *scene->lines);
	uint32_t next = 0;
	for (uint32_t i = 0; i < scene->outline->count; i++) {
		bool root = scene->outline->lines[i].depth == 0;
		scene_add_ghosts(scene, state, &next, root ? BEFORE_A_ROOT : WITHIN_A_TREE);
		scene_add_line(scene, SCENE_TREE, i, line_key(scene->forest, &scene->outline->lines[i]));
	}
	scene_add_sessions(scene, state, &next, beside, beside_count);
	scene_add_ghosts(scene, state, &next, AT_THE_END);
	scene->nobody_waits = scene->forest->count == 0 && beside_count == 0;
}

struct sort_key {
	bool known;
	int64_t number;
	const char *text;
	int32_t pid;
	int64_t start;
	uint32_t session;
};

struct sort_by {
	bool text, descending;
};

/* Unknown values last, in either direction; equals by pid and backend_start. */
static int compare_sort_keys(const void *a, const void *b, void *context)
{
	const struct sort_key *x = a, *y = b;
	const struct sort_by *by = context;
	if (x->known != y->known)
		return x->known ? -1 : 1;
	int order =
		by->text ? column_compare_texts(x->text, y->text) : (x->number > y->number) - (x->number < y->number);
	if (order != 0)
		return by->descending ? -order : order;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return (x->start > y->start) - (x->start < y->start);
}

static void take_sort_key(struct scene *scene, struct forest_order order, struct strbuf *text, struct sort_key *key)
{
	const struct session *session = &scene->frame->snapshot->sessions[key->session];
	key->pid = session->id.pid;
	key->start = session->id.backend_start;
	key->text = "";
	if (!order.column) {
		key->number = session_age(scene->frame->snapshot, session);
		key->known = key->number != WHEN_NONE;
		return;
	}
	struct column_row row = column_row_of_session(scene->frame, key->session);
	strbuf_reset(text);
	struct column_value value = column_get(order.column, &row, true, text);
	key->number = value.number;
	key->known = value.known;
	if (order.column->kind == COLUMN_TEXT)
		key->text = arena_string(&scene->arena, text->text);
}

static void scene_make_sessions(struct scene *scene, struct state *state, const struct filter_run *filter)
{
	const struct snapshot *snapshot = scene->frame->snapshot;
	struct forest_order order = state->lists[VIEW_SESSIONS].order;
	struct sort_key *keys = scene_array(scene, snapshot->session_count, sizeof *keys);
	struct strbuf text = STRBUF_INIT;
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		if (is_hidden_as_idle(state, &snapshot->sessions[i]) || !session_matches(state, snapshot, i, filter))
			continue;
		keys[count].session = i;
		take_sort_key(scene, order, &text, &keys[count++]);
	}
	strbuf_release(&text);
	struct sort_by by = { order.column && order.column->kind == COLUMN_TEXT,
			      order.column ? order.descending : true };
	qsort_r(keys, count, sizeof *keys, compare_sort_keys, &by);
	scene->lines = scene_array(scene, (size_t)count + state->ghosts.count, sizeof *scene->lines);
	uint32_t next = 0;
	uint32_t *sessions = scene_array(scene, count, sizeof *sessions);
	for (uint32_t i = 0; i < count; i++)
		sessions[i] = keys[i].session;
	scene_add_sessions(scene, state, &next, sessions, count);
	scene_add_ghosts(scene, state, &next, AT_THE_END);
}

/* The line with a key, a live one before a ghost; SNAPSHOT_NO_INDEX. */
static uint32_t scene_find_line(const struct scene *scene, struct row_key key)
{
	uint32_t found = SNAPSHOT_NO_INDEX;
	for (uint32_t i = 0; i < scene->line_count; i++) {
		if (row_key_compare(scene->lines[i].key, key) != 0)
			continue;
		found = i;
		if (scene->lines[i].kind != SCENE_GHOST)
			break;
	}
	return found;
}

static uint32_t scene_choose_line(const struct scene *scene, const struct list_state *list, uint32_t height)
{
	uint32_t found = scene_find_line(scene, list->cursor);
	if (scene->line_count == 0)
		return SNAPSHOT_NO_INDEX;
	if (!list->touched)
		return found < height && scene->lines[found].kind != SCENE_EVENT ? found : 0;
	if (found == SNAPSHOT_NO_INDEX && list->rearranged)
		return list->cursor_index < scene->line_count ? list->cursor_index : scene->line_count - 1;
	return found;
}

static uint32_t scene_choose_top(const struct scene *scene, const struct list_state *list, uint32_t at, uint32_t height)
{
	uint32_t last_top = scene->line_count > height ? scene->line_count - height : 0;
	uint32_t top = list->keeps_line && at > list->cursor_line ? at - list->cursor_line : 0;
	if (at >= top + height)
		top = at - height + 1;
	return top < last_top ? top : last_top;
}

static void scene_place_cursor(struct scene *scene, struct list_state *list)
{
	uint32_t height = scene->list_height > 0 ? scene->list_height : 1;
	scene->cursor = scene_choose_line(scene, list, height);
	list->rearranged = false;
	uint32_t at = scene->cursor != SNAPSHOT_NO_INDEX ? scene->cursor : list->cursor_index;
	scene->top = scene_choose_top(scene, list, at, height);
	if (scene->cursor == SNAPSHOT_NO_INDEX)
		return;
	list->cursor = scene->lines[at].key;
	list->cursor_index = at;
	list->cursor_line = at - scene->top;
}

/* The newest first; the lines of one event follow each other. */
static void scene_make_events(struct scene *scene, const struct state *state, const struct filter_run *search)
{
	const struct events *events = &state->history.events;
	bool *found = scene_array(scene, (size_t)events->count * EVENT_LINES, sizeof *found);
	scene->lines = scene_array(scene, (size_t)events->count * EVENT_LINES, sizeof *scene->lines);
	for (uint32_t i = 0; i < events->count; i++) {
		const struct event *event = events_newest(events, i);
		for (uint32_t line = 0; line < event->line_count; line++) {
			struct row_key key = { .kind = SCENE_KEY_EVENT,
					       .pid = (int32_t)line,
					       .start = (int64_t)event->id };
			found[scene->line_count] =
				search && filter_match_text(search->filter, event->lines[line].text) == FILTER_YES;
			scene_add_line(scene, SCENE_EVENT, i, key);
		}
	}
	scene->found_lines = search ? found : NULL;
}

static void scene_take_found(struct scene *scene, const struct filter_run *search)
{
	if (!search)
		return;
	scene->found = search->sessions;
	scene->found_prepared = search->prepared;
	for (uint32_t i = 0; i < scene->frame->snapshot->session_count; i++)
		scene->found_count += search->sessions[i];
}

struct scene *scene_new(struct state *state, const struct frame *frame, const struct scene_matches *matches,
			uint32_t list_height)
{
	struct scene *scene = calloc(1, sizeof *scene);
	if (!scene)
		err_die("out of memory");
	scene->frame = frame;
	scene->list_height = list_height;
	scene->totals = totals_of(frame);
	scene->act_count = whatif_next(frame->whatif, scene_brief_wait(state), scene->acts);
	scene->barred = scene->act_count == 0 && whatif_barred(frame->whatif, scene_brief_wait(state), &scene->acts[0]);
	scene->matched = matches->filter ? matches->filter->sessions : NULL;
	scene->given_up = matches->filter ? matches->filter->given_up : 0;
	scene_take_found(scene, matches->search);
	if (state->view == VIEW_SESSIONS)
		scene_make_sessions(scene, state, matches->filter);
	else if (state->view == VIEW_EVENTS)
		scene_make_events(scene, state, matches->search);
	else
		scene_make_forest(scene, state, matches->filter);
	scene_place_cursor(scene, &state->lists[state->view]);
	return scene;
}

void scene_follow(struct scene *scene, struct state *state)
{
	scene_place_cursor(scene, &state->lists[state->view]);
}

void scene_free(struct scene *owned)
{
	if (!owned)
		return;
	arena_release(&owned->arena);
	free(owned);
}

const struct event_line *scene_event_at(const struct state *state, const struct scene *scene, uint32_t line,
					const struct event **event)
{
	if (line >= scene->line_count || scene->lines[line].kind != SCENE_EVENT)
		return NULL;
	*event = events_newest(&state->history.events, scene->lines[line].index);
	uint32_t part = (uint32_t)scene->lines[line].key.pid;
	return *event && part < (*event)->line_count ? &(*event)->lines[part] : NULL;
}

uint32_t scene_item_at(const struct scene *scene, uint32_t line)
{
	if (line >= scene->line_count || scene->lines[line].kind != SCENE_TREE)
		return FOREST_NONE;
	const struct outline_line *at = &scene->outline->lines[scene->lines[line].index];
	return at->kind == LINE_ITEM ? at->item : FOREST_NONE;
}

uint32_t scene_session_at(const struct scene *scene, uint32_t line)
{
	if (line >= scene->line_count || scene->lines[line].kind == SCENE_GHOST ||
	    scene->lines[line].kind == SCENE_EVENT)
		return SNAPSHOT_NO_INDEX;
	if (scene->lines[line].kind == SCENE_SESSION)
		return scene->lines[line].index;
	uint32_t item = scene_item_at(scene, line);
	return item == FOREST_NONE ? SNAPSHOT_NO_INDEX : forest_session(scene->forest, item);
}

bool scene_item_is_found(const struct scene *scene, uint32_t item)
{
	if (!scene->found || scene->forest->items[item].node == GRAPH_NONE)
		return false;
	return item_is_in(scene->forest, &scene->forest->items[item], scene->found, scene->found_prepared);
}

bool scene_line_is_found(const struct scene *scene, uint32_t line)
{
	if (!scene->found || line >= scene->line_count || scene->lines[line].kind == SCENE_GHOST)
		return false;
	if (scene->lines[line].kind == SCENE_EVENT)
		return scene->found_lines && scene->found_lines[line];
	if (scene->lines[line].kind == SCENE_SESSION)
		return scene->found[scene->lines[line].index];
	uint32_t item = scene_item_at(scene, line);
	return item != FOREST_NONE && scene_item_is_found(scene, item);
}

uint32_t scene_cursor_session(const struct scene *scene)
{
	return scene_session_at(scene, scene->cursor);
}
