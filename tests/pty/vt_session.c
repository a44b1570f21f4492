#include "pty/vt_session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "vt: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static void set_environment(const char *const *changes)
{
	setenv("TERM", "xterm-256color", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("COLUMNS");
	unsetenv("LINES");
	unsetenv("NO_COLOR");
	for (; changes && *changes; changes++) {
		const char *equals = strchr(*changes, '=');
		char *name = equals ? strndup(*changes, (size_t)(equals - *changes)) : strdup(*changes);
		if (!name)
			fail("strdup");
		if (equals)
			setenv(name, equals + 1, 1);
		else
			unsetenv(name);
		free(name);
	}
}

/* Signals as a shell leaves them to its children. */
static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_program(const struct vt_options *options)
{
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(STDIN_FILENO, getpid());
	reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (options->output_elsewhere) {
		int nowhere = open("/dev/null", O_WRONLY);
		if (nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
			fail("/dev/null");
		close(nowhere);
	}
	set_environment(options->environment);
	char **argv;
	memcpy(&argv, &options->argv, sizeof argv); /* execv changes nothing in it */
	execv(argv[0], argv);
	fail(argv[0]);
}

static void report(int reports, struct vt_report news)
{
	if (write(reports, &news, sizeof news) != (ssize_t)sizeof news)
		_exit(99);
}

/* The leader keeps the terminal open after the program's end, as a shell does, until it is let go. */
static _Noreturn void run_leader(const struct vt_options *options, const char *terminal, int reports, int release)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGHUP, SIG_IGN);
	setsid();
	int slave = open(terminal, O_RDWR);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) != 0)
		fail(terminal);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(slave, fd);
	close(slave);
	pid_t program = fork();
	if (program < 0)
		fail("fork");
	if (program == 0)
		run_program(options);
	setpgid(program, program);
	report(reports, (struct vt_report){ .pid = program });
	int status = 0;
	do {
		if (waitpid(program, &status, WUNTRACED | WCONTINUED) < 0)
			fail("waitpid");
		report(reports, (struct vt_report){ .pid = program, .status = status });
	} while (!WIFEXITED(status) && !WIFSIGNALED(status));
	char nothing;
	while (read(release, &nothing, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static int open_master(const struct vt_options *options, char *terminal, size_t size, struct termios *modes)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 || ptsname_r(master, terminal, size) != 0)
		fail("a pseudo-terminal");
	struct winsize window = { .ws_col = (unsigned short)options->columns, .ws_row = (unsigned short)options->rows };
	if (ioctl(master, TIOCSWINSZ, &window) != 0 || fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) != 0 ||
	    tcgetattr(master, modes) != 0)
		fail("the pseudo-terminal's modes");
	return master;
}

struct vt_session vt_session_start(const struct vt_options *options)
{
	char terminal[64];
	int reports[2], release[2];
	struct vt_session session;
	session.master = open_master(options, terminal, sizeof terminal, &session.modes);
	if (pipe2(reports, O_CLOEXEC) != 0 || pipe2(release, O_CLOEXEC) != 0)
		fail("pipe");
	fflush(NULL);
	session.leader = fork();
	if (session.leader < 0)
		fail("fork");
	if (session.leader == 0) {
		close(session.master);
		close(reports[0]);
		close(release[1]);
		run_leader(options, terminal, reports[1], release[0]);
	}
	close(reports[1]);
	close(release[0]);
	session.reports = reports[0];
	session.release = release[1];
	struct vt_report first;
	if (read(session.reports, &first, sizeof first) != (ssize_t)sizeof first)
		fail("the session leader");
	session.program = first.pid;
	return session;
}

void vt_session_end(struct vt_session *session, bool program_runs)
{
	if (program_runs)
		kill(session->program, SIGKILL);
	if (session->master >= 0)
		close(session->master);
	close(session->release);
	while (waitpid(session->leader, NULL, 0) < 0 && errno == EINTR)
		;
	close(session->reports);
}
