/*
 * vt_session.h - the processes' side of vt.h: a pseudo-terminal, a session leader on it, and the program.
 */
#ifndef TESTS_PTY_VT_SESSION_H
#define TESTS_PTY_VT_SESSION_H

#include "pty/vt.h"

#include <termios.h>

struct vt_session {
	int master; /* non-blocking; -1: hung up */
	int reports; /* of the leader: the program's state */
	int release; /* closing it lets the leader go */
	pid_t leader, program;
	struct termios modes; /* before the program */
};

/* One report: the program's pid first, then every status that waitpid gives. */
struct vt_report {
	int status;
	pid_t pid;
};

struct vt_session vt_session_start(const struct vt_options *options);
void vt_session_end(struct vt_session *session, bool program_runs);

#endif
