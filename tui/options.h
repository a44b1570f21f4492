/*
 * options.h - the command line, from one table: parsing, --help, the manual page and the completions derive from it.
 *
 * Letters and operands of the connection are psql's; what they mean is libpq's business. Nothing is printed here and
 * nothing is connected to. All strings point into argv.
 */
#ifndef TUI_OPTIONS_H
#define TUI_OPTIONS_H

#include "pglocktop/audit.h"
#include "pglocktop/forest.h"
#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"

enum options_format { OPTIONS_TEXT, OPTIONS_JSON, OPTIONS_CSV, OPTIONS_DOT };

/* With --once: only these sessions. */
struct options_select {
	bool given;
	const char *terms; /* compiles; NULL: any */
	int64_t least_wait, least_xact; /* ages; WHEN_NONE: any, and those without one */
	const char *state; /* as the server says it; NULL: any */
	uint32_t least_blocks;
};

enum options_signal { OPTIONS_NO_SIGNAL, OPTIONS_CANCEL, OPTIONS_TERMINATE };

enum { OPTIONS_IDS = 64 };

struct options {
	struct server_options server; /* `interactive` is the opposite of `once` */
	bool mask; /* start with literals masked */
	bool no_unicode;
	bool no_color; /* asked for; NO_COLOR is the caller's to look at */
	const char *filter; /* compiles without error; NULL: none */
	struct forest_order order; /* column NULL: by the wait behind */
	bool once; /* print and exit */
	enum options_format format;
	uint32_t count; /* snapshots to print, 1 and up */
	bool exit_code; /* exit 3 when somebody waits */
	const char *banner; /* a line on top of the screen; NULL: none */
	bool typed_confirmation; /* a question wants the pid typed */
	struct options_select select;
	bool check;
	struct audit_options audit;
	enum options_signal signal;
	const char *ids[OPTIONS_IDS]; /* of those to signal, as given; "-" is standard input */
	uint32_t id_count;
	bool yes; /* signal without asking */
	int64_t wait; /* for what comes of a signal, an age */
	uint32_t most; /* sessions to signal at once */
};

enum options_outcome {
	OPTIONS_RUN,
	OPTIONS_HELP, /* print options_add_help, exit 0 */
	OPTIONS_VERSION, /* print options_add_version, exit 0 */
	OPTIONS_WRONG /* `err` says what and how to mend it, exit 1 */
};

struct config; /* config.h */

/*
 * Reads all of it, over what the configuration says for the connection's service, and checks what goes together. Uses
 * getopt_long's globals: not for two threads at once.
 */
enum options_outcome options_parse(int argc, char *argv[], const struct config *config, struct options *options,
				   struct err *err) MUST_CHECK;

/* Seconds, with at most six decimals after a point whatever the locale, as an age. False beyond 0.1 to 3600. */
bool options_parse_interval(const char *text, int64_t *interval, struct err *err) MUST_CHECK;

/* Seconds as above, from 0 to `most`. */
bool options_parse_seconds(const char *text, double least, double most, int64_t *age, struct err *err) MUST_CHECK;

/* "column" (its default direction), "+column" (ascending), "-column" (descending). */
bool options_parse_order(const char *text, struct forest_order *order, struct err *err) MUST_CHECK;

/* At most 80 columns. */
void options_add_help(struct strbuf *out);
void options_add_version(struct strbuf *out);

enum options_group {
	OPTIONS_CONNECTION,
	OPTIONS_SCREEN,
	OPTIONS_PRINT,
	OPTIONS_SIGNAL,
	OPTIONS_OTHER,
	OPTIONS_GROUP_COUNT
};

/* A row of the table, for those who hold the manual against it. */
struct option_row {
	int letter; /* 0: it has only a name */
	const char *name; /* without the dashes */
	const char *argument; /* NULL: it takes none */
	const char *help;
	enum options_group group;
	bool (*set)(struct options *options, const char *argument, struct err *err); /* NULL: `member` is set */
	size_t member; /* offset in struct options: a bool without argument, a const char * with one */
	enum options_outcome outcome; /* OPTIONS_RUN: reading goes on */
	bool configurable; /* may stand in the configuration file, too */
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;
enum { OPTION_ROWS_MOST = 64 }; /* no more than these */

/* What only the configuration file can say. */
extern const struct option_row config_rows[];
extern const size_t config_row_count;

/* "-f, --filter" */
void option_add_spelling(const struct option_row *row, struct strbuf *out);

/* Sets what the row is about; `argument` must stay. */
bool option_apply(const struct option_row *row, struct options *options, const char *argument,
		  struct err *err) MUST_CHECK;

#endif
