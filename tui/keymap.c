#include "keymap.h"

#include "pglocktop/input.h"

#include <stdio.h>

struct binding {
	uint32_t key;
	enum action action;
	const char *name; /* NULL: the character itself */
};

static const struct binding bindings[] = {
	{ INPUT_UP, ACTION_UP, "Up" },
	{ 'k', ACTION_UP, NULL },
	{ INPUT_DOWN, ACTION_DOWN, "Down" },
	{ 'j', ACTION_DOWN, NULL },
	{ INPUT_PAGE_UP, ACTION_PAGE_UP, "PgUp" },
	{ INPUT_CTRL('b'), ACTION_PAGE_UP, "^B" },
	{ INPUT_PAGE_DOWN, ACTION_PAGE_DOWN, "PgDn" },
	{ INPUT_CTRL('f'), ACTION_PAGE_DOWN, "^F" },
	{ 'g', ACTION_TOP, NULL },
	{ INPUT_HOME, ACTION_TOP, "Home" },
	{ 'G', ACTION_BOTTOM, NULL },
	{ INPUT_END_KEY, ACTION_BOTTOM, "End" },
	{ 'b', ACTION_ROOT, NULL },
	{ '#', ACTION_GO_TO, NULL },
	{ INPUT_LEFT, ACTION_FOLD, "Left" },
	{ 'h', ACTION_FOLD, NULL },
	{ '-', ACTION_FOLD, NULL },
	{ INPUT_RIGHT, ACTION_UNFOLD, "Right" },
	{ 'l', ACTION_UNFOLD, NULL },
	{ '+', ACTION_UNFOLD, NULL },
	{ '*', ACTION_UNFOLD_ALL, NULL },
	{ INPUT_ENTER, ACTION_DETAILS, "Enter" },
	{ 'D', ACTION_NAMES, NULL },
	{ '1', ACTION_TREE, NULL },
	{ '2', ACTION_SESSIONS, NULL },
	{ '3', ACTION_OBJECTS, NULL },
	{ '4', ACTION_EVENTS, NULL },
	{ 'o', ACTION_OBJECT, NULL },
	{ INPUT_TAB, ACTION_NEXT_VIEW, "Tab" },
	{ 's', ACTION_SORT, NULL },
	{ INPUT_F1 + 5, ACTION_SORT, "F6" },
	{ '<', ACTION_SORT_PREVIOUS, NULL },
	{ '>', ACTION_SORT_NEXT, NULL },
	{ 'I', ACTION_INVERT, NULL },
	{ 'w', ACTION_WRAP, NULL },
	{ 'M', ACTION_MASK, NULL },
	{ '/', ACTION_SEARCH, NULL },
	{ INPUT_F1 + 2, ACTION_SEARCH, "F3" },
	{ 'n', ACTION_SEARCH_NEXT, NULL },
	{ 'N', ACTION_SEARCH_PREVIOUS, NULL },
	{ 'f', ACTION_FILTER, NULL },
	{ INPUT_F1 + 3, ACTION_FILTER, "F4" },
	{ 'u', ACTION_USER, NULL },
	{ 'i', ACTION_IDLE, NULL },
	{ 'a', ACTION_MINIMUM_AGE, NULL },
	{ 'C', ACTION_CANCEL, NULL },
	{ 'K', ACTION_TERMINATE, NULL },
	{ INPUT_F1 + 8, ACTION_TERMINATE, "F9" },
	{ ' ', ACTION_TAG, "Space" },
	{ 'U', ACTION_UNTAG_ALL, NULL },
	{ 'Z', ACTION_FREEZE, NULL },
	{ 'p', ACTION_FREEZE, NULL },
	{ 'd', ACTION_INTERVAL, NULL },
	{ 'R', ACTION_REFRESH, NULL },
	{ INPUT_CTRL('l'), ACTION_REDRAW, "^L" },
	{ 'y', ACTION_COPY, NULL },
	{ 'A', ACTION_LOG, NULL },
	{ '?', ACTION_HELP, NULL },
	{ INPUT_F1, ACTION_HELP, "F1" },
	{ INPUT_CTRL('z'), ACTION_SUSPEND, "^Z" },
	{ INPUT_CTRL('c'), ACTION_INTERRUPT, "^C" },
	{ INPUT_ESCAPE, ACTION_ESCAPE, "Esc" },
	{ 'q', ACTION_QUIT, NULL },
	{ INPUT_F1 + 9, ACTION_QUIT, "F10" },
};

#define BINDING_COUNT (sizeof bindings / sizeof bindings[0])

enum action keymap_find(uint32_t key)
{
	for (size_t i = 0; i < BINDING_COUNT; i++)
		if (bindings[i].key == key)
			return bindings[i].action;
	return ACTION_NONE;
}

void keymap_describe(enum action action, struct strbuf *out)
{
	size_t start = out->length;
	for (size_t i = 0; i < BINDING_COUNT; i++) {
		if (bindings[i].action != action)
			continue;
		if (out->length > start)
			strbuf_add_char(out, ' ');
		if (bindings[i].name)
			strbuf_add_string(out, bindings[i].name);
		else
			strbuf_add_char(out, (char)bindings[i].key);
	}
}
