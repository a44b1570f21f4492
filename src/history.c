#include "pglocktop/history.h"

#include "pglocktop/outcome.h"

#include "history_private.h"

#include <stdlib.h>
#include <string.h>

static const struct identity nobody = { 0, WHEN_NONE };

void history_init(struct history *history)
{
	*history = (struct history){
		.server_time = WHEN_NONE, .clock = WHEN_NONE, .lost_at = WHEN_NONE, .last_block = { .ended = WHEN_NONE }
	};
}

void history_release(struct history *history)
{
	events_release(&history->events);
	free(history->blocks);
}

static int64_t server_time(const struct history *history, int64_t clock)
{
	if (history->server_time == WHEN_NONE || clock <= history->clock)
		return history->server_time;
	return history->server_time + (clock - history->clock);
}

/* ---- the server and the way to it ---- */

static void note_server(struct history *history, const struct frame *frame)
{
	const struct server_info *server = &frame->snapshot->server;
	struct event *event = events_add(&history->events, EVENT_SERVER, frame->snapshot->taken_at);
	event->bad = true;
	event_add_line(event, nobody, "another server, or it was restarted: PostgreSQL %s on %s:%d", server->version,
		       server->host, server->port);
}

static void note_late(struct history *history, const struct frame *old, const struct frame *frame, int64_t interval)
{
	int64_t apart = frame->received_at - old->received_at;
	char lasted[WHEN_TEXT_SIZE], clock[WHEN_TEXT_SIZE];
	bool next = frame->serial == old->serial + 1 && !history->interrupted;
	if (!next || apart - interval <= HISTORY_LATE)
		return;
	struct event *event = events_add(&history->events, EVENT_SERVER, frame->snapshot->taken_at);
	event->bad = true;
	event_add_line(event, nobody, "STALE for %s: no answer since %s", when_format_age(apart, lasted),
		       when_format_clock(old->snapshot->taken_at, clock));
}

static void note_back(struct history *history, const struct frame *frame)
{
	char lasted[WHEN_TEXT_SIZE];
	if (history->lost_at == WHEN_NONE)
		return;
	struct event *event = events_add(&history->events, EVENT_SERVER, frame->snapshot->taken_at);
	event_add_line(event, nobody, "connected again after %s",
		       when_format_age(when_age(frame->snapshot->taken_at, history->lost_at), lasted));
	history->lost_at = WHEN_NONE;
}

void history_note_status(struct history *history, const struct source_status *status)
{
	history->interrupted |= status->state != SOURCE_LIVE;
	if (status->state != SOURCE_LOST || history->lost_at != WHEN_NONE || history->server_time == WHEN_NONE)
		return;
	history->lost_at = server_time(history, status->since_monotonic);
	struct event *event = events_add(&history->events, EVENT_SERVER, history->lost_at);
	event->bad = true;
	event_add_line(event, nobody, "LOST%s%s", status->text[0] ? ": " : "", status->text);
}

/* ---- what the role may ---- */

static void note_right(struct history *history, const struct frame *frame, bool before, bool now, const char *what)
{
	if (before == now)
		return;
	struct event *event = events_add(&history->events, EVENT_ROLE, frame->snapshot->taken_at);
	event->bad = !now;
	event_add_line(event, nobody, "role %s %s %s", frame->snapshot->role.name ? frame->snapshot->role.name : "?",
		       now ? "now" : "no longer", what);
}

static void note_role(struct history *history, const struct frame *old, const struct frame *frame)
{
	const struct role_info *before = &old->snapshot->role, *now = &frame->snapshot->role;
	if (!before->known || !now->known)
		return;
	note_right(history, frame, before->superuser, now->superuser, "is a superuser");
	if (before->superuser != now->superuser)
		return; /* the rest follows from it */
	note_right(history, frame, before->sees_all, now->sees_all, "sees all sessions");
	note_right(history, frame, before->signals_others, now->signals_others, "may signal other roles' sessions");
}

void history_note_frame(struct history *history, const struct frame *old, const struct frame *frame, int64_t interval)
{
	bool same = old && old->server_epoch == frame->server_epoch;
	note_back(history, frame);
	if (old && !same) {
		history->block_count = 0;
		history->last_block.ended = WHEN_NONE;
		history->deadlock_event = 0;
		note_server(history, frame);
	}
	if (same) {
		note_late(history, old, frame, interval);
		note_role(history, old, frame);
		history_note_deadlocks(history, old, frame);
	}
	history_note_blocks(history, frame);
	history->server_time = frame->snapshot->taken_at;
	history->clock = frame->received_at;
	history->interrupted = false;
}

/* ---- signals ---- */

void history_note_signal(struct history *history, const struct signal_news *news, int64_t now, bool ascii)
{
	const struct signal_request *request = &news->request;
	struct event *event = events_find_signal(&history->events, request->serial);
	int64_t at = server_time(history, now);
	struct strbuf text = STRBUF_INIT;
	if (event)
		event = events_renew(&history->events, event, at);
	else
		event = events_add(&history->events, EVENT_SIGNAL, at);
	event->serial = request->serial;
	event->bad = outcome_is_bad(news->outcome);
	outcome_add(news, ascii, &text);
	event_add_line(event, request->target, "%s (%s@%s, by this program)", text.text,
		       request->user[0] ? request->user : "?", request->database[0] ? request->database : "?");
	if (request->reason[0])
		event_add_line(event, nobody, "because: %s", request->reason);
	strbuf_release(&text);
}
