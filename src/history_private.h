/*
 * history.h - what the files of the history share among themselves.
 */
#ifndef HISTORY_PRIVATE_H
#define HISTORY_PRIVATE_H

#include "pglocktop/history.h"

/* history_block.c */
void history_note_blocks(struct history *history, const struct frame *frame);

/* history_deadlock.c */
void history_note_deadlocks(struct history *history, const struct frame *old, const struct frame *frame);

#endif
