/*
 * outline.h - which lines of a forest are shown: what is folded, what is open, what is summed up in one line.
 *
 * - All roots are listed before any is unfolded; then the worst (by summed wait, deadlocks first) unfold until the
 *   screen is full. One that does not fit shows its first children and ends in a LINE_MORE, and leaves half of the room
 *   to the next worst as long as they can use it. A deadlock of up to ten always shows its members. Roots with nothing
 *   beneath them (further blockers of those who hang elsewhere) do not count: hundreds of them would leave no room.
 * - What the user folded stays folded; what he unfolded is shown whole: no LINE_MORE, no LINE_ALIKE.
 * - Those in `keep` (matched, selected) are shown whatever the room, unless the user folded something above them.
 * - In the tree, more than ten waiting leaves with the same parent, state and query (query_id, else the text without
 * its literals) become one LINE_ALIKE; those in `keep` stay out of it.
 * - Roots whose longest wait beneath (or that others have for what it holds) is shorter than one refresh share one
 *   LINE_BRIEF, the last; not deadlocks, not roots with one in `keep` beneath them, not what the user unfolded. A fold
 *   of ROW_KEY_NONE that is open lists them all.
 * - With `whole` nothing is folded, summed up or left out but what the user folded (--once, unfold all).
 * O(items log items).
 */
#ifndef PGLOCKTOP_OUTLINE_H
#define PGLOCKTOP_OUTLINE_H

#include "pglocktop/forest.h"

enum line_kind {
	LINE_ITEM, /* a session, a prepared transaction, a deadlock's head, an object */
	LINE_MORE, /* "… 29 more, oldest 4m12s" */
	LINE_ALIKE, /* "×300 update stock … oldest 1m32s" */
	LINE_BRIEF /* "… 23 brief waits (<1s)" */
};

struct outline_line {
	enum line_kind kind;
	uint32_t item; /* LINE_ITEM: it; LINE_MORE, LINE_ALIKE: their parent's; LINE_BRIEF: FOREST_NONE */
	uint32_t example; /* LINE_ALIKE: one of them */
	uint32_t count; /* of items summed up: siblings, not what is beneath them */
	int64_t oldest; /* the longest wait among them and beneath them */
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
	const struct fold *folds; /* sorted by key; of ROW_KEY_NONE: the LINE_BRIEF's */
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
