/* An AccessExclusiveLock on a catalog, while the program is open: it goes on reading and can still signal. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const locked[] = {
	"pg_class",	      "pg_attribute", "pg_index",	  "pg_proc",	  "pg_type", "pg_namespace",
	"pg_database",	      "pg_authid",    "pg_auth_members",  "pg_operator",  "pg_cast", "pg_tablespace",
	"pg_db_role_setting", "pg_locks",     "pg_stat_activity", "public.orders"
};

static bool shows(struct vt *vt, void *context)
{
	return vt_find(vt, context, NULL, NULL);
}

/* Until 10 a view cannot be locked: nobody can do to its users what is done here. */
static bool can_be_locked(const struct stage *stage, const char *name)
{
	bool view = strcmp(name, "pg_locks") == 0 || strcmp(name, "pg_stat_activity") == 0;
	return !view || PQserverVersion(stage->admin) >= 110000;
}

/* Half of the time that a lock_timeout would take, ten times over. */
static void expect_soon(struct stage *stage, const char *lock, char *text)
{
	if (!vt_wait(stage->vt, shows, text, 5000))
		fail_msg("with %s locked, \"%s\" does not come; the screen is\n%s", lock, text, vt_text(stage->vt));
}

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
		if (!can_be_locked(stage, locked[i]))
			continue;
		snprintf(sql, sizeof sql, "begin; lock table %s in access exclusive mode", locked[i]);
		pgserver_run(locker, sql);
		snprintf(name, sizeof name, "marker%zu.", i);
		snprintf(sql, sizeof sql, "set application_name = '%s'", name);
		pgserver_run(marker, sql);
		expect_soon(stage, locked[i], name);
		stage_ask(stage, victims[i], 'K');
		vt_send(stage->vt, "y");
		snprintf(gone, sizeof gone, "TERM sent to %d: gone after", PQbackendPID(victims[i]));
		expect_soon(stage, locked[i], gone);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(goes_on_as_a_superuser, stage_clear),
		cmocka_unit_test_teardown(goes_on_as_a_monitor, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
