/*
 * desk.h - the program on the screen, but for its terminal, its source and its clock: news and input come in, a canvas
 * and the state's effects come out. The application drives it with real ones, tests with those that they make up.
 *
 *     desk_init -> { desk_take_… , desk_input, desk_match, desk_tick; perform the effects; desk_draw } -> desk_release
 *
 * A newer frame, or other terms, are matched beside what is shown and take its place when that is done. The scene is
 * made anew only when somebody looks: the next key, or the next drawing.
 */
#ifndef TUI_DESK_H
#define TUI_DESK_H

#include "canvas.h"
#include "matching.h"

/* A frame, or terms, on their way to the screen: matched beside what is shown. */
struct desk_coming {
	bool under_way;
	struct frame *frame; /* NULL: the one that is shown */
	struct filter *filter, *search; /* owned when new */
	bool new_filter, new_search;
	struct matching matching;
};

enum desk_scene { DESK_SCENE_FRESH, DESK_SCENE_MOVED /* the cursor, nothing else */, DESK_SCENE_OLD };

struct desk {
	struct state state; /* its effects are the caller's to perform and to clear */
	struct canvas canvas;
	struct frame *frame; /* NULL: none has come yet */
	struct scene *scene; /* of that frame; NULL: likewise */
	enum desk_scene scene_is;
	struct filter *filter, *search;
	struct matching matching; /* of the terms in use over the frame that is shown */
	struct desk_coming coming;
	struct frame *queued; /* came while another was being matched */
	bool changed; /* desk_draw would draw something else */
};

void desk_init(struct desk *desk, const struct server_options *options, struct forest_order order,
	       struct charset charset);
void desk_release(struct desk *desk);

void desk_resize(struct desk *desk, int width, int height);
void desk_take_frame(struct desk *desk, struct frame *owned);
void desk_take_status(struct desk *desk, const struct source_status *status, int64_t now);
void desk_take_lookup(struct desk *desk, const struct lookup_news *news, int64_t now);
void desk_take_signal(struct desk *desk, const struct signal_news *news, int64_t now);

/* What is known of the audit log (`why` NULL: it can be written), and its last lines to be shown. */
void desk_take_log(struct desk *desk, const char *why);
void desk_show_log(struct desk *desk, const char *text);

/* One piece of input, by the key table. */
void desk_input(struct desk *desk, const struct input *input, int64_t now);

/*
 * EFFECT_FILTER and EFFECT_SEARCH: new terms. They are compiled at once, so that a bad pattern is said at once, and are
 * in use when they have been matched.
 */
void desk_use_terms(struct desk *desk, enum effect_kind which, const char *terms);

/* Matches until `deadline` (when_monotonic()); what is done then is shown. */
void desk_match(struct desk *desk, int64_t deadline, int64_t now);
bool desk_is_matching(const struct desk *desk);

void desk_tick(struct desk *desk, int64_t now);

/* When desk_tick has something to do next, or a second has to be counted on; INT64_MAX: never. */
int64_t desk_next_tick(const struct desk *desk, int64_t now);

/* Onto the canvas. A question that does not fit is closed, and said to be. */
void desk_draw(struct desk *desk, int64_t now);

/* The session under the cursor, pid 0 without one. */
struct identity desk_selected(struct desk *desk);

/* Appends the tree as inert text; its queries are masked in any case, since it may be pasted anywhere. */
void desk_copy_tree(struct desk *desk, struct strbuf *out);

#endif
