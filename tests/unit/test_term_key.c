#include "term_key.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PAUSE 0xf8 /* in a script: nothing is waiting just now; no byte of UTF-8 */

struct script {
	const char *next;
};

static int next_byte(void *context)
{
	struct script *script = context;
	if (!*script->next)
		return TERM_CODE_NONE;
	unsigned char byte = (unsigned char)*script->next++;
	return byte == PAUSE ? TERM_CODE_NONE : byte;
}

static void add_input(char *out, size_t size, struct input input)
{
	size_t length = strlen(out);
	if (input.key == INPUT_OTHER)
		snprintf(out + length, size - length, "other ");
	else if (input.key == INPUT_ESCAPE)
		snprintf(out + length, size - length, "esc ");
	else if (input.key == INPUT_ENTER)
		snprintf(out + length, size - length, "enter ");
	else
		snprintf(out + length, size - length, "%x ", (unsigned)input.key);
}

/* All that comes out of a script, `|` where it says that nothing whole is there. */
static void check(const char *bytes, const char *wanted)
{
	struct script script = { bytes };
	struct term_decoder decoder;
	char out[200] = "";
	term_decoder_init(&decoder, next_byte, &script);
	while (*script.next || decoder.pushed != TERM_CODE_NONE) {
		struct input input = term_decoder_read(&decoder);
		if (input.kind == INPUT_NONE)
			strcat(out, "| ");
		else
			add_input(out, sizeof out, input);
	}
	assert_string_equal(out, wanted);
}

static void characters_come_whole(void **state)
{
	(void)state;
	check("ay", "61 79 ");
	check("\xc3\xa4", "e4 ");
	check("\xc3\xf8\xa4y", "| e4 79 ");
	check("\xf0\x9f\xf8\x98\xf8\x80", "| | 1f600 ");
	check("\r\n", "enter enter ");
}

static void bytes_that_are_no_character_are_dropped(void **state)
{
	(void)state;
	check("\xff\x80y", "79 ");
	check("\xc3y", "79 ");
	check("\xc3\033", "esc ");
	check("\xe6\x97\xc3\xa4", "e4 ");
}

static void escapes_are_told_from_sequences(void **state)
{
	(void)state;
	check("\033", "esc ");
	check("\033\xf8y", "esc 79 ");
	check("\033y", "other ");
	check("\033\xc3\xa4y", "other 79 ");
	check("\033\xc3y", "other 79 ");
	check("\033\033", "esc esc ");
	check("\033\r", "other ");
}

static void unknown_sequences_are_swallowed_whole(void **state)
{
	(void)state;
	check("\033[1;5Ky", "other 79 ");
	check("\033[<0;1;1My", "other 79 ");
	check("\033[\033y", "other other ");
	check("\033[1\ry", "other enter 79 ");
	check("\033OKy", "other 79 ");
	check("\033]11;K\007y", "other 79 ");
	check("\033]11;K\033\\y", "other 79 ");
	check("\033PK\033\\y", "other 79 ");
	check("\033_K\xf8y", "other 79 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters_come_whole),
		cmocka_unit_test(bytes_that_are_no_character_are_dropped),
		cmocka_unit_test(escapes_are_told_from_sequences),
		cmocka_unit_test(unknown_sequences_are_swallowed_whole),
	};
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
