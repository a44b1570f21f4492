/* A line of text that a person types or pastes. */
#include "pglocktop/prompt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void type(struct prompt *prompt, const uint32_t *keys, size_t count, bool pasted)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(prompt_key(prompt, keys[i], pasted), PROMPT_GOES_ON);
}

#define TYPE(prompt, pasted, ...)                                                                                      \
	type(prompt, (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t),  \
	     pasted)

static void takes_text_as_utf8(void **state)
{
	struct prompt prompt;
	(void)state;
	prompt_open(&prompt, PROMPT_FILTER, "a");
	TYPE(&prompt, false, 0xe4, 0x20ac, 0x1f4a9, 'z');
	assert_string_equal(prompt.text, "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xa9z");
	assert_int_equal(prompt.length, strlen(prompt.text));
	TYPE(&prompt, false, INPUT_BACKSPACE, INPUT_BACKSPACE);
	assert_string_equal(prompt.text, "a\xc3\xa4\xe2\x82\xac");
	TYPE(&prompt, false, INPUT_DELETE, INPUT_BACKSPACE, INPUT_BACKSPACE, INPUT_BACKSPACE);
	assert_string_equal(prompt.text, "");
}

static void words_and_lines_are_taken_back(void **state)
{
	struct prompt prompt;
	(void)state;
	prompt_open(&prompt, PROMPT_FILTER, "user:app  state:idle ");
	TYPE(&prompt, false, INPUT_CTRL('w'));
	assert_string_equal(prompt.text, "user:app  ");
	TYPE(&prompt, false, INPUT_CTRL('w'));
	assert_string_equal(prompt.text, "");
	TYPE(&prompt, false, 'a', 'b', INPUT_CTRL('u'));
	assert_string_equal(prompt.text, "");
}

static void control_keys_are_no_text(void **state)
{
	struct prompt prompt;
	(void)state;
	prompt_open(&prompt, PROMPT_SEARCH, "");
	TYPE(&prompt, false, INPUT_UP, INPUT_F1, INPUT_TAB, INPUT_OTHER, 0x07, 0x7f, 'x');
	assert_string_equal(prompt.text, "x");
	assert_int_equal(prompt_key(&prompt, INPUT_ENTER, false), PROMPT_ENTERED);
	assert_int_equal(prompt_key(&prompt, INPUT_ESCAPE, false), PROMPT_LEFT);
	assert_int_equal(prompt_key(&prompt, INPUT_CTRL('c'), false), PROMPT_LEFT);
}

static void a_paste_only_adds_text(void **state)
{
	struct prompt prompt;
	(void)state;
	prompt_open(&prompt, PROMPT_SEARCH, "");
	TYPE(&prompt, true, 'a', INPUT_ENTER, 'b', INPUT_CTRL('c'), INPUT_CTRL('u'), 'c', INPUT_ESCAPE, INPUT_BACKSPACE,
	     INPUT_TAB, 'd');
	assert_string_equal(prompt.text, "a b  c d");
}

static void what_does_not_fit_is_left_out(void **state)
{
	struct prompt prompt;
	(void)state;
	prompt_open(&prompt, PROMPT_SEARCH, "");
	for (size_t i = 0; i < sizeof prompt.text; i++)
		TYPE(&prompt, false, 0x20ac);
	assert_int_equal(prompt.length, (sizeof prompt.text - 1) / 3 * 3);
	assert_int_equal(strlen(prompt.text), prompt.length);
}

static void a_key_takes_the_complaint_away(void **state)
{
	struct prompt prompt;
	(void)state;
	prompt_open(&prompt, PROMPT_FILTER, "(");
	strcpy(prompt.complaint, "missing parenthesis");
	prompt.complaint_at = 1;
	TYPE(&prompt, false, ')');
	assert_string_equal(prompt.complaint, "");
	assert_int_equal(prompt.complaint_at, SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_text_as_utf8),
		cmocka_unit_test(words_and_lines_are_taken_back),
		cmocka_unit_test(control_keys_are_no_text),
		cmocka_unit_test(a_paste_only_adds_text),
		cmocka_unit_test(what_does_not_fit_is_left_out),
		cmocka_unit_test(a_key_takes_the_complaint_away),
	};
	return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
