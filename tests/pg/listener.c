#include "listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE (30 * WHEN_SECOND)

struct server_options listener_options(const struct pgserver *server)
{
	return (struct server_options){
		.connect = { .host = pgserver_socket(server), .user = pgserver_user(server), .database = "postgres" },
		.interval = WHEN_SECOND,
		.interactive = true,
	};
}

struct listener listener_of(struct source *source)
{
	assert_non_null(source);
	return (struct listener){ .source = source };
}

struct listener listener_new(const struct pgserver *server, const char *database, const char *user)
{
	struct server_options options = listener_options(server);
	struct err err;
	if (database)
		options.connect.database = database;
	if (user)
		options.connect.user = user;
	return listener_of(source_server_new(&options, &err));
}

void listener_stop(struct listener *listener)
{
	assert_true(listener->source->ops->stop(listener->source));
	frame_free(listener->frame);
	listener->frame = NULL;
}

static enum news_kind take(struct listener *listener)
{
	struct news news = listener->source->ops->take(listener->source);
	if (news.kind == NEWS_FRAME) {
		frame_free(listener->frame);
		listener->frame = news.frame;
		listener->frames++;
	} else if (news.kind == NEWS_STATUS) {
		listener->status = news.status;
		listener->statuses++;
	} else if (news.kind == NEWS_SIGNAL) {
		listener->signal = news.signal;
		listener->signals++;
	} else if (news.kind == NEWS_LOOKUP) {
		listener->lookup = news.lookup;
		listener->lookups++;
	}
	return news.kind;
}

enum news_kind listener_hear(struct listener *listener, int64_t deadline)
{
	struct pollfd fd = { listener->source->ops->fd(listener->source), POLLIN, 0 };
	for (;;) {
		enum news_kind kind = take(listener);
		int64_t left = deadline - when_monotonic();
		if (kind != NEWS_NONE || left <= 0)
			return kind;
		poll(&fd, 1, (int)(left / 1000 + 1));
	}
}

static void hear_or_fail(struct listener *listener, int64_t deadline, const char *awaited)
{
	if (listener_hear(listener, deadline) == NEWS_NONE)
		fail_msg("no %s came; state %d: %s", awaited, (int)listener->status.state, listener->status.text);
	if (listener->status.state == SOURCE_FAILED)
		fail_msg("no %s came, the source failed: %s", awaited, listener->status.text);
}

struct frame *listener_refresh(struct listener *listener)
{
	int64_t deadline = when_monotonic() + PATIENCE;
	int64_t asked = when_monotonic();
	/* The one under way may have been read before this call: its request must be younger. */
	listener_command(listener, COMMAND_REFRESH);
	for (;;) {
		unsigned frames = listener->frames;
		hear_or_fail(listener, deadline, "frame");
		if (listener->frames == frames)
			continue;
		if (listener->frame->received_at - listener->frame->snapshot->cost.round_trip >= asked)
			return listener->frame;
		listener_command(listener, COMMAND_REFRESH);
	}
}

void listener_await_state(struct listener *listener, enum source_state state)
{
	int64_t deadline = when_monotonic() + PATIENCE;
	while (listener->statuses == 0 || listener->status.state != state) {
		if (listener_hear(listener, deadline) == NEWS_NONE)
			fail_msg("state %d did not come; it is %d: %s", (int)state, (int)listener->status.state,
				 listener->status.text);
	}
}

void listener_await_signal(struct listener *listener, enum signal_outcome outcome)
{
	int64_t deadline = when_monotonic() + PATIENCE;
	unsigned signals = listener->signals;
	while (listener->signals == signals)
		hear_or_fail(listener, deadline, "news of a signal");
	if (listener->signal.outcome != outcome)
		fail_msg("outcome %d instead of %d: %s", (int)listener->signal.outcome, (int)outcome,
			 listener->signal.text);
}

void listener_await_lookup(struct listener *listener, unsigned lookups, enum lookup_outcome outcome)
{
	int64_t deadline = when_monotonic() + PATIENCE;
	while (listener->lookups == lookups)
		hear_or_fail(listener, deadline, "news of a look-up");
	if (listener->lookup.outcome != outcome)
		fail_msg("outcome %d instead of %d: %s", (int)listener->lookup.outcome, (int)outcome,
			 listener->lookup.text);
}

void listener_look_up(struct listener *listener, PGconn *conn, enum lookup_outcome outcome)
{
	struct source_command command = { .kind = COMMAND_LOOKUP };
	unsigned lookups = listener->lookups;
	command.database = listener_session(listener, conn)->datid;
	listener->source->ops->send(listener->source, &command);
	listener_await_lookup(listener, lookups, outcome);
}

struct frame *listener_refresh_until(struct listener *listener, frame_condition holds, const void *argument)
{
	int64_t deadline = when_monotonic() + PATIENCE;
	for (;;) {
		struct frame *frame = listener_refresh(listener);
		if (holds(frame, argument))
			return frame;
		if (when_monotonic() > deadline)
			fail_msg("no frame was as it should be");
	}
}

struct frame *listener_await_frame(struct listener *listener, frame_condition holds, const void *argument)
{
	int64_t asked = when_monotonic(), deadline = asked + PATIENCE;
	for (;;) {
		unsigned frames = listener->frames;
		hear_or_fail(listener, deadline, "frame that is as it should be");
		if (listener->frames != frames &&
		    listener->frame->received_at - listener->frame->snapshot->cost.round_trip >= asked &&
		    holds(listener->frame, argument))
			return listener->frame;
		if (when_monotonic() > deadline)
			fail_msg("no frame was as it should be");
	}
}

const struct session *listener_session(const struct listener *listener, PGconn *conn)
{
	const struct snapshot *snapshot = listener->frame->snapshot;
	uint32_t index = snapshot_find_pid(snapshot, PQbackendPID(conn));
	assert_int_not_equal(index, SNAPSHOT_NO_INDEX);
	return &snapshot->sessions[index];
}

void listener_command(struct listener *listener, enum source_command_kind kind)
{
	struct source_command command = { .kind = kind };
	listener->source->ops->send(listener->source, &command);
}

void listener_select(struct listener *listener, PGconn *conn)
{
	struct source_command command = { .kind = COMMAND_SELECTED,
					  .selected.pid = PQbackendPID(conn),
					  .all_locks = true };
	listener->source->ops->send(listener->source, &command);
}

void listener_send_signal(struct listener *listener, const struct signal_request *request)
{
	struct source_command command = { .kind = COMMAND_SIGNAL, .signal = *request };
	listener->source->ops->send(listener->source, &command);
}

struct signal_request listener_request(struct listener *listener, PGconn *target, enum signal_verb verb)
{
	const struct session *session = listener_session(listener, target);
	return (struct signal_request){
		.serial = 4711,
		.verb = verb,
		.target = session->id,
		.query_start = session->query_start,
		.not_after = listener->frame->snapshot->taken_at + 60 * WHEN_SECOND,
		.server_epoch = listener->frame->server_epoch,
	};
}
