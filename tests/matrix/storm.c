#include "storm.h"

#include <poll.h>

void storm_start(struct storm *storm, struct matrix *matrix, uint64_t seed, unsigned count,
		 const char *deadlock_timeout)
{
	char options[256];
	*storm = (struct storm){ .matrix = matrix, .random = storm_random_of(seed), .count = count };
	snprintf(options, sizeof options,
		 "options='-c deadlock_timeout=%s -c client_min_messages=error -c parallel_setup_cost=0"
		 " -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0'",
		 deadlock_timeout);
	for (unsigned i = 0; i < count; i++)
		storm->sessions[i] = stage_session(matrix->stage, options);
}

void storm_issue(struct storm *storm)
{
	uint32_t share = 20 + storm_below(&storm->random, 60);
	struct strbuf sql = STRBUF_INIT;
	for (unsigned i = 0; i < storm->count; i++) {
		if (storm->busy[i] || storm_below(&storm->random, 100) >= share)
			continue;
		strbuf_reset(&sql);
		storm_write_statement(&storm->random, PQtransactionStatus(storm->sessions[i]), &sql);
		pgserver_send(storm->sessions[i], sql.text);
		storm->busy[i] = true;
		storm->statements++;
	}
	strbuf_release(&sql);
}

/* Takes what has come; returns whether the session's statement has ended. Errors are what a storm is made of. */
static bool hear(PGconn *session)
{
	if (!PQconsumeInput(session))
		fail_msg("a session of the storm was lost: %s", PQerrorMessage(session));
	while (!PQisBusy(session)) {
		PGresult *result = PQgetResult(session);
		if (!result)
			return true;
		PQclear(result);
	}
	return false;
}

static unsigned hear_all(struct storm *storm, int64_t longest)
{
	struct pollfd fds[STAGE_SESSIONS];
	unsigned ended = 0;
	for (unsigned i = 0; i < storm->count; i++)
		fds[i] = (struct pollfd){ storm->busy[i] ? PQsocket(storm->sessions[i]) : -1, POLLIN, 0 };
	poll(fds, storm->count, (int)(longest / 1000) + 1);
	for (unsigned i = 0; i < storm->count; i++) {
		if (!fds[i].revents || !hear(storm->sessions[i]))
			continue;
		storm->busy[i] = false;
		ended++;
	}
	return ended;
}

void storm_settle(struct storm *storm, int64_t quiet, int64_t longest)
{
	int64_t now = when_monotonic(), deadline = now + longest, until = now + quiet;
	while (now < until && now < deadline) {
		bool any = hear_all(storm, until - now) > 0;
		now = when_monotonic();
		if (any)
			until = now + quiet;
	}
}
