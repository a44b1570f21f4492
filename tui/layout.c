#include "layout.h"

#include <string.h>

enum { MINIMAL = 60, TIGHT = 72, NARROW = 120, WIDE = 160, ROOMY = 200, NEXT_HEIGHT = 14, ADVICE_HEIGHT = 16 };

/* By view and width: the columns, QUERY last, where there is one. */
static const enum column_id tree_minimal[] = { COLUMN_SESSION, COLUMN_STATE };
static const enum column_id tree_tight[] = { COLUMN_FREES, COLUMN_SESSION, COLUMN_STATE, COLUMN_OBJECT };
static const enum column_id tree_narrow[] = { COLUMN_FREES, COLUMN_BEHIND, COLUMN_SESSION, COLUMN_STATE,
					      COLUMN_OBJECT };
static const enum column_id tree_middle[] = { COLUMN_FREES, COLUMN_BLOCKS, COLUMN_BEHIND, COLUMN_SESSION,
					      COLUMN_STATE, COLUMN_OBJECT, COLUMN_QUERY };
static const enum column_id tree_wide[] = { COLUMN_FREES,    COLUMN_BLOCKS, COLUMN_BEHIND,     COLUMN_SESSION,
					    COLUMN_STATE,    COLUMN_OBJECT, COLUMN_XACT,       COLUMN_USER,
					    COLUMN_DATABASE, COLUMN_CLIENT, COLUMN_WAIT_EVENT, COLUMN_QUERY };
static const enum column_id sessions_narrow[] = { COLUMN_SESSION, COLUMN_STATE, COLUMN_QUERY_AGE, COLUMN_CLIENT,
						  COLUMN_WAIT_EVENT };
static const enum column_id sessions_middle[] = { COLUMN_SESSION, COLUMN_STATE,	     COLUMN_QUERY_AGE, COLUMN_XACT,
						  COLUMN_CLIENT,  COLUMN_WAIT_EVENT, COLUMN_QUERY };
static const enum column_id sessions_wide[] = { COLUMN_SESSION, COLUMN_STATE,	   COLUMN_QUERY_AGE,
						COLUMN_XACT,	COLUMN_USER,	   COLUMN_DATABASE,
						COLUMN_CLIENT,	COLUMN_WAIT_EVENT, COLUMN_QUERY };

static const enum column_id objects_minimal[] = { COLUMN_LOCK, COLUMN_MODE };
static const enum column_id objects_narrow[] = { COLUMN_WAITERS, COLUMN_BEHIND, COLUMN_LOCK, COLUMN_MODE, COLUMN_WHY };
static const enum column_id objects_middle[] = { COLUMN_WAITERS, COLUMN_BEHIND, COLUMN_LOCK,	   COLUMN_MODE,
						 COLUMN_WAITED,	 COLUMN_WHY,	COLUMN_APPLICATION };
static const enum column_id objects_wide[] = { COLUMN_WAITERS, COLUMN_BEHIND, COLUMN_LOCK,	  COLUMN_MODE,
					       COLUMN_WAITED,  COLUMN_WHY,    COLUMN_APPLICATION, COLUMN_XACT,
					       COLUMN_USER,    COLUMN_CLIENT, COLUMN_QUERY };

struct column_set {
	int least_width;
	const enum column_id *ids;
	size_t count;
};

#define COLUMN_SET(width, ids)                                                                                         \
	{                                                                                                              \
		width, ids, sizeof(ids) / sizeof((ids)[0])                                                             \
	}

static const struct column_set column_sets[VIEW_COUNT][5] = {
	[VIEW_TREE] = { COLUMN_SET(WIDE, tree_wide), COLUMN_SET(NARROW, tree_middle), COLUMN_SET(TIGHT, tree_narrow),
			COLUMN_SET(MINIMAL, tree_tight), COLUMN_SET(0, tree_minimal) },
	[VIEW_SESSIONS] = { COLUMN_SET(WIDE, sessions_wide), COLUMN_SET(NARROW, sessions_middle),
			    COLUMN_SET(MINIMAL, sessions_narrow), COLUMN_SET(0, tree_minimal) },
	[VIEW_OBJECTS] = { COLUMN_SET(WIDE, objects_wide), COLUMN_SET(NARROW, objects_middle),
			   COLUMN_SET(MINIMAL, objects_narrow), COLUMN_SET(0, objects_minimal) },
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
	if (state->view == VIEW_EVENTS)
		return state->height < 20 ? 2 : 3;
	if (state->wrap)
		return state->height / 4 < 8 ? state->height / 4 : 8;
	if (state->view == VIEW_OBJECTS)
		return state->width < ROOMY;
	return state->width < NARROW || (state->width >= WIDE && state->width < ROOMY);
}

static void layout_rows(struct layout *layout, const struct state *state)
{
	int height = state->height;
	layout->banner_lines = state->banner && height >= 3;
	layout->header_lines = layout->banner_lines + (height >= 6 ? 2 : 1);
	layout->next_y = state->view == VIEW_TREE && height >= NEXT_HEIGHT ? layout->header_lines++ : -1;
	layout->advice_y = state->advised && height >= ADVICE_HEIGHT ? layout->header_lines++ : -1;
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

static const char *session_name(const struct session *session, enum column_id column)
{
	if (column == COLUMN_USER)
		return session->user;
	return column == COLUMN_DATABASE ? session->database : session->client;
}

/*
 * What a row says in the column, NULL: nothing. `none`: it has no such thing at all. The rows are the graph's nodes in
 * the tree view, and then the lines, of which those of the tree have been counted.
 */
static const char *row_name(const struct scene *scene, uint32_t index, enum column_id column, bool *none)
{
	const struct snapshot *snapshot = scene->frame->snapshot;
	uint32_t nodes = scene->forest ? scene->frame->graph->node_count : 0;
	const struct graph_node *node = index < nodes ? &scene->frame->graph->nodes[index] : NULL;
	bool in_tree = !node && scene->lines[index - nodes].kind == SCENE_TREE;
	uint32_t session = node ? node->session : in_tree ? SNAPSHOT_NO_INDEX : scene_session_at(scene, index - nodes);
	*none = false;
	if (session != SNAPSHOT_NO_INDEX)
		return session_name(&snapshot->sessions[session], column);
	if (node && node->prepared != SNAPSHOT_NO_INDEX && column != COLUMN_CLIENT) {
		const struct prepared *prepared = &snapshot->prepared[node->prepared];
		return column == COLUMN_USER ? prepared->owner : prepared->database;
	}
	*none = true;
	return NULL;
}

/*
 * The name that a column has throughout, NULL: it has not. The rows of the whole tree count, also those folded away:
 * else columns would come and go with each fold.
 */
static const char *uniform_name(const struct scene *scene, enum column_id column)
{
	uint32_t count = scene->line_count + (scene->forest ? scene->frame->graph->node_count : 0);
	const char *first = NULL;
	bool none;
	if (column != COLUMN_USER && column != COLUMN_DATABASE && column != COLUMN_CLIENT)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		const char *name = row_name(scene, i, column, &none);
		if (none)
			continue;
		if (!name || !*name || (first && first != name && strcmp(first, name) != 0))
			return NULL;
		first = name;
	}
	return first;
}

static struct layout_column *find_column(struct layout *layout, enum column_id id)
{
	for (int i = 0; i < layout->column_count; i++)
		if (layout->columns[i].column->id == id)
			return &layout->columns[i];
	return NULL;
}

/* The first of some columns that there is; NULL. */
static struct layout_column *find_first(struct layout *layout, const enum column_id *ids, int count)
{
	struct layout_column *found = NULL;
	for (int i = 0; i < count && !found; i++)
		found = find_column(layout, ids[i]);
	return found;
}

/* Takes what is lacking from a column, but not all of it; what is still lacking. */
static int shrink(struct layout_column *column, int lacking, int least)
{
	int spare = column ? column->width - least : 0;
	int taken = spare <= 0 ? 0 : spare < lacking ? spare : lacking;
	if (column)
		column->width -= taken;
	return lacking - taken;
}

static int least_of(int a, int b)
{
	return a < b ? a : b;
}

/* Much room is the query's, but longer names and objects get some of it. */
static void share_with_query(struct layout_column *first, struct layout_column *last, struct layout_column *query,
			     int room)
{
	int extra = room > 40 ? (room - 40) / 5 : 0;
	first->width += least_of(extra, 8);
	last->width += least_of(extra, 12);
	query->width = room - least_of(extra, 8) - least_of(extra, 12);
	if (query->width < 0)
		query->width = 0;
}

/* The widths of the columns that take what is left over, or give what is lacking. */
static void layout_share(struct layout *layout, int width)
{
	static const enum column_id firsts[] = { COLUMN_SESSION, COLUMN_LOCK };
	static const enum column_id lasts[] = { COLUMN_OBJECT, COLUMN_WAIT_EVENT, COLUMN_WHY };
	struct layout_column *first = find_first(layout, firsts, 2), *last = find_first(layout, lasts, 3);
	struct layout_column *state = find_column(layout, COLUMN_STATE), *query = find_column(layout, COLUMN_QUERY);
	int room = width;
	for (int i = 0; i < layout->column_count; i++)
		room -= layout->columns[i].width + 1;
	if (query) {
		share_with_query(first, last, query, room);
	} else if (room < 0) {
		int lacking = shrink(last, -room, 12);
		lacking = shrink(first, lacking, 16);
		lacking = shrink(state, lacking, 0);
		shrink(first, lacking, 0);
	} else {
		first->width += last ? room / 3 : room;
		if (last)
			last->width += room - room / 3;
	}
}

static void layout_columns(struct layout *layout, const struct state *state, const struct scene *scene)
{
	const struct column_set *set = column_set_for(state->view, state->width);
	for (size_t i = 0; i < set->count; i++) {
		const struct column *column = &columns[set->ids[i]];
		const char *uniform = scene && state->width >= WIDE ? uniform_name(scene, column->id) : NULL;
		if (uniform)
			layout->uniform[layout->uniform_count++] = (struct layout_uniform){ column, uniform };
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
	if (state->view != VIEW_EVENTS)
		layout_columns(layout, state, scene);
}

bool layout_is_tree_column(enum column_id column)
{
	return column == COLUMN_SESSION || column == COLUMN_LOCK;
}
