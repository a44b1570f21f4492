#include "bench/relay.h"

#include "bench/fail.h"
#include "pglocktop/err.h"
#include "pglocktop/when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CHUNK = 1 << 16 };

/* Bytes on their way. */
struct relay_segment {
	struct relay_segment *next;
	int64_t due;
	size_t length, sent;
	char bytes[];
};

/* ---- sockets ---- */

static struct sockaddr_un address_in(const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof address.sun_path, "%.86s/.s.PGSQL.5432", directory);
	return address;
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		fail("socket: %s", strerror(errno));
	return fd;
}

void relay_open(struct relay *relay, const char *server_directory)
{
	*relay = (struct relay){ .listener = new_socket(), .answered = true };
	snprintf(relay->server, sizeof relay->server, "%s", server_directory);
	snprintf(relay->directory, sizeof relay->directory, "%.64s/relay.XXXXXX", server_directory);
	if (!mkdtemp(relay->directory))
		fail("%s: %s", relay->directory, strerror(errno));
	struct sockaddr_un address = address_in(relay->directory);
	if (bind(relay->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(relay->listener, 8) != 0)
		fail("%s: %s", address.sun_path, strerror(errno));
}

static void close_link(struct relay_link *link)
{
	struct relay_stream *streams[] = { &link->up, &link->down };
	for (int i = 0; i < 2; i++)
		while (streams[i]->first) {
			struct relay_segment *segment = streams[i]->first;
			streams[i]->first = segment->next;
			free(segment);
		}
	close(link->up.from);
	close(link->up.to);
	link->open = false;
}

void relay_close(struct relay *relay)
{
	struct sockaddr_un address = address_in(relay->directory);
	for (int i = 0; i < RELAY_LINKS; i++)
		if (relay->links[i].open)
			close_link(&relay->links[i]);
	close(relay->listener);
	unlink(address.sun_path);
	rmdir(relay->directory);
}

static void accept_link(struct relay *relay)
{
	struct sockaddr_un address = address_in(relay->server);
	int client = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return;
	int server = new_socket();
	struct relay_link *link = relay->links;
	while (link < relay->links + RELAY_LINKS && link->open)
		link++;
	if (link == relay->links + RELAY_LINKS || connect(server, (struct sockaddr *)&address, sizeof address) != 0)
		fail("the relay cannot pass on a connection");
	*link = (struct relay_link){ .open = true,
				     .up = { client, server, NULL, NULL },
				     .down = { server, client, NULL, NULL } };
}

/* ---- bytes ---- */

static void count_up(struct relay *relay, size_t length)
{
	relay->bytes_up += length;
	if (!relay->answered)
		return;
	relay->answered = false;
	relay->requests++;
	if (when_monotonic() - relay->refresh_at < relay->apart)
		return;
	relay->refreshes++;
	relay->refresh_at = when_monotonic();
}

/* An answer ends with ReadyForQuery: 'Z', its length, and the state of the transaction. */
static void count_down(struct relay *relay, const char *bytes, size_t length)
{
	static const unsigned char ready[] = { 'Z', 0, 0, 0, 5 };
	size_t kept = length < sizeof relay->tail ? sizeof relay->tail - length : 0;
	relay->bytes_down += length;
	memmove(relay->tail, relay->tail + sizeof relay->tail - kept, kept);
	memcpy(relay->tail + kept, bytes + length - (sizeof relay->tail - kept), sizeof relay->tail - kept);
	relay->answered = memcmp(relay->tail, ready, sizeof ready) == 0;
	relay->answered_at = when_monotonic();
}

static void push(struct relay_stream *stream, const char *bytes, size_t length, int64_t due)
{
	struct relay_segment *segment = malloc(sizeof *segment + length);
	ensure(segment);
	*segment = (struct relay_segment){ .due = due, .length = length };
	memcpy(segment->bytes, bytes, length);
	if (stream->first)
		stream->last->next = segment;
	else
		stream->first = segment;
	stream->last = segment;
}

/* False: the sender has ended. */
static bool take_in(struct relay *relay, struct relay_stream *stream, bool up)
{
	char bytes[CHUNK];
	ssize_t length;
	while ((length = recv(stream->from, bytes, sizeof bytes, 0)) > 0) {
		if (up)
			count_up(relay, (size_t)length);
		else
			count_down(relay, bytes, (size_t)length);
		push(stream, bytes, (size_t)length, when_monotonic() + relay->delay);
	}
	return length < 0 && (errno == EAGAIN || errno == EINTR);
}

/* False: the receiver has gone. */
static bool pass_on(struct relay_stream *stream)
{
	while (stream->first && stream->first->due <= when_monotonic()) {
		struct relay_segment *segment = stream->first;
		ssize_t sent =
			send(stream->to, segment->bytes + segment->sent, segment->length - segment->sent, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		segment->sent += (size_t)sent;
		if (segment->sent < segment->length)
			return true;
		stream->first = segment->next;
		free(segment);
	}
	return true;
}

static void serve_link(struct relay *relay, struct relay_link *link)
{
	bool up = take_in(relay, &link->up, true), down = take_in(relay, &link->down, false);
	if (!pass_on(&link->up) || !pass_on(&link->down) || (!up && !link->up.first) || (!down && !link->down.first))
		close_link(link);
}

void relay_serve(struct relay *relay)
{
	accept_link(relay);
	for (int i = 0; i < RELAY_LINKS; i++)
		if (relay->links[i].open)
			serve_link(relay, &relay->links[i]);
}

/* ---- waiting ---- */

static bool is_due(const struct relay_stream *stream)
{
	return stream->first && stream->first->due <= when_monotonic();
}

static int64_t next_due(const struct relay_stream *stream, int64_t soonest)
{
	return stream->first && !is_due(stream) && stream->first->due < soonest ? stream->first->due : soonest;
}

int relay_prepare(const struct relay *relay, struct pollfd fds[static RELAY_FDS])
{
	int64_t soonest = INT64_MAX;
	fds[0] = (struct pollfd){ .fd = relay->listener, .events = POLLIN };
	for (int i = 0; i < RELAY_LINKS; i++) {
		const struct relay_link *link = &relay->links[i];
		struct pollfd *client = &fds[1 + 2 * i], *server = client + 1;
		client->fd = server->fd = -1;
		if (!link->open)
			continue;
		*client = (struct pollfd){ .fd = link->up.from,
					   .events = is_due(&link->down) ? POLLIN | POLLOUT : POLLIN };
		*server = (struct pollfd){ .fd = link->up.to, .events = is_due(&link->up) ? POLLIN | POLLOUT : POLLIN };
		soonest = next_due(&link->down, next_due(&link->up, soonest));
	}
	int64_t left = soonest - when_monotonic();
	return soonest == INT64_MAX ? -1 : (int)((left > 0 ? left : 0) / 1000 + 1);
}
