#include "pglocktop/mask.h"

#include "lexer.h"

#include <string.h>

/* One way to read the text: the next lexeme that is not to be shown. */
struct reading {
	struct lexer lexer;
	struct lexeme hidden;
	bool more; /* false: there is none */
};

static void reading_next(struct reading *reading)
{
	do
		reading->more = lexer_next(&reading->lexer, &reading->hidden);
	while (reading->more && reading->hidden.kind != LEXEME_LITERAL && reading->hidden.kind != LEXEME_COMMENT);
}

/* Takes in the reading's next if it begins before `limit`; several in a row, while they overlap. */
static bool reading_join(struct reading *reading, struct lexeme *hidden)
{
	bool joined = false;
	for (; reading->more && reading->hidden.start < hidden->end; reading_next(reading)) {
		if (reading->hidden.end > hidden->end)
			hidden->end = reading->hidden.end;
		if (reading->hidden.kind == LEXEME_LITERAL)
			hidden->kind = LEXEME_LITERAL;
		joined = true;
	}
	return joined;
}

/* The next stretch that is hidden under either reading. */
static struct lexeme next_hidden(struct reading *a, struct reading *b)
{
	struct reading *first = !b->more || (a->more && a->hidden.start <= b->hidden.start) ? a : b;
	struct lexeme hidden = first->hidden;
	reading_next(first);
	bool joined;
	do {
		joined = reading_join(a, &hidden);
		joined |= reading_join(b, &hidden);
	} while (joined);
	return hidden;
}

void mask_add(const char *text, struct strbuf *out)
{
	struct reading standard = { .lexer = { text, false } }, escaping = { .lexer = { text, true } };
	reading_next(&standard);
	/* Without a backslash there is but one reading. */
	if (strchr(text, '\\'))
		reading_next(&escaping);
	while (standard.more || escaping.more) {
		struct lexeme hidden = next_hidden(&standard, &escaping);
		strbuf_add(out, text, (size_t)(hidden.start - text));
		strbuf_add_string(out, hidden.kind == LEXEME_COMMENT ? "/*?*/" : "?");
		text = hidden.end;
	}
	strbuf_add_string(out, text);
}
