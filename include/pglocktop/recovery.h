/*
 * recovery.h - a standby's recovery as a session: what can be said of its startup process, which replays the WAL.
 *
 * It holds the AccessExclusiveLocks that transactions of the primary hold, and it waits for sessions of the standby
 * that are in its way; then it cancels them after a while (standby.c, ResolveRecoveryConflictWithLock and others).
 */
#ifndef PGLOCKTOP_RECOVERY_H
#define PGLOCKTOP_RECOVERY_H

#include "pglocktop/snapshot.h"
#include "pglocktop/strbuf.h"

/* Whether it is the startup process: the one process that pg_blocking_pids() says nobody blocks, even if it waits. */
bool recovery_is_startup(const struct session *session);

/*
 * Appends what a person can do about the startup process: "recovery: cannot be signalled; end the transaction on the
 * primary", or, while it waits, "recovery waits; the server cancels its blocker within max_standby_streaming_delay
 * (30s)". Nothing for any other session. O(locks) for the startup process.
 */
void recovery_explain(const struct snapshot *snapshot, uint32_t session, struct strbuf *out);

/*
 * Appends "standby, no replay lag", "standby, replay 12s behind" or, where no WAL receiver tells what there is to be
 * replayed, "standby, no WAL receiver, replayed up to 2h04m ago"; just "standby" where it does not answer.
 */
void recovery_describe_standby(const struct server_info *server, struct strbuf *out);

#endif
