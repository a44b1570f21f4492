#include "json_value.h"

#include <stdlib.h>
#include <string.h>

/*
 * Characters that a terminal or an editor would act upon, if somebody looks at the document: U+007F to U+009F,
 * bidirectional controls, line separators, U+FEFF. Returns the length of one at `text`, 0 if there is none.
 */
static size_t take_active(const char *text, uint32_t *code)
{
	const unsigned char *byte = (const unsigned char *)text;
	if (byte[0] == 0x7f) {
		*code = byte[0];
		return 1;
	}
	if ((byte[0] & 0xe0) == 0xc0 && byte[1]) {
		*code = (byte[0] & 0x1fu) << 6 | (byte[1] & 0x3fu);
		return *code <= 0x9f || *code == 0x61c ? 2 : 0;
	}
	if (byte[0] == 0xe2 && byte[1] && byte[2]) {
		*code = 0x2000u | (byte[1] & 0x3fu) << 6 | (byte[2] & 0x3fu);
		bool active = *code == 0x200e || *code == 0x200f || (*code >= 0x2028 && *code <= 0x202e) ||
			      (*code >= 0x2066 && *code <= 0x2069);
		return active ? 3 : 0;
	}
	*code = 0xfeff;
	return strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static void add_escaped(struct strbuf *out, const char *text)
{
	const char *plain = text;
	while (*text) {
		uint32_t code;
		size_t length = take_active(text, &code);
		if (length) {
			strbuf_add(out, plain, (size_t)(text - plain));
			strbuf_printf(out, "\\u%04X", code);
			plain = text + length;
		}
		text += length ? length : 1;
	}
	strbuf_add(out, plain, (size_t)(text - plain));
}

void json_value_write(json_t *owned, struct strbuf *out)
{
	char *text = json_dumps(owned, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (!text)
		err_die("out of memory");
	add_escaped(out, text);
	free(text);
	json_decref(owned);
}
