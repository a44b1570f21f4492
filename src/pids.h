/*
 * pids.h - arrays of process ids, sorted and searched.
 */
#ifndef PIDS_H
#define PIDS_H

#include <stdint.h>

#define PIDS_NONE UINT32_MAX

void pids_sort(int32_t *pids, uint32_t count);

/* Sorts them and leaves each once; returns how many are left. */
uint32_t pids_sort_distinct(int32_t *pids, uint32_t count);

/* The index of a pid in a sorted array, PIDS_NONE: it is not there. O(log n). */
uint32_t pids_find(const int32_t *pids, uint32_t count, int32_t pid);

#endif
