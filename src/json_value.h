/*
 * json_value.h - what the documents that are written have in common: values that know null, and how a value goes out.
 *
 * Whatever text comes in, what goes out is valid JSON that does nothing to a terminal or an editor: U+007F to U+009F,
 * bidirectional controls and line separators are written as \uXXXX.
 */
#ifndef PGLOCKTOP_JSON_VALUE_H
#define PGLOCKTOP_JSON_VALUE_H

#include "pglocktop/err.h"
#include "pglocktop/snapshot.h"
#include "pglocktop/strbuf.h"

#include <jansson.h>

/* Appends the value in one line, without a newline, and gives it back to jansson. */
void json_value_write(json_t *owned, struct strbuf *out);

static inline void put(json_t *object, const char *name, json_t *owned)
{
	if (!owned || json_object_set_new_nocheck(object, name, owned) != 0)
		err_die("out of memory");
}

/* jansson refuses what is not UTF-8; a source that let such a text through must not end the program. */
static inline json_t *text_value(const char *text)
{
	json_t *value = text && *text ? json_string(text) : NULL;
	return value ? value : json_null();
}

static inline json_t *time_value(int64_t when)
{
	char text[WHEN_TEXT_SIZE];
	return when == WHEN_NONE ? json_null() : json_string(when_format_iso(when, text));
}

static inline json_t *seconds_value(int64_t age)
{
	return age == WHEN_NONE ? json_null() : json_real((double)age / (double)WHEN_SECOND);
}

static inline json_t *number_value(bool known, int64_t number)
{
	return known ? json_integer(number) : json_null();
}

static inline json_t *identity_value(struct identity id)
{
	char text[IDENTITY_TEXT_SIZE];
	return text_value(identity_format(id, text));
}

#endif
