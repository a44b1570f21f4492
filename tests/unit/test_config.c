/* The configuration file: what it may say, for whom it holds, and what is said of its errors. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char directory[64], path[128];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	const char *base = getenv("TMPDIR");
	assert_non_null(place);
	snprintf(place->directory, sizeof place->directory, "%.40s/pglocktop-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->path, sizeof place->path, "%s/config", place->directory);
	unsetenv("PGSERVICE");
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	remove(place->path);
	assert_int_equal(rmdir(place->directory), 0);
	free(place);
	return 0;
}

static void write_config(const struct place *place, const char *text)
{
	FILE *file = fopen(place->path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* With the command line "pglocktop", or with one more word. */
static bool parse(const struct place *place, const char *word, struct config *config, struct options *options,
		  struct err *err)
{
	char program[] = "pglocktop", argument[128] = "";
	char *argv[] = { program, argument, NULL };
	snprintf(argument, sizeof argument, "%s", word);
	if (!config_read(strdup(place->path), config, err))
		return false;
	return options_parse(*word ? 2 : 1, argv, config, options, err) == OPTIONS_RUN;
}

static struct options read_options(const struct place *place, const char *word, struct config *config)
{
	struct options options;
	struct err err = { .text = "" };
	if (!parse(place, word, config, &options, &err))
		fail_msg("%s", err.text);
	return options;
}

static void no_file_is_an_empty_one(void **state)
{
	struct config config;
	struct options options = read_options(*state, "", &config);
	assert_int_equal(options.server.interval, WHEN_SECOND);
	assert_false(options.server.read_only);
	assert_null(options.banner);
	config_release(&config);
}

static void it_sets_options(void **state)
{
	struct config config;
	write_config(*state, "; a comment\n"
			     "interval = 2.5\n"
			     "  no_unicode = yes\n"
			     "no-color=on\n"
			     "filter = user:^app !state:idle\n"
			     "sort = -behind\n"
			     "log = /var/log/pglocktop.jsonl\n"
			     "syslog = true\n"
			     "max = 3\n");
	struct options options = read_options(*state, "", &config);
	assert_int_equal(options.server.interval, 2500000);
	assert_true(options.no_unicode && options.no_color && options.audit.syslog);
	assert_string_equal(options.filter, "user:^app !state:idle");
	assert_true(options.order.column && options.order.descending);
	assert_string_equal(options.audit.path, "/var/log/pglocktop.jsonl");
	assert_int_equal(options.most, 3);
	config_release(&config);
	options = read_options(*state, "--interval=7", &config);
	assert_int_equal(options.server.interval, 7 * WHEN_SECOND);
	config_release(&config);
}

static const char services[] = "[service production]\n"
			       "read_only = yes\n"
			       "banner = PRODUCTION, be careful\n"
			       "typed_confirmation = yes\n"
			       "interval = 5\n"
			       "[service test]\n"
			       "interval = 9\n";

static void a_section_is_for_its_service(void **state)
{
	struct config config;
	struct options options;
	write_config(*state, services);
	options = read_options(*state, "", &config);
	assert_true(!options.server.read_only && !options.banner && !options.typed_confirmation);
	assert_int_equal(options.server.interval, WHEN_SECOND);
	config_release(&config);
	options = read_options(*state, "service=production dbname=x", &config);
	assert_true(options.server.read_only && options.typed_confirmation);
	assert_string_equal(options.banner, "PRODUCTION, be careful");
	assert_int_equal(options.server.interval, 5 * WHEN_SECOND);
	config_release(&config);
	options = read_options(*state, "postgresql://db1/x?service=test", &config);
	assert_int_equal(options.server.interval, 9 * WHEN_SECOND);
	assert_false(options.server.read_only);
	config_release(&config);
	setenv("PGSERVICE", "production", 1);
	options = read_options(*state, "shop", &config);
	assert_true(options.server.read_only);
	config_release(&config);
	options = read_options(*state, "service=test", &config);
	assert_false(options.server.read_only);
	config_release(&config);
	unsetenv("PGSERVICE");
}

/* What is read-only by its configuration is so whatever the command line says. */
static void read_only_stays(void **state)
{
	struct config config;
	struct options options;
	struct err err;
	write_config(*state, "read_only = yes\n");
	assert_false(parse(*state, "--cancel=8@2026-11-22T14:32:07+00:00", &config, &options, &err));
	assert_string_equal(err.text, "read-only: nothing can be signalled");
	config_release(&config);
}

static void errors_name_line_and_remedy(void **state)
{
	static const struct {
		const char *text, *wanted;
	} wrong[] = {
		{ "interval = 2\nfoo = 1\n", ":2: unknown name \"foo\": the names are interval, server_share, "
					     "read_only, mask, filter, sort, no_unicode" },
		{ "once = yes\n", ":1: unknown name \"once\"" },
		{ "cancel = 8\n", ":1: unknown name \"cancel\"" },
		{ "host = db1\n", ":1: unknown name \"host\"" },
		{ "\n\ninterval = soon\n", ":3: interval: invalid time \"soon\": it takes seconds from 0.1 to 3600" },
		{ "read_only = maybe\n", ":1: read_only: \"maybe\" is neither yes nor no" },
		{ "read_only\n", ":1: this is neither NAME = VALUE nor [service NAME]" },
		{ "[service x\n", ":1: this is neither NAME = VALUE nor [service NAME]" },
		{ "[services x]\ninterval = 1\n", ":1: unknown section: a section is [service NAME]" },
		{ "interval = 1\n[Service x]\n", ":2: unknown section: a section is [service NAME]" },
		{ "[]\n", ":1: a section without a name: a section is [service NAME]" },
		{ "[a=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb]\n",
		  ":1: the name is too long" },
		{ "[service ]\ninterval = 1\n", ":1: unknown section: a section is [service NAME]" },
		{ "[service other]\ninterval = 0\n", ":2: interval: invalid time \"0\"" },
		{ "filter = (\n", ":1: filter: " },
		{ "sort = nothing\n", ":1: sort: unknown column \"nothing\": sort by one of " },
		{ "interval = 1\nbroken\nfoo = 1\n", ":2: this is neither" },
	};
	struct place *place = *state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct config config;
		struct options options;
		struct err err = { .text = "" };
		write_config(place, wrong[i].text);
		assert_false(parse(place, "", &config, &options, &err));
		config_release(&config);
		if (strncmp(err.text, place->path, strlen(place->path)) != 0 || !strstr(err.text, wrong[i].wanted))
			fail_msg("\"%s\" has no \"%s\"", err.text, wrong[i].wanted);
	}
}

static void expect_error(struct place *place, const char *text, const char *wanted)
{
	struct config config;
	struct options options;
	struct err err = { .text = "" };
	write_config(place, text);
	assert_false(parse(place, "", &config, &options, &err));
	config_release(&config);
	assert_non_null(strstr(err.text, wanted));
}

/* What inih would cut in silence is an error. */
static void nothing_is_cut_in_silence(void **state)
{
	char text[600], name[64];
	memset(text, 'x', sizeof text);
	memcpy(text, "banner = ", 9);
	strcpy(text + sizeof text - 2, "\n");
	expect_error(*state, text, ":1: the line is too long");
	memset(name, 's', sizeof name);
	name[sizeof name - 1] = '\0';
	snprintf(text, sizeof text, "[service %s]\ninterval = 1\n", name);
	expect_error(*state, text, ":1: the name is too long");
}

static void a_directory_cannot_be_read(void **state)
{
	struct place *place = *state;
	struct config config;
	struct err err;
	assert_int_equal(mkdir(place->path, 0700), 0);
	assert_false(config_read(strdup(place->path), &config, &err));
	config_release(&config);
	assert_non_null(strstr(err.text, "cannot be read"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
	const struct CMUnitTest tests[] = {
		TEST(no_file_is_an_empty_one),	    TEST(it_sets_options),
		TEST(a_section_is_for_its_service), TEST(read_only_stays),
		TEST(errors_name_line_and_remedy),  TEST(nothing_is_cut_in_silence),
		TEST(a_directory_cannot_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
