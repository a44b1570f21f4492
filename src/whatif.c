#include "whatif_build.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/*
 * The building: for each waiter who alone blocks it, and whether it really is free when that one goes; then the same
 * counted for each blocker.
 */

/* By lock, for transaction ids: how many wait for it without a row's tuple lock. */
struct building {
	struct whatif *whatif;
	const struct graph *graph;
	uint32_t *bare;
};

static bool is_advisory(const struct graph_lock *lock)
{
	return lock->tag->kind == LOCKTAG_ADVISORY || lock->tag->kind == LOCKTAG_USERLOCK;
}

static bool waits_for_owner(const struct graph *graph, const struct graph_wait *wait)
{
	return graph->locks[wait->lock].tag->kind == LOCKTAG_TRANSACTIONID;
}

/* The lock with this tag among those that others want of the node; GRAPH_NONE: nobody does. */
static uint32_t find_wanted(const struct graph *graph, uint32_t node, const struct locktag *tag)
{
	uint32_t count;
	const uint32_t *procs = graph_node_procs(graph, node, &count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t lock = graph->procs[procs[i]].lock;
		if (graph->locks[lock].tag->kind == LOCKTAG_TUPLE && locktag_compare(graph->locks[lock].tag, tag) == 0)
			return lock;
	}
	return GRAPH_NONE;
}

/* Who first waits for a row, holding its tuple lock: what keeps it keeps the tuple lock's queue, too. */
static void find_row_locks(struct building *building)
{
	const struct graph *graph = building->graph;
	memset(building->whatif->row_lock, 0xff, graph->lock_count * sizeof *building->whatif->row_lock);
	for (uint32_t i = 0; i < graph->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[i];
		if (wait->tuple_row == GRAPH_NONE) {
			building->bare[wait->lock]++;
			continue;
		}
		uint32_t tuple = find_wanted(graph, wait->node, &graph->snapshot->locks[wait->tuple_row].tag);
		if (tuple != GRAPH_NONE)
			building->whatif->row_lock[tuple] = wait->lock;
	}
}

/* Another one than these two who owns the row that a tuple lock's queue is about; GRAPH_NONE. */
static uint32_t find_row_owner(const struct whatif *whatif, uint32_t tuple_lock, uint32_t waiter, uint32_t blocker)
{
	const struct graph *graph = whatif->graph;
	if (whatif->row_lock[tuple_lock] == GRAPH_NONE)
		return GRAPH_NONE;
	const struct graph_lock *lock = &graph->locks[whatif->row_lock[tuple_lock]];
	for (uint32_t i = 0; i < lock->holder_count; i++) {
		const struct graph_proc *proc = &graph->procs[lock->first_proc + i];
		bool owns = proc->held & lockmode_conflicts(LOCKMODE_SHARE);
		if (owns && proc->node != waiter && proc->node != blocker)
			return proc->node;
	}
	return GRAPH_NONE;
}

/* Whether the text has "for share" or "for key share", in any case and however it is spaced. */
static bool says_for_share(const char *query)
{
	for (const char *at = query; (at = strcasestr(at, "share")) != NULL; at++) {
		const char *before = at;
		while (before > query && isspace((unsigned char)before[-1]))
			before--;
		size_t length = (size_t)(before - query);
		if (before != at && ((length >= 3 && strncasecmp(before - 3, "for", 3) == 0) ||
				     (length >= 3 && strncasecmp(before - 3, "key", 3) == 0)))
			return true;
	}
	return false;
}

static bool begins_with(const char *query, const char *word)
{
	return strncasecmp(query + strspn(query, " \t\r\n("), word, strlen(word)) == 0;
}

/*
 * Several transactions may hold one row: FOR KEY SHARE, as foreign keys do, and FOR SHARE. The server makes who wants
 * it for itself wait for one after the other, and only that one shows. All there is to go by is what the owner runs.
 */
static bool may_be_shared(const struct graph *graph, const struct graph_wait *wait, uint32_t owner)
{
	uint32_t session = graph->nodes[owner].session;
	const char *query =
		session == SNAPSHOT_NO_INDEX ? NULL : graph->snapshot->sessions[session].query_with_literals;
	enum lockmode mode = graph->snapshot->locks[wait->tuple_row].mode;
	if (!query || (mode != LOCKMODE_EXCLUSIVE && mode != LOCKMODE_ACCESS_EXCLUSIVE))
		return false;
	return says_for_share(query) || (mode == LOCKMODE_ACCESS_EXCLUSIVE && begins_with(query, "insert"));
}

static unsigned find_doubts(const struct building *building, const struct graph_wait *wait, uint32_t by)
{
	const struct graph *graph = building->graph;
	unsigned doubts = wait->principal_kind == EDGE_PRESUMED ? WHATIF_ORDER : 0;
	if (graph->locks[wait->lock].tag->kind == LOCKTAG_VIRTUALXID)
		return doubts | WHATIF_NEXT;
	if (!waits_for_owner(graph, wait))
		return doubts;
	if (wait->tuple_row == GRAPH_NONE)
		return building->bare[wait->lock] > 1 ? doubts | WHATIF_RIVALS : doubts;
	return may_be_shared(graph, wait, by) ? doubts | WHATIF_SHARERS : doubts;
}

static void judge_wait(const struct building *building, const struct graph_wait *wait, struct whatif_waiter *waiter)
{
	const struct graph_lock *lock = &building->graph->locks[wait->lock];
	if (lock->tag->kind == LOCKTAG_TUPLE && waiter->behind == GRAPH_NONE)
		waiter->behind = find_row_owner(building->whatif, wait->lock, wait->node, waiter->by);
	waiter->advisory |= is_advisory(lock) && wait->hard_count > 0;
	waiter->doubts |= (uint8_t)find_doubts(building, wait, waiter->by);
}

static struct whatif_waiter judge_node(const struct building *building, uint32_t index)
{
	const struct graph *graph = building->graph;
	const struct graph_node *node = &graph->nodes[index];
	struct whatif_waiter waiter = { .by = GRAPH_NONE, .behind = GRAPH_NONE };
	if (node->blocker_count != 1)
		return waiter;
	waiter.by = node->principal;
	for (uint32_t i = 0; i < node->wait_count; i++)
		judge_wait(building, &graph->waits[graph->node_waits[node->first_wait + i]], &waiter);
	return waiter;
}

static void count_waiter(struct whatif *whatif, uint32_t index)
{
	const struct whatif_waiter *waiter = &whatif->waiters[index];
	if (waiter->by == GRAPH_NONE)
		return;
	struct whatif_blocker *blocker = &whatif->blockers[waiter->by];
	if (waiter->behind != GRAPH_NONE) {
		blocker->moved++;
		return;
	}
	blocker->freed++;
	blocker->kept_by_cancel += waiter->advisory;
	blocker->soft += whatif->graph->nodes[index].principal_kind != EDGE_HARD;
	blocker->doubts |= waiter->doubts;
	if (whatif->graph->nodes[index].waiting > blocker->longest)
		blocker->longest = whatif->graph->nodes[index].waiting;
}

/* What a cancel may not give up. */
static void find_advisory(struct whatif *whatif)
{
	const struct graph *graph = whatif->graph;
	for (uint32_t i = 0; i < graph->lock_count; i++) {
		const struct graph_lock *lock = &graph->locks[i];
		for (uint32_t j = 0; j < lock->holder_count && is_advisory(lock); j++)
			whatif->blockers[graph->procs[lock->first_proc + j].node].advisory = true;
	}
}

struct whatif *whatif_new(const struct graph *graph, struct arena *arena)
{
	struct arena scratch = ARENA_INIT;
	struct whatif *whatif = arena_alloc(arena, sizeof *whatif);
	*whatif = (struct whatif){
		.graph = graph,
		.waiters = arena_array(arena, graph->node_count, sizeof *whatif->waiters),
		.blockers = arena_array(arena, graph->node_count, sizeof *whatif->blockers),
		.row_lock = arena_array(arena, graph->lock_count, sizeof *whatif->row_lock),
	};
	struct building building = { whatif, graph, arena_array(&scratch, graph->lock_count, sizeof(uint32_t)) };
	find_row_locks(&building);
	for (uint32_t i = 0; i < graph->node_count; i++)
		whatif->waiters[i] = judge_node(&building, i);
	for (uint32_t i = 0; i < graph->node_count; i++)
		count_waiter(whatif, i);
	find_advisory(whatif);
	whatif_build_turns(whatif, arena);
	arena_release(&scratch);
	return whatif;
}

/* ---- what is asked of it ---- */

bool whatif_runs(const struct graph *graph, uint32_t session)
{
	enum session_state state = graph->snapshot->sessions[session].state;
	uint32_t node = graph->session_node[session];
	bool waits = node != GRAPH_NONE && graph->nodes[node].wait_count > 0;
	return waits || state == SESSION_ACTIVE || state == SESSION_FASTPATH;
}

struct whatif_forecast whatif_forecast(const struct whatif *whatif, uint32_t node, enum signal_verb verb)
{
	const struct graph *graph = whatif->graph;
	const struct whatif_blocker *blocker = &whatif->blockers[node];
	uint32_t session = graph->nodes[node].session;
	struct whatif_forecast forecast = { .freed = blocker->freed, .moved = blocker->moved };
	forecast.in_turn = blocker->following == GRAPH_NONE ? GRAPH_NONE : blocker->following - blocker->freed;
	forecast.doubts = forecast.freed > 0 ? blocker->doubts : 0;
	if (verb == SIGNAL_TERMINATE)
		return forecast;
	if (session == SNAPSHOT_NO_INDEX || !whatif_runs(graph, session))
		return (struct whatif_forecast){ .nothing = true };
	if (blocker->advisory)
		forecast.in_turn = GRAPH_NONE;
	if (blocker->kept_by_cancel > 0)
		forecast.doubts |= WHATIF_ADVISORY;
	forecast.freed -= blocker->kept_by_cancel;
	return forecast;
}

static bool is_freed(const struct whatif *whatif, uint32_t waiter, uint32_t node, enum signal_verb verb)
{
	const struct whatif_waiter *at = &whatif->waiters[waiter];
	return at->by == node && at->behind == GRAPH_NONE && (verb == SIGNAL_TERMINATE || !at->advisory);
}

uint32_t whatif_freed(const struct whatif *whatif, uint32_t node, enum signal_verb verb, uint32_t *out,
		      uint32_t capacity)
{
	struct whatif_forecast forecast = whatif_forecast(whatif, node, verb);
	struct arena scratch = ARENA_INIT;
	uint32_t blocked = whatif->graph->nodes[node].blocked_count, count = 0;
	if (forecast.freed == 0 || capacity == 0)
		return forecast.freed;
	uint32_t *waiters = arena_array(&scratch, blocked, sizeof *waiters);
	graph_blocked(whatif->graph, node, waiters, blocked);
	for (uint32_t i = 0; i < blocked && count < capacity; i++)
		if (is_freed(whatif, waiters[i], node, verb))
			out[count++] = waiters[i];
	arena_release(&scratch);
	return forecast.freed;
}

static bool follows(const struct whatif *whatif, uint32_t waiter, uint32_t node)
{
	while (waiter != GRAPH_NONE && waiter != node)
		waiter = whatif->way_out[waiter];
	return waiter == node;
}

/* A blocker that is neither gone nor going to be out of the way because of that. */
static struct whatif_place place_after(const struct whatif *whatif, uint32_t waiter, uint32_t gone)
{
	struct graph_blocker blockers[32];
	uint32_t capacity = sizeof blockers / sizeof *blockers;
	uint32_t count = graph_blockers(whatif->graph, waiter, blockers, capacity);
	for (uint32_t i = 0; i < count && i < capacity; i++)
		if (!follows(whatif, blockers[i].node, gone))
			return (struct whatif_place){ waiter, blockers[i].node };
	return (struct whatif_place){ waiter, GRAPH_NONE };
}

/* The first of the node's direct waiters for which there is such a place. */
static bool find_place(const struct whatif *whatif, uint32_t node, bool moved, struct whatif_place *place)
{
	struct arena scratch = ARENA_INIT;
	uint32_t blocked = whatif->graph->nodes[node].blocked_count;
	uint32_t *waiters = arena_array(&scratch, blocked, sizeof *waiters);
	bool found = false;
	graph_blocked(whatif->graph, node, waiters, blocked);
	for (uint32_t i = 0; i < blocked && !found; i++) {
		const struct whatif_waiter *waiter = &whatif->waiters[waiters[i]];
		if (moved != (waiter->by == node) || (!moved && follows(whatif, waiters[i], node)))
			continue;
		*place = moved ? (struct whatif_place){ waiters[i], waiter->behind }
			       : place_after(whatif, waiters[i], node);
		found = place->behind != GRAPH_NONE;
	}
	arena_release(&scratch);
	return found;
}

bool whatif_moved(const struct whatif *whatif, uint32_t node, struct whatif_place *moved)
{
	return whatif->blockers[node].moved > 0 && find_place(whatif, node, true, moved);
}

bool whatif_stays(const struct whatif *whatif, uint32_t node, struct whatif_place *stays)
{
	return find_place(whatif, node, false, stays);
}

bool whatif_ahead(const struct whatif *whatif, uint32_t node, struct whatif_ahead *ahead)
{
	uint32_t best = whatif->blockers[node].ahead;
	if (best == GRAPH_NONE)
		return false;
	*ahead = (struct whatif_ahead){ best, whatif->blockers[best].soft };
	return true;
}
