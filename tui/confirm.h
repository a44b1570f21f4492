/*
 * confirm.h - a question on the terminal itself, whatever standard input and output are.
 */
#ifndef TUI_CONFIRM_H
#define TUI_CONFIRM_H

#include "pglocktop/err.h"

#include <stdbool.h>

enum confirm_reply {
	CONFIRM_YES,
	CONFIRM_NO, /* another answer, or none */
	CONFIRM_NO_TERMINAL /* `err` says so */
};

/*
 * Writes the text, which must be inert, and reads a line: what was typed before does not count, and only `answer` is a
 * yes.
 */
enum confirm_reply confirm_ask(const char *text, const char *answer, struct err *err) MUST_CHECK;

#endif
