#include "words.h"

#include <stdio.h>
#include <string.h>

/* Copies a word to `to`, without its quotes; returns where it ended. */
static char *cut_word(char *at, char *to)
{
	bool quoted = false;
	for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++) {
		unsigned char byte;
		if (*at == '"') {
			quoted = !quoted;
		} else if (quoted && *at == '\\' && sscanf(at, "\\x%2hhx", &byte) == 1) {
			*to++ = (char)byte;
			at += 3;
		} else {
			*to++ = *at;
		}
	}
	char *end = *at ? at + 1 : at;
	*to = '\0';
	return end;
}

int words_cut(char *line, char *words[], int most)
{
	int count = 0;
	for (;;) {
		line += strspn(line, " \t");
		if (*line == '\0' || *line == '#' || count == most)
			return count;
		words[count++] = line;
		line = cut_word(line, line);
	}
}

const char *word_value(const char *word, const char *key)
{
	size_t length = strlen(key);
	return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}
