#include "pglocktop/outcome.h"

#include "pglocktop/verb.h"

bool outcome_is_bad(enum signal_outcome outcome)
{
	return outcome != SIGNAL_SENT && outcome != SIGNAL_GONE && outcome != SIGNAL_STOPPED;
}

/* Who waits no more, of those who waited for the target; then the totals, which others change, too. */
static void add_freed(const struct signal_news *news, bool ascii, struct strbuf *out)
{
	if (news->waiters > 0)
		strbuf_printf(out, "; freed %d of %d waiter%s", (int)news->freed, (int)news->waiters,
			      news->waiters == 1 ? "" : "s");
	if (news->waiters > 0 && news->ended > 0)
		strbuf_printf(out, " (%d ended)", (int)news->ended);
	if (news->waiting_before >= 0 && news->waiting_after >= 0)
		strbuf_printf(out, "; waiting %d %s %d", (int)news->waiting_before, ascii ? "->" : "→",
			      (int)news->waiting_after);
}

static int seconds_of(const struct signal_news *news)
{
	return news->elapsed == WHEN_NONE ? 3 : (int)((news->elapsed + WHEN_SECOND / 2) / WHEN_SECOND);
}

static void add_text(const struct signal_news *news, const char *before, struct strbuf *out)
{
	if (news->text[0])
		strbuf_printf(out, "%s%s", before, news->text);
}

/* It has ended, or its query has. */
static void add_end(const struct signal_news *news, bool ascii, struct strbuf *out)
{
	const char *verb = signal_verbs[news->request.verb].brief;
	bool gone = news->outcome == SIGNAL_GONE;
	int pid = news->request.target.pid, milliseconds = 0;
	if (news->elapsed != WHEN_NONE)
		milliseconds = (int)(news->elapsed / 1000);
	if (news->late)
		strbuf_printf(out, gone ? "%d is gone, %d s after %s" : "%d has stopped its query, %d s after %s", pid,
			      seconds_of(news), verb);
	else
		strbuf_printf(out, "%s sent to %d: %s after %d ms", verb, pid, gone ? "gone" : "its query stopped",
			      milliseconds);
	add_freed(news, ascii, out);
	add_text(news, "; ", out);
}

static void add_still_there(const struct signal_news *news, bool ascii, struct strbuf *out)
{
	strbuf_printf(out,
		      news->request.verb == SIGNAL_CANCEL ? "%d still runs its query %d s after the cancel"
							  : "%d is still there %d s after TERM",
		      (int)news->request.target.pid, seconds_of(news));
	if (news->waiters > 0 && news->freed > 0)
		add_freed(news, ascii, out);
	add_text(news, ": ", out);
}

void outcome_add(const struct signal_news *news, bool ascii, struct strbuf *out)
{
	const char *verb = signal_verbs[news->request.verb].brief;
	int pid = news->request.target.pid;
	switch (news->outcome) {
	case SIGNAL_SENT:
		strbuf_printf(out, "%s sent to %d, watching what comes of it", verb, pid);
		break;
	case SIGNAL_GONE:
	case SIGNAL_STOPPED:
		add_end(news, ascii, out);
		break;
	case SIGNAL_STILL_THERE:
		add_still_there(news, ascii, out);
		break;
	case SIGNAL_NOT_SENT:
		strbuf_printf(out, "nothing sent to %d: %s", pid,
			      news->text[0] ? news->text : "it has ended or moved on");
		break;
	case SIGNAL_REFUSED:
		strbuf_printf(out, "nothing sent to %d, the server refused: %s", pid, news->text);
		if (news->sqlstate[0])
			strbuf_printf(out, " (%s)", news->sqlstate);
		break;
	case SIGNAL_UNKNOWN:
		strbuf_printf(out, "%s for %d: no answer, it may have been sent", verb, pid);
		add_text(news, ": ", out);
		break;
	}
	/* What went out without a line in the audit log is told so to the end. */
	strbuf_add_string(out, news->unlogged ? " UNLOGGED" : "");
}
