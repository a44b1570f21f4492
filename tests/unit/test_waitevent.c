/* Waits that are for no lock, in words: by version, by state, and with whom they are for. */
#include "situation.h"

#include "pglocktop/recovery.h"
#include "pglocktop/waitevent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* What is said of session 8008 in a situation. */
static void expect(const char *server, const char *session, const char *words)
{
	char text[512];
	struct strbuf said = STRBUF_INIT;
	snprintf(text, sizeof text, "server %s\nsession 8008 %s\n", server, session);
	struct situation situation = situation_must_read(text);
	waitevent_describe(situation.frame->snapshot, 0, &said);
	assert_string_equal(said.text, words);
	strbuf_release(&said);
	situation_release(&situation);
}

static void says_it_in_the_words_of_the_version(void **state)
{
	(void)state;
	expect("160004", "active event=Extension/Extension", "an extension (a remote server?)");
	expect("170000", "active event=Extension/Extension", "Extension/Extension");
	expect("170000", "active event=Extension/DblinkGetResult", "a remote server (dblink)");
	expect("170000", "active event=Extension/PostgresFdwGetResult", "a remote server (postgres_fdw)");
	expect("160004", "active event=IPC/BgWorkerStartup", "its workers");
	expect("170000", "active event=IPC/BgworkerStartup", "its workers");
	expect("120000", "none type=startup event=Activity/RecoveryWalAll", "WAL from the primary");
	expect("120000", "none type=startup event=Activity/RecoveryWalStream", "more WAL");
	expect("130000", "none type=startup event=Activity/RecoveryWalStream", "WAL from the primary");
}

static void says_it_by_what_the_session_does(void **state)
{
	(void)state;
	expect("160004", "intxn event=Client/ClientRead", "client");
	expect("160004", "aborted event=Client/ClientRead", "client");
	expect("160004", "active event=Client/ClientRead", "client: it sends nothing");
	expect("160004", "idle event=Client/ClientRead", "");
	expect("160004", "active event=Client/ClientWrite", "client: it does not read");
}

static void says_nothing_where_there_is_nothing(void **state)
{
	(void)state;
	expect("160004", "active", "");
	expect("160004", "hidden", "");
	expect("160004", "active event=Lock/relation", "");
	expect("160004", "none type=checkpointer event=Activity/CheckpointerMain", "");
}

static void shows_unknown_events_as_they_are(void **state)
{
	(void)state;
	expect("160004", "active event=LWLock/WALWrite", "LWLock/WALWrite");
	expect("160004", "active event=IO/DataFileRead", "IO/DataFileRead");
	expect("160004", "active event=New/SomethingNew", "New/SomethingNew");
}

static void names_whom_it_is_for(void **state)
{
	(void)state;
	expect("160004", "active event=IPC/SafeSnapshot", "safe snapshot");
	expect("160004", "active event=IPC/SafeSnapshot\nsafe 8008", "safe snapshot");
	expect("160004", "active event=IPC/SafeSnapshot\nsafe 8008 0 9001", "safe snapshot (2pc, 9001)");
	expect("160004", "active event=IPC/SafeSnapshot\nsafe 8008 1 2 3 4 5 6", "safe snapshot (1, 2, 3, 4 +2)");
}

/* The oldest first, across the point where transaction ids begin anew; no background process, not this program. */
static void presumes_the_oldest_snapshots(void **state)
{
	(void)state;
	expect("160004 lag=1s",
	       "none type=startup event=IPC/RecoveryConflictSnapshot\n"
	       "session 8101 intxn xmin=10\nsession 8102 active xmin=4294967200\nsession 8103 active xmin=5\n"
	       "session 8104 active\nsession 8105 active type=walsender xmin=4294967100\n"
	       "session 8106 active xmin=4294967100 may=own",
	       "old snapshots (8102?, 8103?, 8101?)");
	expect("160004 lag=1s",
	       "none type=startup event=IPC/RecoveryConflictSnapshot\n"
	       "session 8101 active xmin=6\nsession 8102 active xmin=5\nsession 8103 active xmin=4\n"
	       "session 8104 active xmin=3\nsession 8105 active xmin=2\nsession 8106 active xmin=7",
	       "old snapshots (8105?, 8104?, 8103?, 8102? +2)");
	expect("160004 lag=1s", "none type=startup event=IPC/RecoveryConflictSnapshot", "old snapshots");
}

static void expect_server(struct server_info server, const char *words)
{
	struct strbuf said = STRBUF_INIT;
	recovery_describe_standby(&server, &said);
	assert_string_equal(said.text, words);
	strbuf_release(&said);
}

static void tells_how_far_a_standby_is(void **state)
{
	(void)state;
	struct server_info server = { .replay_lag = WHEN_NONE, .max_standby_delay = WHEN_NONE };
	expect_server(server, "standby"); /* it does not answer: some services' standbys do not */
	server.max_standby_delay = 30 * WHEN_SECOND;
	expect_server(server, "standby, no WAL receiver");
	server.replay_lag = 7440 * WHEN_SECOND;
	expect_server(server, "standby, no WAL receiver, replayed up to 2h04m ago");
	server.receives_wal = true;
	expect_server(server, "standby, replay 2h04m behind");
	server.replay_lag = 0;
	expect_server(server, "standby, no replay lag");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_it_in_the_words_of_the_version),
		cmocka_unit_test(says_it_by_what_the_session_does),
		cmocka_unit_test(says_nothing_where_there_is_nothing),
		cmocka_unit_test(shows_unknown_events_as_they_are),
		cmocka_unit_test(names_whom_it_is_for),
		cmocka_unit_test(presumes_the_oldest_snapshots),
		cmocka_unit_test(tells_how_far_a_standby_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
