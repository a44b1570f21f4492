/*
 * lexer.h - cuts a query's text where PostgreSQL's own lexer would, as far as is needed to tell what is a literal.
 *
 * Invariants
 * - The lexemes follow each other without a gap: together they are the text. Reading all of them is O(n).
 * - Any text is read to its end. It may have been cut off by the server in the middle of a lexeme, or be no SQL at all
 *   (a command of a replication connection, "autovacuum: VACUUM …").
 * - What one version takes for a literal is one, so that a number may be longer than another version would have it:
 * 0x1f and 1_000 are numbers since 16, 1and was a number and a word until 14.
 *
 * Source: src/backend/parser/scan.l of PostgreSQL 10 to 18.
 */
#ifndef PGLOCKTOP_LEXER_H
#define PGLOCKTOP_LEXER_H

#include <stdbool.h>

enum lexeme_kind {
	LEXEME_SPACE,
	LEXEME_COMMENT, /* open to the end of the text, if need be */
	/*
	 * A string in any of its forms with its prefix and its continuations in further lines, or a number; a string
	 * that is open ends with the text. So does a quoted name that is open: who forgot its end did not mean a name
	 * by all that follows.
	 */
	LEXEME_LITERAL,
	LEXEME_OTHER /* a name, a quoted name, a parameter ($1), or one character of anything else */
};

struct lexeme {
	enum lexeme_kind kind;
	const char *start, *end;
};

struct lexer {
	const char *at; /* the text from here on, terminated by zero */
	bool escapes; /* '…\'…' is one string: standard_conforming_strings is off */
};

/* False at the end of the text. */
bool lexer_next(struct lexer *lexer, struct lexeme *lexeme);

#endif
