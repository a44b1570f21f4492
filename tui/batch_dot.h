/*
 * batch_dot.h - who waits for whom as a graph in the language of Graphviz: an arrow from each waiter to each of its
 * blockers, dashed where that one only waits ahead, dotted where it is presumed.
 */
#ifndef TUI_BATCH_DOT_H
#define TUI_BATCH_DOT_H

#include "text.h"

#include "pglocktop/frame.h"

/* One digraph. Of each waiter at most 32 arrows are drawn, the principal one first, and the others counted, unless all
 * are wanted. */
void batch_add_dot(const struct frame *frame, bool all_edges, struct charset charset, struct strbuf *out);

#endif
