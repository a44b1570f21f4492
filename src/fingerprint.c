#include "fingerprint.h"

#include "lexer.h"

static uint64_t add_bytes(uint64_t hash, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* White space and comments count as one blank between two lexemes. */
uint64_t query_fingerprint(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	struct lexer lexer = { .at = text };
	struct lexeme lexeme;
	bool begun = false, blank = false;
	while (lexer_next(&lexer, &lexeme)) {
		if (lexeme.kind == LEXEME_SPACE || lexeme.kind == LEXEME_COMMENT) {
			blank = true;
			continue;
		}
		if (begun && blank)
			hash = add_bytes(hash, " ", 1);
		begun = true;
		blank = false;
		if (lexeme.kind == LEXEME_LITERAL)
			hash = add_bytes(hash, "?", 1);
		else
			hash = add_bytes(hash, lexeme.start, (size_t)(lexeme.end - lexeme.start));
	}
	return hash;
}

uint64_t session_fingerprint(const struct session *session)
{
	if (session->has_query_id)
		return (uint64_t)session->query_id;
	if (session->fingerprint)
		return session->fingerprint;
	return query_fingerprint(session->query_with_literals ? session->query_with_literals : "");
}
