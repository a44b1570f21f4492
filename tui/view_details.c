#include "view.h"

#include "pglocktop/consequence.h"
#include "pglocktop/object.h"
#include "pglocktop/privilege.h"
#include "pglocktop/progress.h"
#include "pglocktop/recovery.h"
#include "pglocktop/verb.h"
#include "pglocktop/waitevent.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The details are written as paragraphs, each with a style and an indent, then wrapped into the lines that fit. */
enum { MOST_NEIGHBOURS = 20, MOST_FREE_LOCKS = 200, MOST_LINES_EACH = 400, BODY_INDENT = 3 };

struct page {
	struct canvas *canvas;
	int y, height, skip; /* lines before the first one shown */
	int line; /* counted from the first of all */
	int indent;
	enum style style;
};

static void page_line(void *context, const char *text)
{
	struct page *page = context;
	int at = page->line++ - page->skip;
	if (at >= 0 && at < page->height)
		canvas_put(page->canvas, page->y + at, page->indent, -1, page->style, text);
}

static void page_add(struct page *page, enum style style, int indent, const char *text)
{
	page->style = style;
	page->indent = indent;
	text_wrap_sentence(page->canvas->charset, text, page->canvas->width - indent - 1, MOST_LINES_EACH, page_line,
			   page);
}

/* A text with lines of its own. */
static void page_add_text(struct page *page, const char *text)
{
	page->style = STYLE_NORMAL;
	page->indent = BODY_INDENT;
	text_wrap(page->canvas->charset, text, page->canvas->width - BODY_INDENT - 1, MOST_LINES_EACH, page_line, page);
}

static void page_gap(struct page *page)
{
	page->line++;
}

static void page_take(struct page *page, enum style style, int indent, struct strbuf *text)
{
	page_add(page, style, indent, text->text);
	strbuf_reset(text);
}

static void add_age(struct strbuf *text, const char *before, int64_t now, int64_t then)
{
	char age[WHEN_TEXT_SIZE];
	if (then != WHEN_NONE)
		strbuf_printf(text, "%s%s", before, when_format_age(when_age(now, then), age));
}

static void node_name(const struct frame *frame, uint32_t node, struct strbuf *text)
{
	struct column_row row = { frame, frame->graph->nodes[node].session, frame->graph->nodes[node].prepared, node,
				  NULL };
	column_format(&columns[COLUMN_SESSION], &row, true, text);
}

static void node_state(const struct frame *frame, uint32_t node, bool ascii, struct strbuf *text)
{
	struct column_row row = { frame, frame->graph->nodes[node].session, frame->graph->nodes[node].prepared, node,
				  NULL };
	column_format(&columns[COLUMN_STATE], &row, ascii, text);
}

static void page_who(struct page *page, const struct snapshot *snapshot, const struct session *session,
		     struct strbuf *text)
{
	char id[IDENTITY_TEXT_SIZE];
	bool named = session->application && *session->application;
	strbuf_printf(text, "%d%s%s  %s@%s", (int)session->id.pid, named ? " " : "", named ? session->application : "",
		      session->user ? session->user : "?", session->database ? session->database : "?");
	if (session->client)
		strbuf_printf(text, "  %s", session->client);
	if (session->client_port > 0)
		strbuf_printf(text, ":%d", (int)session->client_port);
	add_age(text, "  connected ", snapshot->taken_at, session->id.backend_start);
	page_take(page, STYLE_STRONG, 1, text);
	if (session->id.backend_start != WHEN_NONE) {
		strbuf_printf(text, "identity %s", identity_format(session->id, id));
		if (session->backend_type)
			strbuf_printf(text, ", %s", session->backend_type);
		page_take(page, STYLE_DIM, 1, text);
	} else if (session->state == SESSION_HIDDEN) {
		page_add(page, STYLE_DIM, 1, "start, client and type: ? (hidden from this role)");
	}
}

static void page_state(struct page *page, const struct frame *frame, uint32_t index, bool ascii, struct strbuf *text)
{
	const struct snapshot *snapshot = frame->snapshot;
	const struct session *session = &snapshot->sessions[index];
	struct column_row row = column_row_of_session(frame, index);
	column_format(&columns[COLUMN_STATE], &row, ascii, text);
	add_age(text, ", transaction open ", snapshot->taken_at, session->xact_start);
	if (session->wait_event)
		strbuf_printf(text, ", wait event %s/%s", session->wait_event_type ? session->wait_event_type : "?",
			      session->wait_event);
	if (session->backend_xid)
		strbuf_printf(text, ", xid %u", (unsigned)session->backend_xid);
	page_take(page, STYLE_NORMAL, 1, text);
}

/* How far a maintenance command has come, and on which table where its name is known. */
static void page_progress(struct page *page, const struct snapshot *snapshot, const struct session *session,
			  struct strbuf *text)
{
	if (!session->progress)
		return;
	struct progress_stage stage = progress_read(session->progress);
	const struct relation_name *relation =
		snapshot_find_relation(snapshot, session->datid, session->progress->relation);
	progress_describe(session->progress, text);
	if (relation)
		strbuf_printf(text, ", on %s", relation->name);
	if (stage.total > 0)
		strbuf_printf(text, " (%" PRId64 " of %" PRId64 ")", stage.done, stage.total);
	page_take(page, STYLE_NORMAL, 1, text);
}

/* What a signal would do to those who wait; where none can be sent: why. */
static void page_signal(struct page *page, const struct frame *frame, uint32_t index, enum signal_verb verb,
			struct strbuf *text)
{
	uint32_t node = frame->graph->session_node[index];
	strbuf_printf(text, "IF %s  ", signal_verbs[verb].key);
	if (verb == SIGNAL_CANCEL && !whatif_runs(frame->graph, index))
		strbuf_add_string(text, "nothing: it runs nothing");
	else
		whatif_describe_clause(frame->whatif, node, verb, text);
	page_take(page, STYLE_NORMAL, 1, text);
	consequence_add_remarks(frame->snapshot, index, verb, false, text);
	if (text->length > 0 && verb == SIGNAL_TERMINATE)
		page_take(page, STYLE_NORMAL, 7, text);
	strbuf_reset(text);
}

static void page_may(struct page *page, const struct state *state, const struct frame *frame, uint32_t index,
		     struct strbuf *text)
{
	const struct session *session = &frame->snapshot->sessions[index];
	if (session->leader == index) {
		page_signal(page, frame, index, SIGNAL_TERMINATE, text);
		page_signal(page, frame, index, SIGNAL_CANCEL, text);
	}
	if (state->read_only)
		strbuf_add_string(text, "read-only: no signal can be sent in this run");
	else if (session->may != MAY_SIGNAL)
		privilege_explain(frame->snapshot, session, text);
	if (text->length > 0)
		page_take(page, STYLE_NORMAL, 1, text);
}

static const char *edge_word(const struct graph *graph, const struct graph_blocker *blocker)
{
	const struct graph_node *node = &graph->nodes[blocker->node];
	bool known = node->session == SNAPSHOT_NO_INDEX || graph->snapshot->sessions[node->session].leader_known;
	switch (blocker->kind) {
	case EDGE_HARD:
		return "holds it";
	case EDGE_SOFT:
		return "is ahead in the queue";
	case EDGE_PRESUMED:
		if (!known)
			return "is in the way, perhaps as another session's worker";
		return node->wait_count > 0 ? "is presumably ahead in the queue" : "presumably holds it";
	}
	return "";
}

static void page_blockers(struct page *page, const struct frame *frame, uint32_t node, bool ascii, struct strbuf *text)
{
	struct graph_blocker blockers[MOST_NEIGHBOURS];
	uint32_t count = graph_blockers(frame->graph, node, blockers, MOST_NEIGHBOURS);
	for (uint32_t i = 0; i < count && i < MOST_NEIGHBOURS; i++) {
		strbuf_add_string(text, "behind ");
		node_name(frame, blockers[i].node, text);
		strbuf_printf(text, ", which %s: ", edge_word(frame->graph, &blockers[i]));
		node_state(frame, blockers[i].node, ascii, text);
		page_take(page, STYLE_NORMAL, BODY_INDENT + 2, text);
	}
	if (count > MOST_NEIGHBOURS) {
		strbuf_printf(text, "and behind %u more", (unsigned)count - MOST_NEIGHBOURS);
		page_take(page, STYLE_NORMAL, BODY_INDENT + 2, text);
	}
}

static void page_waits(struct page *page, const struct frame *frame, uint32_t node, bool ascii, struct strbuf *text)
{
	const struct graph *graph = frame->graph;
	const struct graph_node *of = &graph->nodes[node];
	char age[WHEN_TEXT_SIZE];
	if (of->wait_count == 0)
		return;
	page_gap(page);
	page_add(page, STYLE_STRONG, 1, "WAITS FOR");
	for (uint32_t i = 0; i < of->wait_count; i++) {
		uint32_t index = graph->node_waits[of->first_wait + i];
		const struct graph_wait *wait = &graph->waits[index];
		object_describe(frame->snapshot, object_of_wait(graph, index), text);
		if (object_of_wait(graph, index) != graph->locks[wait->lock].tag) {
			strbuf_add_string(text, ", by ");
			object_describe(frame->snapshot, graph->locks[wait->lock].tag, text);
		}
		strbuf_printf(text, ", %s", lockmode_name(wait->mode));
		if (wait->since != WHEN_NONE)
			strbuf_printf(text, ", for %s",
				      when_format_age(when_age(frame->snapshot->taken_at, wait->since), age));
		page_take(page, STYLE_NORMAL, BODY_INDENT, text);
	}
	page_blockers(page, frame, node, ascii, text);
}

static void page_safe_blockers(struct page *page, const struct frame *frame, uint32_t index, struct strbuf *text)
{
	const struct safe_snapshot *safe = snapshot_find_safe(frame->snapshot, index);
	for (uint32_t i = 0; safe && i < safe->blocker_count && i < MOST_NEIGHBOURS; i++) {
		uint32_t blocker = snapshot_find_pid(frame->snapshot, safe->blockers[i]);
		if (blocker == SNAPSHOT_NO_INDEX)
			continue;
		struct column_row row = column_row_of_session(frame, blocker);
		strbuf_add_string(text, "held up by ");
		column_format(&columns[COLUMN_SESSION], &row, true, text);
		strbuf_add_string(text, ": ");
		column_format(&columns[COLUMN_STATE], &row, true, text);
		page_take(page, STYLE_NORMAL, BODY_INDENT + 2, text);
	}
}

/* A wait for what is no lock, where there is more to be said than its wait event. */
static void page_other_wait(struct page *page, const struct frame *frame, uint32_t index, struct strbuf *text)
{
	const char *explained = waitevent_explain(frame->snapshot, index);
	if (!explained)
		return;
	waitevent_describe(frame->snapshot, index, text);
	page_gap(page);
	page_add(page, STYLE_STRONG, 1, "WAITS FOR");
	page_take(page, STYLE_NORMAL, BODY_INDENT, text);
	page_add(page, STYLE_NORMAL, BODY_INDENT, explained);
	page_safe_blockers(page, frame, index, text);
}

/* Whose safe snapshots wait for this session's transaction. */
static void page_held_up(struct page *page, const struct frame *frame, uint32_t index, struct strbuf *text)
{
	const struct snapshot *snapshot = frame->snapshot;
	for (uint32_t i = 0; i < snapshot->safe_snapshot_count; i++) {
		const struct safe_snapshot *safe = &snapshot->safe_snapshots[i];
		for (uint32_t j = 0; j < safe->blocker_count; j++)
			if (safe->blockers[j] == snapshot->sessions[index].id.pid)
				strbuf_printf(text, "%s%d", text->length > 0 ? ", " : "HOLDS UP the safe snapshot of ",
					      (int)safe->pid);
	}
	if (text->length == 0)
		return;
	page_gap(page);
	page_take(page, STYLE_STRONG, 1, text);
}

/* Whom a lock that is held keeps waiting. */
static void add_lock_waiters(const struct frame *frame, const struct graph_lock *lock, uint16_t held, uint32_t node,
			     struct strbuf *text)
{
	unsigned shown = 0, more = 0;
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		const struct graph_wait *wait = &frame->graph->waits[lock->first_wait + i];
		if (wait->node == node || !(lockmode_conflicts(wait->mode) & held))
			continue;
		if (shown == 8) {
			more++;
			continue;
		}
		strbuf_printf(text, "%s %d %s", shown++ ? "," : " <-",
			      (int)frame->snapshot->sessions[wait->session].id.pid, lockmode_short_name(wait->mode));
	}
	if (more)
		strbuf_printf(text, " and %u more", more);
}

/* Where they were not read with the rest. */
static void add_locks_age(const struct snapshot *snapshot, struct strbuf *text)
{
	char age[WHEN_TEXT_SIZE];
	if (snapshot->locks_age >= WHEN_SECOND)
		strbuf_printf(text, " (locks read %s ago)", when_format_age(snapshot->locks_age, age));
}

static void page_wanted(struct page *page, const struct frame *frame, uint32_t node, struct strbuf *text)
{
	uint32_t count;
	bool titled = false;
	const uint32_t *procs = graph_node_procs(frame->graph, node, &count);
	for (uint32_t i = 0; i < count; i++) {
		const struct graph_proc *proc = &frame->graph->procs[procs[i]];
		if (!proc->held)
			continue;
		if (!titled) {
			page_gap(page);
			strbuf_add_string(text, "HOLDS, wanted by others");
			add_locks_age(frame->snapshot, text);
			page_take(page, STYLE_STRONG, 1, text);
			titled = true;
		}
		object_describe(frame->snapshot, frame->graph->locks[proc->lock].tag, text);
		strbuf_add_char(text, ' ');
		object_add_modes(proc->held, text);
		add_lock_waiters(frame, &frame->graph->locks[proc->lock], proc->held, node, text);
		page_take(page, STYLE_NORMAL, BODY_INDENT, text);
	}
}

static bool is_contended(const struct graph *graph, uint32_t node, const struct locktag *tag)
{
	uint32_t count = 0;
	const uint32_t *procs = node == GRAPH_NONE ? NULL : graph_node_procs(graph, node, &count);
	for (uint32_t i = 0; i < count; i++)
		if (locktag_compare(graph->locks[graph->procs[procs[i]].lock].tag, tag) == 0)
			return true;
	return false;
}

static void page_unwanted(struct page *page, const struct frame *frame, uint32_t index, uint32_t node,
			  struct strbuf *text)
{
	const struct snapshot *snapshot = frame->snapshot;
	uint32_t list[MOST_FREE_LOCKS];
	unsigned count = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		const struct lock *lock = &snapshot->locks[i];
		if (lock->session != index || !lock->granted || is_contended(frame->graph, node, &lock->tag))
			continue;
		if (count++ < MOST_FREE_LOCKS)
			list[count - 1] = i;
	}
	if (count == 0)
		return;
	page_gap(page);
	strbuf_printf(text, "HOLDS, wanted by nobody: %u", count);
	add_locks_age(snapshot, text);
	page_take(page, STYLE_STRONG, 1, text);
	for (unsigned i = 0; i < count && i < MOST_FREE_LOCKS; i++) {
		object_describe(snapshot, &snapshot->locks[list[i]].tag, text);
		strbuf_printf(text, " %s", lockmode_short_name(snapshot->locks[list[i]].mode));
		page_take(page, STYLE_NORMAL, BODY_INDENT, text);
	}
	if (count > MOST_FREE_LOCKS)
		page_add(page, STYLE_NORMAL, BODY_INDENT, "and others");
}

static const char *missing_query(const struct session *session)
{
	if (session->state == SESSION_HIDDEN)
		return "? (this role may not see it: it takes pg_read_all_stats, as in pg_monitor)";
	return session->state == SESSION_DISABLED ? "(its track_activities is off)" : "(none)";
}

static void page_query(struct page *page, const struct frame *frame, uint32_t index, struct strbuf *text)
{
	const struct snapshot *snapshot = frame->snapshot;
	const struct session *session = &snapshot->sessions[index];
	const char *query = frame_query(frame, index);
	bool runs = session->state == SESSION_ACTIVE || session->state == SESSION_FASTPATH;
	page_gap(page);
	if (runs) {
		strbuf_add_string(text, "QUERY");
		add_age(text, ", running for ", snapshot->taken_at, session->query_start);
	} else {
		strbuf_add_string(text, "LAST QUERY");
		add_age(text, ", ended ", snapshot->taken_at, session->state_change);
		if (session->state_change != WHEN_NONE)
			strbuf_add_string(text, " ago; an earlier one may have taken the lock");
	}
	page_take(page, STYLE_STRONG, 1, text);
	if (query)
		page_add_text(page, query);
	else
		page_add(page, STYLE_NORMAL, BODY_INDENT, missing_query(session));
}

static void page_session(struct page *page, const struct view_context *context, uint32_t index, struct strbuf *text)
{
	const struct frame *frame = context->scene->frame;
	const struct session *session = &frame->snapshot->sessions[index];
	uint32_t node = frame->graph->session_node[index];
	page_who(page, frame->snapshot, session, text);
	page_state(page, frame, index, context->state->ascii, text);
	page_progress(page, frame->snapshot, session, text);
	page_may(page, context->state, frame, index, text);
	if (node != GRAPH_NONE)
		page_waits(page, frame, node, context->state->ascii, text);
	if (node == GRAPH_NONE || frame->graph->nodes[node].wait_count == 0)
		page_other_wait(page, frame, index, text);
	if (node != GRAPH_NONE)
		page_wanted(page, frame, node, text);
	page_held_up(page, frame, index, text);
	page_query(page, frame, index, text);
	page_unwanted(page, frame, index, node, text);
}

static void page_prepared(struct page *page, const struct view_context *context, uint32_t item, struct strbuf *text)
{
	const struct frame *frame = context->scene->frame;
	uint32_t node = context->scene->forest->items[item].node;
	uint32_t index = frame->graph->nodes[node].prepared;
	if (index == SNAPSHOT_NO_INDEX) {
		page_add(page, STYLE_NORMAL, 1, "a prepared transaction that ended while the server was read");
		return;
	}
	const struct prepared *prepared = &frame->snapshot->prepared[index];
	strbuf_printf(text, "2pc %s  %s@%s  xid %u", prepared->gid, prepared->owner ? prepared->owner : "?",
		      prepared->database ? prepared->database : "?", (unsigned)prepared->xid);
	add_age(text, "  prepared ", frame->snapshot->taken_at, prepared->prepared_at);
	strbuf_add_string(text, prepared->prepared_at != WHEN_NONE ? " ago" : "");
	page_take(page, STYLE_STRONG, 1, text);
	strbuf_add_string(text, "IF it is rolled back  ");
	whatif_describe_clause(frame->whatif, node, SIGNAL_TERMINATE, text);
	page_take(page, STYLE_NORMAL, 1, text);
	strbuf_add_string(text, "It has no process, so there is nothing to cancel or terminate. ");
	strbuf_printf(text, "In database %s, as %s or a superuser, COMMIT PREPARED or this ends it (y s copies it):",
		      prepared->database ? prepared->database : "?", prepared->owner ? prepared->owner : "its owner");
	page_take(page, STYLE_NORMAL, 1, text);
	consequence_add_rollback(prepared, text);
	page_take(page, STYLE_STRONG, BODY_INDENT, text);
	page_wanted(page, frame, node, text);
}

static int page_write(struct page *page, const struct view_context *context)
{
	struct strbuf text = STRBUF_INIT;
	const struct scene *scene = context->scene;
	uint32_t session = scene_cursor_session(scene);
	uint32_t item = scene->forest ? scene_item_at(scene, scene->cursor) : FOREST_NONE;
	page->line = 0;
	if (session != SNAPSHOT_NO_INDEX)
		page_session(page, context, session, &text);
	else if (item != FOREST_NONE && scene->forest->items[item].kind == FOREST_PREPARED)
		page_prepared(page, context, item, &text);
	else
		page_add(page, STYLE_NORMAL, 1, "It has ended, or no longer waits or blocks. Esc goes back.");
	strbuf_release(&text);
	return page->line;
}

uint32_t view_draw_details(struct canvas *canvas, const struct view_context *context, int height)
{
	int y = context->layout.header_lines + 1;
	struct page page = { .canvas = canvas, .y = y, .height = height > y ? height - y : 0, .skip = INT32_MAX };
	/* Written twice: once to count the lines, so that one cannot scroll beyond the last. */
	int lines = page_write(&page, context);
	int last_top = lines > page.height ? lines - page.height : 0;
	page.skip = context->state->details_top < (uint32_t)last_top ? (int)context->state->details_top : last_top;
	page_write(&page, context);
	if (last_top > 0)
		canvas_printf(canvas, y - 1, 1, STYLE_DIM, "lines %d-%d of %d", page.skip + 1, page.skip + page.height,
			      lines);
	if (view_is_dim(context))
		for (int line = y; line < height; line++)
			canvas_restyle(canvas, line, 0, -1, STYLE_DIM);
	return (uint32_t)last_top;
}
