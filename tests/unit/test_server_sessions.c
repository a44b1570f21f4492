/* Who need not be sent whole again. */
#include "server_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PID = 8008, OTHER_PID = 8009, REPORTED = 30, SINCE = 40 };

static struct session session_of(int32_t pid, const char *query)
{
	return (struct session){ .id = { pid, 10 },
				 .listed = true,
				 .state = SESSION_IDLE,
				 .backend_type = "client backend",
				 .wait_event = "ClientRead",
				 .state_change = REPORTED,
				 .query_start = 20,
				 .query_with_literals = query };
}

static void keep(struct server_sessions *kept, struct session first, struct session second)
{
	struct arena arena = ARENA_INIT;
	struct snapshot *snapshot = snapshot_new(&arena);
	snapshot_add_session(snapshot, &second);
	snapshot_add_session(snapshot, &first);
	snapshot_finish(snapshot);
	sessions_keep(kept, snapshot, SINCE);
	arena_release(&arena);
}

static struct server_sessions keep_two(void)
{
	struct server_sessions kept = { .since = WHEN_NONE };
	keep(&kept, session_of(PID, "select 1"), session_of(OTHER_PID, NULL));
	return kept;
}

static void gives_back_who_reported_nothing_else(void **state)
{
	(void)state;
	struct arena now = ARENA_INIT;
	struct server_sessions kept = keep_two();
	struct session session, silent;
	assert_true(kept.since == SINCE);
	assert_true(sessions_recall(&kept, PID, REPORTED, &now, &session));
	assert_true(sessions_recall(&kept, OTHER_PID, REPORTED, &now, &silent));
	sessions_release(&kept);
	assert_int_equal(session.id.backend_start, 10);
	assert_int_equal(session.state, SESSION_IDLE);
	assert_string_equal(session.backend_type, "client backend");
	assert_string_equal(session.query_with_literals, "select 1");
	assert_null(session.wait_event); /* it moves */
	assert_null(silent.query_with_literals);
	arena_release(&now);
}

static void expect_unknown(const struct server_sessions *kept, int32_t pid, int64_t state_change)
{
	struct arena arena = ARENA_INIT;
	struct session session;
	assert_false(sessions_recall(kept, pid, state_change, &arena, &session));
	arena_release(&arena);
}

static void does_not_know_others(void **state)
{
	(void)state;
	struct session silent = session_of(OTHER_PID, NULL);
	struct server_sessions kept = { .since = WHEN_NONE };
	silent.state_change = WHEN_NONE;
	keep(&kept, session_of(PID, NULL), silent);
	expect_unknown(&kept, PID, REPORTED - 1);
	expect_unknown(&kept, PID, REPORTED + 1);
	expect_unknown(&kept, PID - 1, REPORTED);
	expect_unknown(&kept, OTHER_PID, WHEN_NONE);
	silent.state_change = REPORTED;
	silent.backend_type = NULL;
	keep(&kept, session_of(PID, NULL), silent);
	expect_unknown(&kept, OTHER_PID, REPORTED);
	sessions_release(&kept);
	assert_true(kept.since == WHEN_NONE);
	expect_unknown(&kept, PID, REPORTED);
}

static void asks_for_all_at_first_and_where_most_report(void **state)
{
	(void)state;
	const struct server_sessions none = { .since = WHEN_NONE };
	struct session first = session_of(PID, NULL), second = session_of(OTHER_PID, NULL);
	struct server_sessions kept = keep_two();
	assert_false(sessions_suffice(&none));
	first.state_change = SINCE;
	keep(&kept, first, second);
	assert_true(sessions_suffice(&kept));
	second.state_change = SINCE;
	keep(&kept, first, second);
	assert_false(sessions_suffice(&kept));
	keep(&kept, session_of(PID, NULL), session_of(OTHER_PID, NULL));
	assert_true(sessions_suffice(&kept));
	sessions_release(&kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_who_reported_nothing_else),
		cmocka_unit_test(does_not_know_others),
		cmocka_unit_test(asks_for_all_at_first_and_where_most_report),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
