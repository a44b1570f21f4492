#include "pglocktop/consequence.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { REMOTE_WAITS_END_SINCE = 130000, POOL_LEAST = 5 };

static bool is_type(const struct session *session, const char *type)
{
	return session->backend_type && strcmp(session->backend_type, type) == 0;
}

static bool begins(const char *text, const char *beginning)
{
	return text && strncasecmp(text, beginning, strlen(beginning)) == 0;
}

static bool contains(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

static bool waits_in(const struct session *session, const char *event)
{
	return session->wait_event && strcmp(session->wait_event, event) == 0;
}

static bool waits_for_standby(const struct session *session)
{
	return waits_in(session, "SyncRep");
}

void consequence_add_outcome(const struct session *session, enum signal_verb verb, bool compact, struct strbuf *out)
{
	bool cancel = verb == SIGNAL_CANCEL, open = session->xact_start != WHEN_NONE;
	if (waits_for_standby(session) && compact)
		strbuf_add_string(out, cancel ? ": COMMIT returns." : ": disconnected.");
	else if (waits_for_standby(session))
		strbuf_add_string(out,
				  cancel ? ": its COMMIT returns with a warning." : ": the client is disconnected.");
	else if (compact)
		strbuf_add_string(out, cancel ? ": its query fails." : open ? ": rolled back." : ": disconnected.");
	else if (cancel)
		strbuf_add_string(out, ": the query fails, its transaction's locks go unless a savepoint is open; "
				       "the session stays.");
	else if (open)
		strbuf_add_string(out, ": all of it is rolled back, the client is disconnected.");
	else
		strbuf_add_string(out, ": the client is disconnected.");
}

/* ---- remarks ---- */

struct remark {
	const struct snapshot *snapshot;
	const struct session *session;
	enum signal_verb verb;
};

static bool is_autovacuum(const struct remark *about)
{
	return is_type(about->session, "autovacuum worker");
}

static bool prevents_wraparound(const struct remark *about)
{
	return is_autovacuum(about) && contains(about->session->query_with_literals, "(to prevent wraparound)");
}

static bool is_backup(const struct remark *about)
{
	const struct session *session = about->session;
	return begins(session->application, "pg_basebackup") || begins(session->application, "pg_dump") ||
	       (is_type(session, "walsender") && begins(session->query_with_literals, "BASE_BACKUP"));
}

static bool is_restore(const struct remark *about)
{
	return begins(about->session->application, "pg_restore");
}

static bool is_walsender(const struct remark *about)
{
	return is_type(about->session, "walsender");
}

static bool is_apply_worker(const struct remark *about)
{
	return begins(about->session->backend_type, "logical replication") &&
	       !contains(about->session->backend_type, "launcher");
}

static bool is_committed(const struct remark *about)
{
	return waits_for_standby(about->session);
}

/* Until 12 nothing says so, and dblink waits for its remote session in libpq, deaf to signals. */
static bool waits_deaf(const struct remark *about)
{
	return about->snapshot->server.version_num < REMOTE_WAITS_END_SINCE && !about->session->wait_event &&
	       about->session->state == SESSION_ACTIVE && contains(about->session->query_with_literals, "dblink");
}

static bool waits_remotely(const struct remark *about)
{
	const char *event = about->session->wait_event;
	return begins(event, "Dblink") || begins(event, "PostgresFdw") ||
	       (waits_in(about->session, "Extension") && contains(about->session->query_with_literals, "dblink"));
}

/* 13 to 16 have one event for all that extensions wait for; foreign tables are among it, and in no query's text. */
static bool waits_in_extension(const struct remark *about)
{
	return waits_in(about->session, "Extension") && !waits_remotely(about);
}

static bool builds_concurrently(const struct remark *about)
{
	const char *query = about->session->query_with_literals;
	return about->session->state == SESSION_ACTIVE && contains(query, "concurrently") &&
	       ((contains(query, "create") && contains(query, "index")) || contains(query, "reindex"));
}

static bool is_background(const struct remark *about)
{
	const char *type = about->session->backend_type;
	return type && strcmp(type, "client backend") != 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_alike(const struct session *a, const struct session *b)
{
	return a->is_client && a->usesysid == b->usesysid && a->datid == b->datid &&
	       same_text(a->application, b->application) && same_text(a->client, b->client);
}

/* Many sessions of one application from one place are a pool's, as like as not. */
static bool is_pooled(const struct remark *about)
{
	uint32_t alike = 0;
	if (about->verb == SIGNAL_CANCEL || !about->session->is_client || !about->session->client)
		return false;
	for (uint32_t i = 0; i < about->snapshot->session_count && alike < POOL_LEAST; i++)
		alike += is_alike(&about->snapshot->sessions[i], about->session);
	return alike >= POOL_LEAST;
}

/* The most important one first; one that is a special case of another stands before it and is said in its place. */
static const struct {
	bool (*applies)(const struct remark *about);
	const char *full, *compact;
	bool last; /* nothing after it is said */
	const char *warning; /* NULL: none */
} remarks[] = {
	{ is_committed,
	  "It is committed here already, but the standby may not have it; the next COMMIT will wait, too.",
	  "Committed here; standby may lack it.", false, "its COMMIT waits for a standby" },
	{ waits_deaf, "Before PostgreSQL 13 no signal ends a wait for dblink: end the session at its other end.",
	  "No signal ends dblink's wait.", false, NULL },
	{ waits_remotely, "It waits for a session on another server, which may go on.", "The remote session may go on.",
	  false, NULL },
	{ waits_in_extension, "It waits in an extension: if for a session on another server, that may go on.",
	  "A remote session may go on.", false, NULL },
	{ builds_concurrently, "It leaves an invalid index behind, which must be dropped.",
	  "Leaves an invalid index to drop.", false, "leaves an invalid index" },
	{ is_backup, "A backup is being taken by it: that fails and must be begun again.", "The running backup fails.",
	  true, "a backup" },
	{ is_restore, "A restore is being made by it: that fails or stays incomplete.", "The running restore fails.",
	  true, "a restore" },
	{ is_walsender, "Replication through it stops until the receiver connects again.", "Replication stops for now.",
	  true, "replication" },
	{ is_apply_worker, "Replication from its publisher stops; the server soon starts it again.",
	  "Replication stops for now.", true, "replication" },
	{ prevents_wraparound, "It prevents transaction id wraparound: it comes back, and has to.",
	  "Prevents wraparound: comes back.", true, "prevents wraparound" },
	{ is_autovacuum, "It leaves this table; a later autovacuum takes it up again.", "Autovacuum: comes again.",
	  true, NULL },
	{ is_background, "It is a background process: what it does stops, unless the server starts it again.",
	  "A background process: stops.", true, NULL },
	{ is_pooled, "There are others like it: a pool, which will connect again at once.",
	  "A pool: connects again at once.", true, NULL },
};

void consequence_add_remarks(const struct snapshot *snapshot, uint32_t session, enum signal_verb verb, bool compact,
			     struct strbuf *out)
{
	struct remark about = { snapshot, &snapshot->sessions[session], verb };
	bool any = false;
	for (size_t i = 0; i < sizeof remarks / sizeof *remarks; i++) {
		if (!remarks[i].applies(&about))
			continue;
		strbuf_add_string(out, any ? " " : "");
		strbuf_add_string(out, compact ? remarks[i].compact : remarks[i].full);
		any = true;
		if (remarks[i].last || compact)
			return;
	}
}

const char *consequence_warning(const struct snapshot *snapshot, uint32_t session)
{
	struct remark about = { snapshot, &snapshot->sessions[session], SIGNAL_CANCEL };
	for (size_t i = 0; i < sizeof remarks / sizeof *remarks; i++)
		if (remarks[i].warning && remarks[i].applies(&about))
			return remarks[i].warning;
	return NULL;
}

/* ---- prepared transactions ---- */

/* As quote_literal(): where an escape is needed the string is an E'' one, whatever standard_conforming_strings is. */
void consequence_add_rollback(const struct prepared *prepared, struct strbuf *out)
{
	bool escapes = false;
	for (const char *at = prepared->gid; *at; at++)
		escapes |= *at == '\\' || (unsigned char)*at < ' ' || *at == 0x7f;
	strbuf_add_string(out, escapes ? "ROLLBACK PREPARED E'" : "ROLLBACK PREPARED '");
	for (const char *at = prepared->gid; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			strbuf_printf(out, "\\x%02x", (unsigned)(unsigned char)*at);
		else if (*at == '\'' || *at == '\\')
			strbuf_printf(out, "%c%c", *at, *at);
		else
			strbuf_add_char(out, *at);
	}
	strbuf_add_char(out, '\'');
}
