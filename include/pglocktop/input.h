/*
 * input.h - what comes from the person at the terminal, free of any terminal library.
 */
#ifndef PGLOCKTOP_INPUT_H
#define PGLOCKTOP_INPUT_H

#include <stdbool.h>
#include <stdint.h>

enum input_kind {
	INPUT_NONE,
	INPUT_KEY, /* `key`: a code point that was typed, or an enum input_key */
	INPUT_PASTE_BEGIN, /* what comes until INPUT_PASTE_END was pasted, not typed */
	INPUT_PASTE_END,
	INPUT_ANSWER, /* the terminal answered `CSI 5 n`: all that was drawn before is on its screen */
	INPUT_RESIZE,
	INPUT_END /* the terminal is gone */
};

/* Beyond Unicode's last code point. */
enum input_key {
	INPUT_FIRST = 0x110000,
	INPUT_UP,
	INPUT_DOWN,
	INPUT_LEFT,
	INPUT_RIGHT,
	INPUT_PAGE_UP,
	INPUT_PAGE_DOWN,
	INPUT_HOME,
	INPUT_END_KEY,
	INPUT_ENTER,
	INPUT_ESCAPE,
	INPUT_TAB,
	INPUT_BACK_TAB,
	INPUT_BACKSPACE,
	INPUT_DELETE,
	INPUT_F1, /* INPUT_F1 + n - 1, to F12 */
	INPUT_F12 = INPUT_F1 + 11,
	INPUT_OTHER /* a key without a meaning here */
};

/* Control keys are their code points: Ctrl-C is 0x03. */
#define INPUT_CTRL(letter) ((letter)&0x1f)

struct input {
	enum input_kind kind;
	uint32_t key;
	bool more; /* further input was already waiting behind it: it was not typed by itself */
};

#endif
