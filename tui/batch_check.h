/*
 * batch_check.h - --check: what the role may see and signal, who else may, and what to grant or revoke.
 */
#ifndef TUI_BATCH_CHECK_H
#define TUI_BATCH_CHECK_H

#include "options.h"
#include "text.h"

/*
 * Prints it, of the source that gave this frame, whom it takes over. Returns the program's exit code: 0 when the role
 * can see and signal, 3 when not, 2 with `err` when it could not be read.
 */
int batch_check_run(const struct options *options, struct charset charset, struct source *source,
		    struct frame *owned_frame, struct err *err);

#endif
