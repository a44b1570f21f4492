#include "compare.h"

#include <stdlib.h>
#include <string.h>

struct comparing {
	const struct oracle *oracle, *after;
	const struct edges *said;
	struct comparison *comparison;
	bool any_presumed; /* somewhere: a list that is cut short may lack an edge for that reason */
	bool moved; /* a blocker has, of the session under way */
};

/* ---- reports ---- */

static void add_list(struct strbuf *out, const char *who, const struct edges_session *session)
{
	strbuf_printf(out, "  %s:", who);
	for (uint32_t i = 0; session && i < session->count; i++)
		strbuf_printf(out, " %d %s", session->edges[i].blocker, edges_kind_name(session->edges[i].kind));
	if (session && session->more > 0)
		strbuf_printf(out, " and %u more", session->more);
	strbuf_add_string(out, session ? "\n" : " (nothing about it)\n");
}

static void add_blocker(struct comparing *comparing, const char *when, const struct oracle *oracle, int32_t pid)
{
	const struct edges_session *session = edges_find(&oracle->edges, pid);
	if (session)
		strbuf_printf(&comparing->comparison->report, "  %d, of %d, %s%s, ran %s: %s\n", pid,
			      oracle_leader(oracle, pid), session->worker ? "a worker" : "no worker",
			      session->waits ? ", waiting" : "", when, session->sql);
}

static void report(struct comparing *comparing, int32_t pid, const char *what, int32_t blocker)
{
	struct strbuf *out = &comparing->comparison->report;
	comparing->comparison->mismatches++;
	strbuf_printf(out, "%d: %s", pid, what);
	if (blocker >= 0)
		strbuf_printf(out, " %d", blocker);
	strbuf_add_char(out, '\n');
	add_list(out, "the server says", edges_find(&comparing->oracle->edges, pid));
	add_list(out, "pglocktop says", edges_find(comparing->said, pid));
	oracle_describe(comparing->oracle, pid, out);
	add_blocker(comparing, "before", comparing->oracle, blocker);
	add_blocker(comparing, "after", comparing->after, blocker);
}

/* ---- one session ---- */

static bool stood_still(const struct comparing *comparing, int32_t pid, int32_t blocker)
{
	if (blocker != EDGES_PREPARED && !edges_find(&comparing->oracle->edges, blocker))
		return false; /* a worker that has come and gone */
	return oracle_part_in(comparing->oracle, blocker, pid) == oracle_part_in(comparing->after, blocker, pid);
}

/* An edge is wrong if its blocker stood still: else it may have come and gone. */
static void judge_edge(struct comparing *comparing, int32_t pid, const char *what, int32_t blocker)
{
	if (!stood_still(comparing, pid, blocker))
		comparing->moved = true;
	else
		report(comparing, pid, what, blocker);
}

static bool has_presumed(const struct edges_session *session)
{
	for (uint32_t i = 0; i < session->count; i++)
		if (session->edges[i].kind == EDGE_PRESUMED)
			return true;
	return false;
}

/* The order of two is one claim: where it is presumed that the other waits for this one, an edge may be missing. */
static bool is_presumed_behind(const struct comparing *comparing, int32_t pid, int32_t blocker)
{
	enum edge_kind kind;
	int32_t leader = oracle_leader(comparing->oracle, pid);
	return edges_find_edge(edges_find(comparing->said, blocker), leader, &kind) && kind == EDGE_PRESUMED;
}

/*
 * Whether an edge leads from a worker of the waiter to the blocker, or a presumed one to a worker of the blocker: where
 * it could not tell whose worker a process is, it shows that one by itself.
 */
static bool is_presumed_apart(const struct comparing *comparing, int32_t pid, int32_t blocker)
{
	int32_t leader = oracle_leader(comparing->oracle, pid);
	for (uint32_t i = 0; i < comparing->said->session_count; i++) {
		const struct edges_session *said = &comparing->said->sessions[i];
		if (oracle_leader(comparing->oracle, said->pid) != leader)
			continue;
		for (uint32_t e = 0; e < said->count; e++)
			if ((said->edges[e].kind == EDGE_PRESUMED || said->pid != leader) &&
			    oracle_leader(comparing->oracle, said->edges[e].blocker) == blocker)
				return true;
	}
	return false;
}

/* Whether an edge is missing only by what is presumed; reports what is missing without. */
static bool find_missing(struct comparing *comparing, const struct edges_session *truth,
			 const struct edges_session *said)
{
	bool presumed = false;
	for (uint32_t i = 0; i < truth->count; i++) {
		int32_t blocker = truth->edges[i].blocker;
		enum edge_kind kind;
		if (said->more > 0 || edges_find_edge(said, blocker, &kind))
			continue;
		if ((truth->edges[i].kind == EDGE_SOFT && is_presumed_behind(comparing, said->pid, blocker)) ||
		    is_presumed_apart(comparing, said->pid, blocker))
			presumed = true;
		else
			judge_edge(comparing, said->pid, "an edge is missing, to", blocker);
	}
	return presumed;
}

/* Whether workers run for it: only what those hold may be presumed, since it may not be told whose they are. */
static bool is_parallel(const struct oracle *oracle, int32_t pid)
{
	int32_t leader = oracle_leader(oracle, pid);
	for (uint32_t i = 0; i < oracle->edges.session_count; i++)
		if (oracle->edges.sessions[i].worker && oracle->leaders[i] == leader)
			return true;
	return false;
}

static void check_claims(struct comparing *comparing, const struct edges_session *truth,
			 const struct edges_session *said)
{
	for (uint32_t i = 0; i < said->count; i++) {
		const struct edge *edge = &said->edges[i];
		enum edge_kind kind;
		bool found = edges_find_edge(truth, edge->blocker, &kind);
		bool may_be_hard =
			is_parallel(comparing->oracle, said->pid) || is_parallel(comparing->oracle, edge->blocker);
		if (edge->kind == EDGE_PRESUMED ? found && kind == EDGE_HARD && !may_be_hard
						: !found || kind != edge->kind)
			judge_edge(comparing, said->pid, found ? "of the wrong kind, to" : "an edge too many, to",
				   edge->blocker);
	}
	if (said->more > 0 && said->count + said->more != truth->count && !comparing->any_presumed)
		report(comparing, said->pid, "its blockers are not all counted", -1);
}

static void compare_session(struct comparing *comparing, const struct edges_session *truth)
{
	struct comparison *comparison = comparing->comparison;
	const struct edges_session *said = edges_find(comparing->said, truth->pid);
	if (!said) {
		if (truth->waits)
			report(comparing, truth->pid, "it waits, and is not there", -1);
		return;
	}
	if (truth->waits && !said->waits && !truth->worker)
		report(comparing, truth->pid, "it waits", -1);
	comparing->moved = false;
	check_claims(comparing, truth, said);
	bool presumed = find_missing(comparing, truth, said) || has_presumed(said);
	if (!truth->waits)
		return;
	if (comparing->moved)
		comparison->inconsistent++;
	else if (presumed)
		comparison->presumed++;
	else
		comparison->compared++;
}

/* ---- all of them ---- */

static bool same_answer(const struct edges_session *a, const struct edges_session *b)
{
	if (a->count != b->count || a->waits != b->waits)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->edges[i].blocker != b->edges[i].blocker || a->edges[i].kind != b->edges[i].kind)
			return false;
	return true;
}

/* Whether it stands in both readings as it stood. One that runs and does not wait may have waited in between. */
static bool stands(const struct oracle *before, uint32_t index, const struct oracle *after)
{
	const struct edges_session *was = &before->edges.sessions[index], *is = edges_find(&after->edges, was->pid);
	if (!is || !same_answer(was, is))
		return false;
	uint32_t now = (uint32_t)(is - after->edges.sessions);
	return before->states[index] == after->states[now] && (was->waits || was->worker || before->rests[index]);
}

static int32_t count_direct(const struct edges *edges, int32_t pid)
{
	int32_t count = 0;
	enum edge_kind kind;
	for (uint32_t i = 0; i < edges->session_count; i++)
		count += !edges->sessions[i].worker && edges_find_edge(&edges->sessions[i], pid, &kind);
	return count;
}

static void compare_direct(struct comparing *comparing)
{
	const struct edges *truth = &comparing->oracle->edges;
	for (uint32_t i = 0; i < comparing->said->session_count; i++) {
		const struct edges_session *said = &comparing->said->sessions[i];
		if (!said->worker && said->direct >= 0 && said->direct != count_direct(truth, said->pid))
			report(comparing, said->pid, "how many it blocks itself is not", said->direct);
	}
	int32_t prepared = comparing->said->prepared_direct;
	if (prepared >= 0 && prepared != count_direct(truth, EDGES_PREPARED))
		report(comparing, EDGES_PREPARED, "how many the prepared transaction blocks is not", prepared);
}

static void compare_circles(struct comparing *comparing)
{
	const struct edges *truth = &comparing->oracle->edges, *said = comparing->said;
	if (truth->circle_count != said->circle_count) {
		report(comparing, -1, "the number of circles is not", (int32_t)said->circle_count);
		return;
	}
	for (uint32_t i = 0; i < truth->circle_count; i++) {
		const struct edges_circle *is = &truth->circles[i], *other = &said->circles[i];
		if (is->count != other->count ||
		    memcmp(is->members, other->members, is->count * sizeof *is->members) != 0)
			report(comparing, is->members[0], "its circle has other members", -1);
		else if (is->kind != other->kind)
			report(comparing, is->members[0], "its circle is of another kind", -1);
	}
}

bool compare_readings(const struct oracle *before, const struct edges *said, const struct oracle *after,
		      struct comparison *comparison)
{
	struct comparing comparing = { .oracle = before, .after = after, .said = said, .comparison = comparison };
	uint64_t unsettled = comparison->presumed + comparison->inconsistent;
	bool quiet = true;
	for (uint32_t i = 0; i < said->session_count; i++)
		comparing.any_presumed |= has_presumed(&said->sessions[i]);
	for (uint32_t i = 0; i < before->edges.session_count; i++) {
		const struct edges_session *truth = &before->edges.sessions[i];
		bool stood = stands(before, i, after);
		if (stood && (truth->waits || truth->count > 0 || before->idle[i]))
			compare_session(&comparing, truth);
		else if (truth->waits)
			comparison->inconsistent++;
		quiet &= stood;
	}
	quiet &= before->edges.session_count == after->edges.session_count;
	if (quiet && comparison->presumed + comparison->inconsistent == unsettled) {
		compare_direct(&comparing);
		compare_circles(&comparing);
	}
	return quiet;
}
