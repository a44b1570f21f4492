/* Whether a list of blockers, as the server names them, is just the one that the graph has. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { HOLDER = 100, SECOND = 101, WAITER = 102, ALTER = 103, READER = 104, LEADER = 105, WORKER = 106, NOBODY = 107 };

static void add_worker(struct frame *frame)
{
	struct session *worker = fixture_session(frame, WORKER, "app", SESSION_ACTIVE);
	worker->backend_type = "parallel worker";
	worker->leader_pid = LEADER;
}

/* A row with two who share it, a queue for a table, a parallel query, and a prepared transaction. */
static struct frame *make_jam(void)
{
	struct frame *frame = fixture_new();
	for (int32_t pid = HOLDER; pid <= LEADER; pid++)
		fixture_session(frame, pid, "app", SESSION_ACTIVE);
	add_worker(frame);
	fixture_session(frame, NOBODY, "app", SESSION_IDLE);
	fixture_holds(frame, HOLDER, fixture_relation(1), LOCKMODE_SHARE);
	fixture_holds(frame, SECOND, fixture_relation(1), LOCKMODE_SHARE);
	fixture_waits(frame, WAITER, fixture_relation(1), LOCKMODE_ROW_EXCLUSIVE, 9);
	fixture_holds(frame, HOLDER, fixture_relation(2), LOCKMODE_ACCESS_SHARE);
	fixture_waits(frame, ALTER, fixture_relation(2), LOCKMODE_ACCESS_EXCLUSIVE, 8);
	fixture_waits(frame, READER, fixture_relation(2), LOCKMODE_ACCESS_SHARE, 7);
	fixture_prepared(frame, 77, "order-77", "9/9");
	fixture_waits(frame, WORKER, fixture_xid(77), LOCKMODE_SHARE, 6);
	fixture_finish(frame);
	return frame;
}

static bool agrees(const struct frame *frame, int32_t pid, const int32_t *blockers, uint32_t count)
{
	uint32_t node = graph_find_pid(frame->graph, pid);
	assert_int_not_equal(node, GRAPH_NONE);
	return graph_agrees(frame->graph, node, blockers, count);
}

#define AGREES(frame, pid, ...)                                                                                        \
	agrees(frame, pid, (const int32_t[]){ __VA_ARGS__ }, sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))

static void all_who_hold_must_be_named(void **state)
{
	struct frame *frame = make_jam();
	(void)state;
	assert_true(AGREES(frame, WAITER, HOLDER, SECOND));
	assert_false(AGREES(frame, WAITER, HOLDER));
	assert_false(AGREES(frame, WAITER, HOLDER, ALTER));
	assert_false(AGREES(frame, WAITER, HOLDER, SECOND, ALTER));
	assert_false(AGREES(frame, WAITER, HOLDER, SECOND, NOBODY));
	assert_false(AGREES(frame, WAITER, HOLDER, SECOND, 4711));
	assert_false(AGREES(frame, WAITER, 0, HOLDER, SECOND));
	assert_false(agrees(frame, WAITER, NULL, 0));
	frame_free(frame);
}

static void who_waits_ahead_counts(void **state)
{
	struct frame *frame = make_jam();
	(void)state;
	assert_true(AGREES(frame, READER, ALTER));
	assert_false(AGREES(frame, READER, HOLDER));
	assert_true(AGREES(frame, ALTER, HOLDER));
	assert_false(AGREES(frame, ALTER, HOLDER, READER));
	frame_free(frame);
}

/* The answer about a group is the same for its worker; prepared transactions have no name in it. */
static void groups_and_prepared_transactions(void **state)
{
	struct frame *frame = make_jam();
	(void)state;
	assert_true(AGREES(frame, LEADER, 0));
	assert_true(AGREES(frame, WORKER, 0));
	assert_false(AGREES(frame, LEADER, 0, HOLDER));
	assert_false(agrees(frame, LEADER, NULL, 0));
	frame_free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_who_hold_must_be_named),
		cmocka_unit_test(who_waits_ahead_counts),
		cmocka_unit_test(groups_and_prepared_transactions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
