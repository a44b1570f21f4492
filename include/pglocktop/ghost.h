/*
 * ghost.h - lines of what is over: a session that has ended or left the tree under the cursor, and a deadlock that was
 * broken. They are shown dimmed for a while, where they stood.
 *
 * A ghost holds copies of its texts (hostile) and nothing of the snapshot that it was in.
 */
#ifndef PGLOCKTOP_GHOST_H
#define PGLOCKTOP_GHOST_H

#include "pglocktop/column.h"

enum ghost_kind {
	GHOST_ENDED, /* the session is gone: shown for 1 s at least */
	GHOST_LEFT, /* it lives, but neither waits nor blocks any more: shown while the cursor is on it */
	GHOST_CYCLE, /* the head line of a deadlock that is over: shown for 30 s */
	GHOST_MEMBER /* a session of that deadlock */
};

struct ghost {
	enum ghost_kind kind;
	struct row_key key;
	uint32_t line; /* where it stood in the list, those of a deadlock where its head did */
	uint32_t number; /* counts up: those of one line stay in the order in which they came */
	int64_t until; /* when_monotonic() */
	uint16_t depth;
	bool last_sibling;
	char *cells[COLUMN_COUNT]; /* NULL: empty */
};

struct ghosts {
	struct ghost *list; /* by line */
	uint32_t count;
	size_t capacity;
	uint32_t added; /* ever */
};

#define GHOSTS_INIT                                                                                                    \
	{                                                                                                              \
		NULL, 0, 0, 0                                                                                          \
	}

/* Adds one with an empty text in every cell; the pointer is valid until the next addition or sweep. */
struct ghost *ghosts_add(struct ghosts *ghosts, enum ghost_kind kind, struct row_key key, uint32_t line);

/* Copies what the columns say of a row into the ghost's cells. */
void ghost_take_cells(struct ghost *ghost, const struct column_row *row, bool ascii);
void ghost_set_cell(struct ghost *ghost, enum column_id column, const char *text);

/* Masks the queries in all of them; for good, since the texts as they were are not kept. */
void ghosts_mask(struct ghosts *ghosts);

/*
 * Takes away those whose time is over, and those of GHOST_LEFT that are not held. `held`: one that stays, since the
 * cursor is on it; ROW_KEY_NONE. Returns whether any went.
 */
bool ghosts_sweep(struct ghosts *ghosts, struct row_key held, int64_t now);
void ghosts_remove_key(struct ghosts *ghosts, struct row_key key);
void ghosts_sort(struct ghosts *ghosts);
void ghosts_clear(struct ghosts *ghosts);

/* The next point in time at which ghosts_sweep would take one away; INT64_MAX: none. */
int64_t ghosts_next(const struct ghosts *ghosts, struct row_key held);

#endif
