#include "pglocktop/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void add_session(struct snapshot *snapshot, int32_t pid, int64_t start)
{
	struct session session = { .id = { pid, start }, .listed = true, .backend_type = "client backend" };
	snapshot_add_session(snapshot, &session);
}

static void add_lock(struct snapshot *snapshot, int32_t pid, const char *vxid, uint32_t xid, enum lockmode mode)
{
	struct lock lock = { .pid = pid, .virtualtransaction = vxid, .mode = mode, .granted = true };
	lock.waitstart = WHEN_NONE;
	lock.tag.kind = xid ? LOCKTAG_TRANSACTIONID : LOCKTAG_RELATION;
	lock.tag.type = xid ? "transactionid" : "relation";
	lock.tag.transactionid = xid;
	snapshot_add_lock(snapshot, &lock);
}

static void sorts_and_finds_sessions(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT;
	struct snapshot *snapshot = snapshot_new(&arena);
	for (int32_t pid = 1000; pid > 0; pid--)
		add_session(snapshot, pid * 3, pid);
	snapshot_finish(snapshot);
	assert_int_equal(snapshot->session_count, 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		int32_t pid = snapshot->sessions[i].id.pid;
		assert_int_equal(pid, (i + 1) * 3);
		assert_int_equal(snapshot_find_pid(snapshot, pid), i);
		assert_int_equal(snapshot_find_pid(snapshot, pid + 1), SNAPSHOT_NO_INDEX);
		assert_int_equal(snapshot_find(snapshot, snapshot->sessions[i].id), i);
		struct identity other = { pid, snapshot->sessions[i].id.backend_start + 1 };
		assert_int_equal(snapshot_find(snapshot, other), SNAPSHOT_NO_INDEX);
	}
	arena_release(&arena);
}

static void an_empty_one_has_nothing(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT;
	struct snapshot *snapshot = snapshot_new(&arena);
	snapshot_finish(snapshot);
	assert_int_equal(snapshot->session_count, 0);
	assert_int_equal(snapshot_find_pid(snapshot, 1), SNAPSHOT_NO_INDEX);
	assert_null(snapshot_find_relation(snapshot, 0, 1));
	assert_int_equal(snapshot->deadlocks, -1);
	arena_release(&arena);
}

static void of_two_with_one_pid_the_younger_stays(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT;
	struct snapshot *snapshot = snapshot_new(&arena);
	add_session(snapshot, 7, 100);
	add_session(snapshot, 7, 200);
	add_session(snapshot, 7, 150);
	snapshot_finish(snapshot);
	assert_int_equal(snapshot->session_count, 1);
	assert_int_equal(snapshot->sessions[0].id.backend_start, 200);
	arena_release(&arena);
}

static void a_pid_that_only_locks_name_is_unlisted(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT;
	struct snapshot *snapshot = snapshot_new(&arena);
	add_session(snapshot, 20, 1);
	add_lock(snapshot, 30, "1/1", 0, LOCKMODE_SHARE);
	add_lock(snapshot, 10, "2/1", 0, LOCKMODE_SHARE);
	add_lock(snapshot, 30, "1/1", 5, LOCKMODE_EXCLUSIVE);
	add_lock(snapshot, 20, "3/1", 0, LOCKMODE_SHARE);
	snapshot_finish(snapshot);
	assert_int_equal(snapshot->session_count, 3);
	assert_false(snapshot->sessions[0].listed);
	assert_int_equal(snapshot->sessions[0].may, MAY_NOT_GONE);
	assert_int_equal(snapshot->sessions[0].id.backend_start, WHEN_NONE);
	assert_true(snapshot->sessions[1].listed);
	static const uint32_t owners[] = { 2, 0, 2, 1 };
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(snapshot->locks[i].session, owners[i]);
	arena_release(&arena);
}

static void add_prepared(struct snapshot *snapshot, uint32_t xid, const char *gid)
{
	struct prepared prepared = { .xid = xid, .gid = gid, .prepared_at = xid };
	snapshot_add_prepared(snapshot, &prepared);
}

/* The virtualtransaction is that of the session which prepared it: nothing can be read from it. */
static void connects_prepared_transactions_by_the_xid_they_hold(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT;
	struct snapshot *snapshot = snapshot_new(&arena);
	add_prepared(snapshot, 900, "late");
	add_prepared(snapshot, 700, "early");
	add_lock(snapshot, 0, "5/87", 0, LOCKMODE_ROW_EXCLUSIVE);
	add_lock(snapshot, 0, "5/87", 700, LOCKMODE_EXCLUSIVE);
	add_lock(snapshot, 0, "5/88", 900, LOCKMODE_EXCLUSIVE);
	add_lock(snapshot, 0, "9/99", 0, LOCKMODE_SHARE); /* nobody's */
	add_lock(snapshot, 0, "5/88", 0, LOCKMODE_ACCESS_EXCLUSIVE);
	add_lock(snapshot, 12, "5/87", 0, LOCKMODE_SHARE); /* a session's */
	snapshot_finish(snapshot);
	assert_string_equal(snapshot->prepared[0].gid, "early");
	assert_string_equal(snapshot->prepared[0].virtualtransaction, "5/87");
	static const uint32_t owners[] = { 0, 0, 1, SNAPSHOT_NO_INDEX, 1, SNAPSHOT_NO_INDEX };
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(snapshot->locks[i].prepared, owners[i]);
	assert_int_equal(snapshot->locks[0].session, SNAPSHOT_NO_INDEX);
	assert_int_equal(snapshot->locks[5].session, 0);
	arena_release(&arena);
}

static void only_workers_of_a_parallel_query_have_a_leader(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT;
	struct snapshot *snapshot = snapshot_new(&arena);
	static const struct session sessions[] = {
		{ .id = { 10, 1 }, .listed = true, .backend_type = "client backend" },
		{ .id = { 11, 1 }, .listed = true, .backend_type = "parallel worker", .leader_pid = 10 },
		{ .id = { 12, 1 },
		  .listed = true,
		  .backend_type = "logical replication parallel worker",
		  .leader_pid = 10 },
		{ .id = { 13, 1 }, .listed = true, .backend_type = "parallel worker", .leader_pid = 99 },
		{ .id = { 14, 1 }, .listed = true, .backend_type = NULL, .leader_pid = 10 },
	};
	for (size_t i = 0; i < sizeof sessions / sizeof *sessions; i++)
		snapshot_add_session(snapshot, &sessions[i]);
	snapshot_finish(snapshot);
	static const uint32_t leaders[] = { 0, 0, 2, 3, 4 };
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(snapshot->sessions[i].leader, leaders[i]);
	arena_release(&arena);
}

/* On a standby, hidden: 1 holds what recovery alone can hold, 2 logs in, 3 is somebody's session. */
static void recovery_is_known_by_its_locks(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT;
	for (int in_recovery = 0; in_recovery <= 1; in_recovery++) {
		struct snapshot *snapshot = snapshot_new(&arena);
		snapshot->server.in_recovery = in_recovery;
		for (int32_t pid = 1; pid <= 3; pid++) {
			struct session session = { .id = { pid, WHEN_NONE }, .listed = true, .usesysid = pid == 3 };
			struct lock lock = { .pid = pid, .granted = true, .waitstart = WHEN_NONE };
			lock.mode = pid == 2 ? LOCKMODE_ACCESS_SHARE : LOCKMODE_ACCESS_EXCLUSIVE;
			lock.tag = (struct locktag){ .kind = LOCKTAG_RELATION, .type = "relation" };
			snapshot_add_session(snapshot, &session);
			snapshot_add_lock(snapshot, &lock);
		}
		snapshot_finish(snapshot);
		assert_int_equal(snapshot->sessions[0].is_startup, in_recovery);
		assert_false(snapshot->sessions[1].is_startup);
		assert_false(snapshot->sessions[2].is_startup);
	}
	arena_release(&arena);
}

static void finds_relations_by_database_and_oid(void **state)
{
	static const struct relation_name relations[] = {
		{ .database = 0, .oid = 1262, .name = "pg_database" },
		{ .database = 5, .oid = 100, .name = "a" },
		{ .database = 5, .oid = 4000000000u, .name = "b" },
	};
	(void)state;
	struct snapshot snapshot = { .relations = relations, .relation_count = 3 };
	assert_string_equal(snapshot_find_relation(&snapshot, 5, 4000000000u)->name, "b");
	assert_string_equal(snapshot_find_relation(&snapshot, 0, 1262)->name, "pg_database");
	assert_null(snapshot_find_relation(&snapshot, 0, 100));
}

/* ---- identities, states, tags ---- */

static void identities_are_read_as_written(void **state)
{
	(void)state;
	char text[IDENTITY_TEXT_SIZE];
	struct identity id = { 8017, INT64_C(848665201000123) }, back;
	assert_string_equal(identity_format(id, text), "8017@2026-11-22T12:20:01.000123+00:00");
	assert_true(identity_parse(text, &back));
	assert_true(identity_equal(id, back));
	id.backend_start++;
	assert_false(identity_equal(id, back));
	id.backend_start = WHEN_NONE;
	assert_string_equal(identity_format(id, text), "");
}

static void what_is_no_identity_is_refused(void **state)
{
	static const char *const texts[] = { "",
					     "8017",
					     "8017@",
					     "@2026-11-22T12:20:01Z",
					     "0@2026-11-22T12:20:01Z",
					     "-1@2026-11-22T12:20:01Z",
					     "99999999999@2026-11-22T12:20:01Z",
					     " 8017@2026-11-22T12:20:01Z",
					     "8017@2026-11-22T12:20:01Z " };
	(void)state;
	struct identity id;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (identity_parse(texts[i], &id))
			fail_msg("taken for an identity: \"%s\"", texts[i]);
}

static void states_are_read_as_named(void **state)
{
	(void)state;
	for (enum session_state s = SESSION_ACTIVE; s < SESSION_OTHER; s++) {
		const char *name = session_state_name(s);
		assert_int_equal(session_state_parse(name, strlen(name)), s);
	}
	assert_int_equal(session_state_parse("idle in transaction", 19), SESSION_IDLE_IN_TRANSACTION);
	assert_int_equal(session_state_parse("idle in", 7), SESSION_OTHER);
	assert_int_equal(session_state_parse("", 0), SESSION_OTHER);
	assert_null(session_state_name(SESSION_HIDDEN));
	assert_null(session_state_name(SESSION_OTHER));
}

static void expect_kind(const char *word, enum locktag_kind kind)
{
	struct locktag tag;
	locktag_set_type(&tag, word);
	assert_int_equal(tag.kind, kind);
	if (kind == LOCKTAG_OTHER)
		assert_null(tag.type);
	else
		assert_string_equal(tag.type, word);
}

static void kinds_of_tags(void **state)
{
	(void)state;
	expect_kind("relation", LOCKTAG_RELATION);
	expect_kind("spectoken", LOCKTAG_SPECULATIVE);
	expect_kind("speculative token", LOCKTAG_SPECULATIVE);
	expect_kind("applytransaction", LOCKTAG_APPLYTRANSACTION);
	expect_kind("brand new", LOCKTAG_OTHER);
}

static void tags_differ_by_every_column(void **state)
{
	(void)state;
	const struct locktag base = { .kind = LOCKTAG_OTHER, .type = "new", .virtualxid = "3/4" };
	struct locktag other[12];
	for (size_t i = 0; i < 12; i++)
		other[i] = base;
	other[0].columns = LOCKTAG_HAS_DATABASE; /* 0 is not NULL */
	other[1].database = 1;
	other[2].relation = 1;
	other[3].page = 1;
	other[4].tuple = 1;
	other[5].transactionid = 1;
	other[6].classid = 1;
	other[7].objid = 1;
	other[8].objsubid = 1;
	other[9].virtualxid = "3/5";
	other[10].type = "newer";
	other[11].kind = LOCKTAG_OBJECT;
	for (size_t i = 0; i < 12; i++) {
		assert_int_not_equal(locktag_compare(&base, &other[i]), 0);
		assert_int_equal(locktag_compare(&base, &other[i]) < 0, locktag_compare(&other[i], &base) > 0);
		assert_true(locktag_hash(&base) != locktag_hash(&other[i]));
	}
	struct locktag same = base;
	char vxid[] = "3/4", type[] = "new";
	same.virtualxid = vxid;
	same.type = type;
	assert_int_equal(locktag_compare(&base, &same), 0);
	assert_true(locktag_hash(&base) == locktag_hash(&same));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_and_finds_sessions),
		cmocka_unit_test(an_empty_one_has_nothing),
		cmocka_unit_test(of_two_with_one_pid_the_younger_stays),
		cmocka_unit_test(a_pid_that_only_locks_name_is_unlisted),
		cmocka_unit_test(connects_prepared_transactions_by_the_xid_they_hold),
		cmocka_unit_test(only_workers_of_a_parallel_query_have_a_leader),
		cmocka_unit_test(recovery_is_known_by_its_locks),
		cmocka_unit_test(finds_relations_by_database_and_oid),
		cmocka_unit_test(identities_are_read_as_written),
		cmocka_unit_test(what_is_no_identity_is_refused),
		cmocka_unit_test(states_are_read_as_named),
		cmocka_unit_test(kinds_of_tags),
		cmocka_unit_test(tags_differ_by_every_column),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
