/*
 * vt.h - a program in a real pseudo-terminal, with libvterm in the place of the terminal.
 *
 * The program runs in a session of its own as the foreground process group of that terminal, under a leader that does
 * what a shell does: it waits, and hears of stops. Everything that the program writes is read into a screen, and kept
 * as raw bytes. Queries are answered as a terminal does.
 * Nothing here sleeps: every wait is for a condition, with a deadline. Only one thread may use a vt.
 */
#ifndef TESTS_PTY_VT_H
#define TESTS_PTY_VT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VT_PATIENCE_MS 40000 /* for whatever must come; generous, since machines that run tests are slow */

/* What becomes of `CSI 5 n`. */
enum vt_answers {
	VT_ANSWER_AT_ONCE,
	VT_ANSWER_HELD, /* until vt_give_answers */
	VT_ANSWER_NEVER
};

struct vt_options {
	const char *const *argv; /* the first is the program's path; NULL ends it */
	const char *const *environment; /* "NAME=value" sets, "NAME" unsets, NULL ends; may be NULL */
	int columns, rows; /* 0: 80, 24 */
	enum vt_answers answers;
	bool output_elsewhere; /* standard output is /dev/null, the rest the terminal */
};

/* How a character looks. Colours are 0 to 255, -1 the terminal's own. */
struct vt_cell {
	char text[32]; /* UTF-8, marks and all; "" where nothing was written or on the right half of a wide one */
	int width;
	bool bold, underline, reverse;
	int foreground, background;
};

struct vt;

/*
 * Starts the program: TERM=xterm-256color, LC_ALL=C.UTF-8, without COLUMNS, LINES and NO_COLOR, unless `environment`
 * says otherwise. Ends the test program when the machine has no pseudo-terminal.
 */
struct vt *vt_start(const struct vt_options *options);

/* Kills what still runs, by its pid, and frees. Takes NULL. */
void vt_end(struct vt *owned);

/* Input. Keys are the bytes that the terminal would send; pasted text comes bracketed where the program asked so. */
void vt_send(struct vt *vt, const char *keys);
void vt_send_bytes(struct vt *vt, const char *bytes, size_t length);
void vt_paste(struct vt *vt, const char *text);
void vt_resize(struct vt *vt, int columns, int rows);
void vt_signal(struct vt *vt, int number);
void vt_hang_up(struct vt *vt); /* the terminal goes away: no more reading or writing */

/* Answers to CSI 5 n: how many are held, and the giving of them. */
int vt_answers_held(const struct vt *vt);
void vt_give_answers(struct vt *vt);

/* Waits. False when the deadline passed first. */
bool vt_wait(struct vt *vt, bool (*condition)(struct vt *vt, void *context), void *context, int milliseconds);
bool vt_wait_text(struct vt *vt, const char *text);
bool vt_wait_no_text(struct vt *vt, const char *text);
bool vt_wait_raw(struct vt *vt, size_t from, const char *bytes); /* in what it wrote from there on */
bool vt_wait_stopped(struct vt *vt);
bool vt_wait_continued(struct vt *vt);
bool vt_wait_exit(struct vt *vt, int *status); /* as waitpid gives it; all output has been read then */

/* The screen as it is. Strings live until the next call of any function here. */
const char *vt_row(struct vt *vt, int y);
const char *vt_text(struct vt *vt); /* all rows, each with its line end */
bool vt_find(struct vt *vt, const char *text, int *y, int *x); /* y and x may be NULL */
struct vt_cell vt_cell(struct vt *vt, int y, int x);
void vt_cursor(struct vt *vt, int *y, int *x, bool *visible);

/* What the program wrote since it started. Lives until the next wait. */
const char *vt_raw(const struct vt *vt, size_t *length);
pid_t vt_pid(const struct vt *vt);

/* Microseconds from the last sending to the first change on the screen after it; -1: none yet. */
int64_t vt_reaction(const struct vt *vt);

/*
 * NULL when the terminal is as it was before the program: modes (termios), main screen, cursor visible, no bracketed
 * paste, no application keys, no attributes; else what is not.
 */
const char *vt_not_restored(struct vt *vt);

#endif
