#include "aftermath.h"
#include "server_private.h"

#include "pglocktop/operator.h"
#include "pglocktop/version.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_LOOK (10 * MILLISECOND)

/* ---- jobs and their news ---- */

void signal_add_job(struct server *server, const struct signal_request *request)
{
	struct signal_job *job = calloc(1, sizeof *job);
	struct signal_job **link = &server->agenda.to_send;
	if (!job)
		err_die("out of memory (a signal)");
	job->request = *request;
	job->received_at = when_monotonic();
	job->sent_at = WHEN_NONE;
	job->waiting_before = -1;
	while (*link)
		link = &(*link)->next;
	*link = job;
}

static void report(struct server *server, const struct signal_job *job, enum signal_outcome outcome,
		   const struct err *why)
{
	struct news news = { .kind = NEWS_SIGNAL };
	news.signal.request = job->request;
	news.signal.outcome = outcome;
	news.signal.elapsed = job->sent_at == WHEN_NONE ? WHEN_NONE : when_monotonic() - job->sent_at;
	news.signal.waiting_before = job->waiting_before;
	news.signal.waiting_after = -1;
	if (why) {
		snprintf(news.signal.text, sizeof news.signal.text, "%.500s", why->text);
		snprintf(news.signal.sqlstate, sizeof news.signal.sqlstate, "%s", why->sqlstate);
	}
	queues_publish(&server->queues, &news);
}

static void drop_all(struct server *server, struct signal_job **jobs, enum signal_outcome outcome, const char *why)
{
	struct err err;
	err_set(&err, "%s", why);
	while (*jobs) {
		struct signal_job *job = *jobs;
		*jobs = job->next;
		report(server, job, outcome, &err);
		free(job);
	}
}

void signal_refuse_all(struct server *server, const char *why)
{
	drop_all(server, &server->agenda.to_send, SIGNAL_NOT_SENT, why);
}

static void tell_ended(struct server *server, uint64_t frame_serial);

void signal_lose_all(struct server *server, const char *why)
{
	tell_ended(server, 0);
	signal_refuse_all(server, why);
	drop_all(server, &server->agenda.watched, SIGNAL_UNKNOWN, why);
	drop_all(server, &server->agenda.late, SIGNAL_UNKNOWN, why);
}

int64_t signal_next_look(const struct server *server)
{
	int64_t next = server->agenda.ended ? 0 : INT64_MAX;
	for (const struct signal_job *job = server->agenda.watched; job; job = job->next)
		if (job->next_look < next)
			next = job->next_look;
	return next;
}

/* ---- looking at the target ---- */

enum { WORD_SIZE = 64 };

struct target {
	bool there; /* a session with this pid */
	bool active;
	int64_t backend_start, query_start, clock;
	char state[WORD_SIZE], wait_event_type[WORD_SIZE], wait_event[WORD_SIZE]; /* "": none */
	uint32_t backend_xid;
};

/* The server's own words are ASCII; an extension may name its waits as it likes, in any encoding. */
static void take_word(struct row_field field, char word[static WORD_SIZE])
{
	int length = 0;
	for (; length < field.length && length < WORD_SIZE - 1; length++)
		word[length] = field.data[length] >= ' ' && field.data[length] <= '~' ? (char)field.data[length] : '?';
	word[length] = '\0';
}

static bool handle_target(void *context, const struct row_field *fields, struct err *err)
{
	struct target *target = context;
	*target = (struct target){ .there = true, .backend_start = WHEN_NONE, .query_start = WHEN_NONE };
	take_word(fields[1], target->state);
	take_word(fields[4], target->wait_event_type);
	take_word(fields[5], target->wait_event);
	target->active = strcmp(target->state, "active") == 0;
	return rows_take_optional_int64(fields[0], "backend_start", &target->backend_start, err) &&
	       rows_take_optional_int64(fields[2], "query_start", &target->query_start, err) &&
	       rows_take_int64(fields[3], "clock_timestamp", &target->clock, err) &&
	       rows_take_optional_oid(fields[6], "backend_xid", &target->backend_xid, err);
}

/* `known` false: it could not be read. False: lost or stopped. */
static bool look_at_target(struct server *server, int32_t pid, struct target *target, bool *known)
{
	struct query_params params = { .count = 0 };
	*target = (struct target){ .there = false };
	query_add_int32(&params, pid);
	exchange_begin(server);
	exchange_add_query(server, QUERY_TARGET, &params, handle_target, target);
	exchange_sync(server);
	enum exchange_end end = exchange_wait(server, INT64_MAX);
	*known = end == EXCHANGE_DONE && !exchange_failed(&server->exchange);
	return end == EXCHANGE_DONE;
}

static bool has_ended(const struct target *target, const struct signal_request *request)
{
	return !target->there || target->backend_start != request->target.backend_start;
}

static bool has_moved_on(const struct target *target, const struct signal_request *request)
{
	return !target->active || target->query_start != request->query_start;
}

static void explain_guard(const struct target *target, const struct signal_request *request, struct err *why)
{
	int32_t pid = request->target.pid;
	if (!target->there)
		err_set(why, "%d has ended", pid);
	else if (has_ended(target, request))
		err_set(why, "%d has ended, and another session has its pid now", pid);
	else if (request->verb == SIGNAL_CANCEL && !target->active)
		err_set(why, "the query of %d had ended", pid);
	else if (request->verb == SIGNAL_CANCEL && target->query_start != request->query_start)
		err_set(why, "%d runs another query by now", pid);
	else if (target->clock >= request->not_after)
		err_set(why, "the time for it was over before the server came to it");
	else
		err_set(why, "%d was not what it should be for a moment", pid);
}

/* ---- sending ---- */

static bool handle_sent(void *context, const struct row_field *fields, struct err *err)
{
	return rows_take_bool(fields[0], "the signal's result", context, err);
}

/* Nothing that the server would have to be asked for. */
static bool check_request(const struct server *server, const struct signal_request *request, struct err *why)
{
	if (request->server_epoch != server->epoch)
		return err_set(why, "the server was restarted, or is another one");
	if (request->target.backend_start == WHEN_NONE)
		return err_set(why, "its start time is hidden, so nothing would guard the signal");
	if (request->target.pid <= 0 || request->target.pid == server->facts.own_pid)
		return err_set(why, "this program's own session is never signalled");
	return true;
}

/* "pglocktop 0.1.0 maria@desk7", as it may stand in a comment. */
static const char *find_signature(struct server *server)
{
	if (server->signature)
		return server->signature;
	struct operator who;
	struct strbuf text = STRBUF_INIT;
	operator_find(&who);
	strbuf_add_string(&text, "pglocktop " PGLOCKTOP_VERSION " ");
	operator_add_harmless(&text, who.user);
	strbuf_add_char(&text, '@');
	operator_add_harmless(&text, who.host);
	server->signature = strbuf_detach(&text);
	return server->signature;
}

/* Who signals whom, in the server's own log. */
static void add_comment(struct server *server, const struct signal_request *request, struct strbuf *out)
{
	strbuf_printf(out, "%s %s %d ", find_signature(server),
		      request->verb == SIGNAL_CANCEL ? "cancels" : "terminates", (int)request->target.pid);
	operator_add_harmless(out, request->user);
	strbuf_add_char(out, '@');
	operator_add_harmless(out, request->database);
}

/*
 * Not prepared, so that the comment can say whom it is about. What looking up its functions and types loads into the
 * server's caches is there since the warm-up.
 */
static void add_statement(struct server *server, const struct signal_request *request, const char *comment, bool *sent)
{
	bool cancels = request->verb == SIGNAL_CANCEL;
	struct query_params params = { .count = 0 };
	query_add_int32(&params, request->target.pid);
	query_add_int64(&params, request->target.backend_start);
	if (cancels)
		query_add_int64(&params, request->query_start);
	query_add_int64(&params, request->not_after);
	exchange_add_commented(server, cancels ? QUERY_CANCEL : QUERY_TERMINATE, comment, &params,
			       sent ? handle_sent : NULL, sent);
	exchange_sync(server);
}

static void send_statement(struct server *server, const struct signal_request *request, bool *sent)
{
	struct strbuf comment = STRBUF_INIT;
	add_comment(server, request, &comment);
	exchange_begin(server);
	server->exchange.guarded = true;
	add_statement(server, request, comment.text, sent);
	strbuf_release(&comment);
}

/* With pid 0, which no session has: the statements run, their functions are looked up, and nothing is signalled. */
void signal_add_warm(struct server *server)
{
	struct query_params target = { .count = 0 };
	struct strbuf comment = STRBUF_INIT;
	query_add_int32(&target, 0);
	exchange_add_query(server, QUERY_TARGET, &target, NULL, NULL);
	exchange_sync(server);
	strbuf_printf(&comment, "%s warms up: no session has pid 0", find_signature(server));
	for (int verb = SIGNAL_CANCEL; verb <= SIGNAL_TERMINATE; verb++) {
		const struct signal_request nobody = { .verb = (enum signal_verb)verb };
		add_statement(server, &nobody, comment.text, NULL);
	}
	strbuf_release(&comment);
}

/* The server was asked, and no signal went out: either it would not, or there was nobody to send it to. */
static bool report_not_sent(struct server *server, const struct signal_job *job, bool tried)
{
	struct err why = server->notice;
	struct target target;
	bool known;
	if (!look_at_target(server, job->request.target.pid, &target, &known)) {
		err_set(&why, "it was not sent");
		report(server, job, SIGNAL_NOT_SENT, &why);
		return false;
	}
	if (tried && known && !has_ended(&target, &job->request)) {
		report(server, job, SIGNAL_REFUSED, &why);
		return true;
	}
	if (known)
		explain_guard(&target, &job->request, &why);
	report(server, job, SIGNAL_NOT_SENT, &why);
	return true;
}

static void report_error(struct server *server, const struct signal_job *job, const struct err *err)
{
	enum signal_outcome outcome = SIGNAL_NOT_SENT;
	if (strcmp(err->sqlstate, "42501") == 0)
		outcome = SIGNAL_REFUSED;
	else if (strcmp(err->sqlstate, "57014") == 0)
		outcome = SIGNAL_UNKNOWN;
	report(server, job, outcome, err);
}

static void watch(struct server *server, struct signal_job *owned)
{
	owned->look_pause = FIRST_LOOK;
	owned->next_look = owned->sent_at + FIRST_LOOK;
	owned->next = server->agenda.watched;
	server->agenda.watched = owned;
}

/* The statement has its answer. Takes the job. False: lost or stopped. */
static bool conclude_sending(struct server *server, struct signal_job *owned, bool sent)
{
	const struct exchange_item *failed = exchange_failed(&server->exchange);
	bool tried = server->exchange.items[server->exchange.count - 1].rows > 0;
	bool alive = true;
	if (!failed && sent) {
		report(server, owned, SIGNAL_SENT, NULL);
		watch(server, owned);
		return true;
	}
	owned->sent_at = WHEN_NONE;
	if (failed)
		report_error(server, owned, &failed->err);
	else
		alive = report_not_sent(server, owned, tried);
	free(owned);
	return alive;
}

static bool send_job(struct server *server, struct signal_job *owned)
{
	struct err why;
	bool sent = false;
	if (!check_request(server, &owned->request, &why)) {
		report(server, owned, SIGNAL_NOT_SENT, &why);
		free(owned);
		return true;
	}
	owned->waiting_before = server->waiting;
	owned->sent_at = when_monotonic();
	send_statement(server, &owned->request, &sent);
	enum exchange_end end = exchange_wait(server, owned->sent_at + server->limits.unanswered);
	if (end == EXCHANGE_PENDING) {
		err_set(&why, "no answer: it may have been sent");
		report(server, owned, SIGNAL_UNKNOWN, &why);
		end = exchange_wait(server, INT64_MAX);
	} else if (end == EXCHANGE_LOST) {
		report(server, owned, SIGNAL_UNKNOWN, &server->loss);
	}
	if (end == EXCHANGE_DONE)
		return conclude_sending(server, owned, sent);
	free(owned);
	return false;
}

/* ---- watching what comes of it ---- */

static void explain_end(const struct signal_job *job, const struct target *target, enum signal_outcome outcome,
			struct strbuf *text)
{
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
static void conclude_watch(struct server *server, struct signal_job **link, const struct target *target,
			   enum signal_outcome outcome)
{
	struct signal_job *job = *link;
	struct strbuf text = STRBUF_INIT;
	explain_end(job, target, outcome, &text);
	job->end = end_news(job, outcome).signal;
	snprintf(job->end.text, sizeof job->end.text, "%.500s", text.text);
	strbuf_release(&text);
	*link = job->next;
	job->next = server->agenda.ended;
	server->agenda.ended = job;
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

/* Told; what is known of it comes with the refreshes from now on. */
static void watch_late(struct server *server, struct signal_job *owned)
{
	owned->next = server->agenda.late;
	server->agenda.late = owned;
}

static void tell_ended(struct server *server, uint64_t frame_serial)
{
	while (server->agenda.ended) {
		struct signal_job *job = server->agenda.ended;
		struct news news = { .kind = NEWS_SIGNAL, .signal = job->end };
		news.signal.frame_serial = frame_serial;
		if (frame_serial != 0)
			news.signal.waiting_after = server->waiting;
		queues_publish(&server->queues, &news);
		server->agenda.ended = job->next;
		if (news.signal.outcome == SIGNAL_STILL_THERE)
			watch_late(server, job);
		else
			free(job);
	}
}

/* A fresh reading tells how many wait now. */
static bool report_ended(struct server *server)
{
	uint64_t serial = server->serial;
	bool alive = server->agenda.frozen || server_refresh(server);
	tell_ended(server, server->serial != serial ? server->serial : 0);
	return alive;
}

static int64_t watch_end(const struct server *server, const struct signal_job *job)
{
	return job->sent_at + (job->request.watch > 0 ? job->request.watch : server->limits.watch);
}

static bool find_end(const struct server *server, const struct signal_job *job, const struct target *target,
		     enum signal_outcome *outcome)
{
	if (has_ended(target, &job->request))
		*outcome = SIGNAL_GONE;
	else if (job->request.verb == SIGNAL_CANCEL && has_moved_on(target, &job->request))
		*outcome = SIGNAL_STOPPED;
	else if (when_monotonic() >= watch_end(server, job))
		*outcome = SIGNAL_STILL_THERE;
	else
		return false;
	return true;
}

static bool look_at_job(struct server *server, struct signal_job **link)
{
	struct signal_job *job = *link;
	struct target target;
	enum signal_outcome outcome;
	bool known;
	if (!look_at_target(server, job->request.target.pid, &target, &known))
		return false;
	if (!known || !find_end(server, job, &target, &outcome)) {
		int64_t now = when_monotonic(), end = watch_end(server, job);
		bool past_end = now < end && now + job->look_pause > end;
		job->next_look = past_end ? end : now + job->look_pause;
		job->look_pause *= 2;
		return true;
	}
	conclude_watch(server, link, &target, outcome);
	return true;
}

static struct signal_job **find_due(struct server *server)
{
	int64_t now = when_monotonic();
	for (struct signal_job **link = &server->agenda.watched; *link; link = &(*link)->next)
		if ((*link)->next_look <= now)
			return link;
	return NULL;
}

bool signal_step(struct server *server)
{
	while (server->agenda.to_send) {
		struct signal_job *job = server->agenda.to_send;
		server->agenda.to_send = job->next;
		if (!send_job(server, job))
			return false;
	}
	struct signal_job **due = find_due(server);
	if (due)
		return look_at_job(server, due);
	return !server->agenda.ended || report_ended(server);
}
