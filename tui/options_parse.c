/* The command line over the configuration over the defaults, and what of it goes together. */
#include "config.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define TRY_HELP "pglocktop --help lists the options"
#define INTERVAL_DEFAULT WHEN_SECOND
#define SHARE_DEFAULT 5 /* per cent */
#define WAIT_DEFAULT (3 * WHEN_SECOND)
#define MOST_DEFAULT 5
#define LONG_VALUE 0x100 /* what getopt_long returns for the name of row i: LONG_VALUE + i */

/* As libpq tells a connection string from a database's name (recognized_connection_string, fe-connect.c). */
static bool is_conninfo(const char *database)
{
	return strncmp(database, "postgresql://", 13) == 0 || strncmp(database, "postgres://", 11) == 0 ||
	       strchr(database, '=');
}

/* As in psql an operand fills what no option has given: first the database, then the role. */
static bool take_operands(int argc, char *argv[], struct connect_options *connect, struct err *err)
{
	for (int i = optind; i < argc; i++) {
		if (!connect->database)
			connect->database = argv[i];
		else if (!connect->user)
			connect->user = argv[i];
		else
			return err_set(err, "too many arguments (the first is \"%s\"): %s", argv[i], TRY_HELP);
	}
	if (connect->database && is_conninfo(connect->database)) {
		connect->conninfo = connect->database;
		connect->database = NULL;
	}
	return true;
}

/* By row: it is on the command line. */
struct given {
	bool row[OPTION_ROWS_MOST];
};

static bool is_given(const struct given *given, const char *name)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (strcmp(option_rows[i].name, name) == 0)
			return given->row[i];
	err_die("there is no option --%s", name);
}

static bool check_combinations(const struct options *options, const struct given *given, struct err *err)
{
	bool signals = options->signal != OPTIONS_NO_SIGNAL, once = options->once;
	bool text = options->format == OPTIONS_TEXT, json = options->format == OPTIONS_JSON;
	bool csv = options->format == OPTIONS_CSV, dot = options->format == OPTIONS_DOT;
	bool selects = options->select.given;
	const struct {
		const char *name;
		bool possible;
		const char *wants;
	} rules[] = {
		{ "once", !signals && !options->check, "neither --cancel nor --terminate nor --check" },
		{ "check", !signals, "neither --cancel nor --terminate" },
		{ "format", once || signals || options->check, "--once, --check, --cancel or --terminate" },
		{ "format", once || text || json, "--once, when it is csv or dot" },
		{ "format", !selects || !dot, "text, json or csv where sessions are selected" },
		{ "count", once, "--once" },
		{ "exit-code", once, "--once" },
		{ "all-edges", once && (json || dot), "--once --format json or dot" },
		{ "all-locks", once && json, "--once --format json" },
		{ "select", once, "--once" },
		{ "min-wait", once, "--once" },
		{ "min-xact", once, "--once" },
		{ "state", once, "--once" },
		{ "blocks", once, "--once" },
		{ "filter", text, "--format text: the others hold the whole snapshot" },
		{ "filter", !selects, "the tree, not with --select, which chooses by the same terms" },
		{ "sort", text || csv, "--format text or csv: the others have an order of their own" },
		{ "read-only", !signals, "neither --cancel nor --terminate" },
		{ "yes", signals, "--cancel or --terminate" },
		{ "wait", signals, "--cancel or --terminate" },
		{ "max", signals, "--cancel or --terminate" },
	};
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (!rules[i].possible && is_given(given, rules[i].name))
			return err_set(err, "--%s goes with %s", rules[i].name, rules[i].wants);
	if (signals && options->server.read_only)
		return err_set(err, "read-only: nothing can be signalled");
	return true;
}

static const struct option_row *row_of_value(int value)
{
	if (value >= LONG_VALUE)
		return &option_rows[value - LONG_VALUE];
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].letter == value)
			return &option_rows[i];
	return NULL;
}

/* `?` is left out of the letters, since it is what getopt_long returns for an unknown one. */
static void build_getopt(struct option longs[static OPTION_ROWS_MOST + 1], char shorts[static 2 * OPTION_ROWS_MOST + 2])
{
	*shorts++ = ':';
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		longs[i] = (struct option){ row->name, row->argument ? required_argument : no_argument, NULL,
					    LONG_VALUE + (int)i };
		if (row->letter && row->letter != '?') {
			*shorts++ = (char)row->letter;
			if (row->argument)
				*shorts++ = ':';
		}
	}
	longs[option_row_count] = (struct option){ NULL, 0, NULL, 0 };
	*shorts = '\0';
}

static void explain_misuse(int value, char *argv[], struct err *err)
{
	const struct option_row *row = optopt ? row_of_value(optopt) : NULL;
	struct strbuf spelling = STRBUF_INIT;
	if (row)
		option_add_spelling(row, &spelling);
	if (row && value == ':')
		err_set(err, "option %s needs an argument, %s: %s", spelling.text, row->argument, TRY_HELP);
	else if (row)
		err_set(err, "option %s takes no argument: leave it out", spelling.text);
	else if (optopt > ' ' && optopt < 0x7f)
		err_set(err, "unknown option -%c: %s", optopt, TRY_HELP);
	else
		err_set(err, "option \"%s\" is unknown or ambiguous: %s", argv[optind - 1], TRY_HELP);
	strbuf_release(&spelling);
}

static enum options_outcome take_options(int argc, char *argv[], struct options *options, struct given *given,
					 struct err *err)
{
	struct option longs[OPTION_ROWS_MOST + 1];
	char shorts[2 * OPTION_ROWS_MOST + 2];
	build_getopt(longs, shorts);
	optind = 0; /* glibc: start anew */
	opterr = 0;
	for (;;) {
		optopt = 0;
		int value = getopt_long(argc, argv, shorts, longs, NULL);
		if (value == -1)
			return OPTIONS_RUN;
		if (value == '?' && optopt == '?')
			return OPTIONS_HELP;
		if (value == '?' || value == ':') {
			explain_misuse(value, argv, err);
			return OPTIONS_WRONG;
		}
		const struct option_row *row = row_of_value(value);
		if (row->outcome != OPTIONS_RUN)
			return row->outcome;
		if (!option_apply(row, options, optarg, err))
			return OPTIONS_WRONG;
		given->row[row - option_rows] = true;
	}
}

/* Defaults, the configuration, the command line. */
static enum options_outcome read_all(int argc, char *argv[], const struct config *config, const char *service,
				     struct options *options, struct given *given, struct err *err)
{
	*options = (struct options){
		.server.interval = INTERVAL_DEFAULT,
		.server.server_share = SHARE_DEFAULT,
		.count = 1,
		.wait = WAIT_DEFAULT,
		.most = MOST_DEFAULT,
		.select = { .least_wait = WHEN_NONE, .least_xact = WHEN_NONE },
	};
	*given = (struct given){ .row = { false } };
	if (config && !config_apply(config, service, options, err))
		return OPTIONS_WRONG;
	enum options_outcome outcome = take_options(argc, argv, options, given, err);
	if (outcome == OPTIONS_RUN && !take_operands(argc, argv, &options->server.connect, err))
		return OPTIONS_WRONG;
	return outcome;
}

enum options_outcome options_parse(int argc, char *argv[], const struct config *config, struct options *options,
				   struct err *err)
{
	struct given given;
	/* A first time for the connection, whose service says what of the configuration holds. */
	enum options_outcome outcome = read_all(argc, argv, NULL, NULL, options, &given, err);
	if (outcome == OPTIONS_RUN && config) {
		char *service = source_service_name(&options->server.connect);
		outcome = read_all(argc, argv, config, service, options, &given, err);
		free(service);
	}
	if (outcome != OPTIONS_RUN)
		return outcome;
	if (!check_combinations(options, &given, err))
		return OPTIONS_WRONG;
	options->server.once = options->once || options->check || options->signal != OPTIONS_NO_SIGNAL;
	options->server.interactive = !options->server.once;
	return OPTIONS_RUN;
}
