/*
 * canvas.h - a screen of cells that views draw into; a terminal, or a test, shows it.
 *
 * Whatever is put here is made inert on its way in (text.h). Drawing outside is clipped. A double-width character that
 * does not fit whole is replaced by a blank; one that is half overwritten loses its other half.
 */
#ifndef TUI_CANVAS_H
#define TUI_CANVAS_H

#include "style.h"
#include "text.h"

struct cell {
	struct glyph glyph; /* width 0: the right half of the cell to its left */
	uint8_t style; /* enum style, with STYLE_CURSOR laid over it */
};

struct canvas {
	int width, height;
	struct charset charset;
	struct cell *cells; /* height rows of width */
	int cursor_y, cursor_x; /* where the text cursor shows; -1: nowhere */
};

/* Memory of its own; all cells blank. */
void canvas_init(struct canvas *canvas, int width, int height, struct charset charset);
void canvas_release(struct canvas *canvas);

/* Keeps nothing: all cells blank in the new size. */
void canvas_resize(struct canvas *canvas, int width, int height);
void canvas_clear(struct canvas *canvas);

/*
 * Puts a text at most `width` columns wide (negative: to the right edge), on one line. What does not fit is cut;
 * with `ellipsis` the last column then shows … (or ~ in ASCII). Returns the columns used.
 */
int canvas_put(struct canvas *canvas, int y, int x, int width, enum style style, const char *text);
int canvas_put_cut(struct canvas *canvas, int y, int x, int width, enum style style, const char *text);

/* The same, flush right within `width`. */
void canvas_put_right(struct canvas *canvas, int y, int x, int width, enum style style, const char *text);

int canvas_printf(struct canvas *canvas, int y, int x, enum style style, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Blanks in a style, a whole row's or a part's (width negative: to the right edge). */
void canvas_fill(struct canvas *canvas, int y, int x, int width, enum style style);

/* Changes the style of cells that are there: the search match, dimmed rows. */
void canvas_restyle(struct canvas *canvas, int y, int x, int width, enum style style);
void canvas_mark_cursor(struct canvas *canvas, int y); /* lays STYLE_CURSOR over a row */

/* Appends what a person would read, a line a row, without trailing blanks. */
void canvas_dump(const struct canvas *canvas, struct strbuf *out);

#endif
