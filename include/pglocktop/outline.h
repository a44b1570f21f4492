/*
 * outline.h - which lines of a forest are shown: what is folded, what is open, what is summed up in one line.
 *
 * - All roots are listed before any is unfolded; then the worst unfold until the screen is full. A node that shows only
 *   some of its children ends in a LINE_MORE. What the user folded or unfolded stays so (`folds`), and is shown whole.
 * - More than ten waiting leaves with the same parent, state and query (query_id, else the text with its literals
 *   masked) become one LINE_ALIKE; those in `keep` (tagged, matched, selected) stay out of it.
 * - Roots whose longest wait is shorter than one refresh share one LINE_BRIEF, the last.
 * - With `whole` nothing is folded, summed up or left out (--once).
 * O(items log items).
 */
#ifndef PGLOCKTOP_OUTLINE_H
#define PGLOCKTOP_OUTLINE_H

#include "pglocktop/forest.h"

enum line_kind {
	LINE_ITEM, /* a session, a prepared transaction, a deadlock's head */
	LINE_MORE, /* "… 29 more, oldest 4m12s" */
	LINE_ALIKE, /* "×300 update stock … oldest 1m32s" */
	LINE_BRIEF /* "… 23 brief waits (<1s)" */
};

struct outline_line {
	enum line_kind kind;
	uint32_t item; /* LINE_ITEM: it; LINE_MORE, LINE_ALIKE: their parent's; LINE_BRIEF: FOREST_NONE */
	uint32_t example; /* LINE_ALIKE: one of them */
	uint32_t count; /* of items summed up */
	int64_t oldest; /* the longest wait among them */
	struct row_key
		key; /* where the cursor holds on to: LINE_MORE and LINE_ALIKE have their parent's or example's */
	uint16_t depth;
	bool last_sibling; /* no line of the same parent follows */
	bool open; /* LINE_ITEM: its children follow */
	bool dim; /* a filter is on and this one did not match */
};

/* One thing that the user folded or unfolded. */
struct fold {
	struct row_key key;
	bool open;
};

struct outline_options {
	uint32_t height; /* lines on screen */
	const struct fold *folds; /* sorted by key */
	uint32_t fold_count;
	const struct row_key *keep; /* sorted by key */
	uint32_t keep_count;
	const bool *matched; /* by forest item; NULL: no filter. Ancestors and descendants of a match stay, dimmed */
	int64_t brief; /* one refresh interval; 0: no LINE_BRIEF */
	bool whole;
};

struct outline {
	struct outline_line *lines;
	uint32_t count;
};

struct outline *outline_new(const struct forest *forest, const struct outline_options *options, struct arena *arena);

#endif
