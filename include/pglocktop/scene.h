/*
 * scene.h - what a frame looks like from a state: the list of lines, where the cursor and the top are.
 *
 * Made anew after every change of either, never patched. It lives in one arena and may be drawn any number of times.
 */
#ifndef PGLOCKTOP_SCENE_H
#define PGLOCKTOP_SCENE_H

#include "pglocktop/state.h"
#include "pglocktop/whatif.h"

/* SCENE_SESSION in the tree view: behind the tree, one who waits for what is no lock (waitevent_is_beside_tree). */
enum scene_line_kind { SCENE_TREE, SCENE_SESSION, SCENE_GHOST, SCENE_EVENT };

/* Kinds of row_key beside enum forest_kind: lines that are no item. */
enum scene_key_kind {
	SCENE_KEY_PAST = 0xfe, /* a member of a deadlock that is over */
	SCENE_KEY_PAST_HEAD = 0xfd,
	SCENE_KEY_MORE = 0xfc,
	SCENE_KEY_ALIKE = 0xfb,
	SCENE_KEY_BRIEF = 0xfa,
	SCENE_KEY_EVENT = 0xf9 /* pid: which of its lines; start: its id */
};

struct scene_line {
	enum scene_line_kind kind;
	uint32_t index; /* of outline.lines, snapshot.sessions, state.ghosts.list, or events_newest */
	struct row_key key;
};

struct scene {
	struct arena arena;
	const struct frame *frame; /* borrowed: it must outlive the scene */
	struct forest *forest; /* VIEW_TREE, VIEW_OBJECTS; else NULL */
	struct outline *outline; /* likewise */
	struct totals totals;
	struct whatif_act acts[WHATIF_ACTS]; /* what could be done next */
	uint32_t act_count;
	bool barred; /* nothing; but this would be, if it were allowed: acts[0] */
	struct scene_line *lines;
	uint32_t line_count;
	uint32_t cursor; /* index into lines; SNAPSHOT_NO_INDEX: nothing is selected */
	uint32_t top; /* the first line on screen */
	uint32_t list_height;
	const bool *found; /* by snapshot session: the search found it; NULL: no search */
	const bool *found_prepared; /* by prepared transaction */
	uint32_t found_count;
	const bool *matched; /* by snapshot session: the filter leaves it; NULL: no filter */
	const bool *found_lines; /* by line of the events; NULL: no search, or another view */
	uint32_t given_up; /* rows on which the filter's patterns ran into their limits */
	bool nobody_waits; /* the tree has no more to show than ghosts, and nobody beside it; nor have the objects */
};

/* What a filter's and a search's runs found (filter.h); NULL: none. */
struct scene_matches {
	const struct filter_run *filter, *search;
};

/*
 * Makes the scene and moves the state's cursor with its session. `list_height` is the number of lines that the view
 * has for the list.
 */
struct scene *scene_new(struct state *state, const struct frame *frame, const struct scene_matches *matches,
			uint32_t list_height);
void scene_free(struct scene *owned);

/* Below this a wait is brief: one refresh, but a second at most, however seldom the person wants to refresh. */
int64_t scene_brief_wait(const struct state *state);

/* Whether a session does not count among what is listed because the person has a filter, a minimum age, idle ones
 * hidden. */
bool scene_leaves_out(const struct scene *scene, const struct state *state, uint32_t session);

/* The cursor has moved, nothing else: the same lines, the place of the cursor and the top anew. O(lines). */
void scene_follow(struct scene *scene, struct state *state);

/* The line of an event on a line of the list, and its event; NULL: there is none. Valid until something happens. */
const struct event_line *scene_event_at(const struct state *state, const struct scene *scene, uint32_t line,
					const struct event **event);

/* The forest's item on a line, or FOREST_NONE. */
uint32_t scene_item_at(const struct scene *scene, uint32_t line);

/* Whether the search found the forest's item, or the row on a line. */
bool scene_item_is_found(const struct scene *scene, uint32_t item);
bool scene_line_is_found(const struct scene *scene, uint32_t line);

/* The session (its leader, of an object's queue the very process) under the cursor as an index into the snapshot, or
 * SNAPSHOT_NO_INDEX. */
uint32_t scene_session_at(const struct scene *scene, uint32_t line);
uint32_t scene_cursor_session(const struct scene *scene);

#endif
