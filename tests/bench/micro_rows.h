/*
 * micro_rows.h - jams of several shapes as the server would send them: rows in PostgreSQL's binary format, whose fields
 * are there before anybody measures how they are read.
 *
 * Of every five rows one is a session and four are locks: those that make the jam, and others that nobody waits for.
 */
#ifndef TESTS_BENCH_MICRO_ROWS_H
#define TESTS_BENCH_MICRO_ROWS_H

#include "rows.h"

enum micro_shape {
	MICRO_FOREST, /* twenty wait for each */
	MICRO_STAR, /* all wait for one transaction */
	MICRO_CHAIN, /* each waits for the one before it */
	MICRO_QUEUE, /* all want the same for themselves, and the server was asked about some of them */
	MICRO_DEADLOCKS, /* nothing but circles, of two to nine */
	MICRO_SHAPES
};

extern const char *const micro_shape_names[MICRO_SHAPES];

enum { MICRO_TAKEN_AT = 1000000000, MICRO_FIRST_PID = 10000 };

struct micro_rows {
	struct arena arena;
	struct row_field (*sessions)[SESSION_COLUMN_COUNT];
	struct row_field (*locks)[LOCK_COLUMN_COUNT];
	uint32_t session_count, lock_count;
};

struct micro_rows *micro_rows_new(enum micro_shape shape, uint32_t count);
void micro_rows_free(struct micro_rows *owned);

/* What the server answered about a queue, as questions of the reading before. */
void micro_rows_add_answers(struct snapshot *snapshot, enum micro_shape shape);

#endif
