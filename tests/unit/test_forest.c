#include "situation.h"

#include "pglocktop/column.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 5000 };

/* `width` trees of a holder each, the waiters of one standing in a chain of `length`. */
static struct situation make_trees(int width, int length)
{
	struct strbuf text = STRBUF_INIT;
	for (int tree = 0; tree < width; tree++) {
		for (int i = 0; i <= length; i++) {
			int pid = 1 + tree * (length + 1) + i;
			strbuf_printf(&text, "session %d\nlock %d Exclusive held transactionid xid=%d\n", pid, pid,
				      pid);
			if (i > 0)
				strbuf_printf(&text, "lock %d Share waits=%ds transactionid xid=%d\n", pid, 1 + pid % 7,
					      pid - 1);
		}
	}
	return situation_must_read_all(&text);
}

/* What must be true of every forest, whatever its order. */
static void check_shape(const struct forest *forest)
{
	uint32_t roots = 0;
	for (uint32_t i = 0; i < forest->count; i++) {
		const struct forest_item *item = &forest->items[i];
		uint32_t children = 0, end = i + 1 + item->beneath;
		int64_t sum = item->wait == WHEN_NONE ? 0 : item->wait, behind = WHEN_NONE;
		roots += item->parent == FOREST_NONE;
		assert_true(end <= forest->count);
		for (uint32_t child = i + 1; child < end; child = forest->items[child].next) {
			const struct forest_item *at = &forest->items[child];
			assert_int_equal(at->parent, i);
			assert_int_equal(at->depth, item->depth + 1);
			assert_int_equal(at->last_sibling, at->next == FOREST_NONE);
			int64_t longest = at->wait > at->behind ? at->wait : at->behind;
			behind = longest > behind ? longest : behind;
			sum += at->wait_sum;
			children++;
		}
		assert_int_equal(item->child_count, children);
		assert_int_equal(item->wait_sum, sum);
		assert_true(item->behind == behind);
		if (item->node != GRAPH_NONE && !forest->of_objects)
			assert_int_equal(forest->node_item[item->node], i);
	}
	assert_int_equal(roots, forest->root_count);
}

/* Holders first, then the whole queue in its order, each with a key of its own. */
static void check_object(const struct forest *forest, uint32_t object)
{
	const struct graph *graph = forest->frame->graph;
	const struct graph_lock *lock = &graph->locks[forest->items[object].lock];
	uint32_t holder = lock->first_proc, place = lock->first_wait, child = object + 1;
	assert_int_equal(forest->items[object].kind, FOREST_OBJECT);
	assert_int_equal(forest->items[object].child_count, lock->holder_count + lock->wait_count);
	for (; child != FOREST_NONE; child = forest->items[child].next) {
		const struct forest_item *item = &forest->items[child];
		assert_true(item->key.object == forest->items[object].key.object);
		assert_true(forest_has_place(graph, item->key));
		assert_int_equal(forest_find(forest, item->key), child);
		if (item->holder != GRAPH_NONE)
			assert_int_equal(item->holder, holder++);
		else
			assert_int_equal(item->place, place++);
		assert_true(item->holder == GRAPH_NONE || place == lock->first_wait);
	}
	assert_int_equal(holder, lock->first_proc + lock->holder_count);
	assert_int_equal(place, lock->first_wait + lock->wait_count);
}

/* Whatever sorts the objects, their queues keep their order. */
static void test_objects(void **state)
{
	(void)state;
	struct situation situation = make_trees(20, 3);
	struct arena arena = ARENA_INIT;
	for (int column = -1; column < COLUMN_COUNT; column++) {
		struct forest_order order = { column < 0 ? NULL : &columns[column], column % 2 == 0 };
		const struct forest *forest = forest_new_objects(situation.frame, order, &arena);
		assert_int_equal(forest->root_count, situation.frame->graph->lock_count);
		check_shape(forest);
		for (uint32_t root = 0; root != FOREST_NONE; root = forest->items[root].next)
			check_object(forest, root);
	}
	arena_release(&arena);
	situation_release(&situation);
}

/* A session is found where it waits, else where it holds; who holds and wants more has a row for each. */
static void test_places(void **state)
{
	(void)state;
	struct strbuf text = STRBUF_INIT;
	strbuf_add_string(&text, "session 1\nsession 2\nsession 3\n"
				 "lock 1 AccessShare held relation db=1 rel=5\n"
				 "lock 2 RowShare held relation db=1 rel=5\n"
				 "lock 2 AccessExclusive waits=5s relation db=1 rel=5\n"
				 "lock 3 AccessShare waits=4s relation db=1 rel=5\n");
	struct situation situation = situation_must_read_all(&text);
	const struct graph *graph = situation.frame->graph;
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new_objects(situation.frame, situation.order, &arena);
	check_object(forest, 0);
	assert_int_equal(forest->count, 5);
	assert_int_equal(forest->node_item[graph_find_pid(graph, 1)], 1);
	assert_int_equal(forest->node_item[graph_find_pid(graph, 2)], 3);
	assert_int_equal(forest->node_item[graph_find_pid(graph, 3)], 4);
	struct row_key key = forest->items[3].key;
	assert_int_equal(key.pid, 2);
	assert_int_equal(key.part, FOREST_WAITER);
	key.object++;
	assert_false(forest_has_place(graph, key));
	key = forest->items[4].key;
	key.part = FOREST_HOLDER;
	assert_false(forest_has_place(graph, key));
	arena_release(&arena);
	situation_release(&situation);
}

static void test_empty(void **state)
{
	(void)state;
	struct strbuf text = STRBUF_INIT;
	struct situation situation = situation_must_read_all(&text);
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new(situation.frame, situation.order, &arena);
	assert_int_equal(forest->count, 0);
	assert_int_equal(forest->root_count, 0);
	arena_release(&arena);
	situation_release(&situation);
}

static void test_shape(void **state)
{
	(void)state;
	static const int sizes[][2] = { { 1, 1 }, { 40, 3 }, { 3, 40 }, { 200, 1 } };
	for (size_t i = 0; i < 4; i++) {
		struct situation situation = make_trees(sizes[i][0], sizes[i][1]);
		struct arena arena = ARENA_INIT;
		const struct forest *forest = forest_new(situation.frame, situation.order, &arena);
		assert_int_equal(forest->root_count, sizes[i][0]);
		check_shape(forest);
		for (uint32_t root = 0; forest->items[root].next != FOREST_NONE; root = forest->items[root].next)
			assert_true(forest->items[root].wait_sum >= forest->items[forest->items[root].next].wait_sum);
		arena_release(&arena);
		situation_release(&situation);
	}
}

/* Every column, both ways: each order is total, and equals stand by pid upwards in both. */
static void test_every_column(void **state)
{
	(void)state;
	struct situation situation = make_trees(20, 2);
	for (int column = 0; column < COLUMN_COUNT; column++) {
		for (int descending = 0; descending < 2; descending++) {
			struct arena arena = ARENA_INIT;
			struct forest_order order = { &columns[column], descending };
			const struct forest *forest = forest_new(situation.frame, order, &arena);
			check_shape(forest);
			if (column == COLUMN_USER)
				for (uint32_t i = 0; i + 3 < forest->count; i += 3)
					assert_true(forest->items[i].key.pid < forest->items[i + 3].key.pid);
			arena_release(&arena);
		}
	}
	situation_release(&situation);
}

static void test_chain(void **state)
{
	(void)state;
	struct situation situation = make_trees(1, MANY);
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new(situation.frame, situation.order, &arena);
	assert_int_equal(forest->count, MANY + 1);
	for (uint32_t i = 0; i < forest->count; i++) {
		assert_int_equal(forest->items[i].key.pid, i + 1);
		assert_int_equal(forest->items[i].depth, i);
		assert_int_equal(forest->items[i].beneath, MANY - i);
	}
	arena_release(&arena);
	situation_release(&situation);
}

static void test_find(void **state)
{
	(void)state;
	struct situation situation = make_trees(3, 3);
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new(situation.frame, situation.order, &arena);
	for (uint32_t i = 0; i < forest->count; i++)
		assert_int_equal(forest_find(forest, forest->items[i].key), i);
	struct row_key other = forest->items[2].key;
	other.start++;
	assert_int_equal(forest_find(forest, other), FOREST_NONE);
	assert_int_equal(forest_find(forest, ROW_KEY_NONE), FOREST_NONE);
	arena_release(&arena);
	situation_release(&situation);
}

static void test_keys(void **state)
{
	(void)state;
	struct row_key a = { .kind = FOREST_SESSION, .pid = 5, .start = 10 },
		       b = { .kind = FOREST_SESSION, .pid = 5, .start = 11 },
		       c = { .kind = FOREST_CYCLE, .pid = 5, .start = 10 };
	assert_int_equal(row_key_compare(a, a), 0);
	assert_true(row_key_compare(a, b) < 0 && row_key_compare(b, a) > 0);
	assert_true(row_key_compare(b, c) < 0 && row_key_compare(c, ROW_KEY_NONE) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	cmocka_unit_test(test_shape),  cmocka_unit_test(test_every_column),
		cmocka_unit_test(test_chain),	cmocka_unit_test(test_find),   cmocka_unit_test(test_keys),
		cmocka_unit_test(test_objects), cmocka_unit_test(test_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
