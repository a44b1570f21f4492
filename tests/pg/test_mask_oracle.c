/*
 * Masking against the server's own lexer: statements thrown together from what is hard to read, in which every place
 * has its own word. Where the server takes the statement, a word that shows must be part of a column's name, since all
 * others were in a literal or in a comment; and without backslashes every name shows.
 */
#include "pglocktop/mask.h"
#include "pgserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum {
	STATEMENTS = 4000, /* by setting */
	TAKEN_LEAST = 800, /* of them, else this tests nothing */
	ITEMS_MOST = 4,
	PIECES_MOST = 6,
	NAME_MOST = 60, /* longer names are cut by the server */
	WORD_SIZE = 6
};

struct writer {
	uint64_t random;
	unsigned words; /* so far; each has a number of its own */
	struct strbuf sql;
};

static unsigned below(struct writer *writer, unsigned limit)
{
	writer->random ^= writer->random << 13;
	writer->random ^= writer->random >> 7;
	writer->random ^= writer->random << 17;
	return (unsigned)(writer->random % limit);
}

/* "qzab": nothing else in a statement looks like it. */
static void name_word(unsigned number, char word[static WORD_SIZE])
{
	snprintf(word, WORD_SIZE, "qz%c%c", 'a' + number / 26 % 26, 'a' + number % 26);
}

static void add_word(struct writer *writer)
{
	char word[WORD_SIZE];
	name_word(writer->words++, word);
	strbuf_add_string(&writer->sql, word);
}

static void add_any(struct writer *writer, const char *const *pieces, size_t count)
{
	strbuf_add_string(&writer->sql, pieces[below(writer, (unsigned)count)]);
}

static void add_gap(struct writer *writer)
{
	static const char *const gaps[] = { " ",	  "\n",	  " \n ", "\t",	   "\r",
					    " -- it's\n", "--\n", "/**/", "/*'*/", " \f\n" };
	add_any(writer, gaps, COUNT(gaps));
}

static void add_content(struct writer *writer)
{
	static const char *const pieces[] = { "'",  "''", "\\", "\\\\",	    "\\'", "\"", "$$", "$x$",
					      "$",  "--", "/*", "*/",	    "\n",  " ",	 "E'", "U&",
					      "||", "a",  "as", "\xc3\xa4", ",",   "x" };
	static const char *const harmless[] = { "''", "\"", "$", "--", "/*", " ", "E", ",", "\n", "\xe6\x97\xa5" };
	bool wild = below(writer, 3) == 0;
	for (unsigned left = below(writer, PIECES_MOST); left > 0; left--) {
		if (wild)
			add_any(writer, pieces, COUNT(pieces));
		else
			add_any(writer, harmless, COUNT(harmless));
		add_word(writer);
	}
}

static void add_item(struct writer *writer)
{
	static const char *const forms[][2] = {
		{ "'", "'" },
		{ "'", "'" },
		{ "E'", "'" },
		{ "e'", "\\''" },
		{ "N'", "'" },
		{ "U&'", "'" },
		{ "u&'", "' uescape '!'" },
		{ "$$", "$$" },
		{ "$x$", "$x$" },
		{ "$x$ $$ ", "$x$" },
		{ "'\\'", "'" },
		{ "'' \n '", "'" },
		{ "E''\n'\\'", "'" },
		{ "/*", "*/ ''" },
		{ "/* /*", "*/ */ ''" },
		{ "--", "\n''" },
		{ "date '2026-11-22' as \"", "\", ''" },
	};
	const char *const *form = forms[below(writer, COUNT(forms))];
	strbuf_add_string(&writer->sql, form[0]);
	add_content(writer);
	strbuf_add_string(&writer->sql, form[1]);
	add_gap(writer);
	if (below(writer, 2) == 0) {
		strbuf_add_string(&writer->sql, "as ");
		add_word(writer);
		add_gap(writer);
	}
}

static void write_statement(struct writer *writer)
{
	strbuf_reset(&writer->sql);
	writer->words = 0;
	strbuf_add_string(&writer->sql, "select ");
	for (unsigned left = 1 + below(writer, ITEMS_MOST); left > 0; left--) {
		add_item(writer);
		if (left > 1)
			strbuf_add_string(&writer->sql, ", ");
	}
}

/* A word is shown if and, where nothing is ambiguous, only if it is part of a column's name. */
static void compare(const struct writer *writer, const PGresult *result)
{
	struct strbuf masked = STRBUF_INIT, names = STRBUF_INIT;
	char word[WORD_SIZE];
	mask_add(writer->sql.text, &masked);
	for (int i = 0; i < PQnfields(result); i++) {
		strbuf_add_string(&names, PQfname(result, i));
		strbuf_add_char(&names, ' ');
	}
	bool ambiguous = strchr(writer->sql.text, '\\');
	for (unsigned i = 0; i < writer->words; i++) {
		name_word(i, word);
		bool shown = strstr(masked.text, word), named = strstr(names.text, word);
		if (shown && !named)
			fail_msg("%s shows in\n%s\nmasked from\n%s", word, masked.text, writer->sql.text);
		if (named && !shown && !ambiguous)
			fail_msg("the name %s is gone in\n%s\nmasked from\n%s", word, masked.text, writer->sql.text);
	}
	strbuf_release(&masked);
	strbuf_release(&names);
}

static bool is_whole(const PGresult *result)
{
	for (int i = 0; i < PQnfields(result); i++)
		if (strlen(PQfname(result, i)) >= NAME_MOST)
			return false;
	return PQresultStatus(result) == PGRES_TUPLES_OK;
}

static void compare_with(const char *setting)
{
	struct pgserver *server = pgserver_new(NULL);
	PGconn *conn = pgserver_connect(server, "dbname=postgres client_encoding=UTF8");
	struct writer writer = { .random = UINT64_C(88172645463325252), .sql = STRBUF_INIT };
	unsigned taken = 0;
	pgserver_run(conn, setting);
	pgserver_run(conn, "set client_min_messages = error");
	for (unsigned i = 0; i < STATEMENTS; i++) {
		write_statement(&writer);
		PGresult *result = PQexec(conn, writer.sql.text);
		if (is_whole(result)) {
			compare(&writer, result);
			taken++;
		}
		PQclear(result);
	}
	if (taken < TAKEN_LEAST)
		fail_msg("the server took only %u statements", taken);
	strbuf_release(&writer.sql);
	PQfinish(conn);
	pgserver_free(server);
}

static void standard_strings(void **state)
{
	(void)state;
	compare_with("set standard_conforming_strings = on");
}

static void strings_with_backslashes(void **state)
{
	(void)state;
	compare_with("set standard_conforming_strings = off; set escape_string_warning = off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standard_strings),
		cmocka_unit_test(strings_with_backslashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
