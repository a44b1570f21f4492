#include "oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Whoever is in no wait's way is of no interest. */
#define LOCKS(waitstart)                                                                                               \
	"with l as (select (locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid,"     \
	" objsubid)::text as tag, pid, virtualtransaction, mode, granted, " waitstart " as since"                      \
	" from pg_lock_status() where not fastpath and mode <> 'SIReadLock')"                                          \
	" select tag, pid, mode, granted, l::text from l where tag in (select tag from l where not granted)"           \
	" order by tag;"

/* Before 18 a session that is logging in may wait, and is not listed yet.
 * The leader of a parallel query's worker, else NULL. Before 13 a worker does not name it: it has the same query's
 * text; in 10 it is but a background worker. From 16 on workers that apply a subscription have a leader, but no lock
 * group. */
#define SESSIONS(leader)                                                                                               \
	"with a as (select * from pg_stat_get_activity(null) where pid <> pg_backend_pid()"                            \
	" and application_name is distinct from 'pglocktop')"                                                          \
	" select pid, " leader ", coalesce(state, '') <> 'active'"                                                     \
	" or wait_event_type in ('Activity', 'Client', 'IPC', 'Timeout') or application_name = 'resting',"             \
	" (pid, backend_start, query_start)::text, query, pg_blocking_pids(pid),"                                      \
	" coalesce(state, '') <> 'active' from a"                                                                      \
	" union all select pid, null, false, pid::text, '', pg_blocking_pids(pid), false from pg_lock_status()"        \
	" where not granted and pid not in (select pid from pg_stat_get_activity(null))"

#define LEADER_BY_QUERY                                                                                                \
	"case when backend_type in ('parallel worker', 'background worker') then (select min(b.pid) from a b"          \
	" where b.query = a.query and b.backend_type = 'client backend' and b.datid = a.datid) end"
#define LEADER "case backend_type when 'parallel worker' then leader_pid end"

static const char locks_and_sessions_10[] = LOCKS("null::timestamptz") SESSIONS(LEADER_BY_QUERY);
static const char locks_and_sessions_13[] = LOCKS("null::timestamptz") SESSIONS(LEADER);
static const char locks_and_sessions_14[] = LOCKS("waitstart") SESSIONS(LEADER);

/* README of src/backend/storage/lmgr and the manual's table of conflicting lock modes, mode by mode. */
static const char *const conflicting_modes[] = { "",	  "8",	    "78",      "5678",	  "45678",
						 "34678", "345678", "2345678", "12345678" };
static const char *const mode_names[] = {
	"",	     "AccessShareLock",	      "RowShareLock",  "RowExclusiveLock",    "ShareUpdateExclusiveLock",
	"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
};

static bool modes_conflict(unsigned a, unsigned b)
{
	return strchr(conflicting_modes[a], (int)('0' + b)) != NULL;
}

static unsigned parse_mode(const char *name)
{
	for (unsigned mode = 1; mode < sizeof mode_names / sizeof *mode_names; mode++)
		if (strcmp(mode_names[mode], name) == 0)
			return mode;
	fail_msg("no mode: %s", name);
	return 0;
}

static uint64_t hash_text(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	for (const char *c = text; *c; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
	return hash;
}

/* ---- sessions ---- */

/* "{12,0,34}" */
static uint32_t parse_blockers(const char *text, struct edge *list)
{
	uint32_t count = 0;
	for (const char *c = text + 1; *c && *c != '}'; c += *c == ',') {
		char *end;
		int32_t pid = (int32_t)strtol(c, &end, 10);
		list[count++] = (struct edge){ pid, pid == EDGES_PREPARED ? EDGE_HARD : EDGE_SOFT };
		c = end;
	}
	return count;
}

static void add_session(struct oracle *oracle, const PGresult *rows, int row)
{
	struct edges *edges = &oracle->edges;
	const char *blockers = PQgetvalue(rows, row, 5), *sql = PQgetvalue(rows, row, 4);
	struct edge *list = arena_array(&edges->arena, strlen(blockers), sizeof *list);
	int32_t pid = (int32_t)strtol(PQgetvalue(rows, row, 0), NULL, 10);
	struct edges_session *session = edges_add(edges, pid, list, parse_blockers(blockers, list));
	session->worker = !PQgetisnull(rows, row, 1);
	session->sql = arena_string(&edges->arena, sql);
}

static uint32_t index_of(const struct oracle *oracle, int32_t pid)
{
	const struct edges_session *session = edges_find(&oracle->edges, pid);
	return session ? (uint32_t)(session - oracle->edges.sessions) : UINT32_MAX;
}

static void take_sessions(struct oracle *oracle, const PGresult *rows)
{
	uint32_t count = (uint32_t)PQntuples(rows);
	struct arena *arena = &oracle->edges.arena;
	for (int row = 0; row < (int)count; row++)
		add_session(oracle, rows, row);
	edges_finish(&oracle->edges);
	oracle->states = arena_array(arena, count, sizeof *oracle->states);
	oracle->leaders = arena_array(arena, count, sizeof *oracle->leaders);
	oracle->rests = arena_array(arena, count, sizeof *oracle->rests);
	oracle->idle = arena_array(arena, count, sizeof *oracle->idle);
	for (int row = 0; row < (int)count; row++) {
		uint32_t index = index_of(oracle, (int32_t)strtol(PQgetvalue(rows, row, 0), NULL, 10));
		const struct edges_session *session = &oracle->edges.sessions[index];
		oracle->leaders[index] =
			session->worker ? (int32_t)strtol(PQgetvalue(rows, row, 1), NULL, 10) : session->pid;
		oracle->rests[index] = PQgetvalue(rows, row, 2)[0] == 't';
		oracle->states[index] = hash_text(PQgetvalue(rows, row, 3));
		oracle->idle[index] = PQgetvalue(rows, row, 6)[0] == 't';
	}
}

/* ---- locks ---- */

static void take_locks(struct oracle *oracle, const PGresult *rows)
{
	struct arena *arena = &oracle->edges.arena;
	uint32_t count = (uint32_t)PQntuples(rows);
	oracle->locks = arena_array(arena, count, sizeof *oracle->locks);
	for (uint32_t i = 0; i < count; i++) {
		int row = (int)i;
		oracle->locks[i] = (struct oracle_lock){
			.tag = arena_string(arena, PQgetvalue(rows, row, 0)),
			.pid = (int32_t)strtol(PQgetvalue(rows, row, 1), NULL, 10),
			.mode = parse_mode(PQgetvalue(rows, row, 2)),
			.granted = PQgetvalue(rows, row, 3)[0] == 't',
			.text = arena_string(arena, PQgetvalue(rows, row, 4)),
		};
	}
	oracle->lock_count = count;
}

static void note_hard_edge(struct oracle *oracle, int32_t waiter, int32_t holder)
{
	uint32_t index = index_of(oracle, waiter);
	if (index == UINT32_MAX)
		return;
	const struct edges_session *session = &oracle->edges.sessions[index];
	for (uint32_t i = 0; i < session->count; i++)
		if (session->edges[i].blocker == holder)
			session->edges[i].kind = EDGE_HARD;
}

/* One lock: its rows, whose wait is whose, and which of its edges are hard. */
static void take_lock(struct oracle *oracle, const struct oracle_lock *rows, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t leader = index_of(oracle, rows[i].leader), process = index_of(oracle, rows[i].pid);
		if (rows[i].granted || leader == UINT32_MAX)
			continue;
		oracle->states[leader] += hash_text(rows[i].text);
		if (process != UINT32_MAX)
			oracle->edges.sessions[process].waits = true;
		for (uint32_t j = 0; j < count; j++)
			if (rows[j].granted && modes_conflict(rows[i].mode, rows[j].mode))
				note_hard_edge(oracle, rows[i].leader, rows[j].leader);
	}
}

int32_t oracle_leader(const struct oracle *oracle, int32_t pid)
{
	uint32_t index = index_of(oracle, pid);
	return index == UINT32_MAX ? pid : oracle->leaders[index];
}

static void connect_locks(struct oracle *oracle)
{
	for (uint32_t i = 0; i < oracle->lock_count; i++) {
		oracle->locks[i].leader = oracle_leader(oracle, oracle->locks[i].pid);
	}
	for (uint32_t first = 0, next; first < oracle->lock_count; first = next) {
		for (next = first + 1; next < oracle->lock_count; next++)
			if (strcmp(oracle->locks[first].tag, oracle->locks[next].tag) != 0)
				break;
		take_lock(oracle, &oracle->locks[first], next - first);
	}
}

/* A worker's answer is its group's: so are the kinds, and whether something has moved. */
static void connect_workers(struct oracle *oracle)
{
	for (uint32_t i = 0; i < oracle->edges.session_count; i++) {
		struct edges_session *worker = &oracle->edges.sessions[i];
		uint32_t leader = index_of(oracle, oracle->leaders[i]);
		if (!worker->worker || leader == i || leader == UINT32_MAX)
			continue;
		oracle->states[i] += oracle->states[leader];
		for (uint32_t e = 0; e < worker->count; e++)
			edges_find_edge(&oracle->edges.sessions[leader], worker->edges[e].blocker,
					&worker->edges[e].kind);
	}
}

static PGresult *next_result(PGconn *conn)
{
	PGresult *result = PQgetResult(conn);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("the oracle: %s", PQerrorMessage(conn));
	return result;
}

void oracle_read(PGconn *conn, struct oracle *oracle)
{
	int version = PQserverVersion(conn);
	const char *sql = version >= 140000   ? locks_and_sessions_14
			  : version >= 130000 ? locks_and_sessions_13
					      : locks_and_sessions_10;
	if (!PQsendQuery(conn, sql))
		fail_msg("the oracle: %s", PQerrorMessage(conn));
	PGresult *locks = next_result(conn), *sessions = next_result(conn);
	assert_null(PQgetResult(conn));
	*oracle = (struct oracle){ .lock_count = 0 };
	edges_init(&oracle->edges, (uint32_t)PQntuples(sessions));
	take_sessions(oracle, sessions);
	take_locks(oracle, locks);
	connect_locks(oracle);
	connect_workers(oracle);
	edges_find_circles(&oracle->edges);
	edges_finish(&oracle->edges);
	PQclear(locks);
	PQclear(sessions);
}

void oracle_release(struct oracle *oracle)
{
	edges_release(&oracle->edges);
}

static bool group_waits_for(const struct oracle *oracle, int32_t leader, const char *tag)
{
	for (uint32_t i = 0; i < oracle->lock_count; i++)
		if (!oracle->locks[i].granted && oracle->locks[i].leader == leader &&
		    strcmp(oracle->locks[i].tag, tag) == 0)
			return true;
	return false;
}

uint64_t oracle_part_in(const struct oracle *oracle, int32_t leader, int32_t waiter)
{
	uint32_t index = index_of(oracle, waiter);
	uint64_t part = 0;
	for (uint32_t i = 0; index != UINT32_MAX && i < oracle->lock_count; i++)
		if (oracle->locks[i].leader == leader &&
		    group_waits_for(oracle, oracle->leaders[index], oracle->locks[i].tag))
			part += hash_text(oracle->locks[i].text);
	return part;
}

void oracle_describe(const struct oracle *oracle, int32_t pid, struct strbuf *out)
{
	uint32_t index = index_of(oracle, pid);
	if (index == UINT32_MAX)
		return;
	strbuf_printf(out, "  it runs: %s\n", oracle->edges.sessions[index].sql);
	for (uint32_t i = 0; i < oracle->lock_count; i++)
		if (group_waits_for(oracle, oracle->leaders[index], oracle->locks[i].tag))
			strbuf_printf(out, "  %s\n", oracle->locks[i].text);
}
