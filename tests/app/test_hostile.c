/* Hostile texts in databases of four encodings: nothing of them reaches the terminal, or what --once prints. */
#include "inert.h"
#include "stage.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_QUERY = 1000 * 1000 };

static const char *const settings[] = { "track_activity_query_size=1MB", "max_connections=60",
					"client_min_messages=warning", NULL };

/* Until 12 a server keeps no more than 100 kB of a text. */
static const char *const old_settings[] = { "track_activity_query_size=102400", "max_connections=60",
					    "client_min_messages=warning", NULL };

/* What an attacker would write, for a database where every byte is a character, and for the others. */
#define ESCAPES "\033[31;66;77m\033]0;evil\a\033[6n\033[c\033P66q\033\\ \001\002\b\r\f\v\016\017\177"
#define BYTES                                                                                                          \
	"\x80\x84\x85\x8d\x90\x9b"                                                                                     \
	"31;66;77m\x9d"                                                                                                \
	"0;evil\x9c\xff\xfe\xc0\xaf"
#define UNICODE                                                                                                        \
	"\xc2\x9b"                                                                                                     \
	"31;66;77m\xe2\x80\xae"                                                                                        \
	"evil\xe2\x81\xa6\xe2\x80\xa8\xd8\x9c\xef\xbb\xbf\xcc\x81\xcc\x81\xf3\xa0\x81\x81"
#define NAME                                                                                                           \
	"\033[31;66;77m\033]0;evil\a\xc2\x9b"                                                                          \
	"9m\xe2\x80\xae\177z"
#define JAPANESE "\xc6\xfc\xcb\xdc\xb8\xec\x8e\xb1\x8f\xb0\xa1"

static const struct {
	const char *name, *encoding, *payload;
} databases[] = {
	{ "in_utf8", "UTF8", ESCAPES UNICODE },
	{ "in_latin1", "LATIN1", ESCAPES BYTES },
	{ "in_euc_jp", "EUC_JP", ESCAPES JAPANESE },
	{ "in_sql_ascii", "SQL_ASCII", ESCAPES BYTES UNICODE },
};

static int open_hostile(void **state)
{
	char sql[1024];
	if (stage_open_with(state, pgserver_major() < 13 ? old_settings : settings) != 0)
		return -1;
	struct stage *stage = *state;
	for (size_t i = 0; i < COUNT(databases); i++) {
		snprintf(sql, sizeof sql, "create database %s template template0 encoding '%s'", databases[i].name,
			 databases[i].encoding);
		pgserver_run(stage->admin, sql);
	}
	pgserver_run(stage->admin, "create role \"" NAME "\" login superuser");
	pgserver_run(stage->admin, "create database \"" NAME "\"");
	return 0;
}

static char *make_query(const char *payload)
{
	static const char head[] = "lock table only \"t", tail[] = "\" in share mode /* ";
	size_t length = strlen(payload), used;
	char *query = malloc(LONG_QUERY + 1);
	assert_non_null(query);
	used = (size_t)snprintf(query, LONG_QUERY, "%s%s%s", head, payload, tail);
	for (; used + length + 2 < LONG_QUERY; used += length)
		memcpy(query + used, payload, length);
	memcpy(query + used, "*/", 3);
	return query;
}

/* In each database one holds a table of a hostile name, and another waits for it with a query of 1 MB. */
static void make_jams(struct stage *stage)
{
	char options[128], sql[512];
	for (size_t i = 0; i < COUNT(databases); i++) {
		snprintf(options, sizeof options, "dbname=%s application_name='h\033]0;evil\a'", databases[i].name);
		PGconn *holder = stage_session(stage, options), *waiter = stage_session(stage, options);
		snprintf(sql, sizeof sql, "create table if not exists \"t%s\" (id int)", databases[i].payload);
		pgserver_run(holder, sql);
		snprintf(sql, sizeof sql, "begin; lock table \"t%s\" in row exclusive mode", databases[i].payload);
		pgserver_run(holder, sql);
		char *query = make_query(databases[i].payload);
		pgserver_run(waiter, "begin");
		pgserver_send(waiter, query);
		free(query);
		pgserver_wait_blocked(stage->admin, waiter);
	}
	PGconn *other = pgserver_connect(stage->server, "user='" NAME "' dbname='" NAME "'");
	stage->sessions[stage->session_count++] = other;
	pgserver_run(other, "begin; select 1");
	pgserver_wait_until(stage->admin, "select min(now() - query_start) > '1s' from pg_stat_activity "
					  "where wait_event_type = 'Lock'");
}

static void expect_inert(struct stage *stage)
{
	size_t length;
	const char *raw = vt_raw(stage->vt, &length), *harm = inert_find_harm(raw, length, true);
	if (harm)
		fail_msg("%s; the screen is\n%s", harm, vt_text(stage->vt));
	if (memmem(raw, length, "\033[31;66;77m", 10) || memmem(raw, length, "\033]2;evil", 8))
		fail_msg("an attacker's sequence; the screen is\n%s", vt_text(stage->vt));
}

static void look_around(struct stage *stage, PGconn *waiter)
{
	static const struct {
		const char *keys, *text;
	} steps[] = {
		{ "w", "\\x1b" },	{ "w", "\\x1b" },     { "\r", "\\x1b" },
		{ "G", "\\x1b" },	{ "\r", "FOR" },      { "K", "any other key" },
		{ "n", "left" },	{ "2", "1 tree" },    { "u", "show" },
		{ "\003", "1 tree" },	{ "yq", "copied" },   { "yt", "copied" },
		{ "/evil\r", "\\x1b" }, { "1", "WAITS FOR" }, { "fevil\r", "WAITS FOR" },
	};
	stage_select(stage, waiter);
	for (size_t i = 0; i < COUNT(steps); i++) {
		vt_send(stage->vt, steps[i].keys);
		stage_expect(stage, steps[i].text);
		expect_inert(stage);
	}
}

static void nothing_of_it_reaches_the_terminal(void **state)
{
	static const char *const locales[] = { "LC_ALL=C.UTF-8", "LC_ALL=C" };
	struct stage *stage = *state;
	make_jams(stage);
	for (size_t i = 0; i < COUNT(databases) * COUNT(locales); i++) {
		const char *const arguments[] = { "-d", databases[i / 2].name, NULL };
		const char *const environment[] = { locales[i % 2], NULL };
		stage_watch_with(stage, arguments,
				 (struct vt_options){ .columns = 180, .rows = 50, .environment = environment });
		look_around(stage, stage->sessions[i / 2 * 2 + 1]);
		vt_send(stage->vt, "q");
		stage_expect_exit(stage);
		expect_inert(stage);
	}
}

static void nothing_of_it_is_printed(void **state)
{
	static const char *const formats[] = { "text", "json", "csv", "dot" };
	struct stage *stage = *state;
	make_jams(stage);
	for (size_t i = 0; i < COUNT(databases) * COUNT(formats); i++) {
		const char *const arguments[] = { "--once", "--format", formats[i % 4], "-d", databases[i / 4].name,
						  NULL };
		struct stage_output output;
		assert_int_equal(stage_run(stage, arguments, &output), 0);
		assert_string_equal(output.err, "");
		const char *harm = inert_find_harm(output.out, output.out_length, false);
		if (harm)
			fail_msg("%s of %s: %s", formats[i % 4], databases[i / 4].name, harm);
		bool json = strcmp(formats[i % 4], "json") == 0;
		assert_non_null(strstr(output.out, json ? "\\u001B" : "\\x1b"));
		if (json) {
			json_t *document = json_loads(output.out, 0, NULL);
			assert_non_null(document);
			json_decref(document);
		}
		stage_output_free(&output);
	}
}

static void nothing_of_the_server_s_errors_is_printed(void **state)
{
	static const char *const arguments[][4] = {
		{ "--once", "-d", ESCAPES UNICODE "x", NULL },	   { "--once", "-U", ESCAPES BYTES, NULL },
		{ "--once", "-h", "/tmp/" ESCAPES UNICODE, NULL }, { "--" ESCAPES UNICODE, NULL },
		{ "--once", "--sort", ESCAPES UNICODE, NULL },	   { "-i", ESCAPES BYTES, NULL },
	};
	struct stage *stage = *state;
	for (size_t i = 0; i < COUNT(arguments); i++) {
		struct stage_output output;
		assert_int_not_equal(stage_run(stage, arguments[i], &output), 0);
		const char *harm = inert_find_harm(output.err, output.err_length, false);
		if (harm)
			fail_msg("%zu: %s in\n%s", i, harm, output.err);
		if (!strstr(output.err, "\\x1b"))
			fail_msg("%zu: %s", i, output.err);
		stage_output_free(&output);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_of_it_reaches_the_terminal, stage_clear),
		cmocka_unit_test_teardown(nothing_of_it_is_printed, stage_clear),
		cmocka_unit_test_teardown(nothing_of_the_server_s_errors_is_printed, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_hostile, stage_close);
}
