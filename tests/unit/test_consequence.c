/* What a signal does besides freeing others, in words; and the words of the forecasts. */
#include "pglocktop/consequence.h"

#include "pglocktop/whatif.h"
#include "situation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char common[] =
	"server 150004\n"
	"relation 1 16401 r orders\n"
	"session 1 active type=\"autovacuum worker\" xact=9s query=9s \"autovacuum: VACUUM a (to prevent "
	"wraparound)\"\n"
	"session 2 active type=\"autovacuum worker\" xact=9s query=9s \"autovacuum: VACUUM ANALYZE a\"\n"
	"session 3 active type=walsender app=standby1 query=9s \"START_REPLICATION SLOT s\"\n"
	"session 4 active type=walsender app=pg_basebackup query=9s \"BASE_BACKUP (LABEL 'x')\"\n"
	"session 5 active app=pg_dump xact=9s query=9s \"COPY public.a TO stdout\"\n"
	"session 6 none type=\"logical replication apply worker\" event=Activity/LogicalApplyMain\n"
	"session 7 active xact=9s query=9s event=IPC/SyncRep \"commit\"\n"
	"session 8 active xact=9s query=9s event=Extension/DblinkGetResult \"select dblink('x', 'y')\"\n"
	"session 18 active xact=9s query=9s event=Extension/Extension \"select * from remote_orders\"\n"
	"session 19 active xact=9s query=9s event=Extension/Extension \"select * from dblink('x', 'y')\"\n"
	"session 9 active xact=9s query=9s \"select * from dblink_exec('x', 'y')\"\n"
	"session 10 active xact=9s query=9s \"CREATE INDEX CONCURRENTLY i ON a (b)\"\n"
	"session 11 none type=\"my extension's worker\"\n"
	"session 12 intxn xact=9s change=9s app=psql client=10.0.0.1 \"select 1\"\n"
	"session 13 idle app=web client=10.0.0.7 change=9s\n"
	"session 14 idle app=web client=10.0.0.7 change=9s\n"
	"session 15 idle app=web client=10.0.0.7 change=9s\n"
	"session 16 idle app=web client=10.0.0.7 change=9s\n"
	"session 17 intxn xact=9s app=web client=10.0.0.7 change=9s\n";

static void assert_remarks(const struct snapshot *snapshot, int32_t pid, enum signal_verb verb, const char *full,
			   const char *compact)
{
	struct strbuf text = STRBUF_INIT;
	uint32_t session = snapshot_find_pid(snapshot, pid);
	consequence_add_remarks(snapshot, session, verb, false, &text);
	assert_string_equal(text.text, full);
	strbuf_reset(&text);
	consequence_add_remarks(snapshot, session, verb, true, &text);
	assert_string_equal(text.text, compact);
	assert_true(text.length <= 36);
	strbuf_release(&text);
}

static void remarks(void **state)
{
	(void)state;
	struct situation situation = situation_must_read(common);
	const struct snapshot *snapshot = situation.frame->snapshot;
	assert_remarks(snapshot, 1, SIGNAL_CANCEL, "It prevents transaction id wraparound: it comes back, and has to.",
		       "Prevents wraparound: comes back.");
	assert_remarks(snapshot, 2, SIGNAL_CANCEL, "It leaves this table; a later autovacuum takes it up again.",
		       "Autovacuum: comes again.");
	assert_remarks(snapshot, 3, SIGNAL_TERMINATE, "Replication through it stops until the receiver connects again.",
		       "Replication stops for now.");
	assert_remarks(snapshot, 4, SIGNAL_TERMINATE,
		       "A backup is being taken by it: that fails and must be begun again.",
		       "The running backup fails.");
	assert_remarks(snapshot, 5, SIGNAL_CANCEL, "A backup is being taken by it: that fails and must be begun again.",
		       "The running backup fails.");
	assert_remarks(snapshot, 6, SIGNAL_TERMINATE,
		       "Replication from its publisher stops; the server soon starts it again.",
		       "Replication stops for now.");
	assert_remarks(snapshot, 7, SIGNAL_CANCEL,
		       "It is committed here already, but the standby may not have it; the next COMMIT will wait, too.",
		       "Committed here; standby may lack it.");
	assert_remarks(snapshot, 8, SIGNAL_CANCEL, "It waits for a session on another server, which may go on.",
		       "The remote session may go on.");
	assert_remarks(snapshot, 18, SIGNAL_CANCEL,
		       "It waits in an extension: if for a session on another server, that may go on.",
		       "A remote session may go on.");
	assert_remarks(snapshot, 19, SIGNAL_CANCEL, "It waits for a session on another server, which may go on.",
		       "The remote session may go on.");
	assert_remarks(snapshot, 9, SIGNAL_CANCEL, "", "");
	assert_remarks(snapshot, 10, SIGNAL_CANCEL, "It leaves an invalid index behind, which must be dropped.",
		       "Leaves an invalid index to drop.");
	assert_remarks(snapshot, 11, SIGNAL_TERMINATE,
		       "It is a background process: what it does stops, unless the server starts it again.",
		       "A background process: stops.");
	assert_remarks(snapshot, 12, SIGNAL_TERMINATE, "", "");
	situation_release(&situation);
}

/* Until 12 a session in dblink waits in libpq, and does not hear signals. */
static void deaf_until_12(void **state)
{
	(void)state;
	struct situation situation = situation_must_read(common);
	situation.frame->snapshot->server.version_num = 120022;
	assert_remarks(situation.frame->snapshot, 9, SIGNAL_TERMINATE,
		       "Before PostgreSQL 13 no signal ends a wait for dblink: end the session at its other end.",
		       "No signal ends dblink's wait.");
	situation_release(&situation);
}

static void pools(void **state)
{
	(void)state;
	struct situation situation = situation_must_read(common);
	for (uint32_t i = 0; i < situation.frame->snapshot->session_count; i++)
		situation.frame->snapshot->sessions[i].is_client = true;
	assert_remarks(situation.frame->snapshot, 17, SIGNAL_TERMINATE,
		       "There are others like it: a pool, which will connect again at once.",
		       "A pool: connects again at once.");
	assert_remarks(situation.frame->snapshot, 17, SIGNAL_CANCEL, "", "");
	assert_remarks(situation.frame->snapshot, 12, SIGNAL_TERMINATE, "", "");
	situation_release(&situation);
}

static void assert_outcome(const struct snapshot *snapshot, int32_t pid, enum signal_verb verb, const char *wanted)
{
	struct strbuf text = STRBUF_INIT;
	consequence_add_outcome(&snapshot->sessions[snapshot_find_pid(snapshot, pid)], verb, false, &text);
	assert_string_equal(text.text, wanted);
	strbuf_release(&text);
}

static void outcomes(void **state)
{
	(void)state;
	struct situation situation = situation_must_read(common);
	const struct snapshot *snapshot = situation.frame->snapshot;
	assert_outcome(snapshot, 12, SIGNAL_TERMINATE, ": all of it is rolled back, the client is disconnected.");
	assert_outcome(snapshot, 13, SIGNAL_TERMINATE, ": the client is disconnected.");
	assert_outcome(snapshot, 10, SIGNAL_CANCEL,
		       ": the query fails, its transaction's locks go unless a savepoint is open; the session stays.");
	/* It has committed: nothing is rolled back any more. */
	assert_outcome(snapshot, 7, SIGNAL_CANCEL, ": its COMMIT returns with a warning.");
	assert_outcome(snapshot, 7, SIGNAL_TERMINATE, ": the client is disconnected.");
	situation_release(&situation);
}

static void assert_rollback(const char *gid, const char *wanted)
{
	struct prepared prepared = { .gid = gid };
	struct strbuf text = STRBUF_INIT;
	consequence_add_rollback(&prepared, &text);
	assert_string_equal(text.text, wanted);
	strbuf_release(&text);
}

static void rollback_is_quoted(void **state)
{
	(void)state;
	assert_rollback("order-77", "ROLLBACK PREPARED 'order-77'");
	assert_rollback("", "ROLLBACK PREPARED ''");
	assert_rollback("o'; drop table x; --", "ROLLBACK PREPARED 'o''; drop table x; --'");
	assert_rollback("a\\' or", "ROLLBACK PREPARED E'a\\\\'' or'");
	assert_rollback("a\nb\x1b", "ROLLBACK PREPARED E'a\\x0ab\\x1b'");
	assert_rollback("ü", "ROLLBACK PREPARED 'ü'");
}

/* ---- forecasts ---- */

static const char jam[] = "relation 1 16401 r orders\n"
			  "session 8008 intxn xact=5m query=5m \"update orders set n = 1\"\n"
			  "session 8017 active xact=4m query=4m \"update orders set n = 2\"\n"
			  "session 8020 active xact=3m query=3m \"update orders set n = 3\"\n"
			  "session 8056 active xact=2m query=2m \"alter table orders add x int\"\n"
			  "session 8060 active xact=1m query=1m \"select 1\"\n"
			  "session 8061 active xact=1m query=1m \"select 1\"\n"
			  "lock 8008 Exclusive held transactionid xid=4711\n"
			  "lock 8008 RowExclusive held relation db=1 rel=16401\n"
			  "lock 8017 Exclusive held tuple db=1 rel=16401 page=0 tuple=6\n"
			  "lock 8017 RowExclusive held relation db=1 rel=16401\n"
			  "lock 8017 Share waits=4m transactionid xid=4711\n"
			  "lock 8020 RowExclusive held relation db=1 rel=16401\n"
			  "lock 8020 Exclusive waits=3m tuple db=1 rel=16401 page=0 tuple=6\n"
			  "lock 8056 AccessExclusive waits=2m relation db=1 rel=16401\n"
			  "lock 8060 AccessShare waits=1m relation db=1 rel=16401\n"
			  "lock 8061 AccessShare waits=1m relation db=1 rel=16401\n";

static const char answers[] = "answer 8056 8008 8017 8020\n";

static void assert_words(const struct frame *frame, int32_t pid, enum signal_verb verb, const char *full,
			 const char *compact, const char *clause)
{
	struct strbuf text = STRBUF_INIT;
	uint32_t node = graph_find_pid(frame->graph, pid);
	whatif_describe(frame->whatif, node, verb, false, &text);
	assert_string_equal(text.text, full);
	strbuf_reset(&text);
	whatif_describe(frame->whatif, node, verb, true, &text);
	assert_string_equal(text.text, compact);
	assert_true(text.length <= 36);
	strbuf_reset(&text);
	whatif_describe_clause(frame->whatif, node, verb, &text);
	assert_string_equal(text.text, clause);
	strbuf_release(&text);
}

static struct situation read_jam(bool answered)
{
	char text[4096];
	snprintf(text, sizeof text, "%s%s", jam, answered ? answers : "");
	return situation_must_read(text);
}

static void forecasts(void **state)
{
	(void)state;
	struct situation situation = read_jam(true);
	assert_words(situation.frame, 8008, SIGNAL_TERMINATE,
		     "Frees now: 8017.  In turn: 4, first 8020; 2 behind 8056 ALTER (cancel that to free them now).",
		     "Frees 8017; 4 in turn.", "frees 8017 now, 4 in turn (2 behind 8056); 8020 heads the queue then");
	assert_words(situation.frame, 8017, SIGNAL_TERMINATE, "Frees nobody: 8020 takes its place behind 8008.",
		     "Frees nobody: 8020 moves up.", "frees nobody: 8020 takes its place behind 8008");
	assert_words(situation.frame, 8020, SIGNAL_TERMINATE, "Frees nobody: 8056 stays behind 8008.", "Frees nobody.",
		     "frees nobody: 8056 stays behind 8008");
	assert_words(situation.frame, 8056, SIGNAL_CANCEL, "Frees now: 8060, 8061.", "Frees 2.",
		     "frees 8060, 8061 now");
	assert_words(situation.frame, 8060, SIGNAL_CANCEL, "Nobody waits for it.", "Nobody waits for it.",
		     "frees nobody: nobody waits for it");
	situation_release(&situation);
}

static void presumed_order(void **state)
{
	(void)state;
	struct situation situation = read_jam(false);
	assert_words(situation.frame, 8056, SIGNAL_CANCEL,
		     "Frees about 2 now: 8060, 8061 (the order of the queue is presumed).", "Frees about 2.",
		     "probably frees 8060, 8061 now; the order of the queue is presumed");
	situation_release(&situation);
}

static void next_acts(void **state)
{
	(void)state;
	struct situation situation = read_jam(true);
	const struct frame *frame = situation.frame;
	struct whatif_act acts[WHATIF_ACTS];
	assert_int_equal(whatif_next(frame->whatif, 0, acts), 2);
	assert_int_equal(acts[0].node, graph_find_pid(frame->graph, 8056));
	assert_int_equal(acts[0].verb, SIGNAL_CANCEL);
	assert_int_equal(acts[1].node, graph_find_pid(frame->graph, 8008));
	assert_int_equal(acts[1].verb, SIGNAL_TERMINATE);
	/* Nobody waits so long. */
	assert_int_equal(whatif_next(frame->whatif, 10 * 60 * WHEN_SECOND, acts), 0);
	/* Only what the role may do is named. */
	frame->snapshot->sessions[snapshot_find_pid(frame->snapshot, 8056)].may = MAY_NOT_SUPERUSER;
	assert_int_equal(whatif_next(frame->whatif, 0, acts), 1);
	assert_int_equal(acts[0].node, graph_find_pid(frame->graph, 8008));
	assert_true(whatif_barred(frame->whatif, 0, &acts[1]));
	assert_int_equal(acts[1].node, graph_find_pid(frame->graph, 8056));
	situation_release(&situation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remarks),	  cmocka_unit_test(deaf_until_12),	cmocka_unit_test(pools),
		cmocka_unit_test(outcomes),	  cmocka_unit_test(rollback_is_quoted), cmocka_unit_test(forecasts),
		cmocka_unit_test(presumed_order), cmocka_unit_test(next_acts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
