/*
 * term_key.h - from the codes that curses hands out to struct input: multibyte characters, and escape sequences that
 * nobody asked for. It knows no curses and reads through a function, so that it is tested without a terminal.
 *
 * A sequence that means nothing here is swallowed whole: its last letters must not be taken for keys.
 */
#ifndef TUI_TERM_KEY_H
#define TUI_TERM_KEY_H

#include "pglocktop/input.h"

#include <wchar.h>

/* What `next` returns besides bytes (0 to 255). */
enum term_code {
	TERM_CODE_NONE = -1, /* nothing is waiting */
	TERM_CODE_KEYS = 0x1000, /* from here on: TERM_CODE_KEYS + (enum input_key - INPUT_FIRST) */
	TERM_CODE_PASTE_BEGIN = 0x2000,
	TERM_CODE_PASTE_END,
	TERM_CODE_ANSWER,
	TERM_CODE_IGNORED
};

struct term_decoder {
	int (*next)(void *context);
	void *context;
	int pushed; /* a code that was read too far, TERM_CODE_NONE: none */
	mbstate_t partial; /* of a character whose last bytes have not come yet */
	bool within; /* `partial` holds something */
};

void term_decoder_init(struct term_decoder *decoder, int (*next)(void *context), void *context);

/* The next input; kind INPUT_NONE when no whole one is there. `more` is false: it cannot be told here. */
struct input term_decoder_read(struct term_decoder *decoder);

#endif
