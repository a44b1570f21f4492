/*
 * report.h - the tables on standard output, and the files.
 */
#ifndef TESTS_BENCH_REPORT_H
#define TESTS_BENCH_REPORT_H

#include "bench/bench.h"

/* A line on stderr as soon as a case is done, and the figures so far in JSON: a run that breaks off is not lost. */
void report_case(const struct bench *bench, const char *shape);

/* All. False when a figure is worse than the saved one by more than the tolerance. */
bool report(const struct bench *bench);

#endif
