#include "column_lock.h"

#include "column_row.h"

#include "pglocktop/object.h"
#include "pglocktop/ordinal.h"
#include "pglocktop/progress.h"

#include <inttypes.h>

static const struct graph_lock *row_lock(const struct column_row *row)
{
	bool of_object = row->item && row->item->lock != GRAPH_NONE;
	return of_object ? &row->frame->graph->locks[row->item->lock] : NULL;
}

/* NULL: the row is not in a queue. */
static const struct graph_wait *row_wait(const struct column_row *row)
{
	bool waits = row->item && row->item->place != GRAPH_NONE;
	return waits ? &row->frame->graph->waits[row->item->place] : NULL;
}

static bool row_is_object(const struct column_row *row)
{
	return row->item && row->item->kind == FOREST_OBJECT;
}

struct column_value column_lock_waiters(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii, (void)text;
	if (!row_is_object(row))
		return value_none;
	return (struct column_value){ .known = true, .number = row_lock(row)->wait_count };
}

/* Where no two in the queue conflict, all get it at once: a place would say something that is not so. */
static void add_place(const struct column_row *row, const struct graph_lock *lock, struct strbuf *text)
{
	uint32_t place = row->item->place - lock->first_wait + 1;
	if (!lock->order_matters && lock->wait_count > 1)
		strbuf_add_string(text, "waits");
	else
		strbuf_printf(text, "%s%" PRIu32 "%s", row->item->presumed ? "~" : "", place, ordinal_ending(place));
}

struct column_value column_lock_lock(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct graph *graph = row->frame->graph;
	const struct graph_lock *lock = row_lock(row);
	const struct graph_wait *wait = row_wait(row);
	if (!lock)
		return value_none;
	if (row_is_object(row)) {
		object_describe(graph->snapshot, lock->tag, text);
	} else if (wait) {
		strbuf_printf(text, "%" PRId32 " ", graph->snapshot->sessions[wait->session].id.pid);
		add_place(row, lock, text);
	} else {
		object_add_node(graph, row->item->node, text);
		strbuf_add_string(text, " holds");
	}
	return value_number(WHEN_NONE);
}

struct column_value column_lock_mode(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct graph_wait *wait = row_wait(row);
	if (wait)
		strbuf_add_string(text, lockmode_short_name(wait->mode));
	else if (row_lock(row) && !row_is_object(row))
		object_add_modes(row->frame->graph->procs[row->item->holder].held, text);
	else
		return value_none;
	return value_number(WHEN_NONE);
}

struct column_value column_lock_waited(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii, (void)text;
	int64_t wait = row_wait(row) ? row->item->wait : WHEN_NONE;
	return (struct column_value){ .known = wait != WHEN_NONE, .number = wait };
}

void column_lock_format_waited(const struct column_row *row, bool ascii, struct strbuf *out)
{
	struct column_value value = column_lock_waited(row, ascii, out);
	char age[WHEN_TEXT_SIZE];
	if (!value.known) {
		strbuf_add_char(out, '-');
		return;
	}
	if (row_wait(row)->since == WHEN_NONE)
		strbuf_add_string(out, ascii ? "<=" : "≤");
	strbuf_add_string(out, when_format_age(value.number, age));
}

static void add_who(const struct graph *graph, const struct graph_wait *wait, uint32_t count, struct strbuf *text)
{
	if (count == 1)
		object_add_node(graph, wait->principal, text);
	else
		strbuf_printf(text, "%" PRIu32, count);
}

/* "conflicts with 4 holders", "conflicts with 8008, 3 ahead", "only with 8056 ahead of it". */
static void add_conflicts(const struct graph *graph, const struct graph_wait *wait, struct strbuf *text)
{
	uint32_t ahead = wait->blocker_count - wait->hard_count;
	if (wait->blocker_count == 0) {
		strbuf_add_string(text, "nothing: about to get it");
	} else if (wait->hard_count == 0) {
		strbuf_printf(text, "only with %s", wait->principal_kind == EDGE_PRESUMED ? "~" : "");
		add_who(graph, wait, ahead, text);
		strbuf_add_string(text, " ahead of it");
	} else {
		strbuf_add_string(text, "conflicts with ");
		add_who(graph, wait, wait->hard_count, text);
		strbuf_add_string(text, wait->hard_count > 1 ? " holders" : "");
		if (ahead > 0)
			strbuf_printf(text, ", %" PRIu32 " ahead", ahead);
	}
}

/* One who waits for another transaction's end while it holds a row's tuple lock waits for that row. */
static bool add_row(const struct graph *graph, const struct graph_lock *lock, struct strbuf *text)
{
	const struct locktag *tag = object_of_wait(graph, lock->first_wait);
	if (tag == lock->tag)
		return false;
	strbuf_add_string(text, "for ");
	object_describe(graph->snapshot, tag, text);
	return true;
}

/* A worker of a parallel query waits for its leader's sake. */
static void add_leader(const struct graph *graph, const struct graph_wait *wait, struct strbuf *text)
{
	uint32_t leader = graph->nodes[wait->node].session;
	if (leader != wait->session && leader != SNAPSHOT_NO_INDEX)
		strbuf_printf(text, ", worker of %" PRId32, graph->snapshot->sessions[leader].id.pid);
}

static void add_progress(const struct column_row *row, struct strbuf *text)
{
	const struct session *session = NULL;
	if (row->session != SNAPSHOT_NO_INDEX)
		session = &row->frame->snapshot->sessions[row->session];
	if (session && session->progress) {
		strbuf_add_string(text, ", ");
		progress_summarize(session->progress, text);
	}
}

struct column_value column_lock_why(const struct column_row *row, bool ascii, struct strbuf *text)
{
	const struct graph *graph = row->frame->graph;
	const struct graph_lock *lock = row_lock(row);
	const struct graph_wait *wait = row_wait(row);
	if (!lock)
		return value_none;
	if (row_is_object(row))
		return add_row(graph, lock, text) ? value_number(WHEN_NONE) : value_none;
	if (wait) {
		add_conflicts(graph, wait, text);
		add_leader(graph, wait, text);
	} else {
		column_format(&columns[COLUMN_STATE], row, ascii, text);
		add_progress(row, text);
	}
	return value_number(WHEN_NONE);
}

void column_lock_format_why(const struct column_row *row, bool ascii, struct strbuf *out)
{
	column_lock_why(row, ascii, out);
}
