/*
 * term.h - the terminal. The only file that knows curses is term.c.
 *
 * Life cycle: term_open, then { term_draw, term_read }, then term_close. Whatever ends the program, the shell gets its
 * terminal as it was: by term_close, by the die hook (err.h), or by the handlers of fatal signals that term_open sets.
 */
#ifndef TUI_TERM_H
#define TUI_TERM_H

#include "canvas.h"

#include "pglocktop/err.h"
#include "pglocktop/input.h"

struct term;

struct term_options {
	bool colour; /* false: NO_COLOR, or --no-color */
	const char *title; /* NULL */
};

/* NULL with `err` when stdin or stdout is no terminal, TERM is unknown or cannot do what is needed. */
struct term *term_open(const struct term_options *options, struct err *err) MUST_CHECK;

/* Gives the terminal back. Takes NULL. */
void term_close(struct term *owned);

/*
 * For Ctrl-Z: gives it back for a while, and takes it again; the next term_draw draws all, in the size of then. Also
 * after TERM_WAKE_CONTINUE without a suspend (SIGSTOP gives no notice): term_resume alone.
 */
void term_suspend(struct term *term);
void term_resume(struct term *term);

int term_fd(const struct term *term);
void term_size(struct term *term, int *width, int *height);

/* After SIGWINCH: reads the new size. */
void term_resized(struct term *term);

/* Shows a canvas of any size; writes only what changed. `all`: as if nothing were on the screen (Ctrl-L). */
void term_draw(struct term *term, const struct canvas *canvas, bool all);

/*
 * Asks the terminal to answer (CSI 5 n) once all that was drawn so far is on its screen; INPUT_ANSWER comes then.
 * False where the terminal's entry says it cannot (no ANSI cursor addressing): no answer is to be expected.
 */
bool term_ask_answer(struct term *term);

/*
 * The next input that is there; kind INPUT_NONE when there is none. Never waits, but 20 ms after a lone Esc. Read until
 * INPUT_NONE before waiting: what was read ahead wakes nobody. Alt with a key is INPUT_OTHER, as is every sequence
 * without a meaning here; bytes that are no character of the locale are dropped.
 */
struct input term_read(struct term *term);

/* Whether more input comes within so many milliseconds. */
bool term_more_follows(struct term *term, int milliseconds);

/*
 * Puts a text into the terminal's clipboard (OSC 52); its base64 form makes it inert. False where the terminal is not
 * known to have one, or for a text that is longer than terminals take (TERM_OSC_COPIED_MOST).
 */
bool term_copy(struct term *term, const char *text, size_t length);

/*
 * Waits until input, news on `fd`, one of the program's signals, or `timeout` microseconds (negative: no end) have
 * passed. The signals are blocked everywhere else in the thread that opened the terminal; one that hits another thread
 * is passed on to it.
 */
enum term_wake {
	TERM_WAKE_INPUT = 1,
	TERM_WAKE_NEWS = 2,
	TERM_WAKE_RESIZE = 4, /* SIGWINCH */
	TERM_WAKE_QUIT = 8, /* SIGTERM, SIGHUP, SIGINT from outside */
	TERM_WAKE_CONTINUE = 16, /* SIGCONT */
	TERM_WAKE_STOP = 32 /* SIGTSTP from outside */
};
unsigned term_wait(struct term *term, int fd, int64_t timeout);

/* The signal that asked to quit (TERM_WAKE_QUIT), 0: none. */
int term_quit_signal(void);

/*
 * Stops the program's process group as Ctrl-Z does; returns when it is continued, at once where there is no job
 * control. Between term_suspend and term_resume.
 */
void term_stop_self(void);

#endif
