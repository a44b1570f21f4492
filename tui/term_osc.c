#include "term_osc.h"

#include "text.h"

#include <stdint.h>

void term_osc_add_title(struct strbuf *out, const char *title)
{
	strbuf_add_string(out, "\033]2;");
	text_add_inert((struct charset){ .unicode = false }, title, out);
	strbuf_add_char(out, '\007');
}

/* Base64 (RFC 4648, 4): three bytes make four digits, = stands for a byte that is missing at the end. */
static void add_base64(struct strbuf *out, const char *bytes, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < length; i += 3) {
		uint32_t bits = (uint32_t)(unsigned char)bytes[i] << 16;
		bits |= i + 1 < length ? (uint32_t)(unsigned char)bytes[i + 1] << 8 : 0;
		bits |= i + 2 < length ? (uint32_t)(unsigned char)bytes[i + 2] : 0;
		strbuf_add_char(out, digits[bits >> 18]);
		strbuf_add_char(out, digits[bits >> 12 & 63]);
		strbuf_add_char(out, i + 1 < length ? digits[bits >> 6 & 63] : '=');
		strbuf_add_char(out, i + 2 < length ? digits[bits & 63] : '=');
	}
}

void term_osc_add_copy(struct strbuf *out, const char *text, size_t length)
{
	strbuf_add_string(out, "\033]52;c;");
	add_base64(out, text, length);
	strbuf_add_char(out, '\007');
}
