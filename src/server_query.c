#include "server_query.h"

#include "pglocktop/err.h"

#include <string.h>

/* pg_type.dat */
enum {
	BOOL_OID = 16,
	INT8_OID = 20,
	INT4_OID = 23,
	OID_OID = 26,
	OID_ARRAY_OID = 1028,
	INT4_ARRAY_OID = 1007,
	TIMESTAMPTZ_OID = 1184
};

enum { V11 = 110000, V12 = 120000, V13 = 130000, V14 = 140000, V15 = 150000, V16 = 160000, V17 = 170000, V18 = 180000 };

#define NO_WAITSTART "null::pg_catalog.timestamptz as waitstart"
#define LOCK_COLUMNS                                                                                                   \
	"select locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid,"       \
	" virtualtransaction, pid, mode, granted, fastpath, "

/*
 * What can block, of the locks that somebody waits for. $1: of these processes all there is, fast path
 * and SIReadLock rows, too, which are most of all there are. Who waits for a row's owner holds a lock on the row, which
 * tells the row. A prepared transaction is known by the lock on its own xid. The same lock has the same key, and here
 * it does no harm that others have it, too.
 */
#define IS_WANTED(key)                                                                                                 \
	" or " key " operator(pg_catalog.=) any (select " key " from l where not granted and " key " is not null)"
#define LOCKS_SENT(waitstart)                                                                                          \
	"with l as (" LOCK_COLUMNS waitstart                                                                           \
	" from pg_catalog.pg_lock_status() where not fastpath and mode operator(pg_catalog.<>) 'SIReadLock'"           \
	" or pid operator(pg_catalog.=) any ($1)) select * from l where not granted or tuple is not null"              \
	" or pid operator(pg_catalog.=) any ($1) or pid is null and transactionid is not null" WANTED_KEYS AT_MOST
#define WANTED_KEYS                                                                                                    \
	IS_WANTED("coalesce(relation, objid, classid, database)") IS_WANTED("transactionid") IS_WANTED("virtualxid")

/* So many rows; NULL: all. */
#define AT_MOST " limit $2"

/* Likewise without a look at who wants them: the cheaper way where few are unwanted. */
#define MANY_LOCKS_SENT(waitstart)                                                                                     \
	LOCK_COLUMNS waitstart " from pg_catalog.pg_lock_status()"                                                     \
			       " where not fastpath and mode operator(pg_catalog.<>) 'SIReadLock'"                     \
			       " or pid operator(pg_catalog.=) any ($1)" AT_MOST

/* All rows of all kinds. */
#define LOCKS_ALL(waitstart) LOCK_COLUMNS waitstart " from pg_catalog.pg_lock_status()"

/*
 * A process that awaits a lock shows no wait event while it has just joined the queue and while it looks for deadlocks,
 * and that of the locks' LWLocks while it waits for these (ProcSleep in proc.c). So where a wait event does not tell,
 * and $1 wants to know, it is asked.
 */
#define IS_BLOCKED                                                                                                     \
	"case when $1 and (wait_event is null or wait_event operator(pg_catalog.=) any"                                \
	" ('{LockManager,lock_manager,ProcArray,ProcArrayLock}'::pg_catalog.text[]))"                                  \
	" then pg_catalog.cardinality(pg_catalog.pg_blocking_pids(pid)) operator(pg_catalog.>) 0 end"

/* By enum session_column. */
#define MOVING_COLUMNS(leader_pid, query_id)                                                                           \
	"pid, state_change, xact_start, wait_event_type, wait_event, backend_xid, backend_xmin, " query_id             \
	", " leader_pid ", application_name"
#define OTHER_COLUMNS                                                                                                  \
	"backend_type, datid, usesysid, client_addr, client_port, backend_start, query_start, state, query"
/* $2: of this pid, NULL: of all. */
#define ACTIVITY(leader_pid, query_id)                                                                                 \
	"select " MOVING_COLUMNS(leader_pid, query_id) ", " OTHER_COLUMNS ", " IS_BLOCKED                              \
						       " from pg_catalog.pg_stat_get_activity($2)"

/* The other columns, as one value, only of whoever has reported something since $3 (server_sessions.c). */
#define CHANGES(leader_pid, query_id)                                                                                  \
	"select " MOVING_COLUMNS(leader_pid, query_id) ", case when state_change operator(pg_catalog.<) $3 then null"  \
						       " else row(" OTHER_COLUMNS ") end, " IS_BLOCKED                 \
						       " from pg_catalog.pg_stat_get_activity($2)"

/* A role that may not see the session gets its pid, and NULL for the parameters: nothing is known then. */
#define PROGRESS(kind, command, last_params)                                                                           \
	"select " kind ", p.pid, p.relid, p.param1, p.param2, p.param3, p.param4, p.param5, p.param6, p.param7,"       \
	" p.param8, p.param9, p.param10, " last_params " from pg_catalog.pg_stat_get_progress_info('" command "') p"   \
	" where p.param1 is not null"

#define NO_MORE_PARAMS                                                                                                 \
	"0::pg_catalog.int8, 0::pg_catalog.int8, 0::pg_catalog.int8, 0::pg_catalog.int8, 0::pg_catalog.int8, "         \
	"0::pg_catalog.int8, 0::pg_catalog.int8"
#define MORE_PARAMS "p.param11, p.param12, p.param13, p.param14, p.param15, p.param16, p.param17"

/* By enum progress_kind. */
#define PROGRESS_12                                                                                                    \
	PROGRESS("0", "VACUUM", MORE_PARAMS)                                                                           \
	" union all " PROGRESS("2", "CLUSTER", MORE_PARAMS) " union all " PROGRESS("3", "CREATE INDEX", MORE_PARAMS)
#define PROGRESS_13                                                                                                    \
	PROGRESS_12 " union all " PROGRESS("1", "ANALYZE", MORE_PARAMS) " union all " PROGRESS("4", "BASEBACKUP",      \
											       MORE_PARAMS)
#define PROGRESS_14 PROGRESS_13 " union all " PROGRESS("5", "COPY", MORE_PARAMS)

/* The server checks the identity, and that the time is not over, in the very statement that signals. */
#define GUARDED(function, last)                                                                                        \
	"select " function "(a.pid) from pg_catalog.pg_stat_get_activity($1) a where a.pid operator(pg_catalog.=) $1"  \
	" and a.backend_start operator(pg_catalog.=) $2"                                                               \
	" and pg_catalog.clock_timestamp() operator(pg_catalog.<) " last

/* A setting that is a time; -1, which some have for "never", is -1000000. */
#define SETTING_MICROSECONDS(name)                                                                                     \
	"(pg_catalog.date_part('epoch', pg_catalog.current_setting('" name "')::pg_catalog.interval)"                  \
	" operator(pg_catalog.*) 1000000)::pg_catalog.int8"

/* What was received is read before what is replayed: so that all of it is replayed was true. */
#define STANDBY_COLUMNS                                                                                                \
	"select pg_catalog.pg_last_wal_receive_lsn() operator(pg_catalog.<=) pg_catalog.pg_last_wal_replay_lsn(),"     \
	" pg_catalog.pg_last_xact_replay_timestamp(),"                                                                 \
	" (select w.pid is not null from pg_catalog.pg_stat_get_wal_receiver() w), " SETTING_MICROSECONDS(             \
		"max_standby_streaming_delay") ", " SETTING_MICROSECONDS("max_standby_archive_delay")

/* By current_user, whose rights the server's checks are about (GetUserId): SET ROLE in a role's settings changes it. */
#define OWN_ROLE(sees_all, signals_autovacuum)                                                                         \
	"select r.rolname, pg_catalog.quote_ident(r.rolname), r.rolsuper, r.rolinherit, " sees_all                     \
	", pg_catalog.pg_has_role('pg_read_all_stats', 'MEMBER'), pg_catalog.pg_has_role('pg_signal_backend', "        \
	"'USAGE')"                                                                                                     \
	", pg_catalog.pg_has_role('pg_signal_backend', 'MEMBER'), " signals_autovacuum                                 \
	" from pg_catalog.pg_roles r where r.rolname = current_user"

#define CHECK_SLOTS(reserved, uses_reserved, has_role)                                                                 \
	"select pg_catalog.current_setting('max_connections')::pg_catalog.int4,"                                       \
	" pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4, " reserved ", " uses_reserved \
	", " has_role

/* Each grant on a way down from pg_signal_backend, once. */
#define CHECK_HOLDERS(grantor, sets, granted_on)                                                                       \
	"with recursive h(member, through, grantor) as (select a.member, a.roleid, " grantor                           \
	" from pg_catalog.pg_auth_members a"                                                                           \
	" join pg_catalog.pg_roles s on s.oid = a.roleid where s.rolname = 'pg_signal_backend'"                        \
	" union select a.member, a.roleid, " grantor                                                                   \
	" from pg_catalog.pg_auth_members a join h on a.roleid = h.member)"                                            \
	" select r.oid, r.rolname, pg_catalog.quote_ident(r.rolname), r.rolcanlogin, r.rolsuper,"                      \
	" pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'USAGE'), pg_catalog.quote_ident(t.rolname),"             \
	" exists (select from pg_catalog.pg_auth_members a where a.member = h.member and a.roleid = h.through"         \
	" and a.admin_option), t.rolname = 'pg_signal_backend', " sets                                                 \
	", pg_catalog.quote_ident(g.rolname), " granted_on " from h"                                                   \
	" join pg_catalog.pg_roles r on r.oid = h.member join pg_catalog.pg_roles t on t.oid = h.through"              \
	" left join pg_catalog.pg_roles g on g.oid = h.grantor"                                                        \
	" order by t.rolname <> 'pg_signal_backend', r.rolname, t.rolname, g.rolname"

static const struct query queries[] = {
	/* One row: as many would cost more than the answers. */
	{ QUERY_QUESTIONS,
	  0,
	  0,
	  "pg_blocking_pids",
	  4,
	  1,
	  { INT4_ARRAY_OID },
	  "select pg_catalog.array_agg(p), pg_catalog.string_agg(pg_catalog.array_send(pg_catalog.pg_blocking_pids(p)),"
	  " ''::pg_catalog.bytea), pg_catalog.statement_timestamp(), pg_catalog.clock_timestamp()"
	  " from pg_catalog.unnest($1) p" },
	{ QUERY_SAFE_SNAPSHOTS,
	  0,
	  0,
	  "pg_safe_snapshot_blocking_pids",
	  2,
	  1,
	  { INT4_ARRAY_OID },
	  "select p, pg_catalog.pg_safe_snapshot_blocking_pids(p) from pg_catalog.unnest($1) p" },
	{ QUERY_LOCKS, 0, V14, "pg_lock_status", 16, 2, { INT4_ARRAY_OID, INT8_OID }, LOCKS_SENT(NO_WAITSTART) },
	{ QUERY_LOCKS, V14, 0, "pg_lock_status", 16, 2, { INT4_ARRAY_OID, INT8_OID }, LOCKS_SENT("waitstart") },
	{ QUERY_MANY_LOCKS,
	  0,
	  V14,
	  "pg_lock_status (many)",
	  16,
	  2,
	  { INT4_ARRAY_OID, INT8_OID },
	  MANY_LOCKS_SENT(NO_WAITSTART) },
	{ QUERY_MANY_LOCKS,
	  V14,
	  0,
	  "pg_lock_status (many)",
	  16,
	  2,
	  { INT4_ARRAY_OID, INT8_OID },
	  MANY_LOCKS_SENT("waitstart") },
	{ QUERY_ALL_LOCKS, 0, V14, "pg_lock_status (all)", 16, 0, { 0 }, LOCKS_ALL(NO_WAITSTART) },
	{ QUERY_ALL_LOCKS, V14, 0, "pg_lock_status (all)", 16, 0, { 0 }, LOCKS_ALL("waitstart") },
	{ QUERY_CLOCK,
	  0,
	  0,
	  "clock_timestamp",
	  2,
	  0,
	  { 0 },
	  "select pg_catalog.clock_timestamp(), pg_catalog.pg_backend_pid()" },
	{ QUERY_ACTIVITY,
	  0,
	  V13,
	  "pg_stat_get_activity",
	  20,
	  2,
	  { BOOL_OID, INT4_OID },
	  ACTIVITY("null::pg_catalog.int4", "null::pg_catalog.int8") },
	{ QUERY_CHANGES,
	  0,
	  V13,
	  "pg_stat_get_activity (changes)",
	  12,
	  3,
	  { BOOL_OID, INT4_OID, TIMESTAMPTZ_OID },
	  CHANGES("null::pg_catalog.int4", "null::pg_catalog.int8") },
	{ QUERY_ACTIVITY,
	  V13,
	  V14,
	  "pg_stat_get_activity",
	  20,
	  2,
	  { BOOL_OID, INT4_OID },
	  ACTIVITY("leader_pid", "null::pg_catalog.int8") },
	{ QUERY_CHANGES,
	  V13,
	  V14,
	  "pg_stat_get_activity (changes)",
	  12,
	  3,
	  { BOOL_OID, INT4_OID, TIMESTAMPTZ_OID },
	  CHANGES("leader_pid", "null::pg_catalog.int8") },
	{ QUERY_ACTIVITY,
	  V14,
	  0,
	  "pg_stat_get_activity",
	  20,
	  2,
	  { BOOL_OID, INT4_OID },
	  ACTIVITY("leader_pid", "query_id") },
	{ QUERY_CHANGES,
	  V14,
	  0,
	  "pg_stat_get_activity (changes)",
	  12,
	  3,
	  { BOOL_OID, INT4_OID, TIMESTAMPTZ_OID },
	  CHANGES("leader_pid", "query_id") },
	{ QUERY_PREPARED,
	  0,
	  0,
	  "pg_prepared_xact",
	  5,
	  0,
	  { 0 },
	  "select transaction, gid, prepared, ownerid, dbid from pg_catalog.pg_prepared_xact()" },
	{ QUERY_PROGRESS, 0, V12, "pg_stat_get_progress_info", 20, 0, { 0 }, PROGRESS("0", "VACUUM", NO_MORE_PARAMS) },
	{ QUERY_PROGRESS, V12, V13, "pg_stat_get_progress_info", 20, 0, { 0 }, PROGRESS_12 },
	{ QUERY_PROGRESS, V13, V14, "pg_stat_get_progress_info", 20, 0, { 0 }, PROGRESS_13 },
	{ QUERY_PROGRESS, V14, 0, "pg_stat_get_progress_info", 20, 0, { 0 }, PROGRESS_14 },
	/* No row on a primary. */
	{ QUERY_STANDBY,
	  0,
	  0,
	  "pg_last_wal_replay_lsn",
	  5,
	  0,
	  { 0 },
	  STANDBY_COLUMNS " where pg_catalog.pg_is_in_recovery()" },
	/* The statements of one pipeline are one transaction: it began with the first of them. */
	{ QUERY_TAIL,
	  0,
	  0,
	  "pg_stat_get_db_deadlocks",
	  7,
	  1,
	  { OID_ARRAY_OID },
	  "select pg_catalog.pg_backend_pid(), pg_catalog.transaction_timestamp(), pg_catalog.statement_timestamp(),"
	  " pg_catalog.clock_timestamp(), pg_catalog.pg_is_in_recovery(), pg_catalog.pg_postmaster_start_time(),"
	  " (select pg_catalog.sum(pg_catalog.pg_stat_get_db_deadlocks(d))::pg_catalog.int8"
	  " from pg_catalog.unnest($1) d)" },
	{ QUERY_CANCEL,
	  0,
	  0,
	  "pg_cancel_backend",
	  1,
	  4,
	  { INT4_OID, TIMESTAMPTZ_OID, TIMESTAMPTZ_OID, TIMESTAMPTZ_OID },
	  GUARDED("pg_catalog.pg_cancel_backend",
		  "$4") " and a.state operator(pg_catalog.=) 'active' and a.query_start operator(pg_catalog.=) $3" },
	{ QUERY_TERMINATE,
	  0,
	  0,
	  "pg_terminate_backend",
	  1,
	  3,
	  { INT4_OID, TIMESTAMPTZ_OID, TIMESTAMPTZ_OID },
	  GUARDED("pg_catalog.pg_terminate_backend", "$3") },
	{ QUERY_TARGET,
	  0,
	  0,
	  "pg_stat_get_activity(pid)",
	  7,
	  1,
	  { INT4_OID },
	  "select backend_start, state, query_start, pg_catalog.clock_timestamp(), wait_event_type, wait_event,"
	  " backend_xid"
	  " from pg_catalog.pg_stat_get_activity($1)" },
	{ QUERY_SETTINGS,
	  0,
	  V16,
	  "current_setting",
	  5,
	  0,
	  { 0 },
	  "select pg_catalog.current_setting('max_connections')::pg_catalog.int4,"
	  " pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4,"
	  " " SETTING_MICROSECONDS(
		  "deadlock_timeout") ", pg_catalog.pg_postmaster_start_time(),"
				      " pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int4" },
	{ QUERY_SETTINGS,
	  V16,
	  0,
	  "current_setting",
	  5,
	  0,
	  { 0 },
	  "select pg_catalog.current_setting('max_connections')::pg_catalog.int4,"
	  " pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4"
	  " + pg_catalog.current_setting('reserved_connections')::pg_catalog.int4,"
	  " " SETTING_MICROSECONDS(
		  "deadlock_timeout") ", pg_catalog.pg_postmaster_start_time(),"
				      " pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int4" },
	{ QUERY_SYSTEM,
	  0,
	  0,
	  "pg_control_system",
	  1,
	  0,
	  { 0 },
	  "select system_identifier from pg_catalog.pg_control_system()" },
	{ QUERY_SHORT_WAIT,
	  0,
	  0,
	  "set_config",
	  1,
	  0,
	  { 0 },
	  "select pg_catalog.set_config('lock_timeout', '20ms', true)" },
	/* Up to 14 membership shows all sessions, from 15 on only inherited privileges do (pgstatfuncs.c). */
	{ QUERY_OWN_ROLE,
	  0,
	  V15,
	  "pg_roles (own)",
	  9,
	  0,
	  { 0 },
	  OWN_ROLE("pg_catalog.pg_has_role('pg_read_all_stats', 'MEMBER')", "false") },
	{ QUERY_OWN_ROLE,
	  V15,
	  V18,
	  "pg_roles (own)",
	  9,
	  0,
	  { 0 },
	  OWN_ROLE("pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')", "false") },
	{ QUERY_OWN_ROLE,
	  V18,
	  0,
	  "pg_roles (own)",
	  9,
	  0,
	  { 0 },
	  OWN_ROLE("pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')",
		   "pg_catalog.pg_has_role('pg_signal_autovacuum_worker', 'USAGE')") },
	/* pg_get_userbyid() loads the role into the cache that a signal's permission check looks into. */
	{ QUERY_ROLES,
	  0,
	  0,
	  "pg_roles",
	  5,
	  1,
	  { OID_ARRAY_OID },
	  "select r.oid, r.rolname, r.rolsuper, pg_catalog.pg_has_role(r.oid, 'USAGE'),"
	  " pg_catalog.pg_get_userbyid(r.oid) from pg_catalog.pg_roles r where r.oid = any ($1)" },
	{ QUERY_DATABASES,
	  0,
	  0,
	  "pg_database",
	  4,
	  0,
	  { 0 },
	  "select d.oid, d.datname, pg_catalog.pg_encoding_to_char(d.encoding),"
	  " d.datname = pg_catalog.current_database() from pg_catalog.pg_database d" },
	/* An index has its table's name with it; a TOAST table bears its table's oid in its name. */
	{ QUERY_RELATIONS,
	  0,
	  0,
	  "pg_class",
	  5,
	  1,
	  { OID_ARRAY_OID },
	  "select c.oid, c.relisshared, case when n.nspname = 'public' then '' else"
	  " pg_catalog.quote_ident(n.nspname) || '.' end || pg_catalog.quote_ident(c.relname), c.relkind,"
	  " (select case when tn.nspname = 'public' then '' else pg_catalog.quote_ident(tn.nspname) || '.' end"
	  " || pg_catalog.quote_ident(t.relname) from pg_catalog.pg_class t"
	  " join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace where t.oid <> c.oid and t.oid ="
	  " case when n.nspname ~ '^pg_toast' and c.relname ~ '^pg_toast_[0-9]{1,10}(_index)?$'"
	  " then pg_catalog.substring(c.relname::pg_catalog.text, '[0-9]+')::pg_catalog.oid"
	  " else i.indrelid end)"
	  " from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
	  " left join pg_catalog.pg_index i on i.indexrelid = c.oid where c.oid = any ($1)" },
	{ QUERY_CHECK_SLOTS, 0, V16, "current_setting (slots)", 5, 0, { 0 }, CHECK_SLOTS("0", "false", "false") },
	{ QUERY_CHECK_SLOTS,
	  V16,
	  0,
	  "current_setting (slots)",
	  5,
	  0,
	  { 0 },
	  CHECK_SLOTS("pg_catalog.current_setting('reserved_connections')::pg_catalog.int4",
		      "pg_catalog.pg_has_role('pg_use_reserved_connections', 'USAGE')", "true") },
	{ QUERY_CHECK_MEMBERSHIPS,
	  0,
	  0,
	  "pg_auth_members (memberships)",
	  2,
	  0,
	  { 0 },
	  "with recursive m(roleid) as (select a.roleid from pg_catalog.pg_auth_members a"
	  " join pg_catalog.pg_roles r on r.oid = a.member where r.rolname = current_user"
	  " union select a.roleid from pg_catalog.pg_auth_members a join m on a.member = m.roleid)"
	  " select r.rolname, pg_catalog.pg_has_role(r.oid, 'USAGE') from m"
	  " join pg_catalog.pg_roles r on r.oid = m.roleid order by r.rolname" },
	/* Since 16 a membership is granted with or without its use, and only its grantor's REVOKE undoes it. */
	{ QUERY_CHECK_HOLDERS,
	  0,
	  V16,
	  "pg_auth_members (holders)",
	  12,
	  0,
	  { 0 },
	  CHECK_HOLDERS("0::pg_catalog.oid", "pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'MEMBER')", "false") },
	{ QUERY_CHECK_HOLDERS,
	  V16,
	  0,
	  "pg_auth_members (holders)",
	  12,
	  0,
	  { 0 },
	  CHECK_HOLDERS("a.grantor", "pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'SET')",
			"exists (select from pg_catalog.pg_auth_members d where d.roleid = h.through"
			" and d.grantor = h.member)") },
};

const struct query *query_find(enum query_id id, int version)
{
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
		const struct query *query = &queries[i];
		if (query->id == id && version >= query->since && (query->before == 0 || version < query->before))
			return query;
	}
	err_die("no statement %d for server version %d", (int)id, version);
}

static const struct {
	int since;
	const char *text;
} settings[] = {
	{ 0, "set search_path = ''" },
	{ 0, "set lock_timeout = '250ms'" },
	{ 0, "set statement_timeout = '5s'" },
	{ 0, "set default_transaction_read_only = on" },
	{ 0, "set idle_in_transaction_session_timeout = '10s'" },
	{ V14, "set idle_session_timeout = 0" },
	{ V17, "set transaction_timeout = 0" },
	{ V11, "set jit = off" },
	{ 0, "set max_parallel_workers_per_gather = 0" },
	{ 0, "set client_min_messages = warning" },
	{ 0, "set datestyle = 'ISO'" },
	{ 0, "set timezone = 'UTC'" },
	{ V12, "set plan_cache_mode = force_generic_plan" },
	{ V15, "set stats_fetch_consistency = none" },
};

const char *query_setting(unsigned index, int version)
{
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (version >= settings[i].since && index-- == 0)
			return settings[i].text;
	return NULL;
}

const char *query_local_settings(void)
{
	return "select pg_catalog.set_config('search_path', '', true),"
	       " pg_catalog.set_config('lock_timeout', '250ms', true),"
	       " pg_catalog.set_config('statement_timeout', '5s', true)";
}

/* ---- parameters ---- */

static void write_big_endian(char *bytes, uint64_t value, int length)
{
	for (int i = length - 1; i >= 0; i--, value >>= 8)
		bytes[i] = (char)(value & 0xff);
}

static void add_value(struct query_params *params, const char *bytes, int length)
{
	ensure(params->count < QUERY_MAX_PARAMS);
	params->values[params->count] = bytes;
	params->lengths[params->count] = length;
	params->count++;
}

void query_add_null(struct query_params *params)
{
	add_value(params, NULL, 0);
}

void query_add_bool(struct query_params *params, bool value)
{
	ensure(params->count < QUERY_MAX_PARAMS);
	params->bytes[params->count][0] = value;
	add_value(params, params->bytes[params->count], 1);
}

void query_add_int32(struct query_params *params, int32_t value)
{
	ensure(params->count < QUERY_MAX_PARAMS);
	write_big_endian(params->bytes[params->count], (uint32_t)value, 4);
	add_value(params, params->bytes[params->count], 4);
}

void query_add_int64(struct query_params *params, int64_t value)
{
	ensure(params->count < QUERY_MAX_PARAMS);
	write_big_endian(params->bytes[params->count], (uint64_t)value, 8);
	add_value(params, params->bytes[params->count], 8);
}

/* array_recv() in arrayfuncs.c: dimensions, flags, element type, size, lower bound, then length and bytes each. */
static void add_array(struct query_params *params, const uint32_t *values, uint32_t count, uint32_t type,
		      struct arena *arena)
{
	enum { HEADER = 20, ELEMENT = 8 };
	char *bytes = arena_alloc(arena, HEADER + (size_t)count * ELEMENT);
	write_big_endian(bytes, 1, 4);
	write_big_endian(bytes + 8, type, 4);
	write_big_endian(bytes + 12, count, 4);
	write_big_endian(bytes + 16, 1, 4);
	for (uint32_t i = 0; i < count; i++) {
		write_big_endian(bytes + HEADER + (size_t)i * ELEMENT, 4, 4);
		write_big_endian(bytes + HEADER + (size_t)i * ELEMENT + 4, values[i], 4);
	}
	add_value(params, bytes, HEADER + (int)count * ELEMENT);
}

void query_add_int32_array(struct query_params *params, const int32_t *values, uint32_t count, struct arena *arena)
{
	add_array(params, (const uint32_t *)values, count, INT4_OID, arena);
}

void query_add_oid_array(struct query_params *params, const uint32_t *values, uint32_t count, struct arena *arena)
{
	add_array(params, values, count, OID_OID, arena);
}
