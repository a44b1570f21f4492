/*
 * server_reading.h - one reading of the server: a round trip, and the frame that is made of it.
 */
#ifndef SERVER_READING_H
#define SERVER_READING_H

#include "server_private.h"

/* What a standby says of itself. */
struct standby {
	bool known; /* it is one */
	bool all_replayed; /* of what was received; false also where nothing was */
	int64_t replayed_at; /* the last transaction, by the primary's clock; WHEN_NONE: none yet */
	bool receives;
	int64_t streaming_delay, archive_delay;
};

/*
 * One reading on its way. A scan reads the lock table; a watch asks about every wait instead, and is worth nothing
 * unless it finds that all is as it was (server_watch.c).
 */
enum reading_kind { READING_SCAN, READING_WATCH };

struct reading {
	enum reading_kind kind;
	struct server *server;
	struct frame *frame;
	struct row_reader reader;
	struct queue_answer *answers;
	uint32_t answer_count;
	int64_t questions_from, questions_until, began_at, locks_until, read_at, ended_at; /* the server's clock */
	bool session_unknown; /* one that was not sent whole is none of those that were kept */
	bool waits_unseen; /* a watch: somebody awaits a lock of whom that was not known */
	struct queue_answer safe[SAFE_MOST]; /* of pg_safe_snapshot_blocking_pids() */
	uint32_t safe_count;
	int32_t own_pid;
	struct standby standby;
};

/* READING_AGAIN is for server_reading.c alone. */
enum reading_end { READING_DONE, READING_FAILED, READING_OVER, READING_AGAIN };

/* A new frame, which is the caller's, or why not: the last one stays what is shown. */
enum reading_end reading_take(struct server *server, enum reading_kind kind, struct reading *reading);

/* A pooler has given us a backend that knows none of our statements: they are prepared anew. */
bool reading_is_forgotten(const struct exchange_item *failed);

/* Microseconds of the calling thread's. */
int64_t reading_cpu_time(void);

#endif
