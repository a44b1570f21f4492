#include "column_lock.h"
#include "column_row.h"
#include "column_state.h"

#include "pglocktop/object.h"
#include "pglocktop/progress.h"
#include "pglocktop/recovery.h"
#include "pglocktop/waitevent.h"
#include "pglocktop/whatif.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* By the end of the session: a cancel frees the same, or nothing. The members of a deadlock need nobody's help. */
static struct whatif_forecast row_forecast(const struct column_row *row)
{
	if (row->node == GRAPH_NONE || whatif_is_left_to_server(row->frame->graph, row->node))
		return (struct whatif_forecast){ .nothing = true };
	return whatif_forecast(row->frame->whatif, row->node, SIGNAL_TERMINATE);
}

static struct column_value get_frees(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii, (void)text;
	struct whatif_forecast forecast = row_forecast(row);
	return forecast.freed > 0 ? value_number(forecast.freed) : value_none;
}

static void format_frees(const struct column_row *row, bool ascii, struct strbuf *out)
{
	(void)ascii;
	struct whatif_forecast forecast = row_forecast(row);
	if (forecast.freed > 0)
		strbuf_printf(out, "%s%" PRIu32, forecast.doubts ? "~" : "", forecast.freed);
	else
		strbuf_add_char(out, '-');
}

/* A member of a cycle that nobody else waits for: what blocks it is what it blocks, a count would mislead. */
static struct column_value get_blocks(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii, (void)text;
	const struct graph_node *node = row_node(row);
	if (!row->item || (row->item->beneath == 0 && node && node->cycle != GRAPH_NONE))
		return value_none;
	/* A cycle's own members are not what it blocks. */
	uint32_t members = row->item->kind == FOREST_CYCLE ? row->item->child_count : 0;
	return value_number(row->item->beneath - members);
}

static struct column_value get_behind(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii, (void)text;
	/* Of one in a queue it is the object that tells. */
	if (!row->item || row->item->key.part != FOREST_WHOLE)
		return value_none;
	if (row->item->beneath > 0 && row->item->behind == WHEN_NONE)
		return value_hidden;
	return value_age(row->item->behind);
}

static const char *session_label(const struct session *session)
{
	if (session->application && *session->application)
		return session->application;
	if (session->user)
		return session->user;
	return session->state == SESSION_HIDDEN && session->listed ? "?" : session->backend_type;
}

static struct column_value get_session(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct session *session = row_session(row);
	const struct prepared *prepared = row_prepared(row);
	if (session) {
		const char *label = session_label(session);
		strbuf_printf(text, "%" PRId32 "%s%s", session->id.pid, label ? " " : "", label ? label : "");
	} else if (prepared) {
		strbuf_printf(text, "2pc %s", prepared->gid);
	} else if (row->node != GRAPH_NONE) {
		object_add_node(row->frame->graph, row->node, text);
	} else {
		return value_none;
	}
	return value_number(WHEN_NONE);
}

/* What a maintenance command says of itself is no part of the value: sorted by it rows would move with each block. */
static void add_progress(const struct column_row *row, struct strbuf *out)
{
	const struct session *session = row_session(row);
	if (!session || !session->progress)
		return;
	progress_summarize(session->progress, out);
}

/* Why one that waits for no lock does not go on: its wait event, in words. */
static void add_other_wait(const struct column_row *row, bool ascii, struct strbuf *out)
{
	const struct graph_node *node = row_node(row);
	struct strbuf words = STRBUF_INIT;
	if (row->session != SNAPSHOT_NO_INDEX && (!node || node->wait_count == 0))
		waitevent_describe(row->frame->snapshot, row->session, &words);
	if (words.length > 0)
		strbuf_printf(out, "%s%s%s", out->length > 0 ? " " : "", ascii ? "> " : "→ ", words.text);
	strbuf_release(&words);
}

/* With its sign: what it holds or waits for; and the wait that is for no lock. */
static void describe_object(const struct column_row *row, bool ascii, struct strbuf *out)
{
	if (row->node != GRAPH_NONE)
		object_describe_node(row->frame->graph, row->node, ascii, out);
	add_other_wait(row, ascii, out);
}

/* "vacuum 43 % ● table stock → buffer pin", "create index 43 % → virtualxid 3/5": how far it is comes first. */
static void format_object(const struct column_row *row, bool ascii, struct strbuf *out)
{
	struct strbuf text = STRBUF_INIT, object = STRBUF_INIT;
	add_progress(row, &text);
	describe_object(row, ascii, &object);
	if (text.length > 0 && object.length > 0)
		strbuf_add_char(&text, ' ');
	strbuf_add_string(&text, object.text);
	strbuf_add_string(out, text.length > 0 ? text.text : "-");
	strbuf_release(&object);
	strbuf_release(&text);
}

/* Without the sign, so that a filter's ^ stands before the name and holders sort with their waiters. */
static struct column_value get_object(const struct column_row *row, bool ascii, struct strbuf *text)
{
	struct strbuf whole = STRBUF_INIT;
	describe_object(row, ascii, &whole);
	const char *blank = strchr(whole.text, ' ');
	struct column_value value = value_text(blank ? blank + 1 : whole.text, text);
	strbuf_release(&whole);
	return value;
}

static struct column_value get_xact(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii, (void)text;
	const struct session *session = row_session(row);
	const struct prepared *prepared = row_prepared(row);
	if (prepared)
		return value_age(row_age(row, prepared->prepared_at));
	if (!session)
		return value_none;
	int64_t age = row_age(row, session->xact_start);
	return age == WHEN_NONE ? value_missing(session) : value_number(age);
}

/* A name, or the oid for as long as the name is not known. */
static struct column_value value_name(const char *name, uint32_t oid, struct strbuf *text)
{
	if (name || oid == 0)
		return value_text(name, text);
	strbuf_printf(text, "%" PRIu32, oid);
	return value_number(WHEN_NONE);
}

static struct column_value get_user(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct session *session = row_session(row);
	const struct prepared *prepared = row_prepared(row);
	if (prepared)
		return value_name(prepared->owner, prepared->ownerid, text);
	return session ? value_name(session->user, session->usesysid, text) : value_none;
}

static struct column_value get_database(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct session *session = row_session(row);
	const struct prepared *prepared = row_prepared(row);
	if (prepared)
		return value_name(prepared->database, prepared->datid, text);
	return session ? value_name(session->database, session->datid, text) : value_none;
}

static struct column_value get_client(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct session *session = row_session(row);
	if (!session)
		return value_none;
	return session->client ? value_text(session->client, text) : value_missing(session);
}

static struct column_value get_wait_event(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct session *session = row_session(row);
	if (!session)
		return value_none;
	if (!session->wait_event_type || !session->wait_event)
		return value_missing(session);
	strbuf_printf(text, "%s/%s", session->wait_event_type, session->wait_event);
	return value_number(WHEN_NONE);
}

/* Whether its query is what it does now, not what it did last. */
static bool session_runs(const struct session *session)
{
	return session->state != SESSION_IDLE && session->state != SESSION_IDLE_IN_TRANSACTION &&
	       session->state != SESSION_IDLE_IN_TRANSACTION_ABORTED;
}

static struct column_value get_query_age(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii, (void)text;
	const struct session *session = row_session(row);
	if (!session)
		return value_none;
	if (session->query_start == WHEN_NONE)
		return value_missing(session);
	return session_runs(session) ? value_age(row_age(row, session->query_start)) : value_none;
}

static struct column_value get_query(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct session *session = row_session(row);
	if (!session)
		return value_none;
	const char *query = frame_query(row->frame, row->session);
	return query ? value_text(query, text) : value_missing(session);
}

/* It is in somebody's way, or somebody is in its. */
static bool row_matters(const struct column_row *row)
{
	return row->node != GRAPH_NONE || waitevent_is_conflict(row_session(row));
}

static void format_query(const struct column_row *row, bool ascii, struct strbuf *out)
{
	const struct session *session = row_session(row);
	const char *query = session ? frame_query(row->frame, row->session) : NULL;
	if (query && *query && !session_runs(session))
		strbuf_add_string(out, "last: ");
	if (get_query(row, ascii, out).hidden)
		strbuf_add_char(out, '?');
	/* Recovery has no query: in its place stands what can be done about it. */
	if (session && row->frame->snapshot->server.in_recovery && row_matters(row))
		recovery_explain(row->frame->snapshot, row->session, out);
}

static struct column_value get_application(const struct column_row *row, bool ascii, struct strbuf *text)
{
	(void)ascii;
	const struct session *session = row_session(row);
	return session ? value_text(session->application, text) : value_none;
}

/* clang-format off */
const struct column columns[COLUMN_COUNT] = {
	[COLUMN_FREES] = { COLUMN_FREES, "frees", "FREES", NULL,
			   "who gets a lock at once if it goes; ~ about so many",
			   COLUMN_NUMBER, .right = true, .descending = true, .width = 5, .get = get_frees,
			   .format = format_frees },
	[COLUMN_BLOCKS] = { COLUMN_BLOCKS, "blocks", "BLOCKS", NULL, "how many rows are beneath it in the tree",
			    COLUMN_NUMBER, .right = true, .descending = true, .width = 6, .get = get_blocks },
	[COLUMN_BEHIND] = { COLUMN_BEHIND, "behind", "BEHIND", NULL, "the longest wait beneath it",
			    COLUMN_AGE, .right = true, .descending = true, .width = 6, .get = get_behind },
	[COLUMN_SESSION] = { COLUMN_SESSION, "session", "SESSION", NULL, "pid and application, else user",
			     COLUMN_TEXT, .width = 20, .get = get_session },
	[COLUMN_STATE] = { COLUMN_STATE, "state", "STATE", NULL, "what it does, and for how long",
			   COLUMN_AGE, .descending = true, .width = 18, .get = column_state_get, .format = column_state_format },
	[COLUMN_OBJECT] = { COLUMN_OBJECT, "object", "HOLDS ● / WAITS FOR →", "HOLDS * / WAITS FOR >",
			    "what it holds or waits for, and how many further blockers it has",
			    COLUMN_TEXT, .width = 30, .get = get_object, .format = format_object },
	[COLUMN_XACT] = { COLUMN_XACT, "xact", "XACT", NULL, "age of its transaction",
			  COLUMN_AGE, .right = true, .descending = true, .width = 6, .get = get_xact },
	[COLUMN_USER] = { COLUMN_USER, "user", "USER", NULL, "the role that logged in",
			  COLUMN_TEXT, .width = 12, .get = get_user },
	[COLUMN_DATABASE] = { COLUMN_DATABASE, "database", "DATABASE", NULL, "its database",
			      COLUMN_TEXT, .width = 12, .get = get_database },
	[COLUMN_CLIENT] = { COLUMN_CLIENT, "client", "CLIENT", NULL, "where it comes from",
			    COLUMN_TEXT, .width = 15, .get = get_client },
	[COLUMN_WAIT_EVENT] = { COLUMN_WAIT_EVENT, "wait_event", "WAIT EVENT", NULL,
				"what the server says it waits for, type/event",
				COLUMN_TEXT, .width = 20, .get = get_wait_event },
	[COLUMN_QUERY_AGE] = { COLUMN_QUERY_AGE, "query_age", "QUERY AGE", NULL, "how long its query has been running",
			       COLUMN_AGE, .right = true, .descending = true, .width = 9, .get = get_query_age },
	[COLUMN_QUERY] = { COLUMN_QUERY, "query", "QUERY", NULL, "its query; \"last:\" when it is no longer running",
			   COLUMN_TEXT, .width = 0, .get = get_query, .format = format_query },
	[COLUMN_APPLICATION] = { COLUMN_APPLICATION, "application", "APPLICATION", NULL, "the name the client gave",
				 COLUMN_TEXT, .width = 16, .get = get_application },
	[COLUMN_WAITERS] = { COLUMN_WAITERS, "waiters", "WAIT", NULL, "how many wait for it",
			     COLUMN_NUMBER, .right = true, .descending = true, .width = 4, .get = column_lock_waiters },
	[COLUMN_LOCK] = { COLUMN_LOCK, "lock", "OBJECT", NULL, "what is waited for, who holds it and who is in its queue",
			  COLUMN_TEXT, .width = 24, .get = column_lock_lock },
	[COLUMN_MODE] = { COLUMN_MODE, "mode", "HELD / WANTED", NULL, "the modes in which it is held or wanted",
			  COLUMN_TEXT, .width = 15, .get = column_lock_mode },
	[COLUMN_WAITED] = { COLUMN_WAITED, "waited", "WAITED", NULL, "how long this one has waited for it",
			    COLUMN_AGE, .right = true, .descending = true, .width = 7, .get = column_lock_waited, .format = column_lock_format_waited },
	[COLUMN_WHY] = { COLUMN_WHY, "why", "WHY", NULL, "why it waits, or what a holder does",
			 COLUMN_TEXT, .width = 26, .get = column_lock_why, .format = column_lock_format_why },
};
/* clang-format on */

const char *column_title(const struct column *column, bool ascii)
{
	return ascii && column->ascii_title ? column->ascii_title : column->title;
}

const struct column *column_find(const char *name)
{
	const struct column *found = NULL;
	size_t length = strlen(name);
	for (size_t i = 0; i < COLUMN_OF_SESSIONS && length; i++) {
		if (strcasecmp(columns[i].name, name) == 0)
			return &columns[i];
	}
	for (size_t i = 0; i < COLUMN_OF_SESSIONS && length; i++) {
		if (strncasecmp(columns[i].name, name, length) != 0)
			continue;
		if (found)
			return NULL;
		found = &columns[i];
	}
	return found;
}

struct column_row column_row_of_item(const struct forest *forest, uint32_t item)
{
	const struct forest_item *at = &forest->items[item];
	struct column_row row = { forest->frame, forest_session(forest, item), SNAPSHOT_NO_INDEX, at->node, at };
	if (at->node != GRAPH_NONE)
		row.prepared = forest->frame->graph->nodes[at->node].prepared;
	return row;
}

struct column_row column_row_of_session(const struct frame *frame, uint32_t session)
{
	return (struct column_row){ frame, session, SNAPSHOT_NO_INDEX, frame->graph->session_node[session], NULL };
}

struct column_value column_get(const struct column *column, const struct column_row *row, bool ascii,
			       struct strbuf *text)
{
	return column->get(row, ascii, text);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Both begin with a digit: compares the numbers and steps over them. */
static int compare_numbers(const char **a, const char **b)
{
	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	const char *start_a = *a, *start_b = *b;
	while (is_digit(**a))
		(*a)++;
	while (is_digit(**b))
		(*b)++;
	ptrdiff_t length_a = *a - start_a, length_b = *b - start_b;
	if (length_a != length_b)
		return length_a < length_b ? -1 : 1;
	return memcmp(start_a, start_b, (size_t)length_a);
}

int column_compare_texts(const char *a, const char *b)
{
	const char *x = a, *y = b;
	while (*x && *y) {
		bool numbers = is_digit(*x) && is_digit(*y);
		int order = numbers ? compare_numbers(&x, &y) : (unsigned char)*x - (unsigned char)*y;
		if (order != 0)
			return order;
		if (!numbers) {
			x++;
			y++;
		}
	}
	if (*x || *y)
		return *x ? 1 : -1;
	return strcmp(a, b); /* 007 is not 7 */
}

static void format_value(const struct column *column, struct column_value value, struct strbuf *out)
{
	char age[WHEN_TEXT_SIZE];
	if (!value.known)
		strbuf_add_char(out, value.hidden ? '?' : '-');
	else if (column->kind == COLUMN_NUMBER)
		strbuf_printf(out, "%" PRId64, value.number);
	else if (column->kind == COLUMN_AGE)
		strbuf_add_string(out, when_format_age(value.number, age));
}

void column_format(const struct column *column, const struct column_row *row, bool ascii, struct strbuf *out)
{
	if (column->format)
		column->format(row, ascii, out);
	else
		format_value(column, column->get(row, ascii, out), out);
}
