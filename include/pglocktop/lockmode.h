/*
 * lockmode.h - the eight modes of PostgreSQL's heavyweight locks, and which conflict.
 *
 * Numbers and conflicts are those of src/include/storage/lockdefs.h and LockConflicts in
 * src/backend/storage/lmgr/lock.c; both lock methods (default, user) have the same table, and it is symmetric.
 */
#ifndef PGLOCKTOP_LOCKMODE_H
#define PGLOCKTOP_LOCKMODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lockmode {
	LOCKMODE_NONE = 0,
	LOCKMODE_ACCESS_SHARE = 1,
	LOCKMODE_ROW_SHARE,
	LOCKMODE_ROW_EXCLUSIVE,
	LOCKMODE_SHARE_UPDATE_EXCLUSIVE,
	LOCKMODE_SHARE,
	LOCKMODE_SHARE_ROW_EXCLUSIVE,
	LOCKMODE_EXCLUSIVE,
	LOCKMODE_ACCESS_EXCLUSIVE,
	LOCKMODE_SIREAD, /* a predicate lock: never blocks anyone */
	LOCKMODE_COUNT
};

/* A set of modes: bit `1 << mode`. */
#define LOCKMODE_BIT(mode) ((uint16_t)(1u << (mode)))

/* The modes that conflict with this one; empty for LOCKMODE_NONE and LOCKMODE_SIREAD. */
uint16_t lockmode_conflicts(enum lockmode mode);

/* Reads the server's word ("AccessShareLock"); false for one that is not known. */
bool lockmode_parse(const char *text, size_t length, enum lockmode *mode);

/* The server's word, "AccessShareLock". */
const char *lockmode_name(enum lockmode mode);

/* For narrow columns: "AccessShare", "ShareUpdExcl", "AccessExcl" … at most 12 characters. */
const char *lockmode_short_name(enum lockmode mode);

#endif
