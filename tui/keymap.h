/*
 * keymap.h - which key leads to which action: the key table.
 *
 * No lower-case letter and no movement key leads to anything destructive.
 */
#ifndef TUI_KEYMAP_H
#define TUI_KEYMAP_H

#include "pglocktop/action.h"
#include "pglocktop/strbuf.h"

#include <stdint.h>

/* ACTION_NONE for a key without a meaning. */
enum action keymap_find(uint32_t key);

/* Appends the names of an action's keys, "C" or "K F9", as the help screen and the manual page show them. */
void keymap_describe(enum action action, struct strbuf *out);

#endif
