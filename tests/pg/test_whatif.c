/*
 * The forecasts against what then happens: sessions wait on a real server, the forecast is made from the live source's
 * frame, one session really is terminated or cancelled, and those who got what they waited for are compared.
 * WHATIF_SEED=N begins the random situations there, WHATIF_ROUNDS=N makes so many.
 */
#include "cast.h"

#include <stdio.h>
#include <stdlib.h>

enum { PLAYERS = 10, ROUNDS = 12 };

/* ---- situations ---- */

static const char update_1[] = "update items set note = 'w' where id = 1";

/* The owner, and five who wait for its row: the first holds the tuple lock. */
static unsigned stage_row_queue(struct cast *cast)
{
	unsigned owner = cast_doing(cast, "begin; update items set note = 'h' where id = 1");
	for (int i = 0; i < 5; i++)
		cast_waiting(cast, "begin", update_1);
	return owner;
}

static void row_queue_whose_owner_goes(void **state)
{
	struct cast *cast = *state;
	struct whatif_forecast forecast = cast_check(cast, stage_row_queue(cast), SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 4);
}

static void row_queue_whose_first_goes(void **state)
{
	struct cast *cast = *state;
	unsigned owner = stage_row_queue(cast);
	cast_look(cast);
	struct whatif_place place;
	assert_true(whatif_moved(cast->listener.frame->whatif, cast_node(cast, owner + 1), &place));
	assert_int_equal(place.node, cast_node(cast, owner + 2));
	assert_int_equal(place.behind, cast_node(cast, owner));
	struct whatif_forecast forecast = cast_check(cast, owner + 1, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed + forecast.in_turn, 0);
	assert_int_equal(forecast.moved, 1);
}

static void row_queue_whose_first_is_cancelled(void **state)
{
	struct cast *cast = *state;
	struct whatif_forecast forecast = cast_check(cast, stage_row_queue(cast) + 1, SIGNAL_CANCEL);
	assert_int_equal(forecast.moved, 1);
}

static void row_queue_whose_third_goes(void **state)
{
	struct cast *cast = *state;
	struct whatif_forecast forecast = cast_check(cast, stage_row_queue(cast) + 3, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed + forecast.moved + forecast.in_turn, 0);
}

static void idle_owner_is_cancelled(void **state)
{
	struct cast *cast = *state;
	assert_true(cast_check(cast, stage_row_queue(cast), SIGNAL_CANCEL).nothing);
}

/* The owner of a row and the second of those who want it. */
static void two_of_a_row_queue_go(void **state)
{
	struct cast *cast = *state;
	unsigned owner = stage_row_queue(cast);
	const unsigned who[] = { owner, owner + 2 };
	struct whatif_forecast forecast = cast_check_set(cast, who, 2, SIGNAL_TERMINATE);
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
	unsigned owner = cast_doing(cast, "begin; delete from items where id = 2");
	for (size_t i = 0; i < sizeof strengths / sizeof *strengths; i++) {
		snprintf(sql, sizeof sql, "select from items where id = 2 for %s", strengths[i]);
		cast_waiting(cast, "begin", sql);
	}
	cast_check(cast, owner, SIGNAL_TERMINATE);
}

/* A reader, an ALTER TABLE that waits for it, four readers that wait behind that. */
static unsigned stage_alter(struct cast *cast)
{
	unsigned holder = cast_doing(cast, "begin; select from a");
	cast_waiting(cast, "begin", "alter table a alter id set default 1");
	for (int i = 0; i < 4; i++)
		cast_waiting(cast, "begin", "select from a");
	return holder;
}

static void waiting_alter_is_cancelled(void **state)
{
	struct cast *cast = *state;
	unsigned holder = stage_alter(cast);
	cast_look(cast);
	struct whatif_ahead ahead;
	assert_true(whatif_ahead(cast->listener.frame->whatif, cast_node(cast, holder), &ahead));
	assert_int_equal(ahead.node, cast_node(cast, holder + 1));
	assert_int_equal(ahead.freed, 4);
	assert_int_equal(cast_check(cast, holder + 1, SIGNAL_CANCEL).freed, 4);
}

static void reader_before_an_alter_goes(void **state)
{
	struct cast *cast = *state;
	struct whatif_forecast forecast = cast_check(cast, stage_alter(cast), SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 4);
}

/* Two readers together free the ALTER TABLE, which neither would; those behind it follow. */
static void both_readers_before_an_alter_go(void **state)
{
	struct cast *cast = *state;
	unsigned first = cast_doing(cast, "begin; select from a");
	unsigned second = stage_alter(cast);
	const unsigned who[] = { first, second };
	struct whatif_forecast forecast = cast_check_set(cast, who, 2, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 4);
}

static void one_of_two_holders_goes(void **state)
{
	struct cast *cast = *state;
	unsigned holder = stage_alter(cast);
	unsigned other = cast_doing(cast, "begin; update items set note = 'x' where id = 3");
	cast_waiting(cast, "begin; select from b", "update items set note = 'y' where id = 3");
	cast_look(cast);
	assert_int_equal(cast_foresee(cast, holder, SIGNAL_TERMINATE).freed, 1);
	assert_int_equal(cast_check(cast, other, SIGNAL_TERMINATE).freed, 1);
}

/* Everybody waits for the transaction of the one before. */
static void chain(void **state)
{
	struct cast *cast = *state;
	char before[96], sql[96];
	cast_doing(cast, "begin; update items set note = 'h' where id = 1");
	for (int i = 1; i < 8; i++) {
		snprintf(before, sizeof before, "begin; update items set note = 'h' where id = %d", i + 1);
		snprintf(sql, sizeof sql, "update items set note = 'w' where id = %d", i);
		cast_waiting(cast, before, sql);
	}
	struct whatif_forecast forecast = cast_check(cast, 2, SIGNAL_CANCEL);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, 4);
}

static void deadlock(void **state)
{
	struct cast *cast = *state;
	unsigned first = cast_doing(cast, "begin; update items set note = 'h' where id = 1");
	unsigned second = cast_waiting(cast, "begin; update items set note = 'h' where id = 2", update_1);
	pgserver_send(cast->conns[first], "update items set note = 'w' where id = 2");
	pgserver_wait_blocked(cast_observer(), cast->conns[first]);
	struct whatif_forecast forecast = cast_check(cast, second, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 1);
	assert_int_equal(forecast.in_turn, GRAPH_NONE);
}

static void prepared_transaction(void **state)
{
	struct cast *cast = *state;
	cast_doing(cast, "begin; update items set note = 'p' where id = 4; prepare transaction 'order-77'");
	unsigned waiter = cast_waiting(cast, "begin", "update items set note = 'w' where id = 4");
	cast_look(cast);
	const struct graph *graph = cast->listener.frame->graph;
	uint32_t node = graph->nodes[cast_node(cast, waiter)].principal;
	assert_int_equal(graph->nodes[node].session, SNAPSHOT_NO_INDEX);
	assert_true(whatif_forecast(cast->listener.frame->whatif, node, SIGNAL_CANCEL).nothing);
	pgserver_run(cast_observer(), "rollback prepared 'order-77'");
	cast_await_rest(cast, "true");
	assert_int_equal(cast_check_freed(cast, node, SIGNAL_TERMINATE), 1);
}

/* A session's advisory lock goes with the session, and stays when its query is cancelled. */
static void advisory_lock(void **state)
{
	struct cast *cast = *state;
	unsigned holder =
		cast_doing(cast, "select pg_advisory_lock(7); begin; update items set note = 'h' where id = 5");
	pgserver_send(cast->conns[holder], "select pg_sleep(3600)");
	unsigned keyed = cast_waiting(cast, "begin", "select pg_advisory_xact_lock(7)");
	cast_waiting(cast, "begin", "update items set note = 'w' where id = 5");
	cast_look(cast);
	assert_int_equal(cast_foresee(cast, holder, SIGNAL_TERMINATE).freed, 2);
	struct whatif_forecast forecast = cast_check(cast, holder, SIGNAL_CANCEL);
	assert_int_equal(forecast.freed, 1);
	assert_true(forecast.doubts & WHATIF_ADVISORY);
	assert_true(!cast_is_done(cast, keyed));
}

/* What the snapshot cannot tell is said to be doubtful: all wake, and one then waits for the other. */
static void unique_key(void **state)
{
	struct cast *cast = *state;
	unsigned owner = cast_doing(cast, "begin; insert into items values (100, '')");
	for (int i = 0; i < 2; i++)
		cast_waiting(cast, "begin", "insert into items values (100, '')");
	cast_look(cast);
	struct whatif_forecast forecast = cast_foresee(cast, owner, SIGNAL_TERMINATE);
	assert_int_equal(forecast.freed, 2);
	assert_true(forecast.doubts & WHATIF_RIVALS);
	cast_let_go(cast, owner, SIGNAL_TERMINATE);
	assert_int_equal(cast_is_done(cast, owner + 1) + cast_is_done(cast, owner + 2), 1);
}

/* Another one shares the row, which does not show: it goes on waiting for that one. */
static void shared_row(void **state)
{
	struct cast *cast = *state;
	unsigned sharers = cast_doing(cast, "begin; select from items where id = 6 for share");
	cast_doing(cast, "begin; select from items where id = 6 for share");
	unsigned waiter = cast_waiting(cast, "begin", "update items set note = 'w' where id = 6");
	cast_look(cast);
	uint32_t blocker = cast->listener.frame->graph->nodes[cast_node(cast, waiter)].principal;
	unsigned first = blocker == cast_node(cast, sharers) ? sharers : sharers + 1;
	assert_true(cast_foresee(cast, first, SIGNAL_TERMINATE).doubts & WHATIF_SHARERS);
	cast_let_go(cast, first, SIGNAL_TERMINATE);
	assert_false(cast_is_done(cast, waiter));
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
	unsigned who = cast_doing(cast, "begin");
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
	pgserver_wait_until(cast_observer(), until);
}

static void play_round(struct cast *cast, uint64_t seed)
{
	seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (unsigned i = 0; i < PLAYERS; i++)
		enter(cast, &seed);
	cast_look(cast);
	unsigned who = below(&seed, PLAYERS);
	while (graph_find_pid(cast->listener.frame->graph, cast->pids[who]) == GRAPH_NONE && who + 1 < cast->count)
		who++;
	if (graph_find_pid(cast->listener.frame->graph, cast->pids[who]) != GRAPH_NONE)
		cast_check(cast, who, below(&seed, 2) ? SIGNAL_CANCEL : SIGNAL_TERMINATE);
	cast_dismiss(cast);
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

#define SITUATION(name) cmocka_unit_test_setup_teardown(name, cast_open, cast_close)

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
	return cmocka_run_group_tests(tests, cast_start, cast_end);
}
