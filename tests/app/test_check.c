/* --check: what a role may, who else may, and the statements that would change it. */
#include "stage.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *check_as(struct stage *stage, const char *user, int status, const char *format)
{
	const char *const arguments[] = { "--check", "-U", user, "--format", format, NULL };
	struct stage_output output;
	int got = stage_run(stage, arguments, &output);
	if (got != status)
		fail_msg("exit %d, not %d; it wrote\n%s%s", got, status, output.out, output.err);
	char *text = strdup(output.out);
	stage_output_free(&output);
	return text;
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in\n%s", part, text);
}

static void a_guard_sees_and_signals(void **state)
{
	struct stage *stage = *state;
	PGconn *other = stage_session(stage, "user=app");
	char *text = check_as(stage, "guard", 0, "text");
	(void)other;
	expect(text, "role guard on ");
	expect(text, "pg_monitor");
	expect(text, "signals    the sessions of all roles but superusers");
	expect(text, "is a superuser's session");
	expect(text, "guard: login, directly");
	free(text);
}

static void a_plain_role_is_told_what_it_lacks(void **state)
{
	struct stage *stage = *state;
	char *text = check_as(stage, "plain", 3, "text");
	expect(text, "member of  no role");
	expect(text, "GRANT pg_monitor, pg_signal_backend TO plain");
	free(text);
}

static void a_superuser_may_all(void **state)
{
	struct stage *stage = *state;
	char *text = check_as(stage, pgserver_user(stage->server), 0, "text");
	expect(text, "signals    every session");
	expect(text, "a superuser gets into all of them");
	free(text);
}

/* Through another role, without its privileges, and by an application: each is found and named. */
static void those_who_hold_the_right_are_named(void **state)
{
	struct stage *stage = *state;
	pgserver_run(stage->admin, "create role \"Team\nA\" nologin; grant pg_signal_backend to \"Team\nA\";"
				   "create role maria login in role \"Team\nA\";"
				   "create role bare login noinherit in role pg_signal_backend;"
				   "create role shop login in role pg_signal_backend");
	for (int i = 0; i < 3; i++)
		stage_session(stage, i < 2 ? "user=shop application_name=checkout" : "user=shop application_name=cart");
	char *text = check_as(stage, "guard", 0, "text");
	expect(text, "maria: login, through \"Team");
	expect(text, "shop: login, directly");
	expect(text, "; 3 sessions of checkout, cart: AN APPLICATION'S ROLE");
	expect(text, pgserver_major() < 16 ? "  REVOKE pg_signal_backend FROM shop;"
					   : "  REVOKE pg_signal_backend FROM shop GRANTED BY ");
	expect(text, "bare: login, directly, only by SET ROLE");
	assert_null(strstr(text, "\nA\""));
	free(text);
	text = check_as(stage, "guard", 0, "json");
	json_t *report = json_loads(text, 0, NULL), *holders = json_object_get(report, "holders");
	assert_non_null(report);
	assert_int_equal(json_array_size(holders), 5);
	assert_true(json_is_true(json_object_get(report, "sees_all")));
	json_decref(report);
	free(text);
}

/* All that it says is to be done, as it stands. */
static void obey(struct stage *stage, const char *report_text)
{
	json_t *report = json_loads(report_text, 0, NULL), *statements = json_object_get(report, "statements");
	assert_true(json_array_size(statements) > 0);
	for (size_t i = 0; i < json_array_size(statements); i++)
		pgserver_run(stage->admin, json_string_value(json_array_get(statements, i)));
	json_decref(report);
}

/* Whoever lacks something, for whatever reason: as a superuser runs what is told, nothing lacks. */
static void what_is_told_to_be_done_helps(void **state)
{
	static const char *const lacking[][2] = {
		{ "only_sees", "create role only_sees login in role pg_monitor" },
		{ "only_signals", "create role only_signals login in role pg_signal_backend" },
		{ "takes_nothing", "create role takes_nothing login noinherit in role pg_monitor, pg_signal_backend" },
		{ "is_nothing", "create role is_nothing login noinherit" },
		{ "is below", "create role hollow nologin noinherit in role pg_monitor, pg_signal_backend;"
			      "create role \"is below\" login in role hollow" },
		{ "a;b--\"c", "create role \"a;b--\"\"c\" login" },
	};
	struct stage *stage = *state;
	for (size_t i = 0; i < COUNT(lacking); i++) {
		pgserver_run(stage->admin, lacking[i][1]);
		char *text = check_as(stage, lacking[i][0], 3, "json");
		obey(stage, text);
		free(text);
		text = check_as(stage, lacking[i][0], 0, "text");
		expect(text, "to be done\n  -- nothing\n");
		free(text);
	}
}

/* Since 16: granted without its use, and by somebody else; a grant that was passed on. */
static void grants_of_others_are_undone(void **state)
{
	struct stage *stage = *state;
	if (pgserver_major() < 16)
		skip();
	pgserver_run(stage->admin,
		     "create role hr nologin; grant pg_signal_backend to hr with admin option;"
		     "create role api login; grant pg_signal_backend to api with admin option granted by hr;"
		     "create role child nologin; grant pg_signal_backend to child granted by api;"
		     "create role barred login in role pg_monitor;"
		     "grant pg_signal_backend to barred with inherit false, set false");
	for (int i = 0; i < 3; i++)
		stage_session(stage, "user=api application_name=shop");
	char *text = check_as(stage, "guard", 0, "text");
	expect(text, "  REVOKE pg_signal_backend FROM api GRANTED BY hr CASCADE; -- and from those to whom it was");
	expect(text, "api: login, directly, may grant it on, granted by hr; 3 sessions");
	expect(text, "barred: login, directly, without its privileges, granted by ");
	free(text);
	text = check_as(stage, "guard", 0, "json");
	obey(stage, text);
	free(text);
	text = check_as(stage, "guard", 0, "text");
	assert_null(strstr(text, "api:"));
	assert_null(strstr(text, "child:"));
	expect(text, "hr: no login, directly, may grant it on");
	free(text);
	text = check_as(stage, "barred", 3, "json");
	obey(stage, text);
	free(text);
	free(check_as(stage, "barred", 0, "text"));
}

static void a_long_chain_is_followed(void **state)
{
	struct stage *stage = *state;
	char sql[160];
	pgserver_run(stage->admin, "create role link0 nologin in role pg_signal_backend");
	for (int i = 1; i < 30; i++) {
		snprintf(sql, sizeof sql, "create role link%d login in role link%d", i, i - 1);
		pgserver_run(stage->admin, sql);
	}
	char *text = check_as(stage, "link29", 3, "text");
	expect(text, "link29: login, through link28");
	expect(text, "signals    the sessions of all roles but superusers");
	expect(text, "GRANT pg_monitor TO link29");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_guard_sees_and_signals, stage_clear),
		cmocka_unit_test_teardown(a_plain_role_is_told_what_it_lacks, stage_clear),
		cmocka_unit_test_teardown(a_superuser_may_all, stage_clear),
		cmocka_unit_test_teardown(those_who_hold_the_right_are_named, stage_clear),
		cmocka_unit_test_teardown(what_is_told_to_be_done_helps, stage_clear),
		cmocka_unit_test_teardown(grants_of_others_are_undone, stage_clear),
		cmocka_unit_test_teardown(a_long_chain_is_followed, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
