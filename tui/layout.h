/*
 * layout.h - where things are on a screen of a given size: the list's lines, and the columns with their widths.
 */
#ifndef TUI_LAYOUT_H
#define TUI_LAYOUT_H

#include "pglocktop/scene.h"

struct layout_column {
	const struct column *column;
	int x, width;
};

struct layout_uniform {
	const struct column *column;
	const char *value; /* hostile */
};

struct layout {
	int banner_lines; /* on top of all: 0 or 1 */
	int header_lines; /* from the top: 1 or 2, and one each for the banner and what follows */
	int next_y; /* what could be done next; -1: not shown */
	int advice_y; /* what to ask for; -1: the role lacks nothing, or there is no room */
	int titles_y; /* -1: there is no room */
	int list_y, list_height;
	int query_y, query_lines; /* the selected session's query, below the list */
	int foot_y;
	struct layout_column columns[COLUMN_COUNT];
	int column_count;
	struct layout_uniform uniform[COLUMN_COUNT]; /* left out: one value throughout, told in the header */
	int uniform_count;
};

/* The column that the tree's lines, or an object's, are drawn in. */
bool layout_is_tree_column(enum column_id column);

/* The list's height alone does not depend on what is in the list. */
int layout_list_height(const struct state *state);

/* `scene` may be NULL: before the first frame. */
void layout_make(struct layout *layout, const struct state *state, const struct scene *scene);

#endif
