/*
 * volley.h - signals that were sent after one answer, to those tagged: what has come of each, and of all of them in one
 * line.
 */
#ifndef PGLOCKTOP_VOLLEY_H
#define PGLOCKTOP_VOLLEY_H

#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"
#include "pglocktop/tags.h"

struct volley_shot {
	struct identity target;
	bool answered; /* `outcome` has come */
	bool left_out; /* it was tagged, and nothing was asked of the source */
	enum signal_outcome outcome;
	char why[96]; /* left out, not sent, refused; hostile */
};

struct volley {
	enum signal_verb verb;
	uint64_t first_serial; /* of shots[0]; they are numbered in order, those left out too */
	uint32_t count;
	int32_t waiting_before, waiting_after; /* sessions, from the first news that tell to the last; -1 not known */
	bool unlogged; /* one of them went out without a line in the audit log */
	struct volley_shot shots[TAGS_MOST];
};

void volley_begin(struct volley *volley, enum signal_verb verb, uint64_t first_serial);
void volley_add(struct volley *volley, struct identity target);
void volley_leave_out(struct volley *volley, struct identity target, const char *why);

/* False: the news are about another signal. */
bool volley_take(struct volley *volley, const struct signal_news *news);

/* Whether this session's end is told by the volley. */
bool volley_has(const struct volley *volley, struct identity target);

/* Whether every signal has had its last news. */
bool volley_is_over(const struct volley *volley);

/* Whether all that are over came to what was wanted. */
bool volley_went_well(const struct volley *volley);

/* "3 TERM sent: 2 gone, 1 still there (8017); not sent: 8020 has ended". */
void volley_describe(const struct volley *volley, bool ascii, struct strbuf *out);

#endif
