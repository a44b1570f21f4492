/*
 * style.h - the roles that a cell can play on the screen; the one table of what they look like is in style.c.
 *
 * Meaning is never carried by colour alone: every style that means something also differs in weight, reverse video,
 * or in the text itself.
 */
#ifndef TUI_STYLE_H
#define TUI_STYLE_H

#include <stdint.h>

enum style {
	STYLE_NORMAL,
	STYLE_DIM, /* stale, ended, context of a filter, tree lines */
	STYLE_STRONG,
	STYLE_HEADER, /* the two lines at the top */
	STYLE_HEADER_STRONG,
	STYLE_TITLES, /* the column titles */
	STYLE_TITLE_SORT, /* the title of the column that sorts */
	STYLE_LIVE,
	STYLE_STALE, /* STALE, FROZEN */
	STYLE_LOST,
	STYLE_READ_ONLY, /* READ-ONLY, MASKED */
	STYLE_WAITS, /* a waiter's state */
	STYLE_HOLDS, /* a root's */
	STYLE_DEADLOCK,
	STYLE_MATCH, /* what a search found */
	STYLE_TAGGED, /* the tags' mark and their count */
	STYLE_QUESTION,
	STYLE_QUESTION_VERB,
	STYLE_MESSAGE,
	STYLE_ERROR,
	STYLE_HINT, /* the last line's words */
	STYLE_HINT_KEY,
	STYLE_COUNT
};

/* Laid over any style: the row under the cursor. */
#define STYLE_CURSOR 0x80

/*
 * Not one of the eight: a middle grey where the terminal has 256 colours, whose upper ones no theme changes; elsewhere
 * the terminal's own colour, faint. (Faint alone shows nothing where the text is black, and the grey of sixteen colours
 * is the background's in some themes.)
 */
#define STYLE_GREY 8

struct style_look {
	int16_t foreground, background; /* 0..7, -1: the terminal's own; foreground also STYLE_GREY */
	uint8_t attributes; /* enum style_attribute, with colour */
	uint8_t mono_attributes; /* without */
};

enum style_attribute { STYLE_BOLD = 1, STYLE_FAINT = 2, STYLE_REVERSE = 4, STYLE_UNDERLINE = 8 };

extern const struct style_look style_looks[STYLE_COUNT];

/*
 * How a cell looks under the cursor. The row is shown in reverse in the terminal's own colours, whatever its styles:
 * that is readable on every theme. A style with a background of its own changes places with its foreground, so that it
 * can still be told from the rest of the row.
 */
struct style_look style_under_cursor(struct style_look look);

#endif
