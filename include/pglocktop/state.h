/*
 * state.h - what the screen is about, and its pure update: input and news in, new state and effects out.
 *
 * Nothing in the state points into a snapshot: sessions are held by identity. Nothing here reads a clock, a terminal or
 * a server: time comes in, and what must be done comes out as effects, which one place (tui/app.c) performs.
 */
#ifndef PGLOCKTOP_STATE_H
#define PGLOCKTOP_STATE_H

#include "pglocktop/action.h"
#include "pglocktop/filter.h"
#include "pglocktop/ghost.h"
#include "pglocktop/history.h"
#include "pglocktop/outline.h"
#include "pglocktop/prompt.h"
#include "pglocktop/question.h"
#include "pglocktop/source.h"
#include "pglocktop/tags.h"
#include "pglocktop/totals.h"
#include "pglocktop/volley.h"

enum view { VIEW_TREE, VIEW_SESSIONS, VIEW_OBJECTS, VIEW_EVENTS, VIEW_COUNT };

/* One list on the screen: where its cursor is and how it is sorted. */
struct list_state {
	struct row_key cursor;
	uint32_t cursor_line; /* of the list area, where the cursor's row is kept; 0 is the first */
	uint32_t cursor_index; /* in the list; from here a movement goes on when the cursor's row is gone */
	bool touched; /* the person chose the cursor's row: it stays there, whatever becomes of the session. Before, the
			 cursor follows its session as long as that is on the first screen, else goes to the top */
	bool keeps_line; /* the cursor's row keeps its screen line, else the top of the list stays on top */
	bool rearranged; /* the person has changed what is listed: a cursor whose row is gone goes to the one in its
			    place */
	struct forest_order order;
};

/* From where the person went to an object; `key` ROW_KEY_NONE: from nowhere. */
struct way_back {
	enum view view;
	struct row_key key;
};

enum menu_kind { MENU_NONE, MENU_SORT, MENU_USER };

enum { MENU_ITEM_SIZE = 96, MENU_ITEMS = 200 };

struct menu {
	enum menu_kind kind;
	uint32_t count, cursor;
	char items[MENU_ITEMS][MENU_ITEM_SIZE]; /* hostile */
};

enum message_kind { MESSAGE_NONE, MESSAGE_NEWS, MESSAGE_ERROR };

struct message {
	enum message_kind kind;
	char text[768]; /* hostile */
	int64_t until; /* when_monotonic() */
};

/* How many waited at most, in each ten seconds of the last two minutes. */
enum { PAST_SLICES = 12, PAST_SLICE = 10 * 1000 * 1000 };

struct past_slice {
	bool known;
	int64_t slice; /* server time / PAST_SLICE */
	uint32_t most_waiting;
};

struct past {
	struct past_slice slices[PAST_SLICES]; /* by slice, modulo */
};

enum effect_kind {
	EFFECT_COMMAND, /* source_send */
	EFFECT_COPY, /* text into the terminal's clipboard */
	EFFECT_COPY_TREE, /* the tree as text, queries masked */
	EFFECT_PROBE_LOG, /* can the audit log be written? then state_take_log */
	EFFECT_READ_LOG, /* its last lines, for state_show_log */
	EFFECT_FILTER, /* compile this text and match with it; then state_use_filter, or state_complain */
	EFFECT_SEARCH,
	EFFECT_REDRAW, /* the whole screen */
	EFFECT_SUSPEND,
	EFFECT_QUIT
};

struct effect {
	enum effect_kind kind;
	struct source_command command;
	char *text; /* of COPY, FILTER, SEARCH: owned by the state until state_clear_effects */
};

/* C or K was pressed beside the tagged ones: who is meant? */
struct choice {
	bool open;
	enum signal_verb verb;
	struct identity cursor; /* who is under the cursor */
	char label[96]; /* "8020 worker-2", hostile */
};

struct state {
	int width, height;
	bool ascii;
	bool read_only;
	bool advised; /* the role could be granted more: a line of the header says what */
	bool masked; /* query texts are seen without their literals; state_set_masked */
	enum view view;
	struct list_state lists[VIEW_COUNT];
	struct way_back way_back;
	bool details; /* the details of the cursor's session cover the list */
	uint32_t details_top;
	bool help;
	uint32_t help_top;
	bool wrap;
	bool unfolded_all;
	bool copy_pending; /* y was pressed: q p s t decides what is copied */
	bool hide_idle;
	int64_t minimum_age; /* 0: all */
	struct fold *folds; /* sorted by key */
	uint32_t fold_count;
	size_t fold_capacity;
	char filter[512]; /* the terms in use, "" */
	char user_term[96]; /* the filter's part that the user menu made, "" */
	char search[512];
	bool sought; /* the cursor was sent to a session that may be filtered out */
	bool search_jump; /* the cursor is to go to the first one found */
	struct prompt prompt;
	struct menu menu;
	struct tags tags;
	struct choice choice;
	struct question question;
	struct volley volley; /* the last signals to tagged ones */
	struct message message;
	bool frozen; /* asked for; the status follows */
	bool pasting;
	int64_t paste_until; /* nothing more came by then: its end was lost */
	int64_t swallow_until; /* keys are swallowed: a question has just closed by itself */
	int64_t answered_until; /* a question has just been answered: a y that was pressed twice is no other command */
	int64_t interrupted_at; /* Ctrl-C, for the second one; WHEN_NONE */
	bool leave_anyway; /* q was pressed with few slots free */
	struct ghosts ghosts;
	struct past past;
	struct history history; /* kept also when the server is another one */
	struct source_status status;
	int64_t lost_since; /* when_wall_clock(), until the connection is back; WHEN_NONE */
	bool unlogged; /* the audit log cannot be written, as far as is known */
	char unlogged_why[256]; /* when it could not, last; hostile */
	const char *banner; /* a line on top of the screen, hostile; NULL: none. Not the state's own */
	bool confirms_by_pid; /* a question wants the pid typed */
	char *log_text; /* the audit log's last lines, shown in the list's place; NULL: they are not */
	uint32_t log_top;
	uint64_t signal_serial;
	struct effect *effects;
	uint32_t effect_count;
	size_t effect_capacity;
};

struct scene; /* scene.h: what is shown of a frame, made from this state */

void state_init(struct state *state, const struct server_options *options, bool ascii);
void state_release(struct state *state);

/* Masks also what is still shown of sessions that have ended. The frames' owner masks those after it. */
void state_set_masked(struct state *state, bool masked);

void state_resize(struct state *state, int width, int height);

/*
 * A newer frame will be shown: `old` is what was on screen (NULL: nothing). Takes note of what has ended, checks the
 * question, drops what belonged to another server. The scene is to be made anew after.
 */
void state_adopt(struct state *state, const struct scene *old, const struct frame *frame, int64_t now);

void state_take_status(struct state *state, const struct source_status *status, int64_t now);
void state_take_signal(struct state *state, const struct signal_news *news, int64_t now);
void state_take_lookup(struct state *state, const struct lookup_news *news, int64_t now);

/* What is known of the audit log: `why` NULL, it can be written; else why it cannot. An open question then says so. */
void state_take_log(struct state *state, const char *why);

/* Shows the audit log's last lines, unless a question is open. */
void state_show_log(struct state *state, const char *text);

/* Whether keys are wanted as they are: a prompt, a question, a menu, a paste. Otherwise the keymap's action counts. */
bool state_takes_keys(const struct state *state);

/* Every input comes through here, with the action that its key leads to. `scene` is what the person saw. */
void state_input(struct state *state, const struct scene *scene, const struct input *input, enum action action,
		 int64_t now);

/* Whether a question may be on a screen of this size: in 40 columns and 10 lines its texts are whole. */
bool state_has_room_to_ask(const struct state *state);

/* Closes the question, if one is open: says why, and swallows for a while what is typed on. */
void state_close_question(struct state *state, int64_t now, const char *reason);

/* What time brings: messages and ghosts go, the question arms. Returns whether the screen must be drawn anew. */
bool state_tick(struct state *state, int64_t now);

/* The scene is made in which a session that was gone to has its line: says so when a filter leaves it out. */
void state_check_sought(struct state *state, const struct scene *scene, int64_t now);

/* Help or details were drawn, and the list of a question: they cannot be scrolled beyond these lines. */
void state_scrolled(struct state *state, uint32_t last_top, uint32_t question_last_top);

/* When state_tick has something to do next; INT64_MAX: never. */
int64_t state_next_tick(const struct state *state, const struct frame *frame, int64_t now);

/* Whether the data on screen are late, and since when (when_monotonic()); false: they are as they should be. */
bool state_is_stale(const struct state *state, const struct frame *frame, int64_t now);

void state_say(struct state *state, enum message_kind kind, int64_t now, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Adds an effect, which is there until the next one is added; its text is copied (NULL: none). */
struct effect *state_effect(struct state *state, enum effect_kind kind, const char *text);
void state_clear_effects(struct state *state);

/* The terms compiled and are in use as soon as they have been matched: the prompt closes. */
void state_use_filter(struct state *state, const char *terms);
void state_use_search(struct state *state, const char *terms);

/* What is listed is about to change because the person wanted it to: a filter has come into use, a fold, an order. */
void state_rearrange(struct state *state);

/* An entered filter or search could not be used: its prompt stays open and says why and where. */
void state_complain(struct state *state, const struct err *err, size_t position);

/* The search is in use, its run over the frame is done and the scene knows what was found: to the first one. */
void state_jump_to_found(struct state *state, const struct scene *scene, int64_t now);

#endif
