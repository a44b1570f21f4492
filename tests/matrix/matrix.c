#include "matrix.h"

#include "pg/listener.h"
#include "pids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE (20 * WHEN_SECOND)

static const char *const settings[] = { "deadlock_timeout=600s",
					"max_connections=250",
					"max_prepared_transactions=10",
					"max_worker_processes=16",
					"max_parallel_workers=16",
					"max_locks_per_transaction=256",
					"max_pred_locks_per_transaction=256",
					"shared_buffers=32MB",
					"wal_level=logical",
					"log_min_messages=fatal",
					"log_min_error_statement=panic",
					NULL };

int matrix_open(void **state, const char *sql)
{
	struct matrix *matrix = calloc(1, sizeof *matrix);
	void *stage = NULL;
	if (!matrix || stage_open_with(&stage, settings) != 0)
		return -1;
	matrix->stage = stage;
	matrix->version = PQserverVersion(matrix->stage->admin);
	matrix->once = matrix->live = (struct comparison)COMPARISON_INIT;
	if (sql)
		matrix_run(matrix, sql);
	*state = matrix;
	return 0;
}

int matrix_close(void **state)
{
	struct matrix *matrix = *state;
	void *stage = matrix->stage;
	if (matrix->once.compared > 0) {
		matrix_report("scenarios", matrix->version, matrix->scenarios, &matrix->once);
		matrix_report("scenarios, live", matrix->version, 0, &matrix->live);
	}
	strbuf_release(&matrix->once.report);
	strbuf_release(&matrix->live.report);
	free(matrix);
	return stage_close(&stage);
}

static void end_prepared(struct matrix *matrix)
{
	char *gid;
	while ((gid = pgserver_value(matrix->stage->admin, "select gid from pg_prepared_xacts limit 1"))) {
		char sql[128];
		snprintf(sql, sizeof sql, "rollback prepared '%s'", gid);
		matrix_run(matrix, sql);
		free(gid);
	}
}

int matrix_clear(void **state)
{
	struct matrix *matrix = *state;
	void *stage = matrix->stage;
	matrix->scenarios += matrix->said.session_count > 0; /* not one that was skipped */
	edges_release(&matrix->said);
	end_prepared(matrix);
	return stage_clear(&stage);
}

/* ---- sessions ---- */

PGconn *matrix_doing(struct matrix *matrix, const char *sql)
{
	PGconn *session = stage_session(matrix->stage, "");
	pgserver_run(session, sql);
	return session;
}

PGconn *matrix_waiting(struct matrix *matrix, const char *before, const char *sql)
{
	PGconn *session = before ? matrix_doing(matrix, before) : stage_session(matrix->stage, "");
	matrix_wait(matrix, session, sql);
	return session;
}

void matrix_wait(struct matrix *matrix, PGconn *session, const char *sql)
{
	pgserver_send(session, sql);
	pgserver_wait_blocked(matrix->stage->admin, session);
}

void matrix_run(struct matrix *matrix, const char *sql)
{
	pgserver_run(matrix->stage->admin, sql);
}

void matrix_await(struct matrix *matrix, const char *condition)
{
	pgserver_wait_until(matrix->stage->admin, condition);
}

void matrix_cancel(struct matrix *matrix, PGconn *session)
{
	char sql[160];
	snprintf(sql, sizeof sql, "select pg_cancel_backend(%d)", PQbackendPID(session));
	matrix_run(matrix, sql);
	for (PGresult *result; (result = PQgetResult(session));)
		PQclear(result);
	snprintf(sql, sizeof sql, "select not exists (select from pg_locks where pid = %d and not granted)",
		 PQbackendPID(session));
	matrix_await(matrix, sql);
}

/* ---- what the program says ---- */

void matrix_read_document(struct matrix *matrix, const char *user, bool all_edges, struct edges *edges)
{
	const char *arguments[] = { "--once",
				    "--format",
				    "json",
				    "-U",
				    user ? user : pgserver_user(matrix->stage->server),
				    all_edges ? "--all-edges" : NULL,
				    NULL };
	struct stage_output output;
	json_error_t error;
	int status = stage_run(matrix->stage, arguments, &output);
	if (status != 0)
		fail_msg("it exits with %d: %s", status, output.err);
	json_t *document = json_loads(output.out, 0, &error);
	if (!document)
		fail_msg("not JSON: %s at %d", error.text, error.position);
	edges_of_document(document, edges);
	json_decref(document);
	stage_output_free(&output);
}

/* A role that sees neither types nor leaders must find the lock groups; how many workers wait by themselves it cannot.
 */
static void read_as_plain_role(struct matrix *matrix, struct edges *edges)
{
	matrix_read_document(matrix, "plain", true, edges);
	for (uint32_t i = 0; i < edges->session_count; i++)
		edges->sessions[i].direct = -1;
}

/* The second refresh: its questions are those that the first one found. */
static void read_live(struct matrix *matrix, struct edges *edges)
{
	struct listener listener = listener_new(matrix->stage->server, NULL, NULL);
	listener_refresh(&listener);
	edges_of_frame(listener_refresh(&listener), edges);
	listener_stop(&listener);
}

static void add_up(struct comparison *total, const struct comparison *one)
{
	total->compared += one->compared;
	total->presumed += one->presumed;
	total->inconsistent += one->inconsistent;
	total->mismatches += one->mismatches;
}

/* One try; false where something moved, or an order was not settled in time. */
static bool compare_once(struct matrix *matrix)
{
	struct comparison once = COMPARISON_INIT, live = COMPARISON_INIT;
	struct oracle before, after;
	struct edges shortened, hidden, frame;
	edges_release(&matrix->said);
	oracle_read(matrix->stage->admin, &before);
	matrix_read_document(matrix, NULL, true, &matrix->said);
	matrix_read_document(matrix, NULL, false, &shortened);
	read_as_plain_role(matrix, &hidden);
	read_live(matrix, &frame);
	oracle_read(matrix->stage->admin, &after);
	bool quiet = compare_readings(&before, &matrix->said, &after, &once);
	quiet = compare_readings(&before, &shortened, &after, &once) && quiet;
	quiet = compare_readings(&before, &hidden, &after, &once) && quiet;
	compare_readings(&before, &frame, &after, &live);
	add_up(&matrix->once, &once);
	add_up(&matrix->live, &live);
	edges_release(&shortened);
	edges_release(&hidden);
	edges_release(&frame);
	oracle_release(&before);
	oracle_release(&after);
	if (once.mismatches + live.mismatches > 0) {
		printf("by the document:\n%s\nby the live source:\n%s\n", once.report.text, live.report.text);
		fail_msg("it says something else than the server");
	}
	strbuf_release(&once.report);
	strbuf_release(&live.report);
	return quiet && once.presumed == 0;
}

void matrix_compare(struct matrix *matrix)
{
	int64_t deadline = when_monotonic() + PATIENCE;
	while (!compare_once(matrix))
		if (when_monotonic() > deadline)
			fail_msg("there was no quiet moment (%llu sessions moved), or edges stayed presumed (%llu)",
				 (unsigned long long)matrix->once.inconsistent,
				 (unsigned long long)matrix->once.presumed);
}

/* ---- what the scenario knows ---- */

struct edge hard(PGconn *blocker)
{
	return (struct edge){ PQbackendPID(blocker), EDGE_HARD };
}

struct edge soft(PGconn *blocker)
{
	return (struct edge){ PQbackendPID(blocker), EDGE_SOFT };
}

struct edge prepared(void)
{
	return (struct edge){ EDGES_PREPARED, EDGE_HARD };
}

void matrix_expect(struct matrix *matrix, PGconn *waiter, const struct edge *edges)
{
	const struct edges_session *said = edges_find(&matrix->said, PQbackendPID(waiter));
	uint32_t count = 0;
	assert_non_null(said);
	for (; edges[count].blocker >= 0; count++) {
		enum edge_kind kind;
		if (!edges_find_edge(said, edges[count].blocker, &kind) || kind != edges[count].kind)
			fail_msg("%d (%s) does not wait for %d, %s", said->pid, said->sql, edges[count].blocker,
				 edges_kind_name(edges[count].kind));
	}
	if (said->count != count)
		fail_msg("%d (%s) has %u blockers instead of %u", said->pid, said->sql, said->count, count);
}

void matrix_expect_circle(struct matrix *matrix, enum edge_kind kind, PGconn *const *members, uint32_t count)
{
	int32_t pids[STAGE_SESSIONS];
	assert_int_equal(matrix->said.circle_count, 1);
	const struct edges_circle *circle = &matrix->said.circles[0];
	assert_int_equal(circle->count, count);
	for (uint32_t i = 0; i < count; i++)
		pids[i] = PQbackendPID(members[i]);
	pids_sort(pids, count);
	assert_memory_equal(pids, circle->members, count * sizeof *pids);
	assert_string_equal(edges_kind_name(circle->kind), edges_kind_name(kind));
}

void matrix_expect_no_circle(struct matrix *matrix)
{
	assert_int_equal(matrix->said.circle_count, 0);
}

void matrix_report(const char *what, int version, unsigned scenarios, const struct comparison *comparison)
{
	const char *path = getenv("PGLOCKTOP_MATRIX_REPORT");
	FILE *file = path ? fopen(path, "ae") : NULL;
	if (!file)
		return;
	fprintf(file, "%d\t%s\t%u\t%llu\t%llu\t%llu\t%llu\n", version / 10000, what, scenarios,
		(unsigned long long)comparison->compared, (unsigned long long)comparison->inconsistent,
		(unsigned long long)comparison->presumed, (unsigned long long)comparison->mismatches);
	fclose(file);
}
