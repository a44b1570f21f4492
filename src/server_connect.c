#include "server_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST_VERSION = 100000, PASSWORD_TRIES = 3, DEFAULT_TIMEOUT = 10 };

#define SLOT_PAUSE (WHEN_SECOND / 2)
#define FIRST_BACKOFF (WHEN_SECOND / 2)
#define LAST_BACKOFF (15 * WHEN_SECOND)

enum connect_end {
	CONNECT_DONE,
	CONNECT_STOPPED,
	CONNECT_NO_SLOT,
	CONNECT_PASSWORD, /* one is needed, or the one that was given is wrong */
	CONNECT_FAILED
};

/* Errors outside of any answer: warnings, and the last words of a server that closes the connection. */
static void receive_notice(void *context, const PGresult *result)
{
	struct server *server = context;
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (!message)
		return;
	err_set(&server->notice, "%s", message);
	snprintf(server->notice.sqlstate, sizeof server->notice.sqlstate, "%s", sqlstate ? sqlstate : "");
	exchange_note_warning(server);
}

/* While a lost connection is tried again, the screen goes on saying that it is lost. */
static void set_connecting(struct server *server, enum source_state state)
{
	if (server->was_live || server->status.state == SOURCE_NO_SLOT)
		return;
	const char *host = server->conn ? PQhost(server->conn) : NULL;
	if (host)
		snprintf(server->status.host, sizeof server->status.host, "%s", host);
	if (server->status.state != state || server->status.since_monotonic == 0)
		server_set_state(server, state, "");
}

/* While it is lost, the reason for that gives way to what is awaited now. */
void server_say_unanswered(struct server *server, const char *text)
{
	if (!server->was_live || strcmp(server->status.text, text) == 0)
		return;
	snprintf(server->status.text, sizeof server->status.text, "%s", text);
	server_publish_status(server);
}

static void note_stage(struct server *server)
{
	ConnStatusType status = PQstatus(server->conn);
	bool accepted = status == CONNECTION_AWAITING_RESPONSE || status == CONNECTION_AUTH_OK;
	set_connecting(server, accepted ? SOURCE_AUTHENTICATING : SOURCE_CONNECTING);
	if (server->was_live && accepted)
		server_say_unanswered(server,
				      "accepted again, but authentication is unanswered: a catalog may be locked");
}

static bool wait_for_socket(struct server *server, PostgresPollingStatusType wanted, int64_t deadline)
{
	struct pollfd fds[] = {
		{ PQsocket(server->conn), wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0 },
		{ server->queues.command_fd, POLLIN, 0 },
	};
	int64_t left = deadline - when_monotonic();
	int timeout = deadline == INT64_MAX ? -1 : left <= 0 ? 0 : (int)(left / MILLISECOND + 1);
	if (poll(fds, 2, timeout) < 0)
		return false;
	if (fds[1].revents) {
		server_receive_commands(server);
		signal_refuse_all(server, "there is no connection to the server");
	}
	return fds[0].revents != 0;
}

/* 0 and less mean "without end" to libpq, and 1 is taken for 2. */
static int64_t connect_timeout(struct server *server)
{
	char *text = server_effective_option(server->conn, "connect_timeout");
	int64_t seconds = text ? strtol(text, NULL, 10) : DEFAULT_TIMEOUT;
	free(text);
	if (seconds <= 0)
		return INT64_MAX;
	return (seconds < 2 ? 2 : seconds < 86400 ? seconds : 86400) * WHEN_SECOND;
}

/* Where nobody looks on, all of it, up to the first snapshot, must come within the one time. */
static int64_t connect_deadline(struct server *server)
{
	int64_t now = when_monotonic();
	server->timeout = connect_timeout(server);
	int64_t deadline = server->timeout == INT64_MAX ? INT64_MAX : now + server->timeout;
	server->give_up_at = server->options.interactive ? INT64_MAX : deadline;
	return deadline;
}

/* Once the server has accepted, its silence is a catalog that is locked: another try would only leave another hanging.
 */
static bool timed_out(const struct server *server, int64_t deadline)
{
	bool accepted =
		PQstatus(server->conn) == CONNECTION_AWAITING_RESPONSE || PQstatus(server->conn) == CONNECTION_AUTH_OK;
	return when_monotonic() >= deadline && !(accepted && server->options.interactive);
}

enum poll_end { POLL_CONNECTED, POLL_FAILED, POLL_STOPPED, POLL_TIMED_OUT };

static enum poll_end poll_connection(struct server *server)
{
	int64_t deadline = connect_deadline(server);
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	for (;;) {
		note_stage(server);
		if (server->agenda.stop)
			return POLL_STOPPED;
		if (timed_out(server, deadline))
			return POLL_TIMED_OUT;
		bool waits_on = when_monotonic() >= deadline;
		if (!wait_for_socket(server, next, waits_on ? INT64_MAX : deadline))
			continue;
		next = PQconnectPoll(server->conn);
		if (next == PGRES_POLLING_OK)
			return POLL_CONNECTED;
		if (next == PGRES_POLLING_FAILED)
			return POLL_FAILED;
	}
}

/* A host or address that keeps silent: only libpq's blocking call goes from it to the next. */
static enum poll_end connect_blocking(struct server *server)
{
	char *timeout = server_effective_option(server->conn, "connect_timeout");
	struct server_params params = server_connect_params(server, timeout ? timeout : "10");
	PQfinish(server->conn);
	server->conn = PQconnectdbParams(params.keywords, params.values, 1);
	free(timeout);
	server_receive_commands(server);
	if (server->agenda.stop)
		return POLL_STOPPED;
	return PQstatus(server->conn) == CONNECTION_OK ? POLL_CONNECTED : POLL_FAILED;
}

static bool has_several_hosts(PGconn *conn)
{
	char *host = server_effective_option(conn, "host");
	char *address = server_effective_option(conn, "hostaddr");
	bool several = (host && strchr(host, ',')) || (address && strchr(address, ','));
	free(host);
	free(address);
	return several;
}

static enum poll_end open_connection(struct server *server)
{
	struct server_params params = server_connect_params(server, NULL);
	set_connecting(server, SOURCE_CONNECTING);
	server->conn = PQconnectStartParams(params.keywords, params.values, 1);
	if (!server->conn)
		err_die("out of memory");
	if (PQstatus(server->conn) == CONNECTION_BAD)
		return POLL_FAILED;
	/* With the SQLSTATE in the text, the one way to have it before libpq 17 and in any language. */
	PQsetErrorVerbosity(server->conn, PQERRORS_VERBOSE);
	enum poll_end end = poll_connection(server);
	bool unreachable = PQstatus(server->conn) == CONNECTION_STARTED || has_several_hosts(server->conn);
	return end == POLL_TIMED_OUT && unreachable ? connect_blocking(server) : end;
}

/* "FATAL:  53300: sorry, too many clients already": takes the SQLSTATE out of the text. */
static void extract_sqlstate(struct err *err)
{
	for (char *c = err->text; (c = strstr(c, ":  ")); c++) {
		char *state = c + 3;
		if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 || strncmp(state + 5, ": ", 2) != 0)
			continue;
		memcpy(err->sqlstate, state, 5);
		err->sqlstate[5] = '\0';
		memmove(state, state + 7, strlen(state + 7) + 1);
		return;
	}
}

static enum connect_end classify_failure(struct server *server, enum poll_end end)
{
	PGconn *conn = server->conn;
	struct err *err = &server->loss;
	if (end == POLL_STOPPED)
		return CONNECT_STOPPED;
	server_connection_error(PQerrorMessage(conn), err);
	extract_sqlstate(err);
	if (end == POLL_TIMED_OUT && server->status.state == SOURCE_AUTHENTICATING)
		err_set(err, "accepted, but authentication is unanswered: "
			     "a catalog (pg_authid, pg_database …) may be locked");
	else if (end == POLL_TIMED_OUT)
		err_set(err, "connection to server at \"%s\" failed: no answer in time", PQhost(conn));
	if (slots_are_short(err)) {
		slots_explain(PQerrorMessage(conn), err);
		return CONNECT_NO_SLOT;
	}
	bool wrong = PQconnectionUsedPassword(conn) && strncmp(err->sqlstate, "28", 2) == 0;
	server->password_refused = wrong;
	return PQconnectionNeedsPassword(conn) || wrong ? CONNECT_PASSWORD : CONNECT_FAILED;
}

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

/* Not PostgreSQL, or too old: said before any statement fails for it. */
static bool check_server(struct server *server)
{
	const char *version = PQparameterStatus(server->conn, "server_version");
	server->version = PQserverVersion(server->conn);
	if (server->version >= OLDEST_VERSION)
		return true;
	return err_set(&server->loss, "the server says that it is version %s: PostgreSQL 10 or later is needed",
		       version ? version : "unknown");
}

static enum connect_end connect_once(struct server *server)
{
	enum poll_end end = open_connection(server);
	if (end != POLL_CONNECTED)
		return classify_failure(server, end);
	PQsetErrorVerbosity(server->conn, PQERRORS_DEFAULT);
	wipe(&server->agenda.password);
	wipe(&server->password);
	PQsetNoticeReceiver(server->conn, receive_notice, server);
	if (!check_server(server))
		return CONNECT_FAILED;
	if (PQsetnonblocking(server->conn, 1) != 0 || !PQenterPipelineMode(server->conn)) {
		err_set(&server->loss, "could not prepare the connection: %s", PQerrorMessage(server->conn));
		return CONNECT_FAILED;
	}
	memset(server->prepared, 0, sizeof server->prepared);
	snprintf(server->status.host, sizeof server->status.host, "%s", PQhost(server->conn));
	snprintf(server->status.user, sizeof server->status.user, "%s", PQuser(server->conn));
	return CONNECT_DONE;
}

void server_disconnect(struct server *server)
{
	if (!server->conn)
		return;
	const char *password = PQpass(server->conn);
	if (server->live && password && *password) {
		wipe(&server->password);
		server->password = strdup(password);
	}
	server->live = false;
	server->exchange.in_flight = false;
	PQfinish(server->conn);
	server->conn = NULL;
}

/* Waits, and hears commands meanwhile; a wish to refresh ends the wait. False: stop. */
static bool pause_until(struct server *server, int64_t deadline)
{
	server->agenda.refresh = false;
	while (!server->agenda.stop && !server->agenda.refresh && when_monotonic() < deadline) {
		server_wait(server, deadline);
		signal_refuse_all(server, "there is no connection to the server");
	}
	return !server->agenda.stop;
}

static bool wait_for_slot(struct server *server)
{
	server->status.retry_at = when_monotonic() + SLOT_PAUSE;
	if (server->status.state == SOURCE_NO_SLOT)
		server_publish_status(server);
	else
		server_set_state(server, SOURCE_NO_SLOT, server->loss.text);
	return pause_until(server, server->status.retry_at);
}

/* A slot is free for moments only: it is tried for often. */
static bool wait_for_retry(struct server *server, bool no_slot)
{
	server->backoff = server->backoff == 0 ? FIRST_BACKOFF : server->backoff * 2;
	if (server->backoff > LAST_BACKOFF)
		server->backoff = LAST_BACKOFF;
	server->status.retry_at = when_monotonic() + (no_slot ? SLOT_PAUSE : server->backoff);
	if (server->status.state == SOURCE_LOST) {
		snprintf(server->status.text, sizeof server->status.text, "%.500s", server->loss.text);
		server_publish_status(server);
	} else {
		server_set_state(server, SOURCE_LOST, server->loss.text);
	}
	return pause_until(server, server->status.retry_at);
}

static bool fail(struct server *server)
{
	server_set_state(server, SOURCE_FAILED, server->loss.text);
	return false;
}

static void guess_user(struct server *server)
{
	const char *user = server->options.connect.user;
	PQconninfoOption *defaults = PQconndefaults();
	for (PQconninfoOption *option = defaults; !user && option && option->keyword; option++)
		if (strcmp(option->keyword, "user") == 0)
			user = option->val;
	snprintf(server->status.user, sizeof server->status.user, "%s", user ? user : "");
	PQconninfoFree(defaults);
}

/* False: stopped, or there will be none. */
static bool ask_password(struct server *server)
{
	struct agenda *agenda = &server->agenda;
	if (server->options.connect.never_prompt || server->password_tries++ >= PASSWORD_TRIES)
		return fail(server);
	if (server->conn)
		snprintf(server->status.user, sizeof server->status.user, "%s", PQuser(server->conn));
	else
		guess_user(server);
	wipe(&agenda->password);
	agenda->password_answered = false;
	server->status.password_known = server->password_given && server->password_refused;
	server_set_state(server, SOURCE_PASSWORD, server->loss.text);
	while (!agenda->stop && !agenda->password_answered)
		server_wait(server, INT64_MAX);
	server->password_given = agenda->password != NULL;
	if (!agenda->stop && !agenda->password) {
		if (!server->loss.text[0])
			err_set(&server->loss, "no password was given");
		return fail(server);
	}
	return !agenda->stop;
}

/* What to do about a connection that could not be had. False: nothing, it is over. */
static bool recover(struct server *server, enum connect_end end)
{
	bool retries = server->options.interactive;
	if (end == CONNECT_STOPPED)
		return false;
	if (server->was_live) {
		if (end == CONNECT_PASSWORD)
			wipe(&server->password);
		return retries ? wait_for_retry(server, end == CONNECT_NO_SLOT) : fail(server);
	}
	if (end == CONNECT_PASSWORD)
		return ask_password(server);
	return end == CONNECT_NO_SLOT && retries ? wait_for_slot(server) : fail(server);
}

bool server_recover(struct server *server)
{
	return recover(server, CONNECT_FAILED);
}

void server_forget_passwords(struct server *server)
{
	wipe(&server->agenda.password);
	wipe(&server->password);
}

bool server_connect(struct server *server)
{
	bool first = !server->was_live && server->password_tries == 0;
	if (first && server->options.connect.always_prompt && !ask_password(server))
		return false;
	for (;;) {
		server->status.attempt++;
		server->status.retry_at = WHEN_NONE;
		if (server->was_live)
			server_publish_status(server);
		enum connect_end end = connect_once(server);
		if (end == CONNECT_DONE)
			return true;
		bool again = recover(server, end);
		PQfinish(server->conn);
		server->conn = NULL;
		if (!again)
			return false;
	}
}
