/*
 * meter.h - what the kernel knows of a process.
 *
 * CPU time is /proc/PID/task/TID/schedstat, in nanoseconds. It is exact while the process waits; of one that runs the
 * last few milliseconds may be missing.
 */
#ifndef TESTS_BENCH_METER_H
#define TESTS_BENCH_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of all its threads that live, milliseconds. */
double meter_cpu(pid_t pid);

/* Until it waits for something, a second at most. Who has just answered has a little left to do. */
void meter_until_asleep(pid_t pid);

/* How often its threads went to wait for something, or had to make way. */
uint64_t meter_switches(pid_t pid);

/*
 * From now on this process, but none that it starts, runs as soon as it has something to do: what it times is not its
 * own waiting for a core. False: it may not (that takes root).
 */
bool meter_go_first(void);

/* A line of /proc/PID/status that is in kB: "VmHWM", "VmRSS". */
uint64_t meter_memory(pid_t pid, const char *name);

/* /proc/meminfo's MemAvailable, in kB. */
uint64_t meter_memory_free(void);

#endif
