/*
 * A watch: a refresh that does not read the lock table. It reads the sessions, and asks pg_blocking_pids() about every
 * process that waits in the graph in hand. If each is still in the same wait, with the very blockers that the graph
 * gives it, nobody else waits, and all who are in the graph are still there, then that graph is what a scan would find:
 * the locks of the last scan serve once more. Whatever else comes makes it a scan at once.
 *
 * The same holds where nobody waits: then the sessions alone tell it.
 */
#include "server_private.h"

#include "pglocktop/waitevent.h"

#include <stdlib.h>
#include <string.h>

enum { V14 = 140000, WAITS_MOST = 20000, EDGES_MOST = 300000 };

/*
 * A scan takes the locks of the table once, each question once more: where the costs are near, a scan it is. A watch
 * that has begun may cost so much more before it ends.
 */
#define GOES_ON 1.4
#define REREAD_SHARE                                                                                                   \
	0.04 /* of what watches have cost: so much may be spent to read the locks anew, though all agrees */

void watch_release(struct server_watch *watch)
{
	arena_release(&watch->arena);
	*watch = (struct server_watch){ .scan_cost = watch->scan_cost, .begun = watch->begun };
}

/* ---- whether a graph can be confirmed at all ---- */

/* Its wait events show, and it is there under its name. */
static bool is_plain(const struct snapshot *snapshot, const struct session *session)
{
	bool shows_events = session->state != SESSION_DISABLED || snapshot->server.version_num >= V14;
	return session->listed && session->state != SESSION_HIDDEN && shows_events;
}

static bool sessions_are_plain(const struct frame *frame)
{
	const struct snapshot *snapshot = frame->snapshot;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		bool involved = frame->graph->session_node[i] != GRAPH_NONE;
		if (!is_plain(snapshot, session) || (involved && !session->leader_known))
			return false;
	}
	return true;
}

/* Each in one wait, which somebody is in the way of: else it is about to go on. */
static bool waits_are_plain(const struct graph *graph)
{
	uint64_t edges = 0;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		const struct graph_node *node = &graph->nodes[i];
		edges += node->blocker_count;
		if ((node->wait_count > 0 && node->blocker_count == 0) || node->virtualtransaction)
			return false;
	}
	for (uint32_t i = 0; i < graph->wait_count; i++)
		if (graph->snapshot->sessions[graph->waits[i].session].state == SESSION_DISABLED)
			return false;
	return graph->wait_count <= WAITS_MOST && edges <= EDGES_MOST;
}

/*
 * An answer's 0 may be any prepared transaction. And about the startup process of a standby it says that nobody blocks
 * it.
 */
static bool can_be_confirmed(const struct frame *frame)
{
	const struct snapshot *snapshot = frame->snapshot;
	return !snapshot->server.in_recovery && !snapshot->server.pooled && snapshot->prepared_count <= 1 &&
	       sessions_are_plain(frame) && waits_are_plain(frame->graph);
}

/* ---- what is kept ---- */

static struct lock copy_lock(struct arena *arena, const struct lock *lock)
{
	struct lock copy = *lock;
	if (lock->tag.kind == LOCKTAG_OTHER)
		copy.tag.type = arena_string(arena, lock->tag.type);
	copy.tag.virtualxid = arena_optional_string(arena, lock->tag.virtualxid);
	copy.virtualtransaction = arena_optional_string(arena, lock->virtualtransaction);
	return copy;
}

static void keep_locks(struct server_watch *watch, const struct snapshot *snapshot)
{
	watch->locks = arena_array(&watch->arena, snapshot->lock_count, sizeof *watch->locks);
	for (uint32_t i = 0; i < snapshot->lock_count; i++)
		watch->locks[i] = copy_lock(&watch->arena, &snapshot->locks[i]);
	watch->lock_count = snapshot->lock_count;
	watch->locks_at = snapshot->taken_at;
}

static struct kept_session keep_session(struct arena *arena, const struct snapshot *snapshot, uint32_t index,
					bool waits)
{
	const struct session *session = &snapshot->sessions[index];
	return (struct kept_session){
		.id = session->id,
		.leader = snapshot->sessions[session->leader].id,
		.query_start = session->query_start,
		.backend_xid = session->backend_xid,
		.backend_xmin = session->backend_xmin,
		.wait_event = waitevent_is_lock(session) ? arena_optional_string(arena, session->wait_event) : NULL,
		.waits = waits,
	};
}

static void keep_sessions(struct server_watch *watch, const struct graph *graph)
{
	const struct snapshot *snapshot = graph->snapshot;
	struct arena scratch = ARENA_INIT;
	const bool *waits = questions_list_waiters(graph, &scratch);
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		count += graph->session_node[i] != GRAPH_NONE;
	watch->sessions = arena_array(&watch->arena, count, sizeof *watch->sessions);
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		if (graph->session_node[i] == GRAPH_NONE)
			continue;
		watch->wait_count += waits[i];
		watch->sessions[watch->session_count++] = keep_session(&watch->arena, snapshot, i, waits[i]);
	}
	arena_release(&scratch);
}

static int64_t state_change_of(const struct snapshot *snapshot, struct identity id)
{
	uint32_t session = snapshot_find_pid(snapshot, id.pid);
	return session == SNAPSHOT_NO_INDEX ? WHEN_NONE : snapshot->sessions[session].state_change;
}

static void keep_selected(struct server_watch *watch, const struct agenda *agenda, const struct snapshot *snapshot)
{
	if (!agenda->all_of_selected)
		return;
	watch->selected = agenda->selected;
	watch->selected_change = state_change_of(snapshot, agenda->selected);
}

static void keep_prepared(struct server_watch *watch, const struct snapshot *snapshot)
{
	watch->prepared = arena_array(&watch->arena, snapshot->prepared_count, sizeof *watch->prepared);
	watch->prepared_count = snapshot->prepared_count;
	for (uint32_t i = 0; i < snapshot->prepared_count; i++)
		watch->prepared[i] = (struct prepared){ .xid = snapshot->prepared[i].xid,
							.prepared_at = snapshot->prepared[i].prepared_at };
}

/* ---- whether all is as it was ---- */

static int compare_pids(const void *left, const void *right)
{
	int32_t a = *(const int32_t *)left, b = ((const struct kept_session *)right)->id.pid;
	return (a > b) - (a < b);
}

static const struct kept_session *find_kept(const struct server_watch *watch, int32_t pid)
{
	if (watch->session_count == 0)
		return NULL;
	return bsearch(&pid, watch->sessions, watch->session_count, sizeof *watch->sessions, compare_pids);
}

bool watch_knows(const struct server *server, int32_t pid)
{
	const struct kept_session *kept = find_kept(&server->watch, pid);
	return kept && kept->waits;
}

/* One that looks for deadlocks just now shows another wait event, or none. */
static bool same_event(const struct kept_session *kept, const struct session *session)
{
	if (!session->wait_event_type || strcmp(session->wait_event_type, "LWLock") == 0)
		return true;
	return waitevent_is_lock(session) && session->wait_event &&
	       (!kept->wait_event || strcmp(kept->wait_event, session->wait_event) == 0);
}

/* Whatever it did since, had it got its lock, would have changed one of these, or its blockers. */
static bool same_waiter(const struct kept_session *kept, const struct session *session)
{
	return kept->query_start == session->query_start && kept->backend_xid == session->backend_xid &&
	       kept->backend_xmin == session->backend_xmin && same_event(kept, session);
}

/* All who were kept are there, each as it was, and nobody else waits. */
static bool same_sessions(const struct server_watch *watch, const struct snapshot *snapshot)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		const struct kept_session *kept = found < watch->session_count ? &watch->sessions[found] : NULL;
		if (!kept || kept->id.pid != session->id.pid) {
			if (waitevent_is_lock(session))
				return false;
			continue;
		}
		found++;
		if (!identity_equal(kept->id, session->id) ||
		    !identity_equal(kept->leader, snapshot->sessions[session->leader].id))
			return false;
		if (kept->waits ? !same_waiter(kept, session) : waitevent_is_lock(session))
			return false;
	}
	return found == watch->session_count;
}

static bool same_prepared(const struct server_watch *watch, const struct snapshot *snapshot)
{
	if (watch->prepared_count != snapshot->prepared_count)
		return false;
	for (uint32_t i = 0; i < snapshot->prepared_count; i++)
		if (watch->prepared[i].xid != snapshot->prepared[i].xid ||
		    watch->prepared[i].prepared_at != snapshot->prepared[i].prepared_at)
			return false;
	return true;
}

/* What the one who is looked at holds besides may have changed with whatever it did. */
static bool same_selected(const struct server *server, const struct snapshot *snapshot)
{
	const struct server_watch *watch = &server->watch;
	return !server->agenda.all_of_selected ||
	       (identity_equal(watch->selected, server->agenda.selected) &&
		watch->selected_change == state_change_of(snapshot, watch->selected));
}

static bool answers_agree(const struct graph *graph)
{
	const struct snapshot *snapshot = graph->snapshot;
	for (uint32_t i = 0; i < snapshot->answer_count; i++) {
		const struct queue_answer *answer = &snapshot->answers[i];
		uint32_t node = graph_find_pid(graph, answer->pid);
		if (node == GRAPH_NONE || !graph_agrees(graph, node, answer->blockers, answer->blocker_count))
			return false;
	}
	return true;
}

bool watch_confirms(const struct server *server, const struct frame *frame)
{
	const struct server_watch *watch = &server->watch;
	const struct snapshot *snapshot = frame->snapshot;
	return can_be_confirmed(frame) && same_sessions(watch, snapshot) && same_prepared(watch, snapshot) &&
	       same_selected(server, snapshot) && frame->graph->wait_count == watch->wait_count &&
	       snapshot->answer_count == watch->wait_count && answers_agree(frame->graph);
}

/* ---- the choice ---- */

/* Two scans that find the same: then there is something to watch. */
static void note_steadiness(struct server_watch *watch, const struct frame *frame)
{
	if (same_sessions(watch, frame->snapshot) && same_prepared(watch, frame->snapshot) &&
	    frame->graph->wait_count == watch->wait_count)
		watch->unsteady = false;
}

static void note_cost(struct server_watch *watch, int64_t cost)
{
	watch->scan_cost = watch->scan_cost > 0 ? (watch->scan_cost + (double)cost) / 2 : (double)cost;
}

void watch_keep(struct server *server, const struct frame *frame, int64_t cost)
{
	struct server_watch *watch = &server->watch;
	bool unsteady = watch->unsteady;
	note_cost(watch, cost);
	if (unsteady) {
		note_steadiness(watch, frame);
		unsteady = watch->unsteady;
	}
	watch_release(watch);
	watch->unsteady = unsteady;
	if (server->options.once || server->options.all_locks || !can_be_confirmed(frame))
		return;
	keep_locks(watch, frame->snapshot);
	keep_sessions(watch, frame->graph);
	keep_selected(watch, &server->agenda, frame->snapshot);
	keep_prepared(watch, frame->snapshot);
	watch->possible = true;
}

/*
 * What no session shows, a login that waits for a locked catalog before 18, is seen by reading the locks alone: they
 * are read anew where that adds little to what the watches have cost.
 */
static bool scan_is_due(struct server_watch *watch, const struct frame *frame)
{
	if (frame->snapshot->locks_age > 0)
		watch->spent += (double)frame->snapshot->cost.server;
	return watch->spent * REREAD_SHARE >= watch->scan_cost;
}

void watch_choose(struct server *server, const struct frame *frame)
{
	struct server_watch *watch = &server->watch;
	double most = watch->scan_cost * server->limits.watch_below * (watch->begun ? GOES_ON : 1);
	bool due = scan_is_due(watch, frame);
	watch->begun = watch->possible && (!watch->unsteady || server->limits.watch_restless) &&
		       !server->names.hindered && questions_cost_of_all(server, frame->graph) <= most;
	watch->wanted = watch->begun && !due;
	if (watch->wanted)
		questions_choose_all(server, frame->graph);
}

void watch_add_locks(const struct server *server, struct snapshot *snapshot)
{
	for (uint32_t i = 0; i < server->watch.lock_count; i++) {
		struct lock lock = copy_lock(snapshot->arena, &server->watch.locks[i]);
		snapshot_add_lock(snapshot, &lock);
	}
}
