#include "options.h"

#include "config.h"

#include "pglocktop/column.h"
#include "pglocktop/filter.h"
#include "pglocktop/version.h"

#include <assert.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define TRY_HELP "pglocktop --help lists the options"
#define INTERVAL_DEFAULT WHEN_SECOND
#define WAIT_DEFAULT (3 * WHEN_SECOND)
#define MOST_DEFAULT 5
#define SECONDS_MOST (1000000000 * WHEN_SECOND)
#define COUNT_MOST 1000000
#define LONG_VALUE 0x100 /* what getopt_long returns for the name of row i: LONG_VALUE + i */
#define OPTION_MOST 64

static bool set_interval(struct options *options, const char *argument, struct err *err)
{
	return options_parse_interval(argument, &options->server.interval, err);
}

static bool set_order(struct options *options, const char *argument, struct err *err)
{
	return options_parse_order(argument, &options->order, err);
}

static bool set_filter(struct options *options, const char *argument, struct err *err)
{
	struct filter *filter = filter_new(argument, err, NULL);
	if (!filter)
		return false;
	filter_free(filter);
	options->filter = argument;
	return true;
}

static bool set_format(struct options *options, const char *argument, struct err *err)
{
	static const char *const names[] = {
		[OPTIONS_TEXT] = "text", [OPTIONS_JSON] = "json", [OPTIONS_CSV] = "csv", [OPTIONS_DOT] = "dot"
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(argument, names[i]) != 0)
			continue;
		options->format = (enum options_format)i;
		return true;
	}
	return err_set(err, "unknown format \"%s\": --format takes text, json, csv or dot", argument);
}

static bool parse_count(const char *name, const char *argument, uint32_t *count, struct err *err)
{
	uint32_t number = 0;
	const char *digit = argument;
	for (; *digit >= '0' && *digit <= '9' && number <= COUNT_MOST; digit++)
		number = number * 10 + (uint32_t)(*digit - '0');
	if (digit == argument || *digit || number == 0 || number > COUNT_MOST)
		return err_set(err, "invalid count \"%s\": --%s takes a whole number from 1 to %d", argument, name,
			       COUNT_MOST);
	*count = number;
	return true;
}

static bool set_count(struct options *options, const char *argument, struct err *err)
{
	return parse_count("count", argument, &options->count, err);
}

static bool set_max(struct options *options, const char *argument, struct err *err)
{
	return parse_count("max", argument, &options->most, err);
}

static bool set_select(struct options *options, const char *argument, struct err *err)
{
	struct filter *filter = filter_new(argument, err, NULL);
	if (!filter)
		return false;
	filter_free(filter);
	options->select.terms = argument;
	options->select.given = true;
	return true;
}

static bool set_min_wait(struct options *options, const char *argument, struct err *err)
{
	options->select.given = true;
	return options_parse_seconds(argument, 0, 1e9, &options->select.least_wait, err);
}

static bool set_min_xact(struct options *options, const char *argument, struct err *err)
{
	options->select.given = true;
	return options_parse_seconds(argument, 0, 1e9, &options->select.least_xact, err);
}

static bool set_state(struct options *options, const char *argument, struct err *err)
{
	if (session_state_parse(argument, strlen(argument)) == SESSION_OTHER)
		return err_set(err,
			       "unknown state \"%s\": --state takes active, idle, \"idle in transaction\" "
			       "and the like",
			       argument);
	options->select.state = argument;
	options->select.given = true;
	return true;
}

static bool set_blocks(struct options *options, const char *argument, struct err *err)
{
	options->select.given = true;
	return parse_count("blocks", argument, &options->select.least_blocks, err);
}

static bool set_wait(struct options *options, const char *argument, struct err *err)
{
	return options_parse_seconds(argument, 0, 3600, &options->wait, err);
}

static bool add_id(struct options *options, enum options_signal signal, const char *id, struct err *err)
{
	if (options->signal != OPTIONS_NO_SIGNAL && options->signal != signal)
		return err_set(err, "--cancel and --terminate do not go together: run it twice");
	if (options->id_count == OPTIONS_IDS)
		return err_set(err,
			       "more than %d times --cancel or --terminate: give the ids on standard input, with -",
			       OPTIONS_IDS);
	options->signal = signal;
	options->ids[options->id_count++] = id;
	return true;
}

static bool add_cancel(struct options *options, const char *argument, struct err *err)
{
	return add_id(options, OPTIONS_CANCEL, argument, err);
}

static bool add_terminate(struct options *options, const char *argument, struct err *err)
{
	return add_id(options, OPTIONS_TERMINATE, argument, err);
}

/* As in psql the last of -w and -W counts. */
static bool set_never_prompt(struct options *options, const char *argument, struct err *err)
{
	(void)argument, (void)err;
	options->server.connect.never_prompt = true;
	options->server.connect.always_prompt = false;
	return true;
}

static bool set_always_prompt(struct options *options, const char *argument, struct err *err)
{
	(void)argument, (void)err;
	options->server.connect.always_prompt = true;
	options->server.connect.never_prompt = false;
	return true;
}

#define MEMBER(name) .member = offsetof(struct options, name)
#define CONFIGURABLE .configurable = true

/* clang-format off */
const struct option_row option_rows[] = {
	{ 'h', "host", "HOSTNAME", "server's host, or the directory of its socket", OPTIONS_CONNECTION,
	  MEMBER(server.connect.host) },
	{ 'p', "port", "PORT", "server's port", OPTIONS_CONNECTION, MEMBER(server.connect.port) },
	{ 'U', "username", "USERNAME", "role to connect as", OPTIONS_CONNECTION, MEMBER(server.connect.user) },
	{ 'd', "dbname", "DBNAME", "database, connection string or URI", OPTIONS_CONNECTION,
	  MEMBER(server.connect.database) },
	{ 'w', "no-password", NULL, "never ask for a password", OPTIONS_CONNECTION, .set = set_never_prompt },
	{ 'W', "password", NULL, "ask for a password before connecting", OPTIONS_CONNECTION,
	  .set = set_always_prompt },
	{ 'i', "interval", "SECONDS", "between snapshots: 0.1 to 3600, default 1", OPTIONS_SCREEN,
	  .set = set_interval, CONFIGURABLE },
	{ 'r', "read-only", NULL, "no signal can be sent in this run", OPTIONS_SCREEN, MEMBER(server.read_only),
	  CONFIGURABLE },
	{ 'm', "mask", NULL, "literals in queries show as ?; the key M takes it off", OPTIONS_SCREEN, MEMBER(mask),
	  CONFIGURABLE },
	{ 'f', "filter", "TERMS", "show only what matches, as the key f does", OPTIONS_SCREEN, .set = set_filter,
	  CONFIGURABLE },
	{ 's', "sort", "COLUMN", "sort by a column; +COLUMN ascending, -COLUMN descending", OPTIONS_SCREEN,
	  .set = set_order, CONFIGURABLE },
	{ 0, "no-unicode", NULL, "ASCII only, lines drawn with | ` -", OPTIONS_SCREEN, MEMBER(no_unicode),
	  CONFIGURABLE },
	{ 0, "no-color", NULL, "no colours; as NO_COLOR in the environment", OPTIONS_SCREEN, MEMBER(no_color),
	  CONFIGURABLE },
	{ 0, "once", NULL, "print a snapshot and exit", OPTIONS_PRINT, MEMBER(once) },
	{ 0, "format", "FORMAT", "text (the tree), json (one document a line), csv, dot", OPTIONS_PRINT,
	  .set = set_format },
	{ 0, "count", "N", "print N snapshots, an interval apart", OPTIONS_PRINT, .set = set_count },
	{ 0, "all-edges", NULL, "json, dot: every blocker, not only the first 32", OPTIONS_PRINT, MEMBER(server.all_edges) },
	{ 0, "all-locks", NULL, "json: every lock, not only contended ones", OPTIONS_PRINT, MEMBER(server.all_locks) },
	{ 0, "select", "TERMS", "only those that match; text: bare ids, for --cancel -", OPTIONS_PRINT,
	  .set = set_select },
	{ 0, "min-wait", "SECONDS", "only those that have waited for a lock so long", OPTIONS_PRINT,
	  .set = set_min_wait },
	{ 0, "min-xact", "SECONDS", "only those whose transaction is so old", OPTIONS_PRINT, .set = set_min_xact },
	{ 0, "state", "STATE", "only those in this state", OPTIONS_PRINT, .set = set_state },
	{ 0, "blocks", "N", "only those that at least N sessions wait for", OPTIONS_PRINT, .set = set_blocks },
	{ 0, "check", NULL, "what this role may see and signal, and who else may", OPTIONS_PRINT, MEMBER(check) },
	{ 0, "exit-code", NULL, "exit 3 when any session waits for a lock", OPTIONS_PRINT, MEMBER(exit_code) },
	{ 0, "cancel", "ID", "cancel its query; ID as --once prints it, - reads ids", OPTIONS_SIGNAL,
	  .set = add_cancel },
	{ 0, "terminate", "ID", "terminate a session; several: give it several times", OPTIONS_SIGNAL,
	  .set = add_terminate },
	{ 0, "yes", NULL, "do it without asking on the terminal", OPTIONS_SIGNAL, MEMBER(yes) },
	{ 0, "wait", "SECONDS", "for what comes of it: 0 to 3600, default 3", OPTIONS_SIGNAL, .set = set_wait,
	  CONFIGURABLE },
	{ 0, "max", "N", "signal no more than N sessions; default 5", OPTIONS_SIGNAL, .set = set_max,
	  CONFIGURABLE },
	{ 0, "log", "FILE", "audit log, in place of the one in $XDG_STATE_HOME", OPTIONS_SIGNAL, MEMBER(audit.path),
	  CONFIGURABLE },
	{ 0, "syslog", NULL, "write it to syslog, too", OPTIONS_SIGNAL, MEMBER(audit.syslog),
	  CONFIGURABLE },
	{ '?', "help", NULL, "show this and exit", OPTIONS_OTHER, .outcome = OPTIONS_HELP },
	{ 'V', "version", NULL, "show the version and exit", OPTIONS_OTHER, .outcome = OPTIONS_VERSION },
};

const struct option_row config_rows[] = {
	{ 0, "banner", "TEXT", "a line on top of the screen", OPTIONS_SCREEN, MEMBER(banner) },
	{ 0, "typed-confirmation", NULL, "a question wants the pid typed", OPTIONS_SIGNAL,
	  MEMBER(typed_confirmation) },
};
/* clang-format on */

const size_t option_row_count = sizeof option_rows / sizeof option_rows[0];
const size_t config_row_count = sizeof config_rows / sizeof config_rows[0];

static_assert(sizeof option_rows / sizeof option_rows[0] <= OPTION_MOST, "raise OPTION_MOST");

bool options_parse_seconds(const char *text, double least, double most, int64_t *age, struct err *err)
{
	int64_t whole = 0, part = 0, unit = WHEN_SECOND;
	const char *next = text;
	for (; *next >= '0' && *next <= '9' && whole <= SECONDS_MOST; next++)
		whole = whole * 10 + (*next - '0') * WHEN_SECOND;
	bool digits = next != text;
	if (*next == '.') {
		for (next++; *next >= '0' && *next <= '9' && unit > 1; next++) {
			unit /= 10;
			part += (*next - '0') * unit;
			digits = true;
		}
	}
	int64_t value = whole + part;
	if (!digits || *next || (double)value < least * WHEN_SECOND || (double)value > most * WHEN_SECOND)
		return err_set(err, "invalid time \"%s\": it takes seconds from %g to %g", text, least, most);
	*age = value;
	return true;
}

bool options_parse_interval(const char *text, int64_t *interval, struct err *err)
{
	return options_parse_seconds(text, 0.1, 3600, interval, err);
}

static bool no_such_column(const char *name, struct err *err)
{
	struct strbuf names = STRBUF_INIT;
	for (size_t i = 0; i < COLUMN_OF_SESSIONS; i++)
		strbuf_printf(&names, "%s%s", i ? ", " : "", columns[i].name);
	err_set(err, "unknown column \"%s\": sort by one of %s", name, names.text);
	strbuf_release(&names);
	return false;
}

bool options_parse_order(const char *text, struct forest_order *order, struct err *err)
{
	bool sign = *text == '+' || *text == '-';
	const struct column *column = column_find(text + sign);
	if (!column)
		return no_such_column(text + sign, err);
	order->column = column;
	order->descending = sign ? *text == '-' : column->descending;
	return true;
}

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
	bool row[OPTION_MOST];
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
static void build_getopt(struct option longs[static OPTION_MOST + 1], char shorts[static 2 * OPTION_MOST + 2])
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

static void add_spelling(const struct option_row *row, struct strbuf *out)
{
	if (row->letter)
		strbuf_printf(out, "-%c, ", row->letter);
	strbuf_printf(out, "--%s", row->name);
}

static void explain_misuse(int value, char *argv[], struct err *err)
{
	const struct option_row *row = optopt ? row_of_value(optopt) : NULL;
	struct strbuf spelling = STRBUF_INIT;
	if (row)
		add_spelling(row, &spelling);
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

bool option_apply(const struct option_row *row, struct options *options, const char *argument, struct err *err)
{
	if (row->set)
		return row->set(options, argument, err);
	void *member = (char *)options + row->member;
	if (row->argument)
		*(const char **)member = argument;
	else
		*(bool *)member = true;
	return true;
}

static enum options_outcome take_options(int argc, char *argv[], struct options *options, struct given *given,
					 struct err *err)
{
	struct option longs[OPTION_MOST + 1];
	char shorts[2 * OPTION_MOST + 2];
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
		.server.interval = INTERVAL_DEFAULT, .count = 1, .wait = WAIT_DEFAULT, .most = MOST_DEFAULT
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

static void add_help_row(const struct option_row *row, struct strbuf *out)
{
	struct strbuf left = STRBUF_INIT;
	strbuf_add_string(&left, row->letter ? "" : "    ");
	add_spelling(row, &left);
	if (row->argument)
		strbuf_printf(&left, " %s", row->argument);
	strbuf_printf(out, " %-23s %s\n", left.text, row->help);
	strbuf_release(&left);
}

void options_add_help(struct strbuf *out)
{
	static const char *const titles[OPTIONS_GROUP_COUNT] = {
		[OPTIONS_CONNECTION] = "Connection, as in psql (environment and service file, too):",
		[OPTIONS_SCREEN] = "Screen:",
		[OPTIONS_PRINT] = "Printing:",
		[OPTIONS_SIGNAL] = "Signalling:",
		[OPTIONS_OTHER] = "Other:",
	};
	strbuf_add_string(out, "pglocktop shows who blocks whom in PostgreSQL, and ends a blocker if you say so.\n"
			       "Usage: pglocktop [OPTION]... [DBNAME [USERNAME]]\n");
	enum options_group group = OPTIONS_GROUP_COUNT;
	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].group != group) {
			group = option_rows[i].group;
			strbuf_printf(out, "%s\n", titles[group]);
		}
		add_help_row(&option_rows[i], out);
	}
	strbuf_add_string(out, "Exit: 0 done, 1 wrong use, 2 no server, 3 --exit-code or --check says no,\n"
			       "4 a signal was not sent, or its target lives after --wait.\n");
}

void options_add_version(struct strbuf *out)
{
	strbuf_add_string(out, "pglocktop " PGLOCKTOP_VERSION "\n");
}
