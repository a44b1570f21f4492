/*
 * oracle.h - what the server itself says: pg_blocking_pids() of every session, with the rows of pg_locks about it.
 *
 * An answer of pg_blocking_pids() holds for an instant. Two readings of the oracle with the same answer about a
 * session whose wait is the same, too, say that nothing has moved for it in between: what the program says in between
 * must be the same.
 */
#ifndef PGLOCKTOP_TESTS_ORACLE_H
#define PGLOCKTOP_TESTS_ORACLE_H

#include "edges.h"

#include "pglocktop/strbuf.h"

#include <libpq-fe.h>

struct oracle_lock {
	const char *tag; /* all ten columns that identify a lock */
	int32_t pid; /* 0: a prepared transaction's */
	int32_t leader; /* of its lock group */
	unsigned mode; /* 1 to 8 */
	bool granted;
	const char *text; /* all of it */
};

struct oracle {
	struct edges edges; /* with circles; a kind is hard where the blocker's group holds a mode in the way */
	uint64_t *states; /* by session: its statement, and what its lock group waits for */
	int32_t *leaders; /* by session: of its lock group */
	bool *idle; /* by session: it runs no statement */
	bool *rests; /* by session: it runs no statement, waits for what is no lock, or calls itself "resting" */
	struct oracle_lock *locks; /* of which somebody waits for, by tag */
	uint32_t lock_count;
};

/* Of all sessions but this one and pglocktop's. */
void oracle_read(PGconn *conn, struct oracle *oracle);
void oracle_release(struct oracle *oracle);

/* Of the session's lock group: the pid that edges name; its own if it is not there. */
int32_t oracle_leader(const struct oracle *oracle, int32_t pid);

/* What a lock group has to do with the locks that another one waits for: the same in two readings if it stood still. */
uint64_t oracle_part_in(const struct oracle *oracle, int32_t leader, int32_t waiter);

/* What is known of the session's wait, for a report. */
void oracle_describe(const struct oracle *oracle, int32_t pid, struct strbuf *out);

#endif
