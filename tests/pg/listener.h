/*
 * listener.h - what a test hears from a source: the last of each kind of news, and waiting for the next.
 *
 * What does not come within 10 s fails the test.
 */
#ifndef PGLOCKTOP_TESTS_LISTENER_H
#define PGLOCKTOP_TESTS_LISTENER_H

#include "pglocktop/source.h"
#include "pgserver.h"

struct listener {
	struct source *source;
	struct source_status status;
	struct signal_news signal;
	struct lookup_news lookup;
	struct frame *frame; /* the newest; NULL: none yet */
	unsigned frames, statuses, signals, lookups; /* how many came */
};

/* A live source as this user (NULL: the superuser) on this database (NULL: postgres). */
struct listener listener_new(const struct pgserver *server, const char *database, const char *user);
struct listener listener_of(struct source *source);
struct server_options listener_options(const struct pgserver *server);
void listener_stop(struct listener *listener);

/* Hears one piece of news, or none until when_monotonic() is `deadline`. */
enum news_kind listener_hear(struct listener *listener, int64_t deadline);

/* Waits for a frame that was asked for after this call; it stays the listener's. */
struct frame *listener_refresh(struct listener *listener);
void listener_await_state(struct listener *listener, enum source_state state);
/* Asks for the names of this connection's database, and waits for what comes of it. */
void listener_look_up(struct listener *listener, PGconn *conn, enum lookup_outcome outcome);
void listener_await_lookup(struct listener *listener, unsigned lookups, enum lookup_outcome outcome);
void listener_await_signal(struct listener *listener, enum signal_outcome outcome);

/* Refreshes until the condition holds. */
typedef bool (*frame_condition)(const struct frame *frame, const void *argument);
struct frame *listener_refresh_until(struct listener *listener, frame_condition holds, const void *argument);

/* Waits for a frame of those that come by themselves, read after this call, for which the condition holds. */
struct frame *listener_await_frame(struct listener *listener, frame_condition holds, const void *argument);

/* The session of this connection's backend in the last frame; must be there. */
const struct session *listener_session(const struct listener *listener, PGconn *conn);

void listener_command(struct listener *listener, enum source_command_kind kind);
void listener_select(struct listener *listener, PGconn *conn); /* its session is the one that is looked at */
void listener_send_signal(struct listener *listener, const struct signal_request *request);

/* What a question on this session would ask for. */
struct signal_request listener_request(struct listener *listener, PGconn *target, enum signal_verb verb);

#endif
