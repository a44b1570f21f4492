#include "graph_build.h"

#include <string.h>

/*
 * Lock groups that the sessions do not tell: of other roles' sessions one without pg_read_all_stats sees neither type
 * nor leader. But answers of pg_blocking_pids() name leaders only, and the lock table names the workers themselves. So
 * who stands in the way of a waiter (holds what conflicts with its request; or awaits it, and does not name the waiter
 * either) and is not named in the answer about it, is a worker of somebody who is named there.
 */

struct finding {
	struct graph_build *build;
	const struct graph *graph; /* as it is when every session whose leader is not known leads itself */
	uint32_t *answer_of; /* by session: index into snapshot.answers, GRAPH_NONE */
	bool found;
};

static bool names(const struct queue_answer *answer, int32_t pid)
{
	uint32_t low = 0, high = answer->blocker_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (answer->blockers[middle] < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < answer->blocker_count && answer->blockers[low] == pid;
}

static const struct queue_answer *answer_about(const struct finding *finding, uint32_t session)
{
	uint32_t answer = finding->answer_of[session];
	return answer == GRAPH_NONE ? NULL : &finding->build->snapshot->answers[answer];
}

static bool same_answer(const struct queue_answer *a, const struct queue_answer *b)
{
	return a->blocker_count == b->blocker_count &&
	       (a->blocker_count == 0 || memcmp(a->blockers, b->blockers, a->blocker_count * sizeof *a->blockers) == 0);
}

/* A worker runs in its leader's database and for its role; no answer about a group names the group's own leader. */
static bool may_lead(const struct finding *finding, uint32_t leader, uint32_t worker)
{
	const struct session *sessions = finding->build->snapshot->sessions;
	const struct queue_answer *of_worker = answer_about(finding, worker);
	const struct queue_answer *of_leader = answer_about(finding, leader);
	if (leader == worker || sessions[leader].datid != sessions[worker].datid ||
	    sessions[leader].usesysid != sessions[worker].usesysid)
		return false;
	if (of_worker && names(of_worker, sessions[leader].id.pid))
		return false;
	return !of_worker || !of_leader || same_answer(of_worker, of_leader);
}

/* Of those named in the answer the one that may be the worker's leader; rather with the snapshot's xmin that it has. */
static uint32_t choose_leader(const struct finding *finding, const struct queue_answer *answer, uint32_t worker)
{
	const struct snapshot *snapshot = finding->build->snapshot;
	uint32_t chosen = GRAPH_NONE;
	for (uint32_t i = 0; i < answer->blocker_count; i++) {
		uint32_t leader = snapshot_find_pid(snapshot, answer->blockers[i]);
		if (leader == SNAPSHOT_NO_INDEX || !may_lead(finding, leader, worker))
			continue;
		if (snapshot->sessions[leader].backend_xmin == snapshot->sessions[worker].backend_xmin)
			return leader;
		if (chosen == GRAPH_NONE)
			chosen = leader;
	}
	return chosen;
}

/* Two who hold at once what conflicts are of one group. */
static bool shares_exclusive(const struct finding *finding, const struct graph_proc *proc)
{
	const struct graph *graph = finding->graph;
	const struct graph_lock *lock = &graph->locks[proc->lock];
	for (uint32_t i = lock->first_proc; i < lock->first_proc + lock->proc_count; i++)
		if (&graph->procs[i] != proc && (graph->procs[i].held & LOCKMODE_BIT(LOCKMODE_ACCESS_EXCLUSIVE)))
			return true;
	return false;
}

/*
 * Workers write nothing and define nothing: they lock no rows, and tables only as a scan, an index build and VACUUM do.
 * The index that is built they hold as their leader does (_bt_parallel_build_main).
 */
static bool may_be_worker(const struct finding *finding, const struct graph_proc *proc)
{
	enum locktag_kind kind = finding->graph->locks[proc->lock].tag->kind;
	uint16_t exclusive = LOCKMODE_BIT(LOCKMODE_ACCESS_EXCLUSIVE);
	uint16_t strong = LOCKMODE_BIT(LOCKMODE_SHARE_ROW_EXCLUSIVE) | LOCKMODE_BIT(LOCKMODE_EXCLUSIVE) | exclusive;
	if (kind == LOCKTAG_TRANSACTIONID || kind == LOCKTAG_TUPLE)
		return false;
	if (kind != LOCKTAG_RELATION || !((proc->held | proc->wanted) & strong))
		return true;
	return (proc->held & exclusive) && shares_exclusive(finding, proc);
}

/* Whether a process is in the waiter's way without being named for it. */
static bool is_unnamed(const struct finding *finding, const struct graph_proc *proc, const struct graph_wait *wait,
		       const struct queue_answer *answer)
{
	const struct session *sessions = finding->build->snapshot->sessions;
	uint32_t session = finding->graph->nodes[proc->node].session;
	uint16_t conflicts = lockmode_conflicts(wait->mode);
	if (session == SNAPSHOT_NO_INDEX || sessions[session].leader_known || proc->node == wait->node ||
	    !may_be_worker(finding, proc) || names(answer, sessions[session].id.pid))
		return false;
	if (proc->held & conflicts)
		return true;
	const struct queue_answer *own = answer_about(finding, session);
	return (proc->wanted & conflicts) && own && !names(own, sessions[wait->session].id.pid);
}

static void look_at_wait(struct finding *finding, const struct graph_wait *wait)
{
	const struct graph *graph = finding->graph;
	const struct graph_lock *lock = &graph->locks[wait->lock];
	const struct queue_answer *answer = answer_about(finding, wait->session);
	if (!answer)
		return;
	for (uint32_t i = lock->first_proc; i < lock->first_proc + lock->proc_count; i++) {
		if (!is_unnamed(finding, &graph->procs[i], wait, answer))
			continue;
		uint32_t worker = graph->nodes[graph->procs[i].node].session;
		uint32_t leader = choose_leader(finding, answer, worker);
		if (leader == GRAPH_NONE || finding->build->leaders[worker] != worker ||
		    finding->build->leaders[leader] != leader)
			continue;
		finding->build->leaders[worker] = leader;
		finding->found = true;
	}
}

/* Whoever is named leads itself. */
static void settle_named(struct graph_build *build)
{
	const struct snapshot *snapshot = build->snapshot;
	for (uint32_t i = 0; i < snapshot->answer_count; i++)
		for (uint32_t j = 0; j < snapshot->answers[i].blocker_count; j++) {
			uint32_t session = snapshot_find_pid(snapshot, snapshot->answers[i].blockers[j]);
			if (session != SNAPSHOT_NO_INDEX)
				build->leaders[session] = session;
		}
}

bool graph_find_groups(struct graph_build *build)
{
	const struct snapshot *snapshot = build->snapshot;
	struct finding finding = { .build = build, .graph = build->graph };
	bool all_known = true;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		all_known &= snapshot->sessions[i].leader_known;
	if (all_known || snapshot->answer_count == 0)
		return false;
	finding.answer_of = graph_answers_by_session(build);
	for (uint32_t i = 0; i < build->graph->wait_count; i++)
		look_at_wait(&finding, &build->graph->waits[i]);
	settle_named(build);
	return finding.found;
}
