#include "view.h"

#include "pglocktop/audit_text.h"

#include <string.h>

enum { LOG_LINES = 2000 };

/* Drawn in two passes: the lines that there are, then those that fit. */
struct log {
	struct canvas *canvas; /* NULL: only counting */
	int count, top, height;
};

static void take_line(void *context, const char *text)
{
	struct log *log = context;
	int y = log->count++ - log->top;
	if (log->canvas && y >= 0 && y < log->height)
		canvas_put(log->canvas, 2 + y, 1, -1, STYLE_NORMAL, text);
}

static void each_line(struct log *log, struct charset charset, int width, const char *text)
{
	struct strbuf words = STRBUF_INIT;
	log->count = 0;
	for (const char *line = text; *line && log->count < LOG_LINES;) {
		size_t length = strcspn(line, "\n");
		strbuf_reset(&words);
		audit_text_add(&words, line, length);
		text_wrap_sentence(charset, words.text, width, LOG_LINES, take_line, log);
		line += length + (line[length] == '\n');
	}
	strbuf_release(&words);
}

uint32_t view_draw_log(struct canvas *canvas, const struct view_context *context)
{
	const char *text = context->state->log_text;
	int height = context->layout.foot_y - 2;
	struct log log = { .height = height > 0 ? height : 0 };
	each_line(&log, canvas->charset, canvas->width - 2, text);
	int last_top = log.count > log.height ? log.count - log.height : 0;
	log.top = context->state->log_top < (uint32_t)last_top ? (int)context->state->log_top : last_top;
	log.canvas = canvas;
	canvas_put(canvas, 0, 1, -1, STYLE_HEADER_STRONG, "audit log, the newest last");
	if (last_top > 0)
		canvas_printf(canvas, 0, 30, STYLE_DIM, "%d-%d of %d", log.top + 1, log.top + log.height, log.count);
	if (!*text)
		canvas_put(canvas, 2, 1, -1, STYLE_NORMAL, "Nothing has been signalled yet.");
	each_line(&log, canvas->charset, canvas->width - 2, text);
	return (uint32_t)last_top;
}
