#include "fingerprint.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes beyond ASCII are letters to PostgreSQL's lexer. */
static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Behind the quote that closes; a doubled one goes on. `escapes`: a backslash takes the next byte along. */
static const char *skip_quoted(const char *at, char quote, bool escapes)
{
	for (; *at; at++) {
		if ((escapes && *at == '\\' && at[1]) || (*at == quote && at[1] == quote))
			at++;
		else if (*at == quote)
			return at + 1;
	}
	return at;
}

/* Behind $tag$ … $tag$; NULL if it does not begin one ($1 is a parameter). */
static const char *skip_dollar_quoted(const char *at)
{
	const char *end = at + 1;
	while (is_word(*end))
		end++;
	if (*end != '$' || is_digit(at[1]))
		return NULL;
	size_t length = (size_t)(end + 1 - at);
	for (const char *close = end + 1; *close; close++)
		if (*close == '$' && strncmp(close, at, length) == 0)
			return close + length;
	return end + strlen(end);
}

static const char *skip_number(const char *at)
{
	while (is_word(*at) || *at == '.' || ((*at == '-' || *at == '+') && (at[-1] == 'e' || at[-1] == 'E')))
		at++;
	return at;
}

/* Comments nest. */
static const char *skip_comment(const char *at)
{
	int depth = 0;
	do {
		bool opens = at[0] == '/' && at[1] == '*', closes = at[0] == '*' && at[1] == '/';
		depth += opens - closes;
		at += opens || closes ? 2 : 1;
	} while (*at && depth > 0);
	return at;
}

/* Behind the white space and comments at hand. */
static const char *skip_space(const char *at)
{
	for (;;) {
		if (is_blank(*at))
			at++;
		else if (at[0] == '-' && at[1] == '-')
			at += strcspn(at, "\n");
		else if (at[0] == '/' && at[1] == '*')
			at = skip_comment(at);
		else
			return at;
	}
}

/* Behind the constant at hand, NULL if there is none. */
static const char *skip_constant(const char *at, char before)
{
	if (*at == '\'')
		return skip_quoted(at + 1, '\'', before == 'E' || before == 'e');
	if (*at == '$')
		return skip_dollar_quoted(at);
	return is_digit(*at) && !is_word(before) && before != '$' ? skip_number(at) : NULL;
}

static uint64_t add_bytes(uint64_t hash, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t query_fingerprint(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	const char *at = skip_space(text);
	char before = '\0';
	while (*at) {
		const char *start = at, *end = skip_space(at);
		if (end != at) {
			hash = *end ? add_bytes(hash, " ", 1) : hash;
			before = ' ';
		} else if ((end = skip_constant(at, before)) != NULL) {
			hash = add_bytes(hash, "?", 1);
			before = '?';
		} else {
			end = *at == '"' ? skip_quoted(at + 1, '"', false) : at + 1;
			hash = add_bytes(hash, start, (size_t)(end - start));
			before = end[-1];
		}
		at = end;
	}
	return hash;
}
