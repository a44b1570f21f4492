/* What a role sees and may signal, on whatever version the server is: what was predicted is what the server then does.
 */
#include "listener.h"
#include "pglocktop/privilege.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct pgserver *server;
static PGconn *admin;
static int version;

/* Autovacuum is at work, on a table that is always in need of it. */
static const char *const settings[] = { "autovacuum=on", "autovacuum_naptime=1", "autovacuum_vacuum_cost_delay=100",
					"wal_level=logical", NULL };

static int start(void **state)
{
	(void)state;
	server = pgserver_new(settings);
	admin = pgserver_connect(server, "postgres");
	version = PQserverVersion(admin);
	pgserver_run(admin, "create role app login; create role plain login; create role replicator login replication;"
			    "create role monitor login in role pg_monitor;"
			    "create role signaller login in role pg_signal_backend;"
			    "create role guard login in role pg_monitor, pg_signal_backend;"
			    "create role cloud login createrole createdb in role pg_monitor, pg_signal_backend;"
			    "create role noinherit login noinherit in role pg_monitor, pg_signal_backend;"
			    "create role \"Odd \"\"Role\" login;"
			    "create role leads login in role app, pg_monitor;"
			    "create role becomes login in role guard; alter role becomes set role = guard");
	if (version >= 160000)
		pgserver_run(admin, "create role not_inherited login;"
				    "grant pg_monitor, pg_signal_backend to not_inherited with inherit false");
	return 0;
}

static int end(void **state)
{
	(void)state;
	PQfinish(admin);
	pgserver_free(server);
	return 0;
}

static struct listener listen_as(const char *user)
{
	struct listener listener = listener_new(server, NULL, user);
	listener_refresh(&listener);
	return listener;
}

static PGconn *connect_as(const char *user)
{
	char options[64];
	snprintf(options, sizeof options, "dbname=postgres user=%s", user);
	return pgserver_connect(server, options);
}

static void expect_why_not(const struct listener *listener, const struct session *session, const char *words)
{
	struct strbuf text = STRBUF_INIT;
	privilege_explain(listener->frame->snapshot, session, &text);
	if (!strstr(text.text, words))
		fail_msg("\"%s\" is not in: %s", words, text.text);
	strbuf_release(&text);
}

/* ---- what each role is, sees, lacks ---- */

struct expected {
	const char *user, *name;
	bool superuser, sees, signals;
	const char *advice; /* NULL: it lacks nothing */
};

static void expect_role(const struct expected *expected)
{
	struct listener listener = listen_as(expected->user);
	const struct snapshot *snapshot = listener.frame->snapshot;
	const struct role_info *role = &snapshot->role;
	assert_true(role->known);
	assert_string_equal(role->name, expected->name);
	if (role->superuser != expected->superuser || role->sees_all != expected->sees ||
	    role->signals_others != expected->signals)
		fail_msg("%s: superuser %d, sees %d, signals %d", expected->user, role->superuser, role->sees_all,
			 role->signals_others);
	assert_int_equal(privilege_lacks(role), expected->advice != NULL);
	if (expected->advice) {
		struct strbuf text = STRBUF_INIT;
		privilege_advise(snapshot, &text);
		if (strncmp(text.text, expected->advice, strlen(expected->advice)) != 0)
			fail_msg("%s: %s", expected->user, text.text);
		assert_non_null(strstr(text.text, "never for an application's role"));
		strbuf_release(&text);
	}
	listener_stop(&listener);
}

static void roles_are_what_they_may(void **state)
{
	(void)state;
	const char *inherits = version >= 160000 ? "GRANT pg_monitor, pg_signal_backend TO noinherit WITH INHERIT TRUE;"
						 : "ALTER ROLE noinherit INHERIT;";
	const struct expected roles[] = {
		{ pgserver_user(server), pgserver_user(server), true, true, true, NULL },
		{ "guard", "guard", false, true, true, NULL },
		{ "cloud", "cloud", false, true, true, NULL },
		{ "becomes", "guard", false, true, true, NULL },
		{ "plain", "plain", false, false, false, "GRANT pg_monitor, pg_signal_backend TO plain;" },
		{ "monitor", "monitor", false, true, false, "GRANT pg_signal_backend TO monitor;" },
		{ "signaller", "signaller", false, false, true, "GRANT pg_monitor TO signaller;" },
		{ "noinherit", "noinherit", false, version < 150000, false, inherits },
		{ "Odd \"Role", "Odd \"Role", false, false, false,
		  "GRANT pg_monitor, pg_signal_backend TO \"Odd \"\"Role\";" },
	};
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		expect_role(&roles[i]);
	if (version >= 160000)
		expect_role(&(struct expected){
			"not_inherited", "not_inherited", false, false, false,
			"GRANT pg_monitor, pg_signal_backend TO not_inherited WITH INHERIT TRUE;" });
}

static void the_advice_does_what_it_says(void **state)
{
	(void)state;
	struct listener listener = listen_as("noinherit");
	struct strbuf text = STRBUF_INIT;
	privilege_advise(listener.frame->snapshot, &text);
	*strchr(text.text, ';') = '\0';
	pgserver_run(admin, text.text);
	strbuf_release(&text);
	listener_stop(&listener);
	expect_role(&(struct expected){ "noinherit", "noinherit", false, true, true, NULL });
	pgserver_run(admin, version >= 160000 ? "grant pg_monitor, pg_signal_backend to noinherit with inherit false"
					      : "alter role noinherit noinherit");
}

/* A role that many log in as is an application's: what it is to be granted is not said. */
static void an_applications_role_is_not_advised(void **state)
{
	(void)state;
	PGconn *pool[4], *target = connect_as("plain");
	for (size_t i = 0; i < sizeof pool / sizeof *pool; i++)
		pool[i] = connect_as("app");
	struct listener listener = listen_as("app");
	struct strbuf text = STRBUF_INIT;
	privilege_advise(listener.frame->snapshot, &text);
	assert_non_null(strstr(text.text, "TO a DBA's own role; not to app: 4 other sessions"));
	assert_null(strstr(text.text, "TO app"));
	strbuf_release(&text);
	expect_why_not(&listener, listener_session(&listener, target), "TO a DBA's own role");
	listener_stop(&listener);
	for (size_t i = 0; i < sizeof pool / sizeof *pool; i++)
		PQfinish(pool[i]);
	PQfinish(target);
}

/* ---- what is hidden ---- */

static void what_is_hidden_is_unknown(void **state)
{
	(void)state;
	PGconn *other = connect_as("app"), *own = connect_as("plain");
	pgserver_run(other, "begin");
	pgserver_run(own, "begin");
	struct listener listener = listen_as("plain");
	const struct session *hidden = listener_session(&listener, other), *seen = listener_session(&listener, own);
	assert_true(hidden->id.backend_start == WHEN_NONE && hidden->state == SESSION_HIDDEN && !hidden->state_text);
	assert_true(!hidden->query_with_literals && !hidden->backend_type && !hidden->client &&
		    hidden->xact_start == WHEN_NONE);
	assert_string_equal(hidden->user, "app");
	assert_int_equal(hidden->may, MAY_NOT_NO_IDENTITY);
	expect_why_not(&listener, hidden, "GRANT pg_monitor, pg_signal_backend TO plain");
	assert_int_equal(seen->state, SESSION_IDLE_IN_TRANSACTION);
	assert_int_equal(seen->may, MAY_SIGNAL);
	expect_why_not(&listener, listener_session(&listener, admin), "superuser's session: only a superuser may");
	expect_why_not(&listener, listener_session(&listener, admin), "no GRANT would do");
	listener_stop(&listener);
	PQfinish(other);
	PQfinish(own);
}

/* ---- what was predicted is what the server does ---- */

static void expect_refused(struct listener *listener, PGconn *target)
{
	struct signal_request request = listener_request(listener, target, SIGNAL_TERMINATE);
	listener_send_signal(listener, &request);
	listener_await_signal(listener, SIGNAL_REFUSED);
	assert_string_equal(listener->signal.sqlstate, "42501");
	assert_true(strlen(listener->signal.text) > 20);
}

static void expect_signalled(struct listener *listener, PGconn *target)
{
	assert_int_equal(listener_session(listener, target)->may, MAY_SIGNAL);
	struct signal_request request = listener_request(listener, target, SIGNAL_TERMINATE);
	listener_send_signal(listener, &request);
	listener_await_signal(listener, SIGNAL_SENT);
	listener_await_signal(listener, SIGNAL_GONE);
	PQfinish(target);
}

static void signals_as_predicted(void **state)
{
	(void)state;
	struct {
		const char *user;
		enum session_may app, superuser;
	} roles[] = {
		{ "guard", MAY_SIGNAL, MAY_NOT_SUPERUSER },	  { "cloud", MAY_SIGNAL, MAY_NOT_SUPERUSER },
		{ "becomes", MAY_SIGNAL, MAY_NOT_SUPERUSER },	  { "leads", MAY_SIGNAL, MAY_NOT_SUPERUSER },
		{ "monitor", MAY_NOT_MEMBER, MAY_NOT_SUPERUSER }, { pgserver_user(server), MAY_SIGNAL, MAY_SIGNAL },
	};
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
		PGconn *app = connect_as("app"), *superuser = pgserver_connect(server, "postgres");
		struct listener listener = listen_as(roles[i].user);
		assert_int_equal(listener_session(&listener, app)->may, roles[i].app);
		assert_int_equal(listener_session(&listener, superuser)->may, roles[i].superuser);
		if (roles[i].superuser == MAY_SIGNAL) {
			expect_signalled(&listener, superuser);
			listener_refresh(&listener);
		} else {
			expect_refused(&listener, superuser);
			PQfinish(superuser);
		}
		if (roles[i].app == MAY_SIGNAL) {
			expect_signalled(&listener, app);
		} else {
			expect_why_not(&listener, listener_session(&listener, app),
				       "belongs to app: GRANT pg_signal_backend TO monitor");
			expect_refused(&listener, app);
			PQfinish(app);
		}
		listener_stop(&listener);
	}
}

static void a_plain_role_signals_its_own(void **state)
{
	(void)state;
	PGconn *own = connect_as("plain");
	struct listener listener = listen_as("plain");
	expect_signalled(&listener, own);
	listener_stop(&listener);
}

/* ---- processes that are no client's ---- */

static const struct session *find_type(const struct frame *frame, const char *type)
{
	for (uint32_t i = 0; i < frame->snapshot->session_count; i++) {
		const struct session *session = &frame->snapshot->sessions[i];
		if (session->backend_type && strcmp(session->backend_type, type) == 0)
			return session;
	}
	return NULL;
}

static void auxiliary_processes_are_nobodys(void **state)
{
	(void)state;
	struct listener listener = listen_as(pgserver_user(server));
	const struct session *checkpointer = find_type(listener.frame, "checkpointer");
	assert_non_null(checkpointer);
	assert_int_equal(checkpointer->may, MAY_NOT_AUXILIARY);
	expect_why_not(&listener, checkpointer, "nobody can signal it");
	listener_stop(&listener);
}

static void launchers_are_a_superusers(void **state)
{
	(void)state;
	struct listener listener = listen_as("guard");
	const struct session *autovacuum = find_type(listener.frame, "autovacuum launcher");
	assert_non_null(autovacuum);
	if (version >= 110000)
		assert_int_equal(autovacuum->may, MAY_NOT_NO_ROLE);
	/* Until 10 a background worker like any other. */
	const struct session *logical =
		find_type(listener.frame, version >= 110000 ? "logical replication launcher" : "background worker");
	assert_non_null(logical);
	assert_int_equal(logical->may, MAY_NOT_SUPERUSER);
	expect_why_not(&listener, logical, "no GRANT would do");
	listener_stop(&listener);
}

/* A worker that stays: it waits for each page of a table that is never clean. */
static void keep_autovacuum_busy(void)
{
	pgserver_run(admin, "create table dirty (n int) with (autovacuum_vacuum_threshold = 1,"
			    " autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100,"
			    " autovacuum_vacuum_cost_limit = 1, fillfactor = 10);"
			    "insert into dirty select n from generate_series(1, 20000) n; delete from dirty");
	/* An idle session may keep to itself for 10 s what it has counted; one that goes on tells it. */
	pgserver_wait_until(admin, "select exists (select from pg_stat_activity"
				   " where backend_type = 'autovacuum worker' and query ~ 'dirty')");
}

/* That one: others look into a database, find nothing to do, and end. */
static const struct session *find_busy_worker(const struct frame *frame)
{
	for (uint32_t i = 0; i < frame->snapshot->session_count; i++) {
		const struct session *session = &frame->snapshot->sessions[i];
		bool worker = session->backend_type && strcmp(session->backend_type, "autovacuum worker") == 0;
		if (worker && session->query_with_literals && strstr(session->query_with_literals, "dirty"))
			return session;
	}
	return NULL;
}

static bool has_busy_worker(const struct frame *frame, const void *wanted)
{
	(void)wanted;
	return find_busy_worker(frame) != NULL;
}

static void autovacuum_workers_are_as_the_version_has_it(void **state)
{
	(void)state;
	keep_autovacuum_busy();
	struct listener listener = listener_new(server, NULL, "guard");
	listener_refresh_until(&listener, has_busy_worker, NULL);
	const struct session *worker = find_busy_worker(listener.frame);
	if (version < 110000) {
		assert_int_equal(worker->may, MAY_SIGNAL); /* its last release has not been mended */
	} else {
		assert_int_equal(worker->may, MAY_NOT_AUTOVACUUM);
		expect_why_not(&listener, worker,
			       version >= 180000 ? "GRANT pg_signal_autovacuum_worker TO guard" : "no GRANT would do");
		struct signal_request request = { .serial = 1,
						  .verb = SIGNAL_TERMINATE,
						  .target = worker->id,
						  .not_after = listener.frame->snapshot->taken_at + 60 * WHEN_SECOND,
						  .server_epoch = listener.frame->server_epoch };
		listener_send_signal(&listener, &request);
		listener_await_signal(&listener, SIGNAL_REFUSED);
		assert_string_equal(listener.signal.sqlstate, "42501");
	}
	listener_stop(&listener);
	if (version >= 180000) {
		pgserver_run(admin, "grant pg_signal_autovacuum_worker to guard");
		listener = listener_new(server, NULL, "guard");
		listener_refresh_until(&listener, has_busy_worker, NULL);
		worker = find_busy_worker(listener.frame);
		assert_int_equal(worker->may, MAY_SIGNAL);
		listener_stop(&listener);
		pgserver_run(admin, "revoke pg_signal_autovacuum_worker from guard");
	}
	pgserver_run(admin, "drop table dirty");
}

static void walsenders_are_their_roles(void **state)
{
	(void)state;
	const char *const users[] = { "replicator", pgserver_user(server) };
	for (size_t i = 0; i < 2; i++) {
		char options[128];
		snprintf(options, sizeof options, "dbname=postgres replication=database user=%s", users[i]);
		PGconn *sender = pgserver_connect(server, options);
		struct listener listener = listen_as("guard");
		const struct session *session = find_type(listener.frame, "walsender");
		assert_non_null(session);
		assert_int_equal(session->may, i == 0 ? MAY_SIGNAL : MAY_NOT_SUPERUSER);
		listener_stop(&listener);
		PQfinish(sender);
		pgserver_wait_until(admin, "select not exists (select from pg_stat_activity"
					   " where backend_type = 'walsender')");
	}
}

/* ---- while it runs ---- */

static bool may_signal_others(const struct frame *frame, const void *wanted)
{
	return frame->snapshot->role.signals_others == *(const bool *)wanted;
}

static bool owns_superuser(const struct frame *frame, const void *wanted)
{
	return frame->snapshot->role.superuser == *(const bool *)wanted;
}

static void a_grant_is_noticed(void **state)
{
	(void)state;
	const bool yes = true, no = false;
	PGconn *app = connect_as("app");
	struct listener listener = listen_as("monitor");
	assert_int_equal(listener_session(&listener, app)->may, MAY_NOT_MEMBER);
	pgserver_run(admin, "grant pg_signal_backend to monitor");
	listener_refresh_until(&listener, may_signal_others, &yes);
	assert_int_equal(listener_session(&listener, app)->may, MAY_SIGNAL);
	pgserver_run(admin, "revoke pg_signal_backend from monitor");
	/* The server knows at once, and says so. */
	expect_refused(&listener, app);
	listener_refresh_until(&listener, may_signal_others, &no);
	assert_int_equal(listener_session(&listener, app)->may, MAY_NOT_MEMBER);
	pgserver_run(admin, "alter role monitor superuser");
	listener_refresh_until(&listener, owns_superuser, &yes);
	assert_int_equal(listener_session(&listener, app)->may, MAY_SIGNAL);
	pgserver_run(admin, "alter role monitor nosuperuser");
	listener_refresh_until(&listener, owns_superuser, &no);
	listener_stop(&listener);
	PQfinish(app);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_are_what_they_may),
		cmocka_unit_test(the_advice_does_what_it_says),
		cmocka_unit_test(an_applications_role_is_not_advised),
		cmocka_unit_test(what_is_hidden_is_unknown),
		cmocka_unit_test(signals_as_predicted),
		cmocka_unit_test(a_plain_role_signals_its_own),
		cmocka_unit_test(auxiliary_processes_are_nobodys),
		cmocka_unit_test(launchers_are_a_superusers),
		cmocka_unit_test(autovacuum_workers_are_as_the_version_has_it),
		cmocka_unit_test(walsenders_are_their_roles),
		cmocka_unit_test(a_grant_is_noticed),
	};
	return cmocka_run_group_tests(tests, start, end);
}
