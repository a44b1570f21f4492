/*
 * compare.h - what the program said, against what the server said before and after.
 *
 * A session counts where the two readings of the oracle agree about it, an edge where they agree about the blocker's
 * part in it, too: no edge missing, none too many, each of the right kind. A presumed edge is no claim: such a session
 * is counted apart, and only what is claimed about it must be true. Where nothing at all has moved, the numbers of
 * those directly blocked and the circles are compared, too.
 */
#ifndef PGLOCKTOP_TESTS_COMPARE_H
#define PGLOCKTOP_TESTS_COMPARE_H

#include "oracle.h"

struct comparison {
	uint64_t compared; /* waiting sessions, all of whose edges were claimed */
	uint64_t presumed; /* waiting sessions with an edge that was only estimated, or may lack one for that reason */
	uint64_t inconsistent; /* waiting sessions for which something moved between the oracle's readings */
	uint64_t mismatches; /* claims that are wrong */
	struct strbuf report; /* about each mismatch */
};

#define COMPARISON_INIT                                                                                                \
	{                                                                                                              \
		.report = STRBUF_INIT                                                                                  \
	}

/* Adds to `comparison`. Returns whether nothing has moved between the oracle's readings. */
bool compare_readings(const struct oracle *before, const struct edges *said, const struct oracle *after,
		      struct comparison *comparison);

#endif
