#include "bench/watch.h"

#include "bench/fail.h"
#include "pglocktop/err.h"
#include "pglocktop/when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS = 24, KEPT = 1 << 16, QUIET = 30000 };

/* Whoever it is: libpq takes it from the environment. */
#define APPLICATION "pglocktop watched"

static const char *const *environment_in(const char *directory, char state[static 128], char config[static 128])
{
	static const char *environment[] = { NULL, NULL, "PGAPPNAME=" APPLICATION "", NULL };
	snprintf(state, 128, "XDG_STATE_HOME=%s", directory);
	snprintf(config, 128, "XDG_CONFIG_HOME=%s", directory);
	environment[0] = state;
	environment[1] = config;
	return environment;
}

void watch_start(struct watch *watch, const struct pgserver *server, const struct watch_options *options)
{
	const char *arguments[ARGUMENTS + 1] = { options->program,     "-h", NULL, "-d", "postgres", "-U",
						 pgserver_user(server) };
	char state[128], config[128];
	unsigned count = 7;
	*watch = (struct watch){ .screen = malloc(KEPT + 1) };
	ensure(watch->screen);
	watch->screen[0] = '\0';
	relay_open(&watch->relay, pgserver_socket(server));
	arguments[2] = options->direct ? pgserver_socket(server) : watch->relay.directory;
	for (const char *const *next = options->arguments; next && *next && count < ARGUMENTS; next++)
		arguments[count++] = *next;
	watch->relay.delay = options->delay;
	/* What else is asked follows a refresh at once; of the next one some may come a little early. */
	watch->relay.apart = (int64_t)((options->interval > 0 ? options->interval : 1) * WHEN_SECOND * 8 / 10);
	watch->session = vt_session_start(
		&(struct vt_options){ .argv = arguments,
				      .environment = environment_in(watch->relay.directory, state, config),
				      .columns = 120,
				      .rows = 40 });
	/* Not before: to fork a process with thousands of connections takes its time. */
	watch->started_at = when_monotonic();
}

void watch_end(struct watch *watch)
{
	vt_session_end(&watch->session, true);
	relay_close(&watch->relay);
	free(watch->screen);
}

static void keep(struct watch *watch, const char *bytes, size_t length)
{
	if (watch->screen_length + length > KEPT)
		watch->screen_length = 0;
	memcpy(watch->screen + watch->screen_length, bytes, length);
	watch->screen_length += (unsigned)length;
	watch->screen[watch->screen_length] = '\0';
}

static void take_output(struct watch *watch)
{
	char bytes[KEPT];
	ssize_t length = read(watch->session.master, bytes, sizeof bytes);
	if (length < 0 && errno == EIO)
		fail("the program has ended; it wrote: %s", watch->screen);
	if (length <= 0)
		return;
	watch->tty_at = when_monotonic();
	watch->tty_bytes += (uint64_t)length;
	keep(watch, bytes, (size_t)length);
}

/* Lets pass what there is, waiting until then for the first of it. */
static void pump(struct watch *watch, int64_t until)
{
	struct pollfd fds[RELAY_FDS + 1];
	int due = relay_prepare(&watch->relay, fds);
	int64_t left = until - when_monotonic();
	struct timespec timeout = { .tv_sec = left > 0 ? left / WHEN_SECOND : 0,
				    .tv_nsec = left > 0 ? left % WHEN_SECOND * 1000 : 0 };
	if (due >= 0 && due * INT64_C(1000) < left)
		timeout = (struct timespec){ .tv_sec = due / 1000, .tv_nsec = due % 1000 * INT64_C(1000000) };
	fds[RELAY_FDS] = (struct pollfd){ .fd = watch->session.master, .events = POLLIN };
	ppoll(fds, RELAY_FDS + 1, &timeout, NULL);
	if (fds[RELAY_FDS].revents)
		take_output(watch);
	relay_serve(&watch->relay);
}

void watch_until(struct watch *watch, int64_t until)
{
	do
		pump(watch, until);
	while (when_monotonic() < until);
}

bool watch_until_written(struct watch *watch, int64_t until)
{
	uint64_t before = watch->tty_bytes;
	while (watch->tty_bytes == before && when_monotonic() < until)
		pump(watch, until);
	return watch->tty_bytes != before;
}

bool watch_until_text(struct watch *watch, const char *text, int64_t until)
{
	while (!strstr(watch->screen, text))
		if (!watch_until_written(watch, until))
			return false;
	return true;
}

void watch_send(struct watch *watch, const char *keys)
{
	size_t length = strlen(keys);
	if (write(watch->session.master, keys, length) != (ssize_t)length)
		fail("the pseudo-terminal takes no keys: %s", strerror(errno));
}

void watch_find_backend(struct watch *watch, PGconn *admin)
{
	watch->backend = (pid_t)pgserver_number(admin, "select max(pid) from pg_stat_get_activity(null) "
						       "where application_name = '" APPLICATION "'");
	if (watch->backend == 0)
		fail("the program has no session on the server");
}

static bool is_quiet(const struct watch *watch)
{
	int64_t last = watch->tty_at > watch->relay.answered_at ? watch->tty_at : watch->relay.answered_at;
	return watch->relay.answered && when_monotonic() - last >= QUIET;
}

bool watch_refresh(struct watch *watch, int64_t until)
{
	unsigned before = watch->relay.refreshes;
	while (watch->relay.refreshes == before && when_monotonic() < until)
		pump(watch, until);
	while ((!is_quiet(watch) || watch->tty_at < watch->relay.answered_at) && when_monotonic() < until)
		pump(watch, when_monotonic() + QUIET / 4);
	return when_monotonic() < until;
}
