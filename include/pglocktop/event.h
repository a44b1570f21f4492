/*
 * event.h - what has happened while the program looked on: a bounded ring of events, in the order in which they
 * happened, or changed last.
 *
 * An event holds copies of its texts and nothing of a frame. Its texts are hostile, and masked whatever the screen
 * shows: literals of queries never get in, so that a mask that is put on later holds for them, too. A ring has
 * EVENTS_MOST events at most, of EVENT_LINES lines of EVENT_TEXT bytes; the oldest gives way.
 */
#ifndef PGLOCKTOP_EVENT_H
#define PGLOCKTOP_EVENT_H

#include "pglocktop/snapshot.h"

#include <stdarg.h>

enum { EVENTS_MOST = 1000, EVENT_LINES = 13, EVENT_TEXT = 768 };

enum event_kind {
	EVENT_DEADLOCK, /* one was over, or the server's counter of them rose */
	EVENT_SIGNAL, /* sent by this program, and what came of it */
	EVENT_BLOCK, /* a root blocker with one who waited for a second at least */
	EVENT_SERVER, /* the connection was lost, back, late, or is to another server */
	EVENT_ROLE /* what this role may do has changed */
};

/* "deadlock", "signal" … */
const char *event_kind_name(enum event_kind kind);

struct event_line {
	struct identity session; /* whom it is about; pid 0: nobody */
	char *text;
};

struct event {
	uint64_t id; /* the event's own, as long as it lives */
	uint64_t number; /* counts up in the ring's order */
	enum event_kind kind;
	int64_t at; /* server time */
	bool over; /* EVENT_BLOCK */
	bool bad; /* it is not what somebody wanted */
	uint64_t serial; /* EVENT_SIGNAL: of the request */
	struct event_line lines[EVENT_LINES]; /* the first is what happened, the others those concerned */
	uint32_t line_count;
};

struct events {
	struct event *list; /* the oldest first */
	uint32_t count;
	uint64_t added, numbers; /* ever */
};

void events_release(struct events *events);

/* The newest from now on, without lines. What is returned is valid until the next addition. */
struct event *events_add(struct events *events, enum event_kind kind, int64_t at);

/* Moves one that has changed to the newest ones and takes its lines away. */
struct event *events_renew(struct events *events, struct event *event, int64_t at);

/* A line, cut off if it is too long; those beyond EVENT_LINES are left out. */
void event_add_line(struct event *event, struct identity session, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void event_clear_lines(struct event *event);

/* By number, O(log n); NULL: it has given way, or was renewed. */
struct event *events_find(const struct events *events, uint64_t number);

/* The newest of a signal; NULL. */
struct event *events_find_signal(const struct events *events, uint64_t serial);

/* The nth, 0 is the newest. */
const struct event *events_newest(const struct events *events, uint32_t nth);

#endif
