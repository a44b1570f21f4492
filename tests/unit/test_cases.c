/*
 * Runs tests/cases/: each file holds a lock situation (tests/situation.h), a line "----", and what is to come of it:
 * the edges, the cycles, whom to ask about the queues' order, what a signal would free, and the tree as lines of text.
 *
 * With CASES_WRITE=1 in the environment the second part is written anew: read what changed before you keep it.
 */
#include "scripts.h"
#include "situation.h"

#include "pglocktop/object.h"
#include "pglocktop/whatif.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_age(struct strbuf *out, int64_t age)
{
	char text[WHEN_TEXT_SIZE];
	if (age != WHEN_NONE && age < WHEN_SECOND && age > -WHEN_SECOND && age != 0)
		strbuf_printf(out, "%" PRId64 "ms", age / 1000);
	else
		strbuf_add_string(out, age < 0 && age != WHEN_NONE ? "past" : when_format_age(age, text));
}

static void add_node(const struct graph *graph, uint32_t index, struct strbuf *out)
{
	const struct graph_node *node = &graph->nodes[index];
	if (node->session != SNAPSHOT_NO_INDEX)
		strbuf_printf(out, "%" PRId32, graph->snapshot->sessions[node->session].id.pid);
	else if (node->prepared != SNAPSHOT_NO_INDEX)
		strbuf_printf(out, "2pc %s", graph->snapshot->prepared[node->prepared].gid);
	else
		strbuf_printf(out, "2pc ? %s", node->virtualtransaction);
}

static const char *kind_name(enum edge_kind kind)
{
	return kind == EDGE_HARD ? "hard" : kind == EDGE_SOFT ? "soft" : "presumed";
}

static void add_edges(const struct graph *graph, struct strbuf *out)
{
	strbuf_add_string(out, "edges\n");
	struct graph_blocker *blockers = calloc(graph->node_count + 1, sizeof *blockers);
	for (uint32_t i = 0; i < graph->node_count; i++) {
		uint32_t count = graph_blockers(graph, i, blockers, graph->node_count);
		if (graph->nodes[i].wait_count == 0)
			continue;
		strbuf_add_string(out, "  ");
		add_node(graph, i, out);
		strbuf_add_string(out, count == 0 ? " waits for nobody" : " <-");
		for (uint32_t j = 0; j < count; j++) {
			strbuf_add_string(out, j > 0 ? ", " : " ");
			add_node(graph, blockers[j].node, out);
			strbuf_printf(out, " %s", kind_name(blockers[j].kind));
		}
		strbuf_add_char(out, '\n');
	}
	free(blockers);
}

static void add_cycles(const struct graph *graph, struct strbuf *out)
{
	for (uint32_t i = 0; i < graph->cycle_count; i++) {
		const struct graph_cycle *cycle = &graph->cycles[i];
		strbuf_add_string(out, "cycle\n  ");
		for (uint32_t j = 0; j < cycle->member_count; j++) {
			add_node(graph, graph->cycle_members[cycle->first_member + j], out);
			strbuf_add_char(out, ' ');
		}
		strbuf_printf(out, "%s%s, age ", cycle->has_soft ? "soft" : "hard", cycle->presumed ? " presumed" : "");
		add_age(out, cycle->age);
		strbuf_add_string(out, ", ends in ");
		add_age(out, cycle->ends_in);
		strbuf_add_string(out, ", victim ");
		if (cycle->victim == GRAPH_NONE)
			strbuf_add_char(out, '?');
		else
			add_node(graph, cycle->victim, out);
		strbuf_add_char(out, '\n');
	}
}

static void add_cover(const struct graph *graph, struct strbuf *out)
{
	int32_t pids[256];
	uint32_t count = graph_cover(graph, GRAPH_NONE, false, pids, 256);
	if (count == 0)
		return;
	strbuf_add_string(out, "ask\n ");
	for (uint32_t i = 0; i < count && i < 256; i++)
		strbuf_printf(out, " %" PRId32, pids[i]);
	strbuf_add_char(out, '\n');
}

static const char *doubt_words(unsigned doubts)
{
	return doubts & WHATIF_ORDER ? " by a presumed order" : doubts ? " probably" : "";
}

/* Whom a signal would free, and what comes of the others. */
static void add_forecast(const struct whatif *whatif, const struct graph *graph, uint32_t node, enum signal_verb verb,
			 struct strbuf *out)
{
	struct whatif_forecast forecast = whatif_forecast(whatif, node, verb);
	uint32_t *freed = calloc((size_t)forecast.freed + 1, sizeof *freed);
	struct whatif_place place;
	struct whatif_ahead ahead;
	whatif_freed(whatif, node, verb, freed, forecast.freed);
	strbuf_add_string(out, forecast.freed > 0 ? " frees" : forecast.nothing ? " nothing" : " frees nobody");
	for (uint32_t i = 0; i < forecast.freed; i++) {
		strbuf_add_char(out, ' ');
		add_node(graph, freed[i], out);
	}
	strbuf_add_string(out, doubt_words(forecast.doubts));
	if (forecast.in_turn == GRAPH_NONE)
		strbuf_add_string(out, ", in turn ?");
	else if (forecast.in_turn > 0)
		strbuf_printf(out, ", in turn %" PRIu32, forecast.in_turn);
	if (!forecast.nothing && whatif_ahead(whatif, node, &ahead)) {
		strbuf_printf(out, ", %" PRIu32 " behind ", ahead.freed);
		add_node(graph, ahead.node, out);
	}
	if (!forecast.nothing && (whatif_moved(whatif, node, &place) || whatif_stays(whatif, node, &place))) {
		strbuf_add_string(out, ", ");
		add_node(graph, place.node, out);
		strbuf_add_string(out, whatif_moved(whatif, node, &place) ? " moves up behind " : " stays behind ");
		add_node(graph, place.behind, out);
	}
	free(freed);
}

static void add_whatif(const struct frame *frame, struct strbuf *out)
{
	const struct graph *graph = frame->graph;
	bool titled = false;
	for (uint32_t i = 0; i < graph->node_count; i++) {
		if (graph->nodes[i].blocked_count == 0)
			continue;
		strbuf_add_string(out, titled ? "  " : "what if\n  ");
		titled = true;
		add_node(graph, i, out);
		strbuf_add_string(out, ": K");
		add_forecast(frame->whatif, graph, i, SIGNAL_TERMINATE, out);
		strbuf_add_string(out, "; C");
		add_forecast(frame->whatif, graph, i, SIGNAL_CANCEL, out);
		strbuf_add_char(out, '\n');
	}
}

static void add_item(const struct forest *forest, const struct outline_line *line, const uint32_t *behind,
		     struct strbuf *out)
{
	static const char *const signs[] = { "- ", "~ ", "? " };
	const struct forest_item *item = &forest->items[line->item];
	const struct graph *graph = forest->frame->graph;
	strbuf_add_string(out, item->parent == FOREST_NONE ? "" : signs[item->edge]);
	if (item->kind == FOREST_CYCLE) {
		strbuf_printf(out, "DEADLOCK of %" PRIu32, graph->cycles[item->cycle].member_count);
	} else {
		add_node(graph, item->node, out);
		strbuf_add_char(out, ' ');
		object_describe_node(graph, item->node, true, out);
	}
	if (item->wait != WHEN_NONE) {
		strbuf_add_string(out, graph->nodes[item->node].waiting_exact ? ", " : ", <=");
		add_age(out, item->wait);
	}
	if (item->beneath > 0) {
		strbuf_printf(out, " [%" PRIu32 " beneath, ", item->beneath);
		add_age(out, item->behind);
		strbuf_add_string(out, ", sum ");
		add_age(out, item->wait_sum);
		if (item->node != GRAPH_NONE)
			strbuf_printf(out, ", %" PRIu32 " behind", behind[item->node]);
		strbuf_add_string(out, line->open ? "]" : "] folded");
	}
}

static void add_line(const struct forest *forest, const struct outline_line *line, const uint32_t *behind,
		     struct strbuf *out)
{
	strbuf_printf(out, "%*s", 2 + 2 * line->depth, "");
	switch (line->kind) {
	case LINE_ITEM:
		add_item(forest, line, behind, out);
		break;
	case LINE_MORE:
		strbuf_printf(out, "... %" PRIu32 " more, oldest ", line->count);
		add_age(out, line->oldest);
		break;
	case LINE_ALIKE:
		strbuf_printf(out, "x%" PRIu32 " like %" PRId32 ", oldest ", line->count,
			      forest->items[line->example].key.pid);
		add_age(out, line->oldest);
		break;
	case LINE_BRIEF:
		strbuf_printf(out, "... %" PRIu32 " brief waits, oldest ", line->count);
		add_age(out, line->oldest);
		break;
	}
	strbuf_add_string(out, line->dim ? " dim\n" : "\n");
}

static void add_tree(struct situation *situation, struct strbuf *out)
{
	struct arena arena = ARENA_INIT;
	struct forest *forest = forest_new(situation->frame, situation->order, &arena);
	bool *matched = arena_array(&arena, forest->count, sizeof *matched);
	for (uint32_t i = 0; i < forest->count; i++)
		for (uint32_t j = 0; j < situation->matched_count; j++)
			matched[i] |= forest->items[i].key.pid == situation->matched[j];
	if (situation->matched_count > 0)
		situation->options.matched = matched;
	const uint32_t *behind = graph_count_behind(situation->frame->graph, 5000, &arena);
	const struct outline *outline = outline_new(forest, &situation->options, &arena);
	strbuf_add_string(out, "tree\n");
	for (uint32_t i = 0; i < outline->count; i++)
		add_line(forest, &outline->lines[i], behind, out);
	situation->options.matched = NULL;
	arena_release(&arena);
}

static void rewrite(const char *path, const char *text, const char *rest, const char *result)
{
	FILE *file = fopen(path, "w");
	if (!file)
		fail_msg("cannot write %s", path);
	fprintf(file, "%.*s%s%s", (int)(rest - text), text, strstr(text, "\n----\n") ? "" : "----\n", result);
	fclose(file);
}

static void test_case(void **state)
{
	const char *path = *state;
	char *text = scripts_read(path);
	struct situation situation;
	struct err err;
	if (!situation_read(&situation, text, &err))
		fail_msg("%s: %s", path, err.text);
	struct strbuf result = STRBUF_INIT;
	add_edges(situation.frame->graph, &result);
	add_cycles(situation.frame->graph, &result);
	add_cover(situation.frame->graph, &result);
	add_whatif(situation.frame, &result);
	add_tree(&situation, &result);
	bool same = strcmp(result.text, situation.rest) == 0;
	if (!same && getenv("CASES_WRITE"))
		rewrite(path, text, *situation.rest ? situation.rest : text + strlen(text), result.text);
	else if (!same)
		fail_msg("%s\nexpected:\n%s\nbut it is:\n%s", path, situation.rest, result.text);
	strbuf_release(&result);
	situation_release(&situation);
	free(text);
}

int main(void)
{
	return scripts_run("cases", "tests/cases", test_case);
}
