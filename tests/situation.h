/*
 * situation.h - a lock situation as a few lines of text, for tests: read into a frame, with what the outline is asked
 * for.
 *
 *     server [VERSION_NUM] [deadlock_timeout=AGE] [host=] [slots=] [deadlocks=] [locks=AGE] [pooled]
 *     server [lag=AGE] [archive] [delay=AGE|never]             a standby
 *     role NAME [superuser] [sees] [signals] [unknown]
 *     taken AGE
 *     relation DATABASE OID KIND NAME [TABLE]
 *     session PID [STATE] [KEY=VALUE …] ["QUERY"]
 *     prepared XID GID AGE
 *     progress PID vacuum|analyze|cluster|index|backup|copy [rel=OID] [pN=VALUE …]      N as in param1, param2 …
 *     lock WHO MODE held|fastpath|waits[=AGE] TYPE [COLUMN=VALUE …]
 *     answer PID [after=AGE] BLOCKER …
 *     safe PID BLOCKER …               who holds up a safe snapshot; by pid
 *     outline height=N [brief=AGE]     sort COLUMN asc|desc
 *     fold KEY · unfold KEY · keep KEY · match PID
 *
 * STATE: active (the default) idle intxn aborted hidden disabled none. Keys of a session: type leader user app database
 * client event (TYPE/EVENT), start xact query change (ages), query_id, xmin, may (own superuser member noid auxiliary
 * unknown). WHO: a pid, or 2pc/VIRTUALTRANSACTION; FIRST..LAST: one line for each. MODE without its "Lock". COLUMN as
 * in pg_locks, or db rel xid vxid for short. KEY: a pid, cycle/PID, 2pc/XID or brief. An AGE is "1h", "4m58s", "250ms"
 * before SITUATION_TIME, which is when the snapshot was taken unless `taken` says so much later. A word in double
 * quotes may hold blanks, and bytes as \xHH. "#" begins a comment; a line "----" ends the situation. Database 1 is
 * "shop", which the snapshot's connection is to, database 2 "crm".
 */
#ifndef SITUATION_H
#define SITUATION_H

#include "pglocktop/outline.h"
#include "pglocktop/strbuf.h"

enum { SITUATION_LIST = 32 };

/* 2025-05-08 06:13:20 UTC */
#define SITUATION_TIME (INT64_C(800000000) * WHEN_SECOND)

struct situation {
	struct frame *frame;
	struct forest_order order;
	struct outline_options options; /* `whole` unless the situation says otherwise */
	struct fold folds[SITUATION_LIST];
	struct row_key keep[SITUATION_LIST];
	int32_t matched[SITUATION_LIST];
	uint32_t matched_count;
	const char *rest; /* what follows the line "----" in the text; "" */
};

/* False with `err` when the text is not understood; nothing is to be released then. */
bool situation_read(struct situation *situation, const char *text, struct err *err) MUST_CHECK;
/* Those that a test cannot do without: where one is not understood the test fails. The second releases the text. */
struct situation situation_must_read(const char *text);
struct situation situation_must_read_all(struct strbuf *owned);
void situation_release(struct situation *situation);

/* "4m58s", "250ms"; false when it is no age. */
bool situation_age(const char *text, int64_t *age);

#endif
