#include "output.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

bool output_write(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);
		if (written < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
		} else if (written < 0 && errno != EINTR) {
			return false;
		} else if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		}
	}
	return true;
}
