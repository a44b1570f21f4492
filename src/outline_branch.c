#include "outline_branch.h"

#include "fingerprint.h"

#include <stdlib.h>

enum { ALIKE_LEAST = 11 };

/* A waiting leaf, and what makes it look like another. */
struct leaf {
	uint64_t query;
	uint32_t state;
	uint32_t unit;
};

int64_t item_longest(const struct forest_item *item)
{
	return item->wait > item->behind ? item->wait : item->behind;
}

static bool is_waiting_leaf(const struct outlining *outlining, const struct unit *unit)
{
	const struct forest_item *item = &outlining->forest->items[unit->item];
	const struct graph *graph = outlining->forest->frame->graph;
	return !unit->kept && item->beneath == 0 && item->kind == FOREST_SESSION &&
	       graph->nodes[item->node].wait_count > 0;
}

static struct leaf leaf_of(const struct outlining *outlining, const struct branch *branch, uint32_t unit)
{
	const struct frame *frame = outlining->forest->frame;
	uint32_t node = outlining->forest->items[branch->units[unit].item].node;
	const struct session *session = &frame->snapshot->sessions[frame->graph->nodes[node].session];
	return (struct leaf){ .query = session_fingerprint(session),
			      .state = (uint32_t)session->state * 2 + session->has_query_id,
			      .unit = unit };
}

static bool is_alike(const struct leaf *a, const struct leaf *b)
{
	return a->query == b->query && a->state == b->state;
}

static int compare_leaves(const void *left, const void *right)
{
	const struct leaf *a = left, *b = right;
	if (a->query != b->query)
		return a->query < b->query ? -1 : 1;
	if (a->state != b->state)
		return a->state < b->state ? -1 : 1;
	return a->unit < b->unit ? -1 : a->unit > b->unit;
}

/* The first of them stands for all; the others are left with a count of 0. */
static void unite(struct branch *branch, const struct leaf *leaves, uint32_t count)
{
	struct unit *first = &branch->units[leaves[0].unit];
	for (uint32_t i = 1; i < count; i++) {
		struct unit *unit = &branch->units[leaves[i].unit];
		if (unit->oldest > first->oldest)
			first->oldest = unit->oldest;
		unit->count = 0;
	}
	first->count = count;
}

static void drop_united(struct branch *branch)
{
	uint32_t left = 0;
	for (uint32_t i = 0; i < branch->count; i++)
		if (branch->units[i].count > 0)
			branch->units[left++] = branch->units[i];
	branch->count = left;
}

static void unite_alike(struct outlining *outlining, struct branch *branch)
{
	struct leaf *leaves = arena_array(&outlining->scratch, branch->count, sizeof *leaves);
	uint32_t count = 0;
	for (uint32_t i = 0; i < branch->count; i++)
		if (is_waiting_leaf(outlining, &branch->units[i]))
			leaves[count++] = leaf_of(outlining, branch, i);
	qsort(leaves, count, sizeof *leaves, compare_leaves);
	for (uint32_t first = 0, end; first < count; first = end) {
		for (end = first + 1; end < count && is_alike(&leaves[first], &leaves[end]); end++)
			;
		if (end - first >= ALIKE_LEAST)
			unite(branch, &leaves[first], end - first);
	}
	drop_united(branch);
}

struct branch *branch_new(struct outlining *outlining, uint32_t item, bool alike)
{
	const struct forest *forest = outlining->forest;
	const struct forest_item *parent = &forest->items[item];
	struct branch *branch = arena_alloc(&outlining->scratch, sizeof *branch);
	branch->units = arena_array(&outlining->scratch, parent->child_count, sizeof *branch->units);
	uint32_t child = parent->child_count > 0 ? item + 1 : FOREST_NONE;
	for (; child != FOREST_NONE; child = forest->items[child].next)
		if (outlining->visible[child])
			branch->units[branch->count++] =
				(struct unit){ child, 1, item_longest(&forest->items[child]), outlining->keeps[child] };
	if (alike && branch->count >= ALIKE_LEAST)
		unite_alike(outlining, branch);
	return branch;
}

bool branch_shows(const struct branch *branch, uint32_t unit)
{
	return unit < branch->limit || branch->units[unit].kept;
}

void branch_fit(struct branch *branch, uint32_t room)
{
	uint32_t used = 0;
	for (uint32_t i = 0; i < branch->count; i++)
		used += branch->units[i].kept;
	branch->limit = branch->count;
	branch->lines = branch->count;
	/* The line that sums up one unit takes as much room as that unit. */
	if (branch->count <= room || branch->count <= used + 1)
		return;
	for (branch->limit = 0; branch->limit < branch->count; branch->limit++) {
		bool kept = branch->units[branch->limit].kept;
		if (!kept && used + 2 > room)
			break;
		used += !kept;
	}
	branch->lines = used + 1;
}
