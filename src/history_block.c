#include "history_private.h"

#include <stdio.h>
#include <stdlib.h>

static const struct identity nobody = { 0, WHEN_NONE };

/* What waits beneath each root, by node. */
struct beneath {
	uint32_t *root; /* by node; GRAPH_NONE: a deadlock's, or behind one */
	uint32_t *waiters; /* by root */
	int64_t *longest; /* by root */
};

/* Blockers come before those whom they block. */
static void find_roots(const struct graph *graph, const struct beneath *beneath)
{
	for (uint32_t i = 0; i < graph->node_count; i++) {
		uint32_t index = graph->order[i];
		const struct graph_node *node = &graph->nodes[index];
		bool in_cycle = node->cycle != GRAPH_NONE;
		uint32_t root = node->principal == GRAPH_NONE ? index : beneath->root[node->principal];
		beneath->root[index] = in_cycle ? GRAPH_NONE : root;
		if (in_cycle || root == GRAPH_NONE || root == index)
			continue;
		beneath->waiters[root]++;
		if (node->waiting > beneath->longest[root])
			beneath->longest[root] = node->waiting;
	}
}

static struct row_key key_of(const struct graph *graph, uint32_t index)
{
	const struct graph_node *node = &graph->nodes[index];
	const struct snapshot *snapshot = graph->snapshot;
	if (node->session != SNAPSHOT_NO_INDEX) {
		struct identity id = snapshot->sessions[node->session].id;
		return (struct row_key){ .kind = FOREST_SESSION, .pid = id.pid, .start = id.backend_start };
	}
	if (node->prepared == SNAPSHOT_NO_INDEX)
		return ROW_KEY_NONE;
	const struct prepared *prepared = &snapshot->prepared[node->prepared];
	return (struct row_key){ .kind = FOREST_PREPARED,
				 .pid = (int32_t)prepared->xid,
				 .start = prepared->prepared_at };
}

static void take_label(const struct graph *graph, uint32_t index, struct history_block *block)
{
	const struct graph_node *node = &graph->nodes[index];
	if (node->session != SNAPSHOT_NO_INDEX) {
		const struct session *session = &graph->snapshot->sessions[node->session];
		block->session = session->id;
		snprintf(block->label, sizeof block->label, "%d %.64s", (int)session->id.pid,
			 session->application ? session->application : "");
	} else {
		block->session = nobody;
		snprintf(block->label, sizeof block->label, "2pc %.64s", graph->snapshot->prepared[node->prepared].gid);
	}
}

static int compare_blocks(const void *a, const void *b)
{
	return row_key_compare(((const struct history_block *)a)->key, ((const struct history_block *)b)->key);
}

static struct history_block *find_block(const struct history *history, struct row_key key)
{
	struct history_block wanted = { .key = key };
	if (history->block_count == 0)
		return NULL;
	return bsearch(&wanted, history->blocks, history->block_count, sizeof wanted, compare_blocks);
}

static const char *plural(uint32_t count)
{
	return count == 1 ? "" : "s";
}

static void add_query(struct event *event, const struct frame *frame, const struct history_block *block)
{
	uint32_t session = snapshot_find(frame->snapshot, block->session);
	const char *query = session == SNAPSHOT_NO_INDEX ? NULL : frame_masked_query(frame, session);
	if (query && *query)
		event_add_line(event, block->session, "%s%s",
			       frame->snapshot->sessions[session].state == SESSION_ACTIVE ? "" : "last: ", query);
}

/* One that goes on. */
static void tell_block(struct history *history, const struct frame *frame, struct history_block *block)
{
	struct event *event = events_find(&history->events, block->event);
	char clock[WHEN_TEXT_SIZE];
	if (!event && block->event == 0)
		event = events_add(&history->events, EVENT_BLOCK, frame->snapshot->taken_at);
	if (!event)
		return; /* newer events have taken its place: told again when it is over */
	block->event = event->number;
	event_clear_lines(event);
	event_add_line(event, block->session, "%s blocks %u since %s, at most %u", block->label, (unsigned)block->now,
		       when_format_clock(block->began, clock), (unsigned)block->most);
	add_query(event, frame, block);
}

/* Why nobody waits for it any more, as far as it shows. */
static void add_reason(const struct frame *frame, const struct history_block *block, char *text, size_t size)
{
	uint32_t session = snapshot_find(frame->snapshot, block->session);
	if (block->session.pid == 0) {
		snprintf(text, size, "it is finished, or its locks are not wanted any more");
		return;
	}
	if (session == SNAPSHOT_NO_INDEX) {
		snprintf(text, size, "the session has ended");
		return;
	}
	const struct session *now = &frame->snapshot->sessions[session];
	uint32_t node = frame->graph->session_node[session];
	uint32_t ahead = node == GRAPH_NONE ? GRAPH_NONE : frame->graph->nodes[node].principal;
	if (ahead != GRAPH_NONE)
		snprintf(text, size, "it waits for another itself");
	else if (now->xact_start == WHEN_NONE || now->xact_start > block->began)
		snprintf(text, size, "its transaction is over");
	else
		snprintf(text, size, "its locks are not wanted any more");
}

static void tell_end(struct history *history, const struct frame *frame, const struct history_block *block)
{
	struct event *event = events_find(&history->events, block->event);
	int64_t now = frame->snapshot->taken_at;
	char lasted[WHEN_TEXT_SIZE], clock[WHEN_TEXT_SIZE], reason[80];
	char *query = NULL;
	if (event && event->line_count > 1) {
		query = event->lines[1].text;
		event->line_count = 1;
		free(event->lines[0].text);
		event->line_count = 0;
	}
	event = event ? events_renew(&history->events, event, now) : events_add(&history->events, EVENT_BLOCK, now);
	event->over = true;
	add_reason(frame, block, reason, sizeof reason);
	event_add_line(event, block->session, "%s blocked %u waiter%s at most, for %s since %s: over, %s", block->label,
		       (unsigned)block->most, plural(block->most), when_format_age(when_age(now, block->began), lasted),
		       when_format_clock(block->began, clock), reason);
	if (query)
		event_add_line(event, block->session, "%s", query);
	free(query);
}

/* Of those who waited for somebody else before only the time counts for which they have waited for this root. */
static int64_t begin_of(const struct history *history, int64_t now, int64_t longest)
{
	int64_t first = history->server_time == WHEN_NONE ? INT64_MIN : history->server_time - HISTORY_BLOCK_LEAST;
	return now - longest > first ? now - longest : first;
}

/* The roots that count now; those that counted before stay in. */
static struct history_block *collect(const struct history *history, const struct graph *graph,
				     const struct beneath *beneath, uint32_t *count)
{
	struct history_block *blocks = calloc((size_t)graph->node_count + 1, sizeof *blocks);
	int64_t now = graph->snapshot->taken_at;
	if (!blocks)
		err_die("out of memory (blocks)");
	*count = 0;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		struct row_key key = key_of(graph, i);
		if (beneath->waiters[i] == 0 || key.kind == ROW_KEY_NONE.kind)
			continue;
		const struct history_block *before = find_block(history, key);
		if (!before && beneath->longest[i] < HISTORY_BLOCK_LEAST)
			continue;
		struct history_block *block = &blocks[(*count)++];
		if (before)
			*block = *before;
		else
			*block = (struct history_block){ .key = key,
							 .began = begin_of(history, now, beneath->longest[i]) };
		take_label(graph, i, block);
		block->now = beneath->waiters[i];
		block->most = block->now > block->most ? block->now : block->most;
	}
	qsort(blocks, *count, sizeof *blocks, compare_blocks);
	return blocks;
}

static void remember_last(struct history_last *last, const struct history_block *block, int64_t now)
{
	if (last->ended == now && last->most >= block->most)
		return;
	*last = (struct history_last){ .began = block->began, .ended = now, .most = block->most };
	snprintf(last->label, sizeof last->label, "%s", block->label);
}

static void end_others(struct history *history, const struct frame *frame, const struct history_block *blocks,
		       uint32_t count)
{
	for (uint32_t i = 0; i < history->block_count; i++) {
		const struct history_block *block = &history->blocks[i];
		if (count > 0 && bsearch(block, blocks, count, sizeof *blocks, compare_blocks))
			continue;
		tell_end(history, frame, block);
		remember_last(&history->last_block, block, frame->snapshot->taken_at);
	}
}

void history_note_blocks(struct history *history, const struct frame *frame)
{
	const struct graph *graph = frame->graph;
	struct arena scratch = ARENA_INIT;
	struct beneath beneath;
	beneath.root = arena_array(&scratch, graph->node_count, sizeof *beneath.root);
	beneath.waiters = arena_array(&scratch, graph->node_count, sizeof *beneath.waiters);
	beneath.longest = arena_array(&scratch, graph->node_count, sizeof *beneath.longest);
	find_roots(graph, &beneath);
	uint32_t count;
	struct history_block *blocks = collect(history, graph, &beneath, &count);
	end_others(history, frame, blocks, count);
	free(history->blocks);
	history->blocks = blocks;
	history->block_count = count;
	for (uint32_t i = 0; i < count; i++)
		tell_block(history, frame, &history->blocks[i]);
	arena_release(&scratch);
}
