/*
 * action.h - everything that a person can ask for on the screen: one row an action.
 *
 * The rows make the enum, the names, the help screen and, held against it by a test, the manual page. Which keys lead
 * to an action is the key table's matter (tui/keymap.c).
 *
 * ACTION(id, group, name, help)
 */
#ifndef PGLOCKTOP_ACTION_H
#define PGLOCKTOP_ACTION_H

#define ACTION_TABLE(ACTION)                                                                                           \
	ACTION(UP, MOVE, "up", "one line up")                                                                          \
	ACTION(DOWN, MOVE, "down", "one line down")                                                                    \
	ACTION(PAGE_UP, MOVE, "page-up", "one screen up")                                                              \
	ACTION(PAGE_DOWN, MOVE, "page-down", "one screen down")                                                        \
	ACTION(TOP, MOVE, "top", "to the first line")                                                                  \
	ACTION(BOTTOM, MOVE, "bottom", "to the last line")                                                             \
	ACTION(ROOT, MOVE, "root", "to the root blocker of this session")                                              \
	ACTION(GO_TO, MOVE, "go-to", "to the session with a pid")                                                      \
	ACTION(FOLD, FOLDING, "fold", "fold; on a folded one: to its blocker")                                         \
	ACTION(UNFOLD, FOLDING, "unfold", "unfold")                                                                    \
	ACTION(UNFOLD_ALL, FOLDING, "unfold-all", "unfold all; again: as it was at the start")                         \
	ACTION(DETAILS, LOOK, "details", "all about this session")                                                     \
	ACTION(NAMES, LOOK, "names", "name the tables of its database (opens one connection more)")                    \
	ACTION(TREE, LOOK, "tree", "the tree of blockers and waiters")                                                 \
	ACTION(SESSIONS, LOOK, "sessions", "all sessions, those running longest first")                                \
	ACTION(OBJECTS, LOOK, "objects", "what is waited for: who holds it, who is in its queue, and why")             \
	ACTION(EVENTS, LOOK, "events", "what has happened: deadlocks, signals, blocks, the connection")                \
	ACTION(OBJECT, LOOK, "object", "from a session to its object, and back")                                       \
	ACTION(NEXT_VIEW, LOOK, "next-view", "the next view")                                                          \
	ACTION(SORT, LOOK, "sort", "choose the column that sorts")                                                     \
	ACTION(SORT_PREVIOUS, LOOK, "sort-previous", "sort by the column to the left")                                 \
	ACTION(SORT_NEXT, LOOK, "sort-next", "sort by the column to the right")                                        \
	ACTION(INVERT, LOOK, "invert", "turn the order round")                                                         \
	ACTION(WRAP, LOOK, "wrap", "show the query whole, over several lines")                                         \
	ACTION(MASK, LOOK, "mask", "mask the literals in queries; again: show them (asks)")                            \
	ACTION(SEARCH, FIND, "search", "find sessions by patterns")                                                    \
	ACTION(SEARCH_NEXT, FIND, "search-next", "the next one found")                                                 \
	ACTION(SEARCH_PREVIOUS, FIND, "search-previous", "the one found before")                                       \
	ACTION(FILTER, FIND, "filter", "show only what matches patterns")                                              \
	ACTION(USER, FIND, "user", "show only one user's sessions")                                                    \
	ACTION(IDLE, FIND, "idle", "hide or show idle sessions")                                                       \
	ACTION(MINIMUM_AGE, FIND, "minimum-age", "show only what has lasted some seconds")                             \
	ACTION(CANCEL, SIGNALLING, "cancel", "cancel the query of this session (asks)")                                \
	ACTION(TERMINATE, SIGNALLING, "terminate", "terminate this session (asks)")                                    \
	ACTION(TAG, SIGNALLING, "tag", "tag or untag this session; C and K then mean all tagged ones")                 \
	ACTION(UNTAG_ALL, SIGNALLING, "untag-all", "untag all")                                                        \
	ACTION(FREEZE, REFRESHING, "freeze", "freeze the screen; again: go on")                                        \
	ACTION(INTERVAL, REFRESHING, "interval", "the seconds between two refreshes")                                  \
	ACTION(REFRESH, REFRESHING, "refresh", "refresh now")                                                          \
	ACTION(REDRAW, REFRESHING, "redraw", "draw the whole screen again")                                            \
	ACTION(COPY, PROGRAM, "copy", "then q query, p pid, s signal SQL, t tree: to the clipboard")                   \
	ACTION(LOG, PROGRAM, "log", "the audit log: what was signalled, by whom, what came of it")                     \
	ACTION(HELP, PROGRAM, "help", "this help")                                                                     \
	ACTION(SUSPEND, PROGRAM, "suspend", "stop for a while (fg brings it back)")                                    \
	ACTION(INTERRUPT, PROGRAM, "interrupt", "leave what is open; twice within 2 s: quit")                          \
	ACTION(ESCAPE, PROGRAM, "escape", "leave what is open")                                                        \
	ACTION(QUIT, PROGRAM, "quit", "quit")

#define ACTION_GROUP_TABLE(GROUP)                                                                                      \
	GROUP(SIGNALLING, "Signal")                                                                                    \
	GROUP(MOVE, "Move")                                                                                            \
	GROUP(FOLDING, "Fold")                                                                                         \
	GROUP(LOOK, "Look")                                                                                            \
	GROUP(FIND, "Find")                                                                                            \
	GROUP(REFRESHING, "Refresh")                                                                                   \
	GROUP(PROGRAM, "Program")

enum action {
	ACTION_NONE,
#define ACTION_ENUM(id, group, name, help) ACTION_##id,
	ACTION_TABLE(ACTION_ENUM)
#undef ACTION_ENUM
		ACTION_COUNT
};

enum action_group {
#define GROUP_ENUM(id, title) ACTION_GROUP_##id,
	ACTION_GROUP_TABLE(GROUP_ENUM)
#undef GROUP_ENUM
		ACTION_GROUP_COUNT
};

struct action_row {
	const char *name, *help;
	enum action_group group;
};

/* By enum action; the row of ACTION_NONE is empty. */
extern const struct action_row action_rows[ACTION_COUNT];
extern const char *const action_group_titles[ACTION_GROUP_COUNT];

#endif
