/* Whatever the bytes: what comes out of text.h is inert, and as wide as it says. */
#include "text.h"

#include "pglocktop/err.h"

#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A second opinion on what is forbidden, written down apart from text.c. */
static bool is_harmless(uint32_t code)
{
	return code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && code != 0x61c &&
	       !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
	       !(code >= 0x2060 && code <= 0x206f) && code != 0xfeff && !(code >= 0xd800 && code <= 0xf8ff) &&
	       code < 0xe0000 && (code & 0xfffe) != 0xfffe;
}

static void check_glyphs(struct charset charset, const char *text, const char *end, bool one_line)
{
	struct glyph_reader reader = { .next = text, .end = end, .one_line = one_line, .charset = charset };
	struct glyph glyph;
	size_t count = 0;
	while (text_next_glyph(&reader, &glyph)) {
		ensure(glyph.width == 1 || glyph.width == 2);
		ensure(is_harmless(glyph.base));
		ensure(charset.unicode || (glyph.base < 0x7f && !glyph.marks[0]));
		for (size_t i = 0; i < 2; i++)
			ensure(!glyph.marks[i] || (is_harmless(glyph.marks[i]) && glyph.base != ' '));
		count++;
	}
	ensure(reader.next == end && count <= (size_t)(end - text) * 4);
}

/* What is inert stays as it is. */
static void check_inert(struct charset charset, const char *text)
{
	struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
	text_add_inert(charset, text, &once);
	text_add_inert(charset, once.text, &twice);
	ensure(strcmp(once.text, twice.text) == 0);
	ensure(text_width(charset, text) == text_width(charset, once.text));
	strbuf_release(&once);
	strbuf_release(&twice);
}

struct wrapped {
	struct charset charset;
	int width, count;
};

static void check_line(void *context, const char *line)
{
	struct wrapped *wrapped = context;
	ensure(text_width(wrapped->charset, line) <= wrapped->width);
	ensure(!strpbrk(line, "\r\n\t\033"));
	wrapped->count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!setlocale(LC_ALL, "C.UTF-8") || size == 0)
		return 0;
	char *text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	for (int unicode = 0; unicode < 2; unicode++) {
		struct charset charset = { .unicode = unicode };
		struct wrapped wrapped = { .charset = charset, .width = 1 + data[0] % 100 };
		check_glyphs(charset, text, text + size - 1, true);
		check_glyphs(charset, text, text + size - 1, false);
		check_inert(charset, text);
		int lines = text_wrap(charset, text, wrapped.width, 20, check_line, &wrapped);
		ensure(wrapped.count == (lines < 20 ? lines : 20));
	}
	free(text);
	return 0;
}
