/*
 * filter_parse.h - the line of filter terms, taken apart. Knows nothing of patterns but where they begin and end.
 */
#ifndef FILTER_PARSE_H
#define FILTER_PARSE_H

#include "pglocktop/column.h"

struct filter_part {
	const struct column *column; /* NULL: tried on several */
	bool negated;
	size_t start, length; /* the pattern, in bytes of the line; never empty */
};

enum filter_parse_result {
	FILTER_PARSE_END, /* no further term */
	FILTER_PARSE_TERM,
	FILTER_PARSE_BAD /* `problem` and the byte where it shows */
};

struct filter_parser {
	const char *line;
	size_t at;
	const char *problem;
	size_t problem_at;
};

/* Takes the next term off the line; `at` begins as 0. */
enum filter_parse_result filter_parse_next(struct filter_parser *parser, struct filter_part *part);

#endif
