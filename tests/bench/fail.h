/*
 * fail.h - the end of a run that cannot go on: a line on stderr, exit status 1. The server's keeper cleans up.
 */
#ifndef TESTS_BENCH_FAIL_H
#define TESTS_BENCH_FAIL_H

_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
