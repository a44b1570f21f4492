#include "text.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#define WIDTH_COUNTED 1000000

struct code_range {
	uint32_t first, last;
};

/*
 * Characters that act on the terminal, on the order of others, or that cannot be seen. The invisible ones are those
 * with the property Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt).
 */
static const struct code_range forbidden[] = {
	{ 0x0000, 0x001f }, /* C0 */
	{ 0x007f, 0x009f }, /* DEL and C1 */
	{ 0x00ad, 0x00ad }, /* soft hyphen */
	{ 0x034f, 0x034f }, /* combining grapheme joiner */
	{ 0x061c, 0x061c }, /* Arabic letter mark: bidirectional */
	{ 0x115f, 0x1160 }, /* Hangul fillers */
	{ 0x17b4, 0x17b5 }, /* Khmer inherent vowels */
	{ 0x180b, 0x180f }, /* Mongolian variation selectors and vowel separator */
	{ 0x200b, 0x200f }, /* zero-width space and joiners; bidirectional marks */
	{ 0x2028, 0x202e }, /* line and paragraph separator; bidirectional embeddings and overrides */
	{ 0x2060, 0x206f }, /* word joiner, invisible operators; bidirectional isolates */
	{ 0x3164, 0x3164 }, /* Hangul filler */
	{ 0xd800, 0xf8ff }, /* surrogates, private use */
	{ 0xfdd0, 0xfdef }, /* noncharacters */
	{ 0xfe00, 0xfe0f }, /* variation selectors: terminals disagree on the width that they give */
	{ 0xfeff, 0xfeff }, /* byte order mark */
	{ 0xffa0, 0xffa0 }, /* Hangul filler */
	{ 0xfff0, 0xfffb }, /* interlinear annotation */
	{ 0xfffe, 0xffff }, /* noncharacters */
	{ 0x1bca0, 0x1bca3 }, /* shorthand format controls */
	{ 0x1d173, 0x1d17a }, /* musical format controls */
	{ 0xe0000, UINT32_MAX }, /* tags, variation selectors, private use */
};

static bool code_is_forbidden(uint32_t code)
{
	for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden && forbidden[i].first <= code; i++) {
		if (code <= forbidden[i].last)
			return true;
	}
	return false;
}

/* Property White_Space (Unicode, PropList.txt). */
static bool code_is_white(uint32_t code)
{
	return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xa0 || code == 0x1680 ||
	       (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
	       code == 0x205f || code == 0x3000;
}

/* The character at `next` and its length in bytes; 0 when it is not well-formed (Unicode, table 3-7). */
static size_t utf8_decode(const char *next, const char *end, uint32_t *code)
{
	const unsigned char *bytes = (const unsigned char *)next;
	if (bytes[0] < 0x80) {
		*code = bytes[0];
		return 1;
	}
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : bytes[0] < 0xf5 ? 4 : 0;
	if (length == 0 || (size_t)(end - next) < length)
		return 0;
	uint32_t value = bytes[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (bytes[i] & 0x3fu);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return length;
}

static void utf8_add(uint32_t code, struct strbuf *out)
{
	char bytes[4];
	size_t length = 0;
	if (code < 0x80) {
		bytes[length++] = (char)code;
	} else if (code < 0x800) {
		bytes[length++] = (char)(0xc0 | code >> 6);
		bytes[length++] = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		bytes[length++] = (char)(0xe0 | code >> 12);
		bytes[length++] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[length++] = (char)(0x80 | (code & 0x3f));
	} else {
		bytes[length++] = (char)(0xf0 | code >> 18);
		bytes[length++] = (char)(0x80 | (code >> 12 & 0x3f));
		bytes[length++] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[length++] = (char)(0x80 | (code & 0x3f));
	}
	strbuf_add(out, bytes, length);
}

struct charset text_charset(bool no_unicode)
{
	return (struct charset){ .unicode = !no_unicode && strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0 };
}

/* The width of a character that may be shown; -1: it may not. */
static int code_width(struct charset charset, uint32_t code)
{
	if (code >= 0x20 && code < 0x7f)
		return 1;
	if (code_is_forbidden(code))
		return -1;
	return charset.unicode ? wcwidth((wchar_t)code) : 1;
}

static void set_glyph(struct glyph *glyph, uint32_t base, int width)
{
	*glyph = (struct glyph){ .base = base, .width = (uint8_t)width };
}

static bool take_pending(struct glyph_reader *reader, struct glyph *glyph)
{
	if (reader->pending_used == reader->pending_length)
		return false;
	set_glyph(glyph, (unsigned char)reader->pending[reader->pending_used++], 1);
	return true;
}

static bool take_stand_in(struct glyph_reader *reader, const char *prefix, int digits, uint32_t value,
			  struct glyph *glyph)
{
	int length = snprintf(reader->pending, sizeof reader->pending, "%s%0*" PRIx32, prefix, digits, value);
	reader->pending_length = (uint8_t)length;
	reader->pending_used = 0;
	return take_pending(reader, glyph);
}

/* Where the white space at reader->next ends; `plain`: it is nothing but blanks. */
static const char *white_end(const struct glyph_reader *reader, bool *plain)
{
	const char *next = reader->next;
	*plain = true;
	while (next < reader->end) {
		uint32_t code;
		size_t length = utf8_decode(next, reader->end, &code);
		if (length == 0 || !code_is_white(code))
			break;
		*plain = *plain && code == ' ';
		next += length;
	}
	return next;
}

/* White space of `length` bytes is next. False: it gives nothing to show. */
static bool take_white(struct glyph_reader *reader, size_t length, struct glyph *glyph)
{
	set_glyph(glyph, ' ', 1);
	if (reader->one_line && (!reader->blanks_end || reader->next >= reader->blanks_end)) {
		bool plain;
		const char *end = white_end(reader, &plain);
		if (!plain) {
			reader->next = end;
			return reader->begun && end < reader->end;
		}
		reader->blanks_end = end;
	}
	reader->next += length;
	return true;
}

static void take_marks(struct glyph_reader *reader, struct glyph *glyph)
{
	size_t count = 0;
	/* A mark is never ASCII: most characters are through here at once. */
	while (reader->next < reader->end && (unsigned char)*reader->next >= 0x80) {
		uint32_t code;
		size_t length = utf8_decode(reader->next, reader->end, &code);
		if (length == 0 || code_width(reader->charset, code) != 0)
			return;
		if (count < sizeof glyph->marks / sizeof *glyph->marks)
			glyph->marks[count++] = code;
		reader->next += length;
	}
}

/* A character that is no white space. */
static bool take_character(struct glyph_reader *reader, uint32_t code, size_t length, struct glyph *glyph)
{
	reader->next += length;
	int width = code_width(reader->charset, code);
	if (width < 1 && code < 0x80)
		return take_stand_in(reader, "\\x", 2, code, glyph);
	if (width < 1 && code <= 0xffff)
		return take_stand_in(reader, "\\u", 4, code, glyph);
	if (width < 1)
		return take_stand_in(reader, "\\U", 8, code, glyph);
	if (code >= 0x80 && !reader->charset.unicode)
		code = '?';
	set_glyph(glyph, code, width);
	take_marks(reader, glyph);
	return true;
}

bool text_next_glyph(struct glyph_reader *reader, struct glyph *glyph)
{
	bool taken = take_pending(reader, glyph);
	while (!taken && reader->next < reader->end) {
		uint32_t code;
		size_t length = utf8_decode(reader->next, reader->end, &code);
		if (length == 0)
			taken = take_stand_in(reader, "\\x", 2, (unsigned char)*reader->next++, glyph);
		else if (code_is_white(code))
			taken = take_white(reader, length, glyph);
		else
			taken = take_character(reader, code, length, glyph);
	}
	reader->begun = true;
	return taken;
}

void text_add_glyph(const struct glyph *glyph, struct strbuf *out)
{
	utf8_add(glyph->base, out);
	for (size_t i = 0; i < sizeof glyph->marks / sizeof *glyph->marks && glyph->marks[i]; i++)
		utf8_add(glyph->marks[i], out);
}

static struct glyph_reader one_line_reader(struct charset charset, const char *text)
{
	return (struct glyph_reader){ .next = text, .end = text + strlen(text), .one_line = true, .charset = charset };
}

int text_width(struct charset charset, const char *text)
{
	struct glyph_reader reader = one_line_reader(charset, text);
	struct glyph glyph;
	int width = 0;
	while (width < WIDTH_COUNTED && text_next_glyph(&reader, &glyph))
		width += glyph.width;
	return width;
}

void text_add_inert(struct charset charset, const char *text, struct strbuf *out)
{
	struct glyph_reader reader = one_line_reader(charset, text);
	struct glyph glyph;
	while (text_next_glyph(&reader, &glyph))
		text_add_glyph(&glyph, out);
}
