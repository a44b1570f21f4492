#include "view.h"

enum { CLOCK_WIDTH = 8, KIND_WIDTH = 8, KIND_LEAST_WIDTH = 60 };

static enum style style_of(const struct event *event)
{
	if (event->kind == EVENT_BLOCK && !event->over)
		return STYLE_HOLDS;
	return event->bad ? STYLE_STRONG : STYLE_NORMAL;
}

/* Where the texts begin: on a narrow screen without the kind, which the words tell as well. */
static int text_x(const struct canvas *canvas)
{
	return 1 + CLOCK_WIDTH + 1 + (canvas->width >= KIND_LEAST_WIDTH ? KIND_WIDTH + 1 : 0);
}

static void draw_line(struct canvas *canvas, const struct view_context *context, int y, uint32_t at)
{
	const struct event *event;
	const struct event_line *line = scene_event_at(context->state, context->scene, at, &event);
	int x = text_x(canvas);
	char clock[WHEN_TEXT_SIZE];
	if (!line)
		return;
	if (line == event->lines) {
		canvas_put(canvas, y, 1, CLOCK_WIDTH, STYLE_NORMAL, when_format_clock(event->at, clock));
		if (canvas->width >= KIND_LEAST_WIDTH)
			canvas_put(canvas, y, 1 + CLOCK_WIDTH + 1, KIND_WIDTH, style_of(event),
				   event_kind_name(event->kind));
		canvas_put_cut(canvas, y, x, -1, style_of(event), line->text);
	} else {
		canvas_put_cut(canvas, y, x + 2, -1, STYLE_NORMAL, line->text);
	}
	if (scene_line_is_found(context->scene, at)) {
		canvas_fill(canvas, y, 0, 1, STYLE_MATCH);
		canvas_put(canvas, y, 0, 1, STYLE_MATCH, "/");
	}
}

static void draw_titles(struct canvas *canvas, const struct view_context *context)
{
	int y = context->layout.titles_y;
	if (y < 0)
		return;
	canvas_fill(canvas, y, 0, -1, STYLE_TITLES);
	canvas_put(canvas, y, 1, -1, STYLE_TITLES, "TIME");
	canvas_put_cut(canvas, y, text_x(canvas), -1, STYLE_TITLES, "EVENT, the newest first; queries masked");
	view_draw_place(canvas, y, context->scene);
}

/* The line under the cursor, as much of it as there is room for. */
static void draw_whole(struct canvas *canvas, const struct view_context *context)
{
	const struct event *event;
	const struct event_line *line = scene_event_at(context->state, context->scene, context->scene->cursor, &event);
	struct view_lines lines = { canvas, context->layout.query_y };
	if (line && context->layout.query_lines > 0)
		text_wrap_sentence(canvas->charset, line->text, canvas->width - 2, context->layout.query_lines,
				   view_draw_line, &lines);
}

void view_draw_events(struct canvas *canvas, const struct view_context *context)
{
	const struct layout *layout = &context->layout;
	const struct scene *scene = context->scene;
	draw_titles(canvas, context);
	if (scene->line_count == 0)
		canvas_put_cut(canvas, layout->list_y, 1, -1, STYLE_NORMAL,
			       "Nothing has happened since this program looks on.");
	for (int i = 0; i < layout->list_height && scene->top + (uint32_t)i < scene->line_count; i++) {
		uint32_t at = scene->top + (uint32_t)i;
		draw_line(canvas, context, layout->list_y + i, at);
		if (at == scene->cursor)
			canvas_mark_cursor(canvas, layout->list_y + i);
	}
	draw_whole(canvas, context);
}
