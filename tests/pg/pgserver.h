/*
 * pgserver.h - a real PostgreSQL server for a test: private, throw-away, on a Unix socket only.
 *
 * It lives in a directory of its own under $TMPDIR, as the calling user, or as `postgres` where that is root. However
 * the test ends, a keeper process stops the server by its pid and removes the directory.
 * The programs are taken from $PGLOCKTOP_PG_BINDIR, else `pg_config --bindir`, else the newest of
 * /usr/lib/postgresql/<version>/bin.
 * What goes wrong here ends the test program with a message: there is no test without its server.
 */
#ifndef PGLOCKTOP_TESTS_PGSERVER_H
#define PGLOCKTOP_TESTS_PGSERVER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pgserver;

/* The major version of the programs: for settings that a server of another version would not take. */
int pgserver_major(void);

/* initdb, and a start. `settings`: "name=value" each, NULL at the end; may be NULL. */
struct pgserver *pgserver_new(const char *const *settings);

/* The same, on which these statements were run. */
struct pgserver *pgserver_new_with(const char *const *settings, const char *sql);

/*
 * A streaming standby of a primary, made as a copy of its files while it is stopped: the primary is started again and
 * has lost its sessions. The settings are the primary's and then `settings`.
 */
struct pgserver *pgserver_new_standby(struct pgserver *primary, const char *const *settings);
void pgserver_free(struct pgserver *owned);

void pgserver_stop(struct pgserver *server); /* at once, as if it had crashed, all sessions with it */
void pgserver_start(struct pgserver *server); /* again */

const char *pgserver_socket(const struct pgserver *server); /* the directory: for -h */
const char *pgserver_bindir(const struct pgserver *server); /* where its programs are */
const char *pgserver_user(const struct pgserver *server); /* the superuser */
pid_t pgserver_postmaster(const struct pgserver *server);

/* A connection as the superuser to `database`, or with more options: "dbname=x user=y". Must succeed. */
PGconn *pgserver_connect(const struct pgserver *server, const char *options);

/* Runs statements that must succeed. */
void pgserver_run(PGconn *conn, const char *sql);

/* The first value of the first row, malloc'd; NULL: none. */
char *pgserver_value(PGconn *conn, const char *sql);
int64_t pgserver_number(PGconn *conn, const char *sql);

/* Sends a statement and does not wait for its answer. */
void pgserver_send(PGconn *conn, const char *sql);

/* Asks until the statement's first value is true, at most 30 s. */
void pgserver_wait_until(PGconn *conn, const char *sql);

/*
 * From now on every session's commit waits for a standby, and there is none; until synchronous_standby_names is reset.
 * The checkpointer makes it so, at a time of its own after the reload: an own commit is tried until it waits.
 */
void pgserver_demand_standby(const struct pgserver *server, PGconn *admin);

/* Until this backend waits for a lock. */
void pgserver_wait_blocked(PGconn *observer, PGconn *waiter);

#endif
