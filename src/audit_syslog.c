#include "audit_syslog.h"

#include "thread.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum { LINES_MOST = 10000 };

struct line {
	struct line *next;
	char text[];
};

struct audit_syslog {
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	pthread_t thread;
	struct line *first, **last; /* those that wait, in order */
	unsigned waiting, left_out;
	bool stop;
};

/* ---- the thread ---- */

static void hand_over(struct line *owned)
{
	while (owned) {
		struct line *line = owned;
		owned = line->next;
		syslog(LOG_NOTICE, "%s", line->text);
		free(line);
	}
}

static void tell_left_out(unsigned count)
{
	if (count > 0)
		syslog(LOG_NOTICE, "%u lines of the audit log are left out here: nobody read them", count);
}

static void *run(void *argument)
{
	struct audit_syslog *log = argument;
	openlog("pglocktop", LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
	pthread_mutex_lock(&log->mutex);
	for (;;) {
		while (!log->first && !log->stop)
			pthread_cond_wait(&log->wake, &log->mutex);
		struct line *lines = log->first;
		unsigned left_out = log->left_out;
		if (!lines)
			break;
		log->first = NULL;
		log->last = &log->first;
		log->waiting = log->left_out = 0;
		pthread_mutex_unlock(&log->mutex);
		hand_over(lines);
		tell_left_out(left_out);
		pthread_mutex_lock(&log->mutex);
	}
	pthread_mutex_unlock(&log->mutex);
	closelog();
	return NULL;
}

/* ---- for everybody else ---- */

void audit_syslog_add(struct audit_syslog *log, const char *text)
{
	size_t size = strlen(text) + 1;
	struct line *line = malloc(sizeof *line + size);
	if (!line)
		err_die("out of memory (%zu bytes)", size);
	line->next = NULL;
	memcpy(line->text, text, size);
	pthread_mutex_lock(&log->mutex);
	bool room = log->waiting < LINES_MOST;
	if (room) {
		*log->last = line;
		log->last = &line->next;
		log->waiting++;
	} else {
		log->left_out++;
	}
	pthread_cond_signal(&log->wake);
	pthread_mutex_unlock(&log->mutex);
	if (!room)
		free(line);
}

static void syslog_free(struct audit_syslog *owned)
{
	pthread_cond_destroy(&owned->wake);
	pthread_mutex_destroy(&owned->mutex);
	free(owned);
}

struct audit_syslog *audit_syslog_new(struct err *err)
{
	struct audit_syslog *log = calloc(1, sizeof *log);
	if (!log)
		err_die("out of memory (%zu bytes)", sizeof *log);
	log->last = &log->first;
	pthread_mutex_init(&log->mutex, NULL);
	pthread_cond_init(&log->wake, NULL);
	if (thread_start(&log->thread, "syslog", run, log))
		return log;
	err_set(err, "could not start a thread for syslog");
	syslog_free(log);
	return NULL;
}

bool audit_syslog_stop(struct audit_syslog *owned, int64_t wait)
{
	pthread_mutex_lock(&owned->mutex);
	owned->stop = true;
	pthread_cond_signal(&owned->wake);
	pthread_mutex_unlock(&owned->mutex);
	if (!thread_join(owned->thread, wait))
		return false;
	syslog_free(owned);
	return true;
}
