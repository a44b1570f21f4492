/*
 * rows.h - the one parser of what the server answers: rows in PostgreSQL's binary format, into the model.
 *
 * Pure functions over a row's fields; libpq is not known here. Integers come in network byte order, timestamptz as
 * microseconds since 2000-01-01, texts in their database's encoding. A field of another length than its type has, or
 * NULL where there must be a value, makes the row an error; nothing is read beyond a field's end.
 * All that is kept is copied into the reader's arena.
 */
#ifndef PGLOCKTOP_ROWS_H
#define PGLOCKTOP_ROWS_H

#include "encoding.h"
#include "pglocktop/snapshot.h"

struct row_field {
	const char *data;
	int length; /* -1: NULL */
};

struct row_reader {
	struct arena *arena;
	struct decoder *decoder;
	/* The encoding of a database's texts by its oid; NULL: not known. */
	const char *(*encoding_of)(const void *databases, uint32_t database);
	const void *databases;
};

/*
 * The columns, in the order in which the queries name them (server_query.c). Of a session that has reported nothing
 * since, by its state_change, only the first may have changed: those that move.
 */
enum session_column {
	SESSION_COLUMN_PID,
	SESSION_COLUMN_STATE_CHANGE,
	SESSION_COLUMN_XACT_START,
	SESSION_COLUMN_WAIT_EVENT_TYPE,
	SESSION_COLUMN_WAIT_EVENT,
	SESSION_COLUMN_BACKEND_XID,
	SESSION_COLUMN_BACKEND_XMIN,
	SESSION_COLUMN_QUERY_ID,
	SESSION_COLUMN_LEADER_PID,
	SESSION_COLUMN_APPLICATION_NAME, /* a function may set it */
	SESSION_COLUMNS_MOVING, /* so many */
	SESSION_COLUMN_BACKEND_TYPE = SESSION_COLUMNS_MOVING,
	SESSION_COLUMN_DATID,
	SESSION_COLUMN_USESYSID,
	SESSION_COLUMN_CLIENT_ADDR,
	SESSION_COLUMN_CLIENT_PORT,
	SESSION_COLUMN_BACKEND_START,
	SESSION_COLUMN_QUERY_START,
	SESSION_COLUMN_STATE,
	SESSION_COLUMN_QUERY,
	SESSION_COLUMN_COUNT
};

enum lock_column {
	LOCK_COLUMN_LOCKTYPE,
	LOCK_COLUMN_DATABASE,
	LOCK_COLUMN_RELATION,
	LOCK_COLUMN_PAGE,
	LOCK_COLUMN_TUPLE,
	LOCK_COLUMN_VIRTUALXID,
	LOCK_COLUMN_TRANSACTIONID,
	LOCK_COLUMN_CLASSID,
	LOCK_COLUMN_OBJID,
	LOCK_COLUMN_OBJSUBID,
	LOCK_COLUMN_VIRTUALTRANSACTION,
	LOCK_COLUMN_PID,
	LOCK_COLUMN_MODE,
	LOCK_COLUMN_GRANTED,
	LOCK_COLUMN_FASTPATH,
	LOCK_COLUMN_WAITSTART,
	LOCK_COLUMN_COUNT
};

enum prepared_column {
	PREPARED_COLUMN_TRANSACTION,
	PREPARED_COLUMN_GID,
	PREPARED_COLUMN_PREPARED,
	PREPARED_COLUMN_OWNERID,
	PREPARED_COLUMN_DBID,
	PREPARED_COLUMN_COUNT
};

enum progress_column {
	PROGRESS_COLUMN_KIND, /* enum progress_kind */
	PROGRESS_COLUMN_PID,
	PROGRESS_COLUMN_RELID,
	PROGRESS_COLUMN_PARAM1,
	PROGRESS_COLUMN_COUNT = PROGRESS_COLUMN_PARAM1 + PROGRESS_PARAMS
};

/* One row of pg_stat_get_activity(); names and `may` are left to the caller. */
bool rows_parse_session(const struct row_reader *reader, const struct row_field fields[static SESSION_COLUMN_COUNT],
			struct session *session, struct err *err) MUST_CHECK;

/* The columns that move, of a session of which all else is known, and stays as it is. */
bool rows_parse_moving(const struct row_reader *reader, const struct row_field fields[static SESSION_COLUMNS_MOVING],
		       struct session *session, struct err *err) MUST_CHECK;

/* The fields of a composite value (record_send() in rowtypes.c), which must have just so many; they point into it. */
bool rows_split_record(struct row_field record, struct row_field *fields, int count, struct err *err) MUST_CHECK;

/* One row of pg_lock_status(). */
bool rows_parse_lock(const struct row_reader *reader, const struct row_field fields[static LOCK_COLUMN_COUNT],
		     struct lock *lock, struct err *err) MUST_CHECK;

/* One row of pg_prepared_xact(). */
bool rows_parse_prepared(const struct row_reader *reader, const struct row_field fields[static PREPARED_COLUMN_COUNT],
			 struct prepared *prepared, struct err *err) MUST_CHECK;

/* One row of pg_stat_get_progress_info(), with the kind of command before it. */
bool rows_parse_progress(const struct row_field fields[static PROGRESS_COLUMN_COUNT], struct progress *progress,
			 struct err *err) MUST_CHECK;

/* A pid and what a function like pg_blocking_pids() says of it, an int4[]: sorted, each pid once. */
bool rows_parse_answer(struct arena *arena, const struct row_field fields[static 2], struct queue_answer *answer,
		       struct err *err) MUST_CHECK;

/*
 * Many answers in one row: an int4[] of the pids, and what array_send() makes of each one's own int4[], one after the
 * other. The answers are in the order of the pids, in the arena.
 */
bool rows_parse_answers(struct arena *arena, const struct row_field fields[static 2], struct queue_answer **answers,
			uint32_t *count, struct err *err) MUST_CHECK;

/* Single values; false with `err` when the field has another length or is NULL. `what` names it in the error. */
bool rows_take_int16(struct row_field field, const char *what, int16_t *value, struct err *err) MUST_CHECK;
bool rows_take_int32(struct row_field field, const char *what, int32_t *value, struct err *err) MUST_CHECK;
bool rows_take_int64(struct row_field field, const char *what, int64_t *value, struct err *err) MUST_CHECK;
bool rows_take_oid(struct row_field field, const char *what, uint32_t *value, struct err *err) MUST_CHECK;
bool rows_take_bool(struct row_field field, const char *what, bool *value, struct err *err) MUST_CHECK;

/* The same, but NULL leaves *value as it was. */
bool rows_take_optional_int32(struct row_field field, const char *what, int32_t *value, struct err *err) MUST_CHECK;
bool rows_take_optional_int64(struct row_field field, const char *what, int64_t *value, struct err *err) MUST_CHECK;
bool rows_take_optional_oid(struct row_field field, const char *what, uint32_t *value, struct err *err) MUST_CHECK;

#endif
