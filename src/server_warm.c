#include "server_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_PAUSE (WHEN_SECOND / 2)

/* ---- facts that do not change while a connection lives ---- */

struct warm_up {
	struct server *server;
	struct server_facts facts;
};

static bool handle_settings(void *context, const struct row_field *fields, struct err *err)
{
	struct warm_up *warm = context;
	return rows_take_int32(fields[0], "max_connections", &warm->facts.max_connections, err) &&
	       rows_take_int32(fields[1], "reserved connections", &warm->facts.reserved_connections, err) &&
	       rows_take_int64(fields[2], "deadlock_timeout", &warm->facts.deadlock_timeout, err) &&
	       rows_take_int64(fields[3], "postmaster's start time", &warm->facts.started_at, err) &&
	       rows_take_int32(fields[4], "max_prepared_transactions", &warm->facts.max_prepared, err);
}

static bool handle_system(void *context, const struct row_field *fields, struct err *err)
{
	struct warm_up *warm = context;
	int64_t identifier;
	if (!rows_take_int64(fields[0], "system_identifier", &identifier, err))
		return false;
	free(warm->facts.system_identifier);
	if (asprintf(&warm->facts.system_identifier, "%" PRIu64, (uint64_t)identifier) < 0)
		err_die("out of memory (system_identifier)");
	return true;
}

static bool handle_standby(void *context, const struct row_field *fields, struct err *err)
{
	struct warm_up *warm = context;
	(void)fields, (void)err;
	warm->facts.tells_replay = true;
	return true;
}

static bool same_server(const struct server_facts *a, const struct server_facts *b)
{
	bool comparable = a->system_identifier && b->system_identifier;
	return a->started_at == b->started_at &&
	       (!comparable || strcmp(a->system_identifier, b->system_identifier) == 0);
}

static void adopt_facts(struct server *server, struct server_facts *facts)
{
	bool another = server->facts.known && !same_server(&server->facts, facts);
	free(server->facts.system_identifier);
	server->facts = *facts;
	server->facts.known = true;
	server->facts.own_pid = 0;
	questions_release(&server->questions);
	watch_release(&server->watch);
	sessions_release(&server->sessions);
	if (another)
		server_begin_epoch(server);
}

/* Each stage has its time; where nobody looks on, all together have one. */
static int64_t deadline_of_stage(const struct server *server)
{
	int64_t deadline = when_monotonic() + server->limits.first_statement;
	return deadline < server->give_up_at ? deadline : server->give_up_at;
}

/* ---- the first statement ---- */

/*
 * Before anything else: it loads the type cache on a path that a cancelled look-up cannot break, while in 18 a look-up
 * that is cancelled for a lock on pg_type as a session's very first one brings the whole server down. It hangs itself
 * while pg_type is locked; another connection would then hang likewise, so this one is waited for.
 */
static bool run_first_statement(struct server *server)
{
	exchange_begin(server);
	server->exchange.guarded = true;
	exchange_add_text(server, "SELECT 1", "select 1");
	exchange_sync(server);
	enum exchange_end end = exchange_wait(server, deadline_of_stage(server));
	if (end == EXCHANGE_PENDING && server->options.interactive) {
		server_say_unanswered(server, "connected again, but SELECT 1 is unanswered: a catalog may be locked");
		server->exchange.patient = true;
		end = exchange_wait(server, INT64_MAX);
	}
	const struct exchange_item *failed = exchange_failed(&server->exchange);
	if (end == EXCHANGE_PENDING)
		err_set(&server->loss, "connected, but a catalog (pg_type …) may be locked: no answer to SELECT 1");
	else if (end == EXCHANGE_DONE && failed)
		server->loss = failed->err;
	return end == EXCHANGE_DONE && !failed;
}

/* ---- whose backend it is ---- */

static bool handle_pid(void *context, const struct row_field *fields, struct err *err)
{
	struct warm_up *warm = context;
	int32_t pid;
	if (!rows_take_int32(fields[1], "pg_backend_pid", &pid, err))
		return false;
	warm->facts.pooled = pid != PQbackendPID(warm->server->conn);
	return true;
}

/* Before anything is SET: a pooler may hand the backend on to others, with all that was set in it. */
static enum exchange_end find_pooler(struct server *server, struct warm_up *warm)
{
	exchange_begin(server);
	server->exchange.guarded = true;
	exchange_add_text(server, "lock_timeout", "set local lock_timeout = '250ms'");
	exchange_add_query(server, QUERY_CLOCK, NULL, handle_pid, warm);
	exchange_sync(server);
	enum exchange_end end = exchange_wait(server, INT64_MAX);
	server->facts.pooled = warm->facts.pooled;
	return end;
}

/* ---- settings, preparing, warming ---- */

/* To SET them nothing is looked up: none of them waits for a lock. */
static void add_settings(struct server *server)
{
	const char *sql;
	if (server->facts.pooled)
		return;
	for (unsigned i = 0; (sql = query_setting(i, server->version)); i++)
		exchange_add_text(server, sql, sql);
	exchange_sync(server);
}

static void add_query(struct server *server, enum query_id id, const struct query_params *params, row_handler handle,
		      void *context)
{
	exchange_add_query(server, id, params, handle, context);
	exchange_sync(server);
}

/* What the first reading asks is only prepared: that one follows at once. */
static void add_first_reading(struct server *server)
{
	const enum query_id locks = server->options.all_locks ? QUERY_ALL_LOCKS : QUERY_LOCKS;
	const enum query_id asked[] = { locks, QUERY_ACTIVITY, QUERY_PREPARED, QUERY_PROGRESS, QUERY_TAIL };
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
		exchange_prepare(server, asked[i]);
	exchange_sync(server);
}

/*
 * What later ones ask besides, and the look at a signal's target. Of each as little as fills the caches: an empty list
 * is what pg_blocking_pids(0) and pg_safe_snapshot_blocking_pids(0) are, of the type that they are about; of the
 * sessions the own one; and where they are read in another way by the same functions, none. All in one transaction, for
 * which the server copies what its sessions say of themselves once.
 */
static void add_later_readings(struct server *server)
{
	struct arena arena = ARENA_INIT;
	struct query_params questions = { .count = 0 }, locks = { .count = 0 }, changes = { .count = 0 };
	struct query_params target = { .count = 0 };
	const int32_t nobody = 0;
	query_add_int32_array(&questions, &nobody, 1, &arena);
	query_add_int32_array(&locks, &nobody, 1, &arena);
	query_add_int64(&locks, 0);
	query_add_bool(&changes, true);
	query_add_int32(&changes, PQbackendPID(server->conn));
	query_add_int64(&changes, WHEN_NONE);
	query_add_int32(&target, nobody);
	exchange_add_query(server, QUERY_QUESTIONS, &questions, NULL, NULL);
	exchange_add_query(server, QUERY_SAFE_SNAPSHOTS, &questions, NULL, NULL);
	exchange_add_query(server, QUERY_LOCKS, &locks, NULL, NULL);
	exchange_add_query(server, QUERY_MANY_LOCKS, &locks, NULL, NULL);
	exchange_add_query(server, QUERY_CHANGES, &changes, NULL, NULL);
	exchange_add_query(server, QUERY_TARGET, &target, NULL, NULL);
	exchange_sync(server);
	arena_release(&arena);
}

/* The first failure of what cannot be done without; the system's identifier, a standby's replay and names can. */
static const struct exchange_item *find_failure(const struct exchange *exchange)
{
	for (unsigned i = 0; i < exchange->count; i++) {
		const struct exchange_item *item = &exchange->items[i];
		bool needed = item->query < QUERY_SYSTEM || item->query == QUERY_NONE;
		if (item->failed && needed)
			return item;
	}
	return NULL;
}

bool server_is_passing(const struct err *err)
{
	return strcmp(err->sqlstate, LOCK_NOT_AVAILABLE) == 0 || strcmp(err->sqlstate, "57014") == 0;
}

const char *server_lock_hint(const struct err *err)
{
	return server_is_passing(err) ? "a catalog may be locked: " : "";
}

void server_blame(struct server *server, const struct exchange_item *failed)
{
	const struct err *err = &failed->err;
	err_set(&server->loss, "connected, but %s%s: %s", server_lock_hint(err), failed->name, err->text);
}

void server_blame_silence(struct server *server)
{
	const struct exchange *exchange = &server->exchange;
	err_set(&server->loss, "connected, but a catalog may be locked: no answer to %s",
		exchange->items[exchange->current].name);
}

/* What signals and the first frame need: it is awaited. */
static enum exchange_end warm_first(struct server *server, struct warm_up *warm)
{
	exchange_begin(server);
	server->exchange.guarded = true;
	add_settings(server);
	add_query(server, QUERY_SETTINGS, NULL, handle_settings, warm);
	add_query(server, QUERY_SYSTEM, NULL, handle_system, warm);
	add_query(server, QUERY_STANDBY, NULL, handle_standby, warm);
	add_first_reading(server);
	if (!server->options.read_only)
		signal_add_warm(server);
	names_add_first(server);
	enum exchange_end end = exchange_wait(server, server->give_up_at);
	if (end == EXCHANGE_DONE)
		names_receive(server);
	else if (end == EXCHANGE_PENDING)
		server_blame_silence(server);
	return end;
}

/* A catalog is locked: says which statement hangs on it, and waits. False: given up, lost or stopped. */
static bool wait_to_warm(struct server *server, const struct exchange_item *failed, int64_t deadline)
{
	int64_t again = when_monotonic() + RETRY_PAUSE;
	server_blame(server, failed);
	if (!server_is_passing(&failed->err) || (!server->options.interactive && again > deadline))
		return false;
	snprintf(server->status.stage, sizeof server->status.stage, "%s", failed->name);
	snprintf(server->status.text, sizeof server->status.text, "%.500s", server->loss.text);
	server_publish_status(server);
	while (when_monotonic() < again && !server->agenda.stop) {
		if (!server_wait(server, again))
			return false;
		signal_refuse_all(server, "the connection is not ready");
	}
	return !server->agenda.stop;
}

static bool warm_statements(struct server *server, struct warm_up *warm)
{
	int64_t deadline = deadline_of_stage(server);
	for (;;) {
		if (find_pooler(server, warm) != EXCHANGE_DONE)
			return false;
		const struct exchange_item *failed = find_failure(&server->exchange);
		if (!failed && warm_first(server, warm) != EXCHANGE_DONE)
			return false;
		signal_refuse_all(server, "the connection is not ready");
		failed = find_failure(&server->exchange);
		if (!failed)
			return true;
		if (!wait_to_warm(server, failed, deadline))
			return false;
	}
}

bool server_warm(struct server *server)
{
	struct warm_up warm = { .server = server, .facts.deadlock_timeout = WHEN_NONE };
	server->warm_at = server->options.once ? INT64_MAX : 0;
	if (!server->was_live)
		server_set_state(server, SOURCE_WARMING, "");
	if (run_first_statement(server) && warm_statements(server, &warm)) {
		adopt_facts(server, &warm.facts);
		return true;
	}
	free(warm.facts.system_identifier);
	return false;
}

bool server_warm_rest(struct server *server)
{
	exchange_begin(server);
	add_later_readings(server);
	names_add_rest(server);
	if (exchange_wait(server, server->give_up_at) != EXCHANGE_DONE)
		return false;
	const struct exchange_item *failed = find_failure(&server->exchange);
	server->warm_at = failed && server_is_passing(&failed->err) ? when_monotonic() + RETRY_PAUSE : INT64_MAX;
	return true;
}
