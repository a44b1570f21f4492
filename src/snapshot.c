#include "pglocktop/snapshot.h"

#include "pids.h"
#include "snapshot_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* While it is being built: the capacities behind the arrays. */
struct snapshot_builder {
	struct snapshot snapshot; /* first: a snapshot pointer is a pointer to its builder */
	size_t session_capacity, lock_capacity, prepared_capacity, progress_capacity;
};

struct snapshot *snapshot_new(struct arena *arena)
{
	struct snapshot_builder *builder = arena_alloc(arena, sizeof *builder);
	struct snapshot *snapshot = &builder->snapshot;
	snapshot->arena = arena;
	snapshot->taken_at = WHEN_NONE;
	snapshot->source_started_at = WHEN_NONE;
	snapshot->server.replay_lag = WHEN_NONE;
	snapshot->server.max_standby_delay = WHEN_NONE;
	snapshot->server.started_at = WHEN_NONE;
	snapshot->server.deadlock_timeout = WHEN_NONE;
	snapshot->deadlocks = -1;
	snapshot->deadlocks_at_start = -1;
	return snapshot;
}

void snapshot_reserve(struct snapshot *snapshot, uint32_t sessions, uint32_t locks)
{
	struct snapshot_builder *builder = (struct snapshot_builder *)snapshot;
	snapshot->sessions = arena_grow(snapshot->arena, snapshot->sessions, &builder->session_capacity, sessions,
					sizeof *snapshot->sessions);
	snapshot->locks =
		arena_grow(snapshot->arena, snapshot->locks, &builder->lock_capacity, locks, sizeof *snapshot->locks);
}

static void *grow(struct snapshot *snapshot, void *array, size_t *capacity, size_t count, size_t size)
{
	ensure(count < SNAPSHOT_NO_INDEX - 1);
	return arena_grow(snapshot->arena, array, capacity, count + 1, size);
}

void snapshot_add_session(struct snapshot *snapshot, const struct session *session)
{
	struct snapshot_builder *builder = (struct snapshot_builder *)snapshot;
	snapshot->sessions = grow(snapshot, snapshot->sessions, &builder->session_capacity, snapshot->session_count,
				  sizeof *session);
	snapshot->sessions[snapshot->session_count++] = *session;
}

void snapshot_add_lock(struct snapshot *snapshot, const struct lock *lock)
{
	struct snapshot_builder *builder = (struct snapshot_builder *)snapshot;
	snapshot->locks = grow(snapshot, snapshot->locks, &builder->lock_capacity, snapshot->lock_count, sizeof *lock);
	struct lock *added = &snapshot->locks[snapshot->lock_count++];
	*added = *lock;
	added->session = SNAPSHOT_NO_INDEX;
	added->prepared = SNAPSHOT_NO_INDEX;
}

void snapshot_add_prepared(struct snapshot *snapshot, const struct prepared *prepared)
{
	struct snapshot_builder *builder = (struct snapshot_builder *)snapshot;
	snapshot->prepared = grow(snapshot, snapshot->prepared, &builder->prepared_capacity, snapshot->prepared_count,
				  sizeof *prepared);
	snapshot->prepared[snapshot->prepared_count++] = *prepared;
}

void snapshot_add_progress(struct snapshot *snapshot, const struct progress *progress)
{
	struct snapshot_builder *builder = (struct snapshot_builder *)snapshot;
	snapshot->progress = grow(snapshot, snapshot->progress, &builder->progress_capacity, snapshot->progress_count,
				  sizeof *progress);
	snapshot->progress[snapshot->progress_count++] = *progress;
}

static int compare_int64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* A pid that shows twice was given to a new process between two entries: the younger one goes first, and stays. */
static int compare_sessions(const void *left, const void *right)
{
	const struct session *a = left, *b = right;
	int order = compare_int64(a->id.pid, b->id.pid);
	return order ? order : compare_int64(b->id.backend_start, a->id.backend_start);
}

static int compare_prepared(const void *left, const void *right)
{
	const struct prepared *a = left, *b = right;
	return compare_int64(a->xid, b->xid);
}

static void sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count > 1)
		qsort(array, count, size, compare);
}

static void sort_sessions(struct snapshot *snapshot)
{
	struct session *sessions = snapshot->sessions;
	sort(sessions, snapshot->session_count, sizeof *sessions, compare_sessions);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (kept == 0 || sessions[kept - 1].id.pid != sessions[i].id.pid)
			sessions[kept++] = sessions[i];
	snapshot->session_count = kept;
}

uint32_t snapshot_find_pid(const struct snapshot *snapshot, int32_t pid)
{
	uint32_t low = 0, high = snapshot->session_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (snapshot->sessions[middle].id.pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < snapshot->session_count && snapshot->sessions[low].id.pid == pid;
	return found ? low : SNAPSHOT_NO_INDEX;
}

static struct session unlisted_session(int32_t pid)
{
	return (struct session){
		.id = { pid, WHEN_NONE },
		.xact_start = WHEN_NONE,
		.query_start = WHEN_NONE,
		.state_change = WHEN_NONE,
		.state = SESSION_HIDDEN,
		.may = MAY_NOT_GONE,
	};
}

/* The pids alone, which stay in the processor's cache while a hundred thousand locks look theirs up. */
static const int32_t *list_pids(const struct snapshot *snapshot)
{
	int32_t *pids = arena_array(snapshot->arena, snapshot->session_count, sizeof *pids);
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		pids[i] = snapshot->sessions[i].id.pid;
	return pids;
}

/* Returns how many locks have a pid that no session has. */
static uint32_t connect_sessions(struct snapshot *snapshot)
{
	const int32_t *pids = list_pids(snapshot);
	uint32_t unlisted = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		struct lock *lock = &snapshot->locks[i];
		if (lock->pid == 0)
			continue;
		uint32_t session = pids_find(pids, snapshot->session_count, lock->pid);
		lock->session = session == PIDS_NONE ? SNAPSHOT_NO_INDEX : session;
		unlisted += session == PIDS_NONE;
	}
	return unlisted;
}

/* A lock's process without an activity row came or went between the two readings; before 18 it may be logging in. */
static void add_unlisted(struct snapshot *snapshot, uint32_t locks)
{
	int32_t *pids = arena_array(snapshot->arena, locks, sizeof *pids);
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++)
		if (snapshot->locks[i].pid != 0 && snapshot->locks[i].session == SNAPSHOT_NO_INDEX)
			pids[count++] = snapshot->locks[i].pid;
	count = pids_sort_distinct(pids, count);
	for (uint32_t i = 0; i < count; i++) {
		struct session session = unlisted_session(pids[i]);
		snapshot_add_session(snapshot, &session);
	}
	sort_sessions(snapshot);
}

static uint32_t find_xid(const struct snapshot *snapshot, uint32_t xid)
{
	struct prepared key = { .xid = xid };
	const struct prepared *found = NULL;
	if (snapshot->prepared_count > 0)
		found = bsearch(&key, snapshot->prepared, snapshot->prepared_count, sizeof key, compare_prepared);
	return found ? (uint32_t)(found - snapshot->prepared) : SNAPSHOT_NO_INDEX;
}

/* Which virtualtransaction stands for which prepared transaction. */
struct vxid_owner {
	const char *virtualtransaction;
	uint32_t prepared;
};

static int compare_owners(const void *left, const void *right)
{
	const struct vxid_owner *a = left, *b = right;
	return strcmp(a->virtualtransaction, b->virtualtransaction);
}

/* Holding a transaction's own xid exclusively is what only that transaction does. */
static bool holds_own_xid(const struct lock *lock)
{
	return lock->pid == 0 && lock->granted && lock->mode == LOCKMODE_EXCLUSIVE && lock->virtualtransaction &&
	       lock->tag.kind == LOCKTAG_TRANSACTIONID;
}

static uint32_t collect_owners(struct snapshot *snapshot, struct vxid_owner *owners)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->lock_count && count < snapshot->prepared_count; i++) {
		const struct lock *lock = &snapshot->locks[i];
		if (!holds_own_xid(lock))
			continue;
		uint32_t prepared = find_xid(snapshot, lock->tag.transactionid);
		if (prepared == SNAPSHOT_NO_INDEX)
			continue;
		snapshot->prepared[prepared].virtualtransaction = lock->virtualtransaction;
		owners[count++] = (struct vxid_owner){ lock->virtualtransaction, prepared };
	}
	sort(owners, count, sizeof *owners, compare_owners);
	return count;
}

static int compare_progress(const void *left, const void *right)
{
	const struct progress *a = left, *b = right;
	return compare_int64(a->pid, b->pid);
}

/* A process runs one such command at a time. */
static void connect_progress(struct snapshot *snapshot)
{
	sort(snapshot->progress, snapshot->progress_count, sizeof *snapshot->progress, compare_progress);
	for (uint32_t i = 0; i < snapshot->progress_count; i++) {
		uint32_t session = snapshot_find_pid(snapshot, snapshot->progress[i].pid);
		if (session != SNAPSHOT_NO_INDEX)
			snapshot->sessions[session].progress = &snapshot->progress[i];
	}
}

static void connect_prepared(struct snapshot *snapshot)
{
	sort(snapshot->prepared, snapshot->prepared_count, sizeof *snapshot->prepared, compare_prepared);
	struct vxid_owner *owners = arena_array(snapshot->arena, snapshot->prepared_count, sizeof *owners);
	uint32_t count = collect_owners(snapshot, owners);
	if (count == 0)
		return;
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		struct lock *lock = &snapshot->locks[i];
		if (lock->pid != 0 || !lock->virtualtransaction)
			continue;
		struct vxid_owner key = { lock->virtualtransaction, 0 };
		const struct vxid_owner *owner = bsearch(&key, owners, count, sizeof key, compare_owners);
		if (owner)
			lock->prepared = owner->prepared;
	}
}

/* On a standby nobody else gets an AccessExclusiveLock, and it has neither a role nor a database. */
static bool must_be_startup(const struct snapshot *snapshot, const struct lock *lock)
{
	if (lock->mode != LOCKMODE_ACCESS_EXCLUSIVE || lock->session == SNAPSHOT_NO_INDEX)
		return false;
	const struct session *session = &snapshot->sessions[lock->session];
	return session->listed && !session->backend_type && session->usesysid == 0 && session->datid == 0;
}

static void find_startup(struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		struct session *session = &snapshot->sessions[i];
		session->is_startup = session->backend_type && strcmp(session->backend_type, "startup") == 0;
	}
	if (!snapshot->server.in_recovery)
		return;
	for (uint32_t i = 0; i < snapshot->lock_count; i++)
		if (must_be_startup(snapshot, &snapshot->locks[i]))
			snapshot->sessions[snapshot->locks[i].session].is_startup = true;
}

void snapshot_finish(struct snapshot *snapshot)
{
	sort_sessions(snapshot);
	uint32_t unlisted = connect_sessions(snapshot);
	if (unlisted > 0) {
		add_unlisted(snapshot, unlisted);
		connect_sessions(snapshot);
	}
	find_startup(snapshot);
	snapshot_find_groups(snapshot);
	connect_prepared(snapshot);
	connect_progress(snapshot);
}

uint32_t snapshot_find(const struct snapshot *snapshot, struct identity id)
{
	uint32_t index = snapshot_find_pid(snapshot, id.pid);
	if (index == SNAPSHOT_NO_INDEX || !identity_equal(snapshot->sessions[index].id, id))
		return SNAPSHOT_NO_INDEX;
	return index;
}

static int compare_relations(const void *left, const void *right)
{
	const struct relation_name *a = left, *b = right;
	int order = compare_int64(a->database, b->database);
	return order ? order : compare_int64(a->oid, b->oid);
}

static int compare_safe_pids(const void *left, const void *right)
{
	const struct safe_snapshot *a = left, *b = right;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

const struct safe_snapshot *snapshot_find_safe(const struct snapshot *snapshot, uint32_t session)
{
	struct safe_snapshot key = { .pid = snapshot->sessions[session].id.pid };
	if (snapshot->safe_snapshot_count == 0)
		return NULL;
	return bsearch(&key, snapshot->safe_snapshots, snapshot->safe_snapshot_count, sizeof key, compare_safe_pids);
}

const struct relation_name *snapshot_find_relation(const struct snapshot *snapshot, uint32_t database, uint32_t oid)
{
	struct relation_name key = { .database = database, .oid = oid };
	if (snapshot->relation_count == 0)
		return NULL;
	return bsearch(&key, snapshot->relations, snapshot->relation_count, sizeof key, compare_relations);
}
