/* What an outline must keep to at every height, and what a text without its literals is; the rest is in tests/cases/.
 */
#include "fingerprint.h"
#include "situation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Five roots; the waiters of each form a tree in which 2, 3, 4 … wait for one. */
static struct situation make_trees(void)
{
	struct strbuf text = STRBUF_INIT;
	strbuf_add_string(&text, "outline height=0\n");
	for (int i = 1; i <= 200; i++) {
		strbuf_printf(&text, "session %d\nlock %d Exclusive held transactionid xid=%d\n", i, i, i);
		if (i > 5)
			strbuf_printf(&text, "lock %d Share waits=%ds transactionid xid=%d\n", i, i % 11 + 1,
				      i / 4 + 1);
	}
	return situation_must_read_all(&text);
}

static void check_lines(const struct outline *outline, const struct forest *forest)
{
	uint32_t drawn = 0;
	for (uint32_t i = 0; i < outline->count; i++) {
		const struct outline_line *line = &outline->lines[i];
		bool deeper = i + 1 < outline->count && outline->lines[i + 1].depth > line->depth;
		if (line->kind == LINE_ITEM) {
			assert_int_equal(line->depth, forest->items[line->item].depth);
			assert_true(i == 0 || drawn <= line->item);
			drawn = line->item;
		}
		assert_int_equal(line->kind == LINE_ITEM && line->open, deeper);
		uint32_t next = i + 1;
		while (next < outline->count && outline->lines[next].depth > line->depth)
			next++;
		bool last = next == outline->count || outline->lines[next].depth < line->depth;
		assert_int_equal(line->last_sibling, last);
	}
}

/* However high the screen is, it is filled and not more, and every item is drawn or counted where it is not. */
static void test_every_height(void **state)
{
	(void)state;
	struct situation situation = make_trees();
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new(situation.frame, situation.order, &arena);
	for (uint32_t height = 1; height < 220; height++) {
		situation.options.height = height;
		const struct outline *outline = outline_new(forest, &situation.options, &arena);
		check_lines(outline, forest);
		uint32_t at_least = height < forest->root_count ? forest->root_count : height;
		assert_true(outline->count <= at_least);
		assert_true(outline->count + 1 >= at_least || outline->count == forest->count);
		uint32_t items = 0;
		for (uint32_t i = 0; i < outline->count; i++) {
			const struct outline_line *line = &outline->lines[i];
			bool folded = line->kind == LINE_ITEM && !line->open;
			items += line->kind == LINE_ITEM ? 1 : 0;
			items += folded ? forest->items[line->item].beneath : 0;
		}
		assert_true(items <= forest->count);
		if (height >= forest->count)
			assert_int_equal(items, forest->count);
	}
	arena_release(&arena);
	situation_release(&situation);
}

/* One that is kept has a line at every height, wherever it is. */
static void test_kept(void **state)
{
	(void)state;
	struct situation situation = make_trees();
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new(situation.frame, situation.order, &arena);
	for (uint32_t item = 0; item < forest->count; item++) {
		situation.options.height = 1 + item % 13;
		situation.options.keep = &forest->items[item].key;
		situation.options.keep_count = 1;
		const struct outline *outline = outline_new(forest, &situation.options, &arena);
		check_lines(outline, forest);
		bool shown = false;
		for (uint32_t i = 0; i < outline->count; i++)
			shown |= outline->lines[i].kind == LINE_ITEM && outline->lines[i].item == item;
		assert_true(shown);
	}
	arena_release(&arena);
	situation_release(&situation);
}

static void test_whole(void **state)
{
	(void)state;
	struct situation situation = make_trees();
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new(situation.frame, situation.order, &arena);
	situation.options.whole = true;
	const struct outline *outline = outline_new(forest, &situation.options, &arena);
	check_lines(outline, forest);
	assert_int_equal(outline->count, forest->count);
	arena_release(&arena);
	situation_release(&situation);
}

static void test_many_alike(void **state)
{
	(void)state;
	struct strbuf text = STRBUF_INIT;
	strbuf_add_string(&text, "outline height=10\nlock 1 Exclusive held transactionid xid=1\n");
	for (int i = 0; i < 5000; i++)
		strbuf_printf(&text, "session %d \"select %d\"\nlock %d Share waits=%dms transactionid xid=1\n",
			      100 + i, i, 100 + i, 1 + i);
	struct situation situation = situation_must_read_all(&text);
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new(situation.frame, situation.order, &arena);
	const struct outline *outline = outline_new(forest, &situation.options, &arena);
	assert_int_equal(outline->count, 2);
	assert_int_equal(outline->lines[1].kind, LINE_ALIKE);
	assert_int_equal(outline->lines[1].count, 5000);
	assert_int_equal(outline->lines[1].oldest, 5000 * 1000);
	assert_int_equal(forest->items[outline->lines[1].example].key.pid, 5099);
	arena_release(&arena);
	situation_release(&situation);
}

static void test_fingerprint_alike(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "select 1", "select 42" },
		{ "select  1\n", " select\t2" },
		{ "select 'a'", "select 'it''s'" },
		{ "select E'a\\'b'", "select E'c'" },
		{ "select $$a$$", "select $x$ $$ $x$" },
		{ "select 1.5e-3, x", "select 2, x" },
		{ "select a -- now\nfrom t", "select a /* /* in */ out */ from t" },
		{ "select 'cut off", "select 'cut elsewhere" },
		{ "update t set a = -1", "update t set a = -22" },
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (query_fingerprint(pairs[i][0]) != query_fingerprint(pairs[i][1]))
			fail_msg("not alike: %s | %s", pairs[i][0], pairs[i][1]);
}

static void test_fingerprint_different(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "select a", "select b" },
		{ "select t1.a", "select t2.a" },
		{ "select \"1\"", "select \"2\"" },
		{ "select $1", "select $2" },
		{ "select 1", "select a" },
		{ "select a b", "select ab" },
		{ "select '1' from a", "select '1' from b" },
		{ "select 'a\\' from a", "select 'a\\' from b" },
		{ "", "select" },
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (query_fingerprint(pairs[i][0]) == query_fingerprint(pairs[i][1]))
			fail_msg("alike: %s | %s", pairs[i][0], pairs[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_height),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_many_alike),
		cmocka_unit_test(test_fingerprint_alike),
		cmocka_unit_test(test_fingerprint_different),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
