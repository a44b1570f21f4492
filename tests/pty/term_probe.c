#include "pty/term_probe.h"

#include "term.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum picture { PICTURE_PLAIN, PICTURE_WIDE, PICTURE_HOSTILE, PICTURE_STYLES, PICTURE_COUNT };

struct probe {
	struct term *term;
	struct canvas canvas;
	struct strbuf inputs;
	enum picture picture;
	unsigned changes;
	bool cursor;
	bool pasting;
	bool quit;
	int status;
};

static const char *const hostile_texts[] = {
	"escape \033[2J\033]0;owned\007 sequence",
	"C1 \xc2\x9b 31m raw \x9b 31m",
	"bidi \xe2\x80\xae reversed \xe2\x81\xa6 isolate",
	"lines\r\nand\ttabs \xe2\x80\xa8 separated",
	"bytes \xff\xfe\xc3\x28 \xed\xa0\x80",
	"marks e\xcc\x81 a\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
};

/* In the order of enum style; for the pictures that people look at. */
static const char *const style_samples[] = {
	"normal: update orders set status",
	"dim: ended, stale",
	"strong",
	"header",
	"header strong: WAITING 37",
	"titles: BLOCKS BEHIND SESSION",
	"title sort: BEHIND",
	"LIVE every 1s",
	"STALE 12s",
	"LOST since 14:31:55",
	"READ-ONLY MASKED",
	"waits 4m58s",
	"holds: idle in txn 4m58s",
	"DEADLOCK of 2",
	"match",
	"TAGGED 3",
	"question: Idle in transaction 4m58s",
	"TERMINATE 8008",
	"message: TERM sent to 8008",
	"error: refused",
	"hint",
	"hint key",
};
_Static_assert(sizeof style_samples / sizeof *style_samples == STYLE_COUNT, "each style has a sample");

static void draw_wide(struct canvas *canvas)
{
	canvas_put(canvas, 2, 0, -1, STYLE_NORMAL, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e|e\xcc\x81|\xe2\x96\xbc|end");
	for (int y = 3; y < canvas->height; y++)
		canvas_put(canvas, y, canvas->width - 3, 3, STYLE_NORMAL,
			   y % 2 ? "\xe6\x97\xa5\xe6\x9c\xac" : "a\xe6\x9c\xac");
}

static void draw_styles(struct canvas *canvas)
{
	for (int style = 0; style < STYLE_COUNT; style++) {
		canvas_put(canvas, 2 + style, 0, 38, (enum style)style, style_samples[style]);
		canvas_put(canvas, 2 + style, 40, -1, STYLE_NORMAL, "8017 worker-1  ");
		canvas_put(canvas, 2 + style, 55, -1, (enum style)style, style_samples[style]);
	}
	for (int style = 0; style < STYLE_COUNT; style += 3)
		canvas_mark_cursor(canvas, 2 + style);
}

static void draw_picture(const struct probe *probe, struct canvas *canvas)
{
	switch (probe->picture) {
	case PICTURE_WIDE:
		draw_wide(canvas);
		break;
	case PICTURE_HOSTILE:
		for (size_t i = 0; i < sizeof hostile_texts / sizeof *hostile_texts; i++)
			canvas_put_cut(canvas, 2 + (int)i, 0, -1, STYLE_NORMAL, hostile_texts[i]);
		break;
	case PICTURE_STYLES:
		draw_styles(canvas);
		break;
	default:
		for (int y = 2; y < canvas->height; y++)
			canvas_printf(canvas, y, 0, STYLE_NORMAL, "row %d changed %u times, and some more text on it",
				      y, y < 12 ? probe->changes : 0);
	}
}

static void draw(struct probe *probe, bool all)
{
	struct canvas *canvas = &probe->canvas;
	int width, height;
	term_size(probe->term, &width, &height);
	if (width != canvas->width || height != canvas->height)
		canvas_resize(canvas, width, height);
	canvas_clear(canvas);
	canvas_printf(canvas, 0, 0, STYLE_HEADER_STRONG, "size %dx%d", width, height);
	canvas_put(canvas, 1, 0, -1, STYLE_NORMAL, probe->inputs.text);
	draw_picture(probe, canvas);
	if (probe->cursor) {
		canvas->cursor_y = 1;
		canvas->cursor_x = 5;
	}
	term_draw(probe->term, canvas, all);
}

static void add_key(struct strbuf *out, uint32_t key)
{
	static const char *const names[] = { "Up",  "Down",  "Left", "Right", "PgUp",	 "PgDn",   "Home",
					     "End", "Enter", "Esc",  "Tab",   "BackTab", "BackSp", "Del" };
	if (key > INPUT_FIRST && key < INPUT_F1)
		strbuf_add_string(out, names[key - INPUT_UP]);
	else if (key >= INPUT_F1 && key <= INPUT_F12)
		strbuf_printf(out, "F%u", key - INPUT_F1 + 1);
	else if (key == INPUT_OTHER)
		strbuf_add_string(out, "Other");
	else if (key > 0x20 && key < 0x7f)
		strbuf_add_char(out, (char)key);
	else
		strbuf_printf(out, "U+%04x", key);
}

static void note(struct probe *probe, struct input input)
{
	static const char *const kinds[] = { "", "", "Paste(", ")Paste", "Answer", "Resize", "End" };
	if (input.kind == INPUT_KEY)
		add_key(&probe->inputs, input.key);
	else
		strbuf_add_string(&probe->inputs, kinds[input.kind]);
	strbuf_add_string(&probe->inputs, input.more ? "+ " : " ");
}

static void stop(struct probe *probe)
{
	term_suspend(probe->term);
	term_stop_self();
	term_resume(probe->term);
	draw(probe, true);
}

static volatile int overflow_stop = -1;

static int overflow(int depth)
{
	volatile char frame[4096];
	frame[0] = (char)depth;
	return depth == overflow_stop ? 0 : overflow(depth + 1) + frame[0];
}

static _Noreturn void die(uint32_t key)
{
	volatile int *volatile nowhere = NULL;
	if (key == 'F')
		*nowhere = 1;
	if (key == 'D')
		err_die("the probe was told to");
	if (key == 'O')
		exit(overflow(0));
	if (key == 'X')
		exit(7);
	abort();
}

static void ask(struct probe *probe)
{
	draw(probe, false);
	if (!term_ask_answer(probe->term))
		strbuf_add_string(&probe->inputs, "NoAnswer ");
}

/* False: the key is none that does something. */
static bool obey(struct probe *probe, uint32_t key)
{
	switch (key) {
	case '!':
		strbuf_reset(&probe->inputs);
		return true;
	case 'p':
		probe->picture = (probe->picture + 1) % PICTURE_COUNT;
		return true;
	case 'r':
		probe->changes++;
		ask(probe);
		return true;
	case '=':
	case '?':
		ask(probe);
		return true;
	case 't':
		probe->cursor = !probe->cursor;
		return true;
	case 'c':
		strbuf_add_string(&probe->inputs, term_copy(probe->term, "hello", 5) ? "Copied " : "NotCopied ");
		return true;
	case INPUT_CTRL('l'):
		draw(probe, true);
		return true;
	case INPUT_CTRL('z'):
		stop(probe);
		return true;
	case 'q':
		probe->quit = true;
		return true;
	case 'F':
	case 'A':
	case 'D':
	case 'O':
	case 'X':
		die(key);
	default:
		return false;
	}
}

static void take_inputs(struct probe *probe)
{
	for (struct input input; !probe->quit && (input = term_read(probe->term)).kind != INPUT_NONE;) {
		if (input.kind == INPUT_PASTE_BEGIN || input.kind == INPUT_PASTE_END)
			probe->pasting = input.kind == INPUT_PASTE_BEGIN;
		if (input.kind == INPUT_END) {
			probe->quit = true;
			probe->status = 5;
		} else if (input.kind != INPUT_KEY || probe->pasting || !obey(probe, input.key)) {
			note(probe, input);
		}
	}
}

static void run(struct probe *probe)
{
	draw(probe, false);
	while (!probe->quit) {
		unsigned wake = term_wait(probe->term, -1, -1);
		if (wake & TERM_WAKE_QUIT)
			return;
		if (wake & TERM_WAKE_RESIZE)
			term_resized(probe->term);
		if (wake & TERM_WAKE_STOP)
			stop(probe);
		if (wake & TERM_WAKE_CONTINUE)
			term_resume(probe->term);
		if (wake & TERM_WAKE_INPUT)
			take_inputs(probe);
		draw(probe, false);
	}
}

int term_probe(void)
{
	struct probe probe = { .inputs = STRBUF_INIT };
	struct err err;
	setlocale(LC_ALL, "");
	struct term_options options = { .colour = !getenv("NO_COLOR"), .title = "probe" };
	probe.term = term_open(&options, &err);
	if (!probe.term) {
		fprintf(stderr, "probe: %s\n", err.text);
		return 1;
	}
	canvas_init(&probe.canvas, 0, 0, text_charset(false));
	run(&probe);
	int number = term_quit_signal();
	term_close(probe.term);
	canvas_release(&probe.canvas);
	strbuf_release(&probe.inputs);
	if (number)
		raise(number);
	return probe.status;
}
