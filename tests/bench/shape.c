#include "bench/shape.h"

#include <stdio.h>
#include <string.h>

enum { FEW = 10, ROWS_A_TREE = 1000, CHAIN = 5 };

#define WRITE(...) snprintf(sql, LOAD_STATEMENT, __VA_ARGS__)

/* ---- all for one row ---- */

static void hold_row(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	(void)n;
	if (i == 0)
		WRITE("begin; update bench_rows set n = 0 where id = 0");
}

static void want_row(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	(void)n;
	if (i > 0)
		WRITE("update bench_rows set n = %u where id = 0", i);
}

/* ---- all for one table ---- */

static void hold_table(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	(void)n;
	if (i == 0)
		WRITE("begin; lock table bench_table_0");
}

static void want_table(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	(void)n;
	if (i > 0)
		WRITE("select sum(n) from bench_table_0 where id > %u", i);
}

/* ---- each for the one before ---- */

static void hold_own_row(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	(void)n;
	WRITE("begin; update bench_rows set n = 0 where id = %u", i);
}

static void want_row_before(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	(void)n;
	if (i > 0)
		WRITE("update bench_rows set n = 1 where id = %u", i - 1);
}

/*
 * ---- the forest: trees of four kinds by turns, the first session of each its root ----
 *
 * Rows of one table, with chains; a migration of that table, which waits for all who wrote to it, and readers and
 * writers behind it; advisory locks; other tables.
 */

enum kind { KIND_ROWS, KIND_DDL, KIND_ADVISORY, KIND_TABLE, KINDS };

struct place {
	unsigned tree, kind, rank;
};

static struct place place_of(unsigned i)
{
	unsigned tree = i % LOAD_TREES;
	return (struct place){ .tree = tree, .kind = tree % KINDS, .rank = i / LOAD_TREES };
}

static unsigned row_of(struct place place, unsigned rank)
{
	return place.tree * ROWS_A_TREE + rank;
}

static void hold_tree(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	struct place place = place_of(i);
	(void)n;
	if (place.kind == KIND_ROWS && place.rank <= CHAIN)
		WRITE("begin; update bench_rows set n = 0 where id = %u", row_of(place, place.rank));
	else if (place.kind == KIND_DDL && place.rank == 0)
		WRITE("begin; update bench_rows set n = 0 where id = %u", row_of(place, 0));
	else if (place.kind == KIND_ADVISORY && place.rank == 0)
		WRITE("begin; select pg_advisory_xact_lock(%u)", place.tree);
	else if (place.kind == KIND_TABLE && place.rank == 0)
		WRITE("begin; lock table bench_table_%u in exclusive mode", place.tree);
}

static void want_tree(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	struct place place = place_of(i);
	(void)n;
	if (place.rank == 0)
		return;
	if (place.kind == KIND_ROWS && place.rank <= CHAIN)
		WRITE("update bench_rows set n = 1 where id = %u", row_of(place, place.rank - 1));
	else if (place.kind == KIND_ROWS)
		WRITE("update bench_rows set n = %u where id = %u", i, row_of(place, place.rank % CHAIN));
	else if (place.kind == KIND_ADVISORY)
		WRITE("select pg_advisory_xact_lock(%u)", place.tree);
	else if (place.kind == KIND_TABLE)
		WRITE("update bench_table_%u set n = %u where id = 1", place.tree, i);
}

static void migrate(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	struct place place = place_of(i);
	(void)n;
	if (place.kind == KIND_DDL && place.rank == 1)
		WRITE("alter table bench_rows add column later_%u int", place.tree);
}

static void want_migrated(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	struct place place = place_of(i);
	(void)n;
	if (place.kind != KIND_DDL || place.rank < 2)
		return;
	if (place.rank % 4 == 0)
		WRITE("update bench_rows set n = %u where id = %u", i, row_of(place, 1));
	else
		WRITE("select sum(n) from bench_rows where id = %u", i);
}

/* ---- few wait, much is held that nobody wants ---- */

static void hold_much(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	int length = WRITE("select count(pg_advisory_lock(%u, k)) from generate_series(1, %u) k", i, LOAD_HELD / n);
	if (i == 0)
		snprintf(sql + length, LOAD_STATEMENT - (size_t)length,
			 "; begin; update bench_rows set n = 0 where id = 0");
}

static void want_few(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	if (i > 0 && i + FEW >= n)
		WRITE("update bench_rows set n = %u where id = 0", i);
}

/* ---- some wait, for much that is held by many: LOAD_HELD rows that the graph needs, where so many sessions can have
 * them ---- */

static unsigned keys_for(unsigned n)
{
	unsigned keys = 1;
	while (keys < n / 2 && keys * (n - keys) < LOAD_HELD)
		keys++;
	return keys;
}

static void hold_wide(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	if (i + keys_for(n) < n)
		WRITE("begin; select count(pg_advisory_xact_lock_shared(k)) from generate_series(1, %u) k",
		      keys_for(n));
}

static void want_wide(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	if (i + keys_for(n) >= n)
		WRITE("select pg_advisory_xact_lock(%u)", n - i);
}

static void nobody(char sql[static LOAD_STATEMENT], unsigned i, unsigned n)
{
	(void)i;
	(void)n;
	sql[0] = '\0';
}

const struct shape shapes[] = {
	{ "row", "all wait for one row", hold_row, { want_row } },
	{ "table", "all wait for one table", hold_table, { want_table } },
	{ "chain", "each waits for the one before", hold_own_row, { want_row_before } },
	{ "forest",
	  "rows, chains, a migration and its queue, advisory locks, tables",
	  hold_tree,
	  { want_tree, migrate, want_migrated } },
	{ "few", "10 wait, 100,000 locks are held", hold_much, { want_few } },
	{ "wide", "100,000 locks are held that somebody waits for", hold_wide, { want_wide } },
	{ "idle", "nobody waits", nobody, { NULL } },
};
const unsigned shape_count = sizeof shapes / sizeof *shapes;

const struct shape *shape_find(const char *name)
{
	for (unsigned i = 0; i < shape_count; i++)
		if (strcmp(shapes[i].name, name) == 0)
			return &shapes[i];
	return NULL;
}

unsigned shape_play(const struct shape *shape, struct load *load)
{
	load_run(load, shape->hold);
	unsigned waiting = 0;
	for (int stage = 0; stage < SHAPE_STAGES && shape->wait[stage]; stage++)
		waiting += load_jam(load, shape->wait[stage]);
	return waiting;
}
