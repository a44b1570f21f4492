#include "graph_build.h"

#include "pids.h"

#include "pglocktop/recovery.h"

#include <string.h>

/*
 * What pg_blocking_pids() said about some waiters of a queue, brought together into one order.
 *
 * The answer about y names, besides those who hold what conflicts with y's request, those who wait ahead of y for it.
 * So it settles y against every waiter x with a conflicting request who does not hold against y anyway: x is ahead if
 * it is named, behind if not. These statements are sorted topologically; among what they leave open the estimated
 * order stays. An answer speaks of lock groups: where one has several waits in the queue, "ahead" is true of its
 * first against the other's last, "behind" of all. Where one has waits in several queues, who is not named is behind in
 * each of them; who is named blocks it in one of those where it could, and one of these is as good as another.
 */

enum statement {
	SAYS_NOTHING,
	SAYS_AHEAD, /* the other one is ahead of the one asked about */
	SAYS_BEHIND
};

/* What statements are made from, close together: with many questions about a long queue they are many. */
struct waiter {
	int64_t since;
	uint32_t node;
	uint16_t wanted; /* its mode's bit */
	uint16_t rivals; /* the modes that any of its node's waits here conflicts with */
	bool group_known;
	uint16_t against; /* the modes that what it holds conflicts with */
};

struct sorting {
	struct graph_build *build;
	const struct graph_answers *answers;
	const struct graph_lock *lock;
	struct graph_wait *waits; /* the lock's, in the estimated order */
	struct waiter *waiters;
	uint32_t count;
	uint32_t *asked; /* places of the waits with a usable answer */
	uint32_t asked_count;
	uint32_t *asked_rank; /* by place: index into asked, GRAPH_NONE */
	uint32_t *previous, *next; /* by place: those of the same node's other waits; GRAPH_NONE */
	uint8_t *says; /* enum statement, asked_count rows of `count` */
	uint32_t *named; /* by node: the serial of the last answer that named it */
	uint32_t *ahead_count; /* by place: statements that somebody not yet placed is ahead of it */
	uint64_t *ready, *left; /* bits by place */
	uint32_t *position; /* by place: in the final order */
};

static bool holds_against(const struct graph *graph, const struct graph_wait *holder, const struct graph_wait *wait)
{
	return graph->procs[holder->proc].held & lockmode_conflicts(wait->mode);
}

/* A wait whose start is not yet written has only just begun; before 14 there is no waitstart at all. */
static bool began_after(const struct graph *graph, int64_t since, int64_t when)
{
	if (when <= 0)
		return false;
	return since == WHEN_NONE ? graph->snapshot->server.version_num >= 140000 : since > when;
}

bool graph_joined_after(const struct graph *graph, const struct graph_wait *wait, int64_t when)
{
	return began_after(graph, wait->since, when);
}

static uint32_t answer_serial(const struct sorting *sorting, uint32_t place)
{
	return sorting->lock->first_wait + place + 1;
}

/* The node of a pid. Answers tend to name sessions in the order of their pids: the next one is tried first. */
static uint32_t find_named(const struct sorting *sorting, int32_t pid, uint32_t *next)
{
	const struct graph *graph = sorting->build->graph;
	const int32_t *pids = sorting->answers->pids;
	uint32_t count = graph->snapshot->session_count;
	if (*next < count && pids[*next] == pid)
		return graph->session_node[(*next)++];
	uint32_t session = pids_find(pids, count, pid);
	if (session == PIDS_NONE)
		return GRAPH_NONE;
	*next = session + 1;
	return graph->session_node[session];
}

/* Marks the nodes that an answer names; returns whether it names all that hold against the wait for sure. */
static bool take_answer(struct sorting *sorting, const struct graph_wait *wait, const struct queue_answer *answer,
			uint32_t serial)
{
	const struct graph *graph = sorting->build->graph;
	bool prepared_named = false;
	uint32_t next = 0;
	for (uint32_t i = 0; i < answer->blocker_count; i++) {
		prepared_named |= answer->blockers[i] == 0;
		uint32_t node = find_named(sorting, answer->blockers[i], &next);
		if (node != GRAPH_NONE)
			sorting->named[node] = serial;
	}
	uint16_t conflicts = lockmode_conflicts(wait->mode);
	for (uint32_t i = 0; i < sorting->lock->holder_count; i++) {
		const struct graph_proc *proc = &graph->procs[sorting->lock->first_proc + i];
		if (!(proc->held & (uint16_t)~proc->doubtful & conflicts) || proc->node == wait->node)
			continue;
		bool prepared = graph->nodes[proc->node].session == SNAPSHOT_NO_INDEX;
		if (prepared ? !prepared_named : sorting->named[proc->node] != serial)
			return false;
	}
	return true;
}

static const struct graph_proc *find_proc(const struct graph *graph, uint32_t node, uint32_t lock)
{
	uint32_t count, low = 0;
	const uint32_t *procs = graph_node_procs(graph, node, &count);
	for (uint32_t high = count; low < high;) {
		uint32_t middle = low + (high - low) / 2;
		if (graph->procs[procs[middle]].lock < lock)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && graph->procs[procs[low]].lock == lock ? &graph->procs[procs[low]] : NULL;
}

/*
 * Whether that a node is named in the answer about a group needs no place in this queue: since it holds what the group
 * awaits elsewhere, or has a place ahead of it in another queue. Of several queues in which both wait the first is
 * taken for the one, the last for the other, if each is named for the other.
 */
static bool blocks_elsewhere(const struct sorting *sorting, uint32_t named, uint32_t asked)
{
	const struct graph *graph = sorting->build->graph;
	uint32_t count, lock = (uint32_t)(sorting->lock - graph->locks);
	const uint32_t *procs = graph_node_procs(graph, asked, &count);
	if (graph->nodes[asked].wait_count == 1)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const struct graph_proc *proc = &graph->procs[procs[i]];
		uint16_t conflicts = graph_conflicts_of_set(proc->wanted);
		const struct graph_proc *other =
			conflicts && proc->lock != lock ? find_proc(graph, named, proc->lock) : NULL;
		if (!other)
			continue;
		if ((other->held & conflicts) ||
		    ((other->wanted & conflicts) && (proc->lock < lock) == (asked < named)))
			return true;
	}
	return false;
}

/* Whether of all pairs of waits of the two nodes it is this one that is taken for the reason why the other is named. */
static bool is_pair(const struct sorting *sorting, uint32_t place, uint32_t other, uint16_t conflicts)
{
	const struct waiter *waiters = sorting->waiters;
	for (uint32_t i = sorting->previous[other]; i != GRAPH_NONE; i = sorting->previous[i])
		if (waiters[i].wanted & conflicts)
			return false;
	for (uint32_t i = sorting->next[place]; i != GRAPH_NONE; i = sorting->next[i])
		if (waiters[i].wanted & waiters[other].rivals)
			return false;
	return true;
}

/* `conflicts`: the modes that conflict with what the one asked about awaits. */
static enum statement statement_about(const struct sorting *sorting, uint32_t place, uint32_t other, uint16_t conflicts,
				      int64_t after)
{
	const struct waiter *waiter = &sorting->waiters[other], *asked = &sorting->waiters[place];
	if (!(waiter->wanted & conflicts) || waiter->node == asked->node || (waiter->against & asked->wanted))
		return SAYS_NOTHING;
	if (!waiter->group_known)
		return SAYS_NOTHING; /* its leader may be named, another node */
	if (began_after(sorting->build->graph, waiter->since, after))
		return SAYS_NOTHING;
	if (sorting->named[waiter->node] != answer_serial(sorting, place))
		return SAYS_BEHIND;
	if (!is_pair(sorting, place, other, conflicts))
		return SAYS_NOTHING;
	return blocks_elsewhere(sorting, waiter->node, asked->node) ? SAYS_NOTHING : SAYS_AHEAD;
}

static void read_answer(struct sorting *sorting, uint32_t place, const struct queue_answer *answer)
{
	struct graph_wait *asked = &sorting->waits[place];
	asked->asked = true;
	asked->asked_after = answer->after;
	sorting->asked_rank[place] = sorting->asked_count;
	uint8_t *row = &sorting->says[(size_t)sorting->asked_count * sorting->count];
	uint16_t conflicts = lockmode_conflicts(asked->mode);
	for (uint32_t other = 0; other < sorting->count; other++) {
		row[other] = statement_about(sorting, place, other, conflicts, answer->after);
		if (row[other] == SAYS_AHEAD)
			sorting->ahead_count[place]++;
		else if (row[other] == SAYS_BEHIND)
			sorting->ahead_count[other]++;
	}
	sorting->asked[sorting->asked_count++] = place;
}

/* `named`, which is free as yet, is what tells the waits of one node apart from those of another. */
static void find_groups(struct sorting *sorting)
{
	for (uint32_t i = 0; i < sorting->count; i++)
		sorting->named[sorting->waits[i].node] = 0;
	for (uint32_t i = 0; i < sorting->count; i++) {
		uint32_t *last = &sorting->named[sorting->waits[i].node];
		sorting->previous[i] = *last > 0 ? *last - 1 : GRAPH_NONE;
		sorting->next[i] = GRAPH_NONE;
		if (*last > 0)
			sorting->next[*last - 1] = i;
		*last = i + 1;
	}
	for (uint32_t i = 0; i < sorting->count; i++)
		sorting->named[sorting->waits[i].node] = 0;
}

static void list_waiters(struct sorting *sorting)
{
	for (uint32_t i = 0; i < sorting->count; i++) {
		const struct graph_wait *wait = &sorting->waits[i];
		sorting->waiters[i] = (struct waiter){
			.since = wait->since,
			.node = wait->node,
			.group_known = wait->group_known,
			.wanted = LOCKMODE_BIT(wait->mode),
			.rivals = graph_conflicts_of_set(sorting->build->graph->procs[wait->proc].wanted),
			.against = graph_conflicts_of_set(sorting->build->graph->procs[wait->proc].held),
		};
	}
}

static uint32_t count_usable(struct sorting *sorting)
{
	const struct graph_answers *answers = sorting->answers;
	uint32_t count = 0;
	for (uint32_t i = 0; i < sorting->count; i++) {
		struct graph_wait *wait = &sorting->waits[i];
		bool speaks_for_node = wait->group_known || sorting->build->leaders[wait->session] == wait->session;
		bool usable = answers->of_session[wait->session] != GRAPH_NONE && speaks_for_node &&
			      !recovery_is_startup(&sorting->build->snapshot->sessions[wait->session]);
		sorting->asked_rank[i] = usable ? 0 : GRAPH_NONE;
		count += usable;
	}
	return count;
}

static void read_answers(struct sorting *sorting)
{
	const struct graph_answers *answers = sorting->answers;
	const struct snapshot *snapshot = sorting->build->snapshot;
	for (uint32_t i = 0; i < sorting->count; i++) {
		if (sorting->asked_rank[i] == GRAPH_NONE)
			continue;
		sorting->asked_rank[i] = GRAPH_NONE;
		const struct graph_wait *wait = &sorting->waits[i];
		const struct queue_answer *answer = &snapshot->answers[answers->of_session[wait->session]];
		if (take_answer(sorting, wait, answer, answer_serial(sorting, i)))
			read_answer(sorting, i, answer);
	}
}

static void set_bit(uint64_t *bits, uint32_t bit)
{
	bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void clear_bit(uint64_t *bits, uint32_t bit)
{
	bits[bit / 64] &= ~(UINT64_C(1) << bit % 64);
}

static uint32_t first_bit(const uint64_t *bits, uint32_t count)
{
	for (uint32_t word = 0; word * 64 < count; word++)
		if (bits[word])
			return word * 64 + (uint32_t)__builtin_ctzll(bits[word]);
	return GRAPH_NONE;
}

static void drop_statement(struct sorting *sorting, uint32_t place)
{
	if (--sorting->ahead_count[place] == 0 && sorting->left[place / 64] >> place % 64 & 1)
		set_bit(sorting->ready, place);
}

/* Takes the place back from those that it was said to be ahead of. */
static void release_followers(struct sorting *sorting, uint32_t place)
{
	for (uint32_t i = 0; i < sorting->asked_count; i++)
		if (sorting->says[(size_t)i * sorting->count + place] == SAYS_AHEAD)
			drop_statement(sorting, sorting->asked[i]);
	if (sorting->asked_rank[place] == GRAPH_NONE)
		return;
	const uint8_t *row = &sorting->says[(size_t)sorting->asked_rank[place] * sorting->count];
	for (uint32_t other = 0; other < sorting->count; other++)
		if (row[other] == SAYS_BEHIND)
			drop_statement(sorting, other);
}

/* Kahn's algorithm; where statements go in a circle the estimate decides, and check_answers finds them out. */
static void sort_places(struct sorting *sorting)
{
	for (uint32_t i = 0; i < sorting->count; i++) {
		set_bit(sorting->left, i);
		if (sorting->ahead_count[i] == 0)
			set_bit(sorting->ready, i);
	}
	for (uint32_t position = 0; position < sorting->count; position++) {
		uint32_t place = first_bit(sorting->ready, sorting->count);
		if (place == GRAPH_NONE)
			place = first_bit(sorting->left, sorting->count);
		clear_bit(sorting->ready, place);
		clear_bit(sorting->left, place);
		sorting->position[place] = position;
		release_followers(sorting, place);
	}
}

/* An answer that contradicts the order come to, and the one that it contradicts, are of different instants. */
static void check_answers(struct sorting *sorting)
{
	for (uint32_t i = 0; i < sorting->asked_count; i++) {
		uint32_t place = sorting->asked[i];
		const uint8_t *row = &sorting->says[(size_t)i * sorting->count];
		for (uint32_t other = 0; other < sorting->count; other++) {
			bool ahead = sorting->position[other] < sorting->position[place];
			if (row[other] == SAYS_NOTHING || (row[other] == SAYS_AHEAD) == ahead)
				continue;
			sorting->waits[place].asked = false;
			sorting->waits[other].asked = false;
		}
	}
}

static void put_in_order(struct sorting *sorting)
{
	struct graph_wait *ordered = arena_array(sorting->build->scratch, sorting->count, sizeof *ordered);
	for (uint32_t i = 0; i < sorting->count; i++)
		ordered[sorting->position[i]] = sorting->waits[i];
	memcpy(sorting->waits, ordered, sorting->count * sizeof *ordered);
}

void graph_apply_answers(struct graph_build *build, struct graph_lock *lock, const struct graph_answers *answers)
{
	uint32_t count = lock->wait_count;
	struct arena *scratch = build->scratch;
	struct sorting sorting = { .build = build, .answers = answers, .lock = lock, .count = count };
	sorting.waits = &build->graph->waits[lock->first_wait];
	sorting.asked_rank = arena_array(scratch, count, sizeof *sorting.asked_rank);
	uint32_t usable = count_usable(&sorting);
	if (usable == 0)
		return;
	sorting.asked = arena_array(scratch, usable, sizeof *sorting.asked);
	sorting.says = arena_array(scratch, usable, count);
	sorting.named = answers->named;
	sorting.ahead_count = arena_array(scratch, count, sizeof *sorting.ahead_count);
	sorting.ready = arena_array(scratch, count / 64 + 1, sizeof *sorting.ready);
	sorting.left = arena_array(scratch, count / 64 + 1, sizeof *sorting.left);
	sorting.position = arena_array(scratch, count, sizeof *sorting.position);
	sorting.previous = arena_array(scratch, count, sizeof *sorting.previous);
	sorting.next = arena_array(scratch, count, sizeof *sorting.next);
	find_groups(&sorting);
	sorting.waiters = arena_array(scratch, count, sizeof *sorting.waiters);
	list_waiters(&sorting);
	read_answers(&sorting);
	if (sorting.asked_count == 0)
		return;
	sort_places(&sorting);
	check_answers(&sorting);
	put_in_order(&sorting);
}

bool graph_surely_waits(const struct graph_wait *wait)
{
	return wait->group_known || wait->asked;
}

bool graph_surely_queued(const struct graph *graph, const struct graph_wait *wait)
{
	return wait->group_known && !graph->procs[wait->proc].doubtful;
}

/* y's answer covers x: it was given while x waited already. */
static bool covers(const struct graph *graph, const struct graph_wait *asked, const struct graph_wait *other)
{
	return asked->asked && !graph_joined_after(graph, other, asked->asked_after);
}

/*
 * Of a group that waits several times an answer tells who blocks it, but not always which of its waits: then whom it
 * stands ahead of is for the answers about those to say.
 */
bool graph_order_certain(const struct graph *graph, const struct graph_wait *ahead, const struct graph_wait *behind)
{
	if (!graph_surely_queued(graph, ahead))
		return false;
	if (covers(graph, behind, ahead) && !holds_against(graph, ahead, behind))
		return true;
	return covers(graph, ahead, behind) && behind->group_known && graph->nodes[ahead->node].wait_count == 1 &&
	       !holds_against(graph, behind, ahead);
}
