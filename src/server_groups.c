/*
 * Whose worker it was, remembered from one reading to the next. A parallel query that ends between the reading of the
 * locks and that of the sessions leaves locks of processes that are not listed any more. A virtual transaction id is
 * given but once while a server runs, and a worker has one transaction: if its leader was known when the same virtual
 * transaction was read before, it is known now.
 */
#include "server_private.h"

#include "pglocktop/heap.h"

#include <stdlib.h>
#include <string.h>

static int compare_members(const void *left, const void *right)
{
	const struct group_member *a = left, *b = right;
	return strcmp(a->virtualtransaction, b->virtualtransaction);
}

/*
 * A process that ends its transaction takes itself out of the running ones before it lets go of its locks
 * (ProcArrayEndTransaction): then they show a local transaction 0, as do those of the next process in its place.
 */
static bool names_transaction(const struct lock *lock)
{
	const char *local = lock->virtualtransaction ? strchr(lock->virtualtransaction, '/') : NULL;
	return local && strcmp(local, "/0") != 0;
}

static void add_member(struct server_groups *groups, const char *virtualtransaction, struct identity leader)
{
	struct group_member member = { .leader = leader };
	snprintf(member.virtualtransaction, sizeof member.virtualtransaction, "%s", virtualtransaction);
	groups->members = heap_grow(groups->members, &groups->capacity, groups->count + 1, sizeof member);
	groups->members[groups->count++] = member;
}

void groups_recall(const struct server_groups *groups, struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->lock_count && groups->count > 0; i++) {
		const struct lock *lock = &snapshot->locks[i];
		struct group_member key = { 0 };
		if (lock->session == SNAPSHOT_NO_INDEX || snapshot->sessions[lock->session].leader_known ||
		    !names_transaction(lock))
			continue;
		snprintf(key.virtualtransaction, sizeof key.virtualtransaction, "%s", lock->virtualtransaction);
		const struct group_member *member =
			bsearch(&key, groups->members, groups->count, sizeof key, compare_members);
		uint32_t leader = member ? snapshot_find(snapshot, member->leader) : SNAPSHOT_NO_INDEX;
		if (leader == SNAPSHOT_NO_INDEX)
			continue;
		snapshot->sessions[lock->session].leader = leader;
		snapshot->sessions[lock->session].leader_known = true;
	}
}

static void list_workers(struct server_groups *groups, const struct snapshot *snapshot)
{
	groups->worker_count = 0;
	for (uint32_t i = 0; i < snapshot->session_count && groups->worker_count < WORKERS_REMEMBERED; i++)
		if (snapshot->sessions[i].leader != i)
			groups->workers[groups->worker_count++] = snapshot->sessions[i].id.pid;
}

void groups_remember(struct server_groups *groups, const struct snapshot *snapshot)
{
	groups->count = 0;
	list_workers(groups, snapshot);
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		const struct lock *lock = &snapshot->locks[i];
		const struct session *session =
			lock->session == SNAPSHOT_NO_INDEX ? NULL : &snapshot->sessions[lock->session];
		if (session && session->leader != lock->session && names_transaction(lock))
			add_member(groups, lock->virtualtransaction, snapshot->sessions[session->leader].id);
	}
	if (groups->count > 1)
		qsort(groups->members, groups->count, sizeof *groups->members, compare_members);
}

void groups_release(struct server_groups *groups)
{
	free(groups->members);
	*groups = (struct server_groups){ .members = NULL };
}
