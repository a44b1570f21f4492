#include "stage.h"

#include "pglocktop/strbuf.h"
#include "pglocktop/when.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the stage ---- */

/* The program's audit log and configuration are in the server's directory, which goes with the server. */
static void stage_set_log_home(struct stage *stage)
{
	snprintf(stage->log, sizeof stage->log, "%s/state/pglocktop/audit.jsonl", pgserver_socket(stage->server));
	char *home = strndup(stage->log, strlen(stage->log) - strlen("/pglocktop/audit.jsonl"));
	setenv("XDG_STATE_HOME", home, 1);
	setenv("XDG_CONFIG_HOME", home, 1);
	free(home);
}

static const char *const default_settings[] = { "log_statement=all", NULL };

int stage_open_with(void **state, const char *const *settings)
{
	struct stage *stage = calloc(1, sizeof *stage);
	if (!stage)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	stage->server = pgserver_new(settings);
	stage_set_log_home(stage);
	stage->admin = pgserver_connect(stage->server, "dbname=postgres application_name=admin");
	pgserver_run(stage->admin, "create table orders (id int primary key, note text);"
				   "insert into orders select n, '' from generate_series(1, 20) n;"
				   "grant all on orders to public;"
				   "create role app login; create role plain login;"
				   "create role guard login in role pg_monitor, pg_signal_backend");
	*state = stage;
	return 0;
}

int stage_open(void **state)
{
	return stage_open_with(state, default_settings);
}

int stage_close(void **state)
{
	struct stage *stage = *state;
	PQfinish(stage->admin);
	pgserver_free(stage->server);
	free(stage);
	return 0;
}

static void drop(PGconn *session)
{
	PGcancel *cancel = PQgetCancel(session);
	char message[256];
	if (cancel && PQtransactionStatus(session) == PQTRANS_ACTIVE)
		PQcancel(cancel, message, sizeof message);
	PQfreeCancel(cancel);
	PQfinish(session);
}

int stage_clear(void **state)
{
	struct stage *stage = *state;
	stage_thaw_backend(stage);
	vt_end(stage->vt);
	stage->vt = NULL;
	for (unsigned i = 0; i < stage->session_count; i++)
		drop(stage->sessions[i]);
	stage->session_count = 0;
	if (PQstatus(stage->admin) == CONNECTION_OK)
		pgserver_wait_until(stage->admin, "select count(*) = 1 from pg_stat_activity "
						  "where backend_type = 'client backend'");
	return 0;
}

const char *stage_program(void)
{
	static char path[PATH_MAX];
	const char *given = getenv("PGLOCKTOP");
	if (given && *given)
		return given;
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	assert_true(length > 0);
	path[length] = '\0';
	char *tests = strstr(path, "/tests/");
	assert_non_null(tests);
	snprintf(tests, sizeof path - (size_t)(tests - path), "/pglocktop");
	return path;
}

PGconn *stage_session(struct stage *stage, const char *options)
{
	char conninfo[512];
	assert_true(stage->session_count < STAGE_SESSIONS);
	snprintf(conninfo, sizeof conninfo, "dbname=postgres %s", options);
	PGconn *session = pgserver_connect(stage->server, conninfo);
	stage->sessions[stage->session_count++] = session;
	return session;
}

void stage_drop_session(struct stage *stage, PGconn *session)
{
	unsigned i = 0;
	while (stage->sessions[i] != session)
		i++;
	stage->sessions[i] = stage->sessions[--stage->session_count];
	drop(session);
}

static bool set_next_pid(int pid)
{
	FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "we");
	if (!last)
		return false;
	bool set = fprintf(last, "%d", pid - 1) > 0;
	return fclose(last) == 0 && set;
}

bool stage_reuse_pid(struct stage *stage, PGconn *session, PGconn **heir)
{
	enum { TRIES = 50 };
	int pid = PQbackendPID(session);
	stage_drop_session(stage, session);
	stage_expect_dead(stage, pid);
	for (int i = 0; i < TRIES && set_next_pid(pid); i++) {
		*heir = stage_session(stage, "user=app application_name=heir");
		if (PQbackendPID(*heir) == pid)
			return true;
		stage_drop_session(stage, *heir);
	}
	return false;
}

void stage_block_row(struct stage *stage, PGconn *holder, PGconn *waiter)
{
	char sql[128];
	pgserver_run(holder, "begin; update orders set note = 'held' where id = 1");
	pgserver_send(waiter, "update orders set note = 'wanted' where id = 1");
	pgserver_wait_blocked(stage->admin, waiter);
	snprintf(sql, sizeof sql, "select clock_timestamp() - query_start > '1s' from pg_stat_activity where pid = %d",
		 PQbackendPID(waiter));
	pgserver_wait_until(stage->admin, sql);
}

struct stage_jam stage_jam(struct stage *stage)
{
	struct stage_jam jam = { stage_session(stage, "application_name=holder"), stage_session(stage, "user=app") };
	stage_block_row(stage, jam.holder, jam.waiter);
	return jam;
}

bool stage_lives(struct stage *stage, int pid)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where pid = %d", pid);
	return pgserver_number(stage->admin, sql) == 1;
}

void stage_expect_dead(struct stage *stage, int pid)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select not exists (select from pg_stat_activity where pid = %d)", pid);
	pgserver_wait_until(stage->admin, sql);
}

/* ---- its own backend ---- */

pid_t stage_own_backend(struct stage *stage)
{
	return (pid_t)pgserver_number(stage->admin,
				      "select pid from pg_stat_activity where application_name = 'pglocktop'");
}

void stage_freeze_backend(struct stage *stage)
{
	stage->frozen = stage_own_backend(stage);
	assert_true(stage->frozen > 0);
	kill(stage->frozen, SIGSTOP);
}

void stage_thaw_backend(struct stage *stage)
{
	if (stage->frozen > 0)
		kill(stage->frozen, SIGCONT);
	stage->frozen = 0;
}

/* ---- the program on a terminal ---- */

static const char *const *make_arguments(struct stage *stage, const char *const *arguments)
{
	unsigned count = 0;
	stage->arguments[count++] = stage_program();
	stage->arguments[count++] = "-h";
	stage->arguments[count++] = pgserver_socket(stage->server);
	stage->arguments[count++] = "-d";
	stage->arguments[count++] = "postgres";
	stage->arguments[count++] = "-U";
	stage->arguments[count++] = pgserver_user(stage->server);
	/* A machine that has much else to do is not to make a test's refreshes rare. */
	stage->arguments[count++] = "--server-share=0";
	for (; arguments && *arguments; arguments++) {
		assert_true(count + 1 < STAGE_ARGUMENTS);
		stage->arguments[count++] = *arguments;
	}
	stage->arguments[count] = NULL;
	return stage->arguments;
}

struct vt *stage_start_with(struct stage *stage, const char *const *arguments, struct vt_options options)
{
	vt_end(stage->vt);
	options.argv = make_arguments(stage, arguments);
	if (!options.columns) {
		options.columns = 120;
		options.rows = 30;
	}
	stage->vt = vt_start(&options);
	return stage->vt;
}

struct vt *stage_start(struct stage *stage, const char *const *arguments)
{
	return stage_start_with(stage, arguments, (struct vt_options){ .columns = 0 });
}

struct vt *stage_watch_with(struct stage *stage, const char *const *arguments, struct vt_options options)
{
	stage_start_with(stage, arguments, options);
	stage_expect(stage, "LIVE");
	stage->statements_before = 0;
	stage->statements_before = stage_signal_statements(stage);
	return stage->vt;
}

struct vt *stage_watch(struct stage *stage, const char *const *arguments)
{
	return stage_watch_with(stage, arguments, (struct vt_options){ .columns = 0 });
}

/* A statement is in the log before it is executed. */
unsigned stage_signal_statements(struct stage *stage)
{
	char path[256], *line = NULL;
	size_t size = 0;
	unsigned count = 0;
	snprintf(path, sizeof path, "%s/log", pgserver_socket(stage->server));
	FILE *log = fopen(path, "re");
	assert_non_null(log);
	while (getline(&line, &size, log) > 0)
		count += strstr(line, "execute <unnamed>: /* pglocktop ") != NULL;
	free(line);
	fclose(log);
	return count - stage->statements_before;
}

void stage_expect_untouched(struct stage *stage, PGconn *holder, PGconn *waiter)
{
	assert_int_equal(stage_signal_statements(stage), 0);
	assert_true(stage_lives(stage, PQbackendPID(holder)));
	pgserver_wait_blocked(stage->admin, waiter);
}

void stage_expect(struct stage *stage, const char *text)
{
	if (!vt_wait_text(stage->vt, text))
		fail_msg("\"%s\" does not come; the screen is\n%s", text, vt_text(stage->vt));
}

void stage_expect_gone(struct stage *stage, const char *text)
{
	if (!vt_wait_no_text(stage->vt, text))
		fail_msg("\"%s\" does not go; the screen is\n%s", text, vt_text(stage->vt));
}

static bool is_cleared(struct vt *vt, void *context)
{
	const char *message = context;
	if (!vt_find(vt, message, NULL, NULL) && vt_find(vt, "? help", NULL, NULL))
		return true;
	vt_send(vt, "\014");
	return false;
}

void stage_clear_message(struct stage *stage, const char *text)
{
	char message[64];
	snprintf(message, sizeof message, "%s", text);
	if (!vt_wait(stage->vt, is_cleared, message, VT_PATIENCE_MS))
		fail_msg("\"%s\" is not cleared; the screen is\n%s", text, vt_text(stage->vt));
}

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int stage_expect_exit(struct stage *stage)
{
	int status;
	if (!vt_wait_exit(stage->vt, &status))
		fail_msg("it does not end; the screen is\n%s", vt_text(stage->vt));
	const char *not_restored = vt_not_restored(stage->vt);
	if (not_restored)
		fail_msg("not restored: %s", not_restored);
	return exit_status(status);
}

void stage_quit(struct stage *stage)
{
	vt_send(stage->vt, "q");
	assert_int_equal(stage_expect_exit(stage), 0);
}

void stage_select_pid(struct stage *stage, int pid)
{
	char text[16], keys[32];
	snprintf(text, sizeof text, "%d", pid);
	snprintf(keys, sizeof keys, "#%s\r", text);
	stage_expect(stage, text);
	vt_send(stage->vt, keys);
}

void stage_select(struct stage *stage, PGconn *session)
{
	stage_select_pid(stage, PQbackendPID(session));
}

struct expected {
	bool cancels;
	int pid;
};

/* The question's last line: y alone, or a typed answer. */
static bool asks(struct vt *vt, void *context)
{
	const struct expected *expected = context;
	char y[64], pid[64];
	snprintf(y, sizeof y, "y = %s %d", expected->cancels ? "cancel the query of" : "terminate", expected->pid);
	snprintf(pid, sizeof pid, "%s %d ", expected->cancels ? "CANCEL" : "TERMINATE", expected->pid);
	return vt_find(vt, y, NULL, NULL) || (vt_find(vt, pid, NULL, NULL) && vt_find(vt, "and Enter to", NULL, NULL));
}

void stage_open_question(struct stage *stage, char key)
{
	char keys[2] = { key, '\0' };
	size_t before;
	vt_raw(stage->vt, &before);
	vt_send(stage->vt, keys);
	if (!vt_wait_raw(stage->vt, before, "\033[5n"))
		fail_msg("%c opens no question; the screen is\n%s", key, vt_text(stage->vt));
}

void stage_ask_pid(struct stage *stage, int pid, char key)
{
	stage_select_pid(stage, pid);
	stage_open_question(stage, key);
	struct expected expected = { .cancels = key == 'C', .pid = pid };
	if (!vt_wait(stage->vt, asks, &expected, VT_PATIENCE_MS))
		fail_msg("%c opens another question; the screen is\n%s", key, vt_text(stage->vt));
}

void stage_ask(struct stage *stage, PGconn *session, char key)
{
	stage_ask_pid(stage, PQbackendPID(session), key);
}

/* ---- the program without a terminal ---- */

static _Noreturn void exec_program(struct stage *stage, int out, int err)
{
	char **argv;
	int nothing = open("/dev/null", O_RDONLY);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	setsid(); /* no terminal, wherever the tests run */
	dup2(nothing, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("COLUMNS", "120", 1);
	const char *const *arguments = stage->arguments;
	memcpy(&argv, &arguments, sizeof argv); /* execv changes nothing in it */
	execv(argv[0], argv);
	_exit(99);
}

/* Reads both to their ends. */
static void read_both(int out, int err, struct strbuf texts[2])
{
	struct pollfd fds[] = { { out, POLLIN, 0 }, { err, POLLIN, 0 } };
	int64_t deadline = when_monotonic() + VT_PATIENCE_MS * 1000;
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		char bytes[65536];
		assert_true(when_monotonic() < deadline);
		poll(fds, 2, 1000);
		for (int i = 0; i < 2; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			ssize_t length = read(fds[i].fd, bytes, sizeof bytes);
			if (length > 0)
				strbuf_add(&texts[i], bytes, (size_t)length);
			else if (length == 0 || errno != EINTR)
				fds[i].fd = -1;
		}
	}
}

int stage_run(struct stage *stage, const char *const *arguments, struct stage_output *output)
{
	int out[2], err[2], status;
	struct strbuf texts[2] = { STRBUF_INIT, STRBUF_INIT };
	make_arguments(stage, arguments);
	assert_true(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		exec_program(stage, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	read_both(out[0], err[0], texts);
	close(out[0]);
	close(err[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	output->out_length = texts[0].length;
	output->err_length = texts[1].length;
	output->out = strdup(texts[0].text);
	output->err = strdup(texts[1].text);
	strbuf_release(&texts[0]);
	strbuf_release(&texts[1]);
	return exit_status(status);
}

void stage_output_free(struct stage_output *output)
{
	free(output->out);
	free(output->err);
}
