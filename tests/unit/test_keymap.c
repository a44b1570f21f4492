/* The key table: complete, unambiguous, and nothing destructive under a lower-case letter. */
#include "keymap.h"

#include "pglocktop/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool signals(enum action action)
{
	return action == ACTION_CANCEL || action == ACTION_TERMINATE;
}

static void only_capitals_and_f9_signal(void **state)
{
	(void)state;
	for (uint32_t key = 0; key < 0x300; key++)
		assert_int_equal(signals(keymap_find(key)), key == 'C' || key == 'K');
	for (uint32_t key = INPUT_FIRST; key <= INPUT_OTHER; key++)
		assert_int_equal(signals(keymap_find(key)), key == INPUT_F1 + 8);
}

static void every_action_has_a_key(void **state)
{
	(void)state;
	for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
		struct strbuf keys = STRBUF_INIT;
		keymap_describe((enum action)action, &keys);
		assert_true(keys.length > 0);
		strbuf_release(&keys);
	}
}

/* Whoever has no F-keys must be able to do it all. */
static void every_function_key_has_a_twin(void **state)
{
	(void)state;
	for (uint32_t key = INPUT_F1; key <= INPUT_F12; key++) {
		bool twin = keymap_find(key) == ACTION_NONE;
		for (uint32_t letter = 0x20; letter < 0x7f; letter++)
			twin |= keymap_find(letter) == keymap_find(key);
		assert_true(twin);
	}
}

static void the_keys_of_an_action_are_told(void **state)
{
	struct strbuf keys = STRBUF_INIT;
	(void)state;
	keymap_describe(ACTION_TERMINATE, &keys);
	assert_string_equal(keys.text, "K F9");
	strbuf_release(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_capitals_and_f9_signal),
		cmocka_unit_test(every_action_has_a_key),
		cmocka_unit_test(every_function_key_has_a_twin),
		cmocka_unit_test(the_keys_of_an_action_are_told),
	};
	return cmocka_run_group_tests_name("keymap", tests, NULL, NULL);
}
