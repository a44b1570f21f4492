#include "options.h"

#include "pglocktop/column.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARGUMENT_MOST 16

/* Parses words parted by single blanks. `line` is cut in place and must stay while `options` is used. */
static enum options_outcome parse(char *line, struct options *options, struct err *err)
{
	char *argv[ARGUMENT_MOST + 2] = { (char[]){ "pglocktop" } };
	int argc = 1;
	for (char *word = strtok(line, " "); word && argc <= ARGUMENT_MOST; word = strtok(NULL, " "))
		argv[argc++] = word;
	return options_parse(argc, argv, NULL, options, err);
}

static void assert_run(char *line, struct options *options)
{
	struct err err = { .text = "" };
	if (parse(line, options, &err) != OPTIONS_RUN)
		fail_msg("refused: %s", err.text);
}

static void assert_wrong(const char *line, const char *wanted)
{
	char copy[256];
	struct options options;
	struct err err = { .text = "" };
	strncpy(copy, line, sizeof copy - 1);
	copy[sizeof copy - 1] = '\0';
	if (parse(copy, &options, &err) != OPTIONS_WRONG)
		fail_msg("accepted: %s", line);
	assert_string_equal(err.text, wanted);
}

static void test_defaults(void **state)
{
	(void)state;
	struct options options;
	assert_run((char[]){ "" }, &options);
	assert_int_equal(options.server.interval, WHEN_SECOND);
	assert_int_equal(options.count, 1);
	assert_true(options.server.interactive);
	assert_false(options.server.once);
	assert_false(options.server.read_only);
	assert_null(options.order.column);
	assert_null(options.filter);
	assert_null(options.server.connect.database);
}

static void test_connection(void **state)
{
	(void)state;
	struct options options;
	const struct connect_options *connect = &options.server.connect;
	assert_run((char[]){ "-h db1,db2 -p5433 -Uapp -d shop -w" }, &options);
	assert_string_equal(connect->host, "db1,db2");
	assert_string_equal(connect->port, "5433");
	assert_string_equal(connect->user, "app");
	assert_string_equal(connect->database, "shop");
	assert_true(connect->never_prompt);

	assert_run((char[]){ "-w -W" }, &options);
	assert_true(connect->always_prompt);
	assert_false(connect->never_prompt);
}

/* The operands fill what the options left, as psql has it. */
static void test_operands(void **state)
{
	(void)state;
	struct options options;
	const struct connect_options *connect = &options.server.connect;
	assert_run((char[]){ "shop -r app" }, &options);
	assert_string_equal(connect->database, "shop");
	assert_string_equal(connect->user, "app");
	assert_true(options.server.read_only);

	assert_run((char[]){ "-d shop app" }, &options);
	assert_string_equal(connect->database, "shop");
	assert_string_equal(connect->user, "app");

	assert_run((char[]){ "service=prod -U app" }, &options);
	assert_string_equal(connect->conninfo, "service=prod");
	assert_null(connect->database);

	assert_run((char[]){ "-- postgresql://app@db1/shop" }, &options);
	assert_string_equal(connect->conninfo, "postgresql://app@db1/shop");

	assert_wrong("shop app more", "too many arguments (the first is \"more\"): pglocktop --help lists the options");
}

static void test_screen(void **state)
{
	(void)state;
	struct options options;
	assert_run((char[]){ "-i 0.25 --read-only --no-unicode --no-color -f !state:idle -s session" }, &options);
	assert_int_equal(options.server.interval, WHEN_SECOND / 4);
	assert_true(options.server.read_only);
	assert_true(options.no_unicode);
	assert_true(options.no_color);
	assert_string_equal(options.filter, "!state:idle");
	assert_ptr_equal(options.order.column, &columns[COLUMN_SESSION]);
	assert_false(options.order.descending);

	assert_run((char[]){ "-s blocks" }, &options);
	assert_true(options.order.descending);
	assert_run((char[]){ "-s +blocks" }, &options);
	assert_false(options.order.descending);
	assert_run((char[]){ "-s -session" }, &options);
	assert_true(options.order.descending);
}

static void test_printing(void **state)
{
	(void)state;
	struct options options;
	assert_run((char[]){ "--once --format json --count 3 --all-edges --all-locks --exit-code" }, &options);
	assert_true(options.once);
	assert_true(options.server.once);
	assert_false(options.server.interactive);
	assert_int_equal(options.format, OPTIONS_JSON);
	assert_int_equal(options.count, 3);
	assert_true(options.server.all_edges);
	assert_true(options.server.all_locks);
	assert_true(options.exit_code);

	assert_run((char[]){ "--once -f app -s +state" }, &options);
	assert_int_equal(options.format, OPTIONS_TEXT);
}

static void test_wrong(void **state)
{
	(void)state;
	assert_wrong("-h", "option -h, --host needs an argument, HOSTNAME: pglocktop --help lists the options");
	assert_wrong("-x", "unknown option -x: pglocktop --help lists the options");
	assert_wrong("--frobnicate",
		     "option \"--frobnicate\" is unknown or ambiguous: pglocktop --help lists the options");
	assert_wrong("--a", "option \"--a\" is unknown or ambiguous: pglocktop --help lists the options");
	assert_wrong("--once=yes", "option --once takes no argument: leave it out");
	assert_wrong("--count 3", "--count goes with --once");
	assert_wrong("--format text", "--format goes with --once, --check, --cancel or --terminate");
	assert_wrong("--exit-code", "--exit-code goes with --once");
	assert_wrong("--once --all-edges", "--all-edges goes with --once --format json or dot");
	assert_wrong("--all-locks", "--all-locks goes with --once --format json");
	assert_wrong("--once --format json -f x",
		     "--filter goes with --format text: the others hold the whole snapshot");
	assert_wrong("--once --format json -s state",
		     "--sort goes with --format text or csv: the others have an order of their own");
	assert_wrong("--once --format xml", "unknown format \"xml\": --format takes text, json, csv or dot");
	assert_wrong("--once --select=", "--select without a pattern would choose everybody: give one");
	assert_wrong("--check --format csv", "--format goes with --once, when it is csv or dot");
	assert_wrong("--once --format dot --min-wait 1",
		     "--format goes with text, json or csv where sessions are selected");
	assert_wrong("--once --format csv -f x",
		     "--filter goes with --format text: the others hold the whole snapshot");
	assert_wrong("-f (", "filter: term 1, position 2: missing closing parenthesis");
	assert_wrong("-s colour",
		     "unknown column \"colour\": sort by one of frees, blocks, behind, session, state, object, "
		     "xact, user, database, client, wait_event, query_age, query, application");
	assert_wrong("--once --count 0", "invalid count \"0\": --count takes a whole number from 1 to 1000000");
	assert_wrong("--once --count 4294967297",
		     "invalid count \"4294967297\": --count takes a whole number from 1 to 1000000");
	assert_wrong("--once --count 3x", "invalid count \"3x\": --count takes a whole number from 1 to 1000000");
}

static void test_interval(void **state)
{
	(void)state;
	const struct {
		const char *text;
		int64_t interval; /* 0: refused */
	} cases[] = {
		{ "1", WHEN_SECOND },
		{ "0.1", WHEN_SECOND / 10 },
		{ ".5", WHEN_SECOND / 2 },
		{ "2.", 2 * WHEN_SECOND },
		{ "3600", 3600 * WHEN_SECOND },
		{ "0.100001", 100001 },
		{ "0.1000001", 0 },
		{ "0.099999", 0 },
		{ "3600.000001", 0 },
		{ "99999999999999999999999", 0 },
		{ "", 0 },
		{ ".", 0 },
		{ "-1", 0 },
		{ "1s", 0 },
		{ "1,5", 0 },
		{ " 1", 0 },
		{ "1e1", 0 },
		{ "nan", 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t interval = 0;
		struct err err;
		bool taken = options_parse_interval(cases[i].text, &interval, &err);
		if (taken != (cases[i].interval != 0) || interval != cases[i].interval)
			fail_msg("\"%s\" gave %lld", cases[i].text, (long long)interval);
	}
}

static void test_outcomes(void **state)
{
	(void)state;
	struct options options;
	struct err err;
	assert_int_equal(parse((char[]){ "-?" }, &options, &err), OPTIONS_HELP);
	assert_int_equal(parse((char[]){ "-r?" }, &options, &err), OPTIONS_HELP);
	assert_int_equal(parse((char[]){ "--help" }, &options, &err), OPTIONS_HELP);
	assert_int_equal(parse((char[]){ "-V" }, &options, &err), OPTIONS_VERSION);
	assert_int_equal(parse((char[]){ "--version" }, &options, &err), OPTIONS_VERSION);
}

/* --help: every row of the table, on one page of 80 columns. */
static void test_help(void **state)
{
	(void)state;
	struct strbuf help = STRBUF_INIT;
	options_add_help(&help);
	size_t lines = 0;
	for (const char *line = help.text; *line; lines++) {
		size_t length = strcspn(line, "\n");
		assert_true(length <= 80);
		line += length + (line[length] != '\0');
	}
	assert_true(lines <= 50);
	for (size_t i = 0; i < option_row_count; i++) {
		assert_non_null(strstr(help.text, option_rows[i].name));
		assert_non_null(strstr(help.text, option_rows[i].help));
	}
	strbuf_release(&help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_connection), cmocka_unit_test(test_operands),
		cmocka_unit_test(test_screen),	 cmocka_unit_test(test_printing),   cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_interval), cmocka_unit_test(test_outcomes),   cmocka_unit_test(test_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
