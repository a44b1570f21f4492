#include "filter_parse.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static enum filter_parse_result bad(struct filter_parser *parser, size_t at, const char *problem)
{
	parser->problem = problem;
	parser->problem_at = at;
	return FILTER_PARSE_BAD;
}

/* By its whole name: a beginning would turn too many patterns with a colon into something else. */
static const struct column *find_scope(const char *name, size_t length)
{
	static const struct {
		const char *name;
		enum column_id id;
	} shorts[] = { { "app", COLUMN_APPLICATION }, { "db", COLUMN_DATABASE } };
	for (size_t i = 0; i < COLUMN_OF_SESSIONS; i++)
		if (strlen(columns[i].name) == length && strncasecmp(columns[i].name, name, length) == 0)
			return &columns[i];
	for (size_t i = 0; i < sizeof shorts / sizeof shorts[0]; i++)
		if (strlen(shorts[i].name) == length && strncasecmp(shorts[i].name, name, length) == 0)
			return &columns[shorts[i].id];
	return NULL;
}

/* A second colon makes it a cast, user::text, and no prefix. */
static const struct column *take_scope(struct filter_parser *parser)
{
	const char *start = parser->line + parser->at;
	size_t length = strspn(start, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
	if (length == 0 || start[length] != ':' || start[length + 1] == ':')
		return NULL;
	const struct column *column = find_scope(start, length);
	if (column)
		parser->at += length + 1;
	return column;
}

static enum filter_parse_result take_quoted(struct filter_parser *parser, struct filter_part *part)
{
	size_t open = parser->at, at = open + 1;
	const char *line = parser->line;
	while (line[at] && line[at] != line[open])
		at += line[at] == '\\' && line[at + 1] ? 2 : 1;
	if (!line[at])
		return bad(parser, open, "this quote is not closed");
	if (line[at + 1] && !is_blank(line[at + 1]))
		return bad(parser, at + 1, "a blank must follow the closing quote");
	part->start = open + 1;
	part->length = at - part->start;
	parser->at = at + 1;
	return FILTER_PARSE_TERM;
}

static enum filter_parse_result take_bare(struct filter_parser *parser, struct filter_part *part)
{
	const char *line = parser->line;
	part->start = parser->at;
	while (line[parser->at] && !is_blank(line[parser->at]))
		parser->at += line[parser->at] == '\\' && line[parser->at + 1] ? 2 : 1;
	part->length = parser->at - part->start;
	return FILTER_PARSE_TERM;
}

enum filter_parse_result filter_parse_next(struct filter_parser *parser, struct filter_part *part)
{
	const char *line = parser->line;
	while (is_blank(line[parser->at]))
		parser->at++;
	if (!line[parser->at])
		return FILTER_PARSE_END;
	part->negated = line[parser->at] == '!';
	parser->at += part->negated;
	part->column = take_scope(parser);
	bool quoted = line[parser->at] == '"' || line[parser->at] == '\'';
	enum filter_parse_result result = quoted ? take_quoted(parser, part) : take_bare(parser, part);
	if (result == FILTER_PARSE_TERM && part->length == 0)
		return bad(parser, part->start, "a pattern is missing here");
	return result;
}
