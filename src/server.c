#include "server_private.h"

#include "thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHORTEST_INTERVAL (WHEN_SECOND / 10)
#define LONGEST_INTERVAL (3600 * WHEN_SECOND)
#define STOP_WAIT (100 * MILLISECOND)

const struct server_limits server_limits_default = {
	.first_statement = 5 * WHEN_SECOND,
	.silence = 30 * WHEN_SECOND,
	.announce = 250 * MILLISECOND,
	.preempt = 50 * MILLISECOND,
	.unsent = 3 * WHEN_SECOND,
	.unanswered = 5 * WHEN_SECOND,
	.watch = 3 * WHEN_SECOND,
	.names = 50 * MILLISECOND,
	.names_once = WHEN_SECOND,
	.settle_once = 500 * MILLISECOND,
	.settle_all = 2 * WHEN_SECOND,
	.watch_below = 0.7,
};

/* ---- what is told ---- */

void server_publish_status(struct server *server)
{
	struct news news = { .kind = NEWS_STATUS, .status = server->status };
	queues_publish(&server->queues, &news);
}

void server_set_state(struct server *server, enum source_state state, const char *text)
{
	struct source_status *status = &server->status;
	status->state = state;
	status->since = when_wall_clock();
	status->since_monotonic = when_monotonic();
	status->asked_at = WHEN_NONE;
	status->stage[0] = '\0';
	snprintf(status->text, sizeof status->text, "%s", text);
	server_publish_status(server);
}

/* ---- what is heard ---- */

static int64_t clamp_interval(int64_t interval)
{
	if (interval < SHORTEST_INTERVAL)
		return SHORTEST_INTERVAL;
	return interval > LONGEST_INTERVAL ? LONGEST_INTERVAL : interval;
}

static void change_interval(struct server *server, int64_t interval)
{
	int64_t next = when_monotonic() + clamp_interval(interval);
	server->agenda.interval = clamp_interval(interval);
	pace_reset(server);
	if (next < server->next_refresh)
		server->next_refresh = next;
	server_publish_status(server);
}

static void change_frozen(struct server *server, bool frozen)
{
	server->agenda.frozen = frozen;
	server->agenda.refresh = !frozen;
	if (server->live)
		server_set_state(server, frozen ? SOURCE_FROZEN : SOURCE_LIVE, "");
}

/* What it holds that nobody wants is read only while it is looked at. */
static void select_session(struct agenda *agenda, const struct source_command *command)
{
	bool known = agenda->all_of_selected && identity_equal(agenda->selected, command->selected);
	agenda->selected = command->selected;
	agenda->all_of_selected = command->all_locks;
	agenda->refresh |= command->all_locks && !known;
}

static void obey(struct server *server, const struct source_command *command)
{
	switch (command->kind) {
	case COMMAND_REFRESH:
		server->agenda.refresh = true;
		if (server->options.once && server->timeout != INT64_MAX)
			server->give_up_at = when_monotonic() + server->timeout;
		break;
	case COMMAND_INTERVAL:
		change_interval(server, command->interval);
		break;
	case COMMAND_FREEZE:
		change_frozen(server, true);
		break;
	case COMMAND_THAW:
		change_frozen(server, false);
		break;
	case COMMAND_SIGNAL:
		signal_add_job(server, &command->signal);
		break;
	case COMMAND_CHECK:
		server->agenda.check = true;
		break;
	case COMMAND_SELECTED:
		select_session(&server->agenda, command);
		break;
	case COMMAND_LOOKUP:
		server->agenda.lookup_database = command->database;
		server->agenda.refresh = true;
		break;
	}
}

static void take_password(struct agenda *agenda, struct server_command *command)
{
	if (agenda->password)
		explicit_bzero(agenda->password, strlen(agenda->password));
	free(agenda->password);
	agenda->password = command->password;
	agenda->password_answered = true;
	command->password = NULL;
}

void server_receive_commands(struct server *server)
{
	struct server_command *command = queues_receive(&server->queues);
	while (command) {
		struct server_command *next = command->next;
		if (command->kind == SERVER_STOP)
			server->agenda.stop = true;
		else if (command->kind == SERVER_PASSWORD)
			take_password(&server->agenda, command);
		else if (command->kind == SERVER_LOOKUP)
			lookup_receive(server, &command->lookup);
		else
			obey(server, &command->command);
		server_command_free(command);
		command = next;
	}
}

/* ---- the sampler's thread ---- */

/* Bytes without a question: the server's last words, or the end of the connection. */
static bool read_idle(struct server *server)
{
	bool alive = PQconsumeInput(server->conn);
	alive = !PQisBusy(server->conn) && alive && PQstatus(server->conn) == CONNECTION_OK;
	if (!alive && server->notice.text[0])
		server->loss = server->notice;
	else if (!alive)
		server_connection_error(PQerrorMessage(server->conn), &server->loss);
	return alive;
}

bool server_wait(struct server *server, int64_t deadline)
{
	int64_t left = deadline == INT64_MAX ? INT64_MAX : deadline - when_monotonic();
	int timeout = left == INT64_MAX ? -1 : left <= 0 ? 0 : (int)(left / MILLISECOND + 1);
	bool connected = server->conn && PQstatus(server->conn) == CONNECTION_OK;
	struct pollfd fds[] = {
		{ server->queues.command_fd, POLLIN, 0 },
		{ connected ? PQsocket(server->conn) : -1, POLLIN, 0 },
	};
	if (poll(fds, 2, timeout) < 0)
		return true;
	if (fds[0].revents)
		server_receive_commands(server);
	return !fds[1].revents || read_idle(server);
}

void server_begin_epoch(struct server *server)
{
	server->epoch++;
	server->deadlocks_at_start = -1;
	server->first_taken_at = WHEN_NONE;
	server->waiting = -1;
	questions_release(&server->questions);
	watch_release(&server->watch);
	sessions_release(&server->sessions);
	groups_release(&server->groups);
	names_release(&server->names);
}

static bool refresh_is_due(const struct server *server)
{
	if (server->agenda.frozen)
		return false;
	if (server->agenda.refresh)
		return true;
	return (!server->options.once || server->once_again) && when_monotonic() >= server->next_refresh;
}

static int64_t next_event(const struct server *server)
{
	bool by_itself = !server->agenda.frozen && (!server->options.once || server->once_again);
	int64_t refresh = by_itself ? server->next_refresh : INT64_MAX;
	return when_earlier(when_earlier(refresh, server->warm_at), signal_next_look(server));
}

/* Until the connection is lost or the source is stopped. */
static void live(struct server *server)
{
	server->live = true;
	server->was_live = true;
	server->backoff = 0;
	server->status.attempt = 0;
	server->status.retry_at = WHEN_NONE;
	server->agenda.refresh = true;
	server_set_state(server, server->agenda.frozen ? SOURCE_FROZEN : SOURCE_LIVE, "");
	bool read = false; /* the first frame goes before the rest of the warming */
	while (!server->agenda.stop) {
		if (!signal_step(server))
			return;
		if ((read || !refresh_is_due(server)) && when_monotonic() >= server->warm_at) {
			if (!server_warm_rest(server))
				return;
			continue;
		}
		if (refresh_is_due(server)) {
			if (!server_refresh(server))
				return;
			read = true;
			continue;
		}
		if (server->agenda.check) {
			if (!server_check(server))
				return;
			continue;
		}
		if (!server->agenda.to_send && !server_wait(server, next_event(server)))
			return;
	}
}

static void *run(void *argument)
{
	struct server *server = argument;
	while (server_connect(server)) {
		if (server_warm(server))
			live(server);
		if (server->exchange.in_flight)
			exchange_abandon(server);
		server_disconnect(server);
		if (server->agenda.stop || !server_recover(server))
			break;
	}
	signal_lose_all(server, "there is no connection to the server");
	lookup_end(server);
	return NULL;
}

/* ---- the source ---- */

static int source_fd(struct source *source)
{
	return ((struct server *)source)->queues.news_fd;
}

static struct news source_take(struct source *source)
{
	return queues_take(&((struct server *)source)->queues);
}

static void source_send(struct source *source, const struct source_command *command)
{
	struct server *server = (struct server *)source;
	struct server_command sent = { .kind = SERVER_COMMAND, .command = *command };
	ensure(command->kind != COMMAND_SIGNAL || !server->read_only);
	queues_send(&server->queues, &sent);
}

static void source_give_password(struct source *source, const char *password)
{
	char *copy = password ? strdup(password) : NULL;
	struct server_command sent = { .kind = SERVER_PASSWORD, .password = copy };
	queues_send(&((struct server *)source)->queues, &sent);
	if (copy)
		explicit_bzero(copy, strlen(copy));
	free(copy);
}

static void server_free(struct server *owned)
{
	questions_release(&owned->questions);
	watch_release(&owned->watch);
	sessions_release(&owned->sessions);
	groups_release(&owned->groups);
	names_release(&owned->names);
	decoder_free(owned->decoder);
	free(owned->facts.system_identifier);
	free(owned->signature);
	server_forget_passwords(owned);
	server_free_options(&owned->options);
	queues_release(&owned->queues);
	free(owned);
}

static bool source_stop(struct source *owned)
{
	struct server *server = (struct server *)owned;
	struct server_command stop = { .kind = SERVER_STOP };
	queues_send(&server->queues, &stop);
	/* Where it hangs inside libpq all of it is left to it: the process ends soon. */
	if (!thread_join(server->thread, STOP_WAIT))
		return false;
	server_free(server);
	return true;
}

static const struct source_ops server_ops = {
	.fd = source_fd,
	.take = source_take,
	.send = source_send,
	.give_password = source_give_password,
	.stop = source_stop,
};

static void init(struct server *server, const struct server_limits *limits)
{
	server->source.ops = &server_ops;
	server->limits = *limits;
	server->read_only = server->options.read_only;
	server->agenda.interval = clamp_interval(server->options.interval);
	pace_reset(server);
	server->status.retry_at = WHEN_NONE;
	server->status.asked_at = WHEN_NONE;
	server->exchange.cancel_fd = -1;
	server->names.rights_at = server->names.databases_at = WHEN_NONE;
	server->questions.scale = 1;
	server->give_up_at = server->timeout = INT64_MAX;
	server->epoch = 1;
	server->waiting = -1;
	server->deadlocks_at_start = -1;
	server->first_taken_at = WHEN_NONE;
	server->decoder = decoder_new();
}

struct source *server_new_with(const struct server_options *options, const struct server_limits *limits,
			       struct err *err)
{
	if (!server_check_options(&options->connect, err))
		return NULL;
	struct server *server = calloc(1, sizeof *server);
	if (!server || !server_copy_options(server, options))
		err_die("out of memory (%zu bytes)", sizeof *server);
	init(server, limits);
	if (queues_init(&server->queues, err)) {
		if (thread_start(&server->thread, "sampler", run, server))
			return &server->source;
		err_set(err, "could not start a thread");
	}
	server_free(server);
	return NULL;
}

struct source *source_server_new(const struct server_options *options, struct err *err)
{
	return server_new_with(options, &server_limits_default, err);
}
