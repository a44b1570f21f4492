/*
 * text.h - the one place where text from a server, a file or a person becomes harmless, and where width is known.
 *
 * Nothing reaches a canvas, stderr, text or CSV output except through here. Inert means: valid characters only, no
 * byte below 0x20, no U+007F to U+009F, no bidirectional control (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
 * U+2069), no line or paragraph separator (U+2028, U+2029), no U+FEFF, no tag characters (U+E0000 to U+E007F), no other
 * invisible character (joiners, variation selectors, soft hyphens, fillers), no private-use one, nothing that the
 * locale cannot print. What is forbidden shows as a visible stand-in: `\x1b` for a control character, `\xe4` for a byte
 * that is no UTF-8, `\u202e` and `\U000e0041` for the rest. A combining mark without a character to stand on is
 * forbidden, too; marks beyond the second on one character are left out.
 * White space: any kind of it shows as blanks. Where text is laid on one line, a run of it that holds anything but
 * plain blanks becomes one blank (none at the text's beginning or end); runs of plain blanks stay, so that columns line
 * up. Width is libc's wcwidth, the one that ncursesw uses.
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

/* What the locale's character set allows; setlocale() comes before. An 8-bit set counts as ASCII. */
struct charset text_charset(bool no_unicode);

/* Takes inert glyphs off any bytes, one by one. Set next, end, one_line and charset, the rest zero. */
struct glyph_reader {
	const char *next, *end;
	bool one_line; /* else white space gives a blank each */
	struct charset charset;
	bool begun; /* a glyph has come out */
	const char *blanks_end; /* up to here there are plain blanks only */
	char pending[12]; /* of a stand-in, ASCII */
	uint8_t pending_used, pending_length;
};

/* The next glyph; false at the end. Linear in the bytes read. */
bool text_next_glyph(struct glyph_reader *reader, struct glyph *glyph);

/* Appends a glyph, marks and all, as UTF-8. */
void text_add_glyph(const struct glyph *glyph, struct strbuf *out);

/* Columns that a text takes when drawn on one line. Stops counting at a million. */
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

/*
 * The same for a sentence: the text's own line ends are blanks. Whatever is put together from names is a sentence, else
 * a name with a line end in it could feign a line of ours.
 */
int text_wrap_sentence(struct charset charset, const char *text, int width, int limit,
		       void (*line)(void *context, const char *text), void *context);

#endif
