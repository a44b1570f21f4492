/*
 * column.h - the columns, as data: one row each, and one getter that drawing, sorting, filtering and every output use.
 */
#ifndef PGLOCKTOP_COLUMN_H
#define PGLOCKTOP_COLUMN_H

#include "pglocktop/forest.h"
#include "pglocktop/strbuf.h"

enum column_id {
	COLUMN_BLOCKS, /* rows beneath it in the tree */
	COLUMN_BEHIND, /* the longest wait beneath */
	COLUMN_SESSION, /* pid and application */
	COLUMN_STATE, /* with the age that matters */
	COLUMN_OBJECT, /* holds / waits for */
	COLUMN_XACT, /* age of the transaction */
	COLUMN_USER,
	COLUMN_DATABASE,
	COLUMN_CLIENT,
	COLUMN_WAIT_EVENT,
	COLUMN_QUERY_AGE,
	COLUMN_QUERY,
	COLUMN_APPLICATION, /* in COLUMN_SESSION on screen; by itself for filters, sorting and CSV */
	COLUMN_OF_SESSIONS, /* those before it are known of any session; those from here on of objects and what is
			       beneath */
	COLUMN_WAITERS = COLUMN_OF_SESSIONS, /* of an object: how many wait */
	COLUMN_LOCK, /* the object; beneath it who, and whether he holds it or which place in the queue he has */
	COLUMN_MODE, /* held or wanted */
	COLUMN_WAITED, /* how long this one has waited for the object */
	COLUMN_WHY, /* why he waits; what a holder does */
	COLUMN_COUNT
};

enum column_kind { COLUMN_NUMBER, COLUMN_AGE, COLUMN_TEXT };

struct column_row;
struct column_value;

struct column {
	enum column_id id;
	const char *name; /* for options, filters and CSV: "behind" */
	const char *title; /* on screen: "BEHIND" */
	const char *ascii_title; /* NULL: the same */
	const char *help;
	enum column_kind kind;
	bool right; /* flush right */
	bool descending; /* its default direction */
	uint16_t width; /* 0: takes what is left, with COLUMN_QUERY's share */
	struct column_value (*get)(const struct column_row *row, bool ascii, struct strbuf *text); /* column_get */
	void (*format)(const struct column_row *row, bool ascii, struct strbuf *out); /* NULL: by its kind */
};

extern const struct column columns[COLUMN_COUNT];

const char *column_title(const struct column *column, bool ascii);

/* One of COLUMN_OF_SESSIONS by name, any case; NULL when there is none. A unique beginning will do. */
const struct column *column_find(const char *name);

/* Where a value is taken from. In the sessions view there is no forest item. */
struct column_row {
	const struct frame *frame;
	uint32_t session; /* SNAPSHOT_NO_INDEX: a prepared transaction or a cycle */
	uint32_t prepared; /* SNAPSHOT_NO_INDEX */
	uint32_t node; /* GRAPH_NONE: nothing to do with any wait */
	const struct forest_item *item; /* NULL: no row of a forest */
};

struct column_row column_row_of_item(const struct forest *forest, uint32_t item);
struct column_row column_row_of_session(const struct frame *frame, uint32_t session);

/*
 * What is there is `known`. What is not is either `hidden`, since the role may not see it ("?" on screen), or there is
 * none ("-", or nothing in COLUMN_QUERY).
 */
struct column_value {
	bool known;
	bool hidden;
	int64_t number; /* of COLUMN_NUMBER and COLUMN_AGE; WHEN_NONE, less than all others, where there is none */
};

/*
 * The value that sorts, filters and is written out. The text of a COLUMN_TEXT is appended to `text` (hostile, whole,
 * one line not guaranteed): of COLUMN_OBJECT without the sign before it, of COLUMN_QUERY without "last: ". So is the
 * word of COLUMN_STATE ("idle in txn"), whose number is the age that goes with it, WHEN_NONE without one.
 */
struct column_value column_get(const struct column *column, const struct column_row *row, bool ascii,
			       struct strbuf *text);

/* The order of two texts: bytes, but runs of digits by their value, so that pid 8008 comes before 10017. */
int column_compare_texts(const char *a, const char *b);

/*
 * As it is shown: numbers and ages formatted, "-" and "?" for what is missing. Hostile still.
 * The age of a wait whose start the server does not tell is drawn as "waits ≤3s" (ASCII "<="): the wait is not older
 * than its query.
 */
void column_format(const struct column *column, const struct column_row *row, bool ascii, struct strbuf *out);

#endif
