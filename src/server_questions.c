#include "server_private.h"

#include "pids.h"

#include <stdlib.h>
#include <string.h>

enum { LIVE_QUESTIONS = 64 };

/* What makes a wait the same wait in two scans: only then does an answer between them tell its place in the queue. */
struct wait_key {
	int32_t pid;
	enum lockmode mode;
	uint64_t tag, transaction; /* their hashes */
	int64_t waitstart, query_start, backend_start;
};

static bool same_wait(const struct wait_key *a, const struct wait_key *b)
{
	return a->pid == b->pid && a->mode == b->mode && a->tag == b->tag && a->transaction == b->transaction &&
	       a->waitstart == b->waitstart && a->query_start == b->query_start && a->backend_start == b->backend_start;
}

/* FNV-1a */
static uint64_t hash_text(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (; text && *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

static struct wait_key key_of_row(const struct snapshot *snapshot, const struct lock *lock)
{
	const struct session *session = &snapshot->sessions[lock->session];
	return (struct wait_key){
		.pid = lock->pid,
		.mode = lock->mode,
		.tag = locktag_hash(&lock->tag),
		.transaction = hash_text(lock->virtualtransaction),
		.waitstart = lock->waitstart,
		.query_start = session->query_start,
		.backend_start = session->id.backend_start,
	};
}

/* The waits of the pids asked about, as they are in this snapshot; pid 0 where one does not wait. O(rows). */
static void find_waits(const struct server_questions *questions, const struct snapshot *snapshot,
		       struct wait_key *waits)
{
	memset(waits, 0, questions->count * sizeof *waits);
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		const struct lock *lock = &snapshot->locks[i];
		if (lock->granted || lock->session == SNAPSHOT_NO_INDEX)
			continue;
		uint32_t asked = pids_find(questions->pids, questions->count, lock->pid);
		if (asked != PIDS_NONE)
			waits[asked] = key_of_row(snapshot, lock);
	}
}

void questions_release(struct server_questions *questions)
{
	free(questions->pids);
	free(questions->waits);
	questions->pids = NULL;
	questions->waits = NULL;
	questions->count = 0;
}

/*
 * Microseconds that pg_blocking_pids() takes for a waiter of a queue of n: linear where holders block, quadratic at the
 * tail of a queue that conflicts with itself (measured on 15: 5, 15, 50 at n = 100, 200, 400). The worse is assumed;
 * The server finds a pid by looking at all its processes, one by one. `scale` corrects by what is measured.
 */
static double model_cost(const struct graph *graph, uint32_t queue)
{
	return 1 + 0.0005 * graph->snapshot->session_count + 0.0003 * queue * queue;
}

static double cost_of_pid(const struct graph *graph, int32_t pid)
{
	uint32_t node = graph_find_pid(graph, pid);
	uint32_t queue = 0;
	if (node == GRAPH_NONE)
		return model_cost(graph, 0);
	const struct graph_node *asked = &graph->nodes[node];
	for (uint32_t i = 0; i < asked->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[graph->node_waits[asked->first_wait + i]];
		if (graph->locks[wait->lock].wait_count > queue)
			queue = graph->locks[wait->lock].wait_count;
	}
	return model_cost(graph, queue);
}

static double model_of_all(const struct graph *graph)
{
	double sum = 0;
	for (uint32_t i = 0; i < graph->lock_count; i++)
		sum += graph->locks[i].wait_count * model_cost(graph, graph->locks[i].wait_count);
	return sum;
}

double questions_cost_of_all(const struct server *server, const struct graph *graph)
{
	return model_of_all(graph) * server->questions.scale;
}

/* As many of the most wanted as the budget allows, but at least one. */
static uint32_t fit_budget(struct server_questions *questions, const struct graph *graph, uint32_t wanted,
			   double budget)
{
	uint32_t count = 0;
	questions->model = 0;
	while (count < wanted) {
		double cost = cost_of_pid(graph, questions->pids[count]);
		if (count > 0 && (questions->model + cost) * questions->scale > budget)
			break;
		questions->model += cost;
		count++;
	}
	return count;
}

static void make_room(struct server_questions *questions, uint32_t capacity)
{
	questions->pids = calloc(capacity, sizeof *questions->pids);
	questions->waits = calloc(capacity, sizeof *questions->waits);
	if (!questions->pids || !questions->waits)
		err_die("out of memory (%u questions)", capacity);
}

void questions_choose(struct server *server, const struct graph *graph, double budget)
{
	struct server_questions *questions = &server->questions;
	const struct identity selected = server->agenda.selected;
	uint32_t first = selected.pid ? graph_find_pid(graph, selected.pid) : GRAPH_NONE;
	uint32_t capacity = server->options.once ? graph->wait_count : LIVE_QUESTIONS;
	questions_release(questions);
	questions->was_cut = questions->cut;
	questions->cut = false;
	if (graph->wait_count == 0)
		return;
	make_room(questions, capacity);
	uint32_t wanted = graph_cover(graph, first, true, questions->pids, capacity);
	questions->count = fit_budget(questions, graph, wanted < capacity ? wanted : capacity, budget);
	questions->cut = questions->count < wanted;
	pids_sort(questions->pids, questions->count);
	find_waits(questions, graph->snapshot, questions->waits);
}

bool *questions_list_waiters(const struct graph *graph, struct arena *arena)
{
	bool *waits = arena_array(arena, graph->snapshot->session_count, sizeof *waits);
	for (uint32_t i = 0; i < graph->wait_count; i++)
		waits[graph->waits[i].session] = true;
	return waits;
}

void questions_choose_all(struct server *server, const struct graph *graph)
{
	struct server_questions *questions = &server->questions;
	questions_release(questions);
	questions->model = model_of_all(graph);
	if (graph->wait_count == 0)
		return;
	make_room(questions, graph->wait_count);
	/* Sessions are by pid, and each awaits one lock. */
	struct arena scratch = ARENA_INIT;
	const bool *waits = questions_list_waiters(graph, &scratch);
	for (uint32_t i = 0; i < graph->snapshot->session_count; i++)
		if (waits[i])
			questions->pids[questions->count++] = graph->snapshot->sessions[i].id.pid;
	arena_release(&scratch);
	find_waits(questions, graph->snapshot, questions->waits);
}

/* Younger than a refresh: it is probably over at the next one, and asked about then if not. */
static bool is_brief(const struct server *server, const struct snapshot *snapshot, const struct wait_key *wait)
{
	int64_t since = wait->waitstart != WHEN_NONE ? wait->waitstart : wait->query_start;
	int64_t age = when_age(snapshot->taken_at, since);
	return !server->options.once && age != WHEN_NONE && age < server->agenda.interval;
}

bool questions_settled(const struct server *server, const struct snapshot *snapshot)
{
	const struct server_questions *questions = &server->questions;
	uint32_t answered = 0; /* both are sorted by pid */
	if (questions->was_cut && !server->options.once)
		return true; /* the budget is used up */
	for (uint32_t i = 0; i < questions->count; i++) {
		int32_t pid = questions->pids[i];
		while (answered < snapshot->answer_count && snapshot->answers[answered].pid < pid)
			answered++;
		bool asked = answered < snapshot->answer_count && snapshot->answers[answered].pid == pid;
		if (!asked && !is_brief(server, snapshot, &questions->waits[i]))
			return false;
	}
	return true;
}

static int compare_answers(const void *left, const void *right)
{
	const struct queue_answer *a = left, *b = right;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

void questions_accept(struct server *server, struct snapshot *snapshot, struct queue_answer *answers, uint32_t count)
{
	const struct server_questions *questions = &server->questions;
	uint32_t kept = 0;
	if (count == 0)
		return;
	struct wait_key *now = arena_array(snapshot->arena, questions->count, sizeof *now);
	find_waits(questions, snapshot, now);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t asked = pids_find(questions->pids, questions->count, answers[i].pid);
		if (asked != PIDS_NONE && same_wait(&now[asked], &questions->waits[asked]))
			answers[kept++] = answers[i];
	}
	/* They come in the order in which they were asked for, which is this. */
	bool sorted = true;
	for (uint32_t i = 1; i < kept && sorted; i++)
		sorted = answers[i - 1].pid <= answers[i].pid;
	if (!sorted)
		qsort(answers, kept, sizeof *answers, compare_answers);
	snapshot->answers = answers;
	snapshot->answer_count = kept;
}

void questions_measure(struct server *server, int64_t elapsed)
{
	struct server_questions *questions = &server->questions;
	if (questions->model <= 0)
		return;
	questions->scale = (questions->scale + (double)elapsed / questions->model) / 2;
	if (questions->scale < 0.2)
		questions->scale = 0.2;
	if (questions->scale > 20)
		questions->scale = 20;
}
