/*
 * batch.h - --once: snapshots printed, without a screen.
 */
#ifndef TUI_BATCH_H
#define TUI_BATCH_H

#include "options.h"
#include "text.h"

/* Prints options->count snapshots, beginning with `owned_frame`. Returns the exit code; `err` is set when it is 1 or 2.
 */
int batch_run(const struct options *options, struct charset charset, struct source *source, struct frame *owned_frame,
	      struct err *err);

/* Appends the tree as the screen draws it, `width` columns wide, nothing folded. */
void batch_add_text(const struct options *options, struct charset charset, const struct frame *frame, int width,
		    struct strbuf *out);

#endif
