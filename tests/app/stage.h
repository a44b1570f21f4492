/*
 * stage.h - the program itself on a real server: what the tests in this folder have in common.
 *
 * A test program has one stage, made and cleared by cmocka's fixtures: a server, a superuser who looks on, the sessions
 * that a test opens on it, and the program in a pseudo-terminal. What does not come in time fails the test and shows
 * the screen.
 */
#ifndef TESTS_APP_STAGE_H
#define TESTS_APP_STAGE_H

#include "pg/pgserver.h"
#include "pty/vt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { STAGE_SESSIONS = 256, STAGE_ARGUMENTS = 20 };

struct stage {
	struct pgserver *server;
	PGconn *admin; /* a superuser who looks on; runs nothing between two calls */
	PGconn *sessions[STAGE_SESSIONS]; /* of the test under way */
	unsigned session_count;
	const char *arguments[STAGE_ARGUMENTS]; /* the program's, as it was started last */
	struct vt *vt; /* NULL: it has not been started */
	char log[160]; /* the program's audit log, unless its arguments name another */
	pid_t frozen; /* a backend that is stopped; 0: none */
	unsigned statements_before;
};

/* For cmocka_run_group_tests and cmocka_unit_test_teardown: one stage for the program, cleared after each test. */
int stage_open(void **state);
int stage_close(void **state);
int stage_clear(void **state);

/* Opened with other settings of the server than log_statement=all. */
int stage_open_with(void **state, const char *const *settings);

/* build/pglocktop, of the same build as the test. */
const char *stage_program(void);

/* A session as the superuser, or with more options: "application_name=x user=y". */
PGconn *stage_session(struct stage *stage, const char *options);
void stage_drop_session(struct stage *stage, PGconn *session);

/*
 * Ends a session and lets another one, of role app, have its pid: the kernel's next pid is set. False where this is not
 * allowed (only root may), or other processes are always faster.
 */
bool stage_reuse_pid(struct stage *stage, PGconn *session, PGconn **heir);

/* holder has row 1 of `orders` and is idle in transaction, waiter waits for it: for a second, so that it is no brief
 * wait. */
void stage_block_row(struct stage *stage, PGconn *holder, PGconn *waiter);

/* The two, a holder of that name and a waiter who is the role app. */
struct stage_jam {
	PGconn *holder, *waiter;
};
struct stage_jam stage_jam(struct stage *stage);

/* Starts the program on the server as its superuser; `arguments` end with NULL. Options after those here win. */
struct vt *stage_start(struct stage *stage, const char *const *arguments);
struct vt *stage_start_with(struct stage *stage, const char *const *arguments, struct vt_options options);

/* Started, and the screen is there and live. */
struct vt *stage_watch(struct stage *stage, const char *const *arguments);
struct vt *stage_watch_with(struct stage *stage, const char *const *arguments, struct vt_options options);

void stage_expect(struct stage *stage, const char *text);
void stage_expect_gone(struct stage *stage, const char *text);
/* Ctrl-L takes a message away; where keys are swallowed for a while, the one after that while. */
void stage_clear_message(struct stage *stage, const char *text);
int stage_expect_exit(
	struct stage *stage); /* the exit status, 128 + the number of a signal; the terminal is as it was */
void stage_quit(struct stage *stage);

/* Puts the cursor on a session. */
void stage_select(struct stage *stage, PGconn *session);
void stage_select_pid(struct stage *stage, int pid);

/* About what is selected: presses the key, waits until the terminal was asked whether the question is on it. */
void stage_open_question(struct stage *stage, char key);

/* Selects it, presses the key, waits until the question is on the screen and the terminal was asked. */
void stage_ask(struct stage *stage, PGconn *session, char key);
void stage_ask_pid(struct stage *stage, int pid, char key);

/* Whether the server still has this backend. */
bool stage_lives(struct stage *stage, int pid);
void stage_expect_dead(struct stage *stage, int pid);

/* How many statements that send signals have reached the server since stage_watch. Needs log_statement=all. */
unsigned stage_signal_statements(struct stage *stage);

/* None did, and of the two one lives and the other waits. */
void stage_expect_untouched(struct stage *stage, PGconn *holder, PGconn *waiter);

/* The program's own backend, and its freezing. */
pid_t stage_own_backend(struct stage *stage);
void stage_freeze_backend(struct stage *stage);
void stage_thaw_backend(struct stage *stage);

/* Runs the program without a terminal. `out` and `err` are malloc'd. Returns the exit status as stage_expect_exit. */
struct stage_output {
	char *out, *err;
	size_t out_length, err_length;
};
int stage_run(struct stage *stage, const char *const *arguments, struct stage_output *output);
void stage_output_free(struct stage_output *output);

#endif
