/* A connection that was refused for want of a slot (SQLSTATE 53300): which limit that is, and what would mend it. */
#include "server_private.h"

#include <string.h>

/*
 * The words are those of an untranslated server, or names that no translation changes; the functions are those that a
 * verbose error names as its origin (postinit.c, miscinit.c). The first that is found counts.
 */
static const struct {
	const char *words, *function, *mend;
} limits[] = {
	{ "too many connections for database", "CheckMyDatabase, ",
	  "connect to another database, each shows all sessions; or raise this one's CONNECTION LIMIT" },
	{ "too many connections for role", "InitializeSessionUserId, ", "raise the role's CONNECTION LIMIT" },
	{ "pg_use_reserved_connections", NULL, "GRANT pg_use_reserved_connections to a DBA's role lets it in" },
	{ "SUPERUSER", NULL,
	  "only a superuser gets in; for the next time, set reserved_connections and GRANT "
	  "pg_use_reserved_connections to a DBA's role" },
	{ "remaining connection slots are reserved", "InitPostgres, ",
	  "only a superuser gets in until a session ends; for the next time, raise max_connections" },
	{ "", NULL, "nobody gets in until a session ends; for the next time, raise max_connections" },
};

bool slots_are_short(const struct err *err)
{
	return strcmp(err->sqlstate, "53300") == 0 || strstr(err->text, "too many clients already") ||
	       strstr(err->text, "too many connections for ") || strstr(err->text, "remaining connection slots are");
}

void slots_explain(const char *verbose, struct err *err)
{
	enum { REFUSAL = 700 };
	char text[sizeof err->text];
	size_t i = 0;
	while (!strstr(err->text, limits[i].words) && !(limits[i].function && strstr(verbose, limits[i].function)))
		i++;
	snprintf(text, sizeof text, "%.*s; %s", REFUSAL, err->text, limits[i].mend);
	memcpy(err->text, text, sizeof text);
}
