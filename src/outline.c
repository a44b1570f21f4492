#include "pglocktop/outline.h"

#include "outline_branch.h"

#include <stdlib.h>
#include <string.h>

/* A deadlock of so many shows its members whatever the room. */
enum { SMALL_CYCLE = 10 };

struct budget {
	struct outlining *outlining;
	uint32_t *worst; /* items with children, deadlocks first, then by summed wait */
	uint32_t worst_count;
	uint32_t lines; /* so far */
	uint32_t height; /* lines on screen, and those of roots that need not be on it */
};

static const struct fold *find_fold(const struct outline_options *options, struct row_key key)
{
	uint32_t low = 0, high = options->fold_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (row_key_compare(options->folds[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < options->fold_count && row_key_compare(options->folds[low].key, key) == 0;
	return found ? &options->folds[low] : NULL;
}

static bool is_unfolded(const struct outlining *outlining, struct row_key key)
{
	const struct fold *fold = find_fold(outlining->options, key);
	return fold ? fold->open : outlining->options->whole;
}

static bool is_folded(const struct outlining *outlining, struct row_key key)
{
	const struct fold *fold = find_fold(outlining->options, key);
	return fold && !fold->open;
}

static int compare_keep(const void *left, const void *right)
{
	const struct row_key *a = left, *b = right;
	return row_key_compare(*a, *b);
}

/* Matched by the filter, above one that is, or below. */
static void mark_visible(struct outlining *outlining)
{
	const struct forest *forest = outlining->forest;
	const bool *matched = outlining->options->matched;
	bool *below = arena_array(&outlining->scratch, forest->count, sizeof *below);
	for (uint32_t i = 0; i < forest->count; i++) {
		uint32_t parent = forest->items[i].parent;
		below[i] = !matched || matched[i] || (parent != FOREST_NONE && below[parent]);
		outlining->visible[i] = below[i];
	}
	for (uint32_t i = forest->count; i-- > 0;) {
		uint32_t parent = forest->items[i].parent;
		if (outlining->visible[i] && parent != FOREST_NONE)
			outlining->visible[parent] = true;
	}
}

static void mark_keep(struct outlining *outlining)
{
	const struct forest *forest = outlining->forest;
	const struct outline_options *options = outlining->options;
	for (uint32_t i = forest->count; i-- > 0;) {
		const struct forest_item *item = &forest->items[i];
		if (options->keep_count > 0 && outlining->visible[i] &&
		    bsearch(&item->key, options->keep, options->keep_count, sizeof item->key, compare_keep))
			outlining->keeps[i] = true;
		if (outlining->keeps[i] && item->parent != FOREST_NONE)
			outlining->keeps[item->parent] = outlining->keeps_beneath[item->parent] = true;
	}
}

static void find_longest(struct outlining *outlining)
{
	const struct graph *graph = outlining->forest->frame->graph;
	outlining->lock_longest = arena_array(&outlining->scratch, graph->lock_count, sizeof *outlining->lock_longest);
	for (uint32_t i = 0; i < graph->lock_count; i++)
		outlining->lock_longest[i] = WHEN_NONE;
	for (uint32_t i = 0; i < graph->wait_count; i++) {
		const struct graph_wait *wait = &graph->waits[i];
		if (graph->nodes[wait->node].waiting > outlining->lock_longest[wait->lock])
			outlining->lock_longest[wait->lock] = graph->nodes[wait->node].waiting;
	}
}

/* Those whom a root without anybody beneath it blocks hang elsewhere. */
static bool is_idle_root(const struct forest_item *root)
{
	return root->beneath == 0 && root->wait == WHEN_NONE;
}

static int64_t root_longest(const struct outlining *outlining, uint32_t root)
{
	const struct forest_item *item = &outlining->forest->items[root];
	uint32_t heads = is_idle_root(item) ? outlining->forest->frame->graph->nodes[item->node].heads : GRAPH_NONE;
	return heads == GRAPH_NONE ? item_longest(item) : outlining->lock_longest[heads];
}

static bool is_brief(const struct outlining *outlining, uint32_t root)
{
	const struct forest_item *item = &outlining->forest->items[root];
	int64_t longest = root_longest(outlining, root);
	if (outlining->options->brief <= 0 || item->kind == FOREST_CYCLE || outlining->keeps[root])
		return false;
	if (is_unfolded(outlining, ROW_KEY_NONE) || is_unfolded(outlining, item->key))
		return false;
	return longest != WHEN_NONE && longest < outlining->options->brief;
}

/* The roots, each with a line; what is brief is summed up in `brief`. */
static struct branch *list_roots(struct outlining *outlining, struct unit *brief)
{
	const struct forest *forest = outlining->forest;
	struct branch *roots = arena_alloc(&outlining->scratch, sizeof *roots);
	roots->units = arena_array(&outlining->scratch, forest->root_count, sizeof *roots->units);
	*brief = (struct unit){ FOREST_NONE, 0, WHEN_NONE, false };
	for (uint32_t i = forest->count > 0 ? 0 : FOREST_NONE; i != FOREST_NONE; i = forest->items[i].next) {
		int64_t longest = root_longest(outlining, i);
		if (!outlining->visible[i])
			continue;
		if (is_brief(outlining, i)) {
			brief->count++;
			brief->oldest = longest > brief->oldest ? longest : brief->oldest;
			continue;
		}
		roots->units[roots->count++] = (struct unit){ i, 1, longest, false };
		outlining->shown[i] = true;
	}
	roots->limit = roots->lines = roots->count;
	return roots;
}

static void show_units(struct outlining *outlining, const struct branch *branch)
{
	for (uint32_t i = 0; i < branch->count; i++)
		if (branch->units[i].count == 1 && branch_shows(branch, i))
			outlining->shown[branch->units[i].item] = true;
}

/* Gives the lines beneath an item so much room, and counts what they take. */
static void resize_branch(struct budget *budget, uint32_t item, uint32_t room)
{
	struct branch *branch = budget->outlining->branches[item];
	budget->lines -= branch->lines;
	branch_fit(branch, room);
	budget->lines += branch->lines;
	show_units(budget->outlining, branch);
}

static void open_branch(struct budget *budget, uint32_t item, bool alike, uint32_t room)
{
	budget->outlining->branches[item] = branch_new(budget->outlining, item, alike);
	resize_branch(budget, item, room);
}

/* Members of a deadlock are told apart, and a queue has an order. */
static bool unites_alike(const struct forest_item *parent)
{
	return parent->kind == FOREST_SESSION || parent->kind == FOREST_PREPARED;
}

/* Opens what is open whatever the room: by the user, for those kept, small deadlocks. Parents come before children. */
static void open_wanted(struct budget *budget)
{
	struct outlining *outlining = budget->outlining;
	for (uint32_t i = 0; i < outlining->forest->count; i++) {
		const struct forest_item *item = &outlining->forest->items[i];
		if (!outlining->shown[i] || item->child_count == 0 || is_folded(outlining, item->key))
			continue;
		bool small_cycle = item->kind == FOREST_CYCLE && item->child_count <= SMALL_CYCLE;
		if (small_cycle || is_unfolded(outlining, item->key))
			open_branch(budget, i, false, UINT32_MAX);
		else if (outlining->keeps_beneath[i])
			open_branch(budget, i, unites_alike(item), 0);
	}
}

struct candidate {
	int64_t wait_sum;
	bool cycle;
	uint32_t item;
};

static int compare_candidates(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	if (a->cycle != b->cycle)
		return a->cycle ? -1 : 1;
	if (a->wait_sum != b->wait_sum)
		return a->wait_sum > b->wait_sum ? -1 : 1;
	return a->item < b->item ? -1 : a->item > b->item;
}

/* A parent's sum is at least its child's and it comes first in the forest: parents come before children here, too. */
static void sort_worst(struct budget *budget)
{
	struct outlining *outlining = budget->outlining;
	const struct forest *forest = outlining->forest;
	struct candidate *candidates = arena_array(&outlining->scratch, forest->count, sizeof *candidates);
	uint32_t count = 0;
	for (uint32_t i = 0; i < forest->count; i++) {
		const struct forest_item *item = &forest->items[i];
		if (item->child_count > 0 && outlining->visible[i] && !is_folded(outlining, item->key))
			candidates[count++] = (struct candidate){ item->wait_sum, item->kind == FOREST_CYCLE, i };
	}
	qsort(candidates, count, sizeof *candidates, compare_candidates);
	budget->worst = arena_array(&outlining->scratch, count, sizeof *budget->worst);
	budget->worst_count = count;
	for (uint32_t i = 0; i < count; i++)
		budget->worst[i] = candidates[i].item;
}

static bool is_complete(const struct branch *branch)
{
	return branch && branch->limit == branch->count;
}

/* Unfolds one item further as the room allows; with `share` one that does not fit leaves half of the room. */
static bool unfold_item(struct budget *budget, uint32_t item, uint32_t room, bool share)
{
	struct outlining *outlining = budget->outlining;
	const struct forest_item *parent = &outlining->forest->items[item];
	struct branch *branch = outlining->branches[item];
	/* Not even one child and the line that sums up the others. */
	if (!branch && room < 2 && room < parent->child_count)
		return false;
	if (!branch)
		branch = outlining->branches[item] = branch_new(outlining, item, unites_alike(parent));
	uint32_t before = budget->lines;
	room += branch->lines;
	if (share && branch->count > room)
		room = room / 2 < 3 ? room : room / 2;
	resize_branch(budget, item, room);
	return budget->lines > before;
}

/* Goes once through all that is shown, the worst first; whether anything was unfolded. */
static bool unfold_worst(struct budget *budget, bool share)
{
	struct outlining *outlining = budget->outlining;
	bool unfolded = false;
	for (uint32_t i = 0; i < budget->worst_count && budget->lines < budget->height; i++) {
		uint32_t item = budget->worst[i];
		if (outlining->shown[item] && !is_complete(outlining->branches[item]))
			unfolded |= unfold_item(budget, item, budget->height - budget->lines, share);
	}
	return unfolded;
}

/* While the lines are written: where each open branch is. */
struct place {
	const struct branch *branch;
	uint32_t parent; /* FOREST_NONE: the roots */
	uint32_t next; /* unit */
	bool more_follows; /* lines of the same parent, after its units */
};

struct writing {
	const struct outlining *outlining;
	struct outline *outline;
	struct place *stack;
	uint32_t depth;
};

static uint16_t child_depth(const struct forest *forest, uint32_t parent)
{
	uint16_t depth = parent == FOREST_NONE ? 0 : forest->items[parent].depth;
	return parent == FOREST_NONE || depth == UINT16_MAX ? depth : depth + 1;
}

static void push(struct writing *writing, uint32_t parent, const struct branch *branch, bool more_follows)
{
	writing->stack[writing->depth++] = (struct place){ branch, parent, 0, more_follows };
}

static void write_unit(struct writing *writing, const struct place *place, const struct unit *unit, bool last)
{
	const struct outlining *outlining = writing->outlining;
	const struct forest_item *item = &outlining->forest->items[unit->item];
	const bool *matched = outlining->options->matched;
	bool alike = unit->count > 1;
	writing->outline->lines[writing->outline->count++] = (struct outline_line){
		.kind = alike ? LINE_ALIKE : LINE_ITEM,
		.item = alike ? place->parent : unit->item,
		.example = unit->item,
		.count = unit->count,
		.oldest = unit->oldest,
		.key = item->key,
		.depth = child_depth(outlining->forest, place->parent),
		.last_sibling = last,
		.open = !alike && outlining->branches[unit->item],
		.dim = matched && !matched[unit->item],
	};
}

/* The line that sums up what a branch does not show. */
static void write_more(struct writing *writing, const struct place *place)
{
	const struct forest *forest = writing->outlining->forest;
	struct outline_line line = { .kind = LINE_MORE, .item = place->parent, .example = FOREST_NONE };
	line.oldest = WHEN_NONE;
	line.key = forest->items[place->parent].key;
	line.depth = child_depth(forest, place->parent);
	line.last_sibling = true;
	for (uint32_t i = 0; i < place->branch->count; i++) {
		const struct unit *unit = &place->branch->units[i];
		if (branch_shows(place->branch, i))
			continue;
		line.count += unit->count;
		line.oldest = unit->oldest > line.oldest ? unit->oldest : line.oldest;
	}
	writing->outline->lines[writing->outline->count++] = line;
}

static uint32_t next_shown(const struct branch *branch, uint32_t from)
{
	while (from < branch->count && !branch_shows(branch, from))
		from++;
	return from;
}

/* Writes the next line of the branch at hand, and goes into the one beneath it or back. */
static void write_next(struct writing *writing)
{
	struct place *place = &writing->stack[writing->depth - 1];
	uint32_t unit = next_shown(place->branch, place->next);
	if (unit == place->branch->count) {
		if (place->branch->limit < place->branch->count)
			write_more(writing, place);
		writing->depth--;
		return;
	}
	place->next = unit + 1;
	bool last = !place->more_follows && next_shown(place->branch, place->next) == place->branch->count;
	const struct unit *shown = &place->branch->units[unit];
	write_unit(writing, place, shown, last);
	const struct branch *beneath = writing->outlining->branches[shown->item];
	if (shown->count == 1 && beneath)
		push(writing, shown->item, beneath, beneath->limit < beneath->count);
}

static void write_brief(struct outline *outline, const struct unit *brief)
{
	outline->lines[outline->count++] = (struct outline_line){ .kind = LINE_BRIEF,
								  .item = FOREST_NONE,
								  .example = FOREST_NONE,
								  .count = brief->count,
								  .oldest = brief->oldest,
								  .key = ROW_KEY_NONE,
								  .last_sibling = true };
}

static struct outline *write_lines(struct budget *budget, const struct branch *roots, const struct unit *brief,
				   struct arena *arena)
{
	struct outlining *outlining = budget->outlining;
	struct outline *outline = arena_alloc(arena, sizeof *outline);
	outline->lines = arena_array(arena, budget->lines, sizeof *outline->lines);
	struct writing writing = { .outlining = outlining, .outline = outline };
	writing.stack = arena_array(&outlining->scratch, (size_t)outlining->forest->count + 1, sizeof *writing.stack);
	push(&writing, FOREST_NONE, roots, brief->count > 0);
	while (writing.depth > 0)
		write_next(&writing);
	if (brief->count > 0)
		write_brief(outline, brief);
	ensure(outline->count == budget->lines);
	return outline;
}

struct outline *outline_new(const struct forest *forest, const struct outline_options *options, struct arena *arena)
{
	struct outlining outlining = { .forest = forest, .options = options, .scratch = ARENA_INIT };
	outlining.visible = arena_array(&outlining.scratch, forest->count, sizeof *outlining.visible);
	outlining.keeps = arena_array(&outlining.scratch, forest->count, sizeof *outlining.keeps);
	outlining.keeps_beneath = arena_array(&outlining.scratch, forest->count, sizeof *outlining.keeps_beneath);
	outlining.shown = arena_array(&outlining.scratch, forest->count, sizeof *outlining.shown);
	outlining.branches = arena_array(&outlining.scratch, forest->count, sizeof *outlining.branches);
	mark_visible(&outlining);
	mark_keep(&outlining);
	find_longest(&outlining);
	struct unit brief;
	struct branch *roots = list_roots(&outlining, &brief);
	struct budget budget = { .outlining = &outlining, .lines = roots->lines + (brief.count > 0) };
	budget.height = options->height;
	for (uint32_t i = 0; i < roots->count; i++)
		budget.height += is_idle_root(&forest->items[roots->units[i].item]);
	open_wanted(&budget);
	if (!options->whole) {
		sort_worst(&budget);
		unfold_worst(&budget, true);
		while (unfold_worst(&budget, false))
			;
	}
	struct outline *outline = write_lines(&budget, roots, &brief, arena);
	arena_release(&outlining.scratch);
	return outline;
}
