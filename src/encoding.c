#include "encoding.h"

#include "pglocktop/err.h"
#include "pglocktop/strbuf.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The encodings that a PostgreSQL database can have, src/common/encnames.c, by the names that iconv knows. */
static const struct {
	const char *server, *iconv;
} encodings[] = {
	{ "EUC_JP", "EUC-JP" },
	{ "EUC_CN", "EUC-CN" },
	{ "EUC_KR", "EUC-KR" },
	{ "EUC_TW", "EUC-TW" },
	{ "EUC_JIS_2004", "EUC-JISX0213" },
	{ "LATIN1", "ISO-8859-1" },
	{ "LATIN2", "ISO-8859-2" },
	{ "LATIN3", "ISO-8859-3" },
	{ "LATIN4", "ISO-8859-4" },
	{ "LATIN5", "ISO-8859-9" },
	{ "LATIN6", "ISO-8859-10" },
	{ "LATIN7", "ISO-8859-13" },
	{ "LATIN8", "ISO-8859-14" },
	{ "LATIN9", "ISO-8859-15" },
	{ "LATIN10", "ISO-8859-16" },
	{ "WIN1256", "CP1256" },
	{ "WIN1258", "CP1258" },
	{ "WIN866", "CP866" },
	{ "WIN874", "CP874" },
	{ "KOI8R", "KOI8-R" },
	{ "KOI8U", "KOI8-U" },
	{ "WIN1251", "CP1251" },
	{ "WIN1252", "CP1252" },
	{ "WIN1250", "CP1250" },
	{ "WIN1253", "CP1253" },
	{ "WIN1254", "CP1254" },
	{ "WIN1255", "CP1255" },
	{ "WIN1257", "CP1257" },
	{ "ISO_8859_5", "ISO-8859-5" },
	{ "ISO_8859_6", "ISO-8859-6" },
	{ "ISO_8859_7", "ISO-8859-7" },
	{ "ISO_8859_8", "ISO-8859-8" },
};

enum { ENCODING_COUNT = sizeof encodings / sizeof *encodings };

#define NO_CONVERTER ((iconv_t)-1)

struct decoder {
	iconv_t converters[ENCODING_COUNT]; /* opened when first needed */
	bool tried[ENCODING_COUNT];
	struct strbuf text;
};

struct decoder *decoder_new(void)
{
	struct decoder *decoder = calloc(1, sizeof *decoder);
	if (!decoder)
		err_die("out of memory (%zu bytes)", sizeof *decoder);
	decoder->text = (struct strbuf)STRBUF_INIT;
	return decoder;
}

void decoder_free(struct decoder *owned)
{
	if (!owned)
		return;
	for (size_t i = 0; i < ENCODING_COUNT; i++)
		if (owned->tried[i] && owned->converters[i] != NO_CONVERTER)
			iconv_close(owned->converters[i]);
	strbuf_release(&owned->text);
	free(owned);
}

static iconv_t find_converter(struct decoder *decoder, const char *encoding)
{
	for (size_t i = 0; encoding && i < ENCODING_COUNT; i++) {
		if (strcmp(encodings[i].server, encoding) != 0)
			continue;
		if (!decoder->tried[i])
			decoder->converters[i] = iconv_open("UTF-8", encodings[i].iconv);
		decoder->tried[i] = true;
		return decoder->converters[i];
	}
	return NO_CONVERTER;
}

static bool is_continuation(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Unicode 15, table 3-7: no overlong form, no surrogate, nothing above U+10FFFF. */
size_t encoding_utf8_sequence(const unsigned char *bytes, size_t length)
{
	unsigned char first = bytes[0];
	if (first < 0x80)
		return first != 0;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	size_t wanted = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (length < wanted)
		return 0;
	unsigned char least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (bytes[1] < least || bytes[1] > most)
		return 0;
	for (size_t i = 2; i < wanted; i++)
		if (!is_continuation(bytes[i]))
			return 0;
	return wanted;
}

static void add_escaped(struct strbuf *text, char byte)
{
	strbuf_printf(text, "\\x%02x", (unsigned char)byte);
}

static void decode_utf8(struct strbuf *text, const char *bytes, size_t length)
{
	while (length > 0) {
		size_t sequence = encoding_utf8_sequence((const unsigned char *)bytes, length);
		if (sequence > 0)
			strbuf_add(text, bytes, sequence);
		else
			add_escaped(text, *bytes);
		size_t taken = sequence > 0 ? sequence : 1;
		bytes += taken;
		length -= taken;
	}
}

/* What iconv wrote is UTF-8, but a NUL in the input is one in the output. */
static void decode_converted(struct strbuf *text, iconv_t converter, const char *bytes, size_t length)
{
	iconv(converter, NULL, NULL, NULL, NULL);
	char *input = (char *)(uintptr_t)bytes; /* iconv's signature lacks a const */
	while (length > 0) {
		char buffer[1024];
		char *output = buffer;
		size_t room = sizeof buffer;
		size_t before = length;
		bool bad = iconv(converter, &input, &length, &output, &room) == (size_t)-1 && errno != E2BIG;
		decode_utf8(text, buffer, (size_t)(output - buffer));
		if (!bad && length < before)
			continue;
		add_escaped(text, *input);
		input++;
		length--;
		iconv(converter, NULL, NULL, NULL, NULL);
	}
}

/* Every encoding of a PostgreSQL database has ASCII as it is. */
static bool is_ascii(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)(bytes[i] - 1) >= 0x7f)
			return false;
	return true;
}

const char *decoder_decode(struct decoder *decoder, const char *encoding, const char *bytes, size_t length,
			   struct arena *arena)
{
	if (is_ascii(bytes, length))
		return arena_bytes(arena, bytes, length);
	strbuf_reset(&decoder->text);
	iconv_t converter = find_converter(decoder, encoding);
	if (converter == NO_CONVERTER)
		decode_utf8(&decoder->text, bytes, length);
	else
		decode_converted(&decoder->text, converter, bytes, length);
	return arena_bytes(arena, decoder->text.text, decoder->text.length);
}
