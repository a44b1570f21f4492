/*
 * prompt.h - one line of text that a person is typing: a filter, a search, a pid, a number of seconds, a yes.
 */
#ifndef PGLOCKTOP_PROMPT_H
#define PGLOCKTOP_PROMPT_H

#include "pglocktop/input.h"

#include <stddef.h>

enum prompt_kind {
	PROMPT_NONE,
	PROMPT_FILTER,
	PROMPT_SEARCH,
	PROMPT_GO_TO,
	PROMPT_INTERVAL,
	PROMPT_MINIMUM_AGE,
	PROMPT_UNMASK,
	PROMPT_ANSWER, /* to a question */
	PROMPT_REASON /* for a signal */
};

struct prompt {
	enum prompt_kind kind;
	char text[512]; /* UTF-8 */
	size_t length;
	char complaint[256]; /* about what was entered last; "" */
	size_t complaint_at; /* byte offset of the place that it is about; SIZE_MAX: none */
};

enum prompt_reply { PROMPT_GOES_ON, PROMPT_ENTERED, PROMPT_LEFT };

void prompt_open(struct prompt *prompt, enum prompt_kind kind, const char *text);
void prompt_close(struct prompt *prompt);

/* Typed or pasted keys; Ctrl-U empties it, Ctrl-W takes a word. What is `pasted` only adds text: Enter counts as a
 * blank. */
enum prompt_reply prompt_key(struct prompt *prompt, uint32_t key, bool pasted);

/* "filter", "seconds between refreshes" … as it stands before the text. */
const char *prompt_label(enum prompt_kind kind);

#endif
