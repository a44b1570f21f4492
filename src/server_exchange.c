#include "server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CANCEL_WAIT = 50 /* ms */ };

/* ---- cancelling, which blocks in libpq ---- */

struct cancel_helper {
	PGcancel *cancel;
	int done_fd; /* closing it says that PQcancel has returned */
};

static void *run_cancel(void *argument)
{
	struct cancel_helper *helper = argument;
	char message[EXCHANGE_BUFFER];
	PQcancel(helper->cancel, message, sizeof message);
	PQfreeCancel(helper->cancel);
	close(helper->done_fd);
	free(helper);
	return NULL;
}

static bool start_detached(struct cancel_helper *helper)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, run_cancel, helper) != 0)
		return false;
	pthread_detach(thread);
	return true;
}

int server_cancel_start(PGconn *conn)
{
	int ends[2];
	struct cancel_helper *helper = calloc(1, sizeof *helper);
	PGcancel *cancel = PQgetCancel(conn);
	if (!helper || !cancel || pipe2(ends, O_CLOEXEC) != 0) {
		free(helper);
		PQfreeCancel(cancel);
		return -1;
	}
	*helper = (struct cancel_helper){ cancel, ends[1] };
	if (start_detached(helper))
		return ends[0];
	close(ends[0]);
	close(ends[1]);
	PQfreeCancel(cancel);
	free(helper);
	return -1;
}

/* ---- sending ---- */

static const int all_binary[QUERY_MAX_PARAMS] = { 1, 1, 1, 1 };

void exchange_begin(struct server *server)
{
	struct exchange *exchange = &server->exchange;
	ensure(!exchange->in_flight);
	*exchange = (struct exchange){ .cancel_fd = -1, .in_flight = true };
	server->notice = (struct err){ .text = "" };
	exchange->started_at = exchange->last_byte_at = when_monotonic();
}

/* Must be said before the first result of the statement is looked at. */
static void want_single_rows(struct server *server)
{
	const struct exchange *exchange = &server->exchange;
	if (exchange->current < exchange->count && !exchange->awaits_sync && exchange->items[exchange->current].streams)
		PQsetSingleRowMode(server->conn);
}

static struct exchange_item *add_item(struct server *server, const char *name, bool sent)
{
	struct exchange *exchange = &server->exchange;
	ensure(exchange->count < EXCHANGE_MAX);
	struct exchange_item *item = &exchange->items[exchange->count++];
	*item = (struct exchange_item){ .name = name, .query = QUERY_NONE };
	exchange->broken |= !sent;
	return item;
}

void exchange_add_text(struct server *server, const char *name, const char *sql)
{
	bool sent = PQsendQueryParams(server->conn, sql, 0, NULL, NULL, NULL, NULL, 1);
	add_item(server, name, sent);
}

static bool begins_group(const struct exchange *exchange)
{
	return exchange->count == 0 || exchange->items[exchange->count - 1].syncs;
}

/* Where others use the connection, too, each group begins with its settings. */
static const struct query *add_prepared(struct server *server, enum query_id id)
{
	const struct query *query = query_find(id, server->version);
	if (server->facts.pooled && begins_group(&server->exchange))
		exchange_add_text(server, "set_config", query_local_settings());
	if (server->prepared[id])
		return query;
	bool sent = PQsendPrepare(server->conn, query->name, query->text, query->param_count, query->params);
	struct exchange_item *item = add_item(server, query->name, sent);
	item->query = id;
	item->prepares = true;
	return query;
}

void exchange_prepare(struct server *server, enum query_id id)
{
	add_prepared(server, id);
}

void exchange_add_query(struct server *server, enum query_id id, const struct query_params *params, row_handler handle,
			void *context)
{
	const struct query *query = add_prepared(server, id);
	ensure((params ? params->count : 0) == query->param_count);
	bool sent = PQsendQueryPrepared(server->conn, query->name, query->param_count, params ? params->values : NULL,
					params ? params->lengths : NULL, all_binary, 1);
	struct exchange_item *item = add_item(server, query->name, sent);
	item->query = id;
	item->columns = query->columns;
	item->handle = handle;
	item->context = context;
}

void exchange_add_commented(struct server *server, enum query_id id, const char *comment,
			    const struct query_params *params, row_handler handle, void *context)
{
	const struct query *query = query_find(id, server->version);
	struct strbuf text = STRBUF_INIT;
	ensure(params->count == query->param_count);
	strbuf_printf(&text, "/* %s */ %s", comment, query->text);
	bool sent = PQsendQueryParams(server->conn, text.text, query->param_count, query->params, params->values,
				      params->lengths, all_binary, 1);
	strbuf_release(&text);
	struct exchange_item *item = add_item(server, query->name, sent);
	item->columns = query->columns;
	item->handle = handle;
	item->context = context;
}

void exchange_stream(struct server *server)
{
	struct exchange *exchange = &server->exchange;
	ensure(exchange->count > 0);
	exchange->items[exchange->count - 1].streams = true;
	if (exchange->count == 1)
		want_single_rows(server);
}

void exchange_sync(struct server *server)
{
	struct exchange *exchange = &server->exchange;
	if (begins_group(exchange))
		return; /* nothing was added to it: all was prepared */
	exchange->items[exchange->count - 1].syncs = true;
	exchange->broken |= !PQpipelineSync(server->conn);
}

/* ---- receiving ---- */

static void handle_row(struct exchange_item *item, const PGresult *result, int row)
{
	struct row_field fields[EXCHANGE_COLUMNS];
	for (int i = 0; i < item->columns; i++) {
		fields[i].length = PQgetlength(result, row, i);
		if (fields[i].length > 0) {
			fields[i].data = PQgetvalue(result, row, i);
			continue;
		}
		fields[i].data = "";
		fields[i].length = PQgetisnull(result, row, i) ? -1 : 0;
	}
	item->failed = !item->handle(item->context, fields, &item->err);
}

/* All rows of a statement, or those that have come, or none any more. */
static void handle_rows(struct exchange_item *item, const PGresult *result)
{
	int rows = PQntuples(result);
	if (rows == 0 || !item->handle || item->failed)
		return;
	if (PQnfields(result) != item->columns) {
		item->failed = true;
		err_set(&item->err, "%s answered with %d columns, not %d", item->name, PQnfields(result),
			item->columns);
	}
	for (int row = 0; row < rows && !item->failed; row++)
		handle_row(item, result, row);
}

/*
 * Statements are prepared once a connection, under names of this program's own. Where one is not there, or is there
 * already, a pooler has given us a backend that others have used.
 */
static bool is_pooler_s(const char *sqlstate)
{
	return sqlstate && (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0);
}

static void handle_error(struct exchange_item *item, const PGresult *result)
{
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (item->failed)
		return; /* the first error tells why */
	item->failed = true;
	if (is_pooler_s(sqlstate))
		err_set(&item->err, "through a pooler: connect to the server itself");
	else if (message)
		err_set(&item->err, "%s%s%s", message, detail ? ": " : "", detail ? detail : "");
	else
		server_connection_error(PQresultErrorMessage(result), &item->err);
	snprintf(item->err.sqlstate, sizeof item->err.sqlstate, "%s", sqlstate ? sqlstate : "");
}

/* What the error before it in its group left undone. */
static void handle_skipped(struct exchange *exchange, struct exchange_item *item)
{
	item->failed = true;
	if (item > exchange->items)
		item->err = item[-1].err;
}

/* It came amid the answer to a statement, and is about that one. */
void exchange_note_warning(struct server *server)
{
	struct exchange *exchange = &server->exchange;
	if (!exchange->in_flight || exchange->current >= exchange->count)
		return;
	struct exchange_item *item = &exchange->items[exchange->current];
	if (!item->failed)
		item->err = server->notice;
}

static void finish_item(struct server *server)
{
	struct exchange *exchange = &server->exchange;
	struct exchange_item *item = &exchange->items[exchange->current];
	if (item->prepares && !item->failed)
		server->prepared[item->query] = true;
	if (item->syncs)
		exchange->awaits_sync = true;
	else
		exchange->current++;
	want_single_rows(server);
}

static void finish_group(struct server *server)
{
	server->exchange.awaits_sync = false;
	server->exchange.current++;
	want_single_rows(server);
}

static void handle_result(struct server *server, const PGresult *result)
{
	struct exchange *exchange = &server->exchange;
	struct exchange_item *item = &exchange->items[exchange->current];
	switch (PQresultStatus(result)) {
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_OK:
		handle_rows(item, result);
		break;
	case PGRES_COMMAND_OK:
		break;
	case PGRES_PIPELINE_SYNC:
		finish_group(server);
		break;
	case PGRES_PIPELINE_ABORTED:
		handle_skipped(exchange, item);
		break;
	default:
		handle_error(item, result);
	}
}

static bool is_done(const struct exchange *exchange)
{
	return exchange->current >= exchange->count;
}

static bool is_broken(const struct server *server)
{
	return server->exchange.broken || PQstatus(server->conn) == CONNECTION_BAD;
}

/* Made by libpq, which goes on making them for ever on a pipeline whose connection is gone. */
static bool is_own_error(const struct server *server, const PGresult *result)
{
	return PQstatus(server->conn) == CONNECTION_BAD && PQresultStatus(result) == PGRES_FATAL_ERROR &&
	       !PQresultErrorField(result, PG_DIAG_SQLSTATE);
}

/* All results that have come, without waiting: the last words of a lost connection, too. False: it is lost. */
static bool take_results(struct server *server)
{
	struct exchange *exchange = &server->exchange;
	bool over = exchange->broken;
	while (!over && !is_done(exchange) && !PQisBusy(server->conn)) {
		PGresult *result = PQgetResult(server->conn);
		over = is_own_error(server, result);
		if (result && !over)
			handle_result(server, result);
		else if (!over)
			finish_item(server);
		PQclear(result);
	}
	return is_done(exchange) || !(over || is_broken(server));
}

/* ---- waiting ---- */

static enum exchange_end lose(struct server *server, const char *why)
{
	const struct exchange_item *failed = exchange_failed(&server->exchange);
	if (why)
		err_set(&server->loss, "%s", why);
	else if (failed && strncmp(failed->err.sqlstate, "57P", 3) == 0)
		server->loss = failed->err;
	else if (server->notice.text[0])
		server->loss = server->notice;
	else
		server_connection_error(PQerrorMessage(server->conn), &server->loss);
	if (server->exchange.cancel_fd >= 0)
		close(server->exchange.cancel_fd);
	server->exchange.cancel_fd = -1;
	server->exchange.in_flight = false;
	return EXCHANGE_LOST;
}

/* Since when a signal has waited for the server; behind other signals it has as long as those are answered. */
static int64_t oldest_unsent(const struct server *server)
{
	const struct exchange *exchange = &server->exchange;
	const struct signal_job *job = server->agenda.to_send;
	if (!job)
		return INT64_MAX;
	return exchange->guarded && exchange->last_byte_at > job->received_at ? exchange->last_byte_at
									      : job->received_at;
}

/* A signal does not wait behind a slow statement: that one is cancelled. */
static void preempt(struct server *server, int64_t now)
{
	struct exchange *exchange = &server->exchange;
	int64_t oldest = oldest_unsent(server);
	if (oldest == INT64_MAX)
		return;
	if (now >= oldest + server->limits.unsent) {
		signal_refuse_all(server, "the server does not answer, and nothing was sent");
		return;
	}
	if (!exchange->guarded && !exchange->preempted && now >= oldest + server->limits.preempt) {
		exchange->preempted = true;
		exchange->cancelled_at = now;
		exchange->cancel_fd = server_cancel_start(server->conn);
	}
}

/* A PQcancel that does not return is left to itself; it may hit a later statement, which is then asked again. */
static bool cancel_over(struct server *server, int64_t now)
{
	struct exchange *exchange = &server->exchange;
	if (exchange->cancel_fd < 0)
		return true;
	if (now < exchange->cancelled_at + server->limits.unsent)
		return false;
	close(exchange->cancel_fd);
	exchange->cancel_fd = -1;
	return true;
}

static void announce(struct server *server, int64_t now)
{
	struct exchange *exchange = &server->exchange;
	if (exchange->announced || now < exchange->started_at + server->limits.announce)
		return;
	exchange->announced = true;
	server->status.asked_at = exchange->started_at;
	if (exchange->current < exchange->count)
		snprintf(server->status.stage, sizeof server->status.stage, "%s",
			 exchange->items[exchange->current].name);
	server_publish_status(server);
}

static int64_t next_deadline(const struct server *server, int64_t deadline)
{
	const struct exchange *exchange = &server->exchange;
	const struct server_limits *limits = &server->limits;
	int64_t oldest = oldest_unsent(server);
	if (!exchange->patient)
		deadline = when_earlier(deadline, exchange->last_byte_at + limits->silence);
	if (!exchange->announced)
		deadline = when_earlier(deadline, exchange->started_at + limits->announce);
	bool waits = exchange->preempted || exchange->guarded;
	if (oldest != INT64_MAX)
		deadline = when_earlier(deadline, oldest + (waits ? limits->unsent : limits->preempt));
	if (exchange->cancel_fd >= 0)
		deadline = when_earlier(deadline, exchange->cancelled_at + limits->unsent);
	return deadline;
}

static int poll_timeout(int64_t deadline)
{
	enum { LONGEST = 3600 * 1000 };
	int64_t left = deadline - when_monotonic();
	if (left <= 0)
		return 0;
	return left / MILLISECOND >= LONGEST ? LONGEST : (int)(left / MILLISECOND + 1);
}

/* Until something comes or the deadline passes. False: the connection is lost. */
static bool wait_for_bytes(struct server *server, int64_t deadline)
{
	struct exchange *exchange = &server->exchange;
	int unsent = PQflush(server->conn);
	if (unsent < 0)
		return false;
	struct pollfd fds[] = {
		{ PQsocket(server->conn), (short)(POLLIN | (unsent ? POLLOUT : 0)), 0 },
		{ server->queues.command_fd, POLLIN, 0 },
		{ exchange->cancel_fd, POLLIN, 0 },
	};
	if (poll(fds, 3, poll_timeout(deadline)) < 0)
		return errno == EINTR;
	if (fds[1].revents)
		server_receive_commands(server);
	if (fds[2].revents && exchange->cancel_fd >= 0) {
		close(exchange->cancel_fd);
		exchange->cancel_fd = -1;
	}
	if (!(fds[0].revents & ~POLLOUT))
		return true;
	exchange->last_byte_at = when_monotonic();
	return PQconsumeInput(server->conn);
}

static enum exchange_end finish(struct server *server)
{
	server->exchange.in_flight = false;
	if (server->exchange.announced) {
		server->status.asked_at = WHEN_NONE;
		server->status.stage[0] = '\0';
		server_publish_status(server);
	}
	return EXCHANGE_DONE;
}

/* A statement that runs on, or hangs on a lock, would outlive its connection. */
void exchange_abandon(struct server *server)
{
	int fd = server->conn ? server_cancel_start(server->conn) : -1;
	struct pollfd wait = { fd, POLLIN, 0 };
	if (fd < 0)
		return;
	poll(&wait, 1, CANCEL_WAIT);
	close(fd);
}

static bool is_silent(const struct server *server, int64_t now)
{
	const struct exchange *exchange = &server->exchange;
	return !exchange->patient && !is_done(exchange) && now >= exchange->last_byte_at + server->limits.silence;
}

enum exchange_end exchange_wait(struct server *server, int64_t deadline)
{
	struct exchange *exchange = &server->exchange;
	for (;;) {
		if (!take_results(server))
			return lose(server, NULL);
		int64_t now = when_monotonic();
		if (is_done(exchange) && cancel_over(server, now))
			return finish(server);
		if (server->agenda.stop)
			return EXCHANGE_STOPPED;
		if (is_silent(server, now)) {
			exchange_abandon(server);
			return lose(server, "no byte from the server for too long");
		}
		preempt(server, now);
		announce(server, now);
		if (now >= deadline)
			return EXCHANGE_PENDING;
		if (!wait_for_bytes(server, next_deadline(server, deadline)) &&
		    !(take_results(server) && is_done(exchange)))
			return lose(server, NULL);
	}
}

const struct exchange_item *exchange_failed(const struct exchange *exchange)
{
	for (unsigned i = 0; i < exchange->count; i++)
		if (exchange->items[i].failed)
			return &exchange->items[i];
	return NULL;
}
