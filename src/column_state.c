#include "column_state.h"

#include "column_row.h"

/* What the column says. */
struct told {
	const char *word; /* NULL: none */
	bool hidden;
	int64_t age; /* WHEN_NONE */
	bool at_most; /* the age is an upper bound */
};

static struct told state_of_wait(const struct column_row *row, uint32_t index)
{
	const struct graph_wait *wait = &row->frame->graph->waits[index];
	const struct session *session = &row->frame->snapshot->sessions[wait->session];
	if (wait->since != WHEN_NONE)
		return (struct told){ .word = "waits", .age = row_age(row, wait->since) };
	return (struct told){ .word = "waits",
			      .hidden = session_hidden(session),
			      .age = row_age(row, session->query_start),
			      .at_most = true };
}

/* The row's own wait; a leader's is its group's. False: it does not wait. */
static bool state_waiting(const struct column_row *row, struct told *state)
{
	const struct graph_node *node = row_node(row);
	if (!node || node->wait_count == 0)
		return false;
	if (row->session == node->session) {
		*state = (struct told){ .word = "waits", .age = node->waiting, .at_most = !node->waiting_exact };
		state->hidden = row_session(row) && session_hidden(row_session(row));
		return true;
	}
	for (uint32_t i = 0; i < node->wait_count; i++) {
		uint32_t wait = row->frame->graph->node_waits[node->first_wait + i];
		if (row->frame->graph->waits[wait].session == row->session) {
			*state = state_of_wait(row, wait);
			return true;
		}
	}
	return false;
}

static int64_t session_query_age(const struct column_row *row, const struct session *session)
{
	int64_t start = session->query_start != WHEN_NONE ? session->query_start : session->state_change;
	return row_age(row, start);
}

static struct told state_of_session(const struct column_row *row, const struct session *session)
{
	int64_t change = row_age(row, session->state_change);
	switch (session->state) {
	case SESSION_HIDDEN:
		return (struct told){ .hidden = session->listed, .age = WHEN_NONE };
	case SESSION_NO_STATE:
		return (struct told){ .word = session->wait_event, .age = WHEN_NONE };
	case SESSION_ACTIVE:
		return (struct told){ .word = "active", .age = session_query_age(row, session) };
	case SESSION_IDLE:
		return (struct told){ .word = "idle", .age = change };
	case SESSION_IDLE_IN_TRANSACTION:
		return (struct told){ .word = "idle in txn", .age = change };
	case SESSION_IDLE_IN_TRANSACTION_ABORTED:
		return (struct told){ .word = "aborted txn", .age = change };
	case SESSION_FASTPATH:
		return (struct told){ .word = "function call", .age = change };
	case SESSION_DISABLED:
		return (struct told){ .word = "not tracked", .age = WHEN_NONE };
	case SESSION_STARTING:
		return (struct told){ .word = "starting", .age = row_age(row, session->id.backend_start) };
	case SESSION_OTHER:
		return (struct told){ .word = session->state_text, .age = change };
	}
	err_die("session state %d is not in enum session_state", (int)session->state);
}

static struct told state_of_row(const struct column_row *row)
{
	struct told state = { .age = WHEN_NONE };
	const struct session *session = row_session(row);
	const struct prepared *prepared = row_prepared(row);
	if (prepared)
		return (struct told){ .word = "prepared", .age = row_age(row, prepared->prepared_at) };
	if (!session)
		return (struct told){ .word = row->node == GRAPH_NONE ? NULL : "prepared", .age = WHEN_NONE };
	if (state_waiting(row, &state) || !session->listed)
		return state;
	return state_of_session(row, session);
}

struct column_value column_state_get(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	struct told state = state_of_row(row);
	if (!state.word || !*state.word)
		return state.hidden ? value_hidden : value_none;
	strbuf_add_string(text, state.word);
	return value_number(state.age);
}

void column_state_format(const struct column_row *row, bool ascii, struct strbuf *out)
{
	struct told state = state_of_row(row);
	char age[WHEN_TEXT_SIZE];
	if (!state.word || !*state.word) {
		strbuf_add_string(out, state.hidden ? "?" : "-");
		return;
	}
	strbuf_add_string(out, state.word);
	if (state.age == WHEN_NONE && state.hidden)
		strbuf_add_string(out, " ?");
	if (state.age == WHEN_NONE)
		return;
	strbuf_add_char(out, ' ');
	if (state.at_most)
		strbuf_add_string(out, ascii ? "<=" : "≤");
	strbuf_add_string(out, when_format_age(state.age, age));
}
