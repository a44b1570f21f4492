/*
 * progress.h - how far a maintenance command has come: what the numbered parameters of pg_stat_get_progress_info() say.
 *
 * What each parameter means is that of src/include/commands/progress.h; phases have kept their numbers from 10 to 18,
 * later versions have only added parameters. What a version does not tell is 0.
 */
#ifndef PGLOCKTOP_PROGRESS_H
#define PGLOCKTOP_PROGRESS_H

#include "pglocktop/snapshot.h"
#include "pglocktop/strbuf.h"

struct progress_stage {
	const char *command; /* "vacuum", "create index" … */
	const char *phase; /* "scanning heap"; NULL: there are none, or one that this program does not know */
	int64_t done, total; /* of the phase alone; total 0: not known, or the phase has no such thing */
	bool waits; /* for those who still use what is to be changed: of these the next three tell */
	int64_t lockers_done, lockers_total; /* total 0: not known */
	int32_t locker; /* the one that it waits for now; 0: none */
};

struct progress_stage progress_read(const struct progress *progress);

/* 0 to 100, and 100 only when all is done; -1 without a total. */
int progress_percent(const struct progress_stage *stage);

/* Appends "vacuum: scanning heap 43 %", "create index: waits for writers, 2 of 5 done, now 8008". */
void progress_describe(const struct progress *progress, struct strbuf *out);

/* The same in few words, for a narrow column: "vacuum 43 %", "create index, 2 of 5 done". */
void progress_summarize(const struct progress *progress, struct strbuf *out);

#endif
