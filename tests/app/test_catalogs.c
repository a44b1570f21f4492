/*
 * An AccessExclusiveLock on a catalog, on whatever version the server is: a program that is open goes on reading and
 * can still signal; one that is started then says what does not answer, and gets in when the lock is gone.
 */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VIEWS_SINCE = 110000 };

static const struct {
	const char *relation;
	bool authentication; /* hangs for whoever connects now; of the others the first statements may */
	int since;
} locked[] = {
	{ "pg_class", true, 0 },
	{ "pg_attribute", true, 0 },
	{ "pg_index", true, 0 },
	{ "pg_proc", false, 0 },
	{ "pg_type", false, 0 },
	{ "pg_namespace", false, 0 },
	{ "pg_database", true, 0 },
	{ "pg_authid", true, 0 },
	{ "pg_auth_members", false, 0 },
	{ "pg_operator", false, 0 },
	{ "pg_cast", false, 0 },
	{ "pg_tablespace", false, 0 },
	{ "pg_db_role_setting", true, 0 },
	{ "pg_locks", false, VIEWS_SINCE },
	{ "pg_stat_activity", true, VIEWS_SINCE }, /* and with it the tables that it reads */
	{ "public.orders", false, 0 },
};

static bool shows(struct vt *vt, void *context)
{
	return vt_find(vt, context, NULL, NULL);
}

/* Many times what a lock_timeout takes. */
static void expect_soon(struct stage *stage, const char *lock, char *text)
{
	if (!vt_wait(stage->vt, shows, text, 10000))
		fail_msg("with %s locked, \"%s\" does not come; the screen is\n%s", lock, text, vt_text(stage->vt));
}

static bool can_be_locked(struct stage *stage, size_t i)
{
	return PQserverVersion(stage->admin) >= locked[i].since;
}

static void lock(PGconn *locker, const char *relation)
{
	char sql[128];
	snprintf(sql, sizeof sql, "begin; lock table %s in access exclusive mode", relation);
	pgserver_run(locker, sql);
}

/* ---- opened before ---- */

static void goes_on_as(struct stage *stage, const char *user)
{
	const char *const arguments[] = { "-i", "0.2", "-U", user, NULL };
	PGconn *locker = stage_session(stage, "application_name=locker"), *victims[COUNT(locked)];
	PGconn *marker = stage_session(stage, "user=app");
	for (size_t i = 0; i < COUNT(locked); i++)
		victims[i] = stage_session(stage, "user=app");
	stage_start_with(stage, arguments, (struct vt_options){ .columns = 120, .rows = 40 });
	stage_expect(stage, "LIVE");
	vt_send(stage->vt, "2");
	for (size_t i = 0; i < COUNT(locked); i++) {
		char sql[128], name[32], gone[64];
		if (!can_be_locked(stage, i))
			continue;
		lock(locker, locked[i].relation);
		snprintf(name, sizeof name, "marker%zu.", i);
		snprintf(sql, sizeof sql, "set application_name = '%s'", name);
		pgserver_run(marker, sql);
		expect_soon(stage, locked[i].relation, name);
		stage_ask(stage, victims[i], 'K');
		vt_send(stage->vt, "y");
		snprintf(gone, sizeof gone, "TERM sent to %d: gone after", PQbackendPID(victims[i]));
		expect_soon(stage, locked[i].relation, gone);
		pgserver_run(locker, "rollback");
	}
	stage_quit(stage);
}

static void goes_on_as_a_superuser(void **state)
{
	struct stage *stage = *state;
	goes_on_as(stage, pgserver_user(stage->server));
}

static void goes_on_as_a_monitor(void **state)
{
	goes_on_as(*state, "guard");
}

/*
 * What a session remembers of the catalogs is void after a VACUUM FULL of theirs: then a lock does hold up a refresh,
 * but for the lock_timeout only. The last frame stays, marked; it is tried again, and the server lives on.
 */
static void survives_cold_caches(void **state)
{
	static const char *const arguments[] = { "-i", "0.2", "-U", "guard", NULL };
	static const char *const catalogs[] = { "pg_proc", "pg_type", "pg_authid", "pg_class" };
	struct stage *stage = *state;
	PGconn *locker = stage_session(stage, "application_name=locker"), *vacuum = stage_session(stage, "");
	PGconn *marker = stage_session(stage, "user=app");
	stage_start_with(stage, arguments, (struct vt_options){ .columns = 120, .rows = 30 });
	stage_expect(stage, "LIVE");
	vt_send(stage->vt, "2");
	for (size_t i = 0; i < COUNT(catalogs); i++) {
		char sql[128], after[32];
		int pid = (int)stage_own_backend(stage);
		/* Its backend sleeps until the lock is there, so that it meets both at once. */
		stage_freeze_backend(stage);
		snprintf(sql, sizeof sql, "vacuum full %s", catalogs[i]);
		pgserver_run(vacuum, sql);
		pgserver_run(vacuum, "create role invalidates; drop role invalidates");
		lock(locker, catalogs[i]);
		stage_thaw_backend(stage);
		if (strcmp(catalogs[i], "pg_proc") == 0)
			stage_expect(stage, ": a catalog may be locked: ");
		pgserver_run(locker, "rollback");
		snprintf(after, sizeof after, "after %zu.", i);
		snprintf(sql, sizeof sql, "set application_name = '%s'", after);
		pgserver_run(marker, sql);
		stage_expect(stage, after);
		assert_int_equal((int)stage_own_backend(stage), pid);
	}
	stage_quit(stage);
}

/* ---- opened after ---- */

static bool lives_or_says_what_hangs(struct vt *vt, void *context)
{
	(void)context;
	return vt_find(vt, "LIVE", NULL, NULL) || vt_find(vt, "no answer for", NULL, NULL);
}

static void says_what_hangs(struct stage *stage, const char *user)
{
	const char *const arguments[] = { "-U", user, NULL };
	PGconn *locker = stage_session(stage, "application_name=locker");
	for (size_t i = 0; i < COUNT(locked); i++) {
		if (!can_be_locked(stage, i))
			continue;
		lock(locker, locked[i].relation);
		stage_start_with(stage, arguments, (struct vt_options){ .columns = 200, .rows = 30 });
		if (locked[i].authentication)
			stage_expect(stage, "accepted, authentication unanswered for");
		else if (!vt_wait(stage->vt, lives_or_says_what_hangs, NULL, VT_PATIENCE_MS))
			fail_msg("with %s locked the screen is\n%s", locked[i].relation, vt_text(stage->vt));
		pgserver_run(locker, "rollback");
		stage_expect(stage, "LIVE");
		stage_quit(stage);
		vt_end(stage->vt);
		stage->vt = NULL;
	}
}

static void says_what_hangs_as_a_superuser(void **state)
{
	struct stage *stage = *state;
	says_what_hangs(stage, pgserver_user(stage->server));
}

static void says_what_hangs_as_a_monitor(void **state)
{
	says_what_hangs(*state, "guard");
}

/* One line, exit status 2, in its time; and the server is none the worse. */
static void once_does_not_hang(void **state)
{
	static const char *const arguments[] = { "--once", NULL };
	struct stage *stage = *state;
	PGconn *locker = stage_session(stage, "application_name=locker");
	int64_t postmaster = pgserver_number(stage->admin, "select extract(epoch from pg_postmaster_start_time())");
	setenv("PGCONNECT_TIMEOUT", "2", 1);
	for (size_t i = 0; i < COUNT(locked); i++) {
		struct stage_output output;
		if (!can_be_locked(stage, i))
			continue;
		lock(locker, locked[i].relation);
		int status = stage_run(stage, arguments, &output);
		pgserver_run(locker, "rollback");
		if (status != 2 && (status != 0 || locked[i].authentication))
			fail_msg("with %s locked: exit status %d, %s", locked[i].relation, status, output.err);
		bool line = strchr(output.err, '\n') == output.err + output.err_length - 1;
		if (status == 2 && !(line && strstr(output.err, "may be locked")))
			fail_msg("with %s locked: %s", locked[i].relation, output.err);
		stage_output_free(&output);
	}
	unsetenv("PGCONNECT_TIMEOUT");
	assert_int_equal(pgserver_number(stage->admin, "select extract(epoch from pg_postmaster_start_time())"),
			 postmaster);
}

/* PostgreSQL 18 goes down when the very first look-up of a type is cancelled: SELECT 1 is safe, and must be first. */
static void begins_with_select_1(void **state)
{
	struct stage *stage = *state;
	char path[256], needle[64], *line = NULL;
	size_t size = 0;
	bool any = false;
	stage_watch(stage, NULL);
	snprintf(needle, sizeof needle, "[%d] ", (int)stage_own_backend(stage));
	stage_quit(stage);
	snprintf(path, sizeof path, "%s/log", pgserver_socket(stage->server));
	FILE *log = fopen(path, "re");
	assert_non_null(log);
	while (!any && getline(&line, &size, log) > 0)
		any = strstr(line, needle) && strstr(line, "execute ");
	fclose(log);
	if (!any || !strstr(line, ": select 1\n"))
		fail_msg("its first statement: %s", line);
	free(line);
}

static const char *const settings[] = { "log_statement=all", "log_line_prefix=[%p] ", NULL };

static int open_logged(void **state)
{
	return stage_open_with(state, settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(goes_on_as_a_superuser, stage_clear),
		cmocka_unit_test_teardown(goes_on_as_a_monitor, stage_clear),
		cmocka_unit_test_teardown(survives_cold_caches, stage_clear),
		cmocka_unit_test_teardown(says_what_hangs_as_a_superuser, stage_clear),
		cmocka_unit_test_teardown(says_what_hangs_as_a_monitor, stage_clear),
		cmocka_unit_test_teardown(once_does_not_hang, stage_clear),
		cmocka_unit_test_teardown(begins_with_select_1, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_logged, stage_close);
}
