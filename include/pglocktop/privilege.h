/*
 * privilege.h - why a session may not be signalled, in words, and what would change it.
 *
 * The rules are those of pg_signal_backend() in src/backend/storage/ipc/signalfuncs.c, PostgreSQL 10 to 18.
 */
#ifndef PGLOCKTOP_PRIVILEGE_H
#define PGLOCKTOP_PRIVILEGE_H

#include "pglocktop/snapshot.h"
#include "pglocktop/strbuf.h"

/* What decides, of our role and of the target's. */
struct privilege_facts {
	bool known; /* our role's attributes could be read */
	bool superuser;
	bool signal_backend; /* has privileges of pg_signal_backend */
	bool signal_autovacuum; /* 18+: of pg_signal_autovacuum_worker */
	bool target_known; /* the target's role could be read */
	bool target_superuser;
	bool target_privileges; /* we have the privileges of the target's role */
	int32_t own_pid;
	int version_num;
};

enum session_may privilege_decide(const struct privilege_facts *facts, const struct session *session);

/*
 * The reason and the mend, one line: "8100 belongs to app: GRANT pg_signal_backend TO dba". Where no GRANT would help,
 * that is said. A GRANT is never advised to a role that looks like an application's, only "TO a DBA's own role".
 * `session` is one of the snapshot's.
 */
void privilege_explain(const struct snapshot *snapshot, const struct session *session, struct strbuf *out);

/* Whether our role could be granted more: to see all, or to signal the sessions of other roles. */
bool privilege_lacks(const struct role_info *role);

/*
 * The statements that would give it that, with their semicolons: appends the one with this index, from 0; false: there
 * is none. None at all where it looks like an application's role.
 */
bool privilege_statement(const struct snapshot *snapshot, unsigned index, struct strbuf *out);

/* What to ask for, where it lacks something, one line: "GRANT pg_monitor, pg_signal_backend TO dba; never …". */
void privilege_advise(const struct snapshot *snapshot, struct strbuf *out);

#endif
