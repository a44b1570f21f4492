#include "forest_sort.h"

#include "pglocktop/column.h"

#include <stdlib.h>
#include <string.h>

/* What an item is sorted by, taken once. */
struct sort_key {
	int64_t number;
	const char *text; /* NULL: a number is what counts */
	int32_t pid;
	bool known;
	uint8_t kind;
	int64_t start;
	uint32_t item;
};

static int compare_values(const struct sort_key *a, const struct sort_key *b)
{
	if (a->text)
		return column_compare_texts(a->text, b->text);
	return (a->number > b->number) - (a->number < b->number);
}

static int compare_identities(const struct sort_key *a, const struct sort_key *b)
{
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return (a->item > b->item) - (a->item < b->item);
}

/* Unknown values last, in either direction; equals by pid and backend_start, upwards. */
static int compare_keys(const void *left, const void *right, void *descending)
{
	const struct sort_key *a = left, *b = right;
	if (a->known != b->known)
		return a->known ? -1 : 1;
	int order = a->known ? compare_values(a, b) : 0;
	if (order != 0)
		return *(const bool *)descending ? -order : order;
	return compare_identities(a, b);
}

static void take_values(const struct forest *forest, const struct column *column, struct sort_key *keys,
			struct arena *scratch)
{
	struct strbuf text = STRBUF_INIT;
	for (uint32_t i = 0; i < forest->count; i++) {
		struct column_row row = column_row_of_item(forest, i);
		strbuf_reset(&text);
		struct column_value value = column_get(column, &row, true, &text);
		keys[i].known = value.known;
		keys[i].number = value.number;
		if (column->kind == COLUMN_TEXT)
			keys[i].text = arena_bytes(scratch, text.text, text.length);
	}
	strbuf_release(&text);
}

static void raise_to(struct sort_key *key, const struct sort_key *other)
{
	if (!other->known || (key->known && compare_values(key, other) >= 0))
		return;
	key->known = true;
	key->number = other->number;
	key->text = other->text;
}

/* Numbers count with the largest beneath; texts for themselves, but a cycle with the largest of its members. */
static void spread_values(const struct forest *forest, bool text, const uint32_t *by_level, struct sort_key *keys)
{
	for (uint32_t i = forest->count; i-- > 0;) {
		uint32_t parent = forest->items[by_level[i]].parent;
		if (parent != FOREST_NONE && (!text || forest->items[parent].kind == FOREST_CYCLE))
			raise_to(&keys[parent], &keys[by_level[i]]);
	}
}

void forest_sort(const struct forest *forest, struct forest_order order, const uint32_t *by_level, uint32_t *sorted,
		 struct arena *scratch)
{
	struct sort_key *keys = arena_array(scratch, forest->count, sizeof *keys);
	bool descending = order.column ? order.descending : true;
	for (uint32_t i = 0; i < forest->count; i++) {
		const struct forest_item *item = &forest->items[i];
		keys[i] = (struct sort_key){ .number = item->wait_sum, .known = true, .item = i };
		keys[i].kind = item->key.kind;
		keys[i].pid = item->key.pid;
		keys[i].start = item->key.start;
	}
	if (order.column) {
		take_values(forest, order.column, keys, scratch);
		spread_values(forest, order.column->kind == COLUMN_TEXT, by_level, keys);
	}
	qsort_r(keys, forest->count, sizeof *keys, compare_keys, &descending);
	for (uint32_t i = 0; i < forest->count; i++)
		sorted[i] = keys[i].item;
}
