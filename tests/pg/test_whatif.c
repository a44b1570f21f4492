/*
 * The forecasts against what then happens: sessions wait on a real server, the forecast is made from the live source's
 * frame, one session really is terminated or cancelled, and those who got what they waited for are compared.
 * WHATIF_SEED=N begins the random situations there, WHATIF_ROUNDS=N makes so many.
 */
#include "listener.h"

#include "pglocktop/whatif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CAST_MOST = 24, PLAYERS = 10, ROUNDS = 12 };

static struct pgserver *server;
static PGconn *observer;

struct cast {
	PGconn *conns[CAST_MOST];
	int pids[CAST_MOST];
	bool done[CAST_MOST]; /* of those who waited: it got what it waited for */
	bool waited[CAST_MOST];
	unsigned count;
	struct listener listener;
};

static int start(void **state)
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

static int end(void **state)
{
	(void)state;
	PQfinish(observer);
	pgserver_free(server);
	return 0;
}

static int open_cast(void **state)
{
	struct cast *cast = calloc(1, sizeof *cast);
	assert_non_null(cast);
	*state = cast;
	return 0;
}

static void dismiss(struct cast *cast)
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

static int close_cast(void **state)
{
	dismiss(*state);
	free(*state);
	return 0;
}

/* ---- sessions ---- */

static unsigned doing(struct cast *cast, const char *sql)
{
	unsigned who = cast->count++;
	assert_true(who < CAST_MOST);
	cast->conns[who] = pgserver_connect(server, "postgres");
	cast->pids[who] = PQbackendPID(cast->conns[who]);
	pgserver_run(cast->conns[who], sql);
	return who;
}

static unsigned waiting(struct cast *cast, const char *before, const char *sql)
{
	unsigned who = doing(cast, before);
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
static void await_rest(struct cast *cast, const char *besides)
{
	struct strbuf sql = STRBUF_INIT;
	strbuf_add_string(&sql, "select not exists (select from pg_stat_activity where pid = any (");
	list_waiters(cast, &sql);
	strbuf_printf(&sql, ") and state = 'active' and cardinality(pg_blocking_pids(pid)) = 0) and %s", besides);
	pgserver_wait_until(observer, sql.text);
	strbuf_release(&sql);
}

static bool is_done(const struct cast *cast, unsigned who)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where pid = %d and state <> 'active'",
		 cast->pids[who]);
	return pgserver_number(observer, sql) == 1;
}

/* ---- the forecast, the signal, and what came of it ---- */

static void look(struct cast *cast)
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

static uint32_t node_of(const struct cast *cast, unsigned who)
{
	uint32_t node = graph_find_pid(cast->listener.frame->graph, cast->pids[who]);
	assert_int_not_equal(node, GRAPH_NONE);
	return node;
}

static struct whatif_forecast foresee(const struct cast *cast, unsigned who, enum signal_verb verb)
{
	return whatif_forecast(cast->listener.frame->whatif, node_of(cast, who), verb);
}

static void let_go(struct cast *cast, unsigned who, enum signal_verb verb)
{
	char sql[160];
	snprintf(sql, sizeof sql, "select %s(%d)", verb == SIGNAL_CANCEL ? "pg_cancel_backend" : "pg_terminate_backend",
		 cast->pids[who]);
	pgserver_run(observer, sql);
	cast->waited[who] = false;
	snprintf(sql, sizeof sql,
		 "not exists (select from pg_stat_activity where pid = %d and (%s or state = 'active'))",
		 cast->pids[who], verb == SIGNAL_CANCEL ? "false" : "true");
	await_rest(cast, sql);
}

/* Those whom a forecast says to be freed. */
struct foreseen {
	uint32_t nodes[CAST_MOST], count;
};

static bool is_foreseen(const struct cast *cast, const struct foreseen *foreseen, unsigned who)
{
	for (uint32_t i = 0; i < foreseen->count; i++)
		if (foreseen->nodes[i] == node_of(cast, who))
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
		cast->done[i] = is_done(cast, i);
		freed += cast->done[i];
		if (cast->done[i] != is_foreseen(cast, foreseen, i))
			fail_msg("%d %s, which was not foreseen", cast->pids[i],
				 cast->done[i] ? "got its lock" : "still waits");
	}
	return freed;
}

static unsigned check_freed(struct cast *cast, uint32_t node, enum signal_verb verb)
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
			if (!cast->waited[i] || !is_done(cast, i))
				continue;
			commit(cast->conns[i]);
			cast->waited[i] = false;
			finished++;
			any = true;
			await_rest(cast, "true");
		}
	}
	return finished;
}

/* The whole of it for one target. */
static struct whatif_forecast check(struct cast *cast, unsigned who, enum signal_verb verb)
{
	if (!cast->listener.source)
		look(cast);
	uint32_t node = node_of(cast, who);
	struct whatif_forecast forecast = whatif_forecast(cast->listener.frame->whatif, node, verb);
	let_go(cast, who, verb);
	assert_int_equal(check_freed(cast, node, verb), forecast.freed);
	if (forecast.in_turn != GRAPH_NONE && !forecast.nothing)
		assert_int_equal(play_on(cast), forecast.freed + forecast.in_turn);
	return forecast;
}

/* Those freed are done, end their transactions, and exactly those are done then who were to head the queues. */
static void check_heads(struct cast *cast, const struct foreseen *heads)
{
	bool freed[CAST_MOST] = { false };
	for (unsigned i = 0; i < cast->count; i++)
		freed[i] = cast->waited[i] && cast->done[i];
	for (unsigned i = 0; i < cast->count; i++) {
		if (!freed[i])
			continue;
		cast->waited[i] = false;
		commit(cast->conns[i]);
	}
	await_rest(cast, "true");
	check_done(cast, heads);
}

/* Several go, one after the other. */
static struct whatif_forecast check_set(struct cast *cast, const unsigned *who, uint32_t count, enum signal_verb verb)
{
	uint32_t nodes[CAST_MOST];
	struct foreseen foreseen, heads;
	look(cast);
	const struct whatif *whatif = cast->listener.frame->whatif;
	for (uint32_t i = 0; i < count; i++)
		nodes[i] = node_of(cast, who[i]);
	struct whatif_forecast forecast = whatif_forecast_set(whatif, nodes, count, verb, foreseen.nodes, CAST_MOST);
	foreseen.count = forecast.freed;
	heads.count = whatif_heads(whatif, nodes, count, verb, heads.nodes, CAST_MOST);
	for (uint32_t i = 0; i < count; i++)
		let_go(cast, who[i], verb);
	assert_int_equal(check_done(cast, &foreseen), forecast.freed);
	check_heads(cast, &heads);
	assert_int_equal(play_on(cast), forecast.in_turn);
	return forecast;
}

/* ---- situations ---- */

static const char update_1[] = "update items set note = 'w' where id = 1";

/* The owner, and five who wait for its row: the first holds the tuple lock. */
static unsigned stage_row_queue(struct cast *cast)
{
	unsigned owner = doing(cast, "begin; update items set note = 'h' where id = 1");
	for (int i = 0; i < 5; i++)
		waiting(cast, "begin", update_1);
	return owner;
}

static void row_queue_whose_owner_goes(void **state)
{
	struct cast *cast = *state;
	struct whatif_forecast forecast = check(cast, stage_row_queue(cast), SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 4);
}

static void row_queue_whose_first_goes(void **state)
{
	struct cast *cast = *state;
	unsigned owner = stage_row_queue(cast);
	look(cast);
	struct whatif_place place;
	assert_true(whatif_moved(cast->listener.frame->whatif, node_of(cast, owner + 1), &place));
	assert_int_equal(place.node, node_of(cast, owner + 2));
	assert_int_equal(place.behind, node_of(cast, owner));
	struct whatif_forecast forecast = check(cast, owner + 1, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed + forecast.in_turn, 0);
	assert_int_equal(forecast.moved, 1);
}

static void row_queue_whose_first_is_cancelled(void **state)
{
	struct cast *cast = *state;
	struct whatif_forecast forecast = check(cast, stage_row_queue(cast) + 1, SIGNAL_CANCEL);
	assert_int_equal(forecast.moved, 1);
}

static void row_queue_whose_third_goes(void **state)
{
	struct cast *cast = *state;
	struct whatif_forecast forecast = check(cast, stage_row_queue(cast) + 3, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed + forecast.moved + forecast.in_turn, 0);
}

static void idle_owner_is_cancelled(void **state)
{
	struct cast *cast = *state;
	assert_true(check(cast, stage_row_queue(cast), SIGNAL_CANCEL).nothing);
}

/* The owner of a row and the second of those who want it. */
static void two_of_a_row_queue_go(void **state)
{
	struct cast *cast = *state;
	unsigned owner = stage_row_queue(cast);
	const unsigned who[] = { owner, owner + 2 };
	struct whatif_forecast forecast = check_set(cast, who, 2, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 3);
}

/* FOR KEY SHARE, FOR SHARE and FOR UPDATE ask for the tuple in modes that do not all conflict. */
static void row_queue_of_mixed_strength(void **state)
{
	static const char *const strengths[] = {
		"key share", "share", "key share", "no key update", "update", "share"
	};
	struct cast *cast = *state;
	char sql[96];
	unsigned owner = doing(cast, "begin; delete from items where id = 2");
	for (size_t i = 0; i < sizeof strengths / sizeof *strengths; i++) {
		snprintf(sql, sizeof sql, "select from items where id = 2 for %s", strengths[i]);
		waiting(cast, "begin", sql);
	}
	check(cast, owner, SIGNAL_TERMINATE);
}

/* A reader, an ALTER TABLE that waits for it, four readers that wait behind that. */
static unsigned stage_alter(struct cast *cast)
{
	unsigned holder = doing(cast, "begin; select from a");
	waiting(cast, "begin", "alter table a alter id set default 1");
	for (int i = 0; i < 4; i++)
		waiting(cast, "begin", "select from a");
	return holder;
}

static void waiting_alter_is_cancelled(void **state)
{
	struct cast *cast = *state;
	unsigned holder = stage_alter(cast);
	look(cast);
	struct whatif_ahead ahead;
	assert_true(whatif_ahead(cast->listener.frame->whatif, node_of(cast, holder), &ahead));
	assert_int_equal(ahead.node, node_of(cast, holder + 1));
	assert_int_equal(ahead.freed, 4);
	assert_int_equal(check(cast, holder + 1, SIGNAL_CANCEL).freed, 4);
}

static void reader_before_an_alter_goes(void **state)
{
	struct cast *cast = *state;
	struct whatif_forecast forecast = check(cast, stage_alter(cast), SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 4);
}

/* Two readers together free the ALTER TABLE, which neither would; those behind it follow. */
static void both_readers_before_an_alter_go(void **state)
{
	struct cast *cast = *state;
	unsigned first = doing(cast, "begin; select from a");
	unsigned second = stage_alter(cast);
	const unsigned who[] = { first, second };
	struct whatif_forecast forecast = check_set(cast, who, 2, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 4);
}

static void one_of_two_holders_goes(void **state)
{
	struct cast *cast = *state;
	unsigned holder = stage_alter(cast);
	unsigned other = doing(cast, "begin; update items set note = 'x' where id = 3");
	waiting(cast, "begin; select from b", "update items set note = 'y' where id = 3");
	look(cast);
	assert_int_equal(foresee(cast, holder, SIGNAL_TERMINATE).freed, 1);
	assert_int_equal(check(cast, other, SIGNAL_TERMINATE).freed, 1);
}

/* Everybody waits for the transaction of the one before. */
static void chain(void **state)
{
	struct cast *cast = *state;
	char before[96], sql[96];
	doing(cast, "begin; update items set note = 'h' where id = 1");
	for (int i = 1; i < 8; i++) {
		snprintf(before, sizeof before, "begin; update items set note = 'h' where id = %d", i + 1);
		snprintf(sql, sizeof sql, "update items set note = 'w' where id = %d", i);
		waiting(cast, before, sql);
	}
	struct whatif_forecast forecast = check(cast, 2, SIGNAL_CANCEL);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 4);
}

static void deadlock(void **state)
{
	struct cast *cast = *state;
	unsigned first = doing(cast, "begin; update items set note = 'h' where id = 1");
	unsigned second = waiting(cast, "begin; update items set note = 'h' where id = 2", update_1);
	pgserver_send(cast->conns[first], "update items set note = 'w' where id = 2");
	pgserver_wait_blocked(observer, cast->conns[first]);
	struct whatif_forecast forecast = check(cast, second, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, GRAPH_NONE);
}

static void prepared_transaction(void **state)
{
	struct cast *cast = *state;
	doing(cast, "begin; update items set note = 'p' where id = 4; prepare transaction 'order-77'");
	unsigned waiter = waiting(cast, "begin", "update items set note = 'w' where id = 4");
	look(cast);
	const struct graph *graph = cast->listener.frame->graph;
	uint32_t node = graph->nodes[node_of(cast, waiter)].principal;
	assert_int_equal(graph->nodes[node].session, SNAPSHOT_NO_INDEX);
	assert_true(whatif_forecast(cast->listener.frame->whatif, node, SIGNAL_CANCEL).nothing);
	pgserver_run(observer, "rollback prepared 'order-77'");
	await_rest(cast, "true");
	assert_int_equal(check_freed(cast, node, SIGNAL_TERMINATE), 1);
}

/* A session's advisory lock goes with the session, and stays when its query is cancelled. */
static void advisory_lock(void **state)
{
	struct cast *cast = *state;
	unsigned holder = doing(cast, "select pg_advisory_lock(7); begin; update items set note = 'h' where id = 5");
	pgserver_send(cast->conns[holder], "select pg_sleep(3600)");
	unsigned keyed = waiting(cast, "begin", "select pg_advisory_xact_lock(7)");
	waiting(cast, "begin", "update items set note = 'w' where id = 5");
	look(cast);
	assert_int_equal(foresee(cast, holder, SIGNAL_TERMINATE).freed, 2);
	struct whatif_forecast forecast = check(cast, holder, SIGNAL_CANCEL);
	assert_int_equal(forecast.freed, 1);
	assert_true(forecast.doubts & WHATIF_ADVISORY);
	assert_true(!is_done(cast, keyed));
}

/* What the snapshot cannot tell is said to be doubtful: all wake, and one then waits for the other. */
static void unique_key(void **state)
{
	struct cast *cast = *state;
	unsigned owner = doing(cast, "begin; insert into items values (100, '')");
	for (int i = 0; i < 2; i++)
		waiting(cast, "begin", "insert into items values (100, '')");
	look(cast);
	struct whatif_forecast forecast = foresee(cast, owner, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 2);
	assert_true(forecast.doubts & WHATIF_RIVALS);
	let_go(cast, owner, SIGNAL_TERMINATE);
	assert_int_equal(is_done(cast, owner + 1) + is_done(cast, owner + 2), 1);
}

/* Another one shares the row, which does not show: it goes on waiting for that one. */
static void shared_row(void **state)
{
	struct cast *cast = *state;
	unsigned sharers = doing(cast, "begin; select from items where id = 6 for share");
	doing(cast, "begin; select from items where id = 6 for share");
	unsigned waiter = waiting(cast, "begin", "update items set note = 'w' where id = 6");
	look(cast);
	uint32_t blocker = cast->listener.frame->graph->nodes[node_of(cast, waiter)].principal;
	unsigned first = blocker == node_of(cast, sharers) ? sharers : sharers + 1;
	assert_true(foresee(cast, first, SIGNAL_TERMINATE).doubts & WHATIF_SHARERS);
	let_go(cast, first, SIGNAL_TERMINATE);
	assert_false(is_done(cast, waiter));
}

/* ---- random situations ---- */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static unsigned below(uint64_t *seed, unsigned limit)
{
	return (unsigned)(next_random(seed) >> 33) % limit;
}

static void write_request(char *sql, size_t size, uint64_t *seed, bool nowait)
{
	static const char *const modes[] = {
		"access share", "row share",	       "row exclusive", "share update exclusive",
		"share",	"share row exclusive", "exclusive",	"access exclusive",
	};
	if (below(seed, 2))
		snprintf(sql, size, "lock table %s in %s mode%s", below(seed, 2) ? "a" : "b", modes[below(seed, 8)],
			 nowait ? " nowait" : "");
	else
		snprintf(sql, size, "select from items where id = %u for update%s", 1 + below(seed, 3),
			 nowait ? " nowait" : "");
}

/* It holds what it can get at once; then it is sent for more, and waits, has it, or is told of a deadlock. */
static void enter(struct cast *cast, uint64_t *seed)
{
	char sql[128], until[320];
	unsigned who = doing(cast, "begin");
	for (unsigned holds = below(seed, 3); holds > 0; holds--) {
		write_request(sql, sizeof sql, seed, true);
		PGresult *result = PQexec(cast->conns[who], sql);
		bool failed = PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK;
		PQclear(result);
		if (failed)
			pgserver_run(cast->conns[who], "rollback; begin");
	}
	if (below(seed, 4) == 0)
		return;
	write_request(sql, sizeof sql, seed, false);
	pgserver_send(cast->conns[who], sql);
	snprintf(until, sizeof until,
		 "select count(*) = 1 from pg_stat_activity where pid = %d and query = '%s' and"
		 " (state <> 'active' or cardinality(pg_blocking_pids(pid)) > 0)",
		 cast->pids[who], sql);
	pgserver_wait_until(observer, until);
}

static void play_round(struct cast *cast, uint64_t seed)
{
	seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (unsigned i = 0; i < PLAYERS; i++)
		enter(cast, &seed);
	look(cast);
	unsigned who = below(&seed, PLAYERS);
	while (graph_find_pid(cast->listener.frame->graph, cast->pids[who]) == GRAPH_NONE && who + 1 < cast->count)
		who++;
	if (graph_find_pid(cast->listener.frame->graph, cast->pids[who]) != GRAPH_NONE)
		check(cast, who, below(&seed, 2) ? SIGNAL_CANCEL : SIGNAL_TERMINATE);
	dismiss(cast);
}

static void random_situations(void **state)
{
	uint64_t seed = getenv("WHATIF_SEED") ? strtoull(getenv("WHATIF_SEED"), NULL, 10) : 1;
	uint64_t rounds = getenv("WHATIF_ROUNDS") ? strtoull(getenv("WHATIF_ROUNDS"), NULL, 10) : ROUNDS;
	for (uint64_t round = 0; round < rounds; round++) {
		print_message("seed %llu\n", (unsigned long long)(seed + round));
		play_round(*state, seed + round);
	}
}

#define SITUATION(name) cmocka_unit_test_setup_teardown(name, open_cast, close_cast)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITUATION(row_queue_whose_owner_goes),
		SITUATION(row_queue_whose_first_goes),
		SITUATION(row_queue_whose_first_is_cancelled),
		SITUATION(row_queue_whose_third_goes),
		SITUATION(idle_owner_is_cancelled),
		SITUATION(two_of_a_row_queue_go),
		SITUATION(both_readers_before_an_alter_go),
		SITUATION(row_queue_of_mixed_strength),
		SITUATION(waiting_alter_is_cancelled),
		SITUATION(reader_before_an_alter_goes),
		SITUATION(one_of_two_holders_goes),
		SITUATION(chain),
		SITUATION(deadlock),
		SITUATION(prepared_transaction),
		SITUATION(advisory_lock),
		SITUATION(unique_key),
		SITUATION(shared_row),
		SITUATION(random_situations),
	};
	return cmocka_run_group_tests(tests, start, end);
}
