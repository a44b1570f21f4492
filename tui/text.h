/*
 * text.h - the one place where text from a server, a file or a person becomes harmless, and where width is known.
 *
 * Nothing reaches a canvas, stderr, text or CSV output except through here. Inert means: valid characters only, no
 * byte below 0x20, no U+007F to U+009F, no bidirectional control (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
 * U+2069), no line or paragraph separator (U+2028, U+2029), no U+FEFF, no tag characters (U+E0000 to U+E007F), nothing
 * that the locale cannot print. White space of every kind becomes one blank where text is laid on one line; what is
 * left of the forbidden shows as a visible stand-in (`\x1b`, `\u202e`).
 * Width is libc's wcwidth, the one that ncursesw uses.
 */
#ifndef TUI_TEXT_H
#define TUI_TEXT_H

#include "pglocktop/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the terminal can show; decided once, from the locale and --no-unicode. */
struct charset {
	bool unicode; /* false: ASCII only; anything else shows as ? and lines are drawn with | ` - */
};

/* One character with its combining marks, ready for a cell. */
struct glyph {
	uint32_t base;
	uint32_t marks[2];
	uint8_t width; /* 1 or 2 */
};

/*
 * Takes the next inert glyph off *text, which may be any bytes up to `end`. Stand-ins for forbidden characters come
 * out one glyph at a time: `state` keeps what is pending, start with a zeroed one. False at the end.
 */
struct glyph_reader {
	const char *next, *end;
	bool one_line; /* runs of white space become one blank */
	struct charset charset;
	char pending[12];
	uint8_t pending_used, pending_length;
	bool last_blank;
};

bool text_next_glyph(struct glyph_reader *reader, struct glyph *glyph);

/* Columns that a text takes when drawn on one line. */
int text_width(struct charset charset, const char *text);

/* Appends the inert form as UTF-8 (ASCII without unicode), on one line: for stderr, text and CSV output. */
void text_add_inert(struct charset charset, const char *text, struct strbuf *out);

/*
 * Breaks a text of several lines into lines of at most `width` columns, at blanks where it can; keeps the text's own
 * line ends; tabs become blanks to the next multiple of 8 (at most width). Calls `line` with each, inert. Stops after
 * `limit` lines; returns how many lines there would be in all, counted up to 10,000.
 */
int text_wrap(struct charset charset, const char *text, int width, int limit,
	      void (*line)(void *context, const char *text), void *context);

#endif
