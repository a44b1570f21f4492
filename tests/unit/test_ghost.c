/* Lines of what is over: how long they stay, and in which order. */
#include "pglocktop/ghost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct row_key key(int32_t pid)
{
	return (struct row_key){ .kind = FOREST_SESSION, .pid = pid, .start = 1 };
}

static void add(struct ghosts *ghosts, enum ghost_kind kind, int32_t pid, uint32_t line, int64_t until)
{
	struct ghost *ghost = ghosts_add(ghosts, kind, key(pid), line);
	ghost->until = until;
	ghost_set_cell(ghost, COLUMN_STATE, "waits 1s");
	ghost_set_cell(ghost, COLUMN_STATE, "has ended");
}

static void assert_pids(const struct ghosts *ghosts, const int32_t *pids, uint32_t count)
{
	assert_int_equal(ghosts->count, count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(ghosts->list[i].key.pid, pids[i]);
}

static void they_go_when_their_time_is_over(void **state)
{
	struct ghosts ghosts = GHOSTS_INIT;
	(void)state;
	add(&ghosts, GHOST_ENDED, 1, 0, 100);
	add(&ghosts, GHOST_ENDED, 2, 1, 200);
	add(&ghosts, GHOST_CYCLE, 3, 2, 3000);
	assert_int_equal(ghosts_next(&ghosts, ROW_KEY_NONE), 100);
	assert_false(ghosts_sweep(&ghosts, ROW_KEY_NONE, 99));
	assert_true(ghosts_sweep(&ghosts, ROW_KEY_NONE, 100));
	assert_pids(&ghosts, (const int32_t[]){ 2, 3 }, 2);
	ghosts_clear(&ghosts);
	assert_int_equal(ghosts_next(&ghosts, ROW_KEY_NONE), INT64_MAX);
}

static void one_that_is_held_stays(void **state)
{
	struct ghosts ghosts = GHOSTS_INIT;
	(void)state;
	add(&ghosts, GHOST_ENDED, 1, 0, 100);
	add(&ghosts, GHOST_LEFT, 2, 1, 100);
	assert_int_equal(ghosts_next(&ghosts, key(1)), 100);
	assert_true(ghosts_sweep(&ghosts, key(1), 50)); /* who has left stays only while held */
	assert_false(ghosts_sweep(&ghosts, key(1), 500));
	assert_int_equal(ghosts_next(&ghosts, key(1)), INT64_MAX);
	assert_pids(&ghosts, (const int32_t[]){ 1 }, 1);
	assert_true(ghosts_sweep(&ghosts, ROW_KEY_NONE, 500));
	ghosts_clear(&ghosts);
}

static void those_of_one_line_keep_their_order(void **state)
{
	struct ghosts ghosts = GHOSTS_INIT;
	(void)state;
	for (int32_t pid = 9; pid > 0; pid--)
		add(&ghosts, GHOST_MEMBER, pid, 5, 100);
	add(&ghosts, GHOST_ENDED, 10, 4, 100);
	ghosts_sort(&ghosts);
	assert_pids(&ghosts, (const int32_t[]){ 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 }, 10);
	ghosts_remove_key(&ghosts, key(10));
	ghosts_remove_key(&ghosts, key(4));
	assert_pids(&ghosts, (const int32_t[]){ 9, 8, 7, 6, 5, 3, 2, 1 }, 8);
	assert_string_equal(ghosts.list[0].cells[COLUMN_STATE], "has ended");
	ghosts_clear(&ghosts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_go_when_their_time_is_over),
		cmocka_unit_test(one_that_is_held_stays),
		cmocka_unit_test(those_of_one_line_keep_their_order),
	};
	return cmocka_run_group_tests_name("ghost", tests, NULL, NULL);
}
