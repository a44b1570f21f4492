/*
 * aftermath.h - what can be told of a session some time after a signal, and what to do next, in words.
 *
 * A signal is a request: the server's process looks for it between two pieces of work, and while it waits for a lock, a
 * timer or (a TERM only) its client (ProcessInterrupts, ProcessClientWriteInterrupt in postgres.c). A read from a dead
 * disk, a section that holds interrupts off and the clean-up at a transaction's end are not cut short.
 */
#ifndef AFTERMATH_H
#define AFTERMATH_H

#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"

/* What pg_stat_activity says of it; NULL and 0: nothing. */
struct aftermath {
	const char *state; /* hostile */
	const char *wait_event_type, *wait_event; /* hostile */
	uint32_t backend_xid;
};

/* Why it may still be there, or still run its query, and what follows: "active, wait event IO/DataFileRead; …". */
void aftermath_add_still_there(enum signal_verb verb, const struct aftermath *session, struct strbuf *out);

/* After a cancel its query has stopped: what is left of its transaction. `moved_on`: it runs another one. */
void aftermath_add_stopped(const struct aftermath *session, struct strbuf *out);

#endif
