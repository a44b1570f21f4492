#include "history_private.h"

#include <stdio.h>

/* The counter is brought up to date when the transaction that failed is over, by its process (pgstat_report_stat). */
#define COUNTED_WITHIN (60 * WHEN_SECOND)

static const struct identity nobody = { 0, WHEN_NONE };

/* From one frame to the next. */
struct change {
	const struct frame *old, *frame;
};

static uint32_t member_session(const struct change *change, const struct graph_cycle *cycle, uint32_t member)
{
	const struct graph *graph = change->old->graph;
	return graph->nodes[graph->cycle_members[cycle->first_member + member]].session;
}

/* The node that the session has in the newer frame; GRAPH_NONE. */
static uint32_t node_now(const struct change *change, uint32_t old_session)
{
	struct identity id = change->old->snapshot->sessions[old_session].id;
	uint32_t session = snapshot_find(change->frame->snapshot, id);
	return session == SNAPSHOT_NO_INDEX ? GRAPH_NONE : change->frame->graph->session_node[session];
}

static bool cycle_lives(const struct change *change, const struct graph_cycle *cycle)
{
	const struct graph *graph = change->frame->graph;
	for (uint32_t i = 0; i < cycle->member_count; i++) {
		uint32_t session = member_session(change, cycle, i);
		uint32_t node = session == SNAPSHOT_NO_INDEX ? GRAPH_NONE : node_now(change, session);
		if (node != GRAPH_NONE && graph->nodes[node].cycle != GRAPH_NONE)
			return true;
	}
	return false;
}

enum fate { FATE_FAILED, FATE_ENDED, FATE_OVER, FATE_WAITS, FATE_GOES_ON };

static const char *const fate_words[] = {
	[FATE_FAILED] = "failed",     [FATE_ENDED] = "has ended", [FATE_OVER] = "transaction over",
	[FATE_WAITS] = "still waits", [FATE_GOES_ON] = "goes on",
};

static enum fate fate_of(const struct change *change, uint32_t old_session)
{
	const struct session *before = &change->old->snapshot->sessions[old_session];
	uint32_t index = snapshot_find(change->frame->snapshot, before->id);
	if (index == SNAPSHOT_NO_INDEX)
		return FATE_ENDED;
	const struct session *now = &change->frame->snapshot->sessions[index];
	uint32_t node = change->frame->graph->session_node[index];
	if (now->state == SESSION_IDLE_IN_TRANSACTION_ABORTED)
		return FATE_FAILED;
	if (node != GRAPH_NONE && change->frame->graph->nodes[node].wait_count > 0)
		return FATE_WAITS;
	return before->xact_start == now->xact_start ? FATE_GOES_ON : FATE_OVER;
}

static void add_member(const struct change *change, struct event *event, uint32_t session)
{
	const struct session *at = &change->old->snapshot->sessions[session];
	const char *query = frame_masked_query(change->old, session);
	event_add_line(event, at->id, "%d %.64s  %s  %s", (int)at->id.pid, at->application ? at->application : "?",
		       fate_words[fate_of(change, session)], query ? query : "?");
}

/* The one that was failed, where it can be told; 0. */
static int32_t failed_pid(const struct change *change, const struct graph_cycle *cycle)
{
	int32_t pid = 0;
	for (uint32_t i = 0; i < cycle->member_count; i++) {
		uint32_t session = member_session(change, cycle, i);
		if (session == SNAPSHOT_NO_INDEX || fate_of(change, session) != FATE_FAILED)
			continue;
		if (pid != 0)
			return 0;
		pid = change->old->snapshot->sessions[session].id.pid;
	}
	return pid;
}

static void note_cycle(struct history *history, const struct change *change, const struct graph_cycle *cycle)
{
	struct event *event = events_add(&history->events, EVENT_DEADLOCK, change->frame->snapshot->taken_at);
	uint32_t first = member_session(change, cycle, 0);
	const char *database = first == SNAPSHOT_NO_INDEX ? NULL : change->old->snapshot->sessions[first].database;
	int32_t failed = failed_pid(change, cycle);
	char end[64] = "";
	event->bad = !cycle->has_soft;
	if (failed != 0)
		snprintf(end, sizeof end, ": %d was failed", (int)failed);
	else if (cycle->has_soft)
		snprintf(end, sizeof end, ": a queue was reordered");
	event_add_line(event, nobody, "a circle of %u in %s is over%s", (unsigned)cycle->member_count,
		       database ? database : "?", end);
	for (uint32_t i = 0; i < cycle->member_count; i++) {
		uint32_t session = member_session(change, cycle, i);
		if (session != SNAPSHOT_NO_INDEX)
			add_member(change, event, session);
	}
	if (!cycle->has_soft)
		history->deadlock_event = event->number;
}

/* The circle may have been seen before it is counted, or never. */
static void note_counter(struct history *history, const struct change *change)
{
	int64_t before = change->old->snapshot->deadlocks, now = change->frame->snapshot->deadlocks;
	int64_t at = change->frame->snapshot->taken_at;
	if (before < 0 || now <= before)
		return;
	int64_t more = now - before;
	const struct event *seen = events_find(&history->events, history->deadlock_event);
	if (history->deadlock_event != 0 && seen && at - seen->at <= COUNTED_WITHIN)
		more--;
	history->deadlock_event = 0;
	if (more == 0)
		return;
	struct event *event = events_add(&history->events, EVENT_DEADLOCK, at);
	event->bad = true;
	event_add_line(event, nobody, "the server counted %lld more; the circle came and went between two refreshes",
		       (long long)more);
}

void history_note_deadlocks(struct history *history, const struct frame *old, const struct frame *frame)
{
	const struct change change = { old, frame };
	for (uint32_t i = 0; i < old->graph->cycle_count; i++) {
		const struct graph_cycle *cycle = &old->graph->cycles[i];
		if (!cycle->presumed && !cycle_lives(&change, cycle))
			note_cycle(history, &change, cycle);
	}
	note_counter(history, &change);
}
