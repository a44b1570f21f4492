#include "pglocktop/totals.h"

struct totals totals_of(const struct frame *frame)
{
	const struct snapshot *snapshot = frame->snapshot;
	const struct graph *graph = frame->graph;
	struct totals totals = { .waiting = graph->waiting_sessions,
				 .longest_wait = graph->longest_wait,
				 .roots = graph->cycle_count,
				 .new_deadlocks = -1 };
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		if (!session->listed)
			continue;
		totals.sessions++;
		totals.connections += session->is_client;
		if (!session->is_client || session->may == MAY_NOT_OWN)
			continue;
		totals.active += session->state == SESSION_ACTIVE || session->state == SESSION_FASTPATH;
		totals.idle_in_transaction += session->state == SESSION_IDLE_IN_TRANSACTION ||
					      session->state == SESSION_IDLE_IN_TRANSACTION_ABORTED;
	}
	for (uint32_t i = 0; i < graph->node_count; i++)
		totals.roots += graph->nodes[i].wait_count == 0;
	if (snapshot->deadlocks >= 0 && snapshot->deadlocks_at_start >= 0)
		totals.new_deadlocks = snapshot->deadlocks - snapshot->deadlocks_at_start;
	return totals;
}
