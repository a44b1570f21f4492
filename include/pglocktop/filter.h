/*
 * filter.h - filter and search terms: PCRE2 patterns, bounded in time, matched in slices.
 *
 * Terms are split at blanks and all must match; `!` negates; quotes group ("a b", 'a b'); a prefix scopes a term to a
 * column only if it names one (`user:^app !state:idle`, `update:x` is a plain pattern; app: and db: are short forms). A
 * backslash keeps a blank or a quote from ending a term. A term without a column is tried on session, user, database,
 * application, client, state, object and query. Case is ignored unless the term holds an upper-case letter.
 *
 * What is matched is what is shown: runs of white space count as one blank, and an unknown value is empty.
 */
#ifndef PGLOCKTOP_FILTER_H
#define PGLOCKTOP_FILTER_H

#include "pglocktop/column.h"

struct filter;

/*
 * Compiles. NULL with `err` when a pattern is bad: the text names the term, the position counted in characters from 1
 * over the whole input, and what PCRE2 says. `position` (may be NULL) gets it as a byte offset.
 */
struct filter *filter_new(const char *terms, struct err *err, size_t *position) MUST_CHECK;
void filter_free(struct filter *owned); /* takes NULL */
const char *filter_text(const struct filter *filter);

enum filter_verdict {
	FILTER_NO,
	FILTER_YES,
	FILTER_GAVE_UP /* a pattern ran into its limits: taken as not matched */
};

/* One row, which may be an item of a forest: the search's way. A pattern gets 1 to 2 ms for each text. */
enum filter_verdict filter_match_row(const struct filter *filter, const struct column_row *row);

/* A text that is no row: terms for a column are tried on it, too. Limits as above. */
enum filter_verdict filter_match_text(const struct filter *filter, const char *text);

/* A run of one filter over the rows of one frame, in slices. It keeps pointers to both. */
struct filter_run {
	const struct filter *filter;
	const struct frame *frame;
	uint32_t next; /* the next session or prepared transaction to be tried */
	bool *sessions; /* by session index: matched */
	bool *prepared; /* by prepared index */
	uint32_t *prepared_node; /* by prepared index: graph node or GRAPH_NONE */
	uint32_t given_up; /* rows on which a pattern ran into its limits: taken as not matched, and said so */
	bool done;
};

/* The bitmaps live in the given arena. */
void filter_run_start(struct filter_run *run, const struct filter *filter, const struct frame *frame,
		      struct arena *arena);

/* Goes on until done or until when_monotonic() has passed `deadline`; tries at least one row and ends at most one
 * late. */
void filter_run_slice(struct filter_run *run, int64_t deadline);

#endif
