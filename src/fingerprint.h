/*
 * fingerprint.h - whether two queries are the same but for their literals.
 */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include "pglocktop/snapshot.h"

/*
 * A hash of the query's text without what varies from call to call: literals (lexer.h), comments, the amount of white
 * space. Quoted identifiers count as they are. Reads the text once; any bytes will do.
 */
uint64_t query_fingerprint(const char *text);

/* The server's query_id where there is one, else by the session's text; whether literals are shown is no matter. */
uint64_t session_fingerprint(const struct session *session);

#endif
