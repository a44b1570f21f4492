#include "canvas.h"

#include "pglocktop/err.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct cell blank_cell = { .glyph = { .base = ' ', .width = 1 } };

static struct cell *canvas_row(struct canvas *canvas, int y)
{
	return canvas->cells + (size_t)y * (size_t)canvas->width;
}

void canvas_init(struct canvas *canvas, int width, int height, struct charset charset)
{
	*canvas = (struct canvas){ .charset = charset };
	canvas_resize(canvas, width, height);
}

void canvas_release(struct canvas *canvas)
{
	free(canvas->cells);
	*canvas = (struct canvas){ 0 };
}

void canvas_resize(struct canvas *canvas, int width, int height)
{
	ensure(width >= 0 && height >= 0);
	free(canvas->cells);
	canvas->cells = reallocarray(NULL, (size_t)width * (size_t)height + 1, sizeof *canvas->cells);
	if (!canvas->cells)
		err_die("out of memory (a screen of %d x %d)", width, height);
	canvas->width = width;
	canvas->height = height;
	canvas_clear(canvas);
}

void canvas_clear(struct canvas *canvas)
{
	size_t count = (size_t)canvas->width * (size_t)canvas->height;
	for (size_t i = 0; i < count; i++)
		canvas->cells[i] = blank_cell;
	canvas->cursor_y = canvas->cursor_x = -1;
}

/* Makes the cells from `from` up to `to` free to be written: a character half of which lies there loses the rest. */
static void cut_halves(struct canvas *canvas, int y, int from, int to)
{
	struct cell *row = canvas_row(canvas, y);
	if (from > 0 && row[from].glyph.width == 0)
		row[from - 1].glyph = blank_cell.glyph;
	if (to < canvas->width && row[to].glyph.width == 0)
		row[to].glyph = blank_cell.glyph;
}

/* The columns of a put that are on the canvas. */
struct span {
	int from, to;
};

static struct span clip(const struct canvas *canvas, int y, int x, int width)
{
	if (y < 0 || y >= canvas->height || x >= canvas->width)
		return (struct span){ 0, 0 };
	struct span span = { x < 0 ? 0 : x, canvas->width };
	if (width >= 0 && width < canvas->width - x)
		span.to = x + width;
	return span;
}

static void set_cell(struct canvas *canvas, int y, int x, struct glyph glyph, enum style style)
{
	canvas_row(canvas, y)[x] = (struct cell){ glyph, (uint8_t)style };
}

/* Writes what of the glyph at column x lies within the span; one that lies there by half leaves a blank. */
static void put_glyph(struct canvas *canvas, int y, int x, struct span span, struct glyph glyph, enum style style)
{
	int from = x < span.from ? span.from : x;
	int to = x + glyph.width > span.to ? span.to : x + glyph.width;
	if (from >= to)
		return;
	cut_halves(canvas, y, from, to);
	if (to - from < glyph.width)
		glyph = blank_cell.glyph;
	set_cell(canvas, y, from, glyph, style);
	if (glyph.width == 2)
		set_cell(canvas, y, from + 1, (struct glyph){ .base = ' ', .width = 0 }, style);
}

static int put(struct canvas *canvas, int y, int x, int width, enum style style, const char *text, bool ellipsis)
{
	struct span span = clip(canvas, y, x, width);
	if (span.from >= span.to)
		return 0;
	struct glyph_reader reader = { .next = text, .end = text + strlen(text), .charset = canvas->charset };
	reader.one_line = true;
	struct glyph glyph;
	int column = x;
	while (text_next_glyph(&reader, &glyph)) {
		bool fits = glyph.width <= span.to - column;
		put_glyph(canvas, y, column, span, glyph, style);
		column += glyph.width;
		if (fits)
			continue;
		column = span.to;
		if (ellipsis) {
			struct glyph cut = { .base = canvas->charset.unicode ? 0x2026 : '~', .width = 1 };
			put_glyph(canvas, y, span.to - 1, span, cut, style);
		}
		break;
	}
	return column - x;
}

int canvas_put(struct canvas *canvas, int y, int x, int width, enum style style, const char *text)
{
	return put(canvas, y, x, width, style, text, false);
}

int canvas_put_cut(struct canvas *canvas, int y, int x, int width, enum style style, const char *text)
{
	return put(canvas, y, x, width, style, text, true);
}

void canvas_put_right(struct canvas *canvas, int y, int x, int width, enum style style, const char *text)
{
	if (width < 0)
		width = canvas->width - x;
	int taken = text_width(canvas->charset, text);
	int indent = taken < width ? width - taken : 0;
	canvas_put_cut(canvas, y, x + indent, width - indent, style, text);
}

int canvas_printf(struct canvas *canvas, int y, int x, enum style style, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list args;
	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	int taken = canvas_put(canvas, y, x, -1, style, text.text);
	strbuf_release(&text);
	return taken;
}

void canvas_fill(struct canvas *canvas, int y, int x, int width, enum style style)
{
	struct span span = clip(canvas, y, x, width);
	if (span.from >= span.to)
		return;
	cut_halves(canvas, y, span.from, span.to);
	for (int column = span.from; column < span.to; column++)
		set_cell(canvas, y, column, blank_cell.glyph, style);
}

void canvas_restyle(struct canvas *canvas, int y, int x, int width, enum style style)
{
	struct span span = clip(canvas, y, x, width);
	for (int column = span.from; column < span.to; column++) {
		struct cell *cell = &canvas_row(canvas, y)[column];
		cell->style = (uint8_t)((cell->style & STYLE_CURSOR) | style);
	}
}

void canvas_mark_cursor(struct canvas *canvas, int y)
{
	struct span span = clip(canvas, y, 0, -1);
	for (int column = span.from; column < span.to; column++)
		canvas_row(canvas, y)[column].style |= STYLE_CURSOR;
}

void canvas_dump(const struct canvas *canvas, struct strbuf *out)
{
	const struct cell *cell = canvas->cells;
	for (int y = 0; y < canvas->height; y++) {
		size_t end = out->length;
		for (int x = 0; x < canvas->width; x++, cell++) {
			if (cell->glyph.width == 0)
				continue;
			text_add_glyph(&cell->glyph, out);
			if (cell->glyph.base != ' ')
				end = out->length;
		}
		strbuf_truncate(out, end);
		strbuf_add_char(out, '\n');
	}
}
