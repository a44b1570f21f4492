/*
 * audit.h - the log of signals: lines that a thread of its own writes, so that nobody waits for a disk who must not.
 *
 *     audit_new -> { poll(audit_fd) -> audit_take …; audit_append, audit_probe, audit_read } -> audit_stop
 *
 * Nothing here blocks, audit_stop aside. Each request has an answer within AUDIT_PATIENCE: done, failed, or late. What
 * was late is still done as soon as the disk allows.
 */
#ifndef PGLOCKTOP_AUDIT_H
#define PGLOCKTOP_AUDIT_H

#include "pglocktop/err.h"

#include <stddef.h>
#include <stdint.h>

#define AUDIT_PATIENCE (INT64_C(1000000)) /* microseconds */

struct audit_options {
	const char *path; /* NULL: $XDG_STATE_HOME/pglocktop/audit.jsonl, ~/.local/state without it */
	bool syslog; /* each line there, too, as authpriv.notice: nothing else waits for that, nothing tells of its
			failure */
};

enum audit_answer_kind { AUDIT_NOTHING, AUDIT_PROBED, AUDIT_APPENDED, AUDIT_READ };

struct audit_answer {
	enum audit_answer_kind kind;
	uint64_t ticket; /* of the request */
	bool done; /* APPENDED: it is on disk; PROBED: as far as can be told, a line could be written */
	bool late; /* not done: nothing is known after AUDIT_PATIENCE. It has no further answer */
	struct err err; /* not done: why; names the file */
	char *text; /* READ: malloc'd, the caller's; NULL unless done */
};

struct audit;

/* Starts the thread. */
struct audit *audit_new(const struct audit_options *options, struct err *err) MUST_CHECK;

/* A descriptor that is readable while an answer waits. */
int audit_fd(const struct audit *audit);

/* The next answer; AUDIT_NOTHING when there is none. Answers to one kind of request come in order. */
struct audit_answer audit_take(struct audit *audit);

/*
 * Each returns its ticket. `members` are those of a JSON object without the braces; the thread writes before them who
 * runs the program, and "format" and "version".
 */
uint64_t audit_append(struct audit *audit, const char *members);
uint64_t audit_probe(struct audit *audit);
uint64_t audit_read(struct audit *audit, size_t most); /* the last lines, at most so many bytes of them */

/*
 * Finishes what was asked for and frees everything, within `wait` microseconds; false when it still hangs: then nothing
 * is freed, and it may be called again, or the program ended.
 */
bool audit_stop(struct audit *owned, int64_t wait);

#endif
