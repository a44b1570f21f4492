#include "cast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pgserver *server;
static PGconn *observer;

PGconn *cast_observer(void)
{
	return observer;
}

int cast_start(void **state)
{
	static const char *const settings[] = { "deadlock_timeout=60s", "max_prepared_transactions=5", "fsync=off",
						NULL };
	(void)state;
	server = pgserver_new(settings);
	observer = pgserver_connect(server, "dbname=postgres options='-c client_min_messages=error'");
	pgserver_run(observer, "create table items (id int primary key, note text);"
			       "insert into items select n, '' from generate_series(1, 20) n;"
			       "create table a (id int); create table b (id int)");
	return 0;
}

int cast_end(void **state)
{
	(void)state;
	PQfinish(observer);
	pgserver_free(server);
	return 0;
}

int cast_open(void **state)
{
	struct cast *cast = calloc(1, sizeof *cast);
	assert_non_null(cast);
	*state = cast;
	return 0;
}

void cast_dismiss(struct cast *cast)
{
	for (unsigned i = 0; i < cast->count; i++)
		PQfinish(cast->conns[i]);
	if (cast->listener.source)
		listener_stop(&cast->listener);
	/* Cut off while it waits, a backend notices nothing. */
	pgserver_run(observer, "select pg_terminate_backend(pid) from pg_stat_activity"
			       " where backend_type = 'client backend' and pid <> pg_backend_pid()");
	pgserver_wait_until(observer,
			    "select count(*) = 1 from pg_stat_activity where backend_type = 'client backend'");
	*cast = (struct cast){ .count = 0 };
}

int cast_close(void **state)
{
	cast_dismiss(*state);
	free(*state);
	return 0;
}

/* ---- sessions ---- */

unsigned cast_doing(struct cast *cast, const char *sql)
{
	unsigned who = cast->count++;
	assert_true(who < CAST_MOST);
	cast->conns[who] = pgserver_connect(server, "postgres");
	cast->pids[who] = PQbackendPID(cast->conns[who]);
	pgserver_run(cast->conns[who], sql);
	return who;
}

unsigned cast_waiting(struct cast *cast, const char *before, const char *sql)
{
	unsigned who = cast_doing(cast, before);
	pgserver_send(cast->conns[who], sql);
	pgserver_wait_blocked(observer, cast->conns[who]);
	return who;
}

/* The pids of those who waited, for an array in SQL. */
static void list_waiters(const struct cast *cast, struct strbuf *out)
{
	strbuf_add_string(out, "'{");
	bool any = false;
	for (unsigned i = 0; i < cast->count; i++) {
		if (!cast->waited[i])
			continue;
		strbuf_printf(out, "%s%d", any ? "," : "", cast->pids[i]);
		any = true;
	}
	strbuf_add_string(out, "}'::int[]");
}

/* Until each of those who waited is either done or waits for somebody; a pid of 0 is nobody. */
void cast_await_rest(struct cast *cast, const char *besides)
{
	struct strbuf sql = STRBUF_INIT;
	strbuf_add_string(&sql, "select not exists (select from pg_stat_activity where pid = any (");
	list_waiters(cast, &sql);
	strbuf_printf(&sql, ") and state = 'active' and cardinality(pg_blocking_pids(pid)) = 0) and %s", besides);
	pgserver_wait_until(observer, sql.text);
	strbuf_release(&sql);
}

bool cast_is_done(const struct cast *cast, unsigned who)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where pid = %d and state <> 'active'",
		 cast->pids[who]);
	return pgserver_number(observer, sql) == 1;
}

/* ---- the forecast, the signal, and what came of it ---- */

void cast_look(struct cast *cast)
{
	struct server_options options = listener_options(server);
	struct err err;
	options.once = options.all_edges = true;
	cast->listener = listener_of(source_server_new(&options, &err));
	listener_refresh(&cast->listener);
	for (unsigned i = 0; i < cast->count; i++) {
		uint32_t node = graph_find_pid(cast->listener.frame->graph, cast->pids[i]);
		cast->waited[i] = node != GRAPH_NONE && cast->listener.frame->graph->nodes[node].wait_count > 0;
	}
}

uint32_t cast_node(const struct cast *cast, unsigned who)
{
	uint32_t node = graph_find_pid(cast->listener.frame->graph, cast->pids[who]);
	assert_int_not_equal(node, GRAPH_NONE);
	return node;
}

struct whatif_forecast cast_foresee(const struct cast *cast, unsigned who, enum signal_verb verb)
{
	return whatif_forecast(cast->listener.frame->whatif, cast_node(cast, who), verb);
}

void cast_let_go(struct cast *cast, unsigned who, enum signal_verb verb)
{
	char sql[160];
	snprintf(sql, sizeof sql, "select %s(%d)", verb == SIGNAL_CANCEL ? "pg_cancel_backend" : "pg_terminate_backend",
		 cast->pids[who]);
	pgserver_run(observer, sql);
	cast->waited[who] = false;
	snprintf(sql, sizeof sql,
		 "not exists (select from pg_stat_activity where pid = %d and (%s or state = 'active'))",
		 cast->pids[who], verb == SIGNAL_CANCEL ? "false" : "true");
	cast_await_rest(cast, sql);
}

/* Those whom a forecast says to be freed. */
struct foreseen {
	uint32_t nodes[CAST_MOST], count;
};

static bool is_foreseen(const struct cast *cast, const struct foreseen *foreseen, unsigned who)
{
	for (uint32_t i = 0; i < foreseen->count; i++)
		if (foreseen->nodes[i] == cast_node(cast, who))
			return true;
	return false;
}

/* The one who moves up now waits for the one who was named. */
static void check_moved(const struct cast *cast, uint32_t node)
{
	struct whatif_place place;
	char sql[128];
	if (!whatif_moved(cast->listener.frame->whatif, node, &place))
		return;
	const struct graph *graph = cast->listener.frame->graph;
	const struct session *sessions = graph->snapshot->sessions;
	snprintf(sql, sizeof sql, "select count(*) from unnest(pg_blocking_pids(%d)) pid where pid = %d",
		 (int)sessions[graph->nodes[place.node].session].id.pid,
		 (int)sessions[graph->nodes[place.behind].session].id.pid);
	assert_int_equal(pgserver_number(observer, sql), 1);
}

/* Exactly those are done who were to be freed. Returns how many. */
static unsigned check_done(struct cast *cast, const struct foreseen *foreseen)
{
	unsigned freed = 0;
	for (unsigned i = 0; i < cast->count; i++) {
		if (!cast->waited[i])
			continue;
		cast->done[i] = cast_is_done(cast, i);
		freed += cast->done[i];
		if (cast->done[i] != is_foreseen(cast, foreseen, i))
			fail_msg("%d %s, which was not foreseen", cast->pids[i],
				 cast->done[i] ? "got its lock" : "still waits");
	}
	return freed;
}

unsigned cast_check_freed(struct cast *cast, uint32_t node, enum signal_verb verb)
{
	struct foreseen foreseen;
	foreseen.count = whatif_freed(cast->listener.frame->whatif, node, verb, foreseen.nodes, CAST_MOST);
	unsigned freed = check_done(cast, &foreseen);
	check_moved(cast, node);
	return freed;
}

static void commit(PGconn *conn)
{
	PGresult *result;
	while ((result = PQgetResult(conn)) != NULL)
		PQclear(result);
	PQclear(PQexec(conn, "commit"));
}

/* Those who are done end their transactions, which frees others, until nobody is freed any more. How many in all. */
static unsigned play_on(struct cast *cast)
{
	unsigned finished = 0;
	for (bool any = true; any;) {
		any = false;
		for (unsigned i = 0; i < cast->count; i++) {
			if (!cast->waited[i] || !cast_is_done(cast, i))
				continue;
			commit(cast->conns[i]);
			cast->waited[i] = false;
			finished++;
			any = true;
			cast_await_rest(cast, "true");
		}
	}
	return finished;
}

/* The whole of it for one target. */
struct whatif_forecast cast_check(struct cast *cast, unsigned who, enum signal_verb verb)
{
	if (!cast->listener.source)
		cast_look(cast);
	uint32_t node = cast_node(cast, who);
	struct whatif_forecast forecast = whatif_forecast(cast->listener.frame->whatif, node, verb);
	cast_let_go(cast, who, verb);
	assert_int_equal(cast_check_freed(cast, node, verb), forecast.freed);
	if (forecast.in_turn != GRAPH_NONE && !forecast.nothing)
		assert_int_equal(play_on(cast), forecast.freed + forecast.in_turn);
	return forecast;
}

/*
 * Those freed are done and end their transactions: as many are done then as were to head the queues. For a row it may
 * be another one: who looks for its new version first gets it (heap_lock_tuple), whatever the queue was.
 */
static void check_heads(struct cast *cast, uint32_t head_count)
{
	bool freed[CAST_MOST] = { false };
	uint32_t done = 0;
	for (unsigned i = 0; i < cast->count; i++)
		freed[i] = cast->waited[i] && cast->done[i];
	for (unsigned i = 0; i < cast->count; i++) {
		if (!freed[i])
			continue;
		cast->waited[i] = false;
		commit(cast->conns[i]);
	}
	cast_await_rest(cast, "true");
	for (unsigned i = 0; i < cast->count; i++)
		done += cast->waited[i] && cast_is_done(cast, i);
	assert_int_equal(done, head_count);
}

/* Several go, one after the other. */
struct whatif_forecast cast_check_set(struct cast *cast, const unsigned *who, uint32_t count, enum signal_verb verb)
{
	uint32_t nodes[CAST_MOST];
	struct foreseen foreseen;
	cast_look(cast);
	const struct whatif *whatif = cast->listener.frame->whatif;
	for (uint32_t i = 0; i < count; i++)
		nodes[i] = cast_node(cast, who[i]);
	struct whatif_forecast forecast = whatif_forecast_set(whatif, nodes, count, verb, foreseen.nodes, CAST_MOST);
	foreseen.count = forecast.freed;
	uint32_t head_count = whatif_heads(whatif, nodes, count, verb, NULL, 0);
	for (uint32_t i = 0; i < count; i++)
		cast_let_go(cast, who[i], verb);
	assert_int_equal(check_done(cast, &foreseen), forecast.freed);
	check_heads(cast, head_count);
	assert_int_equal(play_on(cast), forecast.in_turn);
	return forecast;
}
