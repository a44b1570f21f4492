#include "server_private.h"

#include "pglocktop/strbuf.h"

#include <stdlib.h>
#include <string.h>

/* What psql takes for a connection string rather than a database's name (recognized_connection_string, fe-connect.c).
 */
static bool is_conninfo(const char *database)
{
	return strchr(database, '=') || strncmp(database, "postgresql://", 13) == 0 ||
	       strncmp(database, "postgres://", 11) == 0;
}

static const char *database_operand(const struct connect_options *options)
{
	return options->conninfo ? options->conninfo : options->database;
}

bool server_check_options(const struct connect_options *options, struct err *err)
{
	const char *operand = database_operand(options);
	if (!operand || !is_conninfo(operand))
		return true;
	char *message = NULL;
	PQconninfoOption *parsed = PQconninfoParse(operand, &message);
	PQconninfoFree(parsed);
	if (!parsed && message)
		server_connection_error(message, err);
	else if (!parsed)
		err_set(err, "out of memory");
	PQfreemem(message);
	return parsed != NULL;
}

char *source_service_name(const struct connect_options *options)
{
	const char *operand = database_operand(options), *environment = getenv("PGSERVICE");
	char *name = NULL;
	PQconninfoOption *parsed = operand && is_conninfo(operand) ? PQconninfoParse(operand, NULL) : NULL;
	for (const PQconninfoOption *option = parsed; option && option->keyword && !name; option++)
		if (strcmp(option->keyword, "service") == 0 && option->val && *option->val)
			name = strdup(option->val);
	PQconninfoFree(parsed);
	if (!name && environment && *environment)
		name = strdup(environment);
	return name;
}

static bool copy_string(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

bool server_copy_options(struct server *server, const struct server_options *options)
{
	const struct connect_options *from = &options->connect;
	struct connect_options *to = &server->options.connect;
	server->options = *options;
	*to = (struct connect_options){ .never_prompt = from->never_prompt, .always_prompt = from->always_prompt };
	return copy_string(&to->conninfo, from->conninfo) && copy_string(&to->database, from->database) &&
	       copy_string(&to->user, from->user) && copy_string(&to->host, from->host) &&
	       copy_string(&to->port, from->port);
}

static void free_string(const char *string)
{
	free((void *)(uintptr_t)string);
}

void server_free_options(struct server_options *options)
{
	free_string(options->connect.conninfo);
	free_string(options->connect.database);
	free_string(options->connect.user);
	free_string(options->connect.host);
	free_string(options->connect.port);
}

static void add_param(struct server_params *params, const char *keyword, const char *value)
{
	if (!value)
		return;
	ensure(params->count + 1 < SERVER_PARAMS);
	params->keywords[params->count] = keyword;
	params->values[params->count] = value;
	params->count++;
}

/*
 * As psql: a connection string in the database's place overrides the options before it. application_name is ours only
 * where neither it nor PGAPPNAME nor the service says another.
 */
struct server_params server_connect_params(const struct server *server, const char *connect_timeout)
{
	const struct connect_options *options = &server->options.connect;
	struct server_params params = { .count = 0 };
	add_param(&params, "host", options->host);
	add_param(&params, "port", options->port);
	add_param(&params, "user", options->user);
	add_param(&params, "password", server->agenda.password ? server->agenda.password : server->password);
	add_param(&params, "dbname", database_operand(options));
	add_param(&params, "fallback_application_name", "pglocktop");
	add_param(&params, "client_encoding", "SQL_ASCII");
	add_param(&params, "connect_timeout", connect_timeout);
	return params;
}

char *server_effective_option(PGconn *conn, const char *keyword)
{
	PQconninfoOption *options = PQconninfo(conn);
	char *value = NULL;
	for (PQconninfoOption *option = options; !value && option && option->keyword; option++)
		if (strcmp(option->keyword, keyword) == 0 && option->val && *option->val)
			value = strdup(option->val);
	PQconninfoFree(options);
	return value;
}

/* A line that belongs to the one before; `text` is where its own begins. */
static bool is_continued(const char *line, const char **text)
{
	static const char *const marks[] = { "\t", "DETAIL:  ", "HINT:  " };
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (strncmp(line, marks[i], strlen(marks[i])) == 0) {
			*text = line + strlen(marks[i]);
			return true;
		}
	return false;
}

static const char *next_line(const char *line)
{
	const char *end = strchrnul(line, '\n');
	return *end ? end + 1 : end;
}

/*
 * libpq tells of every address that it tried, a line each, and what belongs to it on lines of their own. The last
 * address tried is the one that it got furthest with.
 */
void server_connection_error(const char *message, struct err *err)
{
	const char *last = message, *text;
	struct strbuf out = STRBUF_INIT;
	for (const char *line = message; *line; line = next_line(line))
		if (*line != '\n' && !is_continued(line, &text) && strncmp(line, "LOCATION:", 9) != 0)
			last = line;
	strbuf_add(&out, last, strcspn(last, "\n"));
	for (const char *line = next_line(last); is_continued(line, &text); line = next_line(line)) {
		strbuf_add_string(&out, "; ");
		strbuf_add(&out, text, strcspn(text, "\n"));
	}
	err_set(err, "%s", out.text);
	strbuf_release(&out);
}
