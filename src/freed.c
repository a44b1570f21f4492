#include "freed.h"

#include <stdlib.h>

/* heap_lock_tuple, _bt_check_unique, WaitForLockers: when what one waited for is over, one looks again. */
static bool is_in_steps(enum locktag_kind kind)
{
	return kind == LOCKTAG_TUPLE || kind == LOCKTAG_TRANSACTIONID || kind == LOCKTAG_SPECULATIVE ||
	       kind == LOCKTAG_VIRTUALXID;
}

static bool take_waiter(const struct graph *graph, uint32_t index, struct freed_waiter *waiter)
{
	const struct graph_node *node = &graph->nodes[index];
	if (node->session == SNAPSHOT_NO_INDEX || node->principal_wait == GRAPH_NONE)
		return false;
	const struct session *session = &graph->snapshot->sessions[node->session];
	const struct locktag *tag = graph->locks[graph->waits[node->principal_wait].lock].tag;
	*waiter = (struct freed_waiter){ .id = session->id,
					 .query_start = session->query_start,
					 .lock = locktag_hash(tag),
					 .in_steps = is_in_steps(tag->kind),
					 .moves_up = tag->kind == LOCKTAG_TUPLE };
	return true;
}

void freed_init(struct freed *freed, const struct frame *frame, struct identity target)
{
	const struct graph *graph = frame->graph;
	uint32_t session = snapshot_find(frame->snapshot, target);
	uint32_t node = session == SNAPSHOT_NO_INDEX ? GRAPH_NONE : graph->session_node[session];
	*freed = (struct freed){ NULL, 0 };
	if (node == GRAPH_NONE || graph->nodes[node].session != session || graph->nodes[node].blocked_count == 0)
		return;
	uint32_t capacity = graph->nodes[node].blocked_count;
	uint32_t *blocked = calloc(capacity, sizeof *blocked);
	freed->waiters = calloc(capacity, sizeof *freed->waiters);
	if (!blocked || !freed->waiters)
		err_die("out of memory (waiters)");
	uint32_t count = graph_blocked(graph, node, blocked, capacity);
	for (uint32_t i = 0; i < count && i < capacity; i++)
		freed->count += take_waiter(graph, blocked[i], &freed->waiters[freed->count]);
	free(blocked);
}

void freed_release(struct freed *freed)
{
	free(freed->waiters);
	*freed = (struct freed){ NULL, 0 };
}

static bool waits_no_more(const struct freed_waiter *waiter, const struct frame *frame)
{
	struct freed_waiter now;
	uint32_t session = snapshot_find(frame->snapshot, waiter->id);
	if (session == SNAPSHOT_NO_INDEX)
		return false;
	uint32_t node = frame->graph->session_node[session];
	const struct session *at = &frame->snapshot->sessions[session];
	bool same_query = at->state == SESSION_ACTIVE && at->query_start == waiter->query_start;
	/* One that has just moved up is on its way from one wait to the next. */
	if (node == GRAPH_NONE || !take_waiter(frame->graph, node, &now))
		return !(waiter->moves_up && same_query);
	if (now.query_start != waiter->query_start)
		return true;
	return now.lock != waiter->lock && !waiter->in_steps;
}

uint32_t freed_count(struct freed *freed, const struct frame *frame)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < freed->count; i++) {
		struct freed_waiter *waiter = &freed->waiters[i];
		waiter->ended = snapshot_find(frame->snapshot, waiter->id) == SNAPSHOT_NO_INDEX;
		waiter->freed = waits_no_more(waiter, frame);
		count += waiter->freed;
	}
	return count;
}

uint32_t freed_count_ended(const struct freed *freed)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < freed->count; i++)
		count += freed->waiters[i].ended;
	return count;
}
