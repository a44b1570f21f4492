/*
 * start.h - the time before the first frame: what is awaited is said on stderr, a password is asked for on the
 * terminal.
 */
#ifndef TUI_START_H
#define TUI_START_H

#include "text.h"

#include "pglocktop/source.h"

/*
 * Waits for the source's first frame, which is then the caller's. NULL with `err` when it cannot be had. `status` gets
 * the source's newest. `talk`: say on stderr what takes long.
 */
struct frame *start_await_frame(struct source *source, bool talk, struct charset charset, struct source_status *status,
				struct err *err) MUST_CHECK;

#endif
