#include "desk.h"

#include "keymap.h"
#include "view.h"

#include "pglocktop/scene.h"

enum { QUERY_WIDTH = 100 /* of a query in the tree that is copied */ };

void desk_init(struct desk *desk, const struct server_options *options, struct forest_order order,
	       struct charset charset)
{
	*desk = (struct desk){ .changed = true };
	state_init(&desk->state, options, !charset.unicode);
	desk->state.lists[VIEW_TREE].order = desk->state.lists[VIEW_SESSIONS].order = order;
	canvas_init(&desk->canvas, 0, 0, charset);
}

static void coming_release(struct desk_coming *coming)
{
	if (coming->new_filter)
		filter_free(coming->filter);
	if (coming->new_search)
		filter_free(coming->search);
	matching_release(&coming->matching);
	frame_free(coming->frame);
}

void desk_release(struct desk *desk)
{
	coming_release(&desk->coming);
	matching_release(&desk->matching);
	filter_free(desk->filter);
	filter_free(desk->search);
	scene_free(desk->scene);
	frame_free(desk->queued);
	frame_free(desk->frame);
	canvas_release(&desk->canvas);
	state_release(&desk->state);
}

static void desk_make_scene(struct desk *desk)
{
	struct scene_matches found = matching_found(&desk->matching);
	struct scene *old = desk->scene;
	desk->scene = scene_new(&desk->state, desk->frame, &found, (uint32_t)layout_list_height(&desk->state));
	desk->scene_is = DESK_SCENE_FRESH;
	scene_free(old);
}

/* Before anybody looks at the scene. */
static void desk_settle(struct desk *desk)
{
	if (!desk->frame)
		return;
	if (desk->scene_is == DESK_SCENE_OLD)
		desk_make_scene(desk);
	else if (desk->scene_is == DESK_SCENE_MOVED)
		scene_follow(desk->scene, &desk->state);
	desk->scene_is = DESK_SCENE_FRESH;
}

static void desk_touch(struct desk *desk, enum desk_scene scene_is)
{
	if (scene_is > desk->scene_is)
		desk->scene_is = scene_is;
	desk->changed = true;
}

static void desk_begin_matching(struct desk *desk)
{
	struct desk_coming *coming = &desk->coming;
	if (!coming->frame && !desk->frame)
		return; /* terms before the first frame: it will be matched with them */
	if (!coming->new_filter)
		coming->filter = desk->filter;
	if (!coming->new_search)
		coming->search = desk->search;
	coming->under_way = true;
	matching_start(&coming->matching, coming->frame ? coming->frame : desk->frame, coming->filter, coming->search);
}

static void desk_take_queued(struct desk *desk)
{
	if (!desk->queued)
		return;
	desk->coming.frame = desk->queued;
	desk->queued = NULL;
	desk_begin_matching(desk);
}

/* What was coming is matched: from now on it is what is shown. */
static void desk_finish_matching(struct desk *desk, int64_t now)
{
	struct desk_coming coming = desk->coming;
	struct frame *old_frame = NULL;
	struct matching old_matching = desk->matching;
	desk_settle(desk);
	if (coming.frame) {
		state_adopt(&desk->state, desk->scene, coming.frame, now);
		old_frame = desk->frame;
		desk->frame = coming.frame;
	}
	desk->matching = coming.matching;
	if (coming.new_filter)
		state_rearrange(&desk->state);
	desk_make_scene(desk);
	matching_release(&old_matching);
	frame_free(old_frame);
	if (coming.new_filter)
		filter_free(desk->filter);
	if (coming.new_search)
		filter_free(desk->search);
	desk->filter = coming.filter;
	desk->search = coming.search;
	desk->coming = (struct desk_coming){ .under_way = false };
	desk->changed = true;
	if (desk->state.search_jump) {
		state_jump_to_found(&desk->state, desk->scene, now);
		desk_touch(desk, DESK_SCENE_OLD);
	}
	desk_take_queued(desk);
}

void desk_match(struct desk *desk, int64_t deadline, int64_t now)
{
	if (desk->coming.under_way && matching_slice(&desk->coming.matching, deadline))
		desk_finish_matching(desk, now);
}

bool desk_is_matching(const struct desk *desk)
{
	return desk->coming.under_way;
}

static void frame_mask(struct frame *frame, bool masked)
{
	if (frame)
		frame->shows_literals = !masked;
}

/* What a pattern matches is what shows: else it could ask for what is masked. */
static void desk_follow_mask(struct desk *desk)
{
	bool masked = desk->state.masked;
	frame_mask(desk->frame, masked);
	frame_mask(desk->queued, masked);
	frame_mask(desk->coming.frame, masked);
	desk_begin_matching(desk);
}

void desk_take_frame(struct desk *desk, struct frame *owned)
{
	frame_mask(owned, desk->state.masked);
	frame_free(desk->queued);
	desk->queued = owned;
	if (!desk->coming.under_way)
		desk_take_queued(desk);
}

void desk_take_status(struct desk *desk, const struct source_status *status, int64_t now)
{
	state_take_status(&desk->state, status, now);
	desk_touch(desk, DESK_SCENE_OLD);
}

void desk_take_signal(struct desk *desk, const struct signal_news *news, int64_t now)
{
	state_take_signal(&desk->state, news, now);
	desk_touch(desk, DESK_SCENE_OLD);
}

void desk_take_log(struct desk *desk, const char *why)
{
	state_take_log(&desk->state, why);
	desk->changed = true;
}

void desk_show_log(struct desk *desk, const char *text)
{
	state_show_log(&desk->state, text);
	desk->changed = true;
}

void desk_take_lookup(struct desk *desk, const struct lookup_news *news, int64_t now)
{
	state_take_lookup(&desk->state, news, now);
	desk_touch(desk, DESK_SCENE_FRESH);
}

void desk_use_terms(struct desk *desk, enum effect_kind which, const char *terms)
{
	struct desk_coming *coming = &desk->coming;
	struct filter *filter = NULL;
	struct err err;
	size_t position = SIZE_MAX;
	if (*terms && !(filter = filter_new(terms, &err, &position))) {
		state_complain(&desk->state, &err, position);
		return;
	}
	if (which == EFFECT_SEARCH) {
		if (coming->new_search)
			filter_free(coming->search);
		coming->search = filter;
		coming->new_search = true;
		state_use_search(&desk->state, terms);
	} else {
		if (coming->new_filter)
			filter_free(coming->filter);
		coming->filter = filter;
		coming->new_filter = true;
		state_use_filter(&desk->state, terms);
	}
	desk_begin_matching(desk);
}

void desk_resize(struct desk *desk, int width, int height)
{
	state_resize(&desk->state, width, height);
	canvas_resize(&desk->canvas, width, height);
	desk_touch(desk, DESK_SCENE_OLD);
}

/* Whether an action can change more than where the cursor is. */
static bool changes_lines(enum action action)
{
	return action != ACTION_NONE && action_rows[action].group != ACTION_GROUP_MOVE;
}

void desk_input(struct desk *desk, const struct input *input, int64_t now)
{
	enum action action = input->kind == INPUT_KEY ? keymap_find(input->key) : ACTION_NONE;
	bool typed = state_takes_keys(&desk->state), masked = desk->state.masked;
	desk_settle(desk);
	state_input(&desk->state, desk->scene, input, action, now);
	if (desk->state.masked != masked)
		desk_follow_mask(desk);
	desk_touch(desk, typed || changes_lines(action) ? DESK_SCENE_OLD : DESK_SCENE_MOVED);
}

void desk_tick(struct desk *desk, int64_t now)
{
	if (state_tick(&desk->state, now))
		desk_touch(desk, DESK_SCENE_OLD);
}

int64_t desk_next_tick(const struct desk *desk, int64_t now)
{
	return state_next_tick(&desk->state, desk->frame, now);
}

void desk_draw(struct desk *desk, int64_t now)
{
	static const char no_room[] = "the question does not fit: make the terminal larger";
	if (question_is_shown(&desk->state.question) && !state_has_room_to_ask(&desk->state))
		state_close_question(&desk->state, now, no_room);
	desk_settle(desk);
	if (desk->scene)
		state_check_sought(&desk->state, desk->scene, now);
	struct view_drawn drawn = view_draw(&desk->canvas, &desk->state, desk->scene, now);
	if (!drawn.question_fits) {
		state_close_question(&desk->state, now, no_room);
		drawn = view_draw(&desk->canvas, &desk->state, desk->scene, now);
	}
	state_scrolled(&desk->state, drawn.last_top, drawn.question_last_top);
	desk->changed = false;
}

struct identity desk_selected(struct desk *desk)
{
	desk_settle(desk);
	uint32_t session = desk->scene ? scene_cursor_session(desk->scene) : SNAPSHOT_NO_INDEX;
	if (session == SNAPSHOT_NO_INDEX)
		return (struct identity){ 0, WHEN_NONE };
	return desk->frame->snapshot->sessions[session].id;
}

static void copy_query_line(void *context, const char *text)
{
	strbuf_printf(context, "  %s", text);
}

/* Its beginning, masked whatever the screen shows: it may be pasted anywhere. */
static void copy_query(const struct frame *frame, uint32_t session, struct charset charset, struct strbuf *line)
{
	const char *query = session == SNAPSHOT_NO_INDEX ? NULL : frame_masked_query(frame, session);
	if (query && *query && text_wrap_sentence(charset, query, QUERY_WIDTH, 1, copy_query_line, line) > 1)
		strbuf_add_string(line, charset.unicode ? " …" : " ~");
}

static void copy_item(const struct forest *forest, uint32_t item, struct charset charset, struct strbuf *line)
{
	enum { SHOWN = 4 };
	static const enum column_id tree[SHOWN] = { COLUMN_BEHIND, COLUMN_SESSION, COLUMN_STATE, COLUMN_OBJECT };
	static const enum column_id objects[SHOWN] = { COLUMN_WAITED, COLUMN_LOCK, COLUMN_MODE, COLUMN_WHY };
	static const enum column_id object[SHOWN] = { COLUMN_WAITERS, COLUMN_BEHIND, COLUMN_LOCK, COLUMN_WHY };
	bool is_object = forest->items[item].kind == FOREST_OBJECT;
	const enum column_id *shown = is_object ? object : forest->of_objects ? objects : tree;
	struct column_row row = column_row_of_item(forest, item);
	if (forest->items[item].kind == FOREST_CYCLE) {
		strbuf_add_string(line, "DEADLOCK");
		return;
	}
	for (size_t i = 0; i < SHOWN; i++) {
		strbuf_add_string(line, i ? "  " : "");
		column_format(&columns[shown[i]], &row, !charset.unicode, line);
	}
	copy_query(forest->frame, row.session, charset, line);
}

void desk_copy_tree(struct desk *desk, struct strbuf *out)
{
	struct strbuf line = STRBUF_INIT;
	desk_settle(desk);
	const struct forest *forest = desk->scene ? desk->scene->forest : NULL;
	for (uint32_t i = 0; forest && i < forest->count; i++) {
		for (unsigned level = 0; level < forest->items[i].depth && level < 8; level++)
			strbuf_add_string(out, "  ");
		strbuf_reset(&line);
		copy_item(forest, i, desk->canvas.charset, &line);
		text_add_inert(desk->canvas.charset, line.text, out);
		strbuf_add_char(out, '\n');
	}
	strbuf_release(&line);
}
