/*
 * forest_sort.h - in which order siblings stand; for src/forest.c alone.
 */
#ifndef FOREST_SORT_H
#define FOREST_SORT_H

#include "pglocktop/forest.h"

/*
 * Sorts the indices of all items of a forest whose items are in any order, with their sums: `sorted` holds each index
 * once, and gets siblings in their order, whatever stands between them. `by_level` has parents before children.
 */
void forest_sort(const struct forest *forest, struct forest_order order, const uint32_t *by_level, uint32_t *sorted,
		 struct arena *scratch);

#endif
