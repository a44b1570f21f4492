#include "server_signal.h"

#include "pglocktop/operator.h"
#include "pglocktop/version.h"

#include <stdlib.h>
#include <string.h>

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

void signal_lose_all(struct server *server, const char *why)
{
	targets_tell_ended(server, 0);
	signal_refuse_all(server, why);
	drop_all(server, &server->agenda.not_sent, SIGNAL_NOT_SENT, "it was not sent");
	drop_all(server, &server->agenda.watched, SIGNAL_UNKNOWN, why);
	drop_all(server, &server->agenda.late, SIGNAL_UNKNOWN, why);
}

/* ---- sending ---- */

static bool handle_sent(void *context, const struct row_field *fields, struct err *err)
{
	struct signal_job *job = context;
	job->tried = true;
	return rows_take_bool(fields[0], "the signal's result", &job->sent, err);
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
 * server's caches is there since the warm-up. A group, and so a transaction, of its own: the server reads the target's
 * state once in each.
 */
static void add_statement(struct server *server, const struct signal_request *request, const char *comment,
			  struct signal_job *job)
{
	bool cancels = request->verb == SIGNAL_CANCEL;
	struct query_params params = { .count = 0 };
	query_add_int32(&params, request->target.pid);
	query_add_int64(&params, request->target.backend_start);
	if (cancels)
		query_add_int64(&params, request->query_start);
	query_add_int64(&params, request->not_after);
	exchange_add_commented(server, cancels ? QUERY_CANCEL : QUERY_TERMINATE, comment, &params,
			       job ? handle_sent : NULL, job);
	exchange_sync(server);
}

/* With pid 0, which no session has: the statements run, their functions are looked up, and nothing is signalled. */
void signal_add_warm(struct server *server)
{
	struct strbuf comment = STRBUF_INIT;
	strbuf_printf(&comment, "%s warms up: no session has pid 0", find_signature(server));
	for (int verb = SIGNAL_CANCEL; verb <= SIGNAL_TERMINATE; verb++) {
		const struct signal_request nobody = { .verb = (enum signal_verb)verb };
		add_statement(server, &nobody, comment.text, NULL);
	}
	strbuf_release(&comment);
}

/* The next ones that may be asked for, no longer in the agenda. */
static struct signal_batch take_batch(struct server *server)
{
	struct signal_batch batch = { .count = 0 };
	struct err why;
	while (server->agenda.to_send && batch.count < SIGNALS_AT_ONCE) {
		struct signal_job *job = server->agenda.to_send;
		server->agenda.to_send = job->next;
		if (check_request(server, &job->request, &why)) {
			batch.jobs[batch.count++] = job;
			continue;
		}
		report(server, job, SIGNAL_NOT_SENT, &why);
		free(job);
	}
	return batch;
}

/* One behind the other, without waiting for answers in between: with many the server is not to wait for us each time.
 */
static void send_batch(struct server *server, const struct signal_batch *batch)
{
	exchange_begin(server);
	server->exchange.guarded = true;
	for (unsigned i = 0; i < batch->count; i++) {
		struct signal_job *job = batch->jobs[i];
		struct strbuf comment = STRBUF_INIT;
		add_comment(server, &job->request, &comment);
		job->waiting_before = server->waiting;
		job->sent_at = when_monotonic();
		job->item = server->exchange.count;
		add_statement(server, &job->request, comment.text, job);
		strbuf_release(&comment);
	}
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

/* Its statement has its answer. Takes the job. */
static void conclude_sending(struct server *server, struct signal_job *owned)
{
	const struct exchange_item *item = &server->exchange.items[owned->item];
	if (!item->failed && owned->sent) {
		report(server, owned, SIGNAL_SENT, NULL);
		target_watch(server, owned);
		return;
	}
	owned->sent_at = WHEN_NONE;
	if (!item->failed) {
		owned->warning = item->err;
		owned->next = server->agenda.not_sent;
		server->agenda.not_sent = owned;
		return;
	}
	report_error(server, owned, &item->err);
	free(owned);
}

static bool is_answered(const struct server *server, const struct signal_job *job)
{
	return job->item < server->exchange.current;
}

static void report_unanswered(struct server *server, const struct signal_batch *batch, const struct err *why)
{
	for (unsigned i = 0; i < batch->count; i++)
		if (!is_answered(server, batch->jobs[i]))
			report(server, batch->jobs[i], SIGNAL_UNKNOWN, why);
}

/* False: lost or stopped. */
static bool send_next(struct server *server)
{
	struct signal_batch batch = take_batch(server);
	struct err why;
	if (batch.count == 0)
		return true;
	send_batch(server, &batch);
	enum exchange_end end = exchange_wait(server, when_monotonic() + server->limits.unanswered);
	if (end == EXCHANGE_PENDING) {
		err_set(&why, "no answer: it may have been sent");
		report_unanswered(server, &batch, &why);
		end = exchange_wait(server, INT64_MAX);
	} else if (end == EXCHANGE_LOST) {
		report_unanswered(server, &batch, &server->loss);
	}
	for (unsigned i = 0; i < batch.count; i++) {
		if (is_answered(server, batch.jobs[i]))
			conclude_sending(server, batch.jobs[i]);
		else
			free(batch.jobs[i]);
	}
	return end == EXCHANGE_DONE;
}

/* ---- why nothing was sent ---- */

static void explain_guard(const struct signal_target *target, const struct signal_request *request, struct err *why)
{
	int32_t pid = request->target.pid;
	if (!target->there)
		err_set(why, "%d has ended", pid);
	else if (target_has_ended(target, request))
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

/* The server was asked, and no signal went out: either it would not, or there was nobody to send it to. */
static void report_not_sent(struct server *server, const struct signal_job *job, bool known)
{
	struct err why = job->warning;
	if (job->tried && known && !target_has_ended(&job->target, &job->request)) {
		report(server, job, SIGNAL_REFUSED, &why);
		return;
	}
	if (known)
		explain_guard(&job->target, &job->request, &why);
	else if (!why.text[0])
		err_set(&why, "it was not sent");
	report(server, job, SIGNAL_NOT_SENT, &why);
}

/* False: lost or stopped. */
static bool explain_next(struct server *server)
{
	struct signal_batch batch = { .count = 0 };
	bool known;
	while (server->agenda.not_sent && batch.count < SIGNALS_AT_ONCE) {
		batch.jobs[batch.count++] = server->agenda.not_sent;
		server->agenda.not_sent = server->agenda.not_sent->next;
	}
	bool alive = target_look(server, &batch, &known);
	for (unsigned i = 0; i < batch.count; i++) {
		report_not_sent(server, batch.jobs[i], known);
		free(batch.jobs[i]);
	}
	return alive;
}

bool signal_step(struct server *server)
{
	while (server->agenda.to_send)
		if (!send_next(server))
			return false;
	if (server->agenda.not_sent)
		return explain_next(server);
	return targets_step(server);
}
