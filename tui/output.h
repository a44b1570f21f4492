/*
 * output.h - bytes straight to a descriptor, whole: the terminal, /dev/tty, stderr.
 */
#ifndef TUI_OUTPUT_H
#define TUI_OUTPUT_H

#include "pglocktop/err.h"

#include <stddef.h>

/* Writes all of it, waits where it must for room. False: whoever read it is gone. */
bool output_write(int fd, const char *bytes, size_t length);

#endif
