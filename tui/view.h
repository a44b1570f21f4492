/*
 * view.h - drawing: a state and the scene made from it, onto a canvas. One file a part of the screen.
 *
 * Views read, and change nothing. Time comes in with the context; what shows is the snapshot's time.
 */
#ifndef TUI_VIEW_H
#define TUI_VIEW_H

#include "canvas.h"
#include "layout.h"

struct view_context {
	const struct state *state;
	const struct scene *scene; /* NULL: there was no frame yet */
	struct layout layout;
	int64_t now; /* when_monotonic() */
};

struct view_drawn {
	bool question_fits; /* false: one is open and must be closed, since nobody may be asked what they cannot read */
	uint32_t last_top; /* the last line that help or details can be scrolled to */
	uint32_t question_last_top; /* likewise the list of a question about tagged ones */
};

/* Draws the whole screen; the canvas has the state's size. */
struct view_drawn view_draw(struct canvas *canvas, const struct state *state, const struct scene *scene, int64_t now);

/* Whether what is shown is late, so that all of it is dimmed. */
bool view_is_dim(const struct view_context *context);

/* The parts. */
void view_draw_header(struct canvas *canvas, const struct view_context *context);
void view_draw_next(struct canvas *canvas, const struct view_context *context);
void view_draw_titles(struct canvas *canvas, const struct view_context *context);
void view_draw_list(struct canvas *canvas, const struct view_context *context, int y, int height, uint32_t top);
void view_draw_events(struct canvas *canvas, const struct view_context *context);
void view_draw_quiet(struct canvas *canvas, const struct view_context *context);
uint32_t view_draw_details(struct canvas *canvas, const struct view_context *context, int height); /* last_top */
uint32_t view_draw_help(struct canvas *canvas, const struct view_context *context); /* last_top */
uint32_t view_draw_log(struct canvas *canvas, const struct view_context *context); /* last_top */
void view_draw_menu(struct canvas *canvas, const struct view_context *context);
void view_draw_foot(struct canvas *canvas, const struct view_context *context);

/* At the right end of the titles: which lines of how many there are, "12-31 of 640"; nothing where all are shown. */
void view_draw_place(struct canvas *canvas, int y, const struct scene *scene);

/* For text_wrap: lines one below the other. */
struct view_lines {
	struct canvas *canvas;
	int y; /* of the next one */
};

void view_draw_line(void *lines, const char *text);

/*
 * The question's lines at this width: how many, where there is room for so many, and drawn from y on. More than `room`:
 * it does not fit. Only the list of those tagged is shortened, and scrolls; drawing says how far.
 */
int view_question_height(const struct view_context *context, int width, int room);
uint32_t view_draw_question(struct canvas *canvas, const struct view_context *context, int y, int height);

/* That list in lines of the question. */
int view_targets_height(const struct question *question, int room);
uint32_t view_draw_targets(struct canvas *canvas, const struct view_context *context, int y, int height);

/* A piece of a line; pieces with the highest rank go first when the line is too narrow. */
struct segment {
	char text[640]; /* hostile; "": left out */
	enum style style;
	int rank; /* 0: always there; the first of a line is cut if it must be */
	bool right; /* flush right, after all others */
};

void view_draw_segments(struct canvas *canvas, int y, struct segment *segments, int count);

#endif
