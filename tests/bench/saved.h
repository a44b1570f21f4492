/*
 * saved.h - figures as JSON, and a run beside an earlier one.
 */
#ifndef TESTS_BENCH_SAVED_H
#define TESTS_BENCH_SAVED_H

#include "bench/results.h"

/* All figures, growths, targets and notes. */
void saved_write(const struct results *results, const char *path);

/* Ends the program, before it has run for an hour, where that is no such file. */
void saved_check(const char *path);

/*
 * Prints each figure beside the saved one, with the ratio of the means. False when one of pglocktop's own is worse by
 * more than the tolerance (0.25: a quarter) and by more than the metric's noise; what other tools cost is only shown.
 */
bool saved_compare(const struct results *results, const char *path, double tolerance, FILE *out);

#endif
