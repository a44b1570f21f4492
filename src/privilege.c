#include "pglocktop/privilege.h"

#include "pglocktop/recovery.h"

#include <string.h>

enum {
	READ_BY_PRIVILEGES_SINCE = 150000, /* before, membership in pg_read_all_stats is enough */
	INHERIT_PER_GRANT_SINCE = 160000, /* before, by the role's own attribute */
	SIGNAL_AUTOVACUUM_SINCE = 180000,
	APPLICATION_SESSIONS = 3 /* a role that so many others log in as is taken for an application's */
};

static bool is_type(const struct session *session, const char *type)
{
	return session->backend_type && strcmp(session->backend_type, type) == 0;
}

/* Processes that are not in the ProcArray: pg_signal_backend() warns "PID %d is not a PostgreSQL backend process". */
static bool is_auxiliary(const struct session *session)
{
	static const char *const types[] = {
		"checkpointer",	 "background writer", "walwriter", "archiver", "walreceiver",
		"walsummarizer", "wal summarizer",    "io worker", "logger",
	};
	if (recovery_is_startup(session))
		return true;
	if (session->usesysid != 0)
		return false; /* they have no role */
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (is_type(session, types[i]))
			return true;
	return false;
}

/* Since CVE-2023-5870 was mended pg_signal_backend does not reach processes without a role. */
static bool guards_processes_without_role(int version)
{
	static const struct {
		int major, since;
	} mended[] = { { 11, 110022 }, { 12, 120017 }, { 13, 130013 }, { 14, 140010 }, { 15, 150005 }, { 16, 160001 } };
	int major = version / 10000;
	for (size_t i = 0; i < sizeof mended / sizeof *mended; i++)
		if (mended[i].major == major)
			return version >= mended[i].since;
	return major > 16;
}

static enum session_may decide_without_role(const struct privilege_facts *facts, const struct session *session)
{
	if (!guards_processes_without_role(facts->version_num) && facts->signal_backend)
		return MAY_SIGNAL;
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
	enum session_may may = decide_by_role(facts, session);
	/* Where no GRANT would do, that is said first. */
	bool grantable = may == MAY_SIGNAL || may == MAY_NOT_MEMBER;
	return grantable && session->id.backend_start == WHEN_NONE ? MAY_NOT_NO_IDENTITY : may;
}

/* ---- words ---- */

static bool is_applications(const struct role_info *role)
{
	return role->others >= APPLICATION_SESSIONS;
}

static void add_grantee(const struct role_info *role, struct strbuf *out)
{
	if (is_applications(role) || !role->quoted)
		strbuf_add_string(out, "a DBA's own role");
	else
		strbuf_add_string(out, role->quoted);
}

/* What would be granted: some of these. */
enum { GRANT_MONITOR = 1, GRANT_SIGNAL = 2 };

/* A member of the role may still lack its privileges: then it is not the membership that is missing. */
struct mend {
	unsigned grants;
	bool with_inherit; /* of the grants, 16+ */
	bool alter; /* the role's own attribute, before 16 */
};

static struct mend find_mend(const struct snapshot *snapshot, unsigned lacks)
{
	const struct role_info *role = &snapshot->role;
	int version = snapshot->server.version_num;
	unsigned member = (role->member_sees ? GRANT_MONITOR : 0) | (role->member_signals ? GRANT_SIGNAL : 0);
	if (version >= INHERIT_PER_GRANT_SINCE)
		return (struct mend){ lacks, !role->inherits || (lacks & member), false };
	bool by_privileges = (lacks & GRANT_SIGNAL) || version >= READ_BY_PRIVILEGES_SINCE;
	if (role->inherits || !by_privileges || !role->quoted)
		return (struct mend){ lacks, false, false };
	return (struct mend){ lacks & ~member, false, true };
}

static void add_grant(const struct role_info *role, const struct mend *mend, struct strbuf *out)
{
	unsigned grants = mend->grants;
	strbuf_printf(out, "GRANT %s%s%s TO ", grants & GRANT_MONITOR ? "pg_monitor" : "",
		      grants == (GRANT_MONITOR | GRANT_SIGNAL) ? ", " : "",
		      grants & GRANT_SIGNAL ? "pg_signal_backend" : "");
	add_grantee(role, out);
	strbuf_add_string(out, mend->with_inherit ? " WITH INHERIT TRUE" : "");
}

static void add_mend(const struct snapshot *snapshot, unsigned lacks, struct strbuf *out)
{
	struct mend mend = find_mend(snapshot, lacks);
	if (mend.grants)
		add_grant(&snapshot->role, &mend, out);
	if (mend.alter)
		strbuf_printf(out, "%sALTER ROLE %s INHERIT", mend.grants ? " and " : "", snapshot->role.quoted);
}

static unsigned lacking(const struct role_info *role)
{
	return (role->sees_all ? 0 : GRANT_MONITOR) | (role->signals_others ? 0 : GRANT_SIGNAL);
}

bool privilege_lacks(const struct role_info *role)
{
	return role->known && lacking(role) != 0;
}

bool privilege_statement(const struct snapshot *snapshot, unsigned index, struct strbuf *out)
{
	const struct role_info *role = &snapshot->role;
	struct mend mend = find_mend(snapshot, lacking(role));
	if (!privilege_lacks(role) || is_applications(role) || !role->quoted)
		return false;
	if (mend.grants && index-- == 0)
		add_grant(role, &mend, out);
	else if (mend.alter && index == 0)
		strbuf_printf(out, "ALTER ROLE %s INHERIT", role->quoted);
	else
		return false;
	strbuf_add_char(out, ';');
	return true;
}

void privilege_advise(const struct snapshot *snapshot, struct strbuf *out)
{
	const struct role_info *role = &snapshot->role;
	add_mend(snapshot, lacking(role), out);
	if (is_applications(role))
		strbuf_printf(out, "; not to %s: %u other sessions use it, as an application does",
			      role->quoted ? role->quoted : "this one", (unsigned)role->others);
	else
		strbuf_add_string(out, "; never for an application's role");
}

static void explain_autovacuum(const struct snapshot *snapshot, struct strbuf *out)
{
	if (snapshot->server.version_num < SIGNAL_AUTOVACUUM_SINCE) {
		strbuf_add_string(out, "is an autovacuum worker: only a superuser may signal it, no GRANT would do");
		return;
	}
	strbuf_add_string(out, "is an autovacuum worker: GRANT pg_signal_autovacuum_worker TO ");
	add_grantee(&snapshot->role, out);
}

static void explain_hidden_worker(const struct snapshot *snapshot, struct strbuf *out)
{
	strbuf_add_string(out, "is a process without a role: only a superuser may signal it, no GRANT would do");
	if (snapshot->server.version_num < SIGNAL_AUTOVACUUM_SINCE)
		return;
	strbuf_add_string(out, ", but for an autovacuum worker: GRANT pg_monitor, pg_signal_autovacuum_worker TO ");
	add_grantee(&snapshot->role, out);
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
	strbuf_printf(out, "%d ", session->id.pid);
	switch (session->may) {
	case MAY_SIGNAL:
		strbuf_add_string(out, "may be signalled");
		break;
	case MAY_NOT_OWN:
		strbuf_add_string(out, "is this program's own session");
		break;
	case MAY_NOT_NO_IDENTITY:
		strbuf_add_string(out, "hides its start, so no signal is safe: ");
		add_mend(snapshot, lacking(&snapshot->role) | GRANT_MONITOR, out);
		break;
	case MAY_NOT_SUPERUSER:
		strbuf_add_string(out, "is a superuser's session: only a superuser may signal it, no GRANT would do");
		break;
	case MAY_NOT_MEMBER:
		strbuf_printf(out, "belongs to %s: ", session->user ? session->user : "another role");
		add_mend(snapshot, GRANT_SIGNAL, out);
		break;
	case MAY_NOT_AUTOVACUUM:
		explain_autovacuum(snapshot, out);
		break;
	case MAY_NOT_NO_ROLE:
		/* Hidden from us, but at work in a database: an autovacuum worker, as like as not. */
		if (!session->backend_type && session->datid != 0) {
			explain_hidden_worker(snapshot, out);
			break;
		}
		strbuf_printf(out,
			      "is a background process (%s) without a role: only a superuser may signal it, no GRANT "
			      "would do",
			      session->backend_type ? session->backend_type : "?");
		break;
	case MAY_NOT_AUXILIARY:
		explain_auxiliary(snapshot, session, out);
		break;
	case MAY_NOT_GONE:
		strbuf_add_string(out, "came or went while the server was read, or is still logging in");
		break;
	case MAY_NOT_UNKNOWN:
		strbuf_add_string(out, "cannot be judged yet: the roles could not be read");
		break;
	}
}
