#include "server_private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DATABASES_COUNTED = 1000, ROUNDS_LIVE = 2, ROUNDS_ONCE = 8, WALSENDERS_APART_SINCE = 120000 };

/*
 * What questions about the order of queues may cost the server: a tenth of the last scan's time, but if that is less,
 * this part of the interval (0.5 ms of a second), with which queues of some dozens are settled at every refresh.
 */
#define QUESTIONS_SHARE 0.1
#define QUESTIONS_LEAST 0.0005

/* What a standby says of itself. */
struct standby {
	bool known; /* it is one */
	bool all_replayed; /* of what was received; false also where nothing was */
	int64_t replayed_at; /* the last transaction, by the primary's clock; WHEN_NONE: none yet */
	bool receives;
	int64_t streaming_delay, archive_delay;
};

/*
 * One reading on its way. A scan reads the lock table; a watch asks about every wait instead, and is worth nothing
 * unless it finds that all is as it was (server_watch.c).
 */
enum reading_kind { READING_SCAN, READING_WATCH };

struct reading {
	enum reading_kind kind;
	struct server *server;
	struct frame *frame;
	struct row_reader reader;
	struct queue_answer *answers;
	size_t answer_count, answer_capacity;
	int64_t questions_from, questions_until, began_at, locks_until, read_at, ended_at; /* the server's clock */
	bool waits_unseen; /* a watch: somebody awaits a lock of whom that was not known */
	struct queue_answer safe[SAFE_MOST]; /* of pg_safe_snapshot_blocking_pids() */
	uint32_t safe_count;
	int32_t own_pid;
	struct standby standby;
};

/* ---- rows ---- */

static bool handle_question(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct arena *arena = reading->reader.arena;
	struct queue_answer answer;
	if (!rows_parse_answer(arena, fields, &answer, err) ||
	    !rows_take_int64(fields[2], "statement_timestamp", &reading->questions_from, err) ||
	    !rows_take_int64(fields[3], "clock_timestamp", &reading->questions_until, err))
		return false;
	answer.after = reading->questions_from;
	reading->answers = arena_grow(arena, reading->answers, &reading->answer_capacity, reading->answer_count + 1,
				      sizeof answer);
	reading->answers[reading->answer_count++] = answer;
	return true;
}

static bool handle_safe(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	if (reading->safe_count == SAFE_MOST)
		return err_set(err, "the server answers about more safe snapshots than it was asked for");
	return rows_parse_answer(reading->reader.arena, fields, &reading->safe[reading->safe_count++], err);
}

static bool handle_clock(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	return rows_take_int64(fields[0], "clock_timestamp", &reading->locks_until, err);
}

static bool handle_lock(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct lock lock;
	if (!rows_parse_lock(&reading->reader, fields, &lock, err))
		return false;
	snapshot_add_lock(reading->frame->snapshot, &lock);
	reading->frame->snapshot->cost.lock_rows++;
	return true;
}

/* The column after a session's own: whether one whose wait event does not tell awaits a lock. */
static bool take_blocked(struct reading *reading, int32_t pid, struct row_field field, struct err *err)
{
	bool blocked = false;
	if (field.length < 0)
		return true;
	if (!rows_take_bool(field, "pg_blocking_pids", &blocked, err))
		return false;
	reading->waits_unseen |= blocked && !watch_knows(reading->server, pid);
	return true;
}

static bool handle_session(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct session session;
	if (!rows_parse_session(&reading->reader, fields, &session, err) ||
	    !take_blocked(reading, session.id.pid, fields[SESSION_COLUMN_COUNT], err))
		return false;
	/* Since 12 walsenders have slots of their own. */
	if (reading->server->version < WALSENDERS_APART_SINCE && session.backend_type)
		session.is_client |= strcmp(session.backend_type, "walsender") == 0;
	snapshot_add_session(reading->frame->snapshot, &session);
	reading->frame->snapshot->cost.activity_rows++;
	return true;
}

static bool handle_prepared(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct prepared prepared;
	if (!rows_parse_prepared(&reading->reader, fields, &prepared, err))
		return false;
	snapshot_add_prepared(reading->frame->snapshot, &prepared);
	return true;
}

static bool handle_progress(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct progress progress;
	if (!rows_parse_progress(fields, &progress, err))
		return false;
	snapshot_add_progress(reading->frame->snapshot, &progress);
	return true;
}

static bool handle_standby(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct standby *standby = &reading->standby;
	standby->known = true;
	standby->replayed_at = WHEN_NONE;
	if (fields[0].length >= 0 && !rows_take_bool(fields[0], "replay's end", &standby->all_replayed, err))
		return false;
	return rows_take_optional_int64(fields[1], "replay time", &standby->replayed_at, err) &&
	       rows_take_bool(fields[2], "WAL receiver", &standby->receives, err) &&
	       rows_take_int64(fields[3], "max_standby_streaming_delay", &standby->streaming_delay, err) &&
	       rows_take_int64(fields[4], "max_standby_archive_delay", &standby->archive_delay, err);
}

static bool handle_tail(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct snapshot *snapshot = reading->frame->snapshot;
	return rows_take_int32(fields[0], "pg_backend_pid", &reading->own_pid, err) &&
	       rows_take_int64(fields[1], "transaction_timestamp", &reading->began_at, err) &&
	       rows_take_int64(fields[2], "statement_timestamp", &reading->read_at, err) &&
	       rows_take_int64(fields[3], "clock_timestamp", &reading->ended_at, err) &&
	       rows_take_bool(fields[4], "pg_is_in_recovery", &snapshot->server.in_recovery, err) &&
	       rows_take_int64(fields[5], "pg_postmaster_start_time", &snapshot->server.started_at, err) &&
	       rows_take_optional_int64(fields[6], "deadlocks", &snapshot->deadlocks, err);
}

/* ---- one round trip ---- */

static void add_questions(struct server *server, struct reading *reading)
{
	struct query_params params = { .count = 0 };
	if (server->questions.count == 0)
		return;
	query_add_int32_array(&params, server->questions.pids, server->questions.count, reading->reader.arena);
	exchange_add_query(server, QUERY_QUESTIONS, &params, handle_question, reading);
}

/* The clock after them tells what they cost. Of whose session all is hidden only its locks tell what it is. */
static void add_locks(struct server *server, struct reading *reading)
{
	const struct server_groups *groups = &server->groups;
	struct query_params params = { .count = 0 };
	int32_t pids[WORKERS_REMEMBERED + 1] = { server->agenda.all_of_selected ? server->agenda.selected.pid : 0 };
	memcpy(pids + 1, groups->workers, groups->worker_count * sizeof *pids);
	query_add_int32_array(&params, pids, groups->worker_count + 1, reading->reader.arena);
	bool many = server->many_locks_wanted || !server->names.own.sees_all;
	if (server->options.all_locks)
		exchange_add_query(server, QUERY_ALL_LOCKS, NULL, handle_lock, reading);
	else
		exchange_add_query(server, many ? QUERY_MANY_LOCKS : QUERY_LOCKS, &params, handle_lock, reading);
	exchange_add_query(server, QUERY_CLOCK, NULL, handle_clock, reading);
}

/* The questions first: their answers then lie between the scan before and this one. */
static void ask(struct server *server, struct reading *reading)
{
	uint32_t databases[DATABASES_COUNTED];
	uint32_t count = names_database_oids(&server->names, databases, DATABASES_COUNTED - 1);
	struct query_params activity = { .count = 0 }, tail = { .count = 0 };
	databases[count++] = 0; /* shared objects' */
	exchange_begin(server);
	add_questions(server, reading);
	safe_ask(server, reading->reader.arena, handle_safe, reading);
	if (reading->kind == READING_SCAN)
		add_locks(server, reading);
	query_add_bool(&activity, reading->kind == READING_WATCH);
	exchange_add_query(server, QUERY_ACTIVITY, &activity, handle_session, reading);
	if (server->facts.max_prepared > 0 || server->facts.pooled)
		exchange_add_query(server, QUERY_PREPARED, NULL, handle_prepared, reading);
	if (reading->kind == READING_SCAN || server->progress_wanted)
		exchange_add_query(server, QUERY_PROGRESS, NULL, handle_progress, reading);
	if (server->facts.tells_replay)
		exchange_add_query(server, QUERY_STANDBY, NULL, handle_standby, reading);
	query_add_oid_array(&tail, databases, count, reading->reader.arena);
	exchange_add_query(server, QUERY_TAIL, &tail, handle_tail, reading);
	exchange_sync(server);
}

static int64_t cpu_time(void)
{
	struct timespec used;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (int64_t)used.tv_sec * WHEN_SECOND + used.tv_nsec / 1000;
}

static void fill_cost(struct reading *reading)
{
	struct frame *frame = reading->frame;
	struct server *server = reading->server;
	int64_t asking = reading->questions_until - reading->questions_from;
	frame->received_at = when_monotonic();
	frame->snapshot->cost.round_trip = frame->received_at - server->exchange.started_at;
	frame->snapshot->cost.server = reading->ended_at - reading->began_at;
	if (reading->kind == READING_SCAN)
		server->scan_time = frame->snapshot->cost.server - asking;
	if (reading->answer_count > 0)
		questions_measure(server, asking);
}

/*
 * On an idle primary nothing new comes to be replayed: the last transaction grows old, and yet there is no lag. Without
 * a WAL receiver nobody here knows what there is to be replayed.
 */
static void fill_standby(struct reading *reading)
{
	const struct standby *standby = &reading->standby;
	struct server_info *info = &reading->frame->snapshot->server;
	if (!standby->known)
		return;
	info->receives_wal = standby->receives;
	info->max_standby_delay = standby->receives ? standby->streaming_delay : standby->archive_delay;
	if (standby->receives && standby->all_replayed)
		info->replay_lag = 0;
	else if (standby->replayed_at != WHEN_NONE)
		info->replay_lag = when_age(reading->read_at, standby->replayed_at);
}

static void fill_server(struct reading *reading)
{
	struct server *server = reading->server;
	struct snapshot *snapshot = reading->frame->snapshot;
	struct server_info *info = &snapshot->server;
	const struct server_facts *facts = &server->facts;
	const char *version = PQparameterStatus(server->conn, "server_version");
	info->host = arena_string(snapshot->arena, PQhost(server->conn));
	info->port = (int)strtol(PQport(server->conn), NULL, 10);
	info->database = arena_string(snapshot->arena, PQdb(server->conn));
	info->version_num = server->version;
	info->version = version ? arena_bytes(snapshot->arena, version, strcspn(version, " ")) : "";
	info->deadlock_timeout = facts->deadlock_timeout;
	info->max_connections = facts->max_connections;
	info->slots_for_all = facts->max_connections - facts->reserved_connections;
	info->system_identifier =
		facts->system_identifier ? arena_string(snapshot->arena, facts->system_identifier) : NULL;
	info->pooled = facts->pooled;
	fill_standby(reading);
}

/*
 * Behind a pooler the backend, and even the server, may be another one at each reading; and its protocol's key names
 * none of them.
 */
static void note_backend(struct reading *reading)
{
	struct server *server = reading->server;
	struct server_facts *facts = &server->facts;
	if ((facts->own_pid != 0 && facts->own_pid != reading->own_pid) ||
	    PQbackendPID(server->conn) != reading->own_pid)
		facts->pooled = true;
	facts->own_pid = reading->own_pid;
	if (facts->started_at != reading->frame->snapshot->server.started_at) {
		facts->started_at = reading->frame->snapshot->server.started_at;
		server_begin_epoch(server);
	}
}

/* Never 0, whatever the server's clock does. */
static int64_t locks_age(const struct server_watch *watch, int64_t now)
{
	return now > watch->locks_at ? now - watch->locks_at : 1;
}

static void fill_totals(struct reading *reading)
{
	struct server *server = reading->server;
	struct snapshot *snapshot = reading->frame->snapshot;
	snapshot->taken_at = reading->read_at;
	if (reading->kind == READING_WATCH)
		snapshot->locks_age = locks_age(&server->watch, snapshot->taken_at);
	if (server->first_taken_at == WHEN_NONE)
		server->first_taken_at = snapshot->taken_at;
	if (server->deadlocks_at_start < 0)
		server->deadlocks_at_start = snapshot->deadlocks;
	snapshot->source_started_at = server->first_taken_at;
	snapshot->deadlocks_at_start = server->deadlocks_at_start;
}

static void build(struct reading *reading)
{
	struct snapshot *snapshot = reading->frame->snapshot;
	fill_cost(reading);
	note_backend(reading);
	fill_server(reading);
	fill_totals(reading);
	if (reading->kind == READING_WATCH)
		watch_add_locks(reading->server, snapshot);
	snapshot_finish(snapshot);
	groups_recall(&reading->server->groups, snapshot);
	groups_remember(&reading->server->groups, snapshot);
	questions_accept(reading->server, snapshot, reading->answers, (uint32_t)reading->answer_count);
	safe_accept(reading->server, snapshot, reading->safe, reading->safe_count);
	frame_analyse(reading->frame);
	reading->server->last_sessions = snapshot->session_count;
	reading->server->last_locks = snapshot->lock_count;
}

enum reading_end { READING_DONE, READING_FAILED, READING_OVER };

static void note_failure(struct server *server)
{
	const struct exchange_item *failed = exchange_failed(&server->exchange);
	if (server->exchange.preempted) {
		server->agenda.refresh = true;
		return;
	}
	/* A pooler has given us a backend that knows none of our statements. */
	bool forgotten = strcmp(failed->err.sqlstate, "26000") == 0;
	if (forgotten)
		memset(server->prepared, 0, sizeof server->prepared);
	snprintf(server->status.text, sizeof server->status.text, "%s%s: %.400s", server_lock_hint(&failed->err),
		 failed->name, forgotten ? "through a pooler: connect to the server itself" : failed->err.text);
	server_publish_status(server);
}

/* A new frame, or why not. The last one stays what is shown. */
static enum reading_end read_server(struct server *server, struct reading *reading)
{
	int64_t cpu = cpu_time();
	reading->frame = frame_new();
	reading->reader =
		(struct row_reader){ &reading->frame->arena, server->decoder, names_encoding_of, &server->names };
	snapshot_reserve(reading->frame->snapshot, server->last_sessions + 16, server->last_locks + 64);
	ask(server, reading);
	enum exchange_end end = exchange_wait(server, server->give_up_at);
	if (end == EXCHANGE_PENDING)
		err_set(&server->loss, "the server does not answer %s in time",
			server->exchange.items[server->exchange.current].name);
	if (end == EXCHANGE_DONE && !exchange_failed(&server->exchange)) {
		build(reading);
		reading->frame->snapshot->cost.client = cpu_time() - cpu;
		return READING_DONE;
	}
	frame_free(reading->frame);
	if (end != EXCHANGE_DONE)
		return READING_OVER;
	note_failure(server);
	return READING_FAILED;
}

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
	struct reading reading = { .kind = READING_SCAN, .server = server };
	enum reading_end end = read_server(server, &reading);
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
	struct reading reading = { .kind = READING_WATCH, .server = server };
	enum reading_end end = read_server(server, &reading);
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
		bool blocked = session->wait_event_type && strcmp(session->wait_event_type, "Lock") == 0;
		if (session->progress || (!idle && !blocked && session->id.pid != own_pid))
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

/* Where the graph asks for what was not asked, once more; live at most one round trip more. */
static enum reading_end settle(struct server *server, bool demanded, struct frame **frame)
{
	int rounds = server->options.once ? ROUNDS_ONCE : ROUNDS_LIVE;
	int64_t deadline = when_monotonic() + settle_time(server);
	struct snapshot_cost cost = { .server = 0 };
	enum reading_end end =
		server->watch.wanted && !demanded ? watch(server, &cost, frame) : scan(server, &cost, frame);
	while (end == READING_DONE) {
		bool settled = plan(server, *frame);
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
	int64_t cpu = cpu_time();
	struct name_keys keys = names_collect(owned->snapshot);
	bool alive = wait_for_names(server, owned->snapshot, &keys);
	names_apply(server, owned->snapshot, &keys);
	lookup_begin(server, &keys);
	owned->snapshot->cost.client += cpu_time() - cpu;
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

/* Where nobody looks on, a scan that failed is tried again for as long as there is time. False: there is none. */
static bool try_again(struct server *server)
{
	const struct exchange_item *failed = exchange_failed(&server->exchange);
	server->once_again = server->options.once;
	if (when_monotonic() < server->give_up_at)
		return true;
	if (failed)
		err_set(&server->loss, "%s%s: %s", server_lock_hint(&failed->err), failed->name, failed->err.text);
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
	return alive;
}
