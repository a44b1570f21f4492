#include "pglocktop/privilege.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct session client(void)
{
	return (struct session){
		.id = { 8017, 1 }, .listed = true, .usesysid = 10, .user = "app", .backend_type = "client backend"
	};
}

static struct privilege_facts facts(void)
{
	return (struct privilege_facts){ .known = true, .target_known = true, .own_pid = 1, .version_num = 150018 };
}

static void decides_by_the_servers_rules(void **state)
{
	(void)state;
	struct session session = client();
	struct privilege_facts ours = facts();
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_MEMBER);
	ours.signal_backend = true;
	assert_int_equal(privilege_decide(&ours, &session), MAY_SIGNAL);
	ours.target_superuser = true;
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_SUPERUSER);
	ours.superuser = true;
	assert_int_equal(privilege_decide(&ours, &session), MAY_SIGNAL);
	ours = facts();
	ours.target_privileges = true;
	assert_int_equal(privilege_decide(&ours, &session), MAY_SIGNAL);
}

static void what_is_not_known_is_not_offered(void **state)
{
	(void)state;
	struct session session = client();
	struct privilege_facts ours = facts();
	ours.target_known = false;
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_UNKNOWN);
	ours.known = false;
	ours.superuser = true;
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_UNKNOWN);
	ours = facts();
	ours.superuser = true;
	session.id.backend_start = WHEN_NONE;
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_NO_IDENTITY);
	session.listed = false;
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_GONE);
}

static void its_own_session_is_nobodys(void **state)
{
	(void)state;
	struct session session = client();
	struct privilege_facts ours = facts();
	ours.superuser = true;
	ours.own_pid = session.id.pid;
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_OWN);
}

static void background_processes(void **state)
{
	(void)state;
	struct session session = client();
	struct privilege_facts ours = facts();
	session.usesysid = 0;
	ours.signal_backend = true;
	session.backend_type = "checkpointer";
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_AUXILIARY);
	session.backend_type = "autovacuum launcher";
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_NO_ROLE);
	session.backend_type = "autovacuum worker";
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_AUTOVACUUM);
	ours.signal_autovacuum = true;
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_AUTOVACUUM);
	ours.version_num = 180000;
	assert_int_equal(privilege_decide(&ours, &session), MAY_SIGNAL);
	ours.superuser = true;
	session.backend_type = "walwriter";
	assert_int_equal(privilege_decide(&ours, &session), MAY_NOT_AUXILIARY);
	session.backend_type = "logical replication worker";
	assert_int_equal(privilege_decide(&ours, &session), MAY_SIGNAL);
}

static void assert_explained(struct session session, enum session_may may, int version, const char *words)
{
	struct snapshot snapshot = { .server.version_num = version,
				     .role = { .known = true, .name = "dba", .quoted = "dba", .inherits = true } };
	struct strbuf text = STRBUF_INIT;
	session.may = may;
	privilege_explain(&snapshot, &session, &text);
	if (!strstr(text.text, words) || strchr(text.text, '\n') || strncmp(text.text, "8017 ", 5) != 0)
		fail_msg("explained otherwise: %s", text.text);
	strbuf_release(&text);
}

static void explains_and_says_how_to_mend(void **state)
{
	(void)state;
	struct session session = client();
	assert_explained(session, MAY_SIGNAL, 150000, "may be signalled");
	assert_explained(session, MAY_NOT_OWN, 150000, "own session");
	assert_explained(session, MAY_NOT_NO_IDENTITY, 150000, "GRANT pg_monitor, pg_signal_backend TO dba");
	assert_explained(session, MAY_NOT_SUPERUSER, 150000, "only a superuser may signal it, no GRANT would do");
	assert_explained(session, MAY_NOT_MEMBER, 150000, "belongs to app: GRANT pg_signal_backend TO dba");
	assert_explained(session, MAY_NOT_AUTOVACUUM, 150000, "only a superuser may signal it");
	assert_explained(session, MAY_NOT_AUTOVACUUM, 180000, "GRANT pg_signal_autovacuum_worker TO dba");
	assert_explained(session, MAY_NOT_GONE, 150000, "logging in");
	assert_explained(session, MAY_NOT_UNKNOWN, 150000, "roles could not be read");
	session.backend_type = "checkpointer";
	assert_explained(session, MAY_NOT_AUXILIARY, 150000, "the server's checkpointer: nobody can");
	session.backend_type = "autovacuum launcher";
	assert_explained(session, MAY_NOT_NO_ROLE, 150000, "only a superuser");
}

static const char *advice_for(struct role_info role, int version, struct strbuf *text)
{
	struct snapshot snapshot = { .server.version_num = version, .role = role };
	role.known = true;
	assert_true(privilege_lacks(&role));
	strbuf_reset(text);
	privilege_advise(&snapshot, text);
	return text->text;
}

/* The member of a role may lack its privileges; a role that many use is not to be granted anything. */
static void advises_what_is_missing(void **state)
{
	(void)state;
	struct strbuf text = STRBUF_INIT;
	struct role_info role = { .name = "dba", .quoted = "dba", .inherits = true };
	const char *never = "GRANT pg_monitor, pg_signal_backend TO dba; never for an application's role";
	assert_string_equal(advice_for(role, 150000, &text), never);
	role.member_signals = true;
	assert_string_equal(advice_for(role, 150000, &text), never);
	assert_non_null(strstr(advice_for(role, 160000, &text), "TO dba WITH INHERIT TRUE;"));
	role.inherits = false;
	assert_non_null(strstr(advice_for(role, 150000, &text), "GRANT pg_monitor TO dba and ALTER ROLE dba INHERIT;"));
	role.member_sees = true;
	assert_non_null(strstr(advice_for(role, 150000, &text), "ALTER ROLE dba INHERIT;"));
	assert_null(strstr(text.text, "GRANT"));
	role = (struct role_info){ .name = "app", .quoted = "app", .inherits = true, .sees_all = true, .others = 3 };
	assert_string_equal(advice_for(role, 150000, &text),
			    "GRANT pg_signal_backend TO a DBA's own role; not to app: 3 other sessions use it, as an "
			    "application does");
	role = (struct role_info){ .known = true, .sees_all = true, .signals_others = true };
	assert_false(privilege_lacks(&role));
	role = (struct role_info){ .known = false };
	assert_false(privilege_lacks(&role));
	strbuf_release(&text);
}

/* pg_signal_backend reached processes without a role until the mended releases of November 2023. */
static void processes_without_a_role_by_release(void **state)
{
	(void)state;
	static const struct {
		int version;
		enum session_may may;
	} releases[] = {
		{ 100023, MAY_SIGNAL },	     { 110021, MAY_SIGNAL },	  { 110022, MAY_NOT_NO_ROLE },
		{ 120016, MAY_SIGNAL },	     { 120017, MAY_NOT_NO_ROLE }, { 150004, MAY_SIGNAL },
		{ 150005, MAY_NOT_NO_ROLE }, { 160000, MAY_SIGNAL },	  { 160001, MAY_NOT_NO_ROLE },
		{ 170000, MAY_NOT_NO_ROLE }, { 180000, MAY_NOT_NO_ROLE },
	};
	struct session session = client();
	session.usesysid = 0;
	session.backend_type = "autovacuum launcher";
	for (size_t i = 0; i < sizeof releases / sizeof *releases; i++) {
		struct privilege_facts ours = facts();
		ours.signal_backend = true;
		ours.version_num = releases[i].version;
		assert_int_equal(privilege_decide(&ours, &session), releases[i].may);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_by_the_servers_rules),
		cmocka_unit_test(what_is_not_known_is_not_offered),
		cmocka_unit_test(its_own_session_is_nobodys),
		cmocka_unit_test(background_processes),
		cmocka_unit_test(explains_and_says_how_to_mend),
		cmocka_unit_test(advises_what_is_missing),
		cmocka_unit_test(processes_without_a_role_by_release),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
