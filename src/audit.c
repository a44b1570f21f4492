#include "pglocktop/audit.h"

#include "audit_file.h"
#include "audit_syslog.h"
#include "json_value.h"
#include "thread.h"

#include "pglocktop/operator.h"
#include "pglocktop/when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct audit_job {
	struct audit_job *next;
	char *members; /* APPENDED */
	size_t most; /* READ */
	int64_t deadline;
	bool told; /* that it is late */
	struct audit_answer answer;
};

struct audit {
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	pthread_t thread;
	struct audit_job *asked, *answered; /* in order; the first one asked for may be under way */
	uint64_t tickets;
	bool stop;
	bool ended; /* the thread was waited for */
	int fd; /* an epoll of these two */
	int answer_fd; /* eventfd: an answer waits */
	int timer_fd; /* a request is late */

	/* The thread's own. */
	struct audit_file file;
	char *path;
	struct audit_syslog *syslog; /* NULL: not asked for */
	struct strbuf head; /* what every line begins with */
};

/* ---- the thread ---- */

static void make_head(struct audit *audit)
{
	struct operator who;
	json_t *os = json_object();
	operator_find(&who);
	put(os, "user", text_value(who.user));
	put(os, "login", text_value(who.login));
	put(os, "host", text_value(who.host));
	put(os, "terminal", text_value(who.terminal));
	put(os, "pid", json_integer(who.pid));
	strbuf_add_string(&audit->head, "{\"format\":\"pglocktop-audit\",\"version\":1,\"os\":");
	json_value_write(os, &audit->head);
	strbuf_add_char(&audit->head, ',');
}

static bool has_file(const struct audit *audit, struct err *err)
{
	return audit->path || err_set(err, "neither XDG_STATE_HOME nor HOME is set: name a file with --log");
}

/* Some that follow each other in the list. What comes after the last one is the other thread's to change. */
struct batch {
	struct audit_job *first, *last;
};

static struct audit_job *next_of(const struct batch *batch, const struct audit_job *job)
{
	return job == batch->last ? NULL : job->next;
}

/* Many requests by one write and one fsync: signals to many sessions are not to wait for as many of them. */
static void append(struct audit *audit, const struct batch *batch)
{
	struct strbuf lines = STRBUF_INIT;
	struct err err;
	for (const struct audit_job *job = batch->first; job; job = next_of(batch, job)) {
		size_t start = lines.length;
		strbuf_add(&lines, audit->head.text, audit->head.length);
		strbuf_add_string(&lines, job->members);
		strbuf_add_char(&lines, '}');
		if (audit->syslog)
			audit_syslog_add(audit->syslog, lines.text + start);
		strbuf_add_char(&lines, '\n');
	}
	bool done = has_file(audit, &err) && audit_file_append(&audit->file, lines.text, lines.length, &err);
	for (struct audit_job *job = batch->first; job; job = next_of(batch, job)) {
		job->answer.done = done;
		if (!done)
			job->answer.err = err;
	}
	strbuf_release(&lines);
}

static void read_tail(struct audit *audit, struct audit_job *job)
{
	struct strbuf text = STRBUF_INIT;
	job->answer.done = audit_file_read_tail(&audit->file, job->most, &text, &job->answer.err);
	if (job->answer.done)
		job->answer.text = strbuf_detach(&text);
	strbuf_release(&text);
}

static void do_jobs(struct audit *audit, const struct batch *batch)
{
	struct audit_job *job = batch->first;
	struct err *err = &job->answer.err;
	if (job->answer.kind == AUDIT_APPENDED)
		append(audit, batch);
	else if (job->answer.kind == AUDIT_PROBED)
		job->answer.done = has_file(audit, err) && audit_file_probe(&audit->file, err);
	else if (has_file(audit, err))
		read_tail(audit, job);
}

static void job_free(struct audit_job *owned)
{
	free(owned->members);
	free(owned->answer.text);
	free(owned);
}

static void announce(struct audit *audit)
{
	uint64_t one = 1;
	if (write(audit->answer_fd, &one, sizeof one) < 0)
		ensure(errno == EAGAIN);
}

/* The one that is first in the list; what was told to be late has had its answer. */
static void finish_job(struct audit *audit, struct audit_job *job)
{
	struct audit_job **link = &audit->answered;
	audit->asked = job->next;
	job->next = NULL;
	if (job->told) {
		job_free(job);
		return;
	}
	while (*link)
		link = &(*link)->next;
	*link = job;
	announce(audit);
}

/* The lines that wait are written together; anything else is done by itself. */
static struct batch take_together(const struct audit *audit)
{
	struct batch batch = { audit->asked, audit->asked };
	if (audit->asked->answer.kind == AUDIT_APPENDED)
		while (batch.last->next && batch.last->next->answer.kind == AUDIT_APPENDED)
			batch.last = batch.last->next;
	return batch;
}

static void *run(void *argument)
{
	struct audit *audit = argument;
	make_head(audit);
	pthread_mutex_lock(&audit->mutex);
	for (;;) {
		while (!audit->asked && !audit->stop)
			pthread_cond_wait(&audit->wake, &audit->mutex);
		if (!audit->asked)
			break;
		struct batch batch = take_together(audit);
		pthread_mutex_unlock(&audit->mutex);
		do_jobs(audit, &batch);
		pthread_mutex_lock(&audit->mutex);
		for (struct audit_job *job = batch.first, *next; job; job = next) {
			next = next_of(&batch, job);
			finish_job(audit, job);
		}
	}
	pthread_mutex_unlock(&audit->mutex);
	audit_file_keep(&audit->file);
	return NULL;
}

/* ---- requests and answers ---- */

/* The timer is for the first request that has not had its answer. */
static void set_timer(struct audit *audit)
{
	struct itimerspec timer = { .it_value = { 0, 0 } };
	const struct audit_job *job = audit->asked;
	while (job && job->told)
		job = job->next;
	if (job) {
		int64_t left = job->deadline - when_monotonic();
		left = left > 0 ? left : 1;
		timer.it_value.tv_sec = left / WHEN_SECOND;
		timer.it_value.tv_nsec = left % WHEN_SECOND * 1000;
	}
	timerfd_settime(audit->timer_fd, 0, &timer, NULL);
}

static uint64_t ask(struct audit *audit, enum audit_answer_kind kind, const char *members, size_t most)
{
	struct audit_job *job = calloc(1, sizeof *job), **link = &audit->asked;
	if (!job || (members && !(job->members = strdup(members))))
		err_die("out of memory (the audit log)");
	job->answer.kind = kind;
	job->most = most;
	job->deadline = when_monotonic() + AUDIT_PATIENCE;
	pthread_mutex_lock(&audit->mutex);
	uint64_t ticket = job->answer.ticket = ++audit->tickets;
	while (*link)
		link = &(*link)->next;
	*link = job;
	set_timer(audit);
	pthread_cond_signal(&audit->wake);
	pthread_mutex_unlock(&audit->mutex);
	return ticket;
}

uint64_t audit_append(struct audit *audit, const char *members)
{
	return ask(audit, AUDIT_APPENDED, members, 0);
}

uint64_t audit_probe(struct audit *audit)
{
	return ask(audit, AUDIT_PROBED, NULL, 0);
}

uint64_t audit_read(struct audit *audit, size_t most)
{
	return ask(audit, AUDIT_READ, NULL, most);
}

static bool take_answered(struct audit *audit, struct audit_answer *answer)
{
	struct audit_job *job = audit->answered;
	if (!job)
		return false;
	audit->answered = job->next;
	*answer = job->answer;
	job->answer.text = NULL;
	job_free(job);
	return true;
}

static bool take_late(struct audit *audit, struct audit_answer *answer)
{
	int64_t now = when_monotonic();
	for (struct audit_job *job = audit->asked; job; job = job->next) {
		if (job->told || now < job->deadline)
			continue;
		job->told = true;
		answer->kind = job->answer.kind;
		answer->ticket = job->answer.ticket;
		answer->late = true;
		err_set(&answer->err, "%s: no answer from its file system, or another program keeps it locked",
			audit->path ? audit->path : "the audit log");
		return true;
	}
	return false;
}

struct audit_answer audit_take(struct audit *audit)
{
	struct audit_answer answer = { .kind = AUDIT_NOTHING };
	uint64_t count;
	pthread_mutex_lock(&audit->mutex);
	if (!take_answered(audit, &answer) && !take_late(audit, &answer)) {
		if (read(audit->answer_fd, &count, sizeof count) < 0)
			ensure(errno == EAGAIN);
		set_timer(audit);
	}
	pthread_mutex_unlock(&audit->mutex);
	return answer;
}

int audit_fd(const struct audit *audit)
{
	return audit->fd;
}

/* ---- the log ---- */

static char *make_path(const struct audit_options *options)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int length = 0;
	if (options->path)
		path = strdup(options->path);
	else if (state && *state == '/')
		length = asprintf(&path, "%s/pglocktop/audit.jsonl", state);
	else if (home && *home == '/')
		length = asprintf(&path, "%s/.local/state/pglocktop/audit.jsonl", home);
	else
		return NULL;
	if (length < 0 || !path)
		err_die("out of memory (the audit log's name)");
	return path;
}

static bool watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	return fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool open_descriptors(struct audit *audit, struct err *err)
{
	audit->fd = epoll_create1(EPOLL_CLOEXEC);
	audit->answer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	audit->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (audit->fd >= 0 && watch(audit->fd, audit->answer_fd) && watch(audit->fd, audit->timer_fd))
		return true;
	return err_set(err, "no descriptors for the audit log: %s", strerror(errno));
}

static bool start_threads(struct audit *audit, bool syslog, struct err *err)
{
	if (syslog && !(audit->syslog = audit_syslog_new(err)))
		return false;
	return thread_start(&audit->thread, "audit", run, audit) ||
	       err_set(err, "could not start a thread for the audit log");
}

static void audit_free(struct audit *owned)
{
	const int fds[] = { owned->fd, owned->answer_fd, owned->timer_fd };
	struct audit_answer answer;
	while (take_answered(owned, &answer))
		free(answer.text);
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	audit_file_close(&owned->file);
	strbuf_release(&owned->head);
	pthread_cond_destroy(&owned->wake);
	pthread_mutex_destroy(&owned->mutex);
	free(owned->path);
	free(owned);
}

struct audit *audit_new(const struct audit_options *options, struct err *err)
{
	struct audit *audit = malloc(sizeof *audit);
	if (!audit)
		err_die("out of memory (%zu bytes)", sizeof *audit);
	*audit = (struct audit){ .path = make_path(options), .head = STRBUF_INIT };
	audit->file = (struct audit_file)AUDIT_FILE_INIT(audit->path);
	audit->file.make_directories = !options->path;
	pthread_mutex_init(&audit->mutex, NULL);
	pthread_cond_init(&audit->wake, NULL);
	if (open_descriptors(audit, err) && start_threads(audit, options->syslog, err))
		return audit;
	if (!audit->syslog || audit_syslog_stop(audit->syslog, WHEN_SECOND))
		audit_free(audit);
	return NULL;
}

/* False: the thread hangs. */
static bool end_thread(struct audit *audit, int64_t wait)
{
	pthread_mutex_lock(&audit->mutex);
	audit->stop = true;
	pthread_cond_signal(&audit->wake);
	pthread_mutex_unlock(&audit->mutex);
	audit->ended = audit->ended || thread_join(audit->thread, wait);
	return audit->ended;
}

bool audit_stop(struct audit *owned, int64_t wait)
{
	int64_t end = when_monotonic() + wait;
	if (!end_thread(owned, wait))
		return false;
	int64_t left = end - when_monotonic();
	if (owned->syslog && !audit_syslog_stop(owned->syslog, left > 0 ? left : 0))
		return false;
	audit_free(owned);
	return true;
}
