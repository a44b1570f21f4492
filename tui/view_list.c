#include "view.h"

#include <inttypes.h>
#include <stdio.h>

enum { MOST_LEVELS = 8 };

/* The signs that draw the tree, in Unicode and in ASCII. Each is one column wide. */
struct tree_signs {
	const char *branch, *last, *bar; /* hard */
	const char *leaf, *soft_leaf, *presumed_leaf;
	const char *open, *folded, *soft_open, *soft_folded;
	const char *more, *times, *cycle;
};

static const struct tree_signs unicode_signs = { "├", "└", "│", "─", "╌", "~", "▼", "▶", "▽", "▷", "…", "×", "⟳" };
static const struct tree_signs ascii_signs = { "|", "`", "|", "-", ".", "~", "v", ">", "v.", ">.", "...", "x", "@" };

static const struct tree_signs *signs_of(const struct state *state)
{
	return state->ascii ? &ascii_signs : &unicode_signs;
}

/* What stands left of a line in the tree: bars for the blockers above, then its own branch. */
static void add_branch(const struct tree_signs *signs, const bool *goes_on, unsigned depth, bool last,
		       struct strbuf *out)
{
	if (depth == 0)
		return;
	if (depth > MOST_LEVELS) {
		for (unsigned level = 1; level < MOST_LEVELS - 2; level++)
			strbuf_add_string(out, goes_on[level] ? signs->bar : " ");
		strbuf_printf(out, "%s%u ", signs->more, depth);
	} else {
		for (unsigned level = 1; level < depth; level++)
			strbuf_add_string(out, goes_on[level] ? signs->bar : " ");
	}
	strbuf_add_string(out, last ? signs->last : signs->branch);
}

static const char *marker_of(const struct tree_signs *signs, const struct forest_item *item, bool open)
{
	bool soft = item->edge != EDGE_HARD && item->parent != FOREST_NONE;
	if (item->child_count > 0) {
		if (open)
			return soft ? signs->soft_open : signs->open;
		return soft ? signs->soft_folded : signs->folded;
	}
	if (item->parent == FOREST_NONE || item->lock != GRAPH_NONE)
		return " ";
	return item->edge == EDGE_PRESUMED ? signs->presumed_leaf : soft ? signs->soft_leaf : signs->leaf;
}

/* Who holds it and waits for nobody is to be looked at. */
static enum style object_style(const struct column_row *row, enum column_id column)
{
	const struct forest_item *item = row->item;
	if (item->kind == FOREST_OBJECT)
		return column == COLUMN_LOCK ? STYLE_STRONG : STYLE_NORMAL;
	bool telling = column == COLUMN_LOCK || column == COLUMN_WHY;
	bool ends_it = item->holder != GRAPH_NONE && row->frame->graph->nodes[item->node].wait_count == 0;
	return ends_it && telling ? STYLE_HOLDS : STYLE_NORMAL;
}

static enum style row_style(const struct column_row *row, enum column_id column)
{
	const struct forest_item *item = row->item;
	if (!item)
		return STYLE_NORMAL;
	if (item->lock != GRAPH_NONE)
		return object_style(row, column);
	if (item->parent == FOREST_NONE && item->beneath > 0 && item->wait == WHEN_NONE &&
	    (column == COLUMN_SESSION || column == COLUMN_STATE))
		return STYLE_HOLDS;
	return column == COLUMN_STATE && item->wait != WHEN_NONE ? STYLE_WAITS : STYLE_NORMAL;
}

static void put_cell(struct canvas *canvas, int y, const struct layout_column *at, enum style style, const char *text)
{
	if (at->width <= 0)
		return;
	if (at->column->right)
		canvas_put_right(canvas, y, at->x, at->width, style, text);
	else
		canvas_put_cut(canvas, y, at->x, at->width, style, text);
}

/* What is told of an object is not told of those beneath it, and the other way round. */
static bool is_empty_cell(const struct forest_item *item, enum column_id column)
{
	bool of_object = column == COLUMN_WAITERS || column == COLUMN_BEHIND;
	if (!item || item->lock == GRAPH_NONE || column == COLUMN_LOCK)
		return false;
	if (item->kind == FOREST_OBJECT)
		return !of_object && column != COLUMN_WHY;
	return of_object || (column == COLUMN_WAITED && item->holder != GRAPH_NONE);
}

/* One line of a list: the cells of a row, the session's with what the tree puts before it. */
static void draw_row(struct canvas *canvas, const struct view_context *context, int y, const struct column_row *row,
		     const char *branch, bool dim)
{
	struct strbuf text = STRBUF_INIT;
	for (int i = 0; i < context->layout.column_count; i++) {
		const struct layout_column *at = &context->layout.columns[i];
		enum style style = dim ? STYLE_DIM : row_style(row, at->column->id);
		if (is_empty_cell(row->item, at->column->id))
			continue;
		strbuf_reset(&text);
		if (layout_is_tree_column(at->column->id))
			strbuf_add_string(&text, branch);
		column_format(at->column, row, context->state->ascii, &text);
		put_cell(canvas, y, at, style, text.text);
	}
	strbuf_release(&text);
}

static bool server_is_blind(const struct frame *frame, const struct graph_cycle *cycle)
{
	int64_t limit = frame->snapshot->server.deadlock_timeout;
	return limit > 0 && cycle->age != WHEN_NONE && cycle->age > 2 * limit && !(cycle->ends_in > 0);
}

/* When the server ends it, and by failing whom; in few words when `brief`. */
static void add_end(const struct frame *frame, const struct graph_cycle *cycle, bool brief, struct strbuf *out)
{
	uint32_t victim = cycle->victim == GRAPH_NONE ? SNAPSHOT_NO_INDEX : frame->graph->nodes[cycle->victim].session;
	strbuf_add_string(out, brief ? "ends" : "nothing to do, the server ends it");
	if (cycle->ends_in != WHEN_NONE && cycle->ends_in > 0)
		strbuf_printf(out, " in about %.1f s", (double)cycle->ends_in / (double)WHEN_SECOND);
	else if (cycle->ends_in != WHEN_NONE)
		strbuf_add_string(out, " now");
	else if (brief)
		strbuf_add_string(out, " by itself");
	if (victim != SNAPSHOT_NO_INDEX)
		strbuf_printf(out, brief ? ", may fail %d" : ", probably by failing %d",
			      (int)frame->snapshot->sessions[victim].id.pid);
}

static void cycle_text(const struct view_context *context, const struct forest_item *item, bool brief,
		       struct strbuf *out)
{
	const struct frame *frame = context->scene->frame;
	const struct graph_cycle *cycle = &frame->graph->cycles[item->cycle];
	strbuf_printf(out, "%s DEADLOCK of %u: ", signs_of(context->state)->cycle, (unsigned)cycle->member_count);
	if (server_is_blind(frame, cycle))
		strbuf_add_string(out, brief ? "the server cannot see it"
					     : "the server cannot see this one: it will not end by itself");
	else if (cycle->has_soft)
		strbuf_add_string(out, brief ? "will be reordered"
					     : "the server will probably reorder the queue; nobody fails");
	else
		add_end(frame, cycle, brief, out);
}

static void draw_cycle(struct canvas *canvas, const struct view_context *context, int y, const struct forest_item *item)
{
	struct strbuf text = STRBUF_INIT;
	cycle_text(context, item, false, &text);
	if (text_width(canvas->charset, text.text) > canvas->width - 1) {
		strbuf_reset(&text);
		cycle_text(context, item, true, &text);
	}
	canvas_fill(canvas, y, 0, -1, STYLE_DEADLOCK);
	canvas_put_cut(canvas, y, 1, -1, STYLE_DEADLOCK, text.text);
	strbuf_release(&text);
}

static void sum_text(const struct view_context *context, const struct outline_line *line, struct strbuf *out)
{
	const struct tree_signs *signs = signs_of(context->state);
	char age[WHEN_TEXT_SIZE];
	when_format_age(line->oldest, age);
	if (line->kind == LINE_MORE) {
		strbuf_printf(out, "%s %u more, oldest %s", signs->more, (unsigned)line->count, age);
	} else {
		strbuf_printf(out, "%s %u brief wait%s (<%gs)", signs->more, (unsigned)line->count,
			      line->count == 1 ? "" : "s",
			      (double)scene_brief_wait(context->state) / (double)WHEN_SECOND);
	}
}

static int session_x(const struct view_context *context)
{
	for (int i = 0; i < context->layout.column_count; i++)
		if (layout_is_tree_column(context->layout.columns[i].column->id))
			return context->layout.columns[i].x;
	return 1;
}

/* ×300 of one query: the query is cut so that the count and the oldest wait always show. */
static void draw_alike(struct canvas *canvas, const struct view_context *context, int y, int x,
		       const struct outline_line *line, enum style style)
{
	struct column_row row = column_row_of_item(context->scene->forest, line->example);
	struct strbuf text = STRBUF_INIT;
	char head[48], tail[96], age[WHEN_TEXT_SIZE];
	const struct tree_signs *signs = signs_of(context->state);
	snprintf(head, sizeof head, "%s%u ", signs->times, (unsigned)line->count);
	snprintf(tail, sizeof tail, "  oldest %s", when_format_age(line->oldest, age));
	column_format(&columns[COLUMN_QUERY], &row, context->state->ascii, &text);
	x += canvas_put(canvas, y, x, -1, style, head);
	int room = canvas->width - x - text_width(canvas->charset, tail);
	if (room > 0)
		x += canvas_put_cut(canvas, y, x, room, style, text.text);
	canvas_put(canvas, y, x, -1, style, tail);
	strbuf_release(&text);
}

static void draw_tree_line(struct canvas *canvas, const struct view_context *context, int y, uint32_t index,
			   const bool *goes_on)
{
	const struct scene *scene = context->scene;
	const struct outline_line *line = &scene->outline->lines[index];
	struct strbuf text = STRBUF_INIT;
	if (!scene->forest->of_objects)
		add_branch(signs_of(context->state), goes_on, line->depth, line->last_sibling, &text);
	else if (line->depth > 0)
		strbuf_add_char(&text, ' ');
	if (line->kind == LINE_ITEM && scene->forest->items[line->item].kind == FOREST_CYCLE) {
		draw_cycle(canvas, context, y, &scene->forest->items[line->item]);
	} else if (line->kind == LINE_ITEM) {
		const struct forest_item *item = &scene->forest->items[line->item];
		struct column_row row = column_row_of_item(scene->forest, line->item);
		strbuf_add_string(&text, marker_of(signs_of(context->state), item, line->open));
		strbuf_add_char(&text, ' ');
		draw_row(canvas, context, y, &row, text.text, line->dim);
	} else {
		int x = session_x(context);
		strbuf_add_char(&text, ' ');
		x += canvas_put(canvas, y, x, -1, STYLE_DIM, line->depth ? text.text : "  ");
		if (line->kind == LINE_ALIKE) {
			draw_alike(canvas, context, y, x, line, line->dim ? STYLE_DIM : STYLE_NORMAL);
		} else {
			strbuf_reset(&text);
			sum_text(context, line, &text);
			canvas_put_cut(canvas, y, x, -1, STYLE_DIM, text.text);
		}
	}
	strbuf_release(&text);
}

static void draw_ghost(struct canvas *canvas, const struct view_context *context, int y, const struct ghost *ghost,
		       const bool *goes_on)
{
	struct strbuf text = STRBUF_INIT;
	const struct tree_signs *signs = signs_of(context->state);
	if (ghost->kind == GHOST_CYCLE) {
		strbuf_printf(&text, "%s %s", signs->cycle, ghost->cells[COLUMN_SESSION]);
		canvas_put_cut(canvas, y, 1, -1, STYLE_DIM, text.text);
		strbuf_release(&text);
		return;
	}
	for (int i = 0; i < context->layout.column_count; i++) {
		const struct layout_column *at = &context->layout.columns[i];
		bool of_object = at->column->id == COLUMN_WAITERS || at->column->id == COLUMN_BEHIND;
		if (of_object && ghost->key.part != FOREST_WHOLE)
			continue;
		strbuf_reset(&text);
		if (at->column->id == COLUMN_LOCK) {
			strbuf_add_string(&text, "   ");
		} else if (at->column->id == COLUMN_SESSION && context->state->view == VIEW_TREE) {
			add_branch(signs, goes_on, ghost->depth, ghost->last_sibling, &text);
			strbuf_printf(&text, "%s ", ghost->depth ? signs->leaf : " ");
		}
		if (ghost->cells[at->column->id])
			strbuf_add_string(&text, ghost->cells[at->column->id]);
		put_cell(canvas, y, at, STYLE_DIM, text.text);
	}
	strbuf_release(&text);
}

static bool is_tagged(const struct view_context *context, uint32_t line)
{
	const struct tags *tags = &context->state->tags;
	uint32_t session = tags->count > 0 ? scene_session_at(context->scene, line) : SNAPSHOT_NO_INDEX;
	return session != SNAPSHOT_NO_INDEX && tags_have(tags, context->scene->frame->snapshot->sessions[session].id);
}

/* In the first column: what a search found, and what is tagged; the tag is what one must see. */
static void draw_marks(struct canvas *canvas, const struct view_context *context, int y, uint32_t line)
{
	bool found = scene_line_is_found(context->scene, line), tagged = is_tagged(context, line);
	if (found)
		canvas_fill(canvas, y, 0, 1, STYLE_MATCH);
	if (found || tagged)
		canvas_put(canvas, y, 0, 1, found ? STYLE_MATCH : STYLE_TAGGED, tagged ? "*" : "/");
}

static void draw_line(struct canvas *canvas, const struct view_context *context, int y, uint32_t index,
		      const bool *goes_on)
{
	const struct scene *scene = context->scene;
	const struct scene_line *line = &scene->lines[index];
	if (line->kind == SCENE_TREE) {
		draw_tree_line(canvas, context, y, line->index, goes_on);
	} else if (line->kind == SCENE_GHOST) {
		draw_ghost(canvas, context, y, &context->state->ghosts.list[line->index], goes_on);
	} else {
		struct column_row row = column_row_of_session(scene->frame, line->index);
		/* In the tree view its place is that of a root. */
		draw_row(canvas, context, y, &row, context->state->view == VIEW_TREE ? "  " : "", false);
	}
	draw_marks(canvas, context, y, index);
}

/* Which ancestors of a line have siblings further down: what the bars to its left show. */
static void track_levels(const struct scene *scene, uint32_t index, bool *goes_on)
{
	if (scene->lines[index].kind != SCENE_TREE)
		return;
	const struct outline_line *line = &scene->outline->lines[scene->lines[index].index];
	if (line->depth > 0 && line->depth <= MOST_LEVELS)
		goes_on[line->depth] = !line->last_sibling;
}

bool view_is_dim(const struct view_context *context)
{
	const struct state *state = context->state;
	return state->status.state == SOURCE_LOST || state->status.state == SOURCE_CONNECTING ||
	       state->status.state == SOURCE_AUTHENTICATING || state->status.state == SOURCE_WARMING ||
	       state->status.state == SOURCE_NO_SLOT || state->status.state == SOURCE_FAILED ||
	       state->status.state == SOURCE_FROZEN || state->frozen ||
	       state_is_stale(state, context->scene->frame, context->now);
}

void view_draw_list(struct canvas *canvas, const struct view_context *context, int y, int height, uint32_t top)
{
	const struct scene *scene = context->scene;
	bool goes_on[MOST_LEVELS + 1] = { false };
	bool dim = view_is_dim(context);
	for (uint32_t i = 0; i < scene->line_count && (int64_t)i < (int64_t)top + height; i++) {
		if (i >= top) {
			int at = y + (int)(i - top);
			draw_line(canvas, context, at, i, goes_on);
			if (dim)
				canvas_restyle(canvas, at, 0, -1, STYLE_DIM);
			if (i == scene->cursor)
				canvas_mark_cursor(canvas, at);
		}
		track_levels(scene, i, goes_on);
	}
}

void view_draw_place(struct canvas *canvas, int y, const struct scene *scene)
{
	char place[64];
	if (!scene || scene->line_count <= scene->list_height)
		return;
	int width = snprintf(place, sizeof place, " %" PRIu32 "-%" PRIu32 " of %" PRIu32, scene->top + 1,
			     scene->top + scene->list_height, scene->line_count);
	if (width < canvas->width / 2)
		canvas_put_right(canvas, y, canvas->width - width - 1, width, STYLE_TITLES, place);
}

void view_draw_titles(struct canvas *canvas, const struct view_context *context)
{
	int y = context->layout.titles_y;
	const struct column *sorted = context->state->lists[context->state->view].order.column;
	if (y < 0)
		return;
	canvas_fill(canvas, y, 0, -1, STYLE_TITLES);
	for (int i = 0; i < context->layout.column_count; i++) {
		const struct layout_column *at = &context->layout.columns[i];
		put_cell(canvas, y, at, at->column == sorted ? STYLE_TITLE_SORT : STYLE_TITLES,
			 column_title(at->column, context->state->ascii));
	}
	view_draw_place(canvas, y, context->scene);
}
