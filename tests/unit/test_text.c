#include "text.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fuzz/text.c" /* the fuzzer's checks, here on bytes that are the same every time */

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct charset unicode = { .unicode = true };
static const struct charset ascii = { .unicode = false };

struct text_case {
	const char *text, *inert;
	int width;
};

static void check_cases(struct charset charset, const struct text_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct strbuf out = STRBUF_INIT;
		text_add_inert(charset, cases[i].text, &out);
		assert_string_equal(out.text, cases[i].inert);
		assert_int_equal(text_width(charset, cases[i].text), cases[i].width);
		strbuf_release(&out);
	}
}

static void forbidden_characters_get_stand_ins(void **state)
{
	static const struct text_case cases[] = {
		{ "", "", 0 },
		{ "plain", "plain", 5 },
		{ "\033[2J", "\\x1b[2J", 7 },
		{ "\x01\x1f\x7f", "\\x01\\x1f\\x7f", 12 },
		{ "\xc2\x80\xc2\x9b", "\\u0080\\u009b", 12 }, /* C1 */
		{ "\xc2\xad", "\\u00ad", 6 }, /* soft hyphen */
		{ "\xd8\x9c", "\\u061c", 6 },
		{ "\xe2\x80\xae", "\\u202e", 6 },
		{ "\xe2\x81\xa9", "\\u2069", 6 },
		{ "\xe2\x80\x8d", "\\u200d", 6 }, /* zero-width joiner */
		{ "a\xef\xb8\x8f", "a\\ufe0f", 7 }, /* variation selector */
		{ "\xef\xbb\xbf", "\\ufeff", 6 },
		{ "\xee\x82\xb0", "\\ue0b0", 6 }, /* private use */
		{ "\xef\xbf\xbf", "\\uffff", 6 }, /* noncharacter */
		{ "\xe3\x85\xa4", "\\u3164", 6 }, /* Hangul filler */
		{ "\xf3\xa0\x81\x81", "\\U000e0041", 10 }, /* tag */
		{ "\xcc\x81", "\\u0301", 6 }, /* a mark with nothing to stand on */
		{ " \xcc\x81", " \\u0301", 7 },
	};
	(void)state;
	check_cases(unicode, cases, COUNT(cases));
}

static void bytes_that_are_no_utf8_show_as_bytes(void **state)
{
	static const struct text_case cases[] = {
		{ "\xff", "\\xff", 4 },
		{ "\xc0\xaf", "\\xc0\\xaf", 8 }, /* overlong */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf", 12 },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", 12 }, /* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 16 }, /* beyond the last */
		{ "caf\xe9!", "caf\\xe9!", 8 },
		{ "\xe6\x97", "\\xe6\\x97", 8 }, /* cut off */
		{ "\xe6\x97x", "\\xe6\\x97x", 9 },
	};
	(void)state;
	check_cases(unicode, cases, COUNT(cases));
	check_cases(ascii, cases, COUNT(cases));
}

static void white_space_is_laid_on_one_line(void **state)
{
	static const struct text_case cases[] = {
		{ "a  b", "a  b", 4 },
		{ "a\n      b", "a b", 3 },
		{ "a   \n", "a", 1 },
		{ "\n\t select", "select", 6 },
		{ "\r\n", "", 0 },
		{ "   ", "   ", 3 },
		{ "a\tb\xc2\xa0"
		  "c\xe3\x80\x80"
		  "d\xe2\x80\xa8"
		  "e\xc2\x85"
		  "f",
		  "a b c d e f", 11 },
	};
	(void)state;
	check_cases(unicode, cases, COUNT(cases));
	check_cases(ascii, cases, COUNT(cases));
}

static void wide_and_combining_characters_have_their_width(void **state)
{
	static const struct text_case cases[] = {
		{ "\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac", 4 },
		{ "e\xcc\x81", "e\xcc\x81", 1 },
		{ "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81z", "e\xcc\x81\xcc\x81z", 2 }, /* two marks are kept */
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 2 },
		{ "\xe2\x94\x9c\xe2\x94\x80\xe2\x96\xb6\xe2\x97\x8f\xe2\x86\x92\xe2\x9f\xb3",
		  "\xe2\x94\x9c\xe2\x94\x80\xe2\x96\xb6\xe2\x97\x8f\xe2\x86\x92\xe2\x9f\xb3", 6 },
	};
	(void)state;
	check_cases(unicode, cases, COUNT(cases));
}

static void ascii_shows_the_rest_as_question_marks(void **state)
{
	static const struct text_case cases[] = {
		{ "caf\xc3\xa9 \xe6\x97\xa5", "caf? ?", 6 },
		{ "\033\xe2\x80\xae\xc2\x9b", "\\x1b\\u202e\\u009b", 16 },
	};
	(void)state;
	check_cases(ascii, cases, COUNT(cases));
}

static void zero_bytes_inside_are_shown(void **state)
{
	static const char bytes[] = "a\0b";
	struct glyph_reader reader = { .next = bytes, .end = bytes + 3, .one_line = true, .charset = unicode };
	struct strbuf out = STRBUF_INIT;
	struct glyph glyph;
	(void)state;
	while (text_next_glyph(&reader, &glyph))
		text_add_glyph(&glyph, &out);
	assert_string_equal(out.text, "a\\x00b");
	strbuf_release(&out);
}

static void the_locale_decides_on_unicode(void **state)
{
	(void)state;
	assert_true(text_charset(false).unicode);
	assert_false(text_charset(true).unicode);
	setlocale(LC_ALL, "C");
	assert_false(text_charset(false).unicode);
	setlocale(LC_ALL, "C.UTF-8");
}

static void add_line(void *context, const char *line)
{
	strbuf_printf(context, "%s|", line);
}

static void check_wrap(const char *text, int width, const char *wrapped)
{
	struct strbuf out = STRBUF_INIT;
	int count = text_wrap(unicode, text, width, 100, add_line, &out);
	assert_string_equal(out.text, wrapped);
	int bars = 0;
	for (const char *next = out.text; *next; next++)
		bars += *next == '|';
	assert_int_equal(count, bars);
	strbuf_release(&out);
}

static void texts_break_at_blanks(void **state)
{
	(void)state;
	check_wrap("", 10, "");
	check_wrap("select one", 10, "select one|");
	check_wrap("select one two", 10, "select one|two|");
	check_wrap("ab cde fg", 6, "ab cde|fg|");
	check_wrap("ab cdefgh", 6, "ab|cdefgh|");
	check_wrap("abcdefgh ij", 4, "abcd|efgh|ij|");
	check_wrap("    abcdef", 6, "    ab|cdef|");
	check_wrap("a    b", 3, "a|b|");
	check_wrap("a\n\nb\r\nc\n", 9, "a||b|c|");
	check_wrap("a\tb", 20, "a       b|");
	check_wrap("\tb", 4, "    |b|");
	check_wrap("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5, "\xe6\x97\xa5\xe6\x9c\xac|\xe8\xaa\x9e|");
	check_wrap("\xe6\x97\xa5", 1, "?|");
	check_wrap("a\033b", 3, "a\\x|1bb|");
}

static void wrapping_stops_at_its_limits(void **state)
{
	struct strbuf out = STRBUF_INIT, text = STRBUF_INIT;
	(void)state;
	assert_int_equal(text_wrap(unicode, "a\nb\nc", 5, 2, add_line, &out), 3);
	assert_string_equal(out.text, "a|b|");
	for (int i = 0; i < 20000; i++)
		strbuf_add_string(&text, "x\n");
	assert_int_equal(text_wrap(unicode, text.text, 5, 0, add_line, &out), 10000);
	strbuf_release(&text);
	strbuf_release(&out);
}

static void random_bytes_come_out_inert(void **state)
{
	static const char frequent[] = "\xe2\x80\xcc\xf3\xa0 \n\033aZ"; /* so that whole characters occur */
	uint8_t bytes[512];
	uint64_t random = 88172645463325252u; /* xorshift64 (Marsaglia 2003) */
	(void)state;
	for (int round = 0; round < 500; round++) {
		for (size_t i = 0; i < sizeof bytes; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			bytes[i] = (uint8_t)random;
			if (round % 2 && random >> 60)
				bytes[i] = (uint8_t)frequent[(random >> 8) % (sizeof frequent - 1)];
		}
		LLVMFuzzerTestOneInput(bytes, sizeof bytes);
	}
}

/* A megabyte of anything takes a megabyte's time: processor time, so that a busy machine does not matter. */
static void large_texts_take_linear_time(void **state)
{
	static const char *const pieces[] = { " ", "a", "\n", "\xcc\x81", "\xff", "\xe6\x97\xa5", " \n" };
	(void)state;
	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct strbuf text = STRBUF_INIT, lines = STRBUF_INIT;
		while (text.length < 1000000)
			strbuf_add_string(&text, pieces[i]);
		clock_t before = clock();
		text_width(unicode, text.text);
		text_wrap(unicode, text.text, 80, 10, add_line, &lines);
		assert_true(clock() - before < 2 * CLOCKS_PER_SEC);
		strbuf_release(&lines);
		strbuf_release(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forbidden_characters_get_stand_ins),
		cmocka_unit_test(bytes_that_are_no_utf8_show_as_bytes),
		cmocka_unit_test(white_space_is_laid_on_one_line),
		cmocka_unit_test(wide_and_combining_characters_have_their_width),
		cmocka_unit_test(ascii_shows_the_rest_as_question_marks),
		cmocka_unit_test(zero_bytes_inside_are_shown),
		cmocka_unit_test(the_locale_decides_on_unicode),
		cmocka_unit_test(texts_break_at_blanks),
		cmocka_unit_test(wrapping_stops_at_its_limits),
		cmocka_unit_test(random_bytes_come_out_inert),
		cmocka_unit_test(large_texts_take_linear_time),
	};
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
