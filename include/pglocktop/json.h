/*
 * json.h - a snapshot as the JSON document that --once prints and that a recording will hold.
 *
 * The fields, their order and their meaning are described in src/README.md. One document a line, UTF-8; U+007F to
 * U+009F and bidirectional controls are written as \uXXXX; times in ISO 8601 with microseconds and offset; durations
 * in seconds; what the server does not have or does not show is null.
 */
#ifndef PGLOCKTOP_JSON_H
#define PGLOCKTOP_JSON_H

#include "pglocktop/forest.h"
#include "pglocktop/strbuf.h"

struct json_options {
	bool all_edges; /* blocked_by whole, in place of 32 entries and blocked_by_more */
	bool all_locks; /* every lock row, in place of those on contended tags */
	const bool *selected; /* by session index: which are written, with their locks; NULL: all */
};

/* Appends the document and a newline. */
void json_write_snapshot(const struct forest *forest, const struct json_options *options, struct strbuf *out);

#endif
