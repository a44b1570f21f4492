#include "view.h"

/* Puts the question under its row; false: it does not fit whole. */
static bool draw_list_with_question(struct canvas *canvas, const struct view_context *context, struct view_drawn *drawn)
{
	const struct layout *layout = &context->layout;
	const struct scene *scene = context->scene;
	int y = layout->list_y, room = layout->list_height;
	int height = view_question_height(context, canvas->width, room - 1);
	uint32_t top = scene->top;
	if (height + 1 > room) {
		/* A small screen: the question may have all but the first line and the last. */
		y = 1;
		room = layout->foot_y - 1;
		height = view_question_height(context, canvas->width, room - 1);
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
	drawn->question_last_top = view_draw_question(canvas, context, y + above, height);
	if (room > above + height)
		view_draw_list(canvas, context, y + above + height, room - above - height, at + 1);
	return true;
}

static bool draw_details_with_question(struct canvas *canvas, const struct view_context *context,
				       struct view_drawn *drawn)
{
	int height = view_question_height(context, canvas->width, context->layout.foot_y - 2);
	int top = context->layout.foot_y - height;
	if (top < 2)
		return false;
	drawn->last_top = view_draw_details(canvas, context, top);
	drawn->question_last_top = view_draw_question(canvas, context, top, height);
	return true;
}

void view_draw_line(void *context, const char *text)
{
	struct view_lines *lines = context;
	canvas_put(lines->canvas, lines->y++, 1, -1, STYLE_NORMAL, text);
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
		struct view_lines lines = { canvas, layout->query_y };
		text_wrap(canvas->charset, text.text, canvas->width - 2, layout->query_lines, view_draw_line, &lines);
	} else {
		canvas_put_cut(canvas, layout->query_y, 1, -1, STYLE_NORMAL, text.text);
	}
	strbuf_release(&text);
}

/* Why there is nothing to be seen. */
static void draw_empty(struct canvas *canvas, const struct view_context *context)
{
	const struct state *state = context->state;
	bool filtered = state->filter[0] || state->user_term[0] || state->minimum_age > 0;
	if (context->scene->line_count == 0)
		canvas_put_cut(canvas, context->layout.list_y, 1, -1, STYLE_NORMAL,
			       filtered ? "Nothing matches: f changes the filter, u the user, a the age."
					: "There is nothing to show.");
}

static bool draw_list(struct canvas *canvas, const struct view_context *context, struct view_drawn *drawn)
{
	const struct layout *layout = &context->layout;
	view_draw_titles(canvas, context);
	if (question_is_shown(&context->state->question))
		return draw_list_with_question(canvas, context, drawn);
	view_draw_list(canvas, context, layout->list_y, layout->list_height, context->scene->top);
	draw_empty(canvas, context);
	draw_query(canvas, context);
	return true;
}

static void draw_body(struct canvas *canvas, const struct view_context *context, struct view_drawn *drawn)
{
	const struct state *state = context->state;
	bool asking = question_is_shown(&state->question);
	if (state->details && asking)
		drawn->question_fits = draw_details_with_question(canvas, context, drawn);
	else if (state->details)
		drawn->last_top = view_draw_details(canvas, context, context->layout.foot_y);
	else if (state->view == VIEW_EVENTS)
		view_draw_events(canvas, context);
	else if (context->scene->nobody_waits && !asking)
		view_draw_quiet(canvas, context);
	else
		drawn->question_fits = draw_list(canvas, context, drawn);
}

struct view_drawn view_draw(struct canvas *canvas, const struct state *state, const struct scene *scene, int64_t now)
{
	struct view_context context = { .state = state, .scene = scene, .now = now };
	struct view_drawn drawn = { .question_fits = true };
	layout_make(&context.layout, state, scene);
	canvas_clear(canvas);
	if (state->help || state->log_text) {
		drawn.last_top = (state->help ? view_draw_help : view_draw_log)(canvas, &context);
		view_draw_foot(canvas, &context);
		return drawn;
	}
	view_draw_header(canvas, &context);
	if (scene)
		draw_body(canvas, &context, &drawn);
	if (state->menu.kind != MENU_NONE)
		view_draw_menu(canvas, &context);
	view_draw_foot(canvas, &context);
	return drawn;
}
