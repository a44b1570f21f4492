#include "pglocktop/json.h"

#include "json_value.h"

#include "pglocktop/object.h"
#include "pglocktop/privilege.h"
#include "pglocktop/progress.h"
#include "pglocktop/totals.h"
#include "pglocktop/whatif.h"

#include <stdlib.h>
#include <string.h>

#define BLOCKERS_MOST 32 /* entries of one blocked_by, unless all edges are asked for */
#define EXACT_MOST 5000 /* waiting nodes up to which the totals behind each are counted */

/* What the parts of a document are written from. The document goes out piece by piece: it may be large. */
struct writer {
	const struct forest *forest;
	const struct snapshot *snapshot;
	const struct graph *graph;
	const struct json_options *options;
	struct strbuf *out;
	struct arena scratch;
	const uint32_t *behind; /* by node; NULL: too many to be counted */
	uint32_t *prepared_node; /* by prepared index; GRAPH_NONE */
	struct graph_blocker *blockers; /* room for one node's */
	uint32_t blocker_capacity;
	const struct locktag **contended; /* sorted */
};

static void write_value(struct writer *writer, json_t *owned)
{
	json_value_write(owned, writer->out);
}

/* Writes `,"name":[…]`; an element that is NULL is left out. */
static void write_array(struct writer *writer, const char *name, uint32_t count,
			json_t *(*element)(struct writer *writer, uint32_t index))
{
	bool first = true;
	strbuf_printf(writer->out, ",\"%s\":[", name);
	for (uint32_t i = 0; i < count; i++) {
		json_t *value = element(writer, i);
		if (!value)
			continue;
		if (!first)
			strbuf_add_char(writer->out, ',');
		first = false;
		write_value(writer, value);
	}
	strbuf_add_char(writer->out, ']');
}

static json_t *server_value(const struct server_info *server)
{
	json_t *value = json_object();
	put(value, "host", text_value(server->host));
	put(value, "port", number_value(server->port != 0, server->port));
	put(value, "database", text_value(server->database));
	put(value, "version_num", number_value(server->version_num != 0, server->version_num));
	put(value, "in_recovery", json_boolean(server->in_recovery));
	put(value, "started_at", time_value(server->started_at));
	put(value, "deadlock_timeout", seconds_value(server->deadlock_timeout));
	put(value, "max_connections", number_value(server->max_connections != 0, server->max_connections));
	put(value, "slots_for_all", number_value(server->slots_for_all != 0, server->slots_for_all));
	put(value, "system_identifier", text_value(server->system_identifier));
	put(value, "replay_lag", seconds_value(server->replay_lag));
	put(value, "receives_wal",
	    server->max_standby_delay != WHEN_NONE ? json_boolean(server->receives_wal) : json_null());
	put(value, "max_standby_delay", seconds_value(server->max_standby_delay));
	return value;
}

static json_t *role_value(const struct role_info *role)
{
	json_t *value = json_object();
	put(value, "name", text_value(role->name));
	put(value, "superuser", role->known ? json_boolean(role->superuser) : json_null());
	put(value, "sees_all", role->known ? json_boolean(role->sees_all) : json_null());
	put(value, "signals_others", role->known ? json_boolean(role->signals_others) : json_null());
	return value;
}

static json_t *cost_value(const struct snapshot *snapshot)
{
	const struct snapshot_cost *cost = &snapshot->cost;
	json_t *value = json_object();
	put(value, "server", seconds_value(cost->server));
	put(value, "client", seconds_value(cost->client));
	put(value, "activity_rows", json_integer(cost->activity_rows));
	put(value, "lock_rows", json_integer(cost->lock_rows));
	if (snapshot->locks_age > 0)
		put(value, "locks_age", seconds_value(snapshot->locks_age));
	return value;
}

/* A count of what may be hidden is no count. */
static json_t *totals_value(const struct frame *frame)
{
	bool sees_all = frame->snapshot->role.known && frame->snapshot->role.sees_all;
	struct totals totals = totals_of(frame);
	json_t *value = json_object();
	put(value, "sessions", json_integer(totals.sessions));
	put(value, "active", number_value(sees_all, totals.active));
	put(value, "idle_in_transaction", number_value(sees_all, totals.idle_in_transaction));
	put(value, "waiting", json_integer(totals.waiting));
	put(value, "roots", json_integer(totals.roots));
	put(value, "longest_wait", seconds_value(totals.longest_wait));
	put(value, "deadlocks", number_value(frame->snapshot->deadlocks >= 0, frame->snapshot->deadlocks));
	return value;
}

static const char *edge_name(enum edge_kind kind)
{
	switch (kind) {
	case EDGE_HARD:
		return "hard";
	case EDGE_SOFT:
		return "soft";
	case EDGE_PRESUMED:
		return "presumed";
	}
	err_die("edge kind %d is not in enum edge_kind", (int)kind);
}

/* The process' own wait; a leader that does not wait itself answers with its group's. */
static uint32_t session_wait(const struct graph *graph, uint32_t session)
{
	if (graph->session_node[session] == GRAPH_NONE)
		return GRAPH_NONE;
	const struct graph_node *node = &graph->nodes[graph->session_node[session]];
	for (uint32_t i = 0; i < node->wait_count; i++) {
		uint32_t wait = graph->node_waits[node->first_wait + i];
		if (graph->waits[wait].session == session)
			return wait;
	}
	return node->session == session ? node->principal_wait : GRAPH_NONE;
}

static json_t *wait_value(const struct writer *writer, uint32_t session)
{
	uint32_t index = session_wait(writer->graph, session);
	if (index == GRAPH_NONE)
		return json_null();
	const struct graph_wait *wait = &writer->graph->waits[index];
	const struct locktag *tag = &writer->snapshot->locks[wait->row].tag;
	struct strbuf object = STRBUF_INIT;
	object_describe(writer->snapshot, tag, &object);
	json_t *value = json_object();
	put(value, "lock", text_value(tag->type));
	put(value, "mode", text_value(lockmode_name(wait->mode)));
	put(value, "object", text_value(object.text));
	put(value, "since", time_value(wait->since));
	put(value, "wait", seconds_value(when_age(writer->snapshot->taken_at, wait->since)));
	strbuf_release(&object);
	return value;
}

static json_t *blocker_value(const struct writer *writer, struct graph_blocker blocker)
{
	const struct graph_node *node = &writer->graph->nodes[blocker.node];
	json_t *value = json_object();
	bool session = node->session != SNAPSHOT_NO_INDEX;
	bool prepared = node->prepared != SNAPSHOT_NO_INDEX;
	struct identity id = session ? writer->snapshot->sessions[node->session].id : (struct identity){ 0, WHEN_NONE };
	put(value, "pid", number_value(session, id.pid));
	put(value, "id", identity_value(id));
	put(value, "prepared", text_value(prepared ? writer->snapshot->prepared[node->prepared].gid : NULL));
	put(value, "kind", text_value(edge_name(blocker.kind)));
	return value;
}

/* A worker of a parallel query has its leader's list, as pg_blocking_pids() would say. */
static void put_blockers(struct writer *writer, uint32_t session, json_t *value)
{
	uint32_t node = writer->graph->session_node[session], count = 0;
	if (node != GRAPH_NONE)
		count = graph_blockers(writer->graph, node, writer->blockers, writer->blocker_capacity);
	uint32_t shown = count < writer->blocker_capacity ? count : writer->blocker_capacity;
	json_t *list = json_array();
	for (uint32_t i = 0; i < shown; i++)
		if (json_array_append_new(list, blocker_value(writer, writer->blockers[i])) != 0)
			err_die("out of memory");
	put(value, "blocked_by", list);
	if (count > shown)
		put(value, "blocked_by_more", json_integer(count - shown));
}

/* Who holds up a safe snapshot: none of pg_blocking_pids()' edges, and there only where the server told it. */
static void put_safe_snapshot(const struct writer *writer, uint32_t session, json_t *value)
{
	const struct safe_snapshot *safe = snapshot_find_safe(writer->snapshot, session);
	if (!safe)
		return;
	json_t *list = json_array();
	for (uint32_t i = 0; i < safe->blocker_count; i++) {
		uint32_t index = snapshot_find_pid(writer->snapshot, safe->blockers[i]);
		json_t *blocker = json_object();
		put(blocker, "pid", number_value(safe->blockers[i] != 0, safe->blockers[i]));
		put(blocker, "id",
		    index == SNAPSHOT_NO_INDEX ? json_null() : identity_value(writer->snapshot->sessions[index].id));
		if (json_array_append_new(list, blocker) != 0)
			err_die("out of memory");
	}
	put(value, "safe_snapshot_blocked_by", list);
}

struct counts {
	uint32_t direct, total, beneath;
	bool exact;
};

static struct counts count_blocks(const struct writer *writer, uint32_t node)
{
	if (node == GRAPH_NONE)
		return (struct counts){ .exact = true };
	struct counts counts = { .exact = writer->behind != NULL };
	counts.direct = writer->graph->nodes[node].blocked_count;
	counts.beneath = writer->forest->items[writer->forest->node_item[node]].beneath;
	counts.total = writer->behind ? writer->behind[node] : counts.beneath;
	return counts;
}

/* A worker of a parallel query blocks as its leader: it has no node of its own. */
static uint32_t own_node(const struct graph *graph, uint32_t session)
{
	uint32_t node = graph->session_node[session];
	return node != GRAPH_NONE && graph->nodes[node].session != session ? GRAPH_NONE : node;
}

static json_t *session_blocks_value(const struct writer *writer, uint32_t session)
{
	struct counts counts = count_blocks(writer, own_node(writer->graph, session));
	json_t *value = json_object();
	put(value, "direct", json_integer(counts.direct));
	put(value, "total", json_integer(counts.total));
	put(value, "beneath", json_integer(counts.beneath));
	put(value, "exact", json_boolean(counts.exact));
	return value;
}

/* `in_turn` of those who follow a terminate; null where it is not known. A worker of a parallel query frees nobody. */
static json_t *frees_value(const struct writer *writer, uint32_t node, bool may_cancel)
{
	struct whatif_forecast cancel = { 0 }, terminate = { 0 };
	if (node != GRAPH_NONE) {
		cancel = whatif_forecast(writer->forest->frame->whatif, node, SIGNAL_CANCEL);
		terminate = whatif_forecast(writer->forest->frame->whatif, node, SIGNAL_TERMINATE);
	}
	json_t *value = json_object();
	if (may_cancel)
		put(value, "cancel", json_integer(cancel.freed));
	put(value, "terminate", json_integer(terminate.freed));
	put(value, "in_turn", number_value(terminate.in_turn != GRAPH_NONE, terminate.in_turn));
	put(value, "exact", json_boolean(!cancel.doubts && !terminate.doubts));
	return value;
}

static json_t *session_frees_value(const struct writer *writer, uint32_t session)
{
	return frees_value(writer, own_node(writer->graph, session), true);
}

static json_t *progress_value(const struct progress *progress)
{
	if (!progress)
		return json_null();
	struct progress_stage stage = progress_read(progress);
	bool lockers = stage.waits && stage.lockers_total > 0;
	json_t *value = json_object();
	put(value, "command", text_value(stage.command));
	put(value, "phase", text_value(stage.phase));
	put(value, "relation", number_value(progress->relation != 0, progress->relation));
	put(value, "done", number_value(stage.total > 0, stage.done));
	put(value, "total", number_value(stage.total > 0, stage.total));
	put(value, "lockers_done", number_value(lockers, stage.lockers_done));
	put(value, "lockers_total", number_value(lockers, stage.lockers_total));
	put(value, "locker", number_value(stage.locker != 0, stage.locker));
	return value;
}

static json_t *deadlock_value(const struct writer *writer, uint32_t session)
{
	uint32_t node = writer->graph->session_node[session];
	uint32_t cycle = node == GRAPH_NONE ? GRAPH_NONE : writer->graph->nodes[node].cycle;
	return number_value(cycle != GRAPH_NONE, cycle);
}

static json_t *may_value(const struct writer *writer, const struct session *session)
{
	bool may = session->may == MAY_SIGNAL;
	struct strbuf reason = STRBUF_INIT;
	if (!may)
		privilege_explain(writer->snapshot, session, &reason);
	json_t *value = json_object();
	put(value, "cancel", json_boolean(may));
	put(value, "terminate", json_boolean(may));
	put(value, "why_not", text_value(reason.text));
	strbuf_release(&reason);
	return value;
}

static void put_activity(const struct session *session, json_t *value)
{
	put(value, "id", identity_value(session->id));
	put(value, "pid", json_integer(session->id.pid));
	put(value, "leader_pid", number_value(session->leader_pid != 0, session->leader_pid));
	put(value, "backend_type", text_value(session->backend_type));
	put(value, "user", text_value(session->user));
	put(value, "database", text_value(session->database));
	put(value, "application", text_value(session->application));
	put(value, "client", text_value(session->client));
	put(value, "backend_start", time_value(session->id.backend_start));
	put(value, "xact_start", time_value(session->xact_start));
	put(value, "query_start", time_value(session->query_start));
	put(value, "state_change", time_value(session->state_change));
	put(value, "state", text_value(session->state_text));
	put(value, "wait_event_type", text_value(session->wait_event_type));
	put(value, "wait_event", text_value(session->wait_event));
	put(value, "query_id", number_value(session->has_query_id, session->query_id));
}

static json_t *session_value(struct writer *writer, uint32_t index)
{
	const struct session *session = &writer->snapshot->sessions[index];
	if (writer->options->selected && !writer->options->selected[index])
		return NULL;
	json_t *value = json_object();
	put_activity(session, value);
	put(value, "query", text_value(frame_query(writer->forest->frame, index)));
	put(value, "progress", progress_value(session->progress));
	put(value, "waits_for", wait_value(writer, index));
	put_blockers(writer, index, value);
	put_safe_snapshot(writer, index, value);
	put(value, "blocks", session_blocks_value(writer, index));
	put(value, "frees", session_frees_value(writer, index));
	put(value, "deadlock", deadlock_value(writer, index));
	put(value, "may", may_value(writer, session));
	return value;
}

/* `exact` is there only where it is false: where the total is the count beneath. */
static json_t *prepared_value(struct writer *writer, uint32_t index)
{
	const struct prepared *prepared = &writer->snapshot->prepared[index];
	struct counts counts = count_blocks(writer, writer->prepared_node[index]);
	json_t *blocks = json_object();
	put(blocks, "direct", json_integer(counts.direct));
	put(blocks, "total", json_integer(counts.total));
	if (!counts.exact)
		put(blocks, "exact", json_false());
	json_t *value = json_object();
	put(value, "gid", text_value(prepared->gid));
	put(value, "xid", number_value(prepared->xid != 0, prepared->xid));
	put(value, "owner", text_value(prepared->owner));
	put(value, "database", text_value(prepared->database));
	put(value, "prepared_at", time_value(prepared->prepared_at));
	put(value, "blocks", blocks);
	put(value, "frees", frees_value(writer, writer->prepared_node[index], false));
	return value;
}

static json_t *cycle_value(struct writer *writer, uint32_t index)
{
	const struct graph *graph = writer->graph;
	const struct graph_cycle *cycle = &graph->cycles[index];
	json_t *members = json_array(), *pids = json_array();
	for (uint32_t i = 0; i < cycle->member_count; i++) {
		/* Who is in a circle waits, and so has a process. */
		const struct graph_node *node = &graph->nodes[graph->cycle_members[cycle->first_member + i]];
		struct identity id = writer->snapshot->sessions[node->session].id;
		if (json_array_append_new(members, identity_value(id)) != 0 ||
		    json_array_append_new(pids, json_integer(id.pid)) != 0)
			err_die("out of memory");
	}
	enum edge_kind kind = cycle->presumed ? EDGE_PRESUMED : cycle->has_soft ? EDGE_SOFT : EDGE_HARD;
	json_t *value = json_object();
	put(value, "members", members);
	put(value, "pids", pids);
	put(value, "kind", text_value(edge_name(kind)));
	return value;
}

static int compare_tags(const void *left, const void *right)
{
	return locktag_compare(*(const struct locktag *const *)left, *(const struct locktag *const *)right);
}

/* Whether the graph is made from this row, or all are asked for. */
static bool lock_wanted(const struct writer *writer, const struct lock *lock)
{
	const bool *selected = writer->options->selected;
	if (selected && (lock->session == SNAPSHOT_NO_INDEX || !selected[lock->session]))
		return false;
	if (writer->options->all_locks)
		return true;
	if (lock->fastpath || lock->mode == LOCKMODE_SIREAD || writer->graph->lock_count == 0)
		return false;
	const struct locktag *tag = &lock->tag;
	return bsearch(&tag, writer->contended, writer->graph->lock_count, sizeof(struct locktag *), compare_tags);
}

static void put_tag(const struct locktag *tag, json_t *value)
{
	put(value, "locktype", text_value(tag->type));
	put(value, "database", number_value(tag->columns & LOCKTAG_HAS_DATABASE, tag->database));
	put(value, "relation", number_value(tag->columns & LOCKTAG_HAS_RELATION, tag->relation));
	put(value, "page", number_value(tag->columns & LOCKTAG_HAS_PAGE, tag->page));
	put(value, "tuple", number_value(tag->columns & LOCKTAG_HAS_TUPLE, tag->tuple));
	put(value, "virtualxid", text_value(tag->virtualxid));
	put(value, "transactionid", number_value(tag->columns & LOCKTAG_HAS_TRANSACTIONID, tag->transactionid));
	put(value, "classid", number_value(tag->columns & LOCKTAG_HAS_CLASSID, tag->classid));
	put(value, "objid", number_value(tag->columns & LOCKTAG_HAS_OBJID, tag->objid));
	put(value, "objsubid", number_value(tag->columns & LOCKTAG_HAS_OBJSUBID, tag->objsubid));
}

static json_t *lock_value(struct writer *writer, uint32_t index)
{
	const struct lock *lock = &writer->snapshot->locks[index];
	const struct locktag *tag = &lock->tag;
	if (!lock_wanted(writer, lock))
		return NULL;
	const struct relation_name *relation = NULL;
	if (tag->columns & LOCKTAG_HAS_RELATION)
		relation = snapshot_find_relation(writer->snapshot, tag->database, tag->relation);
	json_t *value = json_object();
	put(value, "pid", number_value(lock->pid != 0, lock->pid));
	put(value, "virtualtransaction", text_value(lock->virtualtransaction));
	put_tag(tag, value);
	put(value, "mode", text_value(lock->mode == LOCKMODE_NONE ? NULL : lockmode_name(lock->mode)));
	put(value, "granted", json_boolean(lock->granted));
	put(value, "fastpath", json_boolean(lock->fastpath));
	put(value, "waitstart", time_value(lock->waitstart));
	put(value, "name", text_value(relation ? relation->name : NULL));
	return value;
}

static void write_head(struct writer *writer)
{
	const struct snapshot *snapshot = writer->snapshot;
	json_t *head = json_object();
	put(head, "format", json_string("pglocktop"));
	put(head, "version", json_integer(1));
	put(head, "taken_at", time_value(snapshot->taken_at));
	put(head, "server", server_value(&snapshot->server));
	put(head, "role", role_value(&snapshot->role));
	put(head, "cost", cost_value(snapshot));
	put(head, "totals", totals_value(writer->forest->frame));
	write_value(writer, head);
	strbuf_truncate(writer->out, writer->out->length - 1); /* its brace: more follows */
}

static uint32_t most_blockers(const struct graph *graph)
{
	uint32_t most = 0;
	for (uint32_t i = 0; i < graph->node_count; i++)
		most = graph->nodes[i].blocker_count > most ? graph->nodes[i].blocker_count : most;
	return most;
}

static void prepare(struct writer *writer)
{
	const struct graph *graph = writer->graph;
	struct arena *scratch = &writer->scratch;
	writer->behind = graph_count_behind(graph, EXACT_MOST, scratch);
	writer->blocker_capacity = writer->options->all_edges ? most_blockers(graph) : BLOCKERS_MOST;
	writer->blockers = arena_array(scratch, writer->blocker_capacity, sizeof *writer->blockers);
	writer->contended = arena_array(scratch, graph->lock_count, sizeof *writer->contended);
	for (uint32_t i = 0; i < graph->lock_count; i++)
		writer->contended[i] = graph->locks[i].tag;
	if (graph->lock_count)
		qsort(writer->contended, graph->lock_count, sizeof *writer->contended, compare_tags);
	writer->prepared_node = arena_array(scratch, writer->snapshot->prepared_count, sizeof *writer->prepared_node);
	for (uint32_t i = 0; i < writer->snapshot->prepared_count; i++)
		writer->prepared_node[i] = GRAPH_NONE;
	for (uint32_t i = 0; i < graph->node_count; i++)
		if (graph->nodes[i].prepared != SNAPSHOT_NO_INDEX)
			writer->prepared_node[graph->nodes[i].prepared] = i;
}

void json_write_snapshot(const struct forest *forest, const struct json_options *options, struct strbuf *out)
{
	const struct snapshot *snapshot = forest->frame->snapshot;
	struct writer writer = { .forest = forest,
				 .snapshot = snapshot,
				 .graph = forest->frame->graph,
				 .options = options,
				 .out = out,
				 .scratch = ARENA_INIT };
	prepare(&writer);
	write_head(&writer);
	write_array(&writer, "sessions", snapshot->session_count, session_value);
	write_array(&writer, "prepared", snapshot->prepared_count, prepared_value);
	write_array(&writer, "deadlocks", writer.graph->cycle_count, cycle_value);
	write_array(&writer, "locks", snapshot->lock_count, lock_value);
	strbuf_add_string(out, "}\n");
	arena_release(&writer.scratch);
}
