#include "pglocktop/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void assert_iso(int64_t when, const char *wanted)
{
	char text[WHEN_TEXT_SIZE];
	int64_t back = 0;
	assert_string_equal(when_format_iso(when, text), wanted);
	assert_true(when_parse_iso(text, &back));
	assert_true(back == when);
}

static void formats_and_reads_points_in_time(void **state)
{
	(void)state;
	assert_iso(0, "2000-01-01T00:00:00.000000+00:00");
	assert_iso(-1, "1999-12-31T23:59:59.999999+00:00");
	assert_iso(INT64_C(848673127123456), "2026-11-22T14:32:07.123456+00:00");
	assert_iso(INT64_C(5097600) * WHEN_SECOND, "2000-02-29T00:00:00.000000+00:00");
	assert_iso(INT64_MAX, "294277-01-09T04:00:54.775807+00:00");
	assert_iso(INT64_MIN + 1, "-290278-12-22T19:59:05.224193+00:00");
}

static void nothing_is_an_empty_text(void **state)
{
	(void)state;
	char text[WHEN_TEXT_SIZE] = "x";
	assert_string_equal(when_format_iso(WHEN_NONE, text), "");
	assert_string_equal(when_format_clock(WHEN_NONE, text), "");
	assert_string_equal(when_format_age(WHEN_NONE, text), "-");
}

static void reads_other_spellings(void **state)
{
	(void)state;
	int64_t when;
	assert_true(when_parse_iso("2000-01-01T00:00:01Z", &when));
	assert_true(when == WHEN_SECOND);
	assert_true(when_parse_iso("2000-01-01T00:00:00.5+00:00", &when));
	assert_true(when == WHEN_SECOND / 2);
}

static void refuses_what_is_no_time(void **state)
{
	static const char *const texts[] = {
		"",
		"2000-01-01",
		"2000-01-01 00:00:00Z",
		"2000-01-01T00:00:00",
		"2000-01-01T00:00:00+01:00",
		"2000-13-01T00:00:00Z",
		"2000-00-01T00:00:00Z",
		"2001-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2000-01-01T24:00:00Z",
		"2000-01-01T00:60:00Z",
		"2000-01-01T00:00:60Z",
		"2000-01-01T00:00:00.Z",
		"2000-01-01T00:00:00.1234567Z",
		"2000-01-01T00:00:00Zx",
		"999999-01-01T00:00:00Z",
		"-999999-01-01T00:00:00Z",
		"294277-01-09T04:00:54.775808Z",
		"-290278-12-22T19:59:05.224192Z",
		"20-01-01T00:00:00Z",
	};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		int64_t when = 42;
		if (when_parse_iso(texts[i], &when))
			fail_msg("taken for a time: %s", texts[i]);
		assert_true(when == 42);
	}
}

static void formats_the_clock(void **state)
{
	(void)state;
	char text[WHEN_TEXT_SIZE];
	assert_string_equal(when_format_clock(INT64_C(848673127123456), text), "14:32:07");
	assert_string_equal(when_format_clock(-1, text), "23:59:59");
}

static void formats_ages(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ -5, "0s" },	     { 0, "0s" },	 { 59, "59s" },	      { 60, "1m00s" },
		{ 92, "1m32s" },     { 3599, "59m59s" }, { 3600, "1h00m" },   { 7440, "2h04m" },
		{ 86399, "23h59m" }, { 86400, "1d00h" }, { 273600, "3d04h" },
	};
	(void)state;
	char text[WHEN_TEXT_SIZE];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(when_format_age(cases[i].seconds * WHEN_SECOND, text), cases[i].text);
	assert_string_equal(when_format_age(WHEN_SECOND - 1, text), "0s");
}

static void ages_are_never_negative(void **state)
{
	(void)state;
	assert_true(when_age(10, 3) == 7);
	assert_true(when_age(3, 10) == 0);
	assert_true(when_age(WHEN_NONE, 3) == WHEN_NONE);
	assert_true(when_age(3, WHEN_NONE) == WHEN_NONE);
	assert_true(when_age(INT64_MAX, INT64_MIN + 1) == INT64_MAX);
	assert_true(when_age(INT64_MIN + 1, INT64_MAX) == 0);
}

static void clocks_run(void **state)
{
	(void)state;
	int64_t before = when_monotonic();
	assert_true(when_monotonic() >= before);
	assert_true(when_wall_clock() > INT64_C(800000000) * WHEN_SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_and_reads_points_in_time),
		cmocka_unit_test(nothing_is_an_empty_text),
		cmocka_unit_test(reads_other_spellings),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(formats_the_clock),
		cmocka_unit_test(formats_ages),
		cmocka_unit_test(ages_are_never_negative),
		cmocka_unit_test(clocks_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
