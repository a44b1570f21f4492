/*
 * matching.h - a filter and a search run over a frame in slices, so that no pattern holds up a key.
 *
 * What is shown is always a frame with the runs over that very frame; a newer frame, or other terms, are matched beside
 * it and take its place when they are done.
 */
#ifndef TUI_MATCHING_H
#define TUI_MATCHING_H

#include "pglocktop/filter.h"
#include "pglocktop/scene.h"

struct matching {
	struct filter_run filter, search; /* whose `filter` is NULL: there are no terms */
	struct arena arena;
};

/* Begins anew. Frame and filters are borrowed, NULL for a filter that there is not. */
void matching_start(struct matching *matching, const struct frame *frame, const struct filter *filter,
		    const struct filter *search);

/* Goes on until `deadline`; true when both runs are done. */
bool matching_slice(struct matching *matching, int64_t deadline);

struct scene_matches matching_found(const struct matching *matching);
void matching_release(struct matching *matching);

#endif
