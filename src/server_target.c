#include "aftermath.h"
#include "server_signal.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_LOOK (10 * MILLISECOND)

void target_watch(struct server *server, struct signal_job *owned)
{
	owned->look_pause = FIRST_LOOK;
	owned->next_look = owned->sent_at + FIRST_LOOK;
	owned->next = server->agenda.watched;
	server->agenda.watched = owned;
}

int64_t signal_next_look(const struct server *server)
{
	int64_t next = server->agenda.ended || server->agenda.not_sent ? 0 : INT64_MAX;
	for (const struct signal_job *job = server->agenda.watched; job; job = job->next)
		if (job->next_look < next)
			next = job->next_look;
	return next;
}

/* ---- looking at the targets ---- */

/* The server's own words are ASCII; an extension may name its waits as it likes, in any encoding. */
static void take_word(struct row_field field, char word[static SIGNAL_WORD])
{
	int length = 0;
	for (; length < field.length && length < SIGNAL_WORD - 1; length++)
		word[length] = field.data[length] >= ' ' && field.data[length] <= '~' ? (char)field.data[length] : '?';
	word[length] = '\0';
}

static bool handle_target(void *context, const struct row_field *fields, struct err *err)
{
	struct signal_target *target = context;
	*target = (struct signal_target){ .there = true, .backend_start = WHEN_NONE, .query_start = WHEN_NONE };
	take_word(fields[1], target->state);
	take_word(fields[4], target->wait_event_type);
	take_word(fields[5], target->wait_event);
	target->active = strcmp(target->state, "active") == 0;
	return rows_take_optional_int64(fields[0], "backend_start", &target->backend_start, err) &&
	       rows_take_optional_int64(fields[2], "query_start", &target->query_start, err) &&
	       rows_take_int64(fields[3], "clock_timestamp", &target->clock, err) &&
	       rows_take_optional_oid(fields[6], "backend_xid", &target->backend_xid, err);
}

/* In one group: within a transaction the server takes stock of its sessions once. */
bool target_look(struct server *server, const struct signal_batch *batch, bool *known)
{
	exchange_begin(server);
	for (unsigned i = 0; i < batch->count; i++) {
		struct signal_job *job = batch->jobs[i];
		struct query_params params = { .count = 0 };
		job->target = (struct signal_target){ .there = false };
		query_add_int32(&params, job->request.target.pid);
		exchange_add_query(server, QUERY_TARGET, &params, handle_target, &job->target);
	}
	exchange_sync(server);
	enum exchange_end end = exchange_wait(server, INT64_MAX);
	*known = end == EXCHANGE_DONE && !exchange_failed(&server->exchange);
	return end == EXCHANGE_DONE;
}

bool target_has_ended(const struct signal_target *target, const struct signal_request *request)
{
	return !target->there || target->backend_start != request->target.backend_start;
}

static bool has_moved_on(const struct signal_target *target, const struct signal_request *request)
{
	return !target->active || target->query_start != request->query_start;
}

/* ---- their end ---- */

static void explain_end(const struct signal_job *job, enum signal_outcome outcome, struct strbuf *text)
{
	const struct signal_target *target = &job->target;
	const struct aftermath session = { target->state[0] ? target->state : NULL,
					   target->wait_event_type[0] ? target->wait_event_type : NULL,
					   target->wait_event[0] ? target->wait_event : NULL, target->backend_xid };
	if (outcome == SIGNAL_STILL_THERE)
		aftermath_add_still_there(job->request.verb, &session, text);
	else if (outcome == SIGNAL_STOPPED)
		aftermath_add_stopped(&session, text);
}

static struct news end_news(const struct signal_job *job, enum signal_outcome outcome)
{
	struct news news = { .kind = NEWS_SIGNAL };
	news.signal.request = job->request;
	news.signal.outcome = outcome;
	news.signal.elapsed = when_monotonic() - job->sent_at;
	news.signal.waiting_before = job->waiting_before;
	news.signal.waiting_after = -1;
	return news;
}

/* Those who come to their end together are told of after one reading. */
static void conclude(struct server *server, struct signal_job *job, enum signal_outcome outcome)
{
	struct strbuf text = STRBUF_INIT;
	explain_end(job, outcome, &text);
	job->end = end_news(job, outcome).signal;
	snprintf(job->end.text, sizeof job->end.text, "%.500s", text.text);
	strbuf_release(&text);
	job->next = server->agenda.ended;
	server->agenda.ended = job;
}

static int64_t target_deadline(const struct server *server, const struct signal_job *job)
{
	return job->sent_at + (job->request.watch > 0 ? job->request.watch : server->limits.watch);
}

static bool find_end(const struct server *server, const struct signal_job *job, enum signal_outcome *outcome)
{
	if (target_has_ended(&job->target, &job->request))
		*outcome = SIGNAL_GONE;
	else if (job->request.verb == SIGNAL_CANCEL && has_moved_on(&job->target, &job->request))
		*outcome = SIGNAL_STOPPED;
	else if (when_monotonic() >= target_deadline(server, job))
		*outcome = SIGNAL_STILL_THERE;
	else
		return false;
	return true;
}

static void look_again_later(struct server *server, struct signal_job *job)
{
	int64_t now = when_monotonic(), end = target_deadline(server, job);
	bool past_end = now < end && now + job->look_pause > end;
	job->next_look = past_end ? end : now + job->look_pause;
	job->look_pause *= 2;
	job->next = server->agenda.watched;
	server->agenda.watched = job;
}

/* Those whose time has come, no longer in the agenda. */
static struct signal_batch take_due(struct server *server)
{
	int64_t now = when_monotonic();
	struct signal_batch batch = { .count = 0 };
	for (struct signal_job **link = &server->agenda.watched; *link && batch.count < SIGNALS_AT_ONCE;) {
		struct signal_job *job = *link;
		if (job->next_look > now) {
			link = &job->next;
			continue;
		}
		*link = job->next;
		batch.jobs[batch.count++] = job;
	}
	return batch;
}

/* Where it could not be read they stay watched, as when the connection was lost. */
static bool look_at_batch(struct server *server, const struct signal_batch *batch)
{
	enum signal_outcome outcome;
	bool known, alive = target_look(server, batch, &known);
	for (unsigned i = 0; i < batch->count; i++) {
		if (known && find_end(server, batch->jobs[i], &outcome))
			conclude(server, batch->jobs[i], outcome);
		else
			look_again_later(server, batch->jobs[i]);
	}
	return alive;
}

void targets_tell_ended(struct server *server, uint64_t frame_serial)
{
	while (server->agenda.ended) {
		struct signal_job *job = server->agenda.ended;
		struct news news = { .kind = NEWS_SIGNAL, .signal = job->end };
		news.signal.frame_serial = frame_serial;
		if (frame_serial != 0)
			news.signal.waiting_after = server->waiting;
		queues_publish(&server->queues, &news);
		server->agenda.ended = job->next;
		if (news.signal.outcome != SIGNAL_STILL_THERE) {
			free(job);
			continue;
		}
		/* Told; what is known of it comes with the refreshes from now on. */
		job->next = server->agenda.late;
		server->agenda.late = job;
	}
}

/* A fresh reading tells how many wait now. */
static bool report_ended(struct server *server)
{
	uint64_t serial = server->serial;
	bool alive = server->agenda.frozen || server_refresh(server);
	targets_tell_ended(server, server->serial != serial ? server->serial : 0);
	return alive;
}

bool targets_step(struct server *server)
{
	struct signal_batch due = take_due(server);
	if (due.count > 0)
		return look_at_batch(server, &due);
	return !server->agenda.ended || report_ended(server);
}

/* ---- and later ---- */

/* By a whole reading, which costs nothing more. */
static bool has_ended_late(const struct server *server, const struct snapshot *snapshot, struct signal_job *job)
{
	uint32_t index = snapshot_find(snapshot, job->request.target);
	if (index == SNAPSHOT_NO_INDEX || job->request.server_epoch != server->epoch) {
		job->outcome = SIGNAL_GONE;
		return true;
	}
	const struct session *session = &snapshot->sessions[index];
	job->outcome = SIGNAL_STOPPED;
	return job->request.verb == SIGNAL_CANCEL &&
	       (session->state != SESSION_ACTIVE || session->query_start != job->request.query_start);
}

void signal_look_late(struct server *server, const struct snapshot *snapshot)
{
	for (struct signal_job *job = server->agenda.late; job; job = job->next)
		job->over = has_ended_late(server, snapshot, job);
}

void signal_report_late(struct server *server)
{
	for (struct signal_job **link = &server->agenda.late; *link;) {
		struct signal_job *job = *link;
		if (!job->over) {
			link = &job->next;
			continue;
		}
		struct news news = end_news(job, job->outcome);
		news.signal.late = true;
		news.signal.waiting_after = server->waiting;
		news.signal.frame_serial = server->serial;
		queues_publish(&server->queues, &news);
		*link = job->next;
		free(job);
	}
}
