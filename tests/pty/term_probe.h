/*
 * term_probe.h - a small program on term.h, canvas.h and text.h alone, for their tests: it shows what it is sent.
 */
#ifndef TESTS_PTY_TERM_PROBE_H
#define TESTS_PTY_TERM_PROBE_H

/*
 * Row 0 is the size, row 1 the inputs (`+` follows those behind which more was waiting), the rest a picture.
 * Keys that do something: ! forgets the inputs, p the next picture, ? asks for the terminal's answer, = draws once more
 * and asks, r changes ten rows and asks, c copies, t shows or hides the text cursor, Ctrl-L draws all, Ctrl-Z stops, q
 * quits; F a fault, A abort(), D err_die(), O a stack overflow, X exit(7). Returns the program's exit status; a signal
 * that asked to quit ends it with that signal.
 */
int term_probe(void);

#endif
