#include "style.h"

/* The first eight ANSI colours. */
enum { OWN = -1, BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE };

/*
 * Only what is readable on a black and on a white background, in the common themes, and to people who do not see red
 * and green: on the terminal's own background nothing but its own foreground, grey and magenta (green, yellow and cyan
 * vanish on white, blue on black, red on black to the red-blind); every other colour comes as a pair of foreground and
 * background. Black is never bold, since many terminals show that as grey.
 */
const struct style_look style_looks[STYLE_COUNT] = {
	[STYLE_NORMAL] = { OWN, OWN, 0, 0 },
	[STYLE_DIM] = { STYLE_GREY, OWN, 0, STYLE_FAINT },
	[STYLE_STRONG] = { OWN, OWN, STYLE_BOLD, STYLE_BOLD },
	[STYLE_HEADER] = { OWN, OWN, 0, 0 },
	[STYLE_HEADER_STRONG] = { OWN, OWN, STYLE_BOLD, STYLE_BOLD },
	[STYLE_TITLES] = { OWN, OWN, STYLE_UNDERLINE, STYLE_UNDERLINE },
	[STYLE_TITLE_SORT] = { OWN, OWN, STYLE_BOLD | STYLE_REVERSE, STYLE_BOLD | STYLE_REVERSE },
	[STYLE_LIVE] = { BLACK, GREEN, 0, STYLE_BOLD },
	[STYLE_STALE] = { BLACK, YELLOW, 0, STYLE_REVERSE },
	[STYLE_LOST] = { WHITE, RED, STYLE_BOLD, STYLE_REVERSE | STYLE_BOLD },
	[STYLE_READ_ONLY] = { BLACK, CYAN, 0, STYLE_REVERSE },
	[STYLE_WAITS] = { OWN, OWN, 0, 0 },
	[STYLE_HOLDS] = { MAGENTA, OWN, STYLE_BOLD, STYLE_BOLD },
	[STYLE_DEADLOCK] = { WHITE, MAGENTA, STYLE_BOLD, STYLE_BOLD | STYLE_UNDERLINE },
	[STYLE_MATCH] = { BLACK, YELLOW, 0, STYLE_REVERSE },
	[STYLE_TAGGED] = { BLACK, CYAN, 0, STYLE_REVERSE },
	[STYLE_QUESTION] = { WHITE, BLUE, STYLE_BOLD, STYLE_BOLD },
	[STYLE_QUESTION_VERB] = { WHITE, RED, STYLE_BOLD, STYLE_BOLD | STYLE_REVERSE },
	[STYLE_MESSAGE] = { OWN, OWN, STYLE_BOLD, STYLE_BOLD },
	[STYLE_ERROR] = { WHITE, RED, STYLE_BOLD, STYLE_REVERSE },
	[STYLE_HINT] = { OWN, OWN, 0, 0 },
	[STYLE_HINT_KEY] = { OWN, OWN, STYLE_BOLD | STYLE_REVERSE, STYLE_BOLD | STYLE_REVERSE },
};

struct style_look style_under_cursor(struct style_look look)
{
	struct style_look under = look;
	if (look.background != OWN) {
		under.foreground = look.background;
		under.background = look.foreground;
	} else {
		under.foreground = OWN;
		under.attributes = (uint8_t)((look.attributes & ~STYLE_FAINT) ^ STYLE_REVERSE);
	}
	under.mono_attributes = (uint8_t)((look.mono_attributes & ~STYLE_FAINT) ^ STYLE_REVERSE);
	return under;
}
