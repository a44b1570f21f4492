#include "server_reading.h"

#include "pglocktop/waitevent.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS_LIVE = 2, ROUNDS_ONCE = 8 };

/*
 * What questions about the order of queues may cost the server: a tenth of the last scan's time, but if that is less,
 * this part of the interval (0.5 ms of a second), with which queues of some dozens are settled at every refresh.
 */
#define QUESTIONS_SHARE 0.1
#define QUESTIONS_LEAST 0.0005

#define ONCE_AGAIN (WHEN_SECOND / 2)

/* What another reading in the same refresh cost. */
static void add_cost(struct snapshot_cost *cost, const struct snapshot_cost *more)
{
	cost->server += more->server;
	cost->client += more->client;
}

/*
 * To find out which locks somebody waits for costs the server a little, to send those that nobody does costs both more.
 * Where they were left out the time that it took tells whether they were many.
 */
static bool are_most_wanted(const struct server *server, const struct frame *frame, int64_t time)
{
	enum { FEW = 4000, TIME_FOR_FEW = 3000, TIME_FOR_ONE = 6 /* microseconds */ };
	uint32_t sent = frame->snapshot->cost.lock_rows;
	if (server->many_locks_wanted)
		return sent <= FEW + 2 * frame->graph->proc_count;
	return time <= TIME_FOR_FEW + (int64_t)sent * TIME_FOR_ONE;
}

/* `before`: the cost of what was read in this refresh already. */
static enum reading_end scan(struct server *server, const struct snapshot_cost *before, struct frame **frame)
{
	struct reading reading;
	enum reading_end end = reading_take(server, READING_SCAN, &reading);
	if (end != READING_DONE)
		return end;
	int64_t asked_until = reading.answer_count > 0 ? reading.questions_until : reading.began_at;
	int64_t time = reading.locks_until - asked_until;
	watch_keep(server, reading.frame, time);
	server->many_locks_wanted = are_most_wanted(server, reading.frame, time);
	add_cost(&reading.frame->snapshot->cost, before);
	*frame = reading.frame;
	return READING_DONE;
}

/* A watch, and whatever it finds changed is scanned at once. */
static enum reading_end watch(struct server *server, const struct snapshot_cost *before, struct frame **frame)
{
	struct reading reading;
	enum reading_end end = reading_take(server, READING_WATCH, &reading);
	if (end != READING_DONE)
		return end;
	struct snapshot_cost cost = reading.frame->snapshot->cost;
	add_cost(&cost, before);
	if (!reading.waits_unseen && watch_confirms(server, reading.frame)) {
		reading.frame->snapshot->cost = cost;
		*frame = reading.frame;
		return READING_DONE;
	}
	frame_free(reading.frame);
	server->watch.unsteady = true;
	return scan(server, &cost, frame);
}

/* ---- until the order of the queues is settled ---- */

static int64_t settle_time(const struct server *server)
{
	return server->options.all_edges ? server->limits.settle_all : server->limits.settle_once;
}

static double question_budget(const struct server *server)
{
	if (server->options.once)
		return (double)settle_time(server);
	double share = (double)server->scan_time * QUESTIONS_SHARE;
	double least = (double)server->agenda.interval * QUESTIONS_LEAST;
	return share > least ? share : least;
}

/*
 * Whoever runs and waits for no lock may come to report progress, as may who has begun to; a waiter that stands still
 * does not begin to.
 */
static bool may_report_progress(const struct snapshot *snapshot, int32_t own_pid)
{
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		bool idle = session->state == SESSION_IDLE || session->state == SESSION_IDLE_IN_TRANSACTION ||
			    session->state == SESSION_IDLE_IN_TRANSACTION_ABORTED || session->state == SESSION_NO_STATE;
		if (session->progress || (!idle && !waitevent_is_lock(session) && session->id.pid != own_pid))
			return true;
	}
	return false;
}

/* What the next reading asks about, and whether it is a watch; false: it is worth a round trip more in this refresh. */
static bool plan(struct server *server, const struct frame *frame)
{
	questions_choose(server, frame->graph, question_budget(server));
	safe_choose(server, frame->snapshot);
	bool settled = questions_settled(server, frame->snapshot) && safe_settled(server, frame->snapshot);
	watch_choose(server, frame);
	server->progress_wanted = may_report_progress(frame->snapshot, server->facts.own_pid);
	return settled;
}

/*
 * Where the graph asks for what was not asked, once more; live at most one round trip more, and the first frame goes
 * out before that.
 */
static enum reading_end settle(struct server *server, bool demanded, struct frame **frame)
{
	bool first = server->serial == 0 && !server->options.once;
	int rounds = server->options.once ? ROUNDS_ONCE : ROUNDS_LIVE;
	int64_t deadline = when_monotonic() + settle_time(server);
	struct snapshot_cost cost = { .server = 0 };
	enum reading_end end =
		server->watch.wanted && !demanded ? watch(server, &cost, frame) : scan(server, &cost, frame);
	while (end == READING_DONE) {
		bool settled = plan(server, *frame);
		if (first && !settled) {
			server->agenda.refresh = true;
			return end;
		}
		if (settled || --rounds == 0 || when_monotonic() >= deadline || server->agenda.to_send)
			return end;
		struct frame *before = *frame;
		cost = before->snapshot->cost;
		end = server->watch.wanted ? watch(server, &cost, frame) : scan(server, &cost, frame);
		if (end == READING_FAILED) {
			*frame = before;
			return READING_DONE;
		}
		frame_free(before);
	}
	return end;
}

/* ---- names, and handing over ---- */

/* False: lost or stopped. */
static bool wait_for_names(struct server *server, const struct snapshot *snapshot, const struct name_keys *keys)
{
	const struct server_limits *limits = &server->limits;
	bool once = server->options.once;
	int64_t deadline = when_monotonic() + (once ? limits->names_once : limits->names);
	while (names_ask(server, snapshot, keys, NAMES_MISSING)) {
		enum exchange_end end = exchange_wait(server, deadline);
		if (end != EXCHANGE_DONE)
			return end == EXCHANGE_PENDING;
		names_receive(server);
		if (!once)
			break;
	}
	return true;
}

static void publish(struct server *server, struct frame *owned)
{
	struct news news = { .kind = NEWS_FRAME, .frame = owned };
	owned->serial = ++server->serial;
	owned->server_epoch = server->epoch;
	server->waiting = (int32_t)owned->graph->waiting_sessions;
	if (server->status.text[0]) {
		server->status.text[0] = '\0';
		server_publish_status(server);
	}
	signal_look_late(server, owned->snapshot);
	if (server->agenda.frozen)
		frame_free(owned);
	else
		queues_publish(&server->queues, &news);
	signal_report_late(server);
}

/*
 * Names that are missing have a moment to come. What comes later, and what is asked for anew since it may have changed,
 * is in the next frame.
 */
static bool hand_over(struct server *server, struct frame *owned)
{
	int64_t cpu = reading_cpu_time();
	struct name_keys keys = names_collect(owned->snapshot);
	bool alive = wait_for_names(server, owned->snapshot, &keys);
	names_apply(server, owned->snapshot, &keys);
	lookup_begin(server, &keys);
	owned->snapshot->cost.client += reading_cpu_time() - cpu;
	bool asked = alive && (server->exchange.in_flight ||
			       (!server->options.once && names_ask(server, owned->snapshot, &keys, NAMES_OUTDATED)));
	publish(server, owned);
	if (!asked)
		return alive;
	if (exchange_wait(server, INT64_MAX) != EXCHANGE_DONE)
		return false;
	names_receive(server);
	return true;
}

/*
 * Where nobody looks on, a scan that failed is tried again for as long as there is time. The first of all only where
 * that may help: else nothing was to be had here, which is no loss. False: it is over.
 */
static bool try_again(struct server *server)
{
	const struct exchange_item *failed = exchange_failed(&server->exchange);
	bool hopeless =
		server->serial == 0 && failed && !server_is_passing(&failed->err) && !reading_is_forgotten(failed);
	server->once_again = server->options.once;
	if (!hopeless && when_monotonic() < server->give_up_at)
		return true;
	if (failed)
		server_blame(server, failed);
	server->was_live &= !hopeless;
	return false;
}

bool server_refresh(struct server *server)
{
	struct frame *frame = NULL;
	int64_t started = when_monotonic();
	/* What a person asks for, and what came of a signal, is read whole. */
	bool demanded = server->agenda.refresh || server->agenda.watched || server->agenda.ended;
	server->agenda.refresh = server->once_again = false;
	enum reading_end end = settle(server, demanded, &frame);
	if (end == READING_DONE)
		pace_measure(server, frame->snapshot->cost.server);
	bool alive = end == READING_DONE ? hand_over(server, frame) : end == READING_FAILED && try_again(server);
	/* Never more than half of the time, however long the server takes. */
	int64_t now = when_monotonic();
	int64_t by_interval = started + server->pace.interval, by_effort = now + (now - started);
	server->next_refresh = by_interval > by_effort ? by_interval : by_effort;
	if (server->once_again)
		server->next_refresh = when_earlier(server->next_refresh, now + ONCE_AGAIN);
	return alive;
}
