#include "term_signal.h"

#include "term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct waking_signal {
	int number;
	unsigned wake; /* enum term_wake */
};

static const struct waking_signal waking_signals[] = {
	{ SIGWINCH, TERM_WAKE_RESIZE }, { SIGTERM, TERM_WAKE_QUIT },	 { SIGHUP, TERM_WAKE_QUIT },
	{ SIGINT, TERM_WAKE_QUIT },	{ SIGCONT, TERM_WAKE_CONTINUE }, { SIGTSTP, TERM_WAKE_STOP },
};

/* All that would otherwise end the program without a chance to give the terminal back. */
static const int deadly_signals[] = { SIGSEGV, SIGBUS,	SIGFPE,	 SIGILL,  SIGABRT,   SIGSYS,  SIGTRAP, SIGQUIT,
				      SIGXCPU, SIGXFSZ, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGALRM };

/* What the handlers work on. */
static atomic_uint pending_wakes;
static atomic_int quit_signal;
static pthread_t waiting_thread;
static struct sigaction former_actions[NSIG];
static char deadly_stack[64 * 1024]; /* a stack overflow leaves none to run a handler on */

static struct {
	atomic_bool armed;
	int fd;
	struct termios modes;
	size_t length;
	char bytes[TERM_RESCUE_SIZE];
} rescue;

void term_rescue_arm(int fd, const struct termios *modes, const char *bytes, size_t length)
{
	ensure(length <= sizeof rescue.bytes);
	rescue.fd = fd;
	rescue.modes = *modes;
	rescue.length = length;
	memcpy(rescue.bytes, bytes, length);
	atomic_store(&rescue.armed, true);
}

void term_rescue_disarm(void)
{
	atomic_store(&rescue.armed, false);
}

void term_rescue(void)
{
	if (!atomic_exchange(&rescue.armed, false))
		return;
	for (size_t written = 0; written < rescue.length;) {
		ssize_t count = write(rescue.fd, rescue.bytes + written, rescue.length - written);
		if (count < 0 && errno != EINTR)
			break;
		written += count < 0 ? 0 : (size_t)count;
	}
	tcsetattr(rescue.fd, TCSANOW, &rescue.modes);
}

/* Another thread may have been given the signal: it is passed on to the one that waits for it. */
static void on_waking_signal(int number)
{
	int saved_errno = errno;
	if (!pthread_equal(pthread_self(), waiting_thread)) {
		pthread_kill(waiting_thread, number);
		errno = saved_errno;
		return;
	}
	for (size_t i = 0; i < COUNT(waking_signals); i++) {
		if (waking_signals[i].number != number)
			continue;
		atomic_fetch_or(&pending_wakes, waking_signals[i].wake);
		if (waking_signals[i].wake == TERM_WAKE_QUIT)
			atomic_store(&quit_signal, number);
	}
}

/* A fault occurs again when its handler returns: then whoever handled it before sees where. */
static bool occurs_again(int number, int code)
{
	return code > 0 && (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL);
}

static void on_deadly_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	term_rescue();
	sigaction(number, &former_actions[number], NULL);
	if (!occurs_again(number, info->si_code))
		raise(number);
}

static void take_signal(int number, struct sigaction action)
{
	sigaction(number, NULL, &former_actions[number]);
	if (former_actions[number].sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

static void waking_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < COUNT(waking_signals); i++)
		sigaddset(set, waking_signals[i].number);
}

static void take_stack(void)
{
	stack_t stack;
	if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE)) {
		stack = (stack_t){ .ss_sp = deadly_stack, .ss_size = sizeof deadly_stack };
		sigaltstack(&stack, NULL);
	}
}

void term_signals_take(void)
{
	static atomic_bool exit_hook;
	if (!atomic_exchange(&exit_hook, true))
		atexit(term_rescue);
	waiting_thread = pthread_self();
	atomic_store(&pending_wakes, 0);
	atomic_store(&quit_signal, 0);
	take_stack();
	sigset_t set;
	waking_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	struct sigaction waking = { .sa_handler = on_waking_signal, .sa_mask = set };
	for (size_t i = 0; i < COUNT(waking_signals); i++)
		take_signal(waking_signals[i].number, waking);
	struct sigaction deadly = { .sa_sigaction = on_deadly_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigfillset(&deadly.sa_mask);
	for (size_t i = 0; i < COUNT(deadly_signals); i++)
		take_signal(deadly_signals[i], deadly);
	take_signal(SIGPIPE, (struct sigaction){ .sa_handler = SIG_IGN });
	err_set_die_hook(term_rescue);
}

void term_signals_give_back(void)
{
	err_set_die_hook(NULL);
	for (size_t i = 0; i < COUNT(deadly_signals); i++)
		sigaction(deadly_signals[i], &former_actions[deadly_signals[i]], NULL);
	for (size_t i = 0; i < COUNT(waking_signals); i++)
		sigaction(waking_signals[i].number, &former_actions[waking_signals[i].number], NULL);
	sigaction(SIGPIPE, &former_actions[SIGPIPE], NULL);
	sigset_t set;
	waking_set(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

unsigned term_signals_wait(int input, int news, int64_t timeout)
{
	struct pollfd fds[] = { { .fd = input, .events = POLLIN }, { .fd = news, .events = POLLIN } };
	struct timespec limit = { .tv_sec = timeout / 1000000, .tv_nsec = timeout % 1000000 * 1000 };
	sigset_t open, waking;
	waking_set(&waking);
	pthread_sigmask(SIG_SETMASK, NULL, &open);
	for (size_t i = 0; i < COUNT(waking_signals); i++)
		sigdelset(&open, waking_signals[i].number);
	int ready = ppoll(fds, COUNT(fds), timeout < 0 ? NULL : &limit, &open);
	unsigned wake = atomic_exchange(&pending_wakes, 0);
	if (ready > 0 && fds[0].revents)
		wake |= TERM_WAKE_INPUT;
	if (ready > 0 && fds[1].revents)
		wake |= TERM_WAKE_NEWS;
	return wake;
}

int term_signals_quit(void)
{
	return atomic_load(&quit_signal);
}

/* The whole process group, as the terminal does on Ctrl-Z: a shell waits for the pipeline's or script's other parts. */
void term_signals_stop_self(void)
{
	if (former_actions[SIGTSTP].sa_handler == SIG_IGN)
		return;
	struct sigaction taken;
	sigset_t stop, go_on;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	sigemptyset(&go_on);
	sigaddset(&go_on, SIGCONT);
	sigaction(SIGTSTP, &(struct sigaction){ .sa_handler = SIG_DFL }, &taken);
	kill(0, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL); /* here it stops, and from here it goes on */
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	sigaction(SIGTSTP, &taken, NULL);
	sigtimedwait(&go_on, NULL, &(struct timespec){ 0 });
}
