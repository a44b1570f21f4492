#include "pglocktop/audit_text.h"

#include "pglocktop/verb.h"

#include <jansson.h>
#include <string.h>

enum { PIDS_MOST = 8 };

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

/* "8008" of "8008@2026-…" */
static int pid_length(const char *id)
{
	return (int)strcspn(id, "@");
}

static void add_intent(const json_t *event, struct strbuf *out)
{
	const json_t *target = json_object_get(event, "target"), *server = json_object_get(event, "server");
	const char *id = text_of(target, "id"), *reason = text_of(event, "reason");
	bool cancels = strcmp(text_of(event, "verb"), signal_verbs[SIGNAL_CANCEL].name) == 0;
	strbuf_printf(out, "%s %.*s %s (%s@%s) on %s:%d",
		      signal_verbs[cancels ? SIGNAL_CANCEL : SIGNAL_TERMINATE].title, pid_length(id), id,
		      text_of(target, "application"), text_of(target, "user"), text_of(target, "database"),
		      text_of(server, "host"), (int)json_integer_value(json_object_get(server, "port")));
	if (*reason)
		strbuf_printf(out, ", because: %s", reason);
}

/* "; freed 12 of 14 (8017, 8020 … and 4 more)" */
static void add_freed(const json_t *event, struct strbuf *out)
{
	const json_t *freed = json_object_get(event, "freed"), *sessions = json_object_get(event, "freed_sessions");
	int count = (int)json_integer_value(freed),
	    waiters = (int)json_integer_value(json_object_get(event, "waiters"));
	size_t named = json_array_size(sessions) < PIDS_MOST ? json_array_size(sessions) : PIDS_MOST;
	if (!json_is_integer(freed) || waiters <= 0)
		return;
	strbuf_printf(out, "; freed %d of %d", count, waiters);
	for (size_t i = 0; i < named; i++) {
		const char *id = json_string_value(json_array_get(sessions, i));
		strbuf_printf(out, "%s%.*s", i > 0 ? ", " : " (", pid_length(id ? id : "?"), id ? id : "?");
	}
	if (named > 0 && count > (int)named)
		strbuf_printf(out, " and %d more", count - (int)named);
	strbuf_add_string(out, named > 0 ? ")" : "");
	int ended = (int)json_integer_value(json_object_get(event, "ended"));
	if (ended > 0)
		strbuf_printf(out, ", %d ended", ended);
}

static void add_outcome(const json_t *event, struct strbuf *out)
{
	const char *id = text_of(event, "target"), *text = text_of(event, "text");
	const json_t *elapsed = json_object_get(event, "elapsed"), *before = json_object_get(event, "waiting_before"),
		     *after = json_object_get(event, "waiting_after");
	strbuf_printf(out, "%s %.*s: %s", text_of(event, "verb"), pid_length(id), id, text_of(event, "outcome"));
	if (json_is_number(elapsed))
		strbuf_printf(out, " after %d ms", (int)(json_number_value(elapsed) * 1000));
	add_freed(event, out);
	if (json_is_integer(before) && json_is_integer(after))
		strbuf_printf(out, "; waiting %d -> %d", (int)json_integer_value(before),
			      (int)json_integer_value(after));
	if (*text)
		strbuf_printf(out, ", %s", text);
	/* The line of its intent, where there is one above, came after the signal. */
	strbuf_add_string(out, json_is_true(json_object_get(event, "unlogged")) ? " UNLOGGED" : "");
}

static void add_event(const json_t *event, struct strbuf *out)
{
	const json_t *os = json_object_get(event, "os");
	const char *time = text_of(event, "time");
	size_t date = strcspn(time, "T");
	strbuf_printf(out, "%.*s %.8s  %s@%s  ", (int)date, time, time[date] ? time + date + 1 : "",
		      text_of(os, "user"), text_of(os, "host"));
	if (strcmp(text_of(event, "event"), "intent") == 0)
		add_intent(event, out);
	else
		add_outcome(event, out);
}

void audit_text_add(struct strbuf *out, const char *line, size_t length)
{
	json_t *event = json_loadb(line, length, 0, NULL);
	if (event && strcmp(text_of(event, "format"), "pglocktop-audit") == 0)
		add_event(event, out);
	else
		strbuf_add(out, line, length);
	json_decref(event);
}
