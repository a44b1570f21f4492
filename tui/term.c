#include "term.h"

#include "output.h"
#include "term_batch.h"
#include "term_key.h"
#include "term_osc.h"
#include "term_signal.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define ESCAPE_DELAY_MS 20
#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"
#define ASK_ANSWER "\033[5n"
#define SIZE_WITHOUT_ONE_W 80
#define SIZE_WITHOUT_ONE_H 24
#define CODE_OWN 0x4000 /* curses' codes for our own sequences: beyond all of its own */
#define PALETTE_GREY 243 /* #767676 in the 256 colours that xterm brought */

/* How a style comes out on this terminal. */
struct look {
	attr_t attributes;
	short pair;
};

struct term {
	SCREEN *screen;
	struct term_batch batch;
	WINDOW *keys; /* keys are read on a pad: reading on a window may draw it */
	struct termios modes; /* as they were */
	bool ansi; /* its sequences begin with ESC [ */
	bool xterm_like; /* has a title and a clipboard */
	char *title; /* NULL: none of ours */
	bool suspended;
	struct term_decoder decoder;
	int width, height;
	struct cell *shown; /* what curses was last given: width * height */
	cchar_t *row; /* room for a row on its way to curses */
	bool repaint; /* nothing is known of what the screen shows */
	int cursor_y, cursor_x;
	struct look looks[2][STYLE_COUNT]; /* [1]: under the cursor */
};

/* Sequences that terminals send whatever their terminfo entry says; those it does name are left to it. */
static const struct {
	const char *sequence;
	int code; /* of curses, or CODE_OWN + enum term_code */
} known_keys[] = {
	{ "\033[A", KEY_UP },
	{ "\033[B", KEY_DOWN },
	{ "\033[C", KEY_RIGHT },
	{ "\033[D", KEY_LEFT },
	{ "\033OA", KEY_UP },
	{ "\033OB", KEY_DOWN },
	{ "\033OC", KEY_RIGHT },
	{ "\033OD", KEY_LEFT },
	{ "\033[H", KEY_HOME },
	{ "\033[F", KEY_END },
	{ "\033OH", KEY_HOME },
	{ "\033OF", KEY_END },
	{ "\033[1~", KEY_HOME },
	{ "\033[4~", KEY_END },
	{ "\033[7~", KEY_HOME },
	{ "\033[8~", KEY_END },
	{ "\033[3~", KEY_DC },
	{ "\033[5~", KEY_PPAGE },
	{ "\033[6~", KEY_NPAGE },
	{ "\033[Z", KEY_BTAB },
	{ "\033OP", KEY_F(1) },
	{ "\033OQ", KEY_F(2) },
	{ "\033OR", KEY_F(3) },
	{ "\033OS", KEY_F(4) },
	{ "\033[11~", KEY_F(1) },
	{ "\033[12~", KEY_F(2) },
	{ "\033[13~", KEY_F(3) },
	{ "\033[14~", KEY_F(4) },
	{ "\033[15~", KEY_F(5) },
	{ "\033[17~", KEY_F(6) },
	{ "\033[18~", KEY_F(7) },
	{ "\033[19~", KEY_F(8) },
	{ "\033[20~", KEY_F(9) },
	{ "\033[21~", KEY_F(10) },
	{ "\033[23~", KEY_F(11) },
	{ "\033[24~", KEY_F(12) },
	{ "\033OM", KEY_ENTER },
	{ "\033[0n", CODE_OWN + TERM_CODE_ANSWER },
	{ "\033[200~", CODE_OWN + TERM_CODE_PASTE_BEGIN },
	{ "\033[201~", CODE_OWN + TERM_CODE_PASTE_END },
};

static const struct {
	int code;
	enum input_key key;
} curses_keys[] = {
	{ KEY_UP, INPUT_UP },	      { KEY_DOWN, INPUT_DOWN },		  { KEY_LEFT, INPUT_LEFT },
	{ KEY_RIGHT, INPUT_RIGHT },   { KEY_PPAGE, INPUT_PAGE_UP },	  { KEY_NPAGE, INPUT_PAGE_DOWN },
	{ KEY_HOME, INPUT_HOME },     { KEY_END, INPUT_END_KEY },	  { KEY_ENTER, INPUT_ENTER },
	{ KEY_BTAB, INPUT_BACK_TAB }, { KEY_BACKSPACE, INPUT_BACKSPACE }, { KEY_DC, INPUT_DELETE },
	{ KEY_A1, INPUT_HOME },	      { KEY_A3, INPUT_PAGE_UP },	  { KEY_C1, INPUT_END_KEY },
	{ KEY_C3, INPUT_PAGE_DOWN },
};

/* In order with curses' own output, which it flushes at the end of every update. Of a lost terminal reading tells. */
static void write_bytes(const char *bytes, size_t length)
{
	output_write(STDOUT_FILENO, bytes, length);
}

static void write_string(const char *string)
{
	write_bytes(string, strlen(string));
}

static const char *capability(const char *name)
{
	char *value = tigetstr(name);
	return value && value != (char *)-1 ? value : ""; /* terminfo's own marks of absence */
}

/* Adds a capability without its padding, `$<5/>`: there is no time to waste when it is used. */
static void add_capability(struct strbuf *out, const char *name)
{
	const char *next = capability(name);
	while (*next) {
		size_t plain = strcspn(next, "$");
		strbuf_add(out, next, plain);
		next += plain;
		const char *close = next[0] == '$' && next[1] == '<' ? strchr(next, '>') : NULL;
		if (close)
			next = close + 1;
		else if (*next)
			strbuf_add_char(out, *next++);
	}
}

/*
 * Again, after the alternate screen was left: there are terminals whose saved cursor knows whether it was visible, and
 * curses has saved one that was not.
 */
static void show_cursor(void)
{
	struct strbuf bytes = STRBUF_INIT;
	add_capability(&bytes, "cnorm");
	write_bytes(bytes.text, bytes.length);
	strbuf_release(&bytes);
}

static void arm_rescue(const struct term *term)
{
	struct strbuf bytes = STRBUF_INIT;
	if (term->ansi)
		strbuf_add_string(&bytes, PASTE_OFF);
	static const char *const names[] = { "sgr0", "op", "rmkx", "rmcup", "cnorm" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		add_capability(&bytes, names[i]);
	if (bytes.length > TERM_RESCUE_SIZE)
		strbuf_truncate(&bytes, TERM_RESCUE_SIZE);
	term_rescue_arm(STDOUT_FILENO, &term->modes, bytes.text, bytes.length);
	strbuf_release(&bytes);
}

static int curses_code(int code)
{
	if (code == ERR)
		return TERM_CODE_NONE;
	if (code < KEY_MIN)
		return code;
	if (code >= CODE_OWN)
		return code - CODE_OWN;
	if (code == KEY_RESIZE)
		return TERM_CODE_IGNORED;
	enum input_key key = INPUT_OTHER;
	if (code >= KEY_F(1) && code <= KEY_F(12))
		key = INPUT_F1 + (enum input_key)(code - KEY_F(1));
	for (size_t i = 0; i < sizeof curses_keys / sizeof *curses_keys; i++) {
		if (curses_keys[i].code == code)
			key = curses_keys[i].key;
	}
	return (int)(TERM_CODE_KEYS + (key - INPUT_FIRST));
}

static int next_code(void *context)
{
	struct term *term = context;
	return curses_code(wgetch(term->keys));
}

static attr_t curses_attributes(unsigned attributes)
{
	return ((attributes & STYLE_BOLD) ? A_BOLD : 0) | ((attributes & STYLE_FAINT) ? A_DIM : 0) |
	       ((attributes & STYLE_REVERSE) ? A_REVERSE : 0) | ((attributes & STYLE_UNDERLINE) ? A_UNDERLINE : 0);
}

/* The pair with these colours, made when there is none yet; *count is how many there are. */
static short colour_pair(short foreground, short background, short *count)
{
	if (foreground < 0 && background < 0)
		return 0;
	for (short pair = 1; pair <= *count; pair++) {
		short other_foreground, other_background;
		pair_content(pair, &other_foreground, &other_background);
		if (foreground == other_foreground && background == other_background)
			return pair;
	}
	if (*count + 1 >= COLOR_PAIRS || init_pair((short)(*count + 1), foreground, background) == ERR)
		return 0;
	return ++*count;
}

static struct look make_look(struct style_look style, bool colour, short *pairs)
{
	if (!colour)
		return (struct look){ curses_attributes(style.mono_attributes), 0 };
	short foreground = style.foreground;
	unsigned attributes = style.attributes;
	if (foreground == STYLE_GREY && COLORS >= 256) {
		foreground = PALETTE_GREY;
	} else if (foreground == STYLE_GREY) {
		foreground = -1;
		attributes |= STYLE_FAINT;
	}
	return (struct look){ curses_attributes(attributes), colour_pair(foreground, style.background, pairs) };
}

static void prepare_looks(struct term *term, bool colour)
{
	short pairs = 0;
	colour = colour && has_colors() && start_color() == OK && COLORS >= 8 && use_default_colors() == OK;
	for (int style = 0; style < STYLE_COUNT; style++) {
		term->looks[0][style] = make_look(style_looks[style], colour, &pairs);
		term->looks[1][style] = make_look(style_under_cursor(style_looks[style]), colour, &pairs);
	}
}

static void forget_shown(struct term *term)
{
	size_t count = (size_t)term->width * (size_t)term->height;
	for (size_t i = 0; i < count; i++)
		term->shown[i] = (struct cell){ .glyph = { .base = UINT32_MAX } };
	term->cursor_y = -2; /* neither a place nor nowhere */
	term->repaint = true;
}

static void take_size(struct term *term, int width, int height)
{
	free(term->shown);
	free(term->row);
	term->width = width;
	term->height = height;
	term->shown = calloc((size_t)width * (size_t)height, sizeof *term->shown);
	term->row = calloc((size_t)width, sizeof *term->row);
	if (!term->shown || !term->row)
		err_die("out of memory (a screen of %d x %d)", width, height);
	forget_shown(term);
}

static void prepare_keys(struct term *term)
{
	term->keys = newpad(1, 1);
	ensure(term->keys);
	keypad(term->keys, TRUE);
	nodelay(term->keys, TRUE);
	for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++) {
		if (key_defined(known_keys[i].sequence) == 0)
			define_key(known_keys[i].sequence, known_keys[i].code);
	}
	term_decoder_init(&term->decoder, next_code, term);
}

/* An empty title gives back the terminal's own. */
static void write_title(const struct term *term, const char *title)
{
	if (!term->title)
		return;
	struct strbuf text = STRBUF_INIT;
	term_osc_add_title(&text, title);
	write_bytes(text.text, text.length);
	strbuf_release(&text);
}

/* What curses itself does not set. */
static void enter_modes(struct term *term)
{
	if (term->ansi)
		write_string(PASTE_ON);
	curs_set(0);
	write_title(term, term->title);
	arm_rescue(term);
}

static void leave_modes(struct term *term)
{
	write_title(term, "");
	if (term->ansi)
		write_string(PASTE_OFF);
}

static bool check_terminal(struct termios *modes, struct err *err)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, "standard %s is not a terminal; use --once to print snapshots",
			       isatty(STDIN_FILENO) ? "output" : "input");
	if (tcgetattr(STDIN_FILENO, modes) != 0)
		return err_set(err, "the terminal's modes cannot be read: %s", strerror(errno));
	const char *name = getenv("TERM");
	if (!name || !*name)
		return err_set(err, "TERM is not set; set it to the name of your terminal, as in TERM=xterm-256color");
	return true;
}

static bool start_curses(struct term *term, struct err *err)
{
	const char *name = getenv("TERM");
	use_env(FALSE); /* LINES and COLUMNS may be stale: the terminal itself is asked */
	use_tioctl(TRUE);
	term->batch = term_batch_open(STDOUT_FILENO);
	if (!term->batch.output)
		return err_set(err, "no descriptor for the terminal: %s", strerror(errno));
	term->screen = newterm(NULL, term->batch.output, stdin);
	if (!term->screen)
		return err_set(err,
			       "terminal type \"%s\" is not known here; set TERM to one that is, as in "
			       "TERM=xterm, or install its terminfo entry",
			       name);
	if (!*capability("cup")) {
		endwin();
		delscreen(term->screen);
		return err_set(err,
			       "terminal type \"%s\" cannot place the cursor; set TERM to what your terminal is, "
			       "or use --once",
			       name);
	}
	return true;
}

struct term *term_open(const struct term_options *options, struct err *err)
{
	struct term *term = calloc(1, sizeof *term);
	if (!term)
		err_die("out of memory");
	if (!check_terminal(&term->modes, err)) {
		free(term);
		return NULL;
	}
	term_signals_take();
	if (!start_curses(term, err)) {
		term_batch_close(&term->batch);
		term_signals_give_back();
		free(term);
		return NULL;
	}
	term->ansi = strncmp(capability("cup"), "\033[", 2) == 0;
	term->xterm_like = term->ansi && (tigetflag("XT") > 0 || *capability("Ms"));
	arm_rescue(term);
	set_escdelay(ESCAPE_DELAY_MS);
	raw();
	noecho();
	nonl();
	typeahead(-1); /* a frame is always drawn whole */
	prepare_looks(term, options->colour);
	prepare_keys(term);
	take_size(term, COLS, LINES);
	if (options->title && term->xterm_like)
		term->title = strdup(options->title);
	enter_modes(term);
	return term;
}

void term_suspend(struct term *term)
{
	if (term->suspended)
		return;
	term->suspended = true;
	leave_modes(term);
	if (!*capability("rmcup")) { /* the shell goes on below what is there */
		move(term->height - 1, 0);
		clrtoeol();
		refresh();
	}
	endwin();
	show_cursor();
	tcsetattr(STDIN_FILENO, TCSADRAIN, &term->modes);
	term_rescue_disarm();
}

void term_resume(struct term *term)
{
	if (!term->suspended)
		endwin(); /* then curses sets everything again when it draws */
	term->suspended = false;
	term_resized(term);
	reset_prog_mode();
	enter_modes(term);
}

void term_close(struct term *owned)
{
	if (!owned)
		return;
	term_suspend(owned);
	delwin(owned->keys);
	delscreen(owned->screen);
	term_batch_close(&owned->batch);
	term_signals_give_back();
	free(owned->title);
	free(owned->shown);
	free(owned->row);
	free(owned);
}

int term_fd(const struct term *term)
{
	(void)term;
	return STDIN_FILENO;
}

void term_size(struct term *term, int *width, int *height)
{
	*width = term->width;
	*height = term->height;
}

void term_resized(struct term *term)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0 &&
	    (size.ws_col != term->width || size.ws_row != term->height)) {
		resize_term(size.ws_row, size.ws_col);
		take_size(term, COLS, LINES);
	}
	forget_shown(term);
}

static const struct cell *cell_to_show(const struct term *term, const struct canvas *canvas, int y, int x)
{
	static const struct cell blank = { .glyph = { .base = ' ', .width = 1 } };
	if (y >= canvas->height || x >= canvas->width)
		return &blank;
	const struct cell *cell = &canvas->cells[(size_t)y * (size_t)canvas->width + (size_t)x];
	return cell->glyph.width == 2 && x + 1 >= term->width ? &blank : cell;
}

static bool cells_equal(const struct cell *a, const struct cell *b)
{
	return a->glyph.base == b->glyph.base && a->glyph.width == b->glyph.width && a->style == b->style &&
	       a->glyph.marks[0] == b->glyph.marks[0] && a->glyph.marks[1] == b->glyph.marks[1];
}

static cchar_t curses_cell(const struct term *term, const struct cell *cell)
{
	struct look look = term->looks[(cell->style & STYLE_CURSOR) != 0][cell->style & ~STYLE_CURSOR];
	wchar_t characters[4] = { (wchar_t)cell->glyph.base, (wchar_t)cell->glyph.marks[0],
				  (wchar_t)cell->glyph.marks[1], 0 };
	cchar_t made;
	if (setcchar(&made, characters, look.attributes, look.pair, NULL) == ERR)
		setcchar(&made, L"?", look.attributes, look.pair, NULL);
	return made;
}

/* Hands the part of a row that changed to curses. False when nothing did. */
static bool draw_row(struct term *term, const struct canvas *canvas, int y)
{
	struct cell *shown = term->shown + (size_t)y * (size_t)term->width;
	int first = -1, last = -1;
	for (int x = 0; x < term->width; x++) {
		const struct cell *cell = cell_to_show(term, canvas, y, x);
		if (cells_equal(cell, &shown[x]))
			continue;
		shown[x] = *cell;
		last = x;
		first = first < 0 ? x : first;
	}
	if (first < 0)
		return false;
	while (first > 0 && shown[first].glyph.width == 0)
		first--;
	int count = 0;
	for (int x = first; x <= last; x++) {
		if (shown[x].glyph.width > 0)
			term->row[count++] = curses_cell(term, &shown[x]);
	}
	mvadd_wchnstr(y, first, term->row, count);
	return true;
}

static bool place_cursor(struct term *term, const struct canvas *canvas)
{
	bool visible = canvas->cursor_y >= 0 && canvas->cursor_y < term->height && canvas->cursor_x >= 0 &&
		       canvas->cursor_x < term->width;
	int y = visible ? canvas->cursor_y : -1;
	int x = visible ? canvas->cursor_x : -1;
	if (visible)
		move(y, x);
	if (y == term->cursor_y && x == term->cursor_x)
		return false;
	term->cursor_y = y;
	term->cursor_x = x;
	leaveok(stdscr, !visible);
	curs_set(visible);
	return true;
}

void term_draw(struct term *term, const struct canvas *canvas, bool all)
{
	if (term->suspended)
		return;
	if (all)
		forget_shown(term);
	bool changed = term->repaint;
	for (int y = 0; y < term->height; y++)
		changed |= draw_row(term, canvas, y);
	term_batch_begin(&term->batch);
	changed |= place_cursor(term, canvas);
	if (changed) {
		clearok(curscr, term->repaint);
		term->repaint = false;
		refresh();
	}
	term_batch_end(&term->batch);
}

bool term_ask_answer(struct term *term)
{
	if (term->ansi && !term->suspended)
		write_string(ASK_ANSWER);
	return term->ansi && !term->suspended;
}

static short poll_input(short events)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = events };
	return poll(&input, 1, 0) > 0 ? input.revents : 0;
}

bool term_more_follows(struct term *term, int milliseconds)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	return term->decoder.pushed != TERM_CODE_NONE || poll(&input, 1, milliseconds) > 0;
}

struct input term_read(struct term *term)
{
	struct input input = term_decoder_read(&term->decoder);
	if (input.kind != INPUT_NONE) {
		input.more = term->decoder.pushed != TERM_CODE_NONE || poll_input(POLLIN) != 0;
		return input;
	}
	/* Readable, and yet nothing to read: that is the end. It may have come just now, so it is tried once more. */
	if (poll_input(POLLIN) != 0) {
		input = term_decoder_read(&term->decoder);
		if (input.kind == INPUT_NONE && poll_input(POLLIN) != 0)
			input.kind = INPUT_END;
	}
	return input;
}

bool term_copy(struct term *term, const char *text, size_t length)
{
	if (!term->xterm_like || term->suspended || length > TERM_OSC_COPIED_MOST)
		return false;
	struct strbuf out = STRBUF_INIT;
	term_osc_add_copy(&out, text, length);
	write_bytes(out.text, out.length);
	strbuf_release(&out);
	return true;
}

unsigned term_wait(struct term *term, int fd, int64_t timeout)
{
	return term_signals_wait(term_fd(term), fd, timeout);
}

int term_quit_signal(void)
{
	return term_signals_quit();
}

void term_stop_self(void)
{
	term_signals_stop_self();
}
