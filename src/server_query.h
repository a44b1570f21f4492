/*
 * server_query.h - the statements that are sent to a server, as a table of version ranges.
 *
 * Functions only where a refresh or a signal depends on it: they take no lock on a relation, and hang on nothing once
 * their caches are warm. A column that a version lacks is NULL in its text. All names are qualified.
 */
#ifndef PGLOCKTOP_SERVER_QUERY_H
#define PGLOCKTOP_SERVER_QUERY_H

#include "pglocktop/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum query_id {
	/* a refresh */
	QUERY_QUESTIONS,
	QUERY_SAFE_SNAPSHOTS,
	QUERY_LOCKS,
	QUERY_MANY_LOCKS,
	QUERY_ALL_LOCKS,
	QUERY_CLOCK,
	QUERY_ACTIVITY,
	QUERY_CHANGES,
	QUERY_PREPARED,
	QUERY_PROGRESS,
	QUERY_TAIL,
	/* a signal */
	QUERY_CANCEL,
	QUERY_TERMINATE,
	QUERY_TARGET,
	/* once a connection */
	QUERY_SETTINGS,
	QUERY_SYSTEM,
	/* a refresh of a standby; not every service lets it be asked */
	QUERY_STANDBY,
	/* names: these read catalogs, and may fail */
	QUERY_SHORT_WAIT, /* goes before each of them: what is locked is not waited for */
	QUERY_OWN_ROLE,
	QUERY_ROLES,
	QUERY_DATABASES,
	QUERY_RELATIONS,
	/* for --check */
	QUERY_CHECK_SLOTS,
	QUERY_CHECK_MEMBERSHIPS,
	QUERY_CHECK_HOLDERS,
	QUERY_COUNT,
	QUERY_NONE = QUERY_COUNT
};

enum { QUERY_MAX_PARAMS = 4 };

struct query {
	enum query_id id;
	int since, before; /* server versions, PG_VERSION_NUM; before 0: still */
	const char *name; /* of the prepared statement, and for the screen */
	int columns;
	int param_count;
	unsigned params[QUERY_MAX_PARAMS]; /* type oids */
	const char *text;
};

/* The row for a version; every id has one for 10 and later. */
const struct query *query_find(enum query_id id, int version);

/* What is SET once a connection; NULL ends the list: calls with index 0, 1, 2 … */
const char *query_setting(unsigned index, int version);

/* What stands in its place where others use the connection, too: it holds for one transaction. */
const char *query_local_settings(void);

/* Parameters in binary; the bytes live here or in the given arena. */
struct query_params {
	int count;
	const char *values[QUERY_MAX_PARAMS];
	int lengths[QUERY_MAX_PARAMS];
	char bytes[QUERY_MAX_PARAMS][8];
};

void query_add_null(struct query_params *params);
void query_add_bool(struct query_params *params, bool value);
void query_add_int32(struct query_params *params, int32_t value);
void query_add_int64(struct query_params *params, int64_t value);
void query_add_int32_array(struct query_params *params, const int32_t *values, uint32_t count, struct arena *arena);
void query_add_oid_array(struct query_params *params, const uint32_t *values, uint32_t count, struct arena *arena);

#endif
