/*
 * What tests/cases/ does not show of the graph: sizes, limits, whom to ask first. Situations of thousands must come
 * out right; a quadratic step would show in the time that the suite takes.
 */
#include "situation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 5000, FIRST = 1000 };

/* FIRST holds; each of the others waits for the one before, having waited one second less. */
static struct situation make_chain(int length)
{
	struct strbuf text = STRBUF_INIT;
	for (int i = 0; i <= length; i++) {
		strbuf_printf(&text, "session %d\nlock %d Exclusive held transactionid xid=%d\n", FIRST + i, FIRST + i,
			      i);
		if (i > 0)
			strbuf_printf(&text, "lock %d Share waits=%ds transactionid xid=%d\n", FIRST + i,
				      length + 1 - i, i - 1);
	}
	return situation_must_read_all(&text);
}

/* FIRST holds, the others wait for it, the last the longest. */
static struct situation make_star(int width, const char *mode)
{
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, "session %d\nlock %d Exclusive held tuple xid=1\n", FIRST, FIRST);
	for (int i = 1; i <= width; i++)
		strbuf_printf(&text, "session %d\nlock %d %s waits=%ds tuple xid=1\n", FIRST + i, FIRST + i, mode, i);
	return situation_must_read_all(&text);
}

static const struct graph_node *node_of(const struct graph *graph, int32_t pid)
{
	uint32_t node = graph_find_pid(graph, pid);
	assert_int_not_equal(node, GRAPH_NONE);
	return &graph->nodes[node];
}

static void test_nobody_waits(void **state)
{
	(void)state;
	struct situation situation = situation_must_read("session 1\nlock 1 Exclusive held transactionid xid=1\n");
	const struct graph *graph = situation.frame->graph;
	assert_int_equal(graph->node_count, 0);
	assert_int_equal(graph->waiting_sessions, 0);
	assert_true(graph->longest_wait == WHEN_NONE);
	assert_int_equal(graph_find_pid(graph, 1), GRAPH_NONE);
	assert_int_equal(graph_find_pid(graph, 2), GRAPH_NONE);
	assert_int_equal(graph_cover(graph, GRAPH_NONE, true, NULL, 0), 0);
	situation_release(&situation);
}

static void test_chain(void **state)
{
	(void)state;
	struct situation situation = make_chain(MANY);
	const struct graph *graph = situation.frame->graph;
	struct arena arena = ARENA_INIT;
	assert_int_equal(graph->waiting_sessions, MANY);
	assert_int_equal(graph->cycle_count, 0);
	assert_int_equal(graph->longest_wait, MANY * WHEN_SECOND);
	const uint32_t *behind = graph_count_behind(graph, MANY, &arena);
	for (int i = 0; i <= MANY; i++) {
		const struct graph_node *node = node_of(graph, FIRST + i);
		assert_int_equal(behind[node - graph->nodes], MANY - i);
		assert_int_equal(node->blocker_count, i > 0);
		assert_int_equal(node->blocked_count, i < MANY);
		if (i > 0)
			assert_ptr_equal(&graph->nodes[node->principal], node_of(graph, FIRST + i - 1));
	}
	assert_null(graph_count_behind(graph, MANY - 1, &arena));
	arena_release(&arena);
	situation_release(&situation);
}

static void test_circle_of_many(void **state)
{
	(void)state;
	struct strbuf text = STRBUF_INIT;
	for (int i = 0; i < MANY; i++)
		strbuf_printf(&text,
			      "lock %d Exclusive held transactionid xid=%d\nlock %d Share waits transactionid xid=%d\n",
			      FIRST + i, i, FIRST + i, (i + 1) % MANY);
	struct situation situation = situation_must_read_all(&text);
	const struct graph *graph = situation.frame->graph;
	struct arena arena = ARENA_INIT;
	assert_int_equal(graph->cycle_count, 1);
	assert_int_equal(graph->cycles[0].member_count, MANY);
	assert_int_equal(graph->cycle_members[0], graph_find_pid(graph, FIRST));
	assert_int_equal(graph_count_behind(graph, MANY, &arena)[7], MANY - 1);
	arena_release(&arena);
	situation_release(&situation);
}

/* A queue whose members conflict with each other: the last has all others for blockers, and they are listed lazily. */
static void test_queue_of_many(void **state)
{
	(void)state;
	struct situation situation = make_star(MANY, "Exclusive");
	const struct graph *graph = situation.frame->graph;
	struct graph_blocker blockers[3];
	for (int i = 1; i <= MANY; i++)
		assert_int_equal(node_of(graph, FIRST + i)->blocker_count, 1 + MANY - i);
	assert_int_equal(graph_blockers(graph, graph_find_pid(graph, FIRST + 1), blockers, 3), MANY);
	assert_int_equal(blockers[0].node, graph_find_pid(graph, FIRST));
	assert_int_equal(blockers[0].kind, EDGE_HARD);
	assert_int_equal(blockers[1].node, graph_find_pid(graph, FIRST + MANY));
	assert_int_equal(blockers[1].kind, EDGE_PRESUMED);
	assert_int_equal(node_of(graph, FIRST)->blocked_count, MANY);
	assert_int_equal(graph_cover(graph, GRAPH_NONE, false, NULL, 0), MANY - 1);
	situation_release(&situation);
}

static void test_star_of_readers(void **state)
{
	(void)state;
	struct situation situation = make_star(MANY, "Share");
	const struct graph *graph = situation.frame->graph;
	struct arena arena = ARENA_INIT;
	assert_false(graph->locks[0].order_matters);
	assert_int_equal(graph_cover(graph, GRAPH_NONE, true, NULL, 0), 0);
	assert_int_equal(graph_count_behind(graph, MANY, &arena)[graph_find_pid(graph, FIRST)], MANY);
	for (int i = 1; i <= MANY; i++)
		assert_int_equal(node_of(graph, FIRST + i)->blocker_count, 1);
	arena_release(&arena);
	situation_release(&situation);
}

/* 500 readers behind one who wants the table for himself: one question, about him. */
static void test_cover_of_a_hub(void **state)
{
	(void)state;
	struct strbuf text = STRBUF_INIT;
	strbuf_add_string(&text,
			  "lock 1 AccessShare held relation rel=5\nlock 2 AccessExclusive waits=900s relation rel=5\n");
	for (int i = 1; i <= 500; i++)
		strbuf_printf(&text, "lock %d AccessShare waits=%ds relation rel=5\n", FIRST + i, i);
	struct situation situation = situation_must_read_all(&text);
	int32_t pids[2];
	assert_int_equal(graph_cover(situation.frame->graph, GRAPH_NONE, false, pids, 2), 1);
	assert_int_equal(pids[0], 2);
	situation_release(&situation);
}

static void test_cover_order(void **state)
{
	(void)state;
	struct situation situation = situation_must_read("lock 1 Exclusive held relation rel=5\n"
							 "lock 11 Exclusive waits=9s relation rel=5\n"
							 "lock 12 Exclusive waits=8s relation rel=5\n"
							 "lock 13 Exclusive waits=7s relation rel=5\n"
							 "lock 2 Exclusive held relation rel=6\n"
							 "lock 21 Exclusive waits=9s relation rel=6\n"
							 "lock 22 Exclusive waits=8s relation rel=6\n"
							 "lock 23 Exclusive waits=7s relation rel=6\n"
							 "answer 21 2\n");
	const struct graph *graph = situation.frame->graph;
	int32_t pids[8] = { 0 };
	/* The queue of 22 comes first, those never asked come before those asked, of each queue one is left out. */
	assert_int_equal(graph_cover(graph, graph_find_pid(graph, 22), true, pids, 8), 4);
	assert_int_equal(pids[0], 22);
	assert_int_equal(pids[1], 11);
	assert_int_equal(pids[2], 12);
	assert_int_equal(pids[3], 21);
	assert_int_equal(graph_cover(graph, GRAPH_NONE, false, pids, 1), 3);
	assert_int_equal(pids[0], 11);
	situation_release(&situation);
}

static void test_procs_of_a_node(void **state)
{
	(void)state;
	struct situation situation = situation_must_read("lock 1 Exclusive held relation rel=5\n"
							 "lock 1 AccessShare held relation rel=5\n"
							 "lock 1 Exclusive held relation rel=6\n"
							 "lock 2 Exclusive waits relation rel=5\n"
							 "lock 3 Exclusive waits relation rel=6\n"
							 "lock 1 Exclusive held relation rel=7\n");
	const struct graph *graph = situation.frame->graph;
	uint32_t count;
	const uint32_t *procs = graph_node_procs(graph, graph_find_pid(graph, 1), &count);
	assert_int_equal(count, 2);
	assert_int_equal(graph->procs[procs[0]].held,
			 LOCKMODE_BIT(LOCKMODE_EXCLUSIVE) | LOCKMODE_BIT(LOCKMODE_ACCESS_SHARE));
	graph_node_procs(graph, graph_find_pid(graph, 2), &count);
	assert_int_equal(count, 1);
	situation_release(&situation);
}

/* What a node keeps most others waiting with; the longest wait where it is the same number. */
static void test_heads(void **state)
{
	(void)state;
	struct situation situation = situation_must_read("lock 1 Exclusive held relation rel=5\n"
							 "lock 1 Exclusive held relation rel=6\n"
							 "lock 1 Exclusive held relation rel=7\n"
							 "lock 2 Share waits=1s relation rel=6\n"
							 "lock 3 Share waits=1s relation rel=6\n"
							 "lock 4 Share waits=9s relation rel=5\n"
							 "lock 9 Exclusive held relation rel=8\n"
							 "lock 9 Exclusive held relation rel=9\n"
							 "lock 5 Share waits=1s relation rel=8\n"
							 "lock 6 Share waits=2s relation rel=9\n");
	const struct graph *graph = situation.frame->graph;
	assert_int_equal(graph->locks[node_of(graph, 1)->heads].tag->relation, 6);
	assert_int_equal(graph->locks[node_of(graph, 9)->heads].tag->relation, 9);
	assert_int_equal(graph->locks[node_of(graph, 4)->heads].tag->relation, 5);
	situation_release(&situation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_waits),	cmocka_unit_test(test_chain),
		cmocka_unit_test(test_circle_of_many),	cmocka_unit_test(test_queue_of_many),
		cmocka_unit_test(test_star_of_readers), cmocka_unit_test(test_cover_of_a_hub),
		cmocka_unit_test(test_cover_order),	cmocka_unit_test(test_procs_of_a_node),
		cmocka_unit_test(test_heads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
