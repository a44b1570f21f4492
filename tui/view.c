#include "view.h"

/* Puts the question under its row; false: it does not fit whole. */
static bool draw_list_with_question(struct canvas *canvas, const struct view_context *context)
{
	const struct layout *layout = &context->layout;
	const struct scene *scene = context->scene;
	int height = view_question_height(context, canvas->width);
	int y = layout->list_y, room = layout->list_height;
	uint32_t top = scene->top;
	if (height + 1 > room) {
		/* A small screen: the question may have all but the first line and the last. */
		y = 1;
		room = layout->foot_y - 1;
	}
	if (height + 1 > room)
		return false;
	uint32_t at = scene->cursor != SNAPSHOT_NO_INDEX ? scene->cursor : top;
	if (at < top)
		top = at;
	if (at - top + 1 + (uint32_t)height > (uint32_t)room)
		top = at + 1 + (uint32_t)height - (uint32_t)room;
	for (int line = y; line < layout->foot_y; line++)
		canvas_fill(canvas, line, 0, -1, STYLE_NORMAL);
	int above = (int)(at - top) + 1;
	view_draw_list(canvas, context, y, above, top);
	view_draw_question(canvas, context, y + above);
	if (room > above + height)
		view_draw_list(canvas, context, y + above + height, room - above - height, at + 1);
	return true;
}

static bool draw_details_with_question(struct canvas *canvas, const struct view_context *context)
{
	int height = view_question_height(context, canvas->width);
	int top = context->layout.foot_y - height;
	if (top < 2)
		return false;
	view_draw_details(canvas, context, top);
	view_draw_question(canvas, context, top);
	return true;
}

struct query_lines {
	struct canvas *canvas;
	int y;
};

static void draw_query_line(void *context, const char *text)
{
	struct query_lines *lines = context;
	canvas_put(lines->canvas, lines->y++, 1, -1, STYLE_DIM, text);
}

static void draw_query(struct canvas *canvas, const struct view_context *context)
{
	const struct layout *layout = &context->layout;
	uint32_t session = scene_cursor_session(context->scene);
	if (layout->query_lines <= 0 || session == SNAPSHOT_NO_INDEX)
		return;
	struct strbuf text = STRBUF_INIT;
	struct column_row row = column_row_of_session(context->scene->frame, session);
	column_format(&columns[COLUMN_QUERY], &row, context->state->ascii, &text);
	if (context->state->wrap) {
		struct query_lines lines = { canvas, layout->query_y };
		text_wrap(canvas->charset, text.text, canvas->width - 2, layout->query_lines, draw_query_line, &lines);
	} else {
		canvas_put_cut(canvas, layout->query_y, 1, -1, STYLE_DIM, text.text);
	}
	strbuf_release(&text);
}

static bool draw_body(struct canvas *canvas, const struct view_context *context)
{
	const struct state *state = context->state;
	bool asking = state->question.stage > QUESTION_WANTED;
	if (state->details) {
		if (asking)
			return draw_details_with_question(canvas, context);
		view_draw_details(canvas, context, context->layout.foot_y);
		return true;
	}
	if (context->scene->nobody_waits && state->view == VIEW_TREE && !asking) {
		view_draw_quiet(canvas, context);
		return true;
	}
	view_draw_titles(canvas, context);
	if (asking)
		return draw_list_with_question(canvas, context);
	view_draw_list(canvas, context, context->layout.list_y, context->layout.list_height, context->scene->top);
	draw_query(canvas, context);
	return true;
}

bool view_draw(struct canvas *canvas, const struct state *state, const struct scene *scene, int64_t now)
{
	struct view_context context = { .state = state, .scene = scene, .now = now };
	bool fits = true;
	layout_make(&context.layout, state, scene);
	canvas_clear(canvas);
	if (state->help) {
		view_draw_help(canvas, &context);
		view_draw_foot(canvas, &context);
		return true;
	}
	view_draw_header(canvas, &context);
	if (scene)
		fits = draw_body(canvas, &context);
	if (state->menu.kind != MENU_NONE)
		view_draw_menu(canvas, &context);
	view_draw_foot(canvas, &context);
	return fits;
}
