/*
 * targets.h - what pglocktop is to reach, held against what was measured.
 */
#ifndef TESTS_BENCH_TARGETS_H
#define TESTS_BENCH_TARGETS_H

#include "bench/results.h"

#include <stdio.h>

struct target_result {
	char name[120], at[40]; /* at: the worst case, "row, 4000" */
	const char *unit;
	double wanted, measured;
	bool at_least; /* else at most */
	bool met;
};

/* Calls back for each target of which anything was measured. Returns how many were missed. */
unsigned targets_check(const struct results *results, void (*take)(const struct target_result *result, void *context),
		       void *context);

#endif
