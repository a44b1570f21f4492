#include "pglocktop/privilege.h"

#include "pglocktop/recovery.h"

#include <string.h>

enum { SIGNAL_AUTOVACUUM_SINCE = 180000 };

static bool is_type(const struct session *session, const char *type)
{
	return session->backend_type && strcmp(session->backend_type, type) == 0;
}

/* Processes that are not in the ProcArray: pg_signal_backend() warns "PID %d is not a PostgreSQL backend process". */
static bool is_auxiliary(const struct session *session)
{
	static const char *const types[] = {
		"checkpointer", "background writer", "walwriter",      "startup",   "archiver",
		"walreceiver",	"walsummarizer",     "wal summarizer", "io worker", "logger",
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (is_type(session, types[i]))
			return true;
	return false;
}

static enum session_may decide_without_role(const struct privilege_facts *facts, const struct session *session)
{
	if (!is_type(session, "autovacuum worker"))
		return MAY_NOT_NO_ROLE;
	bool granted = facts->version_num >= SIGNAL_AUTOVACUUM_SINCE && facts->signal_autovacuum;
	return granted ? MAY_SIGNAL : MAY_NOT_AUTOVACUUM;
}

static enum session_may decide_by_role(const struct privilege_facts *facts, const struct session *session)
{
	if (!facts->known)
		return MAY_NOT_UNKNOWN;
	if (facts->superuser)
		return MAY_SIGNAL;
	if (session->usesysid == 0)
		return decide_without_role(facts, session);
	if (!facts->target_known)
		return MAY_NOT_UNKNOWN;
	if (facts->target_superuser)
		return MAY_NOT_SUPERUSER;
	return facts->target_privileges || facts->signal_backend ? MAY_SIGNAL : MAY_NOT_MEMBER;
}

enum session_may privilege_decide(const struct privilege_facts *facts, const struct session *session)
{
	if (!session->listed)
		return MAY_NOT_GONE;
	if (session->id.pid == facts->own_pid)
		return MAY_NOT_OWN;
	if (is_auxiliary(session))
		return MAY_NOT_AUXILIARY;
	if (session->id.backend_start == WHEN_NONE)
		return MAY_NOT_NO_IDENTITY;
	return decide_by_role(facts, session);
}

static void explain_autovacuum(const struct snapshot *snapshot, const char *role, struct strbuf *out)
{
	strbuf_add_string(out, "is an autovacuum worker: only a superuser may signal it");
	if (snapshot->server.version_num >= SIGNAL_AUTOVACUUM_SINCE)
		strbuf_printf(out, "; GRANT pg_signal_autovacuum_worker TO %s would do", role);
}

/* On a standby recovery can be in the way of sessions, and there is something to be done about it. */
static void explain_auxiliary(const struct snapshot *snapshot, const struct session *session, struct strbuf *out)
{
	if (snapshot->server.in_recovery && recovery_is_startup(session)) {
		strbuf_add_string(out, "is the startup process. ");
		recovery_explain(snapshot, (uint32_t)(session - snapshot->sessions), out);
	} else {
		strbuf_printf(out, "is the server's %s: nobody can signal it",
			      session->backend_type ? session->backend_type : "own process");
	}
}

void privilege_explain(const struct snapshot *snapshot, const struct session *session, struct strbuf *out)
{
	const char *role = snapshot->role.name ? snapshot->role.name : "this role";
	strbuf_printf(out, "%d ", session->id.pid);
	switch (session->may) {
	case MAY_SIGNAL:
		strbuf_add_string(out, "may be signalled");
		break;
	case MAY_NOT_OWN:
		strbuf_add_string(out, "is this program's own session");
		break;
	case MAY_NOT_NO_IDENTITY:
		strbuf_printf(out, "hides its start time, so it cannot be signalled safely: GRANT pg_monitor TO %s",
			      role);
		break;
	case MAY_NOT_SUPERUSER:
		strbuf_add_string(out, "is a superuser's session: only a superuser may signal it");
		break;
	case MAY_NOT_MEMBER:
		strbuf_printf(out, "belongs to %s: GRANT pg_signal_backend TO %s",
			      session->user ? session->user : "another role", role);
		break;
	case MAY_NOT_AUTOVACUUM:
		explain_autovacuum(snapshot, role, out);
		break;
	case MAY_NOT_NO_ROLE:
		strbuf_printf(out, "is a %s without a role: only a superuser may signal it",
			      session->backend_type ? session->backend_type : "process");
		break;
	case MAY_NOT_AUXILIARY:
		explain_auxiliary(snapshot, session, out);
		break;
	case MAY_NOT_GONE:
		strbuf_add_string(out, "came or went while the server was read: wait for the next refresh");
		break;
	case MAY_NOT_UNKNOWN:
		strbuf_add_string(out, "cannot be judged yet: the roles could not be read");
		break;
	}
}
