#include "layout.h"

#include <string.h>

enum { NARROW = 120, WIDE = 160, MINIMAL = 60 };

/* By view and width: the columns, QUERY last, where there is one. */
static const enum column_id tree_minimal[] = { COLUMN_SESSION, COLUMN_STATE };
static const enum column_id tree_narrow[] = { COLUMN_BEHIND, COLUMN_SESSION, COLUMN_STATE, COLUMN_OBJECT };
static const enum column_id tree_middle[] = { COLUMN_BLOCKS, COLUMN_BEHIND, COLUMN_SESSION,
					      COLUMN_STATE,  COLUMN_OBJECT, COLUMN_QUERY };
static const enum column_id tree_wide[] = { COLUMN_BLOCKS, COLUMN_BEHIND,     COLUMN_SESSION, COLUMN_STATE,
					    COLUMN_OBJECT, COLUMN_XACT,	      COLUMN_USER,    COLUMN_DATABASE,
					    COLUMN_CLIENT, COLUMN_WAIT_EVENT, COLUMN_QUERY };
static const enum column_id sessions_narrow[] = { COLUMN_SESSION, COLUMN_STATE, COLUMN_XACT, COLUMN_WAIT_EVENT };
static const enum column_id sessions_middle[] = { COLUMN_SESSION, COLUMN_STATE,	     COLUMN_XACT,
						  COLUMN_USER,	  COLUMN_WAIT_EVENT, COLUMN_QUERY };
static const enum column_id sessions_wide[] = { COLUMN_SESSION, COLUMN_STATE,	   COLUMN_QUERY_AGE,
						COLUMN_XACT,	COLUMN_USER,	   COLUMN_DATABASE,
						COLUMN_CLIENT,	COLUMN_WAIT_EVENT, COLUMN_QUERY };

struct column_set {
	int least_width;
	const enum column_id *ids;
	size_t count;
};

#define COLUMN_SET(width, ids)                                                                                         \
	{                                                                                                              \
		width, ids, sizeof(ids) / sizeof((ids)[0])                                                             \
	}

static const struct column_set column_sets[VIEW_COUNT][4] = {
	[VIEW_TREE] = { COLUMN_SET(WIDE, tree_wide), COLUMN_SET(NARROW, tree_middle), COLUMN_SET(MINIMAL, tree_narrow),
			COLUMN_SET(0, tree_minimal) },
	[VIEW_SESSIONS] = { COLUMN_SET(WIDE, sessions_wide), COLUMN_SET(NARROW, sessions_middle),
			    COLUMN_SET(MINIMAL, sessions_narrow), COLUMN_SET(0, tree_minimal) },
};

static const struct column_set *column_set_for(enum view view, int width)
{
	const struct column_set *set = column_sets[view];
	while (width < set->least_width)
		set++;
	return set;
}

static int query_lines(const struct state *state)
{
	if (state->height < 8)
		return 0;
	if (state->wrap)
		return state->height / 4 < 8 ? state->height / 4 : 8;
	return state->width < NARROW;
}

static void layout_rows(struct layout *layout, const struct state *state)
{
	int height = state->height;
	layout->header_lines = height >= 6 ? 2 : 1;
	layout->titles_y = height >= 5 ? layout->header_lines : -1;
	layout->list_y = layout->header_lines + (height >= 5);
	layout->foot_y = height - 1;
	layout->query_lines = query_lines(state);
	layout->query_y = layout->foot_y - layout->query_lines;
	layout->list_height = layout->query_y - layout->list_y;
	if (layout->list_height < 0)
		layout->list_height = 0;
}

int layout_list_height(const struct state *state)
{
	struct layout layout;
	layout_rows(&layout, state);
	return layout.list_height;
}

/* A column of names that says the same on every line of the list goes into the header. */
static bool is_uniform(const struct column *column, const struct scene *scene)
{
	struct strbuf first = STRBUF_INIT, text = STRBUF_INIT;
	bool same = true, any = false;
	if (column->id != COLUMN_USER && column->id != COLUMN_DATABASE && column->id != COLUMN_CLIENT)
		return false;
	for (uint32_t i = 0; same && i < scene->line_count; i++) {
		uint32_t session = scene_session_at(scene, i);
		if (session == SNAPSHOT_NO_INDEX)
			continue;
		struct column_row row = column_row_of_session(scene->frame, session);
		strbuf_reset(&text);
		column_format(column, &row, true, &text);
		if (any)
			same = strcmp(first.text, text.text) == 0;
		else
			strbuf_add_string(&first, text.text);
		any = true;
	}
	strbuf_release(&first);
	strbuf_release(&text);
	return any && same;
}

/* What is left over, or lacking, is the query's; without one the session's and the object's. */
static void layout_share(struct layout *layout, int width)
{
	int used = 1, flexible = 0;
	struct layout_column *object = NULL, *session = NULL, *query = NULL;
	for (int i = 0; i < layout->column_count; i++) {
		struct layout_column *at = &layout->columns[i];
		used += at->width + 1;
		if (at->column->id == COLUMN_SESSION)
			session = at;
		else if (at->column->id == COLUMN_OBJECT || at->column->id == COLUMN_WAIT_EVENT)
			object = at;
		else if (at->column->id == COLUMN_QUERY)
			query = at;
	}
	flexible = width - used + 1;
	if (query && session && object && flexible > 40) {
		int extra = (flexible - 40) / 5;
		session->width += extra < 8 ? extra : 8;
		object->width += extra < 12 ? extra : 12;
		flexible -= (extra < 8 ? extra : 8) + (extra < 12 ? extra : 12);
	}
	if (query) {
		query->width = flexible > 0 ? flexible : 0;
	} else if (session && object) {
		int share = flexible > 0 ? flexible / 3 : 0;
		session->width += share;
		object->width += flexible - share;
	} else if (session) {
		session->width += flexible;
	}
}

static void layout_columns(struct layout *layout, const struct state *state, const struct scene *scene)
{
	const struct column_set *set = column_set_for(state->view, state->width);
	for (size_t i = 0; i < set->count; i++) {
		const struct column *column = &columns[set->ids[i]];
		if (scene && state->width >= WIDE && is_uniform(column, scene))
			layout->uniform[layout->uniform_count++] = column;
		else
			layout->columns[layout->column_count++] = (struct layout_column){ column, 0, column->width };
	}
	layout_share(layout, state->width);
	int x = 1;
	for (int i = 0; i < layout->column_count; i++) {
		struct layout_column *at = &layout->columns[i];
		at->x = x;
		if (at->width > state->width - x)
			at->width = state->width - x;
		if (at->width < 0)
			at->width = 0;
		x += at->width + 1;
	}
}

void layout_make(struct layout *layout, const struct state *state, const struct scene *scene)
{
	*layout = (struct layout){ .column_count = 0 };
	layout_rows(layout, state);
	layout_columns(layout, state, scene);
}
