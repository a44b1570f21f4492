#include "bench/load.h"

#include "bench/fail.h"
#include "bench/meter.h"
#include "pglocktop/err.h"
#include "pglocktop/strbuf.h"
#include "pglocktop/when.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	AT_ONCE = 64, /* connections being opened */
	SPARE = 40, /* slots for those who look on */
	DESCRIPTORS = 100, /* files that are no session */
	MEMORY_EACH = 2500, /* kB that a session of the server takes */
	PATIENCE = 180, /* seconds */
	PAUSE_MS = 20
};

#define WAITING "select count(*) from pg_catalog.pg_stat_get_activity(null) where wait_event_type = 'Lock'"
#define BUSY "application_name = 'pglocktop bench' and state = 'active'"

struct load {
	const struct pgserver *server;
	PGconn *admin;
	PGconn **sessions;
	struct pollfd *fds; /* as many as sessions; fd is -1 where nothing is awaited */
	unsigned count, waiting;
};

/* ---- what the machine and the server allow ---- */

static void raise_descriptors(unsigned sessions)
{
	struct rlimit limit;
	rlim_t wanted = sessions + DESCRIPTORS;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < wanted || setrlimit(RLIMIT_NOFILE, &limit) != 0)
		fail("%u sessions need %u open files; raise the limit with `ulimit -n`", sessions, (unsigned)wanted);
}

static void check_memory(unsigned sessions)
{
	uint64_t available = meter_memory_free(), wanted = (uint64_t)sessions * MEMORY_EACH;
	if (available < wanted)
		fail("%u sessions need about %u MB of memory, %u are free; choose fewer with --sessions", sessions,
		     (unsigned)(wanted / 1024), (unsigned)(available / 1024));
}

const char *const *load_settings(unsigned sessions)
{
	static char connections[40], locks[48];
	static const char *settings[] = { connections,	       locks, "deadlock_timeout=1h", "shared_buffers=64MB",
					  "max_wal_senders=0", NULL };
	unsigned slots = sessions + SPARE, each = 2 * LOAD_HELD / slots;
	raise_descriptors(sessions);
	check_memory(sessions);
	snprintf(connections, sizeof connections, "max_connections=%u", slots);
	snprintf(locks, sizeof locks, "max_locks_per_transaction=%u", each > 64 ? each : 64);
	return settings;
}

/* ---- statements ---- */

static void take_results(struct load *load, unsigned i)
{
	PGconn *conn = load->sessions[i];
	PGresult *result;
	if (!PQconsumeInput(conn))
		fail("a session has gone: %s", PQerrorMessage(conn));
	while (!PQisBusy(conn)) {
		result = PQgetResult(conn);
		if (!result) {
			load->fds[i].fd = -1;
			return;
		}
		const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		if (state && strcmp(state, "57014") != 0) /* cancelled */
			fail("%s", PQresultErrorMessage(result));
		PQclear(result);
	}
}

static bool any_awaited(const struct load *load)
{
	for (unsigned i = 0; i < load->count; i++)
		if (load->fds[i].fd >= 0)
			return true;
	return false;
}

static void wait_for_results(struct load *load)
{
	int64_t deadline = when_monotonic() + PATIENCE * WHEN_SECOND;
	while (any_awaited(load)) {
		if (poll(load->fds, load->count, 1000) <= 0 && when_monotonic() > deadline)
			fail("the load's statements do not end");
		for (unsigned i = 0; i < load->count; i++)
			if (load->fds[i].fd >= 0 && load->fds[i].revents)
				take_results(load, i);
	}
}

static void send_to(struct load *load, unsigned i, const char *sql)
{
	pgserver_send(load->sessions[i], sql);
	load->fds[i] = (struct pollfd){ .fd = PQsocket(load->sessions[i]), .events = POLLIN };
}

static unsigned send_all(struct load *load, load_statement *statement)
{
	char sql[LOAD_STATEMENT];
	unsigned sent = 0;
	for (unsigned i = 0; i < load->count; i++) {
		sql[0] = '\0';
		statement(sql, i, load->count);
		if (!sql[0])
			continue;
		send_to(load, i, sql);
		sent++;
	}
	return sent;
}

void load_run(struct load *load, load_statement *statement)
{
	send_all(load, statement);
	wait_for_results(load);
}

void load_run_one(struct load *load, unsigned i, const char *sql)
{
	send_to(load, i, sql);
	while (load->fds[i].fd >= 0)
		if (poll(&load->fds[i], 1, PATIENCE * 1000) > 0)
			take_results(load, i);
		else
			fail("does not end: %s", sql);
}

static void wait_for_count(struct load *load, const char *sql, unsigned wanted)
{
	int64_t count, deadline = when_monotonic() + PATIENCE * WHEN_SECOND;
	while ((count = pgserver_number(load->admin, sql)) != wanted) {
		if (when_monotonic() > deadline)
			fail("%d in place of %u: %s", (int)count, wanted, sql);
		poll(NULL, 0, PAUSE_MS);
	}
}

unsigned load_jam(struct load *load, load_statement *statement)
{
	unsigned sent = send_all(load, statement);
	load->waiting += sent;
	wait_for_count(load, WAITING, load->waiting);
	return sent;
}

#define RELEASE "rollback; select pg_advisory_unlock_all()"

static void release(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	(void)i;
	(void)n;
	snprintf(sql, LOAD_STATEMENT, RELEASE);
}

/* Who is cancelled may have got the lock just then: so once more, until nobody is at work. */
static void cancel_all(struct load *load)
{
	int64_t deadline = when_monotonic() + PATIENCE * WHEN_SECOND;
	while (pgserver_number(load->admin, "select count(pg_cancel_backend(pid)) from pg_stat_activity where " BUSY) >
	       0) {
		if (when_monotonic() > deadline)
			fail("the load's statements cannot be cancelled");
		poll(NULL, 0, PAUSE_MS);
	}
}

/*
 * The holders first. While they hold, the server looks at the whole queue for each that leaves it, and for each of
 * those at all holders and waiters (ProcLockWakeup, LockCheckConflicts): with 4,000 readers of one table that takes
 * minutes.
 */
void load_relax(struct load *load)
{
	for (unsigned i = 0; i < load->count; i++)
		if (load->fds[i].fd < 0)
			load_run_one(load, i, RELEASE);
	cancel_all(load);
	wait_for_results(load);
	load_run(load, release);
	load->waiting = 0;
}

char *load_waiters(struct load *load)
{
	return pgserver_value(load->admin, "select coalesce(array_agg(pid), '{}')::text from "
					   "pg_stat_get_activity(null) where wait_event_type = 'Lock'");
}

/* ---- sessions ---- */

static void start_connection(struct load *load, unsigned i, PostgresPollingStatusType *wants)
{
	char conninfo[512];
	snprintf(conninfo, sizeof conninfo, "host=%s user=%s dbname=postgres application_name='pglocktop bench'",
		 pgserver_socket(load->server), pgserver_user(load->server));
	load->sessions[i] = PQconnectStart(conninfo);
	ensure(load->sessions[i]);
	*wants = PGRES_POLLING_WRITING;
}

/* That a session had nothing to roll back is no news. */
static void ignore_notice(void *context, const char *message)
{
	(void)context;
	(void)message;
}

static bool go_on(struct load *load, unsigned i, PostgresPollingStatusType *wants)
{
	*wants = PQconnectPoll(load->sessions[i]);
	if (*wants == PGRES_POLLING_FAILED)
		fail("session %u of the load: %s", i + 1, PQerrorMessage(load->sessions[i]));
	PQsetNoticeProcessor(load->sessions[i], ignore_notice, NULL);
	return *wants == PGRES_POLLING_OK;
}

static struct pollfd awaited(const struct load *load, unsigned i, PostgresPollingStatusType wants)
{
	return (struct pollfd){ .fd = PQsocket(load->sessions[i]),
				.events = wants == PGRES_POLLING_READING ? POLLIN : POLLOUT };
}

/* One batch after the other: whoever is first waits for the last of his. */
static void connect_batch(struct load *load, unsigned from, unsigned count)
{
	PostgresPollingStatusType wants[AT_ONCE];
	struct pollfd *fds = load->fds + from;
	unsigned open = 0;
	for (unsigned i = 0; i < count; i++) {
		start_connection(load, from + i, &wants[i]);
		fds[i] = awaited(load, from + i, wants[i]);
	}
	while (open < count) {
		if (poll(fds, count, PATIENCE * 1000) <= 0)
			fail("the server does not accept connections");
		for (unsigned i = 0; i < count; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			bool done = go_on(load, from + i, &wants[i]);
			fds[i] = done ? (struct pollfd){ .fd = -1 } : awaited(load, from + i, wants[i]);
			open += done;
		}
	}
}

void load_connect(struct load *load, unsigned count)
{
	load->sessions = realloc(load->sessions, count * sizeof(PGconn *));
	load->fds = realloc(load->fds, count * sizeof *load->fds);
	ensure(load->sessions && load->fds);
	while (load->count < count) {
		unsigned batch = count - load->count < AT_ONCE ? count - load->count : AT_ONCE;
		connect_batch(load, load->count, batch);
		load->count += batch;
	}
}

unsigned load_count(const struct load *load)
{
	return load->count;
}

static void make_tables(PGconn *admin)
{
	char sql[LOAD_STATEMENT];
	pgserver_run(admin, "create table bench_rows as select i as id, 0 as n from generate_series(0, 29999) i");
	pgserver_run(admin, "alter table bench_rows add primary key (id)");
	pgserver_run(admin, "vacuum analyze bench_rows");
	for (int i = 0; i < LOAD_TREES; i++) {
		snprintf(sql, sizeof sql,
			 "create table bench_table_%d as select i as id, 0 as n from generate_series(0, 99) i", i);
		pgserver_run(admin, sql);
	}
}

struct load *load_new(const struct pgserver *server)
{
	struct load *load = calloc(1, sizeof *load);
	ensure(load);
	load->server = server;
	load->admin = pgserver_connect(server, "postgres");
	make_tables(load->admin);
	return load;
}

void load_free(struct load *owned)
{
	for (unsigned i = 0; i < owned->count; i++)
		PQfinish(owned->sessions[i]);
	PQfinish(owned->admin);
	free(owned->sessions);
	free(owned->fds);
	free(owned);
}
