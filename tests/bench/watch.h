/*
 * watch.h - pglocktop, or another such program, in a pseudo-terminal of 120x40, and what it does between two refreshes.
 */
#ifndef TESTS_BENCH_WATCH_H
#define TESTS_BENCH_WATCH_H

#include "bench/relay.h"
#include "pg/pgserver.h"
#include "pty/vt_session.h"

struct watch {
	struct relay relay;
	struct vt_session session;
	pid_t backend; /* its session on the server; 0: not looked for */
	uint64_t tty_bytes; /* written to the terminal since the start */
	int64_t started_at, tty_at; /* when_monotonic(); of the last byte written */
	char *screen; /* what it wrote last, as far as it is kept */
	unsigned screen_length;
};

struct watch_options {
	const char *program;
	const char *const *arguments; /* behind the connection's; NULL at the end; may be NULL */
	bool direct; /* not through a relay: nothing of the server's side is counted */
	double interval; /* seconds from one refresh to the next, at least; 0: 1 */
	int64_t delay; /* of the link, one way, microseconds */
};

void watch_start(struct watch *watch, const struct pgserver *server, const struct watch_options *options);
void watch_end(struct watch *watch);

/* Lets all pass that comes until then (when_monotonic), or until the terminal has been written to. */
void watch_until(struct watch *watch, int64_t until);
bool watch_until_written(struct watch *watch, int64_t until);

/* Until it has written this text, in one piece. False: not until then. */
bool watch_until_text(struct watch *watch, const char *text, int64_t until);

void watch_send(struct watch *watch, const char *keys);

/* Looks for its session on the server. */
void watch_find_backend(struct watch *watch, PGconn *admin);

/*
 * Until the next refresh has been asked for, answered and drawn, and all is quiet again: relay.refresh_at is when it
 * was asked for, tty_at when the last of it was drawn. False: none came until then.
 */
bool watch_refresh(struct watch *watch, int64_t until);

#endif
