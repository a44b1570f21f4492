#include "pglocktop/lockmode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* As the manual's table "Conflicting Lock Modes" has it, a row a mode, X where two conflict. */
static const char *const conflict_table[] = {
	".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX",
};

static void test_conflicts(void **state)
{
	(void)state;
	for (int a = 1; a <= 8; a++)
		for (int b = 1; b <= 8; b++)
			assert_int_equal(!!(lockmode_conflicts((enum lockmode)a) & LOCKMODE_BIT(b)),
					 conflict_table[a - 1][b - 1] == 'X');
	assert_int_equal(lockmode_conflicts(LOCKMODE_NONE), 0);
	assert_int_equal(lockmode_conflicts(LOCKMODE_SIREAD), 0);
}

static void test_conflicts_are_symmetric(void **state)
{
	(void)state;
	for (int a = 0; a < LOCKMODE_COUNT; a++)
		for (int b = 0; b < LOCKMODE_COUNT; b++)
			assert_int_equal(!!(lockmode_conflicts((enum lockmode)a) & LOCKMODE_BIT(b)),
					 !!(lockmode_conflicts((enum lockmode)b) & LOCKMODE_BIT(a)));
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 1; i < LOCKMODE_COUNT; i++) {
		enum lockmode mode = LOCKMODE_NONE;
		const char *name = lockmode_name((enum lockmode)i);
		assert_true(lockmode_parse(name, strlen(name), &mode));
		assert_int_equal(mode, i);
		assert_true(strlen(lockmode_short_name((enum lockmode)i)) <= 12);
	}
	assert_string_equal(lockmode_name(LOCKMODE_SHARE_UPDATE_EXCLUSIVE), "ShareUpdateExclusiveLock");
	assert_string_equal(lockmode_short_name(LOCKMODE_ACCESS_EXCLUSIVE), "AccessExcl");
}

static void test_what_is_no_mode(void **state)
{
	(void)state;
	enum lockmode mode = LOCKMODE_SHARE;
	assert_false(lockmode_parse("ShareLockX", 10, &mode));
	assert_false(lockmode_parse("ShareLoc", 8, &mode));
	assert_false(lockmode_parse("sharelock", 9, &mode));
	assert_false(lockmode_parse("", 0, &mode));
	assert_int_equal(mode, LOCKMODE_SHARE);
	assert_true(lockmode_parse("ShareLock, and more", 9, &mode));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_conflicts_are_symmetric),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_what_is_no_mode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
