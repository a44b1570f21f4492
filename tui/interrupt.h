/*
 * interrupt.h - signals that would end the program are something to read instead, for a while: what is on its way is
 * put on the record before it ends. A write to a pipe that nobody reads is an error of the write meanwhile.
 */
#ifndef TUI_INTERRUPT_H
#define TUI_INTERRUPT_H

#include <signal.h>

struct interrupt {
	int fd; /* readable when one has come; -1: there is none, and they end the program as ever */
	sigset_t before;
	struct sigaction pipe_before;
};

/* SIGINT, SIGTERM and SIGHUP, unless they were ignored. */
void interrupt_begin(struct interrupt *interrupt);

/* Which one has come; 0: none. */
int interrupt_take(struct interrupt *interrupt);

/* As it was. One that has come and was taken is the caller's to raise. */
void interrupt_end(struct interrupt *interrupt);

#endif
