#include "graph_build.h"

#include <stdlib.h>
#include <string.h>

/*
 * The order of each queue, as far as a snapshot can tell: its waiters join one after the other, by waitstart, under the
 * rule of JoinWaitQueue (proc.c): who already holds something on the lock goes in front of the first waiter whose
 * request conflicts with that, everybody else to the tail. What answers of pg_blocking_pids() say is applied after.
 */

struct arrival {
	int64_t since, query_start; /* INT64_MAX: not known, so it has only just come */
	int32_t pid;
	uint32_t wait;
};

/* A queue being joined: a list, and for each mode its frontmost waiter; those in the order of the queue. */
struct joining {
	const struct graph_wait *waits;
	uint32_t *next, *previous; /* by wait, within the lock; GRAPH_NONE */
	uint32_t head, tail;
	uint32_t front[LOCKMODE_COUNT];
	enum lockmode front_order[LOCKMODE_COUNT];
	uint32_t front_count;
};

uint16_t graph_conflicts_of_set(uint16_t modes)
{
	uint16_t conflicts = 0;
	for (unsigned left = modes; left; left &= left - 1)
		conflicts |= lockmode_conflicts((enum lockmode)__builtin_ctz(left));
	return conflicts;
}

uint16_t graph_wanted(const struct graph *graph, const struct graph_lock *lock)
{
	uint16_t wanted = 0;
	for (uint32_t i = 0; i < lock->wait_count; i++)
		wanted |= LOCKMODE_BIT(graph->waits[lock->first_wait + i].mode);
	return wanted;
}

/*
 * waitstart stays as it was when a wait is cancelled and is written only after the next one has begun
 * (RemoveFromWaitQueue, ProcSleep): one older than the query is that of an earlier wait.
 */
static int64_t usable_waitstart(const struct snapshot *snapshot, const struct graph_wait *wait)
{
	int64_t since = snapshot->locks[wait->row].waitstart;
	int64_t query_start = snapshot->sessions[wait->session].query_start;
	return since != WHEN_NONE && query_start != WHEN_NONE && since < query_start ? WHEN_NONE : since;
}

static int compare_arrivals(const void *left, const void *right)
{
	const struct arrival *a = left, *b = right;
	if (a->since != b->since)
		return a->since < b->since ? -1 : 1;
	if (a->query_start != b->query_start)
		return a->query_start < b->query_start ? -1 : 1;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->wait < b->wait ? -1 : a->wait > b->wait;
}

static int64_t or_now(int64_t when)
{
	return when == WHEN_NONE ? INT64_MAX : when;
}

static struct arrival *sort_arrivals(struct graph_build *build, const struct graph_lock *lock)
{
	struct arrival *arrivals = arena_array(build->scratch, lock->wait_count, sizeof *arrivals);
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		const struct graph_wait *wait = &build->graph->waits[lock->first_wait + i];
		const struct session *session = &build->snapshot->sessions[wait->session];
		arrivals[i] = (struct arrival){ or_now(wait->since), or_now(session->query_start), session->id.pid, i };
	}
	qsort(arrivals, lock->wait_count, sizeof *arrivals, compare_arrivals);
	return arrivals;
}

static void link_before(struct joining *queue, uint32_t wait, uint32_t place)
{
	uint32_t previous = place == GRAPH_NONE ? queue->tail : queue->previous[place];
	queue->next[wait] = place;
	queue->previous[wait] = previous;
	if (previous == GRAPH_NONE)
		queue->head = wait;
	else
		queue->next[previous] = wait;
	if (place == GRAPH_NONE)
		queue->tail = wait;
	else
		queue->previous[place] = wait;
}

/* Where in front_order the first mode of the set is; front_count when none is. */
static uint32_t find_front(const struct joining *queue, uint16_t modes)
{
	uint32_t rank = 0;
	while (rank < queue->front_count && !(modes & LOCKMODE_BIT(queue->front_order[rank])))
		rank++;
	return rank;
}

/* Puts a mode's rank at `rank`, where it comes to stand further in front than it did. */
static void move_front(struct joining *queue, enum lockmode mode, uint32_t old_rank, uint32_t rank)
{
	if (old_rank == queue->front_count)
		queue->front_count++;
	memmove(&queue->front_order[rank + 1], &queue->front_order[rank],
		(old_rank - rank) * sizeof *queue->front_order);
	queue->front_order[rank] = mode;
}

/* O(1): just before the frontmost waiter of a mode nobody else stands. */
static void join(struct joining *queue, uint32_t wait, uint16_t held)
{
	enum lockmode mode = queue->waits[wait].mode;
	uint32_t rank = find_front(queue, graph_conflicts_of_set(held));
	link_before(queue, wait, rank < queue->front_count ? queue->front[queue->front_order[rank]] : GRAPH_NONE);
	uint32_t own_rank = find_front(queue, LOCKMODE_BIT(mode));
	if (own_rank < queue->front_count && own_rank < rank)
		return;
	queue->front[mode] = wait;
	move_front(queue, mode, own_rank, rank);
}

static void estimate_order(struct graph_build *build, struct graph_lock *lock)
{
	struct graph *graph = build->graph;
	struct graph_wait *waits = &graph->waits[lock->first_wait];
	uint32_t count = lock->wait_count;
	struct joining queue = { .waits = waits, .head = GRAPH_NONE, .tail = GRAPH_NONE };
	queue.next = arena_array(build->scratch, count, sizeof *queue.next);
	queue.previous = arena_array(build->scratch, count, sizeof *queue.previous);
	struct arrival *arrivals = sort_arrivals(build, lock);
	for (uint32_t i = 0; i < count; i++)
		join(&queue, arrivals[i].wait, graph->procs[waits[arrivals[i].wait].proc].held);
	struct graph_wait *ordered = arena_array(build->scratch, count, sizeof *ordered);
	uint32_t place = 0;
	for (uint32_t wait = queue.head; wait != GRAPH_NONE; wait = queue.next[wait])
		ordered[place++] = waits[wait];
	memcpy(waits, ordered, count * sizeof *waits);
}

/* Whether waiters of two different nodes want modes that conflict. */
static bool order_matters(const struct graph *graph, const struct graph_lock *lock)
{
	uint32_t node_of_mode[LOCKMODE_COUNT];
	uint16_t wanted = 0, by_several = 0;
	if (lock->wait_count < 2)
		return false;
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[lock->first_wait + i];
		uint16_t bit = LOCKMODE_BIT(wait->mode);
		if (!(wanted & bit))
			node_of_mode[wait->mode] = wait->node;
		else if (node_of_mode[wait->mode] != wait->node)
			by_several |= bit;
		wanted |= bit;
	}
	for (int a = LOCKMODE_ACCESS_SHARE; a <= LOCKMODE_ACCESS_EXCLUSIVE; a++) {
		uint16_t rivals = wanted & LOCKMODE_BIT(a) ? lockmode_conflicts((enum lockmode)a) & wanted : 0;
		for (int b = LOCKMODE_ACCESS_SHARE; b <= LOCKMODE_ACCESS_EXCLUSIVE; b++) {
			if (!(rivals & LOCKMODE_BIT(b)))
				continue;
			if ((by_several & (LOCKMODE_BIT(a) | LOCKMODE_BIT(b))) || node_of_mode[a] != node_of_mode[b])
				return true;
		}
	}
	return false;
}

/* Where the answer about a waiter tells that those who hold are not of its group, too. */
static bool has_unknown_waiter(const struct graph *graph, const struct graph_lock *lock)
{
	for (uint32_t i = lock->first_wait; i < lock->first_wait + lock->wait_count; i++)
		if (!graph->waits[i].group_known)
			return true;
	return false;
}

uint32_t *graph_answers_by_session(struct graph_build *build)
{
	const struct snapshot *snapshot = build->snapshot;
	uint32_t *answers = arena_array(build->scratch, snapshot->session_count, sizeof *answers);
	memset(answers, 0xff, snapshot->session_count * sizeof *answers);
	for (uint32_t i = 0; i < snapshot->answer_count; i++) {
		uint32_t session = snapshot_find_pid(snapshot, snapshot->answers[i].pid);
		if (session != SNAPSHOT_NO_INDEX)
			answers[session] = i;
	}
	return answers;
}

static int32_t *list_pids(struct graph_build *build)
{
	const struct snapshot *snapshot = build->snapshot;
	int32_t *pids = arena_array(build->scratch, snapshot->session_count, sizeof *pids);
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		pids[i] = snapshot->sessions[i].id.pid;
	return pids;
}

void graph_build_queues(struct graph_build *build)
{
	struct graph *graph = build->graph;
	for (uint32_t i = 0; i < graph->wait_count; i++)
		graph->waits[i].since = usable_waitstart(build->snapshot, &graph->waits[i]);
	struct graph_answers answers = { graph_answers_by_session(build), list_pids(build), NULL };
	answers.named = arena_array(build->scratch, graph->node_count, sizeof *answers.named);
	for (uint32_t i = 0; i < graph->lock_count; i++) {
		struct graph_lock *lock = &graph->locks[i];
		estimate_order(build, lock);
		lock->order_matters = order_matters(graph, lock);
		if (lock->order_matters || has_unknown_waiter(graph, lock))
			graph_apply_answers(build, lock, &answers);
		graph_choose_cover(graph, lock);
	}
}
