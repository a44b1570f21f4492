#include "lexer.h"

#include <stddef.h>
#include <string.h>

enum { PARAMETER_DIGITS = 5 /* the protocol numbers them to 65535 */ };

static bool is_newline(char c)
{
	return c == '\n' || c == '\r';
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes beyond ASCII are letters. */
static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
	return is_letter(c) || is_digit(c);
}

static const char *skip_line(const char *at)
{
	return at + strcspn(at, "\n\r");
}

static bool begins_line_comment(const char *at)
{
	return at[0] == '-' && at[1] == '-';
}

static bool begins_comment(const char *at)
{
	return begins_line_comment(at) || (at[0] == '/' && at[1] == '*');
}

/* Those between slash and star nest. */
static const char *skip_comment(const char *at)
{
	size_t depth = 0;
	if (begins_line_comment(at))
		return skip_line(at);
	do {
		bool opens = at[0] == '/' && at[1] == '*', closes = at[0] == '*' && at[1] == '/';
		depth += opens;
		depth -= closes;
		at += opens || closes ? 2 : 1;
	} while (*at && depth > 0);
	return at;
}

/* Behind the quote that closes, NULL when none does; a doubled one goes on. `escapes`: a backslash takes the next byte
 * along. */
static const char *find_close(const char *at, char quote, bool escapes)
{
	for (; *at; at++) {
		if ((escapes && *at == '\\' && at[1]) || (*at == quote && at[1] == quote))
			at++;
		else if (*at == quote)
			return at + 1;
	}
	return NULL;
}

/* The quote by which a string that was just closed goes on: nothing but blanks and line comments before it, and a
 * new line among them. NULL: it does not. */
static const char *find_continuation(const char *at)
{
	bool newline = false;
	for (;; at++) {
		if (begins_line_comment(at))
			at = skip_line(at);
		if (is_newline(*at))
			newline = true;
		else if (!is_blank(*at))
			return *at == '\'' && newline ? at : NULL;
	}
}

/* `at`: its first quote. */
static const char *skip_string(const char *at, bool escapes)
{
	const char *quote = at;
	do {
		const char *close = find_close(quote + 1, '\'', escapes);
		if (!close)
			return quote + strlen(quote);
		at = close;
	} while ((quote = find_continuation(at)) != NULL);
	return at;
}

/* The quote of a string that begins here, with or without a prefix; NULL: none does. */
static const char *find_string(const char *at)
{
	switch (*at) {
	case '\'':
		return at;
	case 'b':
	case 'B':
	case 'e':
	case 'E':
	case 'n':
	case 'N':
	case 'x':
	case 'X':
		return at[1] == '\'' ? at + 1 : NULL;
	case 'u':
	case 'U':
		return at[1] == '&' && at[2] == '\'' ? at + 2 : NULL;
	default:
		return NULL;
	}
}

/* Whether backslashes count in a string with this first character. N'…' is a plain one with a type. */
static bool has_escapes(char first, bool plain_has)
{
	if (first == 'e' || first == 'E')
		return true;
	return plain_has && (first == '\'' || first == 'n' || first == 'N');
}

/* In a tag there is no further dollar sign: each comparison ends at the next one. */
static const char *skip_dollar_quoted(const char *at, size_t tag)
{
	const char *close = strchr(at + tag, '$');
	for (; close; close = strchr(close + 1, '$'))
		if (strncmp(close, at, tag) == 0)
			return close + tag;
	return at + strlen(at);
}

/* $1, $tag$…$tag$, or just the sign. */
static const char *lex_dollar(const char *at, enum lexeme_kind *kind)
{
	const char *end = at + 1;
	if (is_digit(*end)) {
		while (is_digit(*end))
			end++;
		*kind = end - at - 1 > PARAMETER_DIGITS ? LEXEME_LITERAL : LEXEME_OTHER;
		return end;
	}
	while (is_word(*end))
		end++;
	if (*end != '$')
		return at + 1;
	*kind = LEXEME_LITERAL;
	return skip_dollar_quoted(at, (size_t)(end + 1 - at));
}

static bool goes_on_number(const char *at)
{
	if (*at == '.')
		return at[1] != '.'; /* 1..10 are two */
	if (*at == '+' || *at == '-')
		return (at[-1] == 'e' || at[-1] == 'E') && is_digit(at[1]);
	return is_word(*at);
}

/* With all letters that follow, whether they belong to it or are junk. */
static const char *skip_number(const char *at)
{
	bool letters = false;
	do
		letters |= is_letter(*at++);
	while (goes_on_number(at));
	/* One version's number before a dollar quote is another's name with a dollar sign: so all that follows goes. */
	return letters && *at == '$' ? at + strlen(at) : at;
}

static const char *lex_quoted_name(const char *at, enum lexeme_kind *kind)
{
	const char *close = find_close(at + 1, '"', false);
	if (close)
		return close;
	*kind = LEXEME_LITERAL;
	return at + strlen(at);
}

static const char *skip_other(const char *at)
{
	if (at[0] == '.' && at[1] == '.')
		return at + 2;
	if (!is_letter(*at))
		return at + 1;
	while (is_word(*at) || *at == '$')
		at++;
	return at;
}

static const char *lex(const char *at, bool escapes, enum lexeme_kind *kind)
{
	const char *quote = find_string(at);
	*kind = LEXEME_LITERAL;
	if (quote)
		return skip_string(quote, has_escapes(*at, escapes));
	if (is_digit(*at) || (*at == '.' && is_digit(at[1])))
		return skip_number(at);
	*kind = LEXEME_OTHER;
	if (*at == '$')
		return lex_dollar(at, kind);
	if (*at == '"')
		return lex_quoted_name(at, kind);
	return skip_other(at);
}

bool lexer_next(struct lexer *lexer, struct lexeme *lexeme)
{
	const char *at = lexer->at;
	if (!*at)
		return false;
	lexeme->start = at;
	if (is_blank(*at)) {
		lexeme->kind = LEXEME_SPACE;
		while (is_blank(*at))
			at++;
	} else if (begins_comment(at)) {
		lexeme->kind = LEXEME_COMMENT;
		at = skip_comment(at);
	} else {
		at = lex(at, lexer->escapes, &lexeme->kind);
	}
	lexeme->end = lexer->at = at;
	return true;
}
