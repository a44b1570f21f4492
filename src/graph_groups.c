#include "graph_build.h"

#include "pids.h"

#include <string.h>

/*
 * Lock groups that the sessions do not tell: of other roles' sessions one without pg_read_all_stats sees neither type
 * nor leader, and of a worker that has ended since there is nothing to see. But answers of pg_blocking_pids() name
 * leaders only, and the lock table names the workers themselves. So whom an answer names leads itself; and who stands
 * in the way of a waiter (holds what conflicts with its request; or awaits it, and does not name the waiter either) and
 * is not named in the answer about it, is a worker of somebody who is named there.
 *
 * If only one of those can be the leader, it is certain of a process that has waited, too, since before it was asked:
 * what it holds it held then. One that runs may have got it later, and be nobody's worker. Of several that can be none
 * is chosen.
 */

struct finding {
	struct graph_build *build;
	const struct graph *graph; /* as it is when every session whose leader is not known leads itself */
	uint32_t *answer_of; /* by session: index into snapshot.answers, GRAPH_NONE */
	uint32_t *candidate; /* by session: who leads it by the answers read so far, GRAPH_NONE */
	bool *contested; /* by session: not all answers say the same */
	bool found;
};

static bool names(const struct queue_answer *answer, int32_t pid)
{
	return pids_find(answer->blockers, answer->blocker_count, pid) != PIDS_NONE;
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

/* A worker has its leader's snapshot or a later one, as long as it lives (ProcArrayInstallRestoredXmin). */
static bool may_have_snapshot_of(const struct session *worker, const struct session *leader)
{
	if (worker->backend_xmin == 0)
		return true;
	return leader->backend_xmin != 0 && (int32_t)(leader->backend_xmin - worker->backend_xmin) <= 0;
}

/* A worker runs in its leader's database and for its role; no answer about a group names the group's own leader. */
static bool may_lead(const struct finding *finding, uint32_t leader, uint32_t worker)
{
	const struct session *sessions = finding->build->snapshot->sessions;
	const struct queue_answer *of_worker = answer_about(finding, worker);
	const struct queue_answer *of_leader = answer_about(finding, leader);
	if (leader == worker || sessions[leader].datid != sessions[worker].datid ||
	    sessions[leader].usesysid != sessions[worker].usesysid ||
	    !may_have_snapshot_of(&sessions[worker], &sessions[leader]))
		return false;
	if (of_worker && names(of_worker, sessions[leader].id.pid))
		return false;
	return !of_worker || !of_leader || same_answer(of_worker, of_leader);
}

/* The only one of those named in the answer that may be the worker's leader; GRAPH_NONE: there is none, or several. */
static uint32_t find_leader(const struct finding *finding, const struct queue_answer *answer, uint32_t worker)
{
	const struct snapshot *snapshot = finding->build->snapshot;
	uint32_t only = GRAPH_NONE;
	for (uint32_t i = 0; i < answer->blocker_count; i++) {
		uint32_t leader = snapshot_find_pid(snapshot, answer->blockers[i]);
		if (leader == SNAPSHOT_NO_INDEX || !may_lead(finding, leader, worker))
			continue;
		if (only != GRAPH_NONE)
			return GRAPH_NONE;
		only = leader;
	}
	return only;
}

/* Whether a process is in the waiter's way without being named for it. */
static bool is_unnamed(const struct finding *finding, const struct graph_proc *proc, const struct graph_wait *wait,
		       const struct queue_answer *answer)
{
	const struct graph *graph = finding->graph;
	const struct session *sessions = finding->build->snapshot->sessions;
	uint32_t session = graph->nodes[proc->node].session;
	uint16_t conflicts = lockmode_conflicts(wait->mode);
	if (session == SNAPSHOT_NO_INDEX || finding->build->group_known[session] || !sessions[session].listed ||
	    proc->node == wait->node || names(answer, sessions[session].id.pid))
		return false;
	if (proc->held & conflicts)
		return true;
	const struct queue_answer *own = answer_about(finding, session);
	uint32_t waiter = graph->nodes[wait->node].session;
	return (proc->wanted & conflicts) && own && !names(own, sessions[waiter].id.pid);
}

/* What an answer about one that may be a worker itself leaves out may be its own group. */
static void look_at_wait(struct finding *finding, const struct graph_wait *wait)
{
	const struct graph *graph = finding->graph;
	const struct graph_lock *lock = &graph->locks[wait->lock];
	const struct queue_answer *answer = answer_about(finding, wait->session);
	if (!answer || !finding->build->group_known[wait->session])
		return;
	for (uint32_t i = lock->first_proc; i < lock->first_proc + lock->proc_count; i++) {
		if (!is_unnamed(finding, &graph->procs[i], wait, answer))
			continue;
		uint32_t worker = graph->nodes[graph->procs[i].node].session;
		uint32_t leader = find_leader(finding, answer, worker);
		uint32_t *candidate = &finding->candidate[worker];
		if (leader == GRAPH_NONE)
			continue;
		finding->contested[worker] |= *candidate != GRAPH_NONE && *candidate != leader;
		*candidate = leader;
	}
}

/* Whoever is named leads itself. */
static void settle_named(struct finding *finding)
{
	struct graph_build *build = finding->build;
	const struct snapshot *snapshot = build->snapshot;
	for (uint32_t i = 0; i < snapshot->answer_count; i++)
		for (uint32_t j = 0; j < snapshot->answers[i].blocker_count; j++) {
			uint32_t session = snapshot_find_pid(snapshot, snapshot->answers[i].blockers[j]);
			if (session == SNAPSHOT_NO_INDEX || build->group_known[session])
				continue;
			build->group_known[session] = true;
			finding->found = true;
		}
}

static void settle_candidates(struct finding *finding)
{
	struct graph_build *build = finding->build;
	for (uint32_t i = 0; i < build->snapshot->session_count; i++) {
		if (finding->candidate[i] == GRAPH_NONE || finding->contested[i])
			continue;
		build->leaders[i] = finding->candidate[i];
		build->group_known[i] = answer_about(finding, i) != NULL;
		finding->found = true;
	}
}

bool graph_find_groups(struct graph_build *build)
{
	const struct snapshot *snapshot = build->snapshot;
	struct finding finding = { .build = build, .graph = build->graph };
	bool all_known = true;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		all_known &= build->group_known[i];
	if (all_known || snapshot->answer_count == 0)
		return false;
	finding.answer_of = graph_answers_by_session(build);
	finding.candidate = arena_array(build->scratch, snapshot->session_count, sizeof *finding.candidate);
	finding.contested = arena_array(build->scratch, snapshot->session_count, sizeof *finding.contested);
	memset(finding.candidate, 0xff, snapshot->session_count * sizeof *finding.candidate);
	settle_named(&finding);
	for (uint32_t i = 0; i < build->graph->wait_count; i++)
		look_at_wait(&finding, &build->graph->waits[i]);
	settle_candidates(&finding);
	return finding.found;
}
