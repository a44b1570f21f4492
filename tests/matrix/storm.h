/*
 * storm.h - many sessions that lock at random, driven from one process: issue, settle, look, again.
 *
 * storm_issue gives statements to sessions that have none under way, storm_settle waits until what can be done is done:
 * the rest waits, and stands still but for timeouts and deadlocks. The same seed makes the same choices; what the
 * server makes of them depends on its timing.
 */
#ifndef PGLOCKTOP_TESTS_STORM_H
#define PGLOCKTOP_TESTS_STORM_H

#include "matrix.h"

#include "pglocktop/strbuf.h"

struct storm_random {
	uint64_t state;
	bool parallel; /* parallel queries are among the statements */
};

struct storm_random storm_random_of(uint64_t seed);
uint32_t storm_below(struct storm_random *random, uint32_t limit);

/* The tables that the statements are about. */
void storm_make_tables(struct matrix *matrix);

/* A statement for a session in this state; may be several, separated by semicolons. */
void storm_write_statement(struct storm_random *random, PGTransactionStatusType status, struct strbuf *sql);

struct storm {
	struct matrix *matrix;
	struct storm_random random;
	PGconn *sessions[STAGE_SESSIONS];
	bool busy[STAGE_SESSIONS];
	unsigned count;
	uint64_t statements;
};

/* Sessions with this deadlock_timeout. They are the stage's. */
void storm_start(struct storm *storm, struct matrix *matrix, uint64_t seed, unsigned count,
		 const char *deadlock_timeout);
void storm_issue(struct storm *storm);

/* Until nothing has ended for `quiet` microseconds, but `longest` at most. */
void storm_settle(struct storm *storm, int64_t quiet, int64_t longest);

#endif
