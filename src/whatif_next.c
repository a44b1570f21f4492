#include "pglocktop/consequence.h"
#include "whatif_build.h"

/*
 * What to do next. Only what the role may do is named; and a deadlock that the server sees is left to it: it ends it
 * within deadlock_timeout, sooner than anybody can decide.
 */

/* The server ends it by itself, or reorders a queue; one that is older than twice the timeout it cannot see. */
bool whatif_is_left_to_server(const struct graph *graph, uint32_t node)
{
	uint32_t index = graph->nodes[node].cycle;
	int64_t timeout = graph->snapshot->server.deadlock_timeout;
	if (index == GRAPH_NONE)
		return false;
	const struct graph_cycle *cycle = &graph->cycles[index];
	return timeout <= 0 || cycle->age == WHEN_NONE || cycle->age <= 2 * timeout;
}

/* Whoever waits and is blocked by nobody has its lock already and is about to wake up. */
static bool is_waking(const struct graph *graph, uint32_t node)
{
	return graph->nodes[node].wait_count > 0 && graph->nodes[node].blocker_count == 0;
}

static bool may_signal(const struct graph *graph, uint32_t node)
{
	uint32_t session = graph->nodes[node].session;
	return session != SNAPSHOT_NO_INDEX && graph->snapshot->sessions[session].may == MAY_SIGNAL;
}

/* The milder act that frees as many: a cancel where something runs, else the end of the session. Without a warning. */
static bool find_act(const struct whatif *whatif, uint32_t node, struct whatif_act *act)
{
	const struct graph *graph = whatif->graph;
	if (is_waking(graph, node) || whatif_is_left_to_server(graph, node))
		return false;
	struct whatif_forecast cancel = whatif_forecast(whatif, node, SIGNAL_CANCEL);
	struct whatif_forecast terminate = whatif_forecast(whatif, node, SIGNAL_TERMINATE);
	if (cancel.freed > 0)
		*act = (struct whatif_act){ node, SIGNAL_CANCEL, cancel, NULL };
	else
		*act = (struct whatif_act){ node, SIGNAL_TERMINATE, terminate, NULL };
	return act->forecast.freed > 0;
}

/* Only of what would be among the best: a warning makes no act better, and to find one texts are read. */
static void add_warning(const struct graph *graph, struct whatif_act *act)
{
	uint32_t session = graph->nodes[act->node].session;
	if (session != SNAPSHOT_NO_INDEX)
		act->warning = consequence_warning(graph->snapshot, session);
}

static uint32_t known_in_turn(const struct whatif_act *act)
{
	return act->forecast.in_turn == GRAPH_NONE ? 0 : act->forecast.in_turn;
}

static bool is_better(const struct whatif_act *a, const struct whatif_act *b)
{
	if (!a->warning != !b->warning)
		return !a->warning;
	if (a->forecast.freed != b->forecast.freed)
		return a->forecast.freed > b->forecast.freed;
	if (!a->forecast.doubts != !b->forecast.doubts)
		return !a->forecast.doubts;
	if (a->verb != b->verb)
		return a->verb == SIGNAL_CANCEL;
	if (known_in_turn(a) != known_in_turn(b))
		return known_in_turn(a) > known_in_turn(b);
	return a->node < b->node;
}

uint32_t whatif_next(const struct whatif *whatif, int64_t brief, struct whatif_act acts[static WHATIF_ACTS])
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < whatif->graph->node_count; i++) {
		struct whatif_act act;
		if (whatif->blockers[i].longest < brief || !may_signal(whatif->graph, i) || !find_act(whatif, i, &act))
			continue;
		if (count == WHATIF_ACTS && !is_better(&act, &acts[count - 1]))
			continue;
		add_warning(whatif->graph, &act);
		uint32_t place = count < WHATIF_ACTS ? count++ : WHATIF_ACTS;
		for (; place > 0 && is_better(&act, &acts[place - 1]); place--)
			if (place < WHATIF_ACTS)
				acts[place] = acts[place - 1];
		if (place < WHATIF_ACTS)
			acts[place] = act;
	}
	return count;
}

bool whatif_barred(const struct whatif *whatif, int64_t brief, struct whatif_act *act)
{
	bool any = false;
	for (uint32_t i = 0; i < whatif->graph->node_count; i++) {
		struct whatif_act found;
		if (whatif->blockers[i].longest < brief || may_signal(whatif->graph, i) || !find_act(whatif, i, &found))
			continue;
		if (any && !is_better(&found, act))
			continue;
		add_warning(whatif->graph, &found);
		if (!any || is_better(&found, act))
			*act = found;
		any = true;
	}
	return any;
}
