#include "pglocktop/strbuf.h"

#include "pglocktop/err.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char strbuf_empty[1];

static void strbuf_reserve(struct strbuf *buf, size_t more)
{
	ensure(more < SIZE_MAX / 2 - buf->length);
	size_t wanted = buf->length + more + 1;
	if (wanted <= buf->capacity)
		return;
	size_t capacity = buf->capacity ? buf->capacity * 2 : 64;
	if (capacity < wanted)
		capacity = wanted;
	char *text = realloc(buf->capacity ? buf->text : NULL, capacity);
	if (!text)
		err_die("out of memory (%zu bytes)", capacity);
	text[buf->length] = '\0';
	buf->text = text;
	buf->capacity = capacity;
}

void strbuf_add(struct strbuf *buf, const char *bytes, size_t length)
{
	if (length == 0)
		return;
	strbuf_reserve(buf, length);
	memcpy(buf->text + buf->length, bytes, length);
	buf->length += length;
	buf->text[buf->length] = '\0';
}

void strbuf_add_string(struct strbuf *buf, const char *string)
{
	strbuf_add(buf, string, strlen(string));
}

void strbuf_add_char(struct strbuf *buf, char c)
{
	strbuf_add(buf, &c, 1);
}

void strbuf_vprintf(struct strbuf *buf, const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, fmt, args);
	ensure(length >= 0);
	strbuf_reserve(buf, (size_t)length);
	vsnprintf(buf->text + buf->length, (size_t)length + 1, fmt, again);
	buf->length += (size_t)length;
	va_end(again);
}

void strbuf_printf(struct strbuf *buf, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	strbuf_vprintf(buf, fmt, args);
	va_end(args);
}

void strbuf_truncate(struct strbuf *buf, size_t length)
{
	ensure(length <= buf->length);
	if (length == buf->length)
		return;
	buf->length = length;
	buf->text[length] = '\0';
}

void strbuf_reset(struct strbuf *buf)
{
	strbuf_truncate(buf, 0);
}

void strbuf_release(struct strbuf *buf)
{
	if (buf->capacity)
		free(buf->text);
	*buf = (struct strbuf)STRBUF_INIT;
}

char *strbuf_detach(struct strbuf *buf)
{
	strbuf_reserve(buf, 0);
	char *text = buf->text;
	*buf = (struct strbuf)STRBUF_INIT;
	return text;
}
