#include "pglocktop/recovery.h"

#include "pglocktop/waitevent.h"

bool recovery_is_startup(const struct session *session)
{
	return session->is_startup;
}

static bool waits_for_lock(const struct snapshot *snapshot, uint32_t session)
{
	for (uint32_t i = 0; i < snapshot->lock_count; i++)
		if (snapshot->locks[i].session == session && !snapshot->locks[i].granted)
			return true;
	return false;
}

static void explain_wait(const struct server_info *server, struct strbuf *out)
{
	bool archive = server->max_standby_delay != WHEN_NONE && !server->receives_wal;
	const char *setting = archive ? "max_standby_archive_delay" : "max_standby_streaming_delay";
	char age[WHEN_TEXT_SIZE];
	strbuf_add_string(out, "recovery waits; ");
	if (server->max_standby_delay == WHEN_NONE)
		strbuf_printf(out, "the server cancels its blocker within %s", setting);
	else if (server->max_standby_delay < 0)
		strbuf_printf(out, "the server never cancels its blocker: %s is -1", setting);
	else if (server->max_standby_delay == 0)
		strbuf_printf(out, "the server cancels its blocker at once: %s is 0", setting);
	else
		strbuf_printf(out, "the server cancels its blocker within %s (%s)", setting,
			      when_format_age(server->max_standby_delay, age));
}

void recovery_explain(const struct snapshot *snapshot, uint32_t index, struct strbuf *out)
{
	const struct session *session = &snapshot->sessions[index];
	if (!recovery_is_startup(session))
		return;
	if (waits_for_lock(snapshot, index) || waitevent_is_conflict(session))
		explain_wait(&snapshot->server, out);
	else
		strbuf_add_string(out, "recovery: cannot be signalled; end the transaction on the primary");
}

void recovery_describe_standby(const struct server_info *server, struct strbuf *out)
{
	char age[WHEN_TEXT_SIZE];
	strbuf_add_string(out, "standby");
	bool told = server->max_standby_delay != WHEN_NONE;
	if (told && !server->receives_wal)
		strbuf_add_string(out, ", no WAL receiver");
	if (server->replay_lag == WHEN_NONE)
		return;
	when_format_age(server->replay_lag, age);
	if (!server->receives_wal)
		strbuf_printf(out, ", replayed up to %s ago", age);
	else if (server->replay_lag == 0)
		strbuf_add_string(out, ", no replay lag");
	else
		strbuf_printf(out, ", replay %s behind", age);
}
