#include "inert.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct reading {
	const unsigned char *next, *end;
	const char *harm;
};

static bool starts_with(const struct reading *reading, const char *text)
{
	size_t length = strlen(text);
	return (size_t)(reading->end - reading->next) >= length && memcmp(reading->next, text, length) == 0;
}

/* Parameters, then a final letter that places, clears, colours or sets a mode: none that makes a terminal answer. */
static const char *read_control_sequence(struct reading *reading)
{
	static const char asks[] = "\033[5n";
	if (starts_with(reading, asks)) {
		reading->next += strlen(asks);
		return NULL;
	}
	reading->next += 2;
	while (reading->next < reading->end && strchr("0123456789;?>", *reading->next))
		reading->next++;
	if (reading->next == reading->end)
		return NULL; /* cut off by the end of what was read */
	return strchr("ABCDGHJKLMPSTXZ@`abdefhlmrt", *reading->next++) ? NULL : "a control sequence";
}

/* Ours: a title without anything in it but ASCII, and base64. */
static const char *read_string(struct reading *reading)
{
	if (!starts_with(reading, "\033]2;") && !starts_with(reading, "\033]52;c;"))
		return "a control string";
	for (reading->next += 4; reading->next < reading->end && *reading->next != '\a'; reading->next++)
		if (*reading->next < 0x20 || *reading->next > 0x7e)
			return "a byte in a control string";
	reading->next += reading->next < reading->end;
	return NULL;
}

static const char *read_escape(struct reading *reading)
{
	if (reading->end - reading->next < 2)
		return reading->next = reading->end, NULL;
	switch (reading->next[1]) {
	case '[':
		return read_control_sequence(reading);
	case ']':
		return read_string(reading);
	case '(':
	case ')':
		reading->next += reading->end - reading->next < 3 ? 2 : 3;
		return NULL;
	case '=':
	case '>':
	case '7':
	case '8':
	case 'M':
		reading->next += 2;
		return NULL;
	default:
		return "an escape sequence";
	}
}

static const char *judge(uint32_t character)
{
	if (character >= 0x7f && character <= 0x9f)
		return "a C1 control";
	if (character == 0x61c || character == 0x200e || character == 0x200f ||
	    (character >= 0x202a && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069))
		return "a bidirectional control";
	if (character == 0x2028 || character == 0x2029 || character == 0xfeff || character > 0x10ffff ||
	    (character >= 0xd800 && character <= 0xdfff))
		return "a character that is forbidden";
	return NULL;
}

static const char *read_character(struct reading *reading)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = *reading->next;
	int more = lead < 0x80 ? 0 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc2 ? 1 : -1;
	if (more < 0)
		return "a byte that is no UTF-8";
	uint32_t character = more ? lead & (0x3fu >> more) : lead;
	for (int i = 1; i <= more; i++) {
		if (reading->next + i == reading->end)
			return reading->next = reading->end, NULL; /* cut off */
		if ((reading->next[i] & 0xc0) != 0x80)
			return "a byte that is no UTF-8";
		character = character << 6 | (reading->next[i] & 0x3f);
	}
	if (character < least[more])
		return "an overlong form";
	reading->next += more + 1;
	return judge(character);
}

const char *inert_find_harm(const char *bytes, size_t length, bool terminal)
{
	static char words[160];
	struct reading reading = { (const unsigned char *)bytes, (const unsigned char *)bytes + length, NULL };
	while (reading.next < reading.end && !reading.harm) {
		unsigned char byte = *reading.next;
		const unsigned char *from = reading.next;
		if (byte == '\033' && terminal)
			reading.harm = read_escape(&reading);
		else if (byte == '\n' || (terminal && (byte == '\r' || byte == '\b')))
			reading.next++;
		else
			reading.harm = byte < 0x20 ? "a control character" : read_character(&reading);
		if (reading.harm)
			snprintf(words, sizeof words, "%s: %02x %02x %02x %02x at %zu", reading.harm, from[0],
				 from + 1 < reading.end ? from[1] : 0, from + 2 < reading.end ? from[2] : 0,
				 from + 3 < reading.end ? from[3] : 0, (size_t)(from - (const unsigned char *)bytes));
	}
	return reading.harm ? words : NULL;
}
