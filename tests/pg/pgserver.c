#include "pgserver.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SETTINGS = 40, MAX_ARGS = 96, PATIENCE_MS = 30000, PAUSE_MS = 5 };

struct pgserver {
	char bindir[512];
	char directory[128]; /* holds data, the socket and the log */
	char user[64];
	uid_t uid;
	gid_t gid;
	char *settings[MAX_SETTINGS + 1]; /* NULL behind the last */
	unsigned setting_count;
	pid_t postmaster; /* 0: not running */
	pid_t keeper;
	int keeper_fd; /* the keeper acts when it is closed */
};

static _Noreturn void __attribute__((format(printf, 1, 2))) give_up(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("pgserver: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- processes ---- */

static void become_owner(const struct pgserver *server)
{
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(server->gid) != 0 || setuid(server->uid) != 0))
		_exit(126);
}

/* A child that dies with this process, its output in the log. */
static pid_t spawn(const struct pgserver *server, char *const *args, int signal_at_death)
{
	char log[256];
	snprintf(log, sizeof log, "%s/log", server->directory);
	pid_t parent = getpid();
	pid_t child = fork();
	if (child < 0)
		give_up("fork: %s", strerror(errno));
	if (child > 0)
		return child;
	become_owner(server);
	prctl(PR_SET_PDEATHSIG, signal_at_death); /* after the change of user, which clears it */
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int in = open("/dev/null", O_RDONLY);
	if (getppid() != parent || out < 0 || in < 0 || chdir("/") != 0)
		_exit(126);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	execv(args[0], args);
	_exit(127);
}

static void show_log(const struct pgserver *server)
{
	char path[256], line[1024];
	snprintf(path, sizeof path, "%s/log", server->directory);
	FILE *log = fopen(path, "re");
	while (log && fgets(line, sizeof line, log))
		fputs(line, stderr);
	if (log)
		fclose(log);
}

/* ---- the keeper: whatever becomes of the test, nothing is left behind ---- */

static void remove_directory(const char *directory)
{
	pid_t child = fork();
	if (child == 0) {
		execlp("rm", "rm", "-rf", "--", directory, (char *)NULL);
		_exit(127);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

/* A postmaster's working directory is its data directory: so a pid that was given anew is not taken for it. */
static bool is_postmaster(const struct pgserver *server, pid_t pid)
{
	char link[64], data[256], target[256] = "";
	snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
	snprintf(data, sizeof data, "%s/data", server->directory);
	return pid > 0 && readlink(link, target, sizeof target - 1) > 0 && strcmp(target, data) == 0;
}

static _Noreturn void keep(const struct pgserver *server, int fd)
{
	pid_t postmaster = 0, told;
	ssize_t size;
	setsid();
	while ((size = read(fd, &told, sizeof told)) == sizeof told || (size < 0 && errno == EINTR))
		if (size > 0)
			postmaster = told;
	if (is_postmaster(server, postmaster))
		kill(postmaster, SIGQUIT);
	for (int64_t deadline = now_ms() + PATIENCE_MS; is_postmaster(server, postmaster) && now_ms() < deadline;)
		poll(NULL, 0, PAUSE_MS);
	remove_directory(server->directory);
	_exit(0);
}

static void start_keeper(struct pgserver *server)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		give_up("pipe: %s", strerror(errno));
	server->keeper = fork();
	if (server->keeper < 0)
		give_up("fork: %s", strerror(errno));
	if (server->keeper == 0) {
		close(ends[1]);
		keep(server, ends[0]);
	}
	close(ends[0]);
	server->keeper_fd = ends[1];
}

static void tell_keeper(const struct pgserver *server)
{
	if (write(server->keeper_fd, &server->postmaster, sizeof server->postmaster) != sizeof server->postmaster)
		give_up("the keeper has gone");
}

/* ---- where and as whom ---- */

static bool has_initdb(const char *bindir)
{
	char program[600];
	snprintf(program, sizeof program, "%s/initdb", bindir);
	return access(program, X_OK) == 0;
}

/* What a program prints in one line; "" if it cannot be run. */
static void ask_program(const char *program, const char *option, char *answer, size_t size)
{
	int ends[2];
	answer[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], 1);
		execlp(program, program, option, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	ssize_t length = read(ends[0], answer, size - 1);
	close(ends[0]);
	waitpid(child, NULL, 0);
	answer[length > 0 ? length : 0] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
}

static bool ask_pg_config(struct pgserver *server)
{
	ask_program("pg_config", "--bindir", server->bindir, sizeof server->bindir);
	return has_initdb(server->bindir);
}

static void find_programs(struct pgserver *server)
{
	const char *wanted = getenv("PGLOCKTOP_PG_BINDIR");
	glob_t found;
	if (wanted)
		snprintf(server->bindir, sizeof server->bindir, "%s", wanted);
	else if (ask_pg_config(server))
		return;
	else if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (has_initdb(found.gl_pathv[i]))
				snprintf(server->bindir, sizeof server->bindir, "%s", found.gl_pathv[i]);
		globfree(&found);
	}
	if (!has_initdb(server->bindir))
		give_up("initdb was not found: install PostgreSQL's server, or set PGLOCKTOP_PG_BINDIR");
}

int pgserver_major(void)
{
	struct pgserver server = { .bindir = "" };
	char program[600], version[64];
	find_programs(&server);
	snprintf(program, sizeof program, "%s/postgres", server.bindir);
	ask_program(program, "--version", version, sizeof version);
	return (int)strtol(version + strcspn(version, "0123456789"), NULL, 10);
}

/* PostgreSQL refuses to run as root. */
static void find_owner(struct pgserver *server)
{
	const struct passwd *owner = geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid());
	if (!owner)
		give_up("no user to run the server as: root needs a user postgres");
	server->uid = owner->pw_uid;
	server->gid = owner->pw_gid;
	snprintf(server->user, sizeof server->user, "%s", owner->pw_name);
}

static void make_directory(struct pgserver *server)
{
	const char *under = getenv("TMPDIR");
	if (!under || strlen(under) > 60) /* a socket's path must be short */
		under = "/tmp";
	snprintf(server->directory, sizeof server->directory, "%s/pglocktop.XXXXXX", under);
	if (!mkdtemp(server->directory))
		give_up("mkdtemp %s: %s", server->directory, strerror(errno));
	if (geteuid() == 0 && chown(server->directory, server->uid, server->gid) != 0)
		give_up("chown %s: %s", server->directory, strerror(errno));
}

/* ---- life ---- */

static void forget_environment(void)
{
	static const char *const names[] = {
		"PGHOST",    "PGHOSTADDR", "PGPORT",	 "PGDATABASE", "PGUSER", "PGPASSWORD",	      "PGSERVICE",
		"PGOPTIONS", "PGAPPNAME",  "PGPASSFILE", "PGSSLMODE",  "PGDATA", "PGCONNECT_TIMEOUT", "PGCLIENTENCODING"
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unsetenv(names[i]);
}

static void run_initdb(struct pgserver *server)
{
	/* The C locale lets a database have any encoding. */
	static char options[][12] = { "-A", "trust", "-E", "UTF8", "--locale=C", "-N", "-U", "-D" };
	char program[600], data[256];
	snprintf(program, sizeof program, "%s/initdb", server->bindir);
	snprintf(data, sizeof data, "%s/data", server->directory);
	char *args[] = { program,    options[0], options[1],   options[2], options[3], options[4],
			 options[5], options[6], server->user, options[7], data,       NULL };
	int status;
	pid_t child = spawn(server, args, SIGKILL);
	if (waitpid(child, &status, 0) != child || status != 0) {
		show_log(server);
		give_up("%s failed", program);
	}
}

/* One user needs a password, all others none. */
static void write_hba(const struct pgserver *server)
{
	char path[256];
	snprintf(path, sizeof path, "%s/data/pg_hba.conf", server->directory);
	FILE *file = fopen(path, "we");
	if (!file ||
	    fputs("local all needs_password scram-sha-256\nlocal all all trust\nlocal replication all trust\n", file) <
		    0 ||
	    fclose(file) != 0)
		give_up("%s: %s", path, strerror(errno));
}

static const char *const own_settings[] = { "listen_addresses=",
					    "fsync=off",
					    "autovacuum=off",
					    "lc_messages=C",
					    "max_prepared_transactions=10",
					    "password_encryption=scram-sha-256", /* before 14 it is not the default */
					    NULL };

static void copy_settings(struct pgserver *server, const char *const *settings)
{
	for (; settings && *settings; settings++) {
		if (server->setting_count == MAX_SETTINGS)
			give_up("too many settings");
		server->settings[server->setting_count++] = strdup(*settings);
	}
}

static void wait_for_start(struct pgserver *server)
{
	char conninfo[512];
	snprintf(conninfo, sizeof conninfo, "host=%s user=%s dbname=postgres", server->directory, server->user);
	int64_t deadline = now_ms() + PATIENCE_MS;
	while (PQping(conninfo) != PQPING_OK) {
		if (waitpid(server->postmaster, NULL, WNOHANG) != 0 || now_ms() > deadline) {
			show_log(server);
			give_up("the server did not start");
		}
		poll(NULL, 0, PAUSE_MS);
	}
}

void pgserver_start(struct pgserver *server)
{
	static char option_d[] = "-D", option_c[] = "-c";
	char program[600], data[256], sockets[256];
	char *args[MAX_ARGS];
	unsigned count = 0;
	snprintf(program, sizeof program, "%s/postgres", server->bindir);
	snprintf(data, sizeof data, "%s/data", server->directory);
	snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", server->directory);
	args[count++] = program;
	args[count++] = option_d;
	args[count++] = data;
	args[count++] = option_c;
	args[count++] = sockets;
	for (unsigned i = 0; i < server->setting_count; i++) {
		args[count++] = option_c;
		args[count++] = server->settings[i];
	}
	args[count] = NULL;
	server->postmaster = spawn(server, args, SIGQUIT);
	tell_keeper(server);
	wait_for_start(server);
}

static void stop(struct pgserver *server, int how)
{
	if (!server->postmaster)
		return;
	kill(server->postmaster, how);
	waitpid(server->postmaster, NULL, 0);
	server->postmaster = 0;
	tell_keeper(server);
}

void pgserver_stop(struct pgserver *server)
{
	stop(server, SIGQUIT);
}

static struct pgserver *new_server(void)
{
	struct pgserver *server = calloc(1, sizeof *server);
	if (!server)
		give_up("out of memory");
	forget_environment();
	find_programs(server);
	find_owner(server);
	make_directory(server);
	start_keeper(server);
	return server;
}

struct pgserver *pgserver_new(const char *const *settings)
{
	struct pgserver *server = new_server();
	copy_settings(server, own_settings);
	copy_settings(server, settings);
	run_initdb(server);
	write_hba(server);
	pgserver_start(server);
	return server;
}

struct pgserver *pgserver_new_with(const char *const *settings, const char *sql)
{
	struct pgserver *server = pgserver_new(settings);
	PGconn *admin = pgserver_connect(server, "postgres");
	pgserver_run(admin, sql);
	PQfinish(admin);
	return server;
}

static void copy_data(const struct pgserver *from, const struct pgserver *to)
{
	static char cp[] = "/bin/cp", option[] = "-a";
	char source[256], target[256];
	snprintf(source, sizeof source, "%s/data", from->directory);
	snprintf(target, sizeof target, "%s/data", to->directory);
	char *args[] = { cp, option, source, target, NULL };
	int status;
	pid_t child = spawn(to, args, SIGKILL);
	if (waitpid(child, &status, 0) != child || status != 0)
		give_up("%s could not be copied to %s", source, target);
}

/* A file in the data directory that the server can read, whoever it runs as. */
static void write_file(const struct pgserver *server, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/data/%s", server->directory, name);
	FILE *file = fopen(path, "we");
	if (!file || fputs(text, file) < 0 || fchmod(fileno(file), 0644) != 0 || fclose(file) != 0)
		give_up("%s: %s", path, strerror(errno));
}

static int major_version(const struct pgserver *server)
{
	char path[256], text[16] = "";
	snprintf(path, sizeof path, "%s/data/PG_VERSION", server->directory);
	FILE *file = fopen(path, "re");
	if (!file || !fgets(text, sizeof text, file))
		give_up("%s: %s", path, strerror(errno));
	fclose(file);
	return atoi(text);
}

/* From 12 on a standby is told by a file without content and a setting, before by a file with both. */
static void follow(struct pgserver *standby, const struct pgserver *primary)
{
	enum { RECOVERY_IS_A_SETTING = 12 };
	char conninfo[256], text[512];
	snprintf(conninfo, sizeof conninfo, "host=%s user=%s", primary->directory, primary->user);
	if (major_version(standby) >= RECOVERY_IS_A_SETTING) {
		snprintf(text, sizeof text, "primary_conninfo=%s", conninfo);
		copy_settings(standby, (const char *const[]){ text, NULL });
		write_file(standby, "standby.signal", "");
	} else {
		snprintf(text, sizeof text, "standby_mode = on\nprimary_conninfo = '%s'\n", conninfo);
		write_file(standby, "recovery.conf", text);
	}
}

struct pgserver *pgserver_new_standby(struct pgserver *primary, const char *const *settings)
{
	struct pgserver *standby = new_server();
	stop(primary, SIGINT);
	copy_data(primary, standby);
	pgserver_start(primary);
	copy_settings(standby, (const char *const *)primary->settings);
	copy_settings(standby, settings);
	follow(standby, primary);
	pgserver_start(standby);
	return standby;
}

void pgserver_free(struct pgserver *owned)
{
	pgserver_stop(owned);
	close(owned->keeper_fd);
	waitpid(owned->keeper, NULL, 0);
	for (unsigned i = 0; i < owned->setting_count; i++)
		free(owned->settings[i]);
	free(owned);
}

/* ---- sessions ---- */

const char *pgserver_socket(const struct pgserver *server)
{
	return server->directory;
}

const char *pgserver_bindir(const struct pgserver *server)
{
	return server->bindir;
}

const char *pgserver_user(const struct pgserver *server)
{
	return server->user;
}

pid_t pgserver_postmaster(const struct pgserver *server)
{
	return server->postmaster;
}

PGconn *pgserver_connect(const struct pgserver *server, const char *options)
{
	char conninfo[1024];
	bool plain = !strchr(options, '=');
	snprintf(conninfo, sizeof conninfo, "host=%s user=%s client_encoding=SQL_ASCII %s%s", server->directory,
		 server->user, plain ? "dbname=" : "", options);
	PGconn *conn = PQconnectdb(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		give_up("%s: %s", conninfo, PQerrorMessage(conn));
	return conn;
}

static PGresult *query(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		give_up("%s: %s", sql, PQerrorMessage(conn));
	return result;
}

void pgserver_run(PGconn *conn, const char *sql)
{
	PQclear(query(conn, sql));
}

char *pgserver_value(PGconn *conn, const char *sql)
{
	PGresult *result = query(conn, sql);
	bool any = PQntuples(result) > 0 && !PQgetisnull(result, 0, 0);
	char *value = any ? strdup(PQgetvalue(result, 0, 0)) : NULL;
	PQclear(result);
	return value;
}

int64_t pgserver_number(PGconn *conn, const char *sql)
{
	char *value = pgserver_value(conn, sql);
	int64_t number = value ? strtoll(value, NULL, 10) : 0;
	free(value);
	return number;
}

void pgserver_send(PGconn *conn, const char *sql)
{
	if (!PQsendQuery(conn, sql))
		give_up("%s: %s", sql, PQerrorMessage(conn));
}

void pgserver_wait_until(PGconn *conn, const char *sql)
{
	for (int64_t deadline = now_ms() + PATIENCE_MS;;) {
		char *value = pgserver_value(conn, sql);
		bool holds = value && strcmp(value, "t") == 0;
		free(value);
		if (holds)
			return;
		if (now_ms() > deadline)
			give_up("this did not come true: %s", sql);
		poll(NULL, 0, PAUSE_MS);
	}
}

/* Whether the commit that the session has sent waits for a standby; false: it is over. */
static bool waits_for_standby(PGconn *admin, PGconn *session)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select wait_event = 'SyncRep' from pg_stat_activity where pid = %d",
		 PQbackendPID(session));
	for (;;) {
		char *value = pgserver_value(admin, sql);
		bool waits = value && strcmp(value, "t") == 0;
		free(value);
		if (waits || !PQconsumeInput(session) || !PQisBusy(session))
			return waits;
		poll(NULL, 0, PAUSE_MS);
	}
}

void pgserver_demand_standby(const struct pgserver *server, PGconn *admin)
{
	PGconn *session = pgserver_connect(server, PQdb(admin));
	int64_t deadline = now_ms() + PATIENCE_MS;
	pgserver_run(admin, "alter system set synchronous_standby_names = 'nobody'");
	pgserver_run(admin, "select pg_reload_conf()");
	pgserver_send(session, "select pg_logical_emit_message(true, '', '')");
	while (!waits_for_standby(admin, session)) {
		if (now_ms() > deadline)
			give_up("commits do not wait for a standby");
		for (PGresult *result; (result = PQgetResult(session));)
			PQclear(result);
		pgserver_send(session, "select pg_logical_emit_message(true, '', '')");
	}
	PQrequestCancel(session);
	PQfinish(session);
	pgserver_wait_until(admin, "select not exists (select from pg_stat_activity where wait_event = 'SyncRep')");
}

void pgserver_wait_blocked(PGconn *observer, PGconn *waiter)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select exists (select from pg_locks where pid = %d and not granted)",
		 PQbackendPID(waiter));
	pgserver_wait_until(observer, sql);
}
