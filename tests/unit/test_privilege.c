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
	struct snapshot snapshot = { .server.version_num = version, .role.name = "dba" };
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
	assert_explained(session, MAY_NOT_NO_IDENTITY, 150000, "GRANT pg_monitor TO dba");
	assert_explained(session, MAY_NOT_SUPERUSER, 150000, "only a superuser may signal it");
	assert_explained(session, MAY_NOT_MEMBER, 150000, "belongs to app: GRANT pg_signal_backend TO dba");
	assert_explained(session, MAY_NOT_AUTOVACUUM, 150000, "only a superuser may signal it");
	assert_explained(session, MAY_NOT_AUTOVACUUM, 180000, "GRANT pg_signal_autovacuum_worker TO dba");
	assert_explained(session, MAY_NOT_GONE, 150000, "next refresh");
	assert_explained(session, MAY_NOT_UNKNOWN, 150000, "roles could not be read");
	session.backend_type = "checkpointer";
	assert_explained(session, MAY_NOT_AUXILIARY, 150000, "the server's checkpointer: nobody can");
	session.backend_type = "autovacuum launcher";
	assert_explained(session, MAY_NOT_NO_ROLE, 150000, "only a superuser");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_by_the_servers_rules),	 cmocka_unit_test(what_is_not_known_is_not_offered),
		cmocka_unit_test(its_own_session_is_nobodys),	 cmocka_unit_test(background_processes),
		cmocka_unit_test(explains_and_says_how_to_mend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
