#include "selection.h"

#include "pglocktop/filter.h"

#include <stdlib.h>
#include <string.h>

static bool is_old_enough(int64_t age, int64_t least)
{
	return least == WHEN_NONE || (age != WHEN_NONE && age >= least);
}

static bool blocks_enough(const struct forest *forest, uint32_t node, uint32_t least)
{
	if (least == 0)
		return true;
	return node != GRAPH_NONE && forest->items[forest->node_item[node]].beneath >= least;
}

static bool fits(const struct options_select *select, const struct forest *forest, uint32_t index)
{
	const struct frame *frame = forest->frame;
	const struct session *session = &frame->snapshot->sessions[index];
	uint32_t node = frame->graph->session_node[index];
	bool waits = node != GRAPH_NONE && frame->graph->nodes[node].wait_count > 0;
	if (!session->listed || session->may == MAY_NOT_OWN || session->id.backend_start == WHEN_NONE)
		return false;
	if (select->state && session->state != session_state_parse(select->state, strlen(select->state)))
		return false;
	return is_old_enough(waits ? frame->graph->nodes[node].waiting : WHEN_NONE, select->least_wait) &&
	       is_old_enough(when_age(frame->snapshot->taken_at, session->xact_start), select->least_xact) &&
	       blocks_enough(forest, node, select->least_blocks);
}

static void match_terms(const char *terms, const struct frame *frame, bool *selected, struct arena *arena)
{
	struct err err;
	struct filter *filter = filter_new(terms, &err, NULL);
	struct filter_run run = { .done = false };
	ensure(filter); /* the options have compiled it */
	filter_run_start(&run, filter, frame, arena);
	while (!run.done)
		filter_run_slice(&run, INT64_MAX);
	for (uint32_t i = 0; i < frame->snapshot->session_count; i++)
		selected[i] &= run.sessions[i];
	filter_free(filter);
}

const bool *selection_make(const struct options_select *select, const struct forest *forest, struct arena *arena)
{
	uint32_t count = forest->frame->snapshot->session_count;
	bool *selected = arena_array(arena, count, sizeof *selected);
	for (uint32_t i = 0; i < count; i++)
		selected[i] = fits(select, forest, i);
	if (select->terms)
		match_terms(select->terms, forest->frame, selected, arena);
	return selected;
}

static int compare_ages(const void *left, const void *right, void *context)
{
	const struct session *sessions = context;
	const struct session *a = &sessions[*(const uint32_t *)left], *b = &sessions[*(const uint32_t *)right];
	int64_t since_a = a->xact_start == WHEN_NONE ? INT64_MAX : a->xact_start;
	int64_t since_b = b->xact_start == WHEN_NONE ? INT64_MAX : b->xact_start;
	if (since_a != since_b)
		return since_a < since_b ? -1 : 1;
	return (a->id.pid > b->id.pid) - (a->id.pid < b->id.pid);
}

void selection_add_ids(const bool *selected, const struct snapshot *snapshot, struct strbuf *out)
{
	uint32_t *order = calloc(snapshot->session_count + 1, sizeof *order), count = 0;
	char id[IDENTITY_TEXT_SIZE];
	if (!order)
		err_die("out of memory");
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (selected[i])
			order[count++] = i;
	qsort_r(order, count, sizeof *order, compare_ages, snapshot->sessions);
	for (uint32_t i = 0; i < count; i++)
		strbuf_printf(out, "%s\n", identity_format(snapshot->sessions[order[i]].id, id));
	free(order);
}
