/* Masked: of literals planted in real sessions nothing is drawn and nothing is printed. */
#include "stage.h"

#include "pglocktop/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In every literal below and in nothing else. */
static const char secret[] = "pilfered";

/* Each runs in a session of its own that has begun a transaction and then is idle in it. */
static const char *const queries[] = {
	"select 'pilfered', 'it''s pilfered' as a",
	"select E'pilfered\\'pilfered' as a",
	"select U&'\\0061pilfered' as a, U&'pilfered' uescape '!' as b",
	"select N'pilfered' as a",
	"select $$pilfered$$ as a, $x$it's $$pilfered$$ $x$ as b",
	"select 'pilfered' -- it's pilfered\n 'pilfered' as a",
	"select 1 /* pilfered /* pilfered */ pilfered */ as a",
	"do $do$ begin perform 'pilfered'; end $do$",
	"set standard_conforming_strings = off; select 'pilfered\\'pilfered' as a, 'pilfered'",
	"select 'pilfered\\', \"a\" from (select 1 as a) b where 'pilfered' <> ''",
	"select x'deadbeef' as a, 'pilfered'::text, array['pilfered'], date '2026-11-22'",
	"set application_name = 'seen'; set my.password = 'pilfered'",
	"alter role nobody_here with password 'pilfered' valid until 'pilfered'",
	"select dblink_connect('host=pilfered password=pilfered')",
	"copy (select 'pilfered') to program 'pilfered' with (format csv, null 'pilfered')",
	"create user mapping for app server pilfer options (password 'pilfered')",
	"select E'\\x70\\'pilfered' 'pilfered' \n 'pilfered', $p$ $$ pilfered $$ $p$, B'1', 0x70_1, \"a\"",
	"select 'no end pilfered", /* fails, and shows as the last query all the same */
};

enum { CUT_SIZE = 1024 };

/* The server keeps the first 1023 bytes, less what is no whole character: the end of the string is missing. */
static void run_cut_off(PGconn *session, const char *begin, const char *filling, const char *end)
{
	struct strbuf sql = STRBUF_INIT;
	strbuf_add_string(&sql, begin);
	while (sql.length < 2 * CUT_SIZE) {
		strbuf_add_string(&sql, secret);
		strbuf_add_string(&sql, filling);
	}
	strbuf_add_string(&sql, end);
	pgserver_run(session, "begin");
	pgserver_run(session, sql.text);
	strbuf_release(&sql);
}

static void plant(struct stage *stage)
{
	for (size_t i = 0; i < COUNT(queries); i++) {
		PGconn *session = stage_session(stage, "");
		pgserver_run(session, "begin");
		PQclear(PQexec(session, queries[i]));
	}
	run_cut_off(stage_session(stage, ""), "select '", "", "' as a");
	run_cut_off(stage_session(stage, ""), "select E'", "\xe6\x97\xa5\xc3\xa4\\'", "' as a");
	run_cut_off(stage_session(stage, ""), "select $\xc3\xa4$", "$$'", "$\xc3\xa4$ as a");
	run_cut_off(stage_session(stage, ""), "select 1 /* ", "/*\xe6\x97\xa5*/", "*/");
	PGconn *holder = stage_session(stage, ""), *waiter = stage_session(stage, "");
	pgserver_run(holder, "begin; update orders set note='pilfered'");
	pgserver_send(waiter, "update orders set note='pilfered'");
	pgserver_wait_blocked(stage->admin, waiter);
	pgserver_wait_until(stage->admin, "select min(now() - query_start) > '1s' from pg_stat_activity "
					  "where wait_event_type = 'Lock'");
}

static void run(struct stage *stage, const char *const *arguments, struct stage_output *output)
{
	int code = stage_run(stage, arguments, output);
	if (code != 0)
		fail_msg("exit %d: %s", code, output->err);
}

static void prints_none_in_any_format(void **state)
{
	static const char *const formats[] = { "text", "json", "csv", "dot" };
	struct stage *stage = *state;
	plant(stage);
	for (size_t i = 0; i < COUNT(formats); i++) {
		const char *const open[] = { "--once", "--format", formats[i], NULL };
		const char *const masked[] = { "--once", "-m", "--format", formats[i], NULL };
		struct stage_output output;
		run(stage, open, &output);
		assert_non_null(strstr(output.out, "note='"));
		stage_output_free(&output);
		run(stage, masked, &output);
		if (strstr(output.out, secret) || strstr(output.err, secret))
			fail_msg("%s has a literal:\n%s", formats[i], output.out);
		assert_non_null(strstr(output.out, "update orders set note=?"));
		stage_output_free(&output);
	}
}

/* What went to the clipboard, all of it: OSC 52 ; c ; base64 of the text. */
static void add_copied(const char *raw, size_t length, struct strbuf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char mark[] = "\033]52;c;";
	const char *end = raw + length, *at = raw;
	while ((at = memmem(at, (size_t)(end - at), mark, strlen(mark)))) {
		const char *digit;
		unsigned bits = 0, count = 0;
		for (at += strlen(mark); at < end && *at && (digit = strchr(digits, *at)); at++) {
			bits = bits << 6 | (unsigned)(digit - digits);
			if (++count % 4 != 1)
				strbuf_add_char(out, (char)(bits >> (6 - 2 * ((count - 1) % 4)) & 0xff));
		}
		strbuf_add_char(out, '\n');
	}
}

static void expect_no_secret(struct stage *stage)
{
	struct strbuf copied = STRBUF_INIT;
	size_t length;
	const char *raw = vt_raw(stage->vt, &length);
	add_copied(raw, length, &copied);
	if (memmem(raw, length, secret, strlen(secret)) || strstr(vt_text(stage->vt), secret))
		fail_msg("a literal shows; the screen is\n%s", vt_text(stage->vt));
	if (strstr(copied.text, secret))
		fail_msg("a literal was copied:\n%s", copied.text);
	strbuf_release(&copied);
}

static void expect_copied(struct stage *stage, const char *text)
{
	struct strbuf copied = STRBUF_INIT;
	size_t length;
	const char *raw = vt_raw(stage->vt, &length);
	add_copied(raw, length, &copied);
	if (!strstr(copied.text, text))
		fail_msg("\"%s\" was not copied, but\n%s", text, copied.text);
	strbuf_release(&copied);
}

static void draws_none(void **state)
{
	static const char *const arguments[] = { "--mask", NULL };
	static const struct {
		const char *keys, *text;
	} steps[] = {
		{ "w", "MASKED" },	     { "\r", "QUERY" },	      { "\r", "FOR" },
		{ "K", "any other key" },    { "n", "left" },	      { "2", "1 tree" },
		{ "G", "1 tree" },	     { "g", "1 tree" },	      { "\r", "QUERY" },
		{ "\r", "1 tree" },	     { "yq", "copied" },      { "yt", "copied" },
		{ "squery\r", "MASKED" },    { "Mn\r", "as before" }, { "3", "HELD / WANTED" },
		{ "4", "the newest first" }, { "1", "WAITS FOR" },
	};
	struct stage *stage = *state;
	size_t before;
	plant(stage);
	stage_watch_with(stage, arguments, (struct vt_options){ .columns = 200, .rows = 50 });
	for (size_t i = 0; i < COUNT(steps); i++) {
		vt_send(stage->vt, steps[i].keys);
		stage_expect(stage, steps[i].text);
		stage_expect(stage, "MASKED");
		expect_no_secret(stage);
	}
	vt_raw(stage->vt, &before);
	vt_send(stage->vt, "yt");
	assert_true(vt_wait_raw(stage->vt, before, "\007"));
	expect_no_secret(stage);
	expect_copied(stage, "select ?, ? as a");
	expect_copied(stage, "update orders set note=?");
}

/* Shown or not: what is on the record is masked. */
static void logs_none(void **state)
{
	struct stage *stage = *state;
	PGconn *victim = stage_session(stage, "");
	char *line = NULL;
	size_t size = 0, lines = 0;
	pgserver_run(victim, "begin; select 'pilfered', x'deadbeef'");
	stage_watch(stage, NULL);
	vt_send(stage->vt, "2");
	stage_ask(stage, victim, 'K');
	stage_expect(stage, "'pil"); /* it does show here */
	vt_send(stage->vt, "y");
	stage_expect(stage, "gone after");
	vt_send(stage->vt, "4");
	stage_expect(stage, "TERM sent");
	stage_expect_gone(stage, secret);
	vt_send(stage->vt, "A");
	stage_expect(stage, "audit log, the newest last");
	stage_expect_gone(stage, secret);
	vt_send(stage->vt, "q");
	stage_quit(stage);
	FILE *log = fopen(stage->log, "re");
	assert_non_null(log);
	while (getline(&line, &size, log) > 0) {
		lines++;
		if (strstr(line, secret) || strstr(line, "deadbeef"))
			fail_msg("a literal is on the record: %s", line);
	}
	free(line);
	fclose(log);
	assert_true(lines >= 2);
}

/* Until the question is on the screen, and the terminal has said so. */
static void ask_to_unmask(struct stage *stage)
{
	size_t before;
	vt_raw(stage->vt, &before);
	vt_send(stage->vt, "M");
	assert_true(vt_wait_raw(stage->vt, before, "\033[5n"));
	stage_expect(stage, "unmask? y Enter shows the literals");
}

/* Asking by a pattern finds nothing; unmasked, the same pattern does. */
static void answers_no_pattern(void **state)
{
	static const char *const arguments[] = { "-m", "-f", "query:pilfer", NULL };
	struct stage *stage = *state;
	plant(stage);
	stage_watch_with(stage, arguments, (struct vt_options){ .columns = 200, .rows = 50 });
	stage_expect(stage, "Nothing matches");
	/* Typed ahead, or pasted into a terminal that does not say so: nothing of it is an answer. */
	vt_send(stage->vt, "My\r");
	stage_expect(stage, "masked as before");
	stage_clear_message(stage, "masked as before");
	ask_to_unmask(stage);
	vt_send(stage->vt, "y\r");
	stage_expect(stage, "several keys came at once: masked as before");
	stage_clear_message(stage, "several keys came at once");
	expect_no_secret(stage);
	ask_to_unmask(stage);
	vt_send(stage->vt, "y");
	stage_expect(stage, "literals: y");
	vt_send(stage->vt, "\r");
	stage_expect(stage, "note='pilfered'");
	stage_expect_gone(stage, "MASKED");
	vt_send(stage->vt, "M");
	stage_expect(stage, "Nothing matches");
	stage_expect_gone(stage, "note='pilfered'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(prints_none_in_any_format, stage_clear),
		cmocka_unit_test_teardown(draws_none, stage_clear),
		cmocka_unit_test_teardown(logs_none, stage_clear),
		cmocka_unit_test_teardown(answers_no_pattern, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
