#include "encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void assert_decoded(const char *encoding, const char *bytes, size_t length, const char *wanted)
{
	struct decoder *decoder = decoder_new();
	struct arena arena = ARENA_INIT;
	assert_string_equal(decoder_decode(decoder, encoding, bytes, length, &arena), wanted);
	/* The converter is used again, from its initial state. */
	assert_string_equal(decoder_decode(decoder, encoding, bytes, length, &arena), wanted);
	arena_release(&arena);
	decoder_free(decoder);
}

#define DECODED(encoding, bytes, wanted) assert_decoded(encoding, bytes, sizeof(bytes) - 1, wanted)

static void ascii_stays_in_any_encoding(void **state)
{
	static const char *const names[] = { NULL, "UTF8", "SQL_ASCII", "LATIN1", "EUC_JP", "WIN1252", "no such one" };
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		DECODED(names[i], "select 1\n\t\x7f\x1b[m", "select 1\n\t\x7f\x1b[m");
		DECODED(names[i], "", "");
	}
}

static void utf8_stays_where_it_is_valid(void **state)
{
	(void)state;
	DECODED("UTF8", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
	DECODED(NULL, "\xc3\xa4", "\xc3\xa4");
	DECODED("SQL_ASCII", "\xc3\xa4\xff", "\xc3\xa4\\xff");
}

static void invalid_bytes_are_shown_as_such(void **state)
{
	(void)state;
	DECODED("UTF8", "a\x80z", "a\\x80z");
	DECODED("UTF8", "\xc0\xaf", "\\xc0\\xaf"); /* overlong */
	DECODED("UTF8", "\xe0\x80\xaf", "\\xe0\\x80\\xaf");
	DECODED("UTF8", "\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
	DECODED("UTF8", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	DECODED("UTF8", "\xe2\x82", "\\xe2\\x82"); /* cut off */
	DECODED("UTF8", "a\0z", "a\\x00z");
	DECODED("LATIN1", "\xe4\0z", "\xc3\xa4\\x00z");
}

static void converts_the_servers_encodings(void **state)
{
	(void)state;
	DECODED("LATIN1", "na\xefve", "na\xc3\xafve");
	DECODED("LATIN9", "\xa4", "\xe2\x82\xac");
	DECODED("WIN1252", "\x80", "\xe2\x82\xac");
	DECODED("KOI8R", "\xc1", "\xd0\xb0");
	DECODED("WIN1251", "\xe0", "\xd0\xb0");
	DECODED("WIN866", "\xa0", "\xd0\xb0");
	DECODED("EUC_JP", "\xc6\xfc\xcb\xdc", "\xe6\x97\xa5\xe6\x9c\xac");
	DECODED("EUC_KR", "\xb0\xa1", "\xea\xb0\x80");
	DECODED("EUC_CN", "\xd6\xd0", "\xe4\xb8\xad");
	DECODED("ISO_8859_5", "\xd0", "\xd0\xb0");
}

static void what_does_not_convert_is_shown_as_such(void **state)
{
	(void)state;
	DECODED("EUC_JP", "\xc6\xfc\xff\xcb\xdc", "\xe6\x97\xa5\\xff\xe6\x9c\xac");
	DECODED("EUC_JP", "a\xc6", "a\\xc6"); /* cut off */
	DECODED("WIN1252", "\x81", "\\x81"); /* not assigned */
	DECODED("no such one", "\xff", "\\xff");
}

static void long_texts_are_whole(void **state)
{
	enum { LENGTH = 1024 * 1024 };
	(void)state;
	struct arena arena = ARENA_INIT;
	struct decoder *decoder = decoder_new();
	char *bytes = arena_array(&arena, LENGTH, 1);
	memset(bytes, 0xe4, LENGTH);
	const char *text = decoder_decode(decoder, "LATIN1", bytes, LENGTH, &arena);
	assert_int_equal(strlen(text), 2 * LENGTH);
	for (size_t i = 0; i < 2 * LENGTH; i += 2)
		assert_memory_equal(text + i, "\xc3\xa4", 2);
	decoder_free(decoder);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ascii_stays_in_any_encoding),
		cmocka_unit_test(utf8_stays_where_it_is_valid),
		cmocka_unit_test(invalid_bytes_are_shown_as_such),
		cmocka_unit_test(converts_the_servers_encodings),
		cmocka_unit_test(what_does_not_convert_is_shown_as_such),
		cmocka_unit_test(long_texts_are_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
