#include "bench/wire.h"

#include "bench/fail.h"
#include "bench/meter.h"
#include "pglocktop/err.h"
#include "pglocktop/when.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HEADER = 5, CHUNK = 1 << 18 };

/* Where in the stream of messages the reading is. */
struct reader {
	unsigned char header[HEADER];
	unsigned header_length;
	size_t body_left;
	bool ready, failed;
};

static uint32_t big_endian(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void take_header(struct reader *reader)
{
	reader->body_left = big_endian(reader->header + 1) - 4;
	reader->header_length = 0;
	reader->failed |= reader->header[0] == 'E';
	reader->ready |= reader->header[0] == 'Z';
}

static void skip_messages(struct reader *reader, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		size_t skipped = reader->body_left < length ? reader->body_left : length;
		reader->body_left -= skipped;
		bytes += skipped;
		length -= skipped;
		for (; length > 0 && reader->header_length < HEADER; length--)
			reader->header[reader->header_length++] = *bytes++;
		if (reader->header_length == HEADER)
			take_header(reader);
	}
}

static void send_all(int fd, const void *bytes, size_t length)
{
	const char *next = bytes;
	while (length > 0) {
		ssize_t sent = send(fd, next, length, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
		else if (sent < 0 && errno != EINTR)
			fail("the server has gone: %s", strerror(errno));
		next += sent > 0 ? sent : 0;
		length -= sent > 0 ? (size_t)sent : 0;
	}
}

static void send_query(int fd, const char *sql)
{
	uint32_t length = (uint32_t)strlen(sql) + 5;
	unsigned char header[HEADER] = { 'Q', length >> 24 & 0xff, length >> 16 & 0xff, length >> 8 & 0xff,
					 length & 0xff };
	send_all(fd, header, sizeof header);
	send_all(fd, sql, length - 4);
}

static uint64_t drain(int fd, struct reader *reader)
{
	unsigned char *bytes = malloc(CHUNK);
	uint64_t received = 0;
	ensure(bytes);
	while (!reader->ready || reader->body_left > 0) {
		ssize_t length = recv(fd, bytes, CHUNK, 0);
		if (length < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1);
		else if (length == 0 || (length < 0 && errno != EINTR))
			fail("the server has gone");
		if (length <= 0)
			continue;
		skip_messages(reader, bytes, (size_t)length);
		received += (uint64_t)length;
	}
	free(bytes);
	return received;
}

struct wire_cost wire_run(PGconn *conn, const char *sql)
{
	struct reader reader = { .ready = false };
	double cpu = meter_cpu(PQbackendPID(conn));
	int64_t began = when_monotonic();
	send_query(PQsocket(conn), sql);
	struct wire_cost cost = { .bytes = drain(PQsocket(conn), &reader) };
	cost.wall = (double)(when_monotonic() - began) / 1000;
	meter_until_asleep(PQbackendPID(conn));
	cost.server = meter_cpu(PQbackendPID(conn)) - cpu;
	cost.failed = reader.failed;
	return cost;
}
