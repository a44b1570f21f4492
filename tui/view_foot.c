#include "view.h"

#include "keymap.h"

#include "pglocktop/verb.h"

#include <stdio.h>
#include <string.h>

struct hint {
	const char *key, *text;
};

static int put_hint(struct canvas *canvas, int y, int x, const char *key, const char *text)
{
	int width = text_width(canvas->charset, key) + 1 + text_width(canvas->charset, text);
	if (x + width > canvas->width - 1)
		return x;
	x += canvas_put(canvas, y, x, -1, STYLE_HINT_KEY, key) + 1;
	x += canvas_put(canvas, y, x, -1, STYLE_HINT, text) + 3;
	return x;
}

static void put_hints(struct canvas *canvas, int y, const struct hint *hints, size_t count)
{
	int x = 1;
	for (size_t i = 0; i < count; i++)
		x = put_hint(canvas, y, x, hints[i].key, hints[i].text);
}

/* "cancel (frees 31)" */
static void name_verb(const struct view_context *context, enum signal_verb verb, char *text, size_t size)
{
	const char *word = signal_verbs[verb].name;
	if (context->state->tags.count > 0) {
		snprintf(text, size, "%s the %u tagged", word, (unsigned)context->state->tags.count);
		return;
	}
	uint32_t session = context->scene ? scene_cursor_session(context->scene) : SNAPSHOT_NO_INDEX;
	const struct frame *frame = context->scene ? context->scene->frame : NULL;
	uint32_t node = session == SNAPSHOT_NO_INDEX ? GRAPH_NONE : frame->graph->session_node[session];
	struct whatif_forecast forecast = { 0 };
	if (node != GRAPH_NONE && frame->snapshot->sessions[session].may == MAY_SIGNAL &&
	    !whatif_is_left_to_server(frame->graph, node))
		forecast = whatif_forecast(frame->whatif, node, verb);
	if (forecast.freed > 0)
		snprintf(text, size, "%s (frees %s%u)", word, forecast.doubts ? "~" : "", (unsigned)forecast.freed);
	else
		snprintf(text, size, "%s", word);
}

static void draw_hints(struct canvas *canvas, const struct view_context *context, int y)
{
	static const struct hint list[] = { { "Enter", "details" }, { "/", "search" }, { "f", "filter" },
					    { "s", "sort" },	    { "?", "help" },   { "q", "quit" },
					    { "2", "all sessions" } };
	static const struct hint sessions[] = { { "Enter", "details" }, { "/", "search" }, { "f", "filter" },
						{ "s", "sort" },	{ "?", "help" },   { "1", "tree" },
						{ "q", "quit" } };
	static const struct hint objects[] = { { "Enter", "details" }, { "o", "object" }, { "/", "search" },
					       { "f", "filter" },      { "?", "help" },	  { "1", "tree" },
					       { "q", "quit" } };
	static const struct hint events[] = { { "Enter", "its session" }, { "/", "search" }, { "1", "tree" },
					      { "A", "audit log" },	  { "?", "help" },   { "q", "quit" },
					      { "2", "all sessions" } };
	static const struct hint *const by_view[VIEW_COUNT] = { list, sessions, objects, events };
	static const struct hint details[] = { { "Esc", "back" }, { "Up Down", "scroll" }, { "y", "copy" } };
	static const struct hint help[] = { { "Esc", "back" }, { "Up Down", "scroll" } };
	const struct state *state = context->state;
	struct hint all[12];
	char cancel[48], terminate[48];
	size_t count = 0;
	if (state->help || state->log_text) {
		put_hints(canvas, y, help, 2);
		return;
	}
	if (!state->read_only && state->view != VIEW_EVENTS) {
		name_verb(context, SIGNAL_CANCEL, cancel, sizeof cancel);
		name_verb(context, SIGNAL_TERMINATE, terminate, sizeof terminate);
		all[count++] = (struct hint){ "C", cancel };
		all[count++] = (struct hint){ "K", terminate };
	}
	if (state->tags.count > 0)
		all[count++] = (struct hint){ "U", "untag all" };
	if (state->details) {
		memcpy(all + count, details, sizeof details);
		count += sizeof details / sizeof details[0];
	} else {
		memcpy(all + count, by_view[state->view], sizeof list);
		count += sizeof list / sizeof list[0];
		if (!state->read_only && state->view != VIEW_EVENTS)
			all[count++] = (struct hint){ "Space", "tag" };
	}
	put_hints(canvas, y, all, count);
}

/* Lines that lie over the foot of the screen, the last on its last line. */
struct overlay {
	struct canvas *canvas;
	enum style style;
	int y;
};

static void draw_overlay_line(void *context, const char *text)
{
	struct overlay *overlay = context;
	canvas_fill(overlay->canvas, overlay->y, 0, -1, overlay->style);
	canvas_put_cut(overlay->canvas, overlay->y++, 1, -1, overlay->style, text);
}

static void count_line(void *context, const char *text)
{
	(void)context, (void)text;
}

/* A message that is too long for one line takes more, up to half the screen. */
static void draw_overlay(struct canvas *canvas, enum style style, int y, const char *text)
{
	int most = canvas->height / 2 > 0 ? canvas->height / 2 : 1, width = canvas->width - 2;
	int lines = text_wrap_sentence(canvas->charset, text, width, 0, count_line, NULL);
	lines = lines < most ? lines : most;
	struct overlay overlay = { canvas, style, y - lines + 1 };
	text_wrap_sentence(canvas->charset, text, width, lines, draw_overlay_line, &overlay);
}

static void draw_prompt(struct canvas *canvas, const struct prompt *prompt, int y)
{
	int x = 1 + canvas_put(canvas, y, 1, -1, STYLE_STRONG, prompt_label(prompt->kind));
	x += canvas_put(canvas, y, x, -1, STYLE_STRONG, ": ");
	int start = x, room = canvas->width - x - 2;
	const char *text = prompt->text;
	/* A text that is too long shows its end: that is where one types. */
	while (*text && text_width(canvas->charset, text) > room)
		do
			text++;
		while (((unsigned char)*text & 0xc0) == 0x80);
	x += canvas_put(canvas, y, x, -1, STYLE_NORMAL, text);
	canvas->cursor_y = y;
	canvas->cursor_x = x < canvas->width ? x : canvas->width - 1;
	if (text == prompt->text && prompt->complaint_at < prompt->length) {
		char before[sizeof prompt->text];
		memcpy(before, text, prompt->complaint_at);
		before[prompt->complaint_at] = '\0';
		canvas_restyle(canvas, y, start + text_width(canvas->charset, before), 1, STYLE_ERROR);
	}
}

static void draw_message(struct canvas *canvas, const struct message *message, int y)
{
	draw_overlay(canvas, message->kind == MESSAGE_ERROR ? STYLE_ERROR : STYLE_MESSAGE, y, message->text);
}

/* Beside the tagged ones: "TERMINATE?  K = the 3 tagged   . = only 8020 worker-2   else: none". */
static void draw_choice(struct canvas *canvas, const struct state *state, int y)
{
	const struct choice *choice = &state->choice;
	const struct verb *verb = &signal_verbs[choice->verb];
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, "%s?  %s = the %u tagged   . = only %s   else: none", verb->title, verb->key,
		      (unsigned)state->tags.count, choice->label);
	if (text_width(canvas->charset, text.text) > canvas->width - 2) {
		strbuf_reset(&text);
		strbuf_printf(&text, "%s = the %u tagged  . = only %d", verb->key, (unsigned)state->tags.count,
			      (int)choice->cursor.pid);
	}
	canvas_put_cut(canvas, y, 1, -1, STYLE_MESSAGE, text.text);
	strbuf_release(&text);
}

static bool asks_to_unmask(const struct state *state)
{
	return question_is_open(&state->question) && state->question.of_mask;
}

/* The last line while a key or a text is awaited; false: none is. */
static bool draw_awaited(struct canvas *canvas, const struct state *state, int y)
{
	if (state->choice.open)
		draw_choice(canvas, state, y);
	else if (asks_to_unmask(state))
		draw_prompt(canvas, &state->question.entry, y);
	else if (state->prompt.kind != PROMPT_NONE)
		draw_prompt(canvas, &state->prompt, y);
	else if (state->copy_pending)
		canvas_put_cut(canvas, y, 1, -1, STYLE_MESSAGE,
			       "copy: q query  p pid  s the SQL that ends it  t the tree");
	return state->choice.open || asks_to_unmask(state) || state->prompt.kind != PROMPT_NONE || state->copy_pending;
}

/* What comes while a person types is said above what is typed. */
void view_draw_foot(struct canvas *canvas, const struct view_context *context)
{
	const struct state *state = context->state;
	int y = context->layout.foot_y;
	if (y < 0)
		return;
	canvas_fill(canvas, y, 0, -1, STYLE_HINT);
	int above = draw_awaited(canvas, state, y) ? y - 1 : y;
	if (state->prompt.complaint[0])
		draw_overlay(canvas, STYLE_ERROR, above, state->prompt.complaint);
	else if (state->message.kind != MESSAGE_NONE)
		draw_message(canvas, &state->message, above);
	else if (above == y && !question_is_shown(&state->question))
		draw_hints(canvas, context, y); /* a question says itself how it is answered */
}

void view_draw_menu(struct canvas *canvas, const struct view_context *context)
{
	const struct menu *menu = &context->state->menu;
	int y0 = context->layout.list_y, room = context->layout.foot_y - y0 - 1, width = 0;
	for (uint32_t i = 0; i < menu->count; i++) {
		int wide = text_width(canvas->charset, menu->items[i]);
		width = wide > width ? wide : width;
	}
	const char *title = menu->kind == MENU_SORT ? "sort by" : "show";
	uint32_t top = room > 0 && menu->cursor >= (uint32_t)room ? menu->cursor - (uint32_t)room + 1 : 0;
	width = width + 5 < canvas->width ? width + 5 : canvas->width;
	canvas_fill(canvas, y0, 0, width, STYLE_TITLES);
	canvas_put(canvas, y0, 1, width - 1, STYLE_TITLES, title);
	for (int i = 0; i < room && top + (uint32_t)i < menu->count; i++) {
		uint32_t item = top + (uint32_t)i;
		enum style style = item == menu->cursor ? STYLE_TITLE_SORT : STYLE_NORMAL;
		canvas_fill(canvas, y0 + 1 + i, 0, width, style);
		canvas_put(canvas, y0 + 1 + i, 1, width - 2, style, item == menu->cursor ? ">" : " ");
		canvas_put_cut(canvas, y0 + 1 + i, 3, width - 3, style, menu->items[item]);
	}
}
