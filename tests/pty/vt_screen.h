/*
 * vt_screen.h - the terminal's side of vt.h: libvterm's screen, read as text.
 */
#ifndef TESTS_PTY_VT_SCREEN_H
#define TESTS_PTY_VT_SCREEN_H

#include "pty/vt.h"

#include "pglocktop/strbuf.h"

#include <vterm.h>

struct vt_screen {
	VTerm *term;
	VTermScreen *screen;
	bool alternate, cursor_visible;
	int64_t changed_at; /* when_monotonic(); WHEN_NONE: not since that was set */
};

/* `output` gets what the terminal sends by itself: answers, keys. The screen must not move in memory. */
void vt_screen_init(struct vt_screen *screen, int columns, int rows, VTermOutputCallback *output, void *context);
void vt_screen_release(struct vt_screen *screen);
void vt_screen_write(struct vt_screen *screen, const char *bytes, size_t length);

/* Appends a row without its trailing blanks. */
void vt_screen_add_row(const struct vt_screen *screen, int y, struct strbuf *out);

/* The column that a row's first `length` bytes fill. */
int vt_screen_column(const struct vt_screen *screen, int y, size_t length);
struct vt_cell vt_screen_cell(const struct vt_screen *screen, int y, int x);
bool vt_screen_pen_is_plain(const struct vt_screen *screen);

#endif
