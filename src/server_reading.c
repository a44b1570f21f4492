#include "server_reading.h"

#include "fingerprint.h"

#include "pglocktop/waitevent.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DATABASES_COUNTED = 1000, WALSENDERS_APART_SINCE = 120000, FEW_LOCKS = 1000, MANY_LOCKS = 20000 };

/* ---- rows ---- */

static bool handle_questions(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	if (!rows_parse_answers(reading->reader.arena, fields, &reading->answers, &reading->answer_count, err) ||
	    !rows_take_int64(fields[2], "statement_timestamp", &reading->questions_from, err) ||
	    !rows_take_int64(fields[3], "clock_timestamp", &reading->questions_until, err))
		return false;
	for (uint32_t i = 0; i < reading->answer_count; i++)
		reading->answers[i].after = reading->questions_from;
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

static bool add_session(struct reading *reading, struct session *session, struct row_field blocked, struct err *err)
{
	if (!take_blocked(reading, session->id.pid, blocked, err))
		return false;
	/* Since 12 walsenders have slots of their own. */
	if (reading->server->version < WALSENDERS_APART_SINCE && session->backend_type)
		session->is_client |= strcmp(session->backend_type, "walsender") == 0;
	/* Taken once: it goes with the text from one reading to the next. */
	if (waitevent_is_lock(session) && !session->has_query_id)
		session->fingerprint = session_fingerprint(session);
	snapshot_add_session(reading->frame->snapshot, session);
	reading->frame->snapshot->cost.activity_rows++;
	return true;
}

static bool handle_session(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct session session;
	return rows_parse_session(&reading->reader, fields, &session, err) &&
	       add_session(reading, &session, fields[SESSION_COLUMN_COUNT], err);
}

/* Of QUERY_CHANGES: the columns that move, the others in one, and what is after a session's own. */
enum { CHANGES_OTHERS = SESSION_COLUMNS_MOVING, CHANGES_BLOCKED };

static bool handle_whole(struct reading *reading, const struct row_field *fields, struct err *err)
{
	struct row_field all[SESSION_COLUMN_COUNT + 1];
	memcpy(all, fields, SESSION_COLUMNS_MOVING * sizeof *all);
	all[SESSION_COLUMN_COUNT] = fields[CHANGES_BLOCKED];
	return rows_split_record(fields[CHANGES_OTHERS], all + SESSION_COLUMNS_MOVING,
				 SESSION_COLUMN_COUNT - SESSION_COLUMNS_MOVING, err) &&
	       handle_session(reading, all, err);
}

static bool handle_change(void *context, const struct row_field *fields, struct err *err)
{
	struct reading *reading = context;
	struct session session;
	int32_t pid;
	int64_t state_change;
	if (fields[CHANGES_OTHERS].length >= 0)
		return handle_whole(reading, fields, err);
	if (!rows_take_int32(fields[SESSION_COLUMN_PID], "pid", &pid, err) ||
	    !rows_take_int64(fields[SESSION_COLUMN_STATE_CHANGE], "state_change", &state_change, err))
		return false;
	if (!sessions_recall(&reading->server->sessions, pid, state_change, reading->reader.arena, &session)) {
		reading->session_unknown = true;
		return true;
	}
	return rows_parse_moving(&reading->reader, fields, &session, err) &&
	       add_session(reading, &session, fields[CHANGES_BLOCKED], err);
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
	exchange_add_query(server, QUERY_QUESTIONS, &params, handle_questions, reading);
}

/* The clock after them tells what they cost. Of whose session all is hidden only its locks tell what it is. */
static void add_locks(struct server *server, struct reading *reading)
{
	const struct server_groups *groups = &server->groups;
	struct query_params params = { .count = 0 };
	int32_t pids[WORKERS_REMEMBERED + 1] = { server->agenda.all_of_selected ? server->agenda.selected.pid : 0 };
	memcpy(pids + 1, groups->workers, groups->worker_count * sizeof *pids);
	query_add_int32_array(&params, pids, groups->worker_count + 1, reading->reader.arena);
	query_add_null(&params);
	bool many = server->many_locks_wanted || !server->names.own.sees_all;
	if (server->options.all_locks)
		exchange_add_query(server, QUERY_ALL_LOCKS, NULL, handle_lock, reading);
	else
		exchange_add_query(server, many ? QUERY_MANY_LOCKS : QUERY_LOCKS, &params, handle_lock, reading);
	/* Few cost little either way, and of very many there is no room for two of each. */
	if (server->last_locks < FEW_LOCKS || server->last_locks > MANY_LOCKS)
		exchange_stream(server);
	exchange_add_query(server, QUERY_CLOCK, NULL, handle_clock, reading);
}

/* Whole, or what has changed since the last reading. Behind a pooler that may have been another server's. */
static void add_activity(struct server *server, struct reading *reading)
{
	struct query_params params = { .count = 0 };
	query_add_bool(&params, reading->kind == READING_WATCH);
	query_add_null(&params);
	if (!sessions_suffice(&server->sessions) || server->facts.pooled) {
		exchange_add_query(server, QUERY_ACTIVITY, &params, handle_session, reading);
		/* The first of all is read while the server still writes it. */
		if (server->last_sessions == 0)
			exchange_stream(server);
		return;
	}
	query_add_int64(&params, server->sessions.since);
	exchange_add_query(server, QUERY_CHANGES, &params, handle_change, reading);
}

/* The questions first: their answers then lie between the scan before and this one. */
static void ask(struct server *server, struct reading *reading)
{
	uint32_t databases[DATABASES_COUNTED];
	uint32_t count = names_database_oids(&server->names, databases, DATABASES_COUNTED - 1);
	struct query_params tail = { .count = 0 };
	databases[count++] = 0; /* shared objects' */
	exchange_begin(server);
	add_questions(server, reading);
	safe_ask(server, reading->reader.arena, handle_safe, reading);
	if (reading->kind == READING_SCAN)
		add_locks(server, reading);
	add_activity(server, reading);
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

int64_t reading_cpu_time(void)
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
	info->system_identifier = arena_optional_string(snapshot->arena, facts->system_identifier);
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
	questions_accept(reading->server, snapshot, reading->answers, reading->answer_count);
	safe_accept(reading->server, snapshot, reading->safe, reading->safe_count);
	if (!reading->server->options.once)
		sessions_keep(&reading->server->sessions, snapshot, reading->began_at);
	frame_analyse(reading->frame);
	reading->server->last_sessions = snapshot->session_count;
	reading->server->last_locks = snapshot->lock_count;
}

bool reading_is_forgotten(const struct exchange_item *failed)
{
	return strcmp(failed->err.sqlstate, "26000") == 0;
}

static void note_failure(struct server *server)
{
	const struct exchange_item *failed = exchange_failed(&server->exchange);
	if (server->exchange.preempted) {
		server->agenda.refresh = true;
		return;
	}
	bool forgotten = reading_is_forgotten(failed);
	if (forgotten)
		memset(server->prepared, 0, sizeof server->prepared);
	snprintf(server->status.text, sizeof server->status.text, "%s%s: %.400s", server_lock_hint(&failed->err),
		 failed->name, forgotten ? "through a pooler: connect to the server itself" : failed->err.text);
	server_publish_status(server);
}

/* READING_AGAIN: who was not sent whole is not known, as the server's clock went back, or by the oddest chance. */
static enum reading_end try_reading(struct server *server, enum reading_kind kind, struct reading *reading)
{
	int64_t cpu = reading_cpu_time();
	*reading = (struct reading){ .kind = kind, .server = server, .frame = frame_new() };
	reading->reader =
		(struct row_reader){ &reading->frame->arena, server->decoder, names_encoding_of, &server->names };
	snapshot_reserve(reading->frame->snapshot, server->last_sessions + 16, server->last_locks + 64);
	ask(server, reading);
	enum exchange_end end = exchange_wait(server, server->give_up_at);
	if (end == EXCHANGE_PENDING)
		server_blame_silence(server);
	if (end == EXCHANGE_DONE && !exchange_failed(&server->exchange) && !reading->session_unknown) {
		build(reading);
		reading->frame->snapshot->cost.client = reading_cpu_time() - cpu;
		return READING_DONE;
	}
	frame_free(reading->frame);
	if (end != EXCHANGE_DONE)
		return READING_OVER;
	if (!exchange_failed(&server->exchange))
		return READING_AGAIN;
	note_failure(server);
	return READING_FAILED;
}

enum reading_end reading_take(struct server *server, enum reading_kind kind, struct reading *reading)
{
	enum reading_end end = try_reading(server, kind, reading);
	if (end != READING_AGAIN)
		return end;
	sessions_release(&server->sessions);
	return try_reading(server, kind, reading);
}
