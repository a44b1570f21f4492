/*
 * The graph against a second, naive making of the rule of pg_blocking_pids() (GetBlockerStatusData in lock.c), over
 * random lock situations: every pair of processes is looked at, reachability is found by Warshall's algorithm.
 * The seed is printed when a round fails; ORACLE_SEED=N begins there, ORACLE_ROUNDS=N goes on for so many.
 */
#include "pglocktop/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PROCS_MAX = 14, LOCKS_MAX = 4, FIRST_PID = 100, NOW = 1000, ROUNDS = 5000 };

/* A process, or a prepared transaction if pid is 0. Its lock group is `group`: an index into the processes. */
struct process {
	int32_t pid;
	uint32_t group;
	uint16_t held[LOCKS_MAX];
	int waits_for; /* lock, -1 */
	enum lockmode wanted;
	uint32_t place; /* in its lock's queue */
	int64_t waitstart, xact_start;
};

struct world {
	struct process procs[PROCS_MAX];
	uint32_t proc_count, lock_count;
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

static enum lockmode any_mode(uint64_t *seed)
{
	return (enum lockmode)(1 + below(seed, 8));
}

/* Workers come right behind their leaders. `single`: no group waits twice. */
static void make_world(struct world *world, uint64_t *seed, bool single)
{
	*world = (struct world){ .proc_count = 2 + below(seed, PROCS_MAX - 1),
				 .lock_count = 1 + below(seed, LOCKS_MAX) };
	for (uint32_t i = 0; i < world->proc_count; i++) {
		struct process *proc = &world->procs[i];
		bool worker = i > 0 && world->procs[i - 1].pid != 0 && below(seed, 4) == 0;
		bool prepared = !worker && below(seed, 8) == 0;
		proc->pid = prepared ? 0 : FIRST_PID + (int32_t)i;
		proc->group = worker ? world->procs[i - 1].group : i;
		proc->xact_start = below(seed, 20);
		for (uint32_t lock = 0; lock < world->lock_count; lock++)
			if (below(seed, 3) == 0)
				proc->held[lock] = LOCKMODE_BIT(any_mode(seed)) |
						   (below(seed, 4) ? 0 : LOCKMODE_BIT(any_mode(seed)));
		proc->waits_for = prepared || below(seed, 4) == 0 ? -1 : (int)below(seed, world->lock_count);
		if (single && worker)
			proc->waits_for = -1;
		proc->wanted = any_mode(seed);
		proc->waitstart = below(seed, 5) ? 1 + below(seed, NOW) : WHEN_NONE;
		proc->place = (uint32_t)next_random(seed);
	}
}

static bool conflicts(uint16_t modes, enum lockmode mode)
{
	return modes & lockmode_conflicts(mode);
}

static bool is_ahead(const struct process *a, const struct process *b)
{
	return a->place != b->place ? a->place < b->place : a < b;
}

/* How `other` blocks `waiter`: 0 not, 1 soft, 2 hard. */
static int blocks(const struct process *other, const struct process *waiter)
{
	if (waiter->waits_for < 0 || other->group == waiter->group)
		return 0;
	if (conflicts(other->held[waiter->waits_for], waiter->wanted))
		return 2;
	return other->waits_for == waiter->waits_for && is_ahead(other, waiter) &&
	       conflicts(LOCKMODE_BIT(other->wanted), waiter->wanted);
}

/* By group: the strongest way in which one blocks another. */
struct truth {
	int edge[PROCS_MAX][PROCS_MAX]; /* [waiter][blocker] */
};

static struct truth find_truth(const struct world *world)
{
	struct truth truth = { { { 0 } } };
	for (uint32_t i = 0; i < world->proc_count; i++) {
		for (uint32_t j = 0; j < world->proc_count; j++) {
			int *edge = &truth.edge[world->procs[i].group][world->procs[j].group];
			int kind = blocks(&world->procs[j], &world->procs[i]);
			*edge = kind > *edge ? kind : *edge;
		}
	}
	return truth;
}

static void add_rows(struct snapshot *snapshot, const struct world *world, uint32_t index)
{
	const struct process *proc = &world->procs[index];
	struct lock row = { .pid = proc->pid, .waitstart = WHEN_NONE, .granted = true };
	row.virtualtransaction = arena_printf(snapshot->arena, "%u/1", (unsigned)index);
	row.tag = (struct locktag){ .kind = LOCKTAG_ADVISORY, .columns = LOCKTAG_HAS_OBJID, .type = "advisory" };
	for (uint32_t lock = 0; lock < world->lock_count; lock++) {
		row.tag.objid = lock;
		for (int mode = 1; mode <= 8; mode++) {
			row.mode = (enum lockmode)mode;
			if (proc->held[lock] & LOCKMODE_BIT(mode))
				snapshot_add_lock(snapshot, &row);
		}
	}
	if (proc->waits_for < 0)
		return;
	row.tag.objid = (uint32_t)proc->waits_for;
	row.mode = proc->wanted;
	row.granted = false;
	row.waitstart = proc->waitstart;
	snapshot_add_lock(snapshot, &row);
}

static void add_process(struct snapshot *snapshot, const struct world *world, uint32_t index)
{
	const struct process *proc = &world->procs[index];
	struct session session = { .id = { proc->pid, 1 }, .listed = true, .xact_start = proc->xact_start };
	session.query_start = session.state_change = WHEN_NONE;
	session.backend_type = proc->group == index ? "client backend" : "parallel worker";
	session.leader_pid = proc->group == index ? 0 : world->procs[proc->group].pid;
	if (proc->pid != 0)
		snapshot_add_session(snapshot, &session);
	add_rows(snapshot, world, index);
}

/* What pg_blocking_pids() says of a group that waits. */
static struct queue_answer answer_for(const struct world *world, const struct truth *truth, int32_t pid,
				      struct arena *arena)
{
	int32_t *blockers = arena_array(arena, PROCS_MAX, sizeof *blockers);
	struct queue_answer answer = { .pid = pid, .blockers = blockers };
	uint32_t group = world->procs[pid - FIRST_PID].group;
	for (uint32_t i = 0; i < world->proc_count; i++)
		if (truth->edge[group][i])
			blockers[answer.blocker_count++] = world->procs[i].pid;
	return answer;
}

static struct frame *make_frame(const struct world *world, const struct truth *truth, const int32_t *asked,
				uint32_t asked_count)
{
	struct frame *frame = frame_new();
	struct snapshot *snapshot = frame->snapshot;
	snapshot->taken_at = NOW;
	snapshot->server.version_num = 160000;
	for (uint32_t i = 0; i < world->proc_count; i++)
		add_process(snapshot, world, i);
	struct queue_answer *answers = arena_array(&frame->arena, PROCS_MAX, sizeof *answers);
	for (int32_t pid = FIRST_PID; pid < FIRST_PID + PROCS_MAX; pid++)
		for (uint32_t i = 0; i < asked_count; i++)
			if (asked[i] == pid)
				answers[snapshot->answer_count++] = answer_for(world, truth, pid, &frame->arena);
	snapshot->answers = answers;
	snapshot_finish(snapshot);
	frame_analyse(frame);
	return frame;
}

/* The group that a node stands for. */
static uint32_t group_of(const struct graph *graph, const struct world *world, uint32_t index)
{
	const struct graph_node *node = &graph->nodes[index];
	if (node->session != SNAPSHOT_NO_INDEX)
		return world->procs[graph->snapshot->sessions[node->session].id.pid - FIRST_PID].group;
	return (uint32_t)atoi(node->virtualtransaction);
}

/* Takes over the order that the graph has come to. */
static void adopt_order(struct world *world, const struct graph *graph)
{
	for (uint32_t i = 0; i < graph->wait_count; i++)
		world->procs[graph->snapshot->sessions[graph->waits[i].session].id.pid - FIRST_PID].place = i;
}

static int rank_of(enum edge_kind kind)
{
	return kind == EDGE_HARD ? 2 : 1;
}

static void check_blockers(const struct graph *graph, const struct world *world, const struct truth *truth)
{
	int edges[PROCS_MAX][PROCS_MAX] = { { 0 } };
	uint32_t listed = 0, true_edges = 0;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		struct graph_blocker blockers[PROCS_MAX];
		uint32_t count = graph_blockers(graph, i, blockers, PROCS_MAX);
		assert_true(count <= PROCS_MAX);
		for (uint32_t j = 0; j < count; j++) {
			edges[group_of(graph, world, i)][group_of(graph, world, blockers[j].node)] =
				rank_of(blockers[j].kind);
			assert_true(j < 2 || blockers[j].kind != EDGE_HARD || blockers[j - 1].kind == EDGE_HARD);
		}
		listed += count;
	}
	for (uint32_t i = 0; i < world->proc_count; i++)
		for (uint32_t j = 0; j < world->proc_count; j++)
			true_edges += truth->edge[i][j] != 0;
	assert_memory_equal(edges, truth->edge, sizeof edges);
	assert_int_equal(listed, true_edges);
}

/* What is counted for each wait by itself. */
static void check_waits(const struct graph *graph, const struct world *world)
{
	for (uint32_t i = 0; i < graph->wait_count; i++) {
		int32_t pid = graph->snapshot->sessions[graph->waits[i].session].id.pid;
		int strongest[PROCS_MAX] = { 0 };
		uint32_t blockers = 0, hard = 0;
		for (uint32_t j = 0; j < world->proc_count; j++) {
			int kind = blocks(&world->procs[j], &world->procs[pid - FIRST_PID]);
			int *group = &strongest[world->procs[j].group];
			*group = kind > *group ? kind : *group;
		}
		for (uint32_t j = 0; j < world->proc_count; j++) {
			blockers += strongest[j] > 0;
			hard += strongest[j] == 2;
		}
		assert_int_equal(graph->waits[i].blocker_count, blockers);
		assert_int_equal(graph->waits[i].hard_count, hard);
	}
}

/* A shorter list is the beginning of the whole one. */
static void check_capacity(const struct graph *graph)
{
	for (uint32_t i = 0; i < graph->node_count; i++) {
		struct graph_blocker all[PROCS_MAX], some[PROCS_MAX];
		uint32_t count = graph_blockers(graph, i, all, PROCS_MAX);
		for (uint32_t capacity = 0; capacity <= count; capacity++) {
			assert_int_equal(graph_blockers(graph, i, some, capacity), count);
			for (uint32_t j = 0; j < capacity; j++)
				assert_true(some[j].node == all[j].node && some[j].kind == all[j].kind);
		}
	}
}

static void check_blocked(const struct graph *graph, const struct world *world, const struct truth *truth)
{
	for (uint32_t i = 0; i < graph->node_count; i++) {
		uint32_t blocked[PROCS_MAX], group = group_of(graph, world, i), expected = 0;
		uint32_t count = graph_blocked(graph, i, blocked, PROCS_MAX);
		bool seen[PROCS_MAX] = { false };
		for (uint32_t j = 0; j < world->proc_count; j++)
			expected += truth->edge[j][group] != 0;
		assert_int_equal(count, expected);
		for (uint32_t j = 0; j < count; j++) {
			uint32_t waiter = group_of(graph, world, blocked[j]);
			assert_true(truth->edge[waiter][group] && !seen[waiter]);
			seen[waiter] = true;
		}
	}
}

/* Hard blockers first, among them the oldest transaction; prepared transactions have no known start here. */
static void check_principal(const struct graph *graph, const struct world *world, const struct truth *truth)
{
	for (uint32_t i = 0; i < graph->node_count; i++) {
		const struct graph_node *node = &graph->nodes[i];
		uint32_t group = group_of(graph, world, i);
		int strongest = 0;
		int64_t oldest = INT64_MAX;
		for (uint32_t j = 0; j < world->proc_count; j++) {
			int64_t start = world->procs[j].pid ? world->procs[j].xact_start : INT64_MAX;
			strongest = truth->edge[group][j] > strongest ? truth->edge[group][j] : strongest;
			if (truth->edge[group][j] == 2 && start < oldest)
				oldest = start;
		}
		assert_int_equal(node->principal != GRAPH_NONE, strongest > 0);
		if (strongest == 0)
			continue;
		const struct process *principal = &world->procs[group_of(graph, world, node->principal)];
		assert_int_equal(rank_of(node->principal_kind), strongest);
		if (strongest == 2)
			assert_true((principal->pid ? principal->xact_start : INT64_MAX) == oldest);
	}
}

/* Warshall: who gets to whom by edges of at least this strength. */
static void close_edges(const struct truth *truth, int least, bool reach[PROCS_MAX][PROCS_MAX])
{
	for (uint32_t i = 0; i < PROCS_MAX; i++)
		for (uint32_t j = 0; j < PROCS_MAX; j++)
			reach[i][j] = truth->edge[i][j] >= least;
	for (uint32_t k = 0; k < PROCS_MAX; k++)
		for (uint32_t i = 0; i < PROCS_MAX; i++)
			for (uint32_t j = 0; j < PROCS_MAX; j++)
				reach[i][j] |= reach[i][k] && reach[k][j];
}

static void check_cycles(const struct graph *graph, const struct world *world, const struct truth *truth)
{
	bool reach[PROCS_MAX][PROCS_MAX], hard[PROCS_MAX][PROCS_MAX];
	close_edges(truth, 1, reach);
	close_edges(truth, 2, hard);
	for (uint32_t i = 0; i < graph->node_count; i++) {
		uint32_t group = group_of(graph, world, i);
		assert_int_equal(graph->nodes[i].cycle != GRAPH_NONE, reach[group][group]);
		for (uint32_t j = 0; j < graph->node_count; j++) {
			uint32_t other = group_of(graph, world, j);
			bool together = reach[group][other] && reach[other][group];
			bool same =
				graph->nodes[i].cycle != GRAPH_NONE && graph->nodes[i].cycle == graph->nodes[j].cycle;
			assert_int_equal(same, together);
		}
	}
	for (uint32_t i = 0; i < graph->cycle_count; i++) {
		const struct graph_cycle *cycle = &graph->cycles[i];
		bool any_hard = false;
		for (uint32_t j = 0; j < cycle->member_count; j++) {
			uint32_t group = group_of(graph, world, graph->cycle_members[cycle->first_member + j]);
			any_hard |= hard[group][group];
		}
		assert_true(cycle->member_count >= 2);
		assert_int_equal(cycle->has_soft, !any_hard);
	}
}

static void check_behind(const struct graph *graph, const struct world *world, const struct truth *truth)
{
	bool reach[PROCS_MAX][PROCS_MAX];
	struct arena arena = ARENA_INIT;
	close_edges(truth, 1, reach);
	const uint32_t *behind = graph_count_behind(graph, PROCS_MAX, &arena);
	for (uint32_t i = 0; i < graph->node_count; i++) {
		uint32_t group = group_of(graph, world, i), expected = 0;
		for (uint32_t j = 0; j < world->proc_count; j++)
			expected += j != group && reach[j][group];
		assert_int_equal(behind[i], expected);
	}
	arena_release(&arena);
}

static void check_edges(const struct graph *graph, const struct world *world)
{
	struct truth truth = find_truth(world);
	check_blockers(graph, world, &truth);
	check_capacity(graph);
	check_blocked(graph, world, &truth);
	check_principal(graph, world, &truth);
	check_cycles(graph, world, &truth);
	check_behind(graph, world, &truth);
}

static void check_all(const struct graph *graph, const struct world *world)
{
	check_waits(graph, world);
	check_edges(graph, world);
}

/* A cycle is presumed unless one is closed by edges that are hard or certain. */
static void check_presumed(const struct graph *graph)
{
	struct truth certain = { { { 0 } } };
	bool reach[PROCS_MAX][PROCS_MAX];
	for (uint32_t i = 0; i < graph->node_count; i++) {
		struct graph_blocker blockers[PROCS_MAX];
		uint32_t count = graph_blockers(graph, i, blockers, PROCS_MAX);
		for (uint32_t j = 0; j < count; j++)
			certain.edge[i][blockers[j].node] = blockers[j].kind != EDGE_PRESUMED;
	}
	close_edges(&certain, 1, reach);
	for (uint32_t i = 0; i < graph->cycle_count; i++) {
		const struct graph_cycle *cycle = &graph->cycles[i];
		bool found = false;
		for (uint32_t j = 0; j < cycle->member_count; j++) {
			uint32_t member = graph->cycle_members[cycle->first_member + j];
			found |= reach[member][member];
		}
		assert_int_equal(cycle->presumed, !found);
	}
}

/* A world, what is true of it, and the frame that was made of it. */
struct trial {
	struct world world;
	struct truth truth;
	struct frame *frame;
	int32_t cover[PROCS_MAX]; /* whom to ask, to know all */
	uint32_t cover_count;
};

/* Nobody has been asked yet. */
static void begin_trial(struct trial *trial, uint64_t *seed, bool single)
{
	make_world(&trial->world, seed, single);
	trial->truth = find_truth(&trial->world);
	trial->frame = make_frame(&trial->world, &trial->truth, NULL, 0);
	trial->cover_count = graph_cover(trial->frame->graph, GRAPH_NONE, false, trial->cover, PROCS_MAX);
}

/* The first so many of the cover are asked. */
static void ask_cover(struct trial *trial, uint32_t count)
{
	frame_free(trial->frame);
	trial->frame = make_frame(&trial->world, &trial->truth, trial->cover, count);
}

/* With an order that is given, all that is derived from it. */
static void round_of_given_order(uint64_t seed)
{
	struct trial trial;
	begin_trial(&trial, &seed, false);
	adopt_order(&trial.world, trial.frame->graph);
	check_all(trial.frame->graph, &trial.world);
	check_presumed(trial.frame->graph);
	frame_free(trial.frame);
}

/* With an order that only the answers tell, however it came about: asking the whole cover finds it. */
static void round_of_answers(uint64_t seed)
{
	struct trial trial;
	begin_trial(&trial, &seed, true);
	ask_cover(&trial, trial.cover_count);
	const struct graph *graph = trial.frame->graph;
	check_all(graph, &trial.world);
	for (uint32_t i = 0; i < graph->node_count; i++)
		assert_true(graph->nodes[i].principal_kind != EDGE_PRESUMED);
	for (uint32_t i = 0; i < graph->cycle_count; i++)
		assert_false(graph->cycles[i].presumed);
	assert_int_equal(graph_cover(graph, GRAPH_NONE, false, trial.cover, PROCS_MAX), 0);
	frame_free(trial.frame);
}

static uint64_t undecided; /* rounds of groups */

/*
 * Of groups that wait several times, too, the edges are found, though not always the place of each wait. Where two such
 * groups stand around each other answers may leave more than one order open: then it is not called certain.
 */
static void round_of_groups(uint64_t seed)
{
	struct trial trial;
	begin_trial(&trial, &seed, false);
	ask_cover(&trial, trial.cover_count);
	const struct graph *graph = trial.frame->graph;
	check_presumed(graph);
	if (graph_cover(graph, GRAPH_NONE, false, trial.cover, PROCS_MAX) > 0) {
		undecided++;
		frame_free(trial.frame);
		return;
	}
	check_edges(graph, &trial.world);
	frame_free(trial.frame);
}

/* What is called certain is true. */
static void check_certain(const struct trial *trial)
{
	const struct graph *graph = trial->frame->graph;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		struct graph_blocker blockers[PROCS_MAX];
		uint32_t count = graph_blockers(graph, i, blockers, PROCS_MAX);
		const int *edges = trial->truth.edge[group_of(graph, &trial->world, i)];
		for (uint32_t j = 0; j < count; j++)
			if (blockers[j].kind != EDGE_PRESUMED)
				assert_int_equal(rank_of(blockers[j].kind),
						 edges[group_of(graph, &trial->world, blockers[j].node)]);
	}
}

/* Of what some answers leave open the order is presumed. */
static void round_of_some_answers(uint64_t seed)
{
	struct trial trial;
	begin_trial(&trial, &seed, true);
	uint32_t asked = 0;
	for (uint32_t i = 0; i < trial.cover_count; i++)
		if (below(&seed, 2))
			trial.cover[asked++] = trial.cover[i];
	ask_cover(&trial, asked);
	check_certain(&trial);
	check_presumed(trial.frame->graph);
	adopt_order(&trial.world, trial.frame->graph);
	check_all(trial.frame->graph, &trial.world);
	frame_free(trial.frame);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 10) : otherwise;
}

/* The seed of the round under way, for the message when it fails. */
static uint64_t seed_at_work;

static void run_rounds(void (*round)(uint64_t seed))
{
	uint64_t seed = number_from("ORACLE_SEED", 1), end = seed + number_from("ORACLE_ROUNDS", ROUNDS);
	for (; seed < end; seed++) {
		seed_at_work = seed;
		round(seed * UINT64_C(0x9e3779b97f4a7c15));
	}
	seed_at_work = 0;
}

static int tell_seed(void **state)
{
	(void)state;
	if (seed_at_work != 0)
		print_error("ORACLE_SEED=%llu\n", (unsigned long long)seed_at_work);
	seed_at_work = 0;
	return 0;
}

static void test_given_order(void **state)
{
	(void)state;
	run_rounds(round_of_given_order);
}

static void test_answers(void **state)
{
	(void)state;
	run_rounds(round_of_answers);
}

static void test_groups(void **state)
{
	(void)state;
	undecided = 0;
	run_rounds(round_of_groups);
	assert_true(undecided <= 1 + number_from("ORACLE_ROUNDS", ROUNDS) / 50);
}

static void test_some_answers(void **state)
{
	(void)state;
	run_rounds(round_of_some_answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_given_order, tell_seed),
		cmocka_unit_test_teardown(test_answers, tell_seed),
		cmocka_unit_test_teardown(test_groups, tell_seed),
		cmocka_unit_test_teardown(test_some_answers, tell_seed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
