/*
 * term_signal.h - the signals' side of the terminal, for term.c: waiting with them, and the rescue of the terminal when
 * the program dies.
 *
 * The process has one terminal, so this is the one module with a state of its own. Where a signal was ignored when
 * the program started (nohup), it stays ignored.
 */
#ifndef TUI_TERM_SIGNAL_H
#define TUI_TERM_SIGNAL_H

#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#define TERM_RESCUE_SIZE 512

/*
 * Sets the handlers and blocks the signals of enum term_wake; the calling thread is the one that will wait. Before
 * curses starts, so that it keeps its own handlers away.
 */
void term_signals_take(void);
void term_signals_give_back(void);

/* term_wait() on an input descriptor. */
unsigned term_signals_wait(int input, int news, int64_t timeout);
int term_signals_quit(void);
void term_signals_stop_self(void);

/*
 * From now on whatever ends the program, exit() included, first writes the bytes to the terminal and sets its modes.
 * At most TERM_RESCUE_SIZE bytes.
 */
void term_rescue_arm(int fd, const struct termios *modes, const char *bytes, size_t length);
void term_rescue_disarm(void);

/* Does it, once. Async-signal-safe. */
void term_rescue(void);

#endif
