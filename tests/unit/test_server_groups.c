/* What a reading knows of workers from the one before. */
#include "server_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LEADER = 200, WORKER = 201, OTHER = 300 };

struct reading {
	struct arena arena;
	struct snapshot *snapshot;
};

static void add_session(struct snapshot *snapshot, int32_t pid, int32_t leader_pid)
{
	const struct session session = {
		.id = { pid, 1 },
		.listed = true,
		.backend_type = leader_pid ? "parallel worker" : "client backend",
		.leader_pid = leader_pid,
	};
	snapshot_add_session(snapshot, &session);
}

/* The leader, another one, the worker if it is listed, and a lock of the worker's. */
static void read_server(struct reading *reading, bool worker_listed, const char *virtualtransaction)
{
	const struct lock lock = { .tag = { .kind = LOCKTAG_RELATION, .type = "relation" },
				   .pid = WORKER,
				   .mode = LOCKMODE_ACCESS_SHARE,
				   .granted = true,
				   .virtualtransaction = virtualtransaction };
	*reading = (struct reading){ .arena = ARENA_INIT };
	reading->snapshot = snapshot_new(&reading->arena);
	reading->snapshot->server.version_num = 150000;
	add_session(reading->snapshot, LEADER, 0);
	add_session(reading->snapshot, OTHER, 0);
	if (worker_listed)
		add_session(reading->snapshot, WORKER, LEADER);
	snapshot_add_lock(reading->snapshot, &lock);
	snapshot_finish(reading->snapshot);
}

/* A reading with the worker, in this transaction; then one without. Returns the leader known then, 0: none. */
static int32_t recalled_leader(const char *before, const char *now)
{
	struct server_groups groups = { .members = NULL };
	struct reading first, second;
	read_server(&first, true, before);
	groups_recall(&groups, first.snapshot);
	groups_remember(&groups, first.snapshot);
	arena_release(&first.arena);
	read_server(&second, false, now);
	const struct session *worker = &second.snapshot->sessions[snapshot_find_pid(second.snapshot, WORKER)];
	assert_false(worker->leader_known);
	groups_recall(&groups, second.snapshot);
	int32_t leader = worker->leader_known ? second.snapshot->sessions[worker->leader].id.pid : 0;
	arena_release(&second.arena);
	groups_release(&groups);
	return leader;
}

static void a_worker_that_ended_is_remembered(void **state)
{
	(void)state;
	assert_int_equal(recalled_leader("7/12", "7/12"), LEADER);
}

static void another_transaction_is_not_taken_for_it(void **state)
{
	(void)state;
	assert_int_equal(recalled_leader("7/12", "7/13"), 0);
	assert_int_equal(recalled_leader("7/12", "8/12"), 0);
	assert_int_equal(recalled_leader("7/12", NULL), 0);
}

/* Many processes have local transaction 0, one after the other. */
static void the_end_of_a_transaction_is_no_transaction(void **state)
{
	(void)state;
	assert_int_equal(recalled_leader("7/0", "7/0"), 0);
	assert_int_equal(recalled_leader("7/10", "7/10"), LEADER);
}

static void a_leader_that_has_gone_leads_nobody(void **state)
{
	(void)state;
	struct server_groups groups = { .members = NULL };
	struct reading first, second;
	read_server(&first, true, "7/12");
	groups_remember(&groups, first.snapshot);
	read_server(&second, false, "7/12");
	uint32_t leader = snapshot_find_pid(second.snapshot, LEADER);
	second.snapshot->sessions[leader].id.backend_start++;
	groups_recall(&groups, second.snapshot);
	assert_false(second.snapshot->sessions[snapshot_find_pid(second.snapshot, WORKER)].leader_known);
	arena_release(&first.arena);
	arena_release(&second.arena);
	groups_release(&groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_ended_is_remembered),
		cmocka_unit_test(another_transaction_is_not_taken_for_it),
		cmocka_unit_test(the_end_of_a_transaction_is_no_transaction),
		cmocka_unit_test(a_leader_that_has_gone_leads_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
