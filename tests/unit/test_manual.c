/* test_manual.c - the manual page says what the tables of options, actions and keys say, and nothing else. */
#include "keymap.h"
#include "options.h"

#include "pglocktop/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE "tui/pglocktop.1"

static struct strbuf read_page(void)
{
	struct strbuf page = STRBUF_INIT;
	FILE *file = fopen(PAGE, "r");
	char bytes[4096];
	size_t length;

	if (file == NULL)
		fail_msg(PAGE " cannot be read: run this at the top of the source tree");
	strbuf_add_char(&page, '\n');
	while ((length = fread(bytes, 1, sizeof(bytes), file)) > 0)
		strbuf_add(&page, bytes, length);
	fclose(file);
	return page;
}

/* From one section's head line to the next one's; the caller frees it. */
static char *take_section(const char *page, const char *head)
{
	const char *start = strstr(page, head);
	const char *end = start ? strstr(start + 1, "\n.Sh ") : NULL;

	assert_non_null(start);
	return strndup(start, end ? (size_t)(end - start) + 1 : strlen(start));
}

static int count_lines(const char *text, const char *beginning)
{
	int count = 0;

	for (const char *at = text; (at = strstr(at, beginning)) != NULL; at++)
		count++;
	return count;
}

static void expect_line(const char *text, const char *lines)
{
	if (strstr(text, lines) == NULL)
		fail_msg(PAGE " lacks, with these very words:%s", lines);
}

/* As the words of a macro line are written in mdoc. */
static void add_words(struct strbuf *out, const char *words)
{
	for (; *words != '\0'; words++) {
		if (*words == '-')
			strbuf_add_string(out, "\\-");
		else if (*words == '^')
			strbuf_add_string(out, "\\(ha");
		else if (*words == '?')
			strbuf_add_string(out, "\\&?");
		else
			strbuf_add_char(out, *words);
	}
}

static void add_option_line(struct strbuf *out, const struct option_row *row)
{
	char letter[] = { (char)row->letter, '\0' };

	strbuf_add_string(out, "\n.It Fl ");
	if (row->letter != 0) {
		add_words(out, letter);
		strbuf_add_string(out, " , Fl ");
	}
	strbuf_printf(out, "-%s", row->name);
	if (row->argument != NULL)
		strbuf_printf(out, " Ar %s", row->argument);
	strbuf_add_char(out, '\n');
}

static void test_every_option_is_there(void **state)
{
	struct strbuf page = read_page(), line = STRBUF_INIT;
	char *section = take_section(page.text, "\n.Sh OPTIONS\n");

	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		strbuf_reset(&line);
		add_option_line(&line, &option_rows[i]);
		expect_line(section, line.text);
	}
	assert_int_equal(count_lines(section, "\n.It "), option_row_count);
	free(section);
	strbuf_release(&line);
	strbuf_release(&page);
}

static void test_every_action_is_there_with_its_keys(void **state)
{
	struct strbuf page = read_page(), lines = STRBUF_INIT, keys = STRBUF_INIT;
	char *section = take_section(page.text, "\n.Sh KEYS\n");
	int count = 0;

	(void)state;
	for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++, count++) {
		strbuf_reset(&keys);
		keymap_describe((enum action)action, &keys);
		strbuf_reset(&lines);
		strbuf_add_string(&lines, "\n.It Ic ");
		add_words(&lines, keys.text);
		strbuf_printf(&lines, "\n%s\n", action_rows[action].help);
		expect_line(section, lines.text);
	}
	assert_int_equal(count_lines(section, "\n.It "), count);
	free(section);
	strbuf_release(&keys);
	strbuf_release(&lines);
	strbuf_release(&page);
}

static void test_every_group_is_there(void **state)
{
	struct strbuf page = read_page(), line = STRBUF_INIT;

	(void)state;
	for (int group = 0; group < ACTION_GROUP_COUNT; group++) {
		strbuf_reset(&line);
		strbuf_printf(&line, "\n.Ss %s\n", action_group_titles[group]);
		expect_line(page.text, line.text);
	}
	strbuf_release(&line);
	strbuf_release(&page);
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text + 1; (at = strstr(at, word)) != NULL; at += length)
		if (strchr(" \n", at[-1]) && strchr(" \n", at[length]))
			return true;
	return false;
}

static void expect_name(const char *section, const struct option_row *row)
{
	char *name = strdup(row->name);

	for (char *at = name; (at = strchr(at, '-')) != NULL;)
		*at = '_';
	if (!has_word(section, name))
		fail_msg(PAGE " does not tell that %s may stand in the configuration", name);
	free(name);
}

static void test_every_name_of_the_configuration_is_there(void **state)
{
	struct strbuf page = read_page();
	char *section = take_section(page.text, "\n.Sh CONFIGURATION\n");

	(void)state;
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].configurable)
			expect_name(section, &option_rows[i]);
	for (size_t i = 0; i < config_row_count; i++)
		expect_name(section, &config_rows[i]);
	free(section);
	strbuf_release(&page);
}

static void test_the_version_is_this_one(void **state)
{
	struct strbuf page = read_page();

	(void)state;
	expect_line(page.text, "\n.Os pglocktop " PGLOCKTOP_VERSION "\n");
	strbuf_release(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_option_is_there),
		cmocka_unit_test(test_every_action_is_there_with_its_keys),
		cmocka_unit_test(test_every_group_is_there),
		cmocka_unit_test(test_every_name_of_the_configuration_is_there),
		cmocka_unit_test(test_the_version_is_this_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
