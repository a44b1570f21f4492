#include "thread.h"

#include "pglocktop/when.h"

#include <signal.h>
#include <time.h>

enum { NANOSECONDS = 1000000000 };

bool thread_start(pthread_t *thread, const char *name, void *(*run)(void *argument), void *argument)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	bool started = pthread_create(thread, NULL, run, argument) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started)
		pthread_setname_np(*thread, name);
	return started;
}

bool thread_join(pthread_t thread, int64_t wait)
{
	struct timespec deadline;
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += wait / WHEN_SECOND;
	deadline.tv_nsec += wait % WHEN_SECOND * 1000;
	deadline.tv_sec += deadline.tv_nsec / NANOSECONDS;
	deadline.tv_nsec %= NANOSECONDS;
	return pthread_timedjoin_np(thread, NULL, &deadline) == 0;
}
