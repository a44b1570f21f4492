/*
 * report.h - the tables on standard output, and the files.
 */
#ifndef TESTS_BENCH_REPORT_H
#define TESTS_BENCH_REPORT_H

#include "bench/bench.h"

/* One line on stderr, as soon as a case is done. */
void report_case(const struct results *results, const char *shape, unsigned sessions);

/* All. False when a figure is worse than the saved one by more than the tolerance. */
bool report(const struct bench *bench);

#endif
