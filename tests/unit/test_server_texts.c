/* Whose query need not be sent again. */
#include "server_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PID = 8008, OTHER_PID = 8009 };

static struct session session_of(int32_t pid, const char *query)
{
	return (struct session){
		.id = { pid, 10 }, .listed = true, .state_change = 30, .query_start = 20, .query_with_literals = query
	};
}

/* What is kept of two sessions, one of which has no text. */
static struct server_texts keep(struct arena *arena)
{
	struct server_texts texts = { .since = WHEN_NONE };
	struct snapshot *snapshot = snapshot_new(arena);
	struct session first = session_of(PID, "select 1"), second = session_of(OTHER_PID, NULL);
	snapshot_add_session(snapshot, &second);
	snapshot_add_session(snapshot, &first);
	snapshot_finish(snapshot);
	texts_keep(&texts, snapshot, 40);
	return texts;
}

static void test_recalled(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT, now = ARENA_INIT;
	struct server_texts texts = keep(&arena);
	struct session session = session_of(PID, NULL), silent = session_of(OTHER_PID, NULL);
	assert_int_equal(texts.since, 40);
	arena_release(&arena);
	assert_true(texts_recall(&texts, &now, &session));
	assert_true(texts_recall(&texts, &now, &silent));
	texts_release(&texts);
	assert_string_equal(session.query_with_literals, "select 1");
	assert_null(silent.query_with_literals);
	arena_release(&now);
}

static void expect_unknown(const struct server_texts *texts, struct session session)
{
	struct arena arena = ARENA_INIT;
	assert_false(texts_recall(texts, &arena, &session));
	assert_null(session.query_with_literals);
	arena_release(&arena);
}

static void test_not_of_another(void **state)
{
	(void)state;
	struct arena arena = ARENA_INIT;
	struct server_texts texts = keep(&arena);
	struct session session = session_of(PID, NULL);
	session.id.backend_start++;
	expect_unknown(&texts, session);
	session = session_of(PID, NULL);
	session.state_change--;
	expect_unknown(&texts, session);
	session = session_of(PID, NULL);
	session.query_start++;
	expect_unknown(&texts, session);
	expect_unknown(&texts, session_of(PID - 1, NULL));
	texts_release(&texts);
	assert_int_equal(texts.since, WHEN_NONE);
	expect_unknown(&texts, session_of(PID, NULL));
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recalled),
		cmocka_unit_test(test_not_of_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
