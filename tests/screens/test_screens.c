/*
 * Runs tests/screens/ *.txt: keys in, canvas out. Lines that begin with "> " are played (tests/play.h); what follows
 * "> screen [FIRST-[LAST]]" and "> effects" is what is to be seen, a row a line. "#" begins a comment.
 *
 * With SCREENS_WRITE=1 in the environment what was seen is written in its place: read it before you keep it.
 */
#include "play.h"

#include "scripts.h"
#include "words.h"

#include <limits.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MOST = 64 };

static size_t line_length(const char *line)
{
	size_t length = strcspn(line, "\n");
	return length + (line[length] == '\n');
}

static bool is_seen(const char *line)
{
	return strchr("|:*%", *line) != NULL && *line;
}

/* The lines after a played one, up to the next. */
static char *take_block(const char **next)
{
	struct strbuf block = STRBUF_INIT;
	while (**next && strncmp(*next, "> ", 2) != 0) {
		size_t length = line_length(*next);
		strbuf_add(&block, *next, length);
		*next += length;
	}
	return strbuf_detach(&block);
}

static void add_effects(struct play *play, struct strbuf *out)
{
	for (const char *line = play->effects.text; *line; line += line_length(line))
		strbuf_printf(out, "|%.*s", (int)line_length(line), line);
	strbuf_reset(&play->effects);
}

/* "> screen" and "> effects": what is seen now takes the place of what the script says. */
static bool look(struct play *play, char *words[], int count, const char *block, struct strbuf *out)
{
	int first = 1, last = INT_MAX;
	if (strcmp(words[0], "screen") == 0) {
		if (count > 1)
			sscanf(words[1], "%d-%d", &first, &last);
		play_add_rows(play, first, last, out);
	} else if (strcmp(words[0], "effects") == 0) {
		add_effects(play, out);
	} else {
		return false;
	}
	for (; *block; block += line_length(block))
		if (!is_seen(block))
			strbuf_add(out, block, line_length(block));
	return true;
}

static void run_line(struct play *play, const char *path, char *line, const char *block, struct strbuf *out)
{
	char *words[WORDS_MOST];
	struct err err;
	line[strcspn(line, "\n")] = '\0';
	int count = words_cut(line, words, WORDS_MOST);
	if (count == 0)
		fail_msg("%s: an empty command", path);
	if (look(play, words, count, block, out))
		return;
	if (!play_line(play, words, count, block, &err))
		fail_msg("%s: %s: %s", path, words[0], err.text);
	strbuf_add_string(out, block);
}

/* Plays a script; appends it with what was seen in the place of what was expected. */
static void play_script(const char *path, const char *script, struct strbuf *out)
{
	struct play play;
	play_init(&play, "tests/screens");
	while (*script) {
		size_t length = line_length(script);
		strbuf_add(out, script, length);
		if (strncmp(script, "> ", 2) != 0) {
			script += length;
			continue;
		}
		char *line = strndup(script + 2, length - 2);
		script += length;
		char *block = take_block(&script);
		run_line(&play, path, line, block, out);
		free(block);
		free(line);
	}
	/* What a script does not expect must not happen. */
	if (play.effects.length > 0) {
		strbuf_add_string(out, "> effects\n");
		add_effects(&play, out);
	}
	play_release(&play);
}

static void write_file(const char *path, const struct strbuf *text)
{
	FILE *file = fopen(path, "w");
	if (!file)
		fail_msg("cannot write %s", path);
	fwrite(text->text, 1, text->length, file);
	fclose(file);
}

/* The first line that differs, and where. */
static void complain(const char *path, const char *expected, const char *seen)
{
	int number = 1;
	while (*expected && line_length(expected) == line_length(seen) &&
	       strncmp(expected, seen, line_length(expected)) == 0) {
		expected += line_length(expected);
		seen += line_length(seen);
		number++;
	}
	fail_msg("%s:%d\nexpected: %.*s\nseen:     %.*s", path, number, (int)strcspn(expected, "\n"), expected,
		 (int)strcspn(seen, "\n"), seen);
}

static void test_script(void **state)
{
	const char *path = *state;
	char *script = scripts_read(path);
	struct strbuf seen = STRBUF_INIT;
	play_script(path, script, &seen);
	if (strcmp(script, seen.text) != 0 && getenv("SCREENS_WRITE"))
		write_file(path, &seen);
	else if (strcmp(script, seen.text) != 0)
		complain(path, script, seen.text);
	strbuf_release(&seen);
	free(script);
}

int main(void)
{
	if (!setlocale(LC_ALL, "C.UTF-8")) {
		fprintf(stderr, "there is no UTF-8\n");
		return 1;
	}
	return scripts_run("screens", "tests/screens", test_script);
}
