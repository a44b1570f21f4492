/*
 * The forecasts against a server played row by row: over random lock situations each node goes once, every queue is
 * walked as ProcLockWakeup (proc.c) walks it, and those who got all that they wait for finish, too, as long as anybody
 * does. The seed is printed when a round fails; WHATIF_SEED=N begins there, WHATIF_ROUNDS=N goes on for so many.
 */
#include "pglocktop/whatif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROCS_MAX = 14, LOCKS_MAX = 4, ROWS_MAX = 3, FIRST_PID = 100, FIRST_XID = 1000, ROW_RELATION = 500, NOW = 1000 };

struct process {
	bool prepared;
	uint32_t leader;
	bool runs;
	bool waits;
	bool locks_row;
};

struct world {
	struct process procs[PROCS_MAX];
	uint32_t proc_count;
	uint32_t row_owner[ROWS_MAX];
	uint32_t row_count;
	struct frame *frame;
};

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static uint32_t below(uint64_t *seed, uint32_t limit)
{
	return (uint32_t)(next_random(seed) >> 33) % limit;
}

/* ---- making a situation ---- */

static struct locktag xid_tag(uint32_t process)
{
	return (struct locktag){ .kind = LOCKTAG_TRANSACTIONID,
				 .columns = LOCKTAG_HAS_TRANSACTIONID,
				 .transactionid = FIRST_XID + process,
				 .type = "transactionid" };
}

static struct locktag row_tag(uint32_t row)
{
	return (struct locktag){ .kind = LOCKTAG_TUPLE,
				 .columns = LOCKTAG_HAS_RELATION | LOCKTAG_HAS_TUPLE,
				 .relation = ROW_RELATION,
				 .tuple = (uint16_t)row,
				 .type = "tuple" };
}

/* Relations and advisory locks in turn. */
static struct locktag plain_tag(uint32_t lock)
{
	if (lock % 2)
		return (struct locktag){
			.kind = LOCKTAG_ADVISORY, .columns = LOCKTAG_HAS_OBJID, .objid = lock, .type = "advisory"
		};
	return (struct locktag){
		.kind = LOCKTAG_RELATION, .columns = LOCKTAG_HAS_RELATION, .relation = lock, .type = "relation"
	};
}

static void add_row(struct world *world, uint32_t process, struct locktag tag, enum lockmode mode, int64_t since)
{
	struct snapshot *snapshot = world->frame->snapshot;
	struct lock row = { .tag = tag, .mode = mode, .granted = since == WHEN_NONE, .waitstart = since };
	row.pid = world->procs[process].prepared ? 0 : FIRST_PID + (int32_t)process;
	row.virtualtransaction = arena_printf(snapshot->arena, "%u/1", (unsigned)process);
	snapshot_add_lock(snapshot, &row);
	world->procs[process].waits |= since != WHEN_NONE;
}

static void add_process(struct world *world, uint32_t index)
{
	const struct process *process = &world->procs[index];
	struct session session = { .id = { FIRST_PID + (int32_t)index, 1 }, .listed = true };
	session.xact_start = session.query_start = session.state_change = WHEN_NONE;
	session.state = process->runs || process->waits ? SESSION_ACTIVE : SESSION_IDLE_IN_TRANSACTION;
	session.backend_type = process->leader == index ? "client backend" : "parallel worker";
	session.leader_pid = process->leader == index ? 0 : FIRST_PID + (int32_t)process->leader;
	if (!process->prepared)
		snapshot_add_session(world->frame->snapshot, &session);
}

/* The first to wait for a row holds its tuple lock and waits for the owner, the others queue for the tuple lock. */
static void add_row_waiters(struct world *world, uint32_t row, uint64_t *seed)
{
	uint32_t owner = below(seed, world->proc_count);
	bool first = true;
	world->row_owner[row] = world->procs[owner].leader;
	for (uint32_t i = 0; i < world->proc_count; i++) {
		struct process *process = &world->procs[i];
		if (process->waits || process->prepared || process->leader != i || i == owner || below(seed, 3) == 0)
			continue;
		int64_t since = 1 + below(seed, NOW);
		process->locks_row = true;
		if (first) {
			add_row(world, i, row_tag(row), LOCKMODE_EXCLUSIVE, WHEN_NONE);
			add_row(world, i, xid_tag(owner), LOCKMODE_SHARE, since);
		} else {
			add_row(world, i, row_tag(row), LOCKMODE_EXCLUSIVE, since);
		}
		first = false;
	}
}

static void add_plain_locks(struct world *world, uint32_t index, uint32_t lock_count, uint64_t *seed)
{
	for (uint32_t lock = 0; lock < lock_count; lock++)
		if (below(seed, 4) == 0)
			add_row(world, index, plain_tag(lock), (enum lockmode)(1 + below(seed, 8)), WHEN_NONE);
	if (world->procs[index].prepared || below(seed, 2))
		return;
	add_row(world, index, plain_tag(below(seed, lock_count)), (enum lockmode)(1 + below(seed, 8)),
		1 + below(seed, NOW));
}

static void make_world(struct world *world, uint64_t *seed)
{
	*world = (struct world){ .proc_count = 2 + below(seed, PROCS_MAX - 1), .row_count = below(seed, ROWS_MAX + 1) };
	uint32_t lock_count = 1 + below(seed, LOCKS_MAX);
	world->frame = frame_new();
	world->frame->snapshot->taken_at = NOW;
	world->frame->snapshot->server.version_num = 160000;
	for (uint32_t i = 0; i < world->proc_count; i++) {
		struct process *process = &world->procs[i];
		bool worker = i > 0 && !world->procs[i - 1].prepared && below(seed, 6) == 0;
		process->leader = worker ? world->procs[i - 1].leader : i;
		process->prepared = !worker && below(seed, 8) == 0;
		process->runs = below(seed, 2);
		add_row(world, i, xid_tag(i), LOCKMODE_EXCLUSIVE, WHEN_NONE);
	}
	for (uint32_t row = 0; row < world->row_count; row++)
		add_row_waiters(world, row, seed);
	/* A parallel query does not lock rows. */
	for (uint32_t i = 0; i < world->proc_count; i++)
		if (!world->procs[i].waits && !world->procs[world->procs[i].leader].locks_row)
			add_plain_locks(world, i, lock_count, seed);
	for (uint32_t i = 0; i < world->proc_count; i++)
		add_process(world, i);
	snapshot_finish(world->frame->snapshot);
	frame_analyse(world->frame);
}

/* ---- a server that lets one go ---- */

struct play {
	const struct world *world;
	const struct graph *graph;
	const struct snapshot *snapshot;
	bool gone[PROCS_MAX]; /* by leader */
	bool released[256]; /* by lock row: no longer held or awaited */
	bool granted[256]; /* by lock row */
};

static uint32_t process_of_row(const struct play *play, uint32_t row)
{
	return (uint32_t)atoi(play->snapshot->locks[row].virtualtransaction);
}

static uint32_t leader_of_row(const struct play *play, uint32_t row)
{
	return play->world->procs[process_of_row(play, row)].leader;
}

static bool conflicts_with_held(const struct play *play, uint32_t waiting)
{
	const struct lock *row = &play->snapshot->locks[waiting];
	for (uint32_t i = 0; i < play->snapshot->lock_count; i++) {
		const struct lock *held = &play->snapshot->locks[i];
		if (!play->granted[i] || play->released[i] || locktag_compare(&held->tag, &row->tag) != 0 ||
		    leader_of_row(play, i) == leader_of_row(play, waiting))
			continue;
		if (lockmode_conflicts(row->mode) & LOCKMODE_BIT(held->mode))
			return true;
	}
	return false;
}

static void wake_queue(struct play *play, const struct graph_lock *lock)
{
	uint16_t ahead = 0;
	for (uint32_t i = 0; i < lock->wait_count; i++) {
		uint32_t row = play->graph->waits[lock->first_wait + i].row;
		enum lockmode mode = play->snapshot->locks[row].mode;
		if (play->released[row] || play->granted[row])
			continue;
		if (!(lockmode_conflicts(mode) & ahead) && !conflicts_with_held(play, row))
			play->granted[row] = true;
		else
			ahead |= LOCKMODE_BIT(mode);
	}
}

static void begin(struct play *play, const struct world *world)
{
	*play = (struct play){ .world = world, .graph = world->frame->graph, .snapshot = world->frame->snapshot };
	assert_true(play->snapshot->lock_count <= sizeof play->granted);
	for (uint32_t i = 0; i < play->snapshot->lock_count; i++)
		play->granted[i] = play->snapshot->locks[i].granted;
}

/* All that it holds and awaits, a cancel's advisory locks excepted. */
static void give_up(struct play *play, uint32_t leader, bool advisory)
{
	for (uint32_t i = 0; i < play->snapshot->lock_count; i++) {
		bool keeps = !advisory && play->granted[i] && play->snapshot->locks[i].tag.kind == LOCKTAG_ADVISORY;
		if (leader_of_row(play, i) == leader && !keeps)
			play->released[i] = true;
	}
}

static void wake_all(struct play *play)
{
	for (uint32_t i = 0; i < play->graph->lock_count; i++)
		wake_queue(play, &play->graph->locks[i]);
}

static void release(struct play *play, uint32_t leader, bool advisory)
{
	give_up(play, leader, advisory);
	wake_all(play);
}

/* Whether a granted tuple lock is of no use yet, since another one owns the row. */
static bool owner_lives(const struct play *play, uint32_t row)
{
	const struct locktag *tag = &play->snapshot->locks[row].tag;
	if (tag->kind != LOCKTAG_TUPLE)
		return false;
	uint32_t owner = play->world->row_owner[tag->tuple];
	return !play->gone[owner] && owner != leader_of_row(play, row);
}

enum fate { WAITS_NOT, STAYS, FREED, MOVED };

static enum fate fate_of(const struct play *play, uint32_t leader)
{
	enum fate fate = WAITS_NOT;
	for (uint32_t i = 0; i < play->snapshot->lock_count; i++) {
		if (play->snapshot->locks[i].granted || leader_of_row(play, i) != leader)
			continue;
		if (!play->granted[i])
			return STAYS;
		fate = fate == MOVED || owner_lives(play, i) ? MOVED : FREED;
	}
	return fate;
}

/* ---- both compared ---- */

static uint32_t node_leader(const struct world *world, uint32_t node)
{
	const struct graph_node *at = &world->frame->graph->nodes[node];
	if (at->session != SNAPSHOT_NO_INDEX)
		return world->procs[world->frame->snapshot->sessions[at->session].id.pid - FIRST_PID].leader;
	return (uint32_t)atoi(at->virtualtransaction);
}

static bool is_listed(const struct world *world, const uint32_t *nodes, uint32_t count, uint32_t leader)
{
	for (uint32_t i = 0; i < count; i++)
		if (node_leader(world, nodes[i]) == leader)
			return true;
	return false;
}

/* What happens at once: exactly those are freed and moved up who the forecast says. */
static void check_now(const struct world *world, uint32_t node, enum signal_verb verb, const struct play *play)
{
	struct whatif_forecast forecast = whatif_forecast(world->frame->whatif, node, verb);
	uint32_t nodes[PROCS_MAX], freed = 0, moved = 0, gone = node_leader(world, node);
	uint32_t count = whatif_freed(world->frame->whatif, node, verb, nodes, PROCS_MAX);
	assert_int_equal(count, forecast.freed);
	for (uint32_t i = 0; i < world->proc_count; i++) {
		if (world->procs[i].leader != i || i == gone)
			continue;
		enum fate fate = fate_of(play, i);
		freed += fate == FREED;
		moved += fate == MOVED;
		assert_int_equal(is_listed(world, nodes, count, i), fate == FREED);
	}
	assert_int_equal(freed, forecast.freed);
	assert_int_equal(moved, forecast.moved);
	struct whatif_place place;
	assert_int_equal(whatif_moved(world->frame->whatif, node, &place), moved > 0);
	if (moved > 0)
		assert_int_equal(fate_of(play, node_leader(world, place.node)), MOVED);
}

/* Those who are free finish, and so on, until nobody is. Returns how many did. */
static uint32_t play_on(struct play *play)
{
	uint32_t finished = 0;
	for (bool any = true; any;) {
		any = false;
		for (uint32_t i = 0; i < play->world->proc_count; i++) {
			if (play->world->procs[i].leader != i || play->gone[i] || fate_of(play, i) != FREED)
				continue;
			play->gone[i] = any = true;
			release(play, i, true);
			finished++;
		}
	}
	return finished;
}

static void check_stays(const struct world *world, uint32_t node, const struct play *play)
{
	struct whatif_place place;
	if (!whatif_stays(world->frame->whatif, node, &place))
		return;
	assert_false(play->gone[node_leader(world, place.node)]);
	assert_false(play->gone[node_leader(world, place.behind)]);
}

static void check_terminate(const struct world *world, uint32_t node)
{
	struct whatif_forecast forecast = whatif_forecast(world->frame->whatif, node, SIGNAL_TERMINATE);
	struct play play;
	begin(&play, world);
	play.gone[node_leader(world, node)] = true;
	release(&play, node_leader(world, node), true);
	check_now(world, node, SIGNAL_TERMINATE, &play);
	uint32_t finished = play_on(&play);
	if (world->frame->graph->nodes[node].cycle != GRAPH_NONE) {
		assert_int_equal(forecast.in_turn, GRAPH_NONE);
		return;
	}
	assert_int_equal(finished, forecast.freed + forecast.in_turn);
	check_stays(world, node, &play);
}

static void check_cancel(const struct world *world, uint32_t node)
{
	struct whatif_forecast forecast = whatif_forecast(world->frame->whatif, node, SIGNAL_CANCEL);
	const struct graph_node *at = &world->frame->graph->nodes[node];
	struct play play;
	begin(&play, world);
	bool runs = at->session != SNAPSHOT_NO_INDEX && whatif_runs(world->frame->graph, at->session);
	assert_int_equal(forecast.nothing, !runs);
	if (runs) {
		play.gone[node_leader(world, node)] = true;
		release(&play, node_leader(world, node), false);
	}
	if (forecast.freed || !forecast.nothing)
		check_now(world, node, SIGNAL_CANCEL, &play);
	uint32_t finished = play_on(&play);
	if (!forecast.nothing && forecast.in_turn != GRAPH_NONE)
		assert_int_equal(finished, forecast.freed + forecast.in_turn);
}

/* Lets those go whom the signal does something to, all before anybody gets a lock by it. */
static void release_set(struct play *play, const uint32_t *nodes, uint32_t count, enum signal_verb verb)
{
	const struct graph *graph = play->graph;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t session = graph->nodes[nodes[i]].session, leader = node_leader(play->world, nodes[i]);
		bool runs = session != SNAPSHOT_NO_INDEX && whatif_runs(graph, session);
		if (verb == SIGNAL_CANCEL && !runs)
			continue;
		play->gone[leader] = true;
		give_up(play, leader, verb == SIGNAL_TERMINATE);
	}
	wake_all(play);
}

static void check_stays_of_set(const struct world *world, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
			       const struct play *played_on)
{
	struct whatif_place place;
	if (!whatif_stays_set(world->frame->whatif, nodes, count, verb, &place))
		return;
	assert_false(played_on->gone[node_leader(world, place.node)]);
	assert_false(played_on->gone[node_leader(world, place.behind)]);
}

/* Those freed at once finish, and nobody else: exactly those are freed then who head the queues. */
static void check_heads(const struct world *world, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
			const struct play *now)
{
	uint32_t heads[PROCS_MAX];
	bool freed[PROCS_MAX] = { false };
	uint32_t head_count = whatif_heads(world->frame->whatif, nodes, count, verb, heads, PROCS_MAX);
	struct play then = *now;
	for (uint32_t i = 0; i < world->proc_count; i++)
		freed[i] = world->procs[i].leader == i && !now->gone[i] && fate_of(now, i) == FREED;
	for (uint32_t i = 0; i < world->proc_count; i++)
		then.gone[i] |= freed[i];
	for (uint32_t i = 0; i < world->proc_count; i++)
		if (freed[i])
			give_up(&then, i, true);
	wake_all(&then);
	for (uint32_t i = 0; i < world->proc_count; i++) {
		if (world->procs[i].leader != i || then.gone[i])
			continue;
		assert_int_equal(is_listed(world, heads, head_count, i), fate_of(&then, i) == FREED);
	}
}

/* Several at once: exactly those are freed and moved up who the forecast says. */
static void check_set(const struct world *world, const uint32_t *nodes, uint32_t count, enum signal_verb verb)
{
	uint32_t listed[PROCS_MAX], freed = 0, moved = 0;
	struct play play;
	begin(&play, world);
	release_set(&play, nodes, count, verb);
	struct whatif_forecast forecast =
		whatif_forecast_set(world->frame->whatif, nodes, count, verb, listed, PROCS_MAX);
	for (uint32_t i = 0; i < world->proc_count; i++) {
		if (world->procs[i].leader != i || play.gone[i])
			continue;
		enum fate fate = fate_of(&play, i);
		freed += fate == FREED;
		moved += fate == MOVED;
		assert_int_equal(is_listed(world, listed, forecast.freed, i), fate == FREED);
	}
	assert_int_equal(freed, forecast.freed);
	assert_int_equal(moved, forecast.moved);
	struct play later = play;
	uint32_t finished = play_on(&later);
	if (forecast.in_turn != GRAPH_NONE)
		assert_int_equal(finished, forecast.freed + forecast.in_turn);
	check_stays_of_set(world, nodes, count, verb, &later);
	if (forecast.in_turn != GRAPH_NONE)
		check_heads(world, nodes, count, verb, &play);
}

/* Of one it says what is said of it by itself. */
static void check_set_of_one(const struct world *world, uint32_t node)
{
	const struct whatif *whatif = world->frame->whatif;
	for (int verb = SIGNAL_CANCEL; verb <= SIGNAL_TERMINATE; verb++) {
		struct whatif_forecast alone = whatif_forecast(whatif, node, (enum signal_verb)verb);
		struct whatif_forecast set = whatif_forecast_set(whatif, &node, 1, (enum signal_verb)verb, NULL, 0);
		assert_int_equal(set.freed, alone.freed);
		assert_int_equal(set.in_turn, alone.nothing ? GRAPH_NONE : alone.in_turn);
		check_set(world, &node, 1, (enum signal_verb)verb);
	}
}

/* As many as it happens, one perhaps twice. */
static void check_some_set(const struct world *world, uint64_t *seed)
{
	uint32_t nodes[PROCS_MAX], count = 1 + below(seed, 4);
	for (uint32_t i = 0; i < count; i++)
		nodes[i] = below(seed, world->frame->graph->node_count);
	check_set(world, nodes, count, SIGNAL_TERMINATE);
	check_set(world, nodes, count, SIGNAL_CANCEL);
}

/* On a server nobody waits for what nobody keeps from them. */
static bool is_real(const struct world *world)
{
	const struct graph *graph = world->frame->graph;
	for (uint32_t i = 0; i < graph->wait_count; i++)
		if (graph->waits[i].blocker_count == 0)
			return false;
	return graph->wait_count > 0;
}

/* Returns how many nodes were let go. */
static uint32_t check_world(uint64_t seed)
{
	struct world world;
	seed = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	make_world(&world, &seed);
	uint32_t count = is_real(&world) ? world.frame->graph->node_count : 0;
	for (uint32_t i = 0; i < count; i++) {
		check_terminate(&world, i);
		check_cancel(&world, i);
		check_set_of_one(&world, i);
		check_some_set(&world, &seed);
	}
	frame_free(world.frame);
	return count;
}

static void random_situations(void **state)
{
	(void)state;
	uint64_t seed = getenv("WHATIF_SEED") ? strtoull(getenv("WHATIF_SEED"), NULL, 10) : 1;
	uint64_t rounds = getenv("WHATIF_ROUNDS") ? strtoull(getenv("WHATIF_ROUNDS"), NULL, 10) : 4000;
	uint64_t checked = 0;
	for (uint64_t round = 0; round < rounds; round++) {
		if (getenv("WHATIF_VERBOSE"))
			fprintf(stderr, "seed %llu\n", (unsigned long long)(seed + round));
		checked += check_world(seed + round);
	}
	assert_true(checked > rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_situations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
