/* Masking: no literal survives, cut off wherever, under either reading of a backslash. */
#include "pglocktop/mask.h"

#include "fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char *masked(const char *text)
{
	struct strbuf out = STRBUF_INIT;
	mask_add(text, &out);
	return strbuf_detach(&out);
}

struct sample {
	const char *text, *masked;
};

static void check_samples(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *seen = masked(samples[i].text);
		if (strcmp(seen, samples[i].masked) != 0)
			fail_msg("%s\nis masked as %s\nand not as %s", samples[i].text, seen, samples[i].masked);
		free(seen);
	}
}

/* Q stands in literals and nowhere else: the tests below cut these texts off at every byte. */
static const struct sample strings[] = {
	{ "select 'Q'", "select ?" },
	{ "select ''", "select ?" },
	{ "select 'Q''Q', a", "select ?, a" },
	{ "select 'Q', 'Q'", "select ?, ?" },
	{ "select 'Q\"Q' as \"a\"", "select ? as \"a\"" },
	{ "select 'Q--Q' -- Q\n, a", "select ? /*?*/\n, a" },
	{ "select '/*Q' || a || '*/'", "select ? || a || ?" },
	{ "select E'Q\\'Q' || a", "select ? || a" },
	{ "select e'Q\\\\' || a", "select ? || a" },
	{ "select E'Q\\", "select ?" },
	{ "select E'Q''Q\\''", "select ?" },
	{ "select U&'Q\\0041' || a", "select ? || a" },
	{ "select u&'Q!0041Q' uescape '!', a", "select ? uescape ?, a" },
	{ "select U&\"a!0041\" uescape '!'", "select U&\"a!0041\" uescape ?" },
	{ "select N'Q', n'Q'", "select ?, ?" },
	{ "select B'1Q', b'0', X'1FQ', x'Q'", "select ?, ?, ?, ?" },
	{ "select U & 'Q'", "select U & ?" },
	{ "select a.e'Q'", "select a.?" },
	{ "select be'Q'", "select be?" },
	{ "select 'Q'\n  'Q', a", "select ?, a" },
	{ "select 'Q'\r'Q', a", "select ?, a" },
	{ "select 'Q' -- Q's\n -- Q\n'Q', a", "select ?, a" },
	{ "select 'Q' 'Q', a", "select ? ?, a" },
	{ "select 'Q' -- Q\n, a", "select ? /*?*/\n, a" },
	{ "select E'Q'\n'\\'Q', a", "select ?, a" },
	{ "select U&'Q'\n'Q'", "select ?" },
	{ "select $$Q$$, a", "select ?, a" },
	{ "select $a$Q$$Q$b$Q'$a$, a", "select ?, a" },
	{ "select $a$Q$aa$Q$a$, a", "select ?, a" },
	{ "select $_1$Q$_1$", "select ?" },
	{ "select $\xc3\xa4$Q$\xc3\xa4$", "select ?" },
	{ "select $1$a$Q$a$", "select $1?" },
	{ "select 1$a$Q$a$, b", "select ??, b" },
	{ "select $$Q", "select ?" },
	{ "select $a$Q$", "select ?" },
	{ "select 'Q", "select ?" },
	{ "select date 'Q', interval 'Q' day(3), 'Q'::text[]", "select date ?, interval ? day(?), ?::text[]" },
	{ "do $do$ begin perform 'Q', 9; end $do$", "do ?" },
	{ "create function f() returns int as $$ select 'Q' $$ language sql",
	  "create function f() returns int as ? language sql" },
	{ "alter role a with password 'Q'", "alter role a with password ?" },
	{ "create user mapping for a server b options (user 'Q', password 'Q')",
	  "create user mapping for a server b options (user ?, password ?)" },
	{ "select * from dblink('host=Q password=Q', 'select ''Q''') as t(a int)",
	  "select * from dblink(?, ?) as t(a int)" },
	{ "copy t from stdin with (null 'Q', delimiter E'\\t')", "copy t from stdin with (null ?, delimiter ?)" },
	{ "copy (select 'Q') to '/tmp/Q'", "copy (select ?) to ?" },
	{ "select '\xc3\xa4Q\xe6\x97\xa5' as \xc3\xa4", "select ? as \xc3\xa4" },
};

static const struct sample numbers[] = {
	{ "select 9", "select ?" },
	{ "select 99.9, 9., .9", "select ?, ?, ?" },
	{ "select 9e9, 9.e9, .9e-9, 9.9E+99", "select ?, ?, ?, ?" },
	{ "select 9e, 9e+ a", "select ?, ?+ a" },
	{ "select 0x9F9, 0o99, 0b9, 9_999, 0X9f_9", "select ?, ?, ?, ?, ?" },
	{ "select -9, +9, a-9, a -9", "select -?, +?, a-?, a -?" },
	{ "select 9and 9", "select ? ?" },
	{ "select 9_a, 9\xc3\xa4", "select ?, ?" },
	{ "select 9..9", "select ?..?" },
	{ "select 9.9.9.9", "select ?" },
	{ "select a.9", "select a?" },
	{ "select 9e9$a$Q$a$, 'Q'", "select ?" },
	{ "select t1, t_2, a$3, \"4\", $5, $66", "select t1, t_2, a$3, \"4\", $5, $66" },
	{ "select $1999999999", "select ?" },
	{ "select $1a, $2'Q'", "select $1a, $2?" },
	{ "select array[9,9], a[9:9], f(9)", "select array[?,?], a[?:?], f(?)" },
	{ "select a::int4, a::numeric(9,9)", "select a::int4, a::numeric(?,?)" },
	{ "select a->9, a<9, a>=9, a%9, 9!", "select a->?, a<?, a>=?, a%?, ?!" },
	{ "select 9'Q'", "select ??" },
	{ "fetch 99 from c; limit 9", "fetch ? from c; limit ?" },
};

static const struct sample others[] = {
	{ "", "" },
	{ "select a", "select a" },
	{ "select \"a \"\"b\"\" 'c' $$d$$ -- e\", f", "select \"a \"\"b\"\" 'c' $$d$$ -- e\", f" },
	{ "select \"Q", "select ?" },
	{ "select \"a\"\"", "select ?" },
	{ "select /* Q */ a", "select /*?*/ a" },
	{ "select /* Q /* Q */ Q */ a */ b", "select /*?*/ a */ b" },
	{ "select /*/ Q */ a", "select /*?*/ a" },
	{ "select /* Q /", "select /*?*/" },
	{ "select a /**Q**/ b", "select a /*?*/ b" },
	{ "select a --", "select a /*?*/" },
	{ "select a--Q\rb", "select a/*?*/\rb" },
	{ "select a<--Q\n b", "select a</*?*/\n b" },
	{ "select a*/*Q*/b, a//b", "select a*/*?*/b, a//b" },
	{ "select a ? b, a ?| b, a @> b", "select a ? b, a ?| b, a @> b" },
	{ "select $, $a, $ $", "select $, $a, $ $" },
	{ "select a$b$c$b$", "select a$b$c$b$" },
	{ "select a\\b", "select a\\b" },
	{ "autovacuum: VACUUM ANALYZE public.t1 (to prevent wraparound)",
	  "autovacuum: VACUUM ANALYZE public.t1 (to prevent wraparound)" },
	{ "START_REPLICATION SLOT \"x\" LOGICAL 9/9999 (\"proto_version\" '9Q')",
	  "START_REPLICATION SLOT \"x\" LOGICAL ?/? (\"proto_version\" ?)" },
	{ "BASE_BACKUP ( LABEL 'Q',  PROGRESS,  WAIT 9)", "BASE_BACKUP ( LABEL ?,  PROGRESS,  WAIT ?)" },
};

/* A string by one reading, by the other it goes on, or begins where that one ends. */
static const struct sample backslashes[] = {
	{ "select 'a\\\\', b", "select ?, b" },	   { "select 'a\\b', c", "select ?, c" },
	{ "select '\\''Q', b", "select ?" },	   { "select 'Q\\', Q, 'Q', b", "select ?" },
	{ "select '\\' || a || 'Q'", "select ?" }, { "select 'Q\\', b, c", "select ?" },
	{ "select N'Q\\'Q', b", "select ?" },	   { "select 'Q\\', $$Q$$, 'Q', a", "select ?" },
	{ "select 'Q\\', \"'\", a", "select ??" }, { "select '\\', /* Q ' Q */ a", "select ? a" },
};

static void test_strings(void **state)
{
	(void)state;
	check_samples(strings, COUNT(strings));
}

static void test_numbers(void **state)
{
	(void)state;
	check_samples(numbers, COUNT(numbers));
}

static void test_others(void **state)
{
	(void)state;
	check_samples(others, COUNT(others));
}

static void test_backslashes(void **state)
{
	(void)state;
	check_samples(backslashes, COUNT(backslashes));
}

static void check_every_cut(const struct sample *samples, size_t count, char planted)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(samples[i].text);
		for (size_t cut = 0; cut <= length; cut++) {
			char *text = strndup(samples[i].text, cut);
			char *seen = masked(text);
			if (strchr(seen, planted))
				fail_msg("%s\nis masked as %s", text, seen);
			free(seen);
			free(text);
		}
	}
}

static void test_cut_off(void **state)
{
	(void)state;
	check_every_cut(strings, COUNT(strings), 'Q');
	check_every_cut(others, COUNT(others), 'Q');
	check_every_cut(backslashes, COUNT(backslashes), 'Q');
	check_every_cut(numbers, COUNT(numbers), 'Q');
	check_every_cut(numbers, 12, '9'); /* those before the long parameter */
}

static void check_stable(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strchr(samples[i].text, '\\'))
			continue;
		char *again = masked(samples[i].masked);
		assert_string_equal(again, samples[i].masked);
		if (query_fingerprint(samples[i].text) != query_fingerprint(again))
			fail_msg("not alike: %s | %s", samples[i].text, again);
		free(again);
	}
}

/* Masked once more a text stays as it is, and those that were alike stay so. */
static void test_stable(void **state)
{
	(void)state;
	check_stable(strings, COUNT(strings));
	check_stable(numbers, COUNT(numbers));
	check_stable(others, COUNT(others));
}

/* What quadratic steps would show in: minutes in place of milliseconds. */
static void test_long_texts(void **state)
{
	(void)state;
	static const char *const pieces[] = {
		"'' ",	"''\n", "''\n--x\n", "/*", "*/", "$", "$a",	      "$$",	 "$a$ $b$", "\"", "\"\"",
		"'\\'", "\\'",	"1",	     "e",  "-",	 ".", "'\\', \"'\" ", "E'\\'' ", "1e$a$ ",  "\n"
	};
	enum { LONG = 1 << 20 };
	char *text = malloc(LONG + 32);
	assert_non_null(text);
	for (size_t i = 0; i < COUNT(pieces); i++) {
		size_t piece = strlen(pieces[i]), length = 0;
		for (; length < LONG; length += piece)
			memcpy(text + length, pieces[i], piece);
		text[length] = '\0';
		char *seen = masked(text);
		assert_true(strlen(seen) <= 3 * length);
		query_fingerprint(text);
		free(seen);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),	    cmocka_unit_test(test_numbers), cmocka_unit_test(test_others),
		cmocka_unit_test(test_backslashes), cmocka_unit_test(test_cut_off), cmocka_unit_test(test_stable),
		cmocka_unit_test(test_long_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
