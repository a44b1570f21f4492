#include "pglocktop/prompt.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *const labels[] = {
	[PROMPT_NONE] = "",
	[PROMPT_FILTER] = "filter",
	[PROMPT_SEARCH] = "search",
	[PROMPT_GO_TO] = "go to pid",
	[PROMPT_INTERVAL] = "seconds between refreshes",
	[PROMPT_MINIMUM_AGE] = "only what has lasted this many seconds",
	[PROMPT_UNMASK] = "unmask? y Enter shows the literals",
	[PROMPT_ANSWER] = "answer",
	[PROMPT_REASON] = "reason",
};

const char *prompt_label(enum prompt_kind kind)
{
	return labels[kind];
}

void prompt_open(struct prompt *prompt, enum prompt_kind kind, const char *text)
{
	*prompt = (struct prompt){ .kind = kind, .complaint_at = SIZE_MAX };
	snprintf(prompt->text, sizeof prompt->text, "%s", text);
	prompt->length = strlen(prompt->text);
}

void prompt_close(struct prompt *prompt)
{
	*prompt = (struct prompt){ .kind = PROMPT_NONE, .complaint_at = SIZE_MAX };
}

static void prompt_add(struct prompt *prompt, uint32_t key)
{
	char bytes[4];
	size_t count = 0;
	if (key < 0x80) {
		bytes[count++] = (char)key;
	} else if (key < 0x800) {
		bytes[count++] = (char)(0xc0 | key >> 6);
	} else if (key < 0x10000) {
		bytes[count++] = (char)(0xe0 | key >> 12);
		bytes[count++] = (char)(0x80 | (key >> 6 & 0x3f));
	} else {
		bytes[count++] = (char)(0xf0 | key >> 18);
		bytes[count++] = (char)(0x80 | (key >> 12 & 0x3f));
		bytes[count++] = (char)(0x80 | (key >> 6 & 0x3f));
	}
	if (key >= 0x80)
		bytes[count++] = (char)(0x80 | (key & 0x3f));
	if (prompt->length + count >= sizeof prompt->text)
		return;
	memcpy(prompt->text + prompt->length, bytes, count);
	prompt->length += count;
	prompt->text[prompt->length] = '\0';
}

static void prompt_take_character(struct prompt *prompt)
{
	while (prompt->length > 0 && ((unsigned char)prompt->text[--prompt->length] & 0xc0) == 0x80)
		;
	prompt->text[prompt->length] = '\0';
}

static void prompt_take_word(struct prompt *prompt)
{
	while (prompt->length > 0 && prompt->text[prompt->length - 1] == ' ')
		prompt->length--;
	while (prompt->length > 0 && prompt->text[prompt->length - 1] != ' ')
		prompt->length--;
	prompt->text[prompt->length] = '\0';
}

enum prompt_reply prompt_key(struct prompt *prompt, uint32_t key, bool pasted)
{
	prompt->complaint[0] = '\0';
	prompt->complaint_at = SIZE_MAX;
	if (pasted && (key == INPUT_ENTER || key == INPUT_TAB || key < 0x20))
		key = ' ';
	if (pasted && key >= INPUT_FIRST)
		return PROMPT_GOES_ON;
	switch (key) {
	case INPUT_ENTER:
		return PROMPT_ENTERED;
	case INPUT_ESCAPE:
	case INPUT_CTRL('c'):
		return PROMPT_LEFT;
	case INPUT_BACKSPACE:
	case INPUT_DELETE:
		prompt_take_character(prompt);
		break;
	case INPUT_CTRL('u'):
		prompt->length = 0;
		prompt->text[0] = '\0';
		break;
	case INPUT_CTRL('w'):
		prompt_take_word(prompt);
		break;
	default:
		if (key >= 0x20 && key != 0x7f && key < INPUT_FIRST)
			prompt_add(prompt, key);
	}
	return PROMPT_GOES_ON;
}
