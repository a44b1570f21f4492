/*
 * thread.h - a thread that leaves signals to the program's first one, and is waited for only so long.
 */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* All signals are blocked in it, those that a write may raise (SIGPIPE, SIGXFSZ), too: they are errors of the write. */
bool thread_start(pthread_t *thread, const char *name, void *(*run)(void *argument), void *argument);

/* Waits until it has ended, at most so many microseconds; false: it has not. */
bool thread_join(pthread_t thread, int64_t wait);

#endif
