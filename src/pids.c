#include "pids.h"

#include <stdlib.h>

static int compare_pids(const void *left, const void *right)
{
	int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
	return (a > b) - (a < b);
}

void pids_sort(int32_t *pids, uint32_t count)
{
	if (count > 1)
		qsort(pids, count, sizeof *pids, compare_pids);
}

uint32_t pids_sort_distinct(int32_t *pids, uint32_t count)
{
	uint32_t kept = 0;
	pids_sort(pids, count);
	for (uint32_t i = 0; i < count; i++)
		if (kept == 0 || pids[kept - 1] != pids[i])
			pids[kept++] = pids[i];
	return kept;
}

/* Without a branch that depends on what is there: which way it goes cannot be foretold. */
uint32_t pids_find(const int32_t *pids, uint32_t count, int32_t pid)
{
	const int32_t *from = pids;
	for (uint32_t left = count; left > 1; left -= left / 2)
		from += (from[left / 2 - 1] < pid) * (left / 2);
	return count > 0 && *from == pid ? (uint32_t)(from - pids) : PIDS_NONE;
}
