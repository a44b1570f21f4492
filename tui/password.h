/*
 * password.h - asking for a password on the controlling terminal, without echo.
 *
 * Whatever signal ends or stops the program meanwhile, the terminal gets its echo back first.
 */
#ifndef TUI_PASSWORD_H
#define TUI_PASSWORD_H

#include "text.h"

#include "pglocktop/err.h"

/*
 * Shows the prompt, whose text may be hostile, and reads a line into `password`, which is the caller's to wipe. False
 * with `err` when there is no terminal or the person gave none (Ctrl-D, the terminal went). Blocks SIGINT, SIGTERM,
 * SIGHUP, SIGQUIT and SIGTSTP in the calling thread for as long as it takes; Ctrl-C ends the program by SIGINT.
 */
bool password_ask(struct charset charset, const char *prompt, char *password, size_t size, struct err *err) MUST_CHECK;

#endif
