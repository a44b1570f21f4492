#include "audit_record.h"

#include "json_value.h"

#include "pglocktop/signaller.h"
#include "pglocktop/verb.h"
#include "pglocktop/version.h"
#include "pglocktop/whatif.h"

static json_t *new_event(const char *name, const char *id, const struct signal_request *request)
{
	json_t *event = json_object();
	put(event, "program", json_string("pglocktop " PGLOCKTOP_VERSION));
	put(event, "event", json_string(name));
	put(event, "id", text_value(id));
	put(event, "time", time_value(when_wall_clock()));
	put(event, "verb", json_string(signal_verbs[request->verb].name));
	return event;
}

/* The object's members without its braces. */
static void write_members(json_t *owned, struct strbuf *out)
{
	struct strbuf text = STRBUF_INIT;
	json_value_write(owned, &text);
	strbuf_add(out, text.text + 1, text.length - 2);
	strbuf_release(&text);
}

static json_t *server_value(const struct server_info *server)
{
	json_t *value = json_object();
	put(value, "host", text_value(server->host));
	put(value, "port", number_value(server->port != 0, server->port));
	put(value, "database", text_value(server->database));
	put(value, "system_identifier", text_value(server->system_identifier));
	put(value, "version", text_value(server->version));
	put(value, "started_at", time_value(server->started_at));
	put(value, "in_recovery", json_boolean(server->in_recovery));
	return value;
}

static int64_t wait_of(const struct frame *frame, uint32_t session)
{
	uint32_t node = frame->graph->session_node[session];
	bool waits = node != GRAPH_NONE && frame->graph->nodes[node].wait_count > 0;
	return waits ? frame->graph->nodes[node].waiting : WHEN_NONE;
}

static json_t *ages_value(const struct frame *frame, uint32_t index)
{
	const struct session *session = &frame->snapshot->sessions[index];
	int64_t now = frame->snapshot->taken_at;
	json_t *value = json_object();
	put(value, "session", seconds_value(when_age(now, session->id.backend_start)));
	put(value, "transaction", seconds_value(when_age(now, session->xact_start)));
	put(value, "query", seconds_value(when_age(now, session->query_start)));
	put(value, "state", seconds_value(when_age(now, session->state_change)));
	put(value, "wait", seconds_value(wait_of(frame, index)));
	return value;
}

static void put_session(json_t *value, const struct frame *frame, uint32_t index)
{
	const struct session *session = &frame->snapshot->sessions[index];
	put(value, "backend_type", text_value(session->backend_type));
	put(value, "user", text_value(session->user));
	put(value, "database", text_value(session->database));
	put(value, "application", text_value(session->application));
	put(value, "client", text_value(session->client));
	put(value, "client_port", number_value(session->client_port != 0, session->client_port));
	put(value, "state", text_value(session->state_text));
	put(value, "wait_event_type", text_value(session->wait_event_type));
	put(value, "wait_event", text_value(session->wait_event));
	put(value, "query_start", time_value(session->query_start));
	put(value, "query_id", number_value(session->has_query_id, session->query_id));
	put(value, "query", text_value(frame_masked_query(frame, index)));
	put(value, "ages", ages_value(frame, index));
}

/* Who gets a lock at once, and after those; null where nothing is foretold. */
static json_t *what_if_value(const struct signal_request *request, const struct frame *frame)
{
	uint32_t node = graph_find_pid(frame->graph, request->target.pid);
	if (node == GRAPH_NONE)
		return json_null();
	struct whatif_forecast forecast = whatif_forecast(frame->whatif, node, request->verb);
	json_t *value = json_object();
	put(value, "frees", json_integer(forecast.freed));
	put(value, "in_turn", number_value(forecast.in_turn != GRAPH_NONE, forecast.in_turn));
	put(value, "exact", json_boolean(forecast.doubts == 0));
	return value;
}

static json_t *target_value(const struct signal_request *request, const struct frame *frame)
{
	json_t *value = json_object();
	uint32_t index = snapshot_find(frame->snapshot, request->target);
	put(value, "id", identity_value(request->target));
	put(value, "pid", json_integer(request->target.pid));
	if (index != SNAPSHOT_NO_INDEX)
		put_session(value, frame, index);
	return value;
}

void audit_record_intent(const char *id, const struct signal_request *request, const struct frame *frame,
			 struct strbuf *out)
{
	json_t *event = new_event("intent", id, request);
	put(event, "reason", text_value(request->reason));
	put(event, "server", server_value(&frame->snapshot->server));
	put(event, "role", text_value(frame->snapshot->role.name));
	put(event, "target", target_value(request, frame));
	put(event, "what_if", what_if_value(request, frame));
	put(event, "taken_at", time_value(frame->snapshot->taken_at));
	put(event, "waiting", json_integer(frame->graph->waiting_sessions));
	write_members(event, out);
}

const char *signal_outcome_name(enum signal_outcome outcome)
{
	switch (outcome) {
	case SIGNAL_SENT:
		return "sent";
	case SIGNAL_GONE:
		return "gone";
	case SIGNAL_STOPPED:
		return "stopped";
	case SIGNAL_STILL_THERE:
		return "still there";
	case SIGNAL_NOT_SENT:
		return "not sent";
	case SIGNAL_REFUSED:
		return "refused";
	case SIGNAL_UNKNOWN:
		return "unknown";
	}
	err_die("outcome %d is not in enum signal_outcome", (int)outcome);
}

static void put_result(json_t *value, const struct signal_news *news)
{
	put(value, "outcome", json_string(signal_outcome_name(news->outcome)));
	put(value, "elapsed", seconds_value(news->elapsed));
	put(value, "waiting_before", number_value(news->waiting_before >= 0, news->waiting_before));
	put(value, "waiting_after", number_value(news->waiting_after >= 0, news->waiting_after));
	put(value, "waiters", number_value(news->waiters >= 0, news->waiters));
	put(value, "freed", number_value(news->waiters >= 0, news->freed));
	put(value, "ended", number_value(news->waiters >= 0, news->ended));
	put(value, "late", json_boolean(news->late));
	put(value, "text", text_value(news->text));
	put(value, "sqlstate", text_value(news->sqlstate));
	put(value, "unlogged", json_boolean(news->unlogged));
}

void signal_add_result(struct strbuf *out, const struct signal_news *news)
{
	json_t *value = json_object();
	put(value, "id", identity_value(news->request.target));
	put(value, "pid", json_integer(news->request.target.pid));
	put(value, "verb", json_string(signal_verbs[news->request.verb].name));
	put_result(value, news);
	json_value_write(value, out);
}

static json_t *freed_value(const struct freed *freed)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < freed->count && json_array_size(list) < AUDIT_RECORD_NAMED; i++)
		if (freed->waiters[i].freed)
			json_array_append_new(list, identity_value(freed->waiters[i].id));
	return list;
}

void audit_record_outcome(const char *id, const struct signal_news *news, const struct freed *freed, struct strbuf *out)
{
	json_t *event = new_event(news->outcome == SIGNAL_SENT ? "sent" : "outcome", id, &news->request);
	put(event, "target", identity_value(news->request.target));
	put_result(event, news);
	put(event, "freed_sessions", freed && news->waiters >= 0 ? freed_value(freed) : json_null());
	write_members(event, out);
}
