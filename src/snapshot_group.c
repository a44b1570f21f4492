#include "snapshot_group.h"

#include <stdlib.h>
#include <string.h>

/*
 * From 13 on the server says who leads a worker, as long as the worker lives: of one that has ended since its row was
 * copied neither its leader nor, on every version, its type is there any more (pg_stat_get_activity looks both up
 * anew). But the leader follows from the transaction's start, too: a worker runs with that of its leader, to the
 * microsecond (SetParallelStartTimestamps; since 10.6 and 11.1), in the same database and with the same login role. The
 * leader cannot begin another transaction while it has workers. So one session alone that has the same three is the
 * leader; of several the one with the same start of the statement; else nobody is.
 */

enum { V11 = 110000 };

static bool has_type(const struct session *session, const char *type)
{
	return session->backend_type && strcmp(session->backend_type, type) == 0;
}

/*
 * 10 calls every background worker just that. But a process that is younger than its own transaction has it from
 * somebody else; and one that has none may have had.
 */
static bool is_worker(const struct snapshot *snapshot, const struct session *session)
{
	if (has_type(session, "parallel worker"))
		return true;
	return snapshot->server.version_num < V11 && has_type(session, "background worker") &&
	       (session->xact_start == WHEN_NONE || session->xact_start < session->id.backend_start);
}

static int compare_words(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare_transactions(const struct session *a, const struct session *b)
{
	int order = compare_words(a->xact_start, b->xact_start);
	if (!order)
		order = compare_words(a->datid, b->datid);
	return order ? order : compare_words(a->usesysid, b->usesysid);
}

static int compare_statements(const struct session *a, const struct session *b)
{
	int order = compare_transactions(a, b);
	return order ? order : compare_words(a->query_start, b->query_start);
}

static int compare_leaders(const void *left, const void *right)
{
	return compare_statements(*(const struct session *const *)left, *(const struct session *const *)right);
}

/* Those that may lead workers, by their transactions and statements. */
struct leaders {
	const struct session **sessions;
	uint32_t count;
};

static struct leaders list_leaders(const struct snapshot *snapshot)
{
	struct leaders leaders = { arena_array(snapshot->arena, snapshot->session_count, sizeof(void *)), 0 };
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		if (session->xact_start != WHEN_NONE && session->backend_type && !is_worker(snapshot, session))
			leaders.sessions[leaders.count++] = session;
	}
	if (leaders.count > 1)
		qsort(leaders.sessions, leaders.count, sizeof *leaders.sessions, compare_leaders);
	return leaders;
}

/* The one leader that compares equal to the worker; NULL: none, or several. */
static const struct session *find_only(const struct leaders *leaders, const struct session *worker,
				       int (*compare)(const struct session *, const struct session *))
{
	uint32_t low = 0, high = leaders->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (compare(leaders->sessions[middle], worker) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == leaders->count || compare(leaders->sessions[low], worker) != 0)
		return NULL;
	bool several = low + 1 < leaders->count && compare(leaders->sessions[low + 1], worker) == 0;
	return several ? NULL : leaders->sessions[low];
}

static const struct session *find_leader(const struct leaders *leaders, const struct session *worker)
{
	if (worker->xact_start == WHEN_NONE)
		return NULL;
	const struct session *leader = find_only(leaders, worker, compare_transactions);
	return leader ? leader : find_only(leaders, worker, compare_statements);
}

static void find_by_transaction(struct snapshot *snapshot)
{
	struct leaders leaders = list_leaders(snapshot);
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		struct session *worker = &snapshot->sessions[i];
		const struct session *leader = worker->leader_known ? NULL : find_leader(&leaders, worker);
		if (!leader)
			continue;
		worker->leader = (uint32_t)(leader - snapshot->sessions);
		worker->leader_known = true;
	}
}

/* From 16 on leader_pid is set for apply workers, too, which are in no lock group: the type decides. */
static void ask_server(struct snapshot *snapshot, uint32_t index)
{
	struct session *session = &snapshot->sessions[index];
	session->leader = index;
	if (!session->backend_type) {
		/* Hidden, ended, or not listed. A worker has no transaction id of its own. */
		session->leader_known = session->is_startup || session->backend_xid != 0;
		return;
	}
	if (!is_worker(snapshot, session)) {
		session->leader_known = true;
		return;
	}
	uint32_t leader = session->leader_pid ? snapshot_find_pid(snapshot, session->leader_pid) : SNAPSHOT_NO_INDEX;
	session->leader_known = leader != SNAPSHOT_NO_INDEX;
	if (session->leader_known)
		session->leader = leader;
}

/*
 * Workers write nothing and define nothing: they lock no rows, and tables only as a scan, an index build and VACUUM do.
 * The index that is built they hold exclusively, as their leader does, and do not wait for it
 * (_bt_parallel_build_main).
 */
static bool is_beyond_workers(const struct lock *lock)
{
	if (lock->tag.kind == LOCKTAG_TRANSACTIONID || lock->tag.kind == LOCKTAG_TUPLE)
		return lock->mode != LOCKMODE_SIREAD;
	if (lock->tag.kind != LOCKTAG_RELATION)
		return false;
	return lock->mode == LOCKMODE_SHARE_ROW_EXCLUSIVE || lock->mode == LOCKMODE_EXCLUSIVE ||
	       (lock->mode == LOCKMODE_ACCESS_EXCLUSIVE && !lock->granted);
}

static void find_by_locks(struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		const struct lock *lock = &snapshot->locks[i];
		if (lock->session == SNAPSHOT_NO_INDEX)
			continue;
		struct session *session = &snapshot->sessions[lock->session];
		if (!session->leader_known && !session->backend_type && is_beyond_workers(lock))
			session->leader_known = true;
	}
}

void snapshot_find_groups(struct snapshot *snapshot)
{
	bool all_known = true;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		ask_server(snapshot, i);
		all_known &= snapshot->sessions[i].leader_known;
	}
	if (all_known)
		return;
	find_by_transaction(snapshot);
	find_by_locks(snapshot);
}
