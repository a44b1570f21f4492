/*
 * The audit log in syslog: each line gets there, and a daemon that does not read holds nobody up. syslog(3) knows but
 * one address, so the test is that daemon in a mount namespace of its own, which takes root.
 */
#include "pglocktop/audit.h"
#include "pglocktop/when.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE = 30 * 1000 /* ms */, LINES = 1500 /* more than a socket takes in */, NOT_ALLOWED = 77 };

/* What goes wrong in the namespace ends its process. */
#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "# %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                      \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

/* /dev/log, as the process and its threads see it from here on. */
static int become_syslogd(void)
{
	static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", "/dev", "tmpfs", 0, "size=1m") != 0)
		_exit(NOT_ALLOWED);
	int daemon = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(daemon >= 0);
	CHECK(bind(daemon, (const struct sockaddr *)&address, sizeof address) == 0);
	return daemon;
}

static void in_a_namespace(void (*test)(int daemon, const char *directory))
{
	char directory[] = "/tmp/pglocktop-XXXXXX", path[64];
	int status;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(directory));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		test(become_syslogd(), directory);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	snprintf(path, sizeof path, "%s/audit.jsonl", directory);
	unlink(path);
	assert_int_equal(rmdir(directory), 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED)
		skip();
	assert_int_equal(status, 0);
}

static struct audit *open_audit(const char *directory, const char *name)
{
	static char path[96];
	struct audit_options options = { .path = path, .syslog = true };
	struct err err;
	snprintf(path, sizeof path, "%s/%s", directory, name);
	struct audit *audit = audit_new(&options, &err);
	CHECK(audit);
	return audit;
}

static struct audit_answer await(struct audit *audit)
{
	struct pollfd ready = { audit_fd(audit), POLLIN, 0 };
	for (;;) {
		struct audit_answer answer = audit_take(audit);
		if (answer.kind != AUDIT_NOTHING)
			return answer;
		CHECK(poll(&ready, 1, PATIENCE) == 1);
	}
}

/* The daemon's next line has all of these. */
static void read_line(int daemon, const char *const *parts)
{
	char line[4096];
	struct pollfd ready = { daemon, POLLIN, 0 };
	CHECK(poll(&ready, 1, PATIENCE) == 1);
	ssize_t length = recv(daemon, line, sizeof line - 1, 0);
	CHECK(length > 0);
	line[length] = '\0';
	for (; *parts; parts++)
		CHECK(strstr(line, *parts));
}

static void hear_each_line(int daemon, const char *directory)
{
	/* authpriv.notice */
	static const char *const first[] = { "<85>", "pglocktop[", "\"format\":\"pglocktop-audit\"", "\"n\":1}", NULL };
	static const char *const second[] = { "<85>", "\"n\":2}", NULL };
	struct audit *audit = open_audit(directory, "audit.jsonl");
	audit_append(audit, "\"n\":1");
	await(audit);
	read_line(daemon, first);
	CHECK(audit_stop(audit, PATIENCE * INT64_C(1000)));
	/* Where the file cannot be written it is the only record. */
	audit = open_audit(directory, "missing/audit.jsonl");
	audit_append(audit, "\"n\":2");
	CHECK(!await(audit).done);
	read_line(daemon, second);
	CHECK(audit_stop(audit, PATIENCE * INT64_C(1000)));
}

/* The file has so many lines, though nobody reads in the other place. */
static void await_lines(const char *directory, int count)
{
	char path[96];
	int64_t deadline = when_monotonic() + PATIENCE * INT64_C(1000);
	snprintf(path, sizeof path, "%s/audit.jsonl", directory);
	for (int lines = 0; lines != count;) {
		FILE *file = fopen(path, "re");
		CHECK(when_monotonic() < deadline);
		lines = 0;
		for (int c; file && (c = getc(file)) != EOF;)
			lines += c == '\n';
		if (file)
			fclose(file);
	}
}

static void hear_late(int daemon, const char *directory)
{
	static const char *const any[] = { "\"n\":", NULL };
	struct audit *audit = open_audit(directory, "audit.jsonl");
	for (int i = 0; i < LINES; i++) {
		char members[32];
		snprintf(members, sizeof members, "\"n\":%d", i);
		audit_append(audit, members);
	}
	for (int i = 0; i < LINES; i++)
		await(audit);
	await_lines(directory, LINES);
	CHECK(!audit_stop(audit, WHEN_SECOND / 20));
	for (int i = 0; i < LINES; i++)
		read_line(daemon, any);
	CHECK(audit_stop(audit, PATIENCE * INT64_C(1000)));
}

static void each_line_is_there(void **state)
{
	(void)state;
	in_a_namespace(hear_each_line);
}

static void a_daemon_that_does_not_read_holds_nobody_up(void **state)
{
	(void)state;
	in_a_namespace(hear_late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_is_there),
		cmocka_unit_test(a_daemon_that_does_not_read_holds_nobody_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
