#include "options.h"

#include "config.h"

#include "pglocktop/column.h"
#include "pglocktop/filter.h"
#include "pglocktop/version.h"

#include <assert.h>
#include <string.h>

#define SECONDS_MOST (1000000000 * WHEN_SECOND)
#define COUNT_MOST 1000000

static bool set_interval(struct options *options, const char *argument, struct err *err)
{
	return options_parse_interval(argument, &options->server.interval, err);
}

static bool set_server_share(struct options *options, const char *argument, struct err *err)
{
	int percent = 0;
	const char *digit = argument;
	for (; *digit >= '0' && *digit <= '9' && percent <= 100; digit++)
		percent = percent * 10 + (*digit - '0');
	if (digit == argument || *digit || percent > 100)
		return err_set(err, "invalid share \"%s\": --server-share takes per cent, 0 to 100", argument);
	options->server.server_share = percent;
	return true;
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
	if (!argument[strspn(argument, " \t")])
		return err_set(err, "--select without a pattern would choose everybody: give one");
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
	{ 0, "server-share", "PERCENT", "of the server's time at most, default 5; 0: no limit",
	  OPTIONS_SCREEN, .set = set_server_share, CONFIGURABLE },
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

static_assert(sizeof option_rows / sizeof option_rows[0] <= OPTION_ROWS_MOST, "raise OPTION_ROWS_MOST");

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

void option_add_spelling(const struct option_row *row, struct strbuf *out)
{
	if (row->letter)
		strbuf_printf(out, "-%c, ", row->letter);
	strbuf_printf(out, "--%s", row->name);
}

static void add_help_row(const struct option_row *row, struct strbuf *out)
{
	struct strbuf left = STRBUF_INIT;
	strbuf_add_string(&left, row->letter ? "" : "    ");
	option_add_spelling(row, &left);
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
