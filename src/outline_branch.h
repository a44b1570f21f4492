/*
 * outline_branch.h - the lines beneath one open item, as yet without what is open beneath them; for src/outline.c.
 */
#ifndef OUTLINE_BRANCH_H
#define OUTLINE_BRANCH_H

#include "pglocktop/outline.h"

/* A line: one item, or several that are alike. */
struct unit {
	uint32_t item; /* the first, in the forest's order */
	uint32_t count; /* 1: the item itself */
	int64_t oldest; /* the longest wait of them and beneath them */
	bool kept; /* shown whatever the room */
};

/* The first `limit` units are shown, and of the others those kept; the rest is summed up in one line. */
struct branch {
	struct unit *units;
	uint32_t count;
	uint32_t limit;
	uint32_t lines; /* shown units, and the line that sums up the rest */
};

/* What an outline is made from, and what is known of each item. */
struct outlining {
	const struct forest *forest;
	const struct outline_options *options;
	struct arena scratch;
	bool *visible; /* by item, as all below: matched by the filter, above or below one that is */
	bool *keeps; /* itself or something beneath it is kept */
	bool *keeps_beneath;
	bool *shown; /* has a line of its own */
	int64_t *lock_longest; /* by lock of the graph: the longest wait for it; WHEN_NONE */
	struct branch **branches; /* NULL: its children are not shown */
};

/* The longest wait of an item and of what is beneath it; WHEN_NONE. */
int64_t item_longest(const struct forest_item *item);

/* The visible children of an item as units, not yet shown. `alike`: similar leaves are united. */
struct branch *branch_new(struct outlining *outlining, uint32_t item, bool alike);

/* Shows as many units as go into `room` lines; at least those kept. */
void branch_fit(struct branch *branch, uint32_t room);

bool branch_shows(const struct branch *branch, uint32_t unit);

#endif
