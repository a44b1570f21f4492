/*
 * waitevent.h - waits that are for no heavyweight lock, in words: why a session does not go on though nobody blocks it.
 *
 * One table of wait events (pg_stat_activity.wait_event_type and wait_event), with the versions that have them, in the
 * words of the field. Whom such a wait is for is told where the server tells it (a safe snapshot), presumed where it
 * can be narrowed down (a recovery conflict over old snapshots), and said not to be known otherwise. None of these is
 * an edge of the wait-for graph: pg_blocking_pids() knows nothing of them.
 */
#ifndef PGLOCKTOP_WAITEVENT_H
#define PGLOCKTOP_WAITEVENT_H

#include "pglocktop/frame.h"
#include "pglocktop/strbuf.h"

/* It shows that it waits for a heavyweight lock; one that looks for deadlocks just now does not (ProcSleep in proc.c).
 */
bool waitevent_is_lock(const struct session *session);

/* A SERIALIZABLE READ ONLY DEFERRABLE transaction that waits for a snapshot in which it cannot fail. */
bool waitevent_is_safe_snapshot(const struct session *session);

/* A COMMIT that waits for a synchronous standby. */
bool waitevent_is_unconfirmed(const struct session *session);

/* A standby's startup process that waits for sessions in its way, but for no lock of theirs. */
bool waitevent_is_conflict(const struct session *session);

/*
 * Appends what the session waits for by its wait event: "standby to confirm (synchronous_standby_names)", "safe
 * snapshot (8008, 8009)" with those whose transactions must end first, "old snapshots (8008?)" with those whom recovery
 * presumably waits for, "client", "buffer pin (holder unknown)"; the event itself where the table has
 * no words for it, "IO/DataFileRead". Nothing for one that waits for a heavyweight lock, that is idle outside of a
 * transaction, that has no wait event, or a background process without anything to do. Hostile, as extensions name
 * events.
 */
void waitevent_describe(const struct snapshot *snapshot, uint32_t session, struct strbuf *out);

/* A sentence on what that means and what can be done; NULL: there is nothing to add to the words. */
const char *waitevent_explain(const struct snapshot *snapshot, uint32_t session);

/*
 * Whether a session is shown along with the tree, though it is not in the wait-for graph: it waits for a safe snapshot,
 * or is recovery that waits for sessions, and neither waits for a lock nor holds what others wait for.
 */
bool waitevent_is_beside_tree(const struct frame *frame, uint32_t session);

/* Whether the tree view has a line for a session: in the tree or beside it. */
bool waitevent_is_shown(const struct frame *frame, uint32_t session);

#endif
