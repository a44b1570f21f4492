#include "pglocktop/ghost.h"

#include "pglocktop/heap.h"
#include "pglocktop/mask.h"

#include <stdlib.h>
#include <string.h>

struct ghost *ghosts_add(struct ghosts *ghosts, enum ghost_kind kind, struct row_key key, uint32_t line)
{
	ghosts->list = heap_grow(ghosts->list, &ghosts->capacity, ghosts->count + 1, sizeof *ghosts->list);
	struct ghost *ghost = &ghosts->list[ghosts->count++];
	*ghost = (struct ghost){ .kind = kind, .key = key, .line = line, .number = ghosts->added++ };
	return ghost;
}

void ghost_set_cell(struct ghost *ghost, enum column_id column, const char *text)
{
	free(ghost->cells[column]);
	ghost->cells[column] = strdup(text);
	if (!ghost->cells[column])
		err_die("out of memory");
}

void ghost_take_cells(struct ghost *ghost, const struct column_row *row, bool ascii)
{
	struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		strbuf_reset(&text);
		column_format(&columns[i], row, ascii, &text);
		ghost_set_cell(ghost, columns[i].id, text.text);
	}
	strbuf_release(&text);
}

void ghosts_mask(struct ghosts *ghosts)
{
	struct strbuf text = STRBUF_INIT;
	for (uint32_t i = 0; i < ghosts->count; i++) {
		if (!ghosts->list[i].cells[COLUMN_QUERY])
			continue;
		strbuf_reset(&text);
		mask_add(ghosts->list[i].cells[COLUMN_QUERY], &text);
		ghost_set_cell(&ghosts->list[i], COLUMN_QUERY, text.text);
	}
	strbuf_release(&text);
}

static void ghost_release(struct ghost *ghost)
{
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		free(ghost->cells[i]);
}

static bool ghost_is_over(const struct ghost *ghost, struct row_key held, int64_t now)
{
	if (row_key_compare(ghost->key, held) == 0)
		return false;
	return ghost->kind == GHOST_LEFT || now >= ghost->until;
}

bool ghosts_sweep(struct ghosts *ghosts, struct row_key held, int64_t now)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < ghosts->count; i++) {
		if (ghost_is_over(&ghosts->list[i], held, now))
			ghost_release(&ghosts->list[i]);
		else
			ghosts->list[kept++] = ghosts->list[i];
	}
	bool went = kept < ghosts->count;
	ghosts->count = kept;
	return went;
}

void ghosts_remove_key(struct ghosts *ghosts, struct row_key key)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < ghosts->count; i++) {
		if (row_key_compare(ghosts->list[i].key, key) == 0)
			ghost_release(&ghosts->list[i]);
		else
			ghosts->list[kept++] = ghosts->list[i];
	}
	ghosts->count = kept;
}

static int compare_lines(const void *a, const void *b)
{
	const struct ghost *x = a, *y = b;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

void ghosts_sort(struct ghosts *ghosts)
{
	if (ghosts->count > 1)
		qsort(ghosts->list, ghosts->count, sizeof *ghosts->list, compare_lines);
}

void ghosts_clear(struct ghosts *ghosts)
{
	for (uint32_t i = 0; i < ghosts->count; i++)
		ghost_release(&ghosts->list[i]);
	free(ghosts->list);
	*ghosts = (struct ghosts)GHOSTS_INIT;
}

int64_t ghosts_next(const struct ghosts *ghosts, struct row_key held)
{
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; i < ghosts->count; i++) {
		const struct ghost *ghost = &ghosts->list[i];
		if (ghost->until < next && row_key_compare(ghost->key, held) != 0)
			next = ghost->until;
	}
	return next;
}
