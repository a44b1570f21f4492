#include "server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);
	if (!memory)
		err_die("out of memory (%zu bytes)", size);
	return memory;
}

bool queues_init(struct server_queues *queues, struct err *err)
{
	queues->last_command = &queues->commands;
	queues->last_news = &queues->news;
	queues->command_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	queues->news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (queues->command_fd < 0 || queues->news_fd < 0)
		return err_set(err, "could not make an eventfd: %s", strerror(errno));
	pthread_mutex_init(&queues->mutex, NULL);
	return true;
}

void server_command_free(struct server_command *owned)
{
	if (owned->password)
		explicit_bzero(owned->password, strlen(owned->password));
	free(owned->password);
	PQclear(owned->lookup.rows);
	free(owned);
}

void queues_release(struct server_queues *queues)
{
	while (queues->commands) {
		struct server_command *next = queues->commands->next;
		server_command_free(queues->commands);
		queues->commands = next;
	}
	while (queues->news) {
		struct server_news *next = queues->news->next;
		frame_free(queues->news->news.frame);
		check_report_free(queues->news->news.check);
		free(queues->news);
		queues->news = next;
	}
	close(queues->command_fd);
	close(queues->news_fd);
	pthread_mutex_destroy(&queues->mutex);
}

/* An eventfd's counter cannot run over here, and an interrupted or empty read does no harm. */
static void raise_event(int fd)
{
	const uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof one);
	ensure(written == sizeof one || errno == EAGAIN);
}

static void clear_event(int fd)
{
	uint64_t count;
	ssize_t size = read(fd, &count, sizeof count);
	ensure(size == sizeof count || errno == EAGAIN);
}

void queues_send(struct server_queues *queues, const struct server_command *command)
{
	struct server_command *copy = allocate(sizeof *copy);
	*copy = *command;
	copy->next = NULL;
	copy->password = command->password ? strdup(command->password) : NULL;
	pthread_mutex_lock(&queues->mutex);
	*queues->last_command = copy;
	queues->last_command = &copy->next;
	raise_event(queues->command_fd);
	pthread_mutex_unlock(&queues->mutex);
}

struct server_command *queues_receive(struct server_queues *queues)
{
	pthread_mutex_lock(&queues->mutex);
	struct server_command *all = queues->commands;
	queues->commands = NULL;
	queues->last_command = &queues->commands;
	clear_event(queues->command_fd);
	pthread_mutex_unlock(&queues->mutex);
	return all;
}

/* A frame takes the place of an older one, of which there is never more than one; false: there is none. */
static bool replace_frame(struct server_queues *queues, struct frame *frame, struct frame **old)
{
	for (struct server_news *queued = queues->news; queued; queued = queued->next) {
		if (queued->news.kind != NEWS_FRAME)
			continue;
		*old = queued->news.frame;
		queued->news.frame = frame;
		return true;
	}
	return false;
}

void queues_publish(struct server_queues *queues, const struct news *news)
{
	struct server_news *added = allocate(sizeof *added);
	struct frame *old = NULL;
	added->news = *news;
	pthread_mutex_lock(&queues->mutex);
	if (news->kind == NEWS_FRAME && replace_frame(queues, news->frame, &old)) {
		free(added);
	} else {
		*queues->last_news = added;
		queues->last_news = &added->next;
	}
	raise_event(queues->news_fd);
	pthread_mutex_unlock(&queues->mutex);
	frame_free(old);
}

struct news queues_take(struct server_queues *queues)
{
	struct news news = { .kind = NEWS_NONE };
	pthread_mutex_lock(&queues->mutex);
	struct server_news *first = queues->news;
	if (first) {
		queues->news = first->next;
		if (!first->next)
			queues->last_news = &queues->news;
	}
	if (!queues->news)
		clear_event(queues->news_fd);
	pthread_mutex_unlock(&queues->mutex);
	if (first)
		news = first->news;
	free(first);
	return news;
}
