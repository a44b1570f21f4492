#include "aftermath.h"

#include <string.h>

static bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

static bool waits_for_client(const struct aftermath *session)
{
	return is(session->wait_event_type, "Client") && is(session->wait_event, "ClientWrite");
}

static void add_state(const struct aftermath *session, struct strbuf *out)
{
	strbuf_add_string(out, session->state ? session->state : "its state is hidden from this role");
	if (session->wait_event_type)
		strbuf_printf(out, ", wait event %s/%s", session->wait_event_type,
			      session->wait_event ? session->wait_event : "?");
	else if (session->state)
		strbuf_add_string(out, ", no wait event");
}

void aftermath_add_still_there(enum signal_verb verb, const struct aftermath *session, struct strbuf *out)
{
	add_state(session, out);
	if (verb == SIGNAL_CANCEL) {
		if (waits_for_client(session))
			strbuf_add_string(out,
					  "; its client does not take what it is sent, and a cancel does not end that");
		strbuf_add_string(out, "; K terminates");
		return;
	}
	if (session->backend_xid != 0)
		strbuf_printf(out, ", xid %u to be rolled back", (unsigned)session->backend_xid);
	if (session->state && !session->wait_event_type)
		strbuf_add_string(
			out, "; whether it computes, rolls back or may not be interrupted just now cannot be told");
	strbuf_add_string(out, "; it ends when the server's process gets there; a second TERM does nothing more");
}

void aftermath_add_stopped(const struct aftermath *session, struct strbuf *out)
{
	bool aborted = is(session->state, "idle in transaction (aborted)");
	/* An aborted transaction has lost its xid; where only what came after a savepoint is aborted it has not. */
	if (aborted && session->backend_xid != 0)
		strbuf_add_string(out, "a savepoint was open, what was locked before it is still locked: K terminates");
	else if (aborted)
		strbuf_add_string(out, "its transaction is aborted, its locks are gone unless a savepoint was open");
	else if (is(session->state, "idle in transaction"))
		strbuf_add_string(out, "its transaction is still open and keeps its locks: K terminates");
	else if (is(session->state, "active"))
		strbuf_add_string(out, "it runs another query");
}
