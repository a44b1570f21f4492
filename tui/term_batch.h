/*
 * term_batch.h - one write a frame.
 *
 * curses writes at each movement of the cursor (_nc_mvcur_sp() flushes since 6.x): a frame would come in some fifty
 * pieces, each of which wakes the terminal, and over a network is a packet. So curses is given a descriptor of its own
 * for the terminal; while it draws, that descriptor is a file in memory, which is then written to the terminal whole.
 */
#ifndef TERM_BATCH_H
#define TERM_BATCH_H

#include <stdio.h>

struct term_batch {
	FILE *output; /* curses' own; NULL: not open */
	int terminal; /* what it writes to in the end */
	int memory; /* -1: there is none, or no room in it, and all goes out as it comes */
};

/* `output` is NULL if there is no descriptor to be had; errno says why. */
struct term_batch term_batch_open(int terminal);
void term_batch_close(struct term_batch *batch);

/* All that curses writes in between goes out at the end, in one piece if the terminal takes it. */
void term_batch_begin(struct term_batch *batch);
void term_batch_end(struct term_batch *batch);

#endif
