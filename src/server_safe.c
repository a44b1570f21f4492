/* Who holds up the safe snapshots of deferrable transactions: asked about those seen in that wait a refresh ago. */
#include "server_private.h"

#include "pglocktop/waitevent.h"

#include <string.h>

static bool same_wait(const struct safe_wait *wait, const struct session *session)
{
	return identity_equal(wait->id, session->id) && wait->query_start == session->query_start;
}

void safe_choose(struct server *server, const struct snapshot *snapshot)
{
	struct server_safe *safe = &server->safe;
	safe->count = 0;
	for (uint32_t i = 0; i < snapshot->session_count && safe->count < SAFE_MOST; i++) {
		const struct session *session = &snapshot->sessions[i];
		if (waitevent_is_safe_snapshot(session))
			safe->waits[safe->count++] = (struct safe_wait){ session->id, session->query_start };
	}
}

void safe_ask(struct server *server, struct arena *arena, row_handler handle, void *context)
{
	const struct server_safe *safe = &server->safe;
	struct query_params params = { .count = 0 };
	int32_t pids[SAFE_MOST];
	if (safe->count == 0)
		return;
	for (uint32_t i = 0; i < safe->count; i++)
		pids[i] = safe->waits[i].id.pid;
	query_add_int32_array(&params, pids, safe->count, arena);
	exchange_add_query(server, QUERY_SAFE_SNAPSHOTS, &params, handle, context);
}

/* The answer lies between two readings in both of which the session was in that wait, of the same query. */
static bool is_valid(const struct server_safe *safe, const struct snapshot *snapshot, int32_t pid)
{
	uint32_t session = snapshot_find_pid(snapshot, pid), i = 0;
	if (session == SNAPSHOT_NO_INDEX || !waitevent_is_safe_snapshot(&snapshot->sessions[session]))
		return false;
	while (i < safe->count && safe->waits[i].id.pid != pid)
		i++;
	return i < safe->count && same_wait(&safe->waits[i], &snapshot->sessions[session]);
}

void safe_accept(const struct server *server, struct snapshot *snapshot, const struct queue_answer *answers,
		 uint32_t count)
{
	struct safe_snapshot *list = arena_array(snapshot->arena, count, sizeof *list);
	uint32_t kept = 0;
	/* They come in the order in which they were asked for: by pid. */
	for (uint32_t i = 0; i < count; i++)
		if (is_valid(&server->safe, snapshot, answers[i].pid))
			list[kept++] =
				(struct safe_snapshot){ answers[i].pid, answers[i].blockers, answers[i].blocker_count };
	snapshot->safe_snapshots = list;
	snapshot->safe_snapshot_count = kept;
}

bool safe_settled(const struct server *server, const struct snapshot *snapshot)
{
	return !server->options.once || snapshot->safe_snapshot_count >= server->safe.count;
}
