/*
 * snapshot.h - one reading of a server: its sessions, its locks, its prepared transactions.
 *
 * Invariants
 * - A snapshot lives in one arena, with every string that it points to. Sessions, locks and prepared transactions
 *   are complete once snapshot_finish has returned; a source then adds the leaders that it knows of, the names and
 *   `may`, which come by separate statements, and hands it over; from then on nothing changes. Nothing outside it may
 * be pointed to from it, and no view keeps a pointer into it beyond its life.
 * - Every string is valid UTF-8 (the source decodes), but hostile: it may hold control characters. Whoever shows it
 *   makes it inert first (tui/text.h).
 * - A NULL string, WHEN_NONE, a pid or oid of 0: the server has no such value, or does not let this role see it.
 * - sessions[] is sorted by pid, each pid once. A pid that holds or awaits a lock but had no activity row (it came or
 *   went between the two readings) has an entry with `listed` false.
 * - locks[] are in the order in which the server gave them; `session` indexes sessions[].
 *
 * The source is PostgreSQL's pg_lock_status(), pg_stat_get_activity() and pg_prepared_xact().
 */
#ifndef PGLOCKTOP_SNAPSHOT_H
#define PGLOCKTOP_SNAPSHOT_H

#include "pglocktop/arena.h"
#include "pglocktop/err.h"
#include "pglocktop/lockmode.h"
#include "pglocktop/when.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_NO_INDEX UINT32_MAX

/* What a signal names and what a cursor, a fold and a tag hold on to: a process and when it started. */
struct identity {
	int32_t pid;
	int64_t backend_start; /* WHEN_NONE: the role may not see it; such a session is never signalled */
};

bool identity_equal(struct identity a, struct identity b);

#define IDENTITY_TEXT_SIZE (WHEN_TEXT_SIZE + 16)

/* "8017@2026-11-22T12:20:01.000123+00:00", or "" without backend_start. Returns `text`. */
char *identity_format(struct identity id, char text[static IDENTITY_TEXT_SIZE]);

/* Reads what identity_format wrote; false for anything else. */
bool identity_parse(const char *text, struct identity *id);

enum session_state {
	SESSION_HIDDEN, /* the role may not see it */
	SESSION_NO_STATE, /* background processes report none */
	SESSION_ACTIVE,
	SESSION_IDLE,
	SESSION_IDLE_IN_TRANSACTION,
	SESSION_IDLE_IN_TRANSACTION_ABORTED,
	SESSION_FASTPATH,
	SESSION_DISABLED, /* track_activities is off: query and its times are empty */
	SESSION_STARTING, /* 18+ */
	SESSION_OTHER /* a word that this program does not know */
};

/* The server's word ("idle in transaction"); NULL for SESSION_HIDDEN, SESSION_NO_STATE and SESSION_OTHER. */
const char *session_state_name(enum session_state state);
enum session_state session_state_parse(const char *text, size_t length);

/* Whether the role behind this connection may signal the session, as far as can be told; the server decides. */
enum session_may {
	MAY_SIGNAL,
	MAY_NOT_OWN, /* this program's own session */
	MAY_NOT_NO_IDENTITY, /* backend_start is hidden: no guard is possible */
	MAY_NOT_SUPERUSER, /* the target's role is a superuser, ours is not */
	MAY_NOT_MEMBER, /* neither privileges of the target's role nor of pg_signal_backend */
	MAY_NOT_AUTOVACUUM, /* 18+: pg_signal_autovacuum_worker would do; before: superuser only */
	MAY_NOT_NO_ROLE, /* a background process without a role: superuser only */
	MAY_NOT_AUXILIARY, /* checkpointer, startup …: not a backend, nobody can */
	MAY_NOT_GONE, /* not listed: it came or went while the snapshot was taken */
	MAY_NOT_UNKNOWN /* roles could not be read yet */
};

enum progress_kind {
	PROGRESS_VACUUM,
	PROGRESS_ANALYZE, /* 13+ */
	PROGRESS_CLUSTER, /* 12+; VACUUM FULL, too */
	PROGRESS_CREATE_INDEX, /* 12+; REINDEX, too */
	PROGRESS_BASEBACKUP, /* 13+ */
	PROGRESS_COPY, /* 14+ */
	PROGRESS_KIND_COUNT
};

enum { PROGRESS_PARAMS = 17 };

/* What a maintenance command says of itself (pg_stat_get_progress_info); progress.h reads it. */
struct progress {
	int32_t pid;
	enum progress_kind kind;
	uint32_t relation; /* 0: none */
	int64_t params[PROGRESS_PARAMS]; /* params[0] is the server's param1; 0 where it has none */
};

struct session {
	struct identity id;
	bool listed;
	bool is_startup; /* a standby's recovery; told from its locks where its type is hidden */
	bool is_client; /* occupies one of max_connections' slots, as far as can be told */
	int32_t leader_pid; /* of a parallel worker, as the server says (13+), 0: none */
	uint32_t leader; /* index of the session that leads its lock group: its own for all but a parallel worker */
	bool leader_known; /* false: it is a worker, or its type is hidden or it is gone and it may be one, and whose is
			      not known; `leader` is its own index then */
	uint32_t datid;
	uint32_t usesysid;
	const char *backend_type;
	const char *user; /* NULL with usesysid != 0: the name is not known yet */
	const char *database; /* likewise with datid */
	const char *application;
	const char *client; /* "10.0.0.5", "local" for a Unix socket */
	int32_t client_port; /* 0: none */
	int64_t xact_start, query_start, state_change;
	enum session_state state;
	const char *state_text; /* as the server gave it; NULL hidden or none */
	const char *wait_event_type, *wait_event;
	uint32_t backend_xid, backend_xmin; /* 0: none */
	bool has_query_id;
	int64_t query_id;
	/* NULL: hidden or none; cut off by the server at track_activity_query_size. Shown by way of frame_query alone.
	 */
	const char *query_with_literals;
	uint64_t fingerprint; /* of that text (fingerprint.h); 0: not taken yet */
	const struct progress *progress; /* NULL: it runs no such command, or does not let this role see it */
	enum session_may may;
};

enum locktag_kind {
	LOCKTAG_RELATION,
	LOCKTAG_EXTEND,
	LOCKTAG_FROZENID,
	LOCKTAG_PAGE,
	LOCKTAG_TUPLE,
	LOCKTAG_TRANSACTIONID,
	LOCKTAG_VIRTUALXID,
	LOCKTAG_SPECULATIVE, /* "spectoken", until 12 "speculative token" */
	LOCKTAG_OBJECT,
	LOCKTAG_USERLOCK,
	LOCKTAG_ADVISORY,
	LOCKTAG_APPLYTRANSACTION,
	LOCKTAG_OTHER
};

/* Which of the tag's columns are not NULL. */
enum locktag_column {
	LOCKTAG_HAS_DATABASE = 1 << 0,
	LOCKTAG_HAS_RELATION = 1 << 1,
	LOCKTAG_HAS_PAGE = 1 << 2,
	LOCKTAG_HAS_TUPLE = 1 << 3,
	LOCKTAG_HAS_VIRTUALXID = 1 << 4,
	LOCKTAG_HAS_TRANSACTIONID = 1 << 5,
	LOCKTAG_HAS_CLASSID = 1 << 6,
	LOCKTAG_HAS_OBJID = 1 << 7,
	LOCKTAG_HAS_OBJSUBID = 1 << 8
};

/*
 * What identifies a lock: all ten columns, NULLs included. That is injective over the server's LOCKTAG
 * (src/include/storage/lock.h, pg_lock_status in src/backend/utils/adt/lockfuncs.c), whatever the type means.
 */
struct locktag {
	enum locktag_kind kind;
	uint16_t columns; /* enum locktag_column */
	uint16_t tuple;
	uint16_t objsubid;
	uint32_t database, relation, page, transactionid, classid, objid;
	const char *type; /* the server's word; a constant unless kind is LOCKTAG_OTHER */
	const char *virtualxid; /* NULL unless LOCKTAG_HAS_VIRTUALXID */
};

/* Sets kind and type, the latter to a constant; a word that is not known makes it LOCKTAG_OTHER, and type NULL. */
void locktag_set_type(struct locktag *tag, const char *word);
int locktag_compare(const struct locktag *a, const struct locktag *b); /* a total order, by all columns */
uint64_t locktag_hash(const struct locktag *tag);

struct lock {
	struct locktag tag;
	uint32_t session; /* SNAPSHOT_NO_INDEX: a prepared transaction's */
	uint32_t prepared; /* SNAPSHOT_NO_INDEX: a session's, or a prepared one that could not be matched */
	int32_t pid; /* 0: NULL */
	enum lockmode mode; /* LOCKMODE_NONE: a word that is not known; it blocks nobody */
	bool granted;
	bool fastpath; /* cannot take part in a conflict (GetLockStatusData, lock.c): for display only */
	int64_t waitstart; /* 14+; WHEN_NONE: none, not yet written */
	const char *virtualtransaction; /* NULL: not asked for */
};

struct prepared {
	uint32_t xid;
	const char *gid;
	uint32_t ownerid, datid;
	const char *owner, *database; /* NULL: the name is not known yet */
	int64_t prepared_at;
	const char *virtualtransaction; /* of the locks that it holds; NULL: it holds none that was seen */
};

/*
 * One answer of pg_blocking_pids(), asked between the last reading and this one, for a wait that stands unchanged in
 * both: it tells the order in the queue (lock.c, GetBlockerStatusData). Sorted by pid, each once; 0 is a prepared
 * transaction.
 */
struct queue_answer {
	int32_t pid;
	int64_t after; /* server time just before it was asked: it says nothing of who began to wait later. 0: none did
			*/
	const int32_t *blockers;
	uint32_t blocker_count;
};

/*
 * What pg_safe_snapshot_blocking_pids() says of a SERIALIZABLE READ ONLY DEFERRABLE transaction that waits for a safe
 * snapshot (predicate.c, GetSafeSnapshotBlockingPids): whose transactions must end first. Asked as a queue_answer is.
 */
struct safe_snapshot {
	int32_t pid;
	const int32_t *blockers; /* sorted; 0 is a prepared transaction */
	uint32_t blocker_count;
};

/* A name that the source knows: of a relation in the connection's database, or a shared one. */
struct relation_name {
	uint32_t database; /* 0: shared */
	uint32_t oid;
	const char *name; /* as it would be written in SQL: quoted where needed, with its schema unless public */
	char kind; /* pg_class.relkind: r i S t v m c f p I */
	const char *table; /* of an index or TOAST table: the table's name, else NULL */
};

struct server_info {
	const char *host; /* as it was connected to: a name, an address, or a socket's directory */
	int port;
	const char *database;
	int version_num; /* 150018 */
	const char *version; /* "15.18" */
	bool in_recovery;
	int64_t replay_lag; /* on a standby: 0 where all that a WAL receiver received is replayed, else the age of the
			       last replayed transaction; WHEN_NONE: not known, or no standby */
	bool receives_wal; /* on a standby: a WAL receiver runs; else its WAL comes from an archive, if at all */
	int64_t max_standby_delay; /* on a standby: for how long recovery waits for a session in its way, at most: an
				      age, negative: for ever, WHEN_NONE: no standby, or not told.
				      max_standby_streaming_delay with a WAL receiver, else max_standby_archive_delay */
	int64_t started_at;
	int64_t deadlock_timeout; /* an age */
	int max_connections;
	int slots_for_all; /* max_connections less those reserved */
	const char *system_identifier;
	bool pooled; /* our own backend's pid changes between readings */
};

/* The role whose rights the server's checks are about: current_user. */
struct role_info {
	const char *name;
	const char *quoted; /* as it is written in SQL */
	bool superuser;
	bool inherits; /* rolinherit */
	bool sees_all;
	bool member_sees; /* a member of pg_read_all_stats, whether or not it has its privileges */
	bool signals_others;
	bool member_signals; /* likewise of pg_signal_backend */
	bool known; /* false: could not be read yet */
	uint32_t others; /* sessions of the same login role that are no tool of a DBA's: an application's, if many */
};

struct snapshot_cost {
	int64_t server; /* from the server's first statement to its last, by its own clock */
	int64_t client; /* this program's CPU for receiving, parsing and the graph */
	int64_t round_trip; /* from the request to the last row, by our clock */
	uint32_t activity_rows, lock_rows;
};

struct snapshot {
	struct arena *arena;
	int64_t taken_at; /* the server's clock_timestamp() */
	struct server_info server;
	struct role_info role;
	struct snapshot_cost cost;
	int64_t locks_age; /* 0: the locks were read with all else. Else they are of a reading so long ago, and this one
			      asked the server about every wait, and found each as it was then, with the same blockers
			      (or found that still nobody waits) */
	struct session *sessions;
	uint32_t session_count;
	struct lock *locks;
	uint32_t lock_count;
	struct prepared *prepared; /* sorted by xid */
	uint32_t prepared_count;
	struct progress *progress; /* sorted by pid */
	uint32_t progress_count;
	const struct queue_answer *answers; /* sorted by pid */
	uint32_t answer_count;
	const struct safe_snapshot *safe_snapshots; /* sorted by pid; of those who waited in the reading before, too */
	uint32_t safe_snapshot_count;
	const struct relation_name *relations; /* sorted by database, oid */
	uint32_t relation_count;
	int64_t deadlocks; /* pg_stat_get_db_deadlocks() over all databases; -1: not known */
	int64_t deadlocks_at_start; /* when this source began; -1: not known */
	int64_t source_started_at; /* server time of this source's first snapshot */
};

/*
 * Building: snapshot_new, then additions in any order, then snapshot_finish; only then may it be read.
 * The arena stays the caller's and must outlive the snapshot. Strings given to the additions must already live in it.
 */
struct snapshot *snapshot_new(struct arena *arena);
void snapshot_reserve(struct snapshot *snapshot, uint32_t sessions, uint32_t locks); /* room for so many; a hint */
void snapshot_add_session(struct snapshot *snapshot, const struct session *session);
void snapshot_add_lock(struct snapshot *snapshot, const struct lock *lock);
void snapshot_add_prepared(struct snapshot *snapshot, const struct prepared *prepared);
void snapshot_add_progress(struct snapshot *snapshot, const struct progress *progress);

/*
 * Sorts the sessions and prepared transactions, adds entries for pids that only locks name, finds the leaders of
 * parallel workers (before 13 by server.version_num, which must be set), connects progress with sessions, locks with
 * sessions and prepared transactions (those by the rows with pid NULL and the same virtualtransaction that hold the
 * transaction's own xid: PostgreSQL 10 to 18 do not put the xid into virtualtransaction). O(n log n).
 */
void snapshot_finish(struct snapshot *snapshot);

/* The index of a pid in sessions[], or SNAPSHOT_NO_INDEX. O(log n). */
uint32_t snapshot_find_pid(const struct snapshot *snapshot, int32_t pid);

/* The session's index, or SNAPSHOT_NO_INDEX when that very session is not in the snapshot. O(log n). */
uint32_t snapshot_find(const struct snapshot *snapshot, struct identity id);

/* Who holds up the safe snapshot that this session waits for; NULL: it waits for none, or it is not known yet. */
const struct safe_snapshot *snapshot_find_safe(const struct snapshot *snapshot, uint32_t session);

/* NULL when the name is not known. O(log n). */
const struct relation_name *snapshot_find_relation(const struct snapshot *snapshot, uint32_t database, uint32_t oid);

#endif
