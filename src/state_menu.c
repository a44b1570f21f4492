#include "pglocktop/scene.h"
#include "state_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sort menu's first item; the others are the columns, in their order. */
static const char default_order[] = "worst first";

static void menu_add(struct menu *menu, const char *item)
{
	if (menu->count < MENU_ITEMS)
		snprintf(menu->items[menu->count++], MENU_ITEM_SIZE, "%s", item);
}

/* Of objects only what is known of the objects themselves: their queues have an order of their own. */
static bool can_sort(const struct state *state, int id)
{
	if (state->view == VIEW_EVENTS)
		return false;
	if (state->view != VIEW_OBJECTS)
		return id < COLUMN_OF_SESSIONS;
	return id == COLUMN_WAITERS || id == COLUMN_BEHIND || id == COLUMN_LOCK;
}

void state_open_sort_menu(struct state *state)
{
	const struct column *current = state->lists[state->view].order.column;
	char item[MENU_ITEM_SIZE];
	if (state->view == VIEW_EVENTS)
		return; /* the newest first, always */
	state->menu = (struct menu){ .kind = MENU_SORT };
	menu_add(&state->menu, default_order);
	for (int i = 0; i < COLUMN_COUNT; i++) {
		if (!can_sort(state, i))
			continue;
		if (&columns[i] == current)
			state->menu.cursor = state->menu.count;
		snprintf(item, sizeof item, "%-11s  %s", columns[i].name, columns[i].help);
		menu_add(&state->menu, item);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void state_open_user_menu(struct state *state, const struct scene *scene)
{
	const struct snapshot *snapshot = scene->frame->snapshot;
	const char **names = calloc(snapshot->session_count + 1, sizeof *names);
	if (!names)
		err_die("out of memory");
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (snapshot->sessions[i].user)
			names[count++] = snapshot->sessions[i].user;
	qsort(names, count, sizeof *names, compare_names);
	state->menu = (struct menu){ .kind = MENU_USER };
	menu_add(&state->menu, "all users");
	for (uint32_t i = 0; i < count; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			menu_add(&state->menu, names[i]);
	free(names);
}

void state_apply_filter(struct state *state, const char *terms)
{
	char text[sizeof state->filter + sizeof state->user_term + 1];
	snprintf(text, sizeof text, "%s%s%s", terms, *terms && state->user_term[0] ? " " : "", state->user_term);
	state_effect(state, EFFECT_FILTER, text);
}

/* A term that matches just this name; what a pattern could take amiss matches any one character. */
static void make_user_term(const char *name, char *term, size_t size)
{
	struct strbuf text = STRBUF_INIT;
	strbuf_add_string(&text, "user:^(?-i)");
	for (const char *c = name; *c; c++) {
		bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
			     *c == '_' || ((unsigned char)*c & 0x80);
		strbuf_add_char(&text, plain ? *c : '.');
	}
	strbuf_add_char(&text, '$');
	snprintf(term, size, "%s", text.text);
	strbuf_release(&text);
}

/* The column of an item of the sort menu; NULL: the default order. */
static const struct column *column_of_item(const struct state *state, uint32_t item)
{
	for (int i = 0; i < COLUMN_COUNT && item > 0; i++)
		if (can_sort(state, i) && --item == 0)
			return &columns[i];
	return NULL;
}

static void menu_choose(struct state *state)
{
	struct menu *menu = &state->menu;
	struct forest_order *order = &state->lists[state->view].order;
	if (menu->kind == MENU_SORT) {
		order->column = column_of_item(state, menu->cursor);
		order->descending = order->column && order->column->descending;
		return;
	}
	if (menu->cursor > 0)
		make_user_term(menu->items[menu->cursor], state->user_term, sizeof state->user_term);
	else
		state->user_term[0] = '\0';
	state_apply_filter(state, state->filter);
}

void state_menu_key(struct state *state, uint32_t key)
{
	struct menu *menu = &state->menu;
	switch (key) {
	case INPUT_UP:
	case 'k':
		menu->cursor -= menu->cursor > 0;
		break;
	case INPUT_DOWN:
	case 'j':
		menu->cursor += menu->cursor + 1 < menu->count;
		break;
	case INPUT_HOME:
	case 'g':
		menu->cursor = 0;
		break;
	case INPUT_END_KEY:
	case 'G':
		menu->cursor = menu->count - 1;
		break;
	case INPUT_ENTER:
		menu_choose(state);
		menu->kind = MENU_NONE;
		break;
	case INPUT_ESCAPE:
	case 'q':
	case INPUT_CTRL('c'):
		menu->kind = MENU_NONE;
		break;
	default:
		break;
	}
}

void state_sort_step(struct state *state, int step)
{
	struct forest_order *order = &state->lists[state->view].order;
	int at = order->column ? (int)(order->column - columns) + 1 : 0;
	do
		at = (at + step + COLUMN_COUNT + 1) % (COLUMN_COUNT + 1);
	while (at > 0 && !can_sort(state, at - 1));
	order->column = at > 0 ? &columns[at - 1] : NULL;
	order->descending = order->column && order->column->descending;
}

void state_sort_invert(struct state *state)
{
	struct forest_order *order = &state->lists[state->view].order;
	if (order->column)
		order->descending = !order->descending;
}
