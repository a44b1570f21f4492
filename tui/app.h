/*
 * app.h - the program on the screen: one loop over the terminal, the source's news and time.
 */
#ifndef TUI_APP_H
#define TUI_APP_H

#include "options.h"
#include "text.h"

/*
 * Opens the screen on a source that has given its first frame and runs until the person leaves. Takes both over.
 * Returns the program's exit code; `err` says why when the terminal could not be used (1).
 */
int app_run(const struct options *options, struct charset charset, struct source *owned_source,
	    struct frame *owned_frame, const struct source_status *status, struct err *err);

#endif
