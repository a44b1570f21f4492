/*
 * term_osc.h - what goes to xterm and its likes as operating system commands (ECMA-48, 8.3.89): title and clipboard.
 */
#ifndef TUI_TERM_OSC_H
#define TUI_TERM_OSC_H

#include "pglocktop/strbuf.h"

/* Several terminals drop a command of more than 74,994 base64 characters. */
#define TERM_OSC_COPIED_MOST 56244

/* The title is made inert, in ASCII. "" gives back the terminal's own. */
void term_osc_add_title(struct strbuf *out, const char *title);

/* Any bytes; their base64 form is inert. */
void term_osc_add_copy(struct strbuf *out, const char *text, size_t length);

#endif
