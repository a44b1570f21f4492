#include "urgency.h"

#ifdef __linux__
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TURN = 100 * 1000 /* nanoseconds: the shortest that there are */ };

/*
 * A short turn has an early deadline, and may interrupt a longer one (EEVDF). Who was given a real-time policy keeps
 * it: then the call is refused.
 */
void urgency_raise(void)
{
	struct sched_attr attributes = { .size = sizeof attributes,
					 .sched_flags = SCHED_FLAG_KEEP_POLICY,
					 .sched_nice = getpriority(PRIO_PROCESS, 0),
					 .sched_runtime = TURN };
	syscall(SYS_sched_setattr, 0, &attributes, 0);
}
#else
void urgency_raise(void)
{
}
#endif
