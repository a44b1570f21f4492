#include "storm.h"

enum { TABLES = 5, ROWS = 8, KEYS = 4, PREPARED = 4 };

struct storm_random storm_random_of(uint64_t seed)
{
	return (struct storm_random){ .state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };
}

/* xorshift64* (Vigna, 2016) */
uint32_t storm_below(struct storm_random *random, uint32_t limit)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return (uint32_t)(random->state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % limit;
}

void storm_make_tables(struct matrix *matrix)
{
	for (int i = 0; i < TABLES; i++) {
		char sql[512];
		snprintf(sql, sizeof sql,
			 "create table s%d (id int primary key, key int unique, note text);"
			 "insert into s%d select n, n, '' from generate_series(1, %d) n;"
			 "create table child%d (parent int references s%d on delete cascade)",
			 i, i, ROWS, i, i);
		matrix_run(matrix, sql);
	}
	/* Parallel safe as far as the planner knows: each process of a query reads the table of its own pid. */
	matrix_run(matrix, "create table many (id int) with (parallel_workers = 2);"
			   "insert into many select generate_series(1, 5000); analyze many;"
			   "create function read_any(int) returns bool language plpgsql volatile parallel safe as"
			   " $$ begin execute 'select from s' || pg_backend_pid() % 5; return true; end $$");
}

/* ---- one statement of each sort ---- */

typedef void (*writer)(struct storm_random *random, struct strbuf *sql);

static void add_lock_table(struct storm_random *random, struct strbuf *sql)
{
	static const char *const modes[] = { "access share",  "row share",
					     "row exclusive", "share update exclusive",
					     "share",	      "share row exclusive",
					     "exclusive",     "access exclusive" };
	strbuf_printf(sql, "lock table s%u in %s mode", storm_below(random, TABLES),
		      modes[storm_below(random, COUNT(modes))]);
}

static void add_row_lock(struct storm_random *random, struct strbuf *sql)
{
	static const char *const strengths[] = { "update", "no key update", "share", "key share" };
	strbuf_printf(sql, "select from s%u where id = %u for %s", storm_below(random, TABLES),
		      1 + storm_below(random, ROWS), strengths[storm_below(random, COUNT(strengths))]);
}

static void add_change(struct storm_random *random, struct strbuf *sql)
{
	uint32_t table = storm_below(random, TABLES), row = 1 + storm_below(random, ROWS);
	switch (storm_below(random, 6)) {
	case 0:
		strbuf_printf(sql, "delete from s%u where id = %u", table, row);
		break;
	case 1:
		strbuf_printf(sql, "update s%u set key = -key where id = %u", table, row);
		break;
	default:
		strbuf_printf(sql, "update s%u set note = 'x' where id = %u", table, row);
	}
}

static void add_insert(struct storm_random *random, struct strbuf *sql)
{
	uint32_t table = storm_below(random, TABLES), row = 1 + storm_below(random, ROWS);
	switch (storm_below(random, 4)) {
	case 0:
		strbuf_printf(sql, "insert into child%u values (%u)", table, row);
		break;
	case 1:
		strbuf_printf(sql, "insert into s%u values (%u, %u)", table, ROWS + row, ROWS + row);
		break;
	default:
		strbuf_printf(sql, "insert into s%u values (%u, %u) on conflict do nothing", table, row, row);
	}
}

static void add_advisory(struct storm_random *random, struct strbuf *sql)
{
	const char *shared = storm_below(random, 2) ? "_shared" : "";
	const char *scope = storm_below(random, 4) ? "xact_" : "";
	strbuf_printf(sql, "select pg_advisory_%slock%s(%u", scope, shared, storm_below(random, KEYS));
	if (storm_below(random, 2))
		strbuf_printf(sql, ", %u", storm_below(random, 2));
	strbuf_add_char(sql, ')');
}

static void add_ddl(struct storm_random *random, struct strbuf *sql)
{
	/* around the table's name */
	static const char *const forms[][2] = {
		{ "alter table ", " alter note set default 'x'" },
		{ "alter table ", " set (fillfactor = 90)" },
		{ "alter table ", " add column more int" },
		{ "alter table ", " drop column if exists more" },
		{ "analyze ", "" },
		{ "reindex table ", "" },
		{ "comment on table ", " is 'x'" },
		{ "truncate ", " cascade" },
		{ "create index if not exists plain on ", " (note)" },
	};
	uint32_t form = storm_below(random, COUNT(forms) + 1);
	if (form == COUNT(forms))
		strbuf_add_string(sql, "drop index if exists plain");
	else
		strbuf_printf(sql, "%ss%u%s", forms[form][0], storm_below(random, TABLES), forms[form][1]);
}

static void add_savepoint(struct storm_random *random, struct strbuf *sql)
{
	strbuf_add_string(sql, storm_below(random, 3) ? "savepoint a; " : "rollback to savepoint a; ");
	add_row_lock(random, sql);
}

/* The text is like no other: before 13 it is all that tells whose a worker is. */
static void add_parallel(struct storm_random *random, struct strbuf *sql)
{
	strbuf_printf(sql, "select count(*) from many where id < 3000 and read_any(id) /* %u */",
		      storm_below(random, UINT32_MAX));
}

static void add_any(struct storm_random *random, struct strbuf *sql)
{
	static const writer writers[] = { add_lock_table, add_lock_table, add_lock_table, add_lock_table, add_row_lock,
					  add_row_lock,	  add_row_lock,	  add_change,	  add_change,	  add_change,
					  add_insert,	  add_insert,	  add_advisory,	  add_advisory,	  add_advisory,
					  add_ddl,	  add_savepoint,  add_parallel };
	static const unsigned timeouts[] = { 0, 0, 40, 150, 400, 1500, 3000 };
	strbuf_printf(sql, "set local lock_timeout = %u; ", timeouts[storm_below(random, COUNT(timeouts))]);
	/* the last one is add_parallel */
	writers[storm_below(random, COUNT(writers) - !random->parallel)](random, sql);
}

/* ---- by the session's state ---- */

/* What cannot run in a transaction, or ends somebody else's. */
static void add_outside(struct storm_random *random, struct strbuf *sql)
{
	switch (storm_below(random, 6)) {
	case 0:
		strbuf_printf(sql, "vacuum s%u", storm_below(random, TABLES));
		break;
	case 1:
		strbuf_printf(sql, "create index concurrently if not exists slow on s%u (note)",
			      storm_below(random, TABLES));
		break;
	case 2:
		strbuf_add_string(sql, "drop index concurrently if exists slow");
		break;
	case 3:
		strbuf_add_string(sql, "select pg_advisory_unlock_all()");
		break;
	default:
		strbuf_printf(sql, "%s prepared 'order-%u'", storm_below(random, 2) ? "commit" : "rollback",
			      storm_below(random, PREPARED));
	}
}

static void add_inside(struct storm_random *random, struct strbuf *sql)
{
	uint32_t choice = storm_below(random, 100);
	if (choice < 2)
		strbuf_printf(sql, "prepare transaction 'order-%u'", storm_below(random, PREPARED));
	else if (choice < 20)
		strbuf_add_string(sql, "commit");
	else if (choice < 38)
		strbuf_add_string(sql, "rollback");
	else
		add_any(random, sql);
}

void storm_write_statement(struct storm_random *random, PGTransactionStatusType status, struct strbuf *sql)
{
	switch (status) {
	case PQTRANS_INERROR:
		strbuf_add_string(sql, storm_below(random, 4) ? "rollback" : "rollback to savepoint a");
		break;
	case PQTRANS_INTRANS:
		add_inside(random, sql);
		break;
	default:
		if (storm_below(random, 12) == 0) {
			add_outside(random, sql);
		} else {
			strbuf_add_string(sql, "begin; ");
			add_any(random, sql);
		}
	}
}
