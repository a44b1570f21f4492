/*
 * relay.h - between a program and the server: a Unix socket that passes everything on, counts it, and can be as far
 * away as one likes.
 *
 * It runs in its owner's poll loop: relay_poll_fds and relay_timeout before the poll, relay_serve after it.
 */
#ifndef TESTS_BENCH_RELAY_H
#define TESTS_BENCH_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum { RELAY_LINKS = 8, RELAY_FDS = 1 + 2 * RELAY_LINKS };

struct relay_segment;

struct relay_stream {
	int from, to; /* -1: ended */
	struct relay_segment *first, *last;
};

struct relay_link {
	bool open;
	struct relay_stream up, down;
};

struct relay {
	char directory[96]; /* for -h; within the server's, which is removed with it */
	char server[128]; /* the server's socket */
	int listener;
	int64_t delay; /* one way, microseconds */
	int64_t apart; /* requests that come so long after the last refresh's begin another */
	struct relay_link links[RELAY_LINKS];

	uint64_t bytes_up, bytes_down;
	unsigned requests; /* turns: the client speaks, the server had the word */
	unsigned refreshes;
	int64_t refresh_at; /* the last refresh's first byte; when_monotonic() */
	int64_t answered_at; /* the last byte of an answer */
	bool answered; /* the server is ready for the next query */
	unsigned char tail[6]; /* the last bytes of an answer */
};

void relay_open(struct relay *relay, const char *server_directory);
void relay_close(struct relay *relay);

/* Fills fds, RELAY_FDS of them. Returns the milliseconds after which relay_serve is to be called at the latest; -1:
 * any. */
int relay_prepare(const struct relay *relay, struct pollfd fds[static RELAY_FDS]);
void relay_serve(struct relay *relay);

#endif
