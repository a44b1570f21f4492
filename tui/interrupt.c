#include "interrupt.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* nohup(1) ignores SIGHUP, a shell's background SIGINT: blocked they would come all the same. */
static bool is_ignored(int number)
{
	struct sigaction action;
	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void interrupt_begin(struct interrupt *interrupt)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (!is_ignored(numbers[i]))
			sigaddset(&set, numbers[i]);
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, &interrupt->pipe_before);
	pthread_sigmask(SIG_BLOCK, &set, &interrupt->before);
	interrupt->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (interrupt->fd < 0)
		pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
}

int interrupt_take(struct interrupt *interrupt)
{
	struct signalfd_siginfo info;
	if (interrupt->fd < 0 || read(interrupt->fd, &info, sizeof info) != (ssize_t)sizeof info)
		return 0;
	return (int)info.ssi_signo;
}

void interrupt_end(struct interrupt *interrupt)
{
	if (interrupt->fd >= 0)
		close(interrupt->fd);
	interrupt->fd = -1;
	pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
	sigaction(SIGPIPE, &interrupt->pipe_before, NULL);
}
