/* Whom a question about tagged sessions is about, a line each; those left out with the reason. */
#include "view.h"

#include "pglocktop/consequence.h"

#include <inttypes.h>

enum { INDENT = 3, PID_WIDTH = 8, STATE_WIDTH = 18, NARROW = 60, WIDE = 110 };

int view_targets_height(const struct question *question, int room)
{
	int count = question->of_tags ? (int)question->target_count : 0;
	if (count <= room)
		return count;
	/* At least one of them, and the line that says where in the list it is. */
	return room >= 2 ? room : 2;
}

/* "worker-2 app@shop" */
static void add_who(const struct session *session, struct strbuf *out)
{
	if (session->application && *session->application)
		strbuf_printf(out, "%s ", session->application);
	strbuf_printf(out, "%s@%s", session->user ? session->user : "?", session->database ? session->database : "?");
}

/* Before its query: what one must know. */
static void add_notes(const struct view_context *context, uint32_t index, struct strbuf *out)
{
	const struct scene *scene = context->scene;
	const char *warning = consequence_warning(scene->frame->snapshot, index);
	if (scene_leaves_out(scene, context->state, index))
		strbuf_add_string(out, "(filtered out) ");
	if (warning)
		strbuf_printf(out, "(%s) ", warning);
}

static int put_column(struct canvas *canvas, int y, int x, int width, const char *text)
{
	canvas_put_cut(canvas, y, x, width - 1, STYLE_QUESTION, text);
	return x + width;
}

static void draw_meant(struct canvas *canvas, const struct view_context *context, int y, int x, uint32_t index)
{
	const struct frame *frame = context->scene->frame;
	struct column_row row = column_row_of_session(frame, index);
	bool ascii = context->state->ascii, narrow = canvas->width < NARROW;
	struct strbuf text = STRBUF_INIT;
	add_who(&frame->snapshot->sessions[index], &text);
	x = put_column(canvas, y, x, narrow ? 12 : canvas->width < WIDE ? 22 : 34, text.text);
	strbuf_reset(&text);
	column_format(&columns[COLUMN_STATE], &row, ascii, &text);
	if (!narrow) {
		x = put_column(canvas, y, x, STATE_WIDTH, text.text);
		strbuf_reset(&text);
	} else {
		strbuf_add_char(&text, ' ');
	}
	add_notes(context, index, &text);
	if (!narrow)
		column_format(&columns[COLUMN_QUERY], &row, ascii, &text);
	canvas_put_cut(canvas, y, x, -1, STYLE_QUESTION, text.text);
	strbuf_release(&text);
}

static void draw_target(struct canvas *canvas, const struct view_context *context, int y,
			const struct question_target *target)
{
	const struct frame *frame = context->scene->frame;
	uint32_t index = snapshot_find(frame->snapshot, target->id);
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, "%7" PRId32, target->id.pid);
	int x = put_column(canvas, y, INDENT, PID_WIDTH, text.text);
	if (target->part == QUESTION_MEANT && index != SNAPSHOT_NO_INDEX) {
		draw_meant(canvas, context, y, x, index);
	} else {
		struct err why;
		question_explain(&context->state->question, target, frame, &why);
		strbuf_reset(&text);
		strbuf_printf(&text, "left out: %s", why.text);
		canvas_put_cut(canvas, y, x, -1, STYLE_QUESTION, text.text);
	}
	strbuf_release(&text);
}

static void draw_place(struct canvas *canvas, int y, uint32_t first, uint32_t last, uint32_t count)
{
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, "%" PRIu32 "-%" PRIu32 " of %" PRIu32 ": Up Down PgUp PgDn", first + 1, last, count);
	canvas_put_cut(canvas, y, INDENT, -1, STYLE_QUESTION, text.text);
	strbuf_release(&text);
}

uint32_t view_draw_targets(struct canvas *canvas, const struct view_context *context, int y, int height)
{
	const struct question *question = &context->state->question;
	uint32_t count = question->target_count;
	bool scrolls = height < (int)count;
	uint32_t rows = (uint32_t)(scrolls ? height - 1 : height), last_top = count > rows ? count - rows : 0;
	uint32_t top = question->top < last_top ? question->top : last_top;
	for (int i = 0; i < height; i++) {
		canvas_fill(canvas, y + i, 0, -1, STYLE_QUESTION);
		canvas_put(canvas, y + i, 1, 1, STYLE_QUESTION, context->state->ascii ? "|" : "┃");
	}
	for (uint32_t i = 0; i < rows && top + i < count; i++)
		draw_target(canvas, context, y + (int)i, &question->targets[top + i]);
	if (scrolls)
		draw_place(canvas, y + height - 1, top, top + rows < count ? top + rows : count, count);
	return last_top;
}
