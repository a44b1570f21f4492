/*
 * consequence.h - what a signal does to the session itself and to those who rely on it, in words.
 *
 * The facts: interrupts are handled in postgres.c (ProcessInterrupts); a COMMIT that waits for a standby has committed
 * here before it waits (SyncRepWaitForLSN in syncrep.c); an autovacuum to prevent wraparound is started again
 * (autovacuum.c); a failed CREATE INDEX CONCURRENTLY leaves an invalid index (indexcmds.c).
 */
#ifndef PGLOCKTOP_CONSEQUENCE_H
#define PGLOCKTOP_CONSEQUENCE_H

#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"

/*
 * What becomes of what it does, as the end of a sentence: ": all of it is rolled back, the client is disconnected.".
 * `compact`: in the few words that fit 36 columns.
 */
void consequence_add_outcome(const struct session *session, enum signal_verb verb, bool compact, struct strbuf *out);

/*
 * What more there is to know before one decides, as sentences: a backup that fails, replication that stops, a pool that
 * connects again. Nothing for most. `compact`: the first alone, in 36 columns.
 */
void consequence_add_remarks(const struct snapshot *snapshot, uint32_t session, enum signal_verb verb, bool compact,
			     struct strbuf *out);

/*
 * Why one should think twice before one signals it, in two or three words: "a backup"; NULL: there is nothing.
 */
const char *consequence_warning(const struct snapshot *snapshot, uint32_t session);

/* The statement that ends a prepared transaction: "ROLLBACK PREPARED 'order-77'", quoted whatever is in the gid. */
void consequence_add_rollback(const struct prepared *prepared, struct strbuf *out);

#endif
