#include "pglocktop/waitevent.h"

#include "pglocktop/recovery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { V12 = 120000, V13 = 130000, V14 = 140000, V17 = 170000 };

enum { MOST_PIDS = 4 };

#define STATE_BIT(state) (1u << (state))
#define IN_TRANSACTION (STATE_BIT(SESSION_IDLE_IN_TRANSACTION) | STATE_BIT(SESSION_IDLE_IN_TRANSACTION_ABORTED))

enum waitevent_kind { WAITEVENT_PLAIN, WAITEVENT_SAFE_SNAPSHOT, WAITEVENT_OLD_SNAPSHOTS };

struct waitevent {
	const char *type, *event; /* any case: 17 writes some otherwise than 16; a last '*' stands for anything */
	int since, before; /* server versions; 0: all that are supported */
	unsigned states; /* STATE_BITs of pg_stat_activity.state; 0: any */
	const char *words;
	const char *explained; /* NULL: the words say it all */
	enum waitevent_kind kind;
};

static const char remote_explained[] = "What it waits for happens in a session of another server, or of this one by "
				       "way of a connection: that may wait "
				       "for a lock itself, and a circle through it is a deadlock that no server sees.";

/*
 * wait_event_names.txt, before 17 wait_event.c, before 14 pgstat.c. An event that is not here is shown as it is: who
 * holds an LWLock or is busy with an I/O, no server tells.
 */
static const struct waitevent waitevents[] = {
	{ "IPC", "SafeSnapshot", 0, 0, 0, "safe snapshot",
	  "It is SERIALIZABLE READ ONLY DEFERRABLE: it goes on when the serializable transactions have ended that "
	  "could "
	  "make it fail.",
	  WAITEVENT_SAFE_SNAPSHOT },
	{ "IPC", "SyncRep", 0, 0, 0, "standby to confirm (synchronous_standby_names)",
	  "It has committed here and keeps its locks until a standby confirms: see pg_stat_replication. A cancel lets "
	  "it "
	  "go on with a warning; the standby may then lack what was committed.",
	  WAITEVENT_PLAIN },
	{ "Client", "WaitForStandbyConfirmation", V17, 0, 0, "standby to confirm (synchronized_standby_slots)", NULL,
	  WAITEVENT_PLAIN },
	{ "BufferPin", "*", 0, 0, 0, "buffer pin (holder unknown)",
	  "Another session uses a page that it wants to itself, and the server does not tell which. Often that is an "
	  "open "
	  "cursor, or a query whose client reads slowly.",
	  WAITEVENT_PLAIN },
	{ "Client", "ClientRead", 0, 0, IN_TRANSACTION, "client", NULL, WAITEVENT_PLAIN },
	{ "Client", "ClientRead", 0, 0, 0, "client: it sends nothing",
	  "It is amid a COPY, or a pipeline of statements, and the client sends nothing.", WAITEVENT_PLAIN },
	{ "Client", "ClientWrite", 0, 0, 0, "client: it does not read",
	  "The client does not fetch the result that it asked for.", WAITEVENT_PLAIN },
	{ "IPC", "ExecuteGather", 0, 0, 0, "its workers", NULL, WAITEVENT_PLAIN },
	{ "IPC", "BgWorkerStartup", 0, 0, 0, "its workers", NULL, WAITEVENT_PLAIN },
	{ "IPC", "BgWorkerShutdown", 0, 0, 0, "its workers", NULL, WAITEVENT_PLAIN },
	{ "IPC", "Parallel*", 0, 0, 0, "its workers", NULL, WAITEVENT_PLAIN },
	{ "IPC", "MessageQueue*", 0, 0, 0, "the other processes of its query", NULL, WAITEVENT_PLAIN },
	{ "IPC", "Hash*", 0, 0, 0, "the other processes of its query", NULL, WAITEVENT_PLAIN },
	{ "IPC", "AppendReady", V14, 0, 0, "a remote server (foreign tables)", remote_explained, WAITEVENT_PLAIN },
	{ "Extension", "Dblink*", V17, 0, 0, "a remote server (dblink)", remote_explained, WAITEVENT_PLAIN },
	{ "Extension", "PostgresFdw*", V17, 0, 0, "a remote server (postgres_fdw)", remote_explained, WAITEVENT_PLAIN },
	{ "Extension", "Extension", 0, V17, 0, "an extension (a remote server?)", remote_explained, WAITEVENT_PLAIN },
	{ "IPC", "CheckpointStart", V12, 0, 0, "a checkpoint to begin", NULL, WAITEVENT_PLAIN },
	{ "IPC", "CheckpointDone", V12, 0, 0, "a checkpoint to end", NULL, WAITEVENT_PLAIN },
	{ "IPC", "ProcSignalBarrier", V13, 0, 0, "every process to respond", NULL, WAITEVENT_PLAIN },
	{ "IPC", "BackendTermination", V14, 0, 0, "a backend to end", NULL, WAITEVENT_PLAIN },
	{ "IPC", "ReplicationSlotDrop", 0, 0, 0, "a replication slot to be free", NULL, WAITEVENT_PLAIN },
	{ "Timeout", "PgSleep", 0, 0, 0, "pg_sleep()", NULL, WAITEVENT_PLAIN },
	{ "Timeout", "VacuumDelay", V13, 0, 0, "its cost delay (vacuum_cost_delay)", NULL, WAITEVENT_PLAIN },
	{ "IPC", "RecoveryConflictSnapshot", V13, 0, 0, "old snapshots",
	  "The primary has removed rows that an old snapshot here may still see. The server does not tell whose: the "
	  "oldest is the likeliest.",
	  WAITEVENT_OLD_SNAPSHOTS },
	{ "IPC", "RecoveryConflictTablespace", V13, 0, 0, "temporary files in a dropped tablespace",
	  "A tablespace was dropped on the primary; the server does not tell which sessions use it here.",
	  WAITEVENT_PLAIN },
	{ "IPC", "RecoveryPause", V13, 0, 0, "recovery to be resumed (pg_wal_replay_resume)", NULL, WAITEVENT_PLAIN },
	{ "Activity", "RecoveryWalAll", 0, V13, 0, "WAL from the primary", NULL, WAITEVENT_PLAIN },
	{ "Activity", "RecoveryWalStream", V13, 0, 0, "WAL from the primary", NULL, WAITEVENT_PLAIN },
	{ "Activity", "RecoveryWalStream", 0, V13, 0, "more WAL", NULL, WAITEVENT_PLAIN },
	{ "Timeout", "RecoveryRetrieveRetryInterval", V13, 0, 0, "more WAL", NULL, WAITEVENT_PLAIN },
	{ "Timeout", "RecoveryApplyDelay", 0, 0, 0, "its delay (recovery_min_apply_delay)", NULL, WAITEVENT_PLAIN },
};

static bool matches(const char *pattern, const char *text)
{
	size_t length = strlen(pattern);
	if (length > 0 && pattern[length - 1] == '*')
		return strncasecmp(pattern, text, length - 1) == 0;
	return strcasecmp(pattern, text) == 0;
}

static bool is_of(const char *type, const struct session *session)
{
	return session->wait_event_type && strcasecmp(session->wait_event_type, type) == 0;
}

static bool is_event(const char *type, const char *event, const struct session *session)
{
	return is_of(type, session) && session->wait_event && strcasecmp(session->wait_event, event) == 0;
}

/* NULL: the table has no words for it. */
static const struct waitevent *find(const struct snapshot *snapshot, const struct session *session)
{
	int version = snapshot->server.version_num;
	if (!session->wait_event_type || !session->wait_event)
		return NULL;
	for (size_t i = 0; i < sizeof waitevents / sizeof *waitevents; i++) {
		const struct waitevent *at = &waitevents[i];
		if (is_of(at->type, session) && matches(at->event, session->wait_event) && version >= at->since &&
		    (at->before == 0 || version < at->before) &&
		    (at->states == 0 || at->states & STATE_BIT(session->state)))
			return at;
	}
	return NULL;
}

bool waitevent_is_lock(const struct session *session)
{
	return is_of("Lock", session);
}

bool waitevent_is_safe_snapshot(const struct session *session)
{
	return is_event("IPC", "SafeSnapshot", session);
}

bool waitevent_is_unconfirmed(const struct session *session)
{
	return is_event("IPC", "SyncRep", session);
}

bool waitevent_is_conflict(const struct session *session)
{
	return recovery_is_startup(session) &&
	       (is_event("IPC", "RecoveryConflictSnapshot", session) ||
		is_event("IPC", "RecoveryConflictTablespace", session) || is_of("BufferPin", session));
}

bool waitevent_is_beside_tree(const struct frame *frame, uint32_t index)
{
	const struct session *session = &frame->snapshot->sessions[index];
	return frame->graph->session_node[index] == GRAPH_NONE &&
	       (waitevent_is_safe_snapshot(session) || waitevent_is_conflict(session));
}

bool waitevent_is_shown(const struct frame *frame, uint32_t index)
{
	return frame->graph->session_node[index] != GRAPH_NONE || waitevent_is_beside_tree(frame, index);
}

/* " (8008, 8009 +3)"; 0 is a prepared transaction. `mark` goes behind each. */
static void add_pids(const int32_t *pids, uint32_t count, const char *mark, struct strbuf *out)
{
	for (uint32_t i = 0; i < count && i < MOST_PIDS; i++) {
		strbuf_add_string(out, i > 0 ? ", " : " (");
		if (pids[i] == 0)
			strbuf_printf(out, "2pc%s", mark);
		else
			strbuf_printf(out, "%" PRId32 "%s", pids[i], mark);
	}
	if (count > MOST_PIDS)
		strbuf_printf(out, " +%" PRIu32, count - MOST_PIDS);
	strbuf_add_char(out, ')');
}

static void add_safe_snapshot(const struct snapshot *snapshot, uint32_t session, struct strbuf *out)
{
	const struct safe_snapshot *safe = snapshot_find_safe(snapshot, session);
	if (!safe || safe->blocker_count == 0)
		return;
	add_pids(safe->blockers, safe->blocker_count, "", out);
}

/* Transaction ids go round: the difference tells which is older (transam.c, TransactionIdPrecedes). */
static bool has_older_snapshot(const struct session *a, const struct session *b)
{
	return (int32_t)(a->backend_xmin - b->backend_xmin) < 0;
}

/* The sessions of clients with the oldest snapshots, oldest first; how many have one at all. */
static uint32_t find_old_snapshots(const struct snapshot *snapshot, int32_t pids[static MOST_PIDS])
{
	uint32_t oldest[MOST_PIDS], count = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		if (session->backend_xmin == 0 || !session->is_client || session->may == MAY_NOT_OWN)
			continue;
		uint32_t at = count < MOST_PIDS ? count : MOST_PIDS;
		count++;
		for (; at > 0 && has_older_snapshot(session, &snapshot->sessions[oldest[at - 1]]); at--)
			if (at < MOST_PIDS)
				oldest[at] = oldest[at - 1];
		if (at < MOST_PIDS)
			oldest[at] = i;
	}
	for (uint32_t i = 0; i < count && i < MOST_PIDS; i++)
		pids[i] = snapshot->sessions[oldest[i]].id.pid;
	return count;
}

static void add_old_snapshots(const struct snapshot *snapshot, struct strbuf *out)
{
	int32_t pids[MOST_PIDS];
	uint32_t count = find_old_snapshots(snapshot, pids);
	if (count == 0)
		return;
	add_pids(pids, count, "?", out);
}

/* Whether its wait event is one at all: a background process' main loop and an idle session wait for work. */
static bool waits_for_something(const struct session *session)
{
	return session->wait_event_type && session->wait_event && session->state != SESSION_IDLE &&
	       !waitevent_is_lock(session);
}

void waitevent_describe(const struct snapshot *snapshot, uint32_t index, struct strbuf *out)
{
	const struct session *session = &snapshot->sessions[index];
	if (!waits_for_something(session))
		return;
	const struct waitevent *found = find(snapshot, session);
	if (!found && is_of("Activity", session))
		return;
	if (!found) {
		strbuf_printf(out, "%s/%s", session->wait_event_type, session->wait_event);
		return;
	}
	strbuf_add_string(out, found->words);
	if (found->kind == WAITEVENT_SAFE_SNAPSHOT)
		add_safe_snapshot(snapshot, index, out);
	else if (found->kind == WAITEVENT_OLD_SNAPSHOTS)
		add_old_snapshots(snapshot, out);
}

const char *waitevent_explain(const struct snapshot *snapshot, uint32_t index)
{
	const struct session *session = &snapshot->sessions[index];
	const struct waitevent *found = waits_for_something(session) ? find(snapshot, session) : NULL;
	return found ? found->explained : NULL;
}
