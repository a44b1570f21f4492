/*
 * batch_signal.h - --cancel and --terminate: signals without a screen, guarded, asked about and logged as on it.
 */
#ifndef TUI_BATCH_SIGNAL_H
#define TUI_BATCH_SIGNAL_H

#include "targets.h"
#include "text.h"

/*
 * Signals the targets on the source that gave this frame, whom it takes over, and prints a line for each. Returns the
 * program's exit code: 0 when each is over, 4 when one was not signalled or lives on; `err` says why where a line on
 * standard output does not.
 */
int batch_signal_run(const struct options *options, const struct targets *targets, struct charset charset,
		     struct source *source, struct frame *owned_frame, struct err *err);

#endif
