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
	COLUMN_COUNT
};

enum column_kind { COLUMN_NUMBER, COLUMN_AGE, COLUMN_TEXT };

struct column {
	enum column_id id;
	const char *name; /* for options, filters and CSV: "behind" */
	const char *title; /* on screen: "BEHIND" */
	const char *help;
	enum column_kind kind;
	bool right; /* flush right */
	bool descending; /* its default direction */
	uint16_t width; /* 0: takes what is left, with COLUMN_QUERY's share */
};

extern const struct column columns[COLUMN_COUNT];

/* By name, any case; NULL when there is none. A unique beginning will do. */
const struct column *column_find(const char *name);

/* Where a value is taken from. In the sessions view there is no forest item. */
struct column_row {
	const struct frame *frame;
	uint32_t session; /* SNAPSHOT_NO_INDEX: a prepared transaction or a cycle */
	uint32_t prepared; /* SNAPSHOT_NO_INDEX */
	uint32_t node; /* GRAPH_NONE: nothing to do with any wait */
	const struct forest_item *item; /* NULL */
};

struct column_row column_row_of_item(const struct forest *forest, uint32_t item);
struct column_row column_row_of_session(const struct frame *frame, uint32_t session);

struct column_value {
	bool known; /* false: "?" where the role may not see it, "" or "-" where there is none */
	bool hidden; /* the role may not see it */
	int64_t number; /* COLUMN_NUMBER and COLUMN_AGE; for COLUMN_STATE the age */
};

/* The value; of a text column the text is appended to `text` (hostile, whole, one line not guaranteed). */
struct column_value column_get(const struct column *column, const struct column_row *row, bool ascii,
			       struct strbuf *text);

/* As it is shown: numbers and ages formatted, "-" and "?" for what is missing. Hostile still. */
void column_format(const struct column *column, const struct column_row *row, bool ascii, struct strbuf *out);

#endif
