/*
 * load.h - thousands of sessions in one process, and the jams that they make.
 *
 * All is asynchronous: many connections are opened, many statements run at once. What goes wrong ends the program with
 * a message that says what to raise.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "pg/pgserver.h"

enum { LOAD_STATEMENT = 256, LOAD_TREES = 20, LOAD_HELD = 100000 };

/* What session `i` of `n` is to run; "" for nothing. */
typedef void load_statement(char sql[static LOAD_STATEMENT], unsigned i, unsigned n);

struct load;

/* The server's settings that `sessions` sessions need, for pgserver_new. Checks this machine's limits, too. */
const char *const *load_settings(unsigned sessions);

struct load *load_new(const struct pgserver *server);
void load_free(struct load *owned);

/* Connects until there are `count`. */
void load_connect(struct load *load, unsigned count);
unsigned load_count(const struct load *load);

/* All run theirs to the end. */
void load_run(struct load *load, load_statement *statement);

/* All are sent theirs, and then as many more wait for a lock as were sent any. Returns how many. */
unsigned load_jam(struct load *load, load_statement *statement);

/* One runs a statement to its end. */
void load_run_one(struct load *load, unsigned i, const char *sql);

/* Nobody waits, nobody holds anything. */
void load_relax(struct load *load);

/* The pids of who waits, as an SQL array: '{1,2,3}'. malloc'd. */
char *load_waiters(struct load *load);

#endif
