/* Any text is masked and stays so; any content in any form of literal is gone, wherever the text was cut off. */
#include "pglocktop/mask.h"

#include "fingerprint.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CONTENT_MOST = 64, PLANTED = 'Q' };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_any(const char *text)
{
	struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
	mask_add(text, &once);
	ensure(once.length <= 3 * strlen(text));
	mask_add(once.text, &twice);
	if (!strchr(text, '\\')) {
		ensure(strcmp(once.text, twice.text) == 0);
		ensure(query_fingerprint(text) == query_fingerprint(once.text));
	}
	strbuf_release(&once);
	strbuf_release(&twice);
}

struct form {
	const char *before, *after;
	const char *doubled, *escaped; /* characters of the content that are doubled, or get a backslash */
	const char *blanked; /* characters that cannot be in it; NULL: all but letters and digits */
};

/* `a` follows each, and is no literal. */
static const struct form forms[] = {
	{ "select '", "' || a", "'", "", "" },
	{ "select E'", "' || a", "", "'\\", "" },
	{ "select e'", "' || a", "'", "\\", "" },
	{ "select E'x'\n -- 'it''s\n '", "' || a", "'", "\\", "" },
	{ "select U&'", "' uescape '!' || a", "'", "", "" },
	{ "select N'", "' || a", "'", "", "" },
	{ "select x'", "' || a", "'", "", "" },
	{ "select $$", "$$ || a", "", "", "$" },
	{ "select $x$", "$x$ || a", "", "", "$" },
	{ "select $x$ $$ ", " $ $x$ || a", "", "", "$" },
	{ "select /* ", " */ a", "", "", "*/" },
	{ "select /* /* ", " */ */ a", "", "", "*/" },
	{ "select -- ", "\n a", "", "", "\r\n" },
	{ "select 0x", " + a", "", "", NULL },
	{ "select 1", " + a", "", "", NULL },
};

static bool fits(const struct form *form, char c)
{
	if (form->blanked)
		return c != '\0' && !strchr(form->blanked, c);
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static void add_content(const struct form *form, const uint8_t *data, size_t size, struct strbuf *text)
{
	for (size_t i = 0; i < size; i++) {
		char c = fits(form, (char)data[i]) ? (char)data[i] : '_';
		if (strchr(form->doubled, c))
			strbuf_add_char(text, c);
		else if (strchr(form->escaped, c))
			strbuf_add_char(text, '\\');
		strbuf_add_char(text, c);
	}
}

static void check_cuts(struct strbuf *text)
{
	struct strbuf seen = STRBUF_INIT;
	for (size_t length = text->length;; length--) {
		strbuf_truncate(text, length);
		strbuf_reset(&seen);
		mask_add(text->text, &seen);
		ensure(!strchr(seen.text, PLANTED));
		if (length == 0)
			break;
	}
	strbuf_release(&seen);
}

static void check_form(const struct form *form, const uint8_t *data, size_t size)
{
	struct strbuf text = STRBUF_INIT, seen = STRBUF_INIT;
	strbuf_add_string(&text, form->before);
	add_content(form, data, size, &text);
	strbuf_add_string(&text, form->after);
	mask_add(text.text, &seen);
	/* Under the other reading the string may end elsewhere, and what follows be in another one. */
	if (!strchr(text.text, '\\'))
		ensure(seen.text[seen.length - 1] == 'a');
	check_cuts(&text);
	strbuf_release(&text);
	strbuf_release(&seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *text = strndup((const char *)data, size);
	check_any(text);
	free(text);
	size_t content = size - 1 < CONTENT_MOST ? size - 1 : CONTENT_MOST;
	check_form(&forms[data[0] % (sizeof forms / sizeof *forms)], data + 1, content);
	return 0;
}
