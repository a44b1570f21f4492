/*
 * The names of another database's relations: only a connection to that database can tell them. One is opened when
 * somebody asks for it, by a thread of its own, so that nothing that it meets (a catalog that is locked there, a slow
 * handshake) holds up a refresh; what it found comes back through the queue of commands.
 */
#include "server_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LOOKUP_PARAMS = 64, LOOKUP_RELATIONS = 1000 };

#define LOOKUP_TIME (2 * WHEN_SECOND)

struct lookup {
	struct server_queues *queues; /* outlives it: the sampler waits for the thread's end */
	pthread_t thread;
	int stop_fd; /* readable: end */
	int64_t deadline; /* monotonic; INT64_MAX: it has been said that no answer came, and is only waited for now */
	PGconn *conn;
	struct lookup_answer answer;
	unsigned param_count;
	char *keywords[LOOKUP_PARAMS], *values[LOOKUP_PARAMS];
	uint32_t *oids;
	uint32_t oid_count;
};

/* ---- in its own thread ---- */

static void post(struct lookup *lookup)
{
	struct server_command told = { .kind = SERVER_LOOKUP, .lookup = lookup->answer };
	queues_send(lookup->queues, &told);
	lookup->answer.rows = NULL;
}

/*
 * After the deadline, too: as long as the server's process may still hang on what is locked there, the connection is
 * kept, so that one knows when it is over and does not leave a second one hanging.
 */
static void give_up(struct lookup *lookup, const char *what)
{
	err_set(&lookup->answer.err, "no answer in 2 s to %s: one of its catalogs may be locked", what);
	lookup->deadline = INT64_MAX;
	post(lookup);
}

/* False: it is to end. */
static bool wait_for(struct lookup *lookup, short events, const char *what)
{
	struct pollfd fds[] = { { PQsocket(lookup->conn), events, 0 }, { lookup->stop_fd, POLLIN, 0 } };
	for (;;) {
		int64_t left = lookup->deadline - when_monotonic();
		int timeout = lookup->deadline == INT64_MAX ? -1 : left <= 0 ? 0 : (int)(left / MILLISECOND + 1);
		int ready = poll(fds, 2, timeout);
		if (ready < 0 && errno != EINTR)
			return false;
		if (ready > 0)
			return fds[1].revents == 0;
		if (ready < 0)
			continue;
		give_up(lookup, what);
		if (PQstatus(lookup->conn) == CONNECTION_STARTED)
			return false; /* the server has not even accepted it: there is no process of it */
	}
}

static bool fail(struct lookup *lookup)
{
	server_connection_error(PQerrorMessage(lookup->conn), &lookup->answer.err);
	return false;
}

static bool open_connection(struct lookup *lookup)
{
	const char *keywords[LOOKUP_PARAMS + 1] = { NULL }, *values[LOOKUP_PARAMS + 1] = { NULL };
	for (unsigned i = 0; i < lookup->param_count; i++) {
		keywords[i] = lookup->keywords[i];
		values[i] = lookup->values[i];
	}
	lookup->conn = PQconnectStartParams(keywords, values, 0);
	if (!lookup->conn)
		return err_set(&lookup->answer.err, "out of memory");
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	while (PQstatus(lookup->conn) != CONNECTION_BAD && next != PGRES_POLLING_OK) {
		if (!wait_for(lookup, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, "the new connection"))
			return false;
		next = PQconnectPoll(lookup->conn);
	}
	return PQstatus(lookup->conn) == CONNECTION_OK || fail(lookup);
}

static bool flush(struct lookup *lookup, const char *what)
{
	int unsent;
	while ((unsent = PQflush(lookup->conn)) > 0)
		if (!wait_for(lookup, POLLOUT, what))
			return false;
	return unsent == 0 || fail(lookup);
}

/* The last result of what was sent, or NULL with the error. */
static PGresult *await_result(struct lookup *lookup, const char *what)
{
	PGresult *result = NULL, *next;
	if (!flush(lookup, what))
		return NULL;
	for (;;) {
		while (PQisBusy(lookup->conn))
			if (!wait_for(lookup, POLLIN, what) || !PQconsumeInput(lookup->conn))
				goto failed;
		next = PQgetResult(lookup->conn);
		if (!next)
			return result;
		PQclear(result);
		result = next;
		ExecStatusType status = PQresultStatus(result);
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
			goto failed;
	}
failed:
	fail(lookup);
	PQclear(result);
	return NULL;
}

static bool run(struct lookup *lookup, const char *sql)
{
	if (!PQsendQuery(lookup->conn, sql))
		return fail(lookup);
	PGresult *result = await_result(lookup, sql);
	PQclear(result);
	return result != NULL;
}

/* SELECT 1 first, and nothing before it has its answer: see run_first_statement() in server_warm.c. */
static bool prepare(struct lookup *lookup)
{
	return run(lookup, "select 1") &&
	       run(lookup, "set search_path = ''; set lock_timeout = '250ms'; set statement_timeout = '1s';"
			   " set default_transaction_read_only = on");
}

static bool ask(struct lookup *lookup)
{
	static const int binary[] = { 1 };
	struct arena arena = ARENA_INIT;
	struct query_params params = { .count = 0 };
	const struct query *query = query_find(QUERY_RELATIONS, PQserverVersion(lookup->conn));
	query_add_oid_array(&params, lookup->oids, lookup->oid_count, &arena);
	bool sent = PQsendQueryParams(lookup->conn, query->text, 1, query->params, params.values, params.lengths,
				      binary, 1);
	arena_release(&arena);
	if (!sent)
		return fail(lookup);
	lookup->answer.rows = await_result(lookup, "the query for the names");
	return lookup->answer.rows != NULL;
}

static void *run_lookup(void *argument)
{
	struct lookup *lookup = argument;
	bool found =
		open_connection(lookup) && PQsetnonblocking(lookup->conn, 1) == 0 && prepare(lookup) && ask(lookup);
	if (found)
		lookup->answer.err = (struct err){ .text = "" };
	PQfinish(lookup->conn);
	lookup->answer.over = true;
	post(lookup);
	return NULL;
}

/* ---- in the sampler's ---- */

static void lookup_free(struct lookup *owned)
{
	for (unsigned i = 0; i < owned->param_count; i++) {
		if (strcmp(owned->keywords[i], "password") == 0)
			explicit_bzero(owned->values[i], strlen(owned->values[i]));
		free(owned->keywords[i]);
		free(owned->values[i]);
	}
	close(owned->stop_fd);
	free(owned->oids);
	free(owned);
}

static void add_param(struct lookup *lookup, const char *keyword, const char *value)
{
	if (!value || !*value)
		return;
	ensure(lookup->param_count < LOOKUP_PARAMS);
	char *keyword_copy = strdup(keyword), *value_copy = strdup(value);
	if (!keyword_copy || !value_copy)
		err_die("out of memory (a connection's options)");
	lookup->keywords[lookup->param_count] = keyword_copy;
	lookup->values[lookup->param_count++] = value_copy;
}

/* The very server that we are connected to, by its address, since a name would have to be looked up. */
static void copy_params(struct lookup *lookup, PGconn *conn, const char *database)
{
	static const char *const own[] = { "host", "hostaddr", "port", "dbname", "password", "service", "passfile" };
	PQconninfoOption *options = PQconninfo(conn);
	const char *host = PQhost(conn);
	for (PQconninfoOption *option = options; option && option->keyword; option++) {
		bool left_out = strcmp(option->keyword, "target_session_attrs") == 0;
		for (size_t i = 0; i < sizeof own / sizeof *own; i++)
			left_out |= strcmp(option->keyword, own[i]) == 0;
		if (!left_out)
			add_param(lookup, option->keyword, option->val);
	}
	PQconninfoFree(options);
	add_param(lookup, "host", host);
	if (host && host[0] != '/')
		add_param(lookup, "hostaddr", PQhostaddr(conn));
	add_param(lookup, "port", PQport(conn));
	add_param(lookup, "password", PQpass(conn));
	add_param(lookup, "dbname", database);
}

static void copy_oids(struct lookup *lookup, const struct name_keys *keys)
{
	lookup->oids = calloc(keys->count + 1, sizeof *lookup->oids);
	if (!lookup->oids)
		err_die("out of memory (%u relations)", (unsigned)keys->count);
	for (int waited = 1; waited >= 0; waited--)
		for (uint32_t i = 0; i < keys->count && lookup->oid_count < LOOKUP_RELATIONS; i++)
			if (keys->relations[i].database == lookup->answer.database &&
			    keys->relations[i].waited == waited)
				lookup->oids[lookup->oid_count++] = keys->relations[i].oid;
}

static void tell(struct server *server, enum lookup_outcome outcome, const char *database, uint32_t found,
		 const char *text)
{
	struct news news = { .kind = NEWS_LOOKUP, .lookup = { .outcome = outcome, .found = found } };
	snprintf(news.lookup.database, sizeof news.lookup.database, "%s", database);
	snprintf(news.lookup.text, sizeof news.lookup.text, "%.500s", text);
	queues_publish(&server->queues, &news);
}

static bool start(struct server *server, struct lookup *owned, const char *database, const struct name_keys *keys)
{
	owned->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	owned->queues = &server->queues;
	owned->deadline = when_monotonic() + LOOKUP_TIME;
	owned->answer.database = server->agenda.lookup_database;
	owned->answer.epoch = server->epoch;
	copy_oids(owned, keys);
	copy_params(owned, server->conn, database);
	if (owned->oid_count == 0)
		tell(server, LOOKUP_FAILED, database, 0, "no lock names a relation of it");
	else if (owned->stop_fd < 0 || pthread_create(&owned->thread, NULL, run_lookup, owned) != 0)
		tell(server, LOOKUP_FAILED, database, 0, "could not start a thread");
	else
		return true;
	lookup_free(owned);
	return false;
}

void lookup_begin(struct server *server, const struct name_keys *keys)
{
	uint32_t oid = server->agenda.lookup_database;
	const struct name_entry *database = name_cache_find(&server->names.databases, 0, oid);
	const char *name = database && database->found ? database->name : "";
	if (oid == 0)
		return;
	if (server->lookup) {
		tell(server, LOOKUP_FAILED, name, 0,
		     "an earlier look-up still waits for its answer; its server process may hang on a locked catalog");
	} else if (!*name) {
		tell(server, LOOKUP_FAILED, name, 0, "the database's name is not known");
	} else {
		struct lookup *lookup = calloc(1, sizeof *lookup);
		if (!lookup)
			err_die("out of memory (a look-up)");
		server->lookup = start(server, lookup, name, keys) ? lookup : NULL;
	}
	server->agenda.lookup_database = 0;
}

void lookup_end(struct server *server)
{
	const uint64_t one = 1;
	struct lookup *lookup = server->lookup;
	if (!lookup)
		return;
	server->lookup = NULL;
	if (write(lookup->stop_fd, &one, sizeof one) != sizeof one)
		return;
	pthread_join(lookup->thread, NULL);
	lookup_free(lookup);
}

void lookup_receive(struct server *server, const struct lookup_answer *answer)
{
	const struct name_entry *database = name_cache_find(&server->names.databases, 0, answer->database);
	const char *name = database && database->found ? database->name : "?";
	bool late = answer->over && server->lookup && server->lookup->deadline == INT64_MAX;
	if (answer->over)
		lookup_end(server);
	if (answer->epoch != server->epoch)
		return;
	if (answer->rows) {
		uint32_t found = names_take_relations(server, answer->database, answer->rows);
		tell(server, LOOKUP_DONE, name, found, "");
		server->agenda.refresh = true;
	} else if (!late) {
		tell(server, LOOKUP_FAILED, name, 0, answer->err.text);
	}
}
