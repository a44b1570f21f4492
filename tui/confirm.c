#include "confirm.h"

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { ANSWER_SIZE = 256 };

/* The terminal gathers the line, and Ctrl-C ends the program as it does any other. */
static bool read_line(int tty, char line[static ANSWER_SIZE])
{
	ssize_t length;
	do
		length = read(tty, line, ANSWER_SIZE - 1);
	while (length < 0 && errno == EINTR);
	if (length <= 0)
		return false;
	line[length] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

/* More behind the answer was pasted, or piled up. */
static bool more_waits(int tty)
{
	int flags = fcntl(tty, F_GETFL);
	char next;
	if (flags < 0 || fcntl(tty, F_SETFL, flags | O_NONBLOCK) != 0)
		return true;
	return read(tty, &next, 1) > 0;
}

enum confirm_reply confirm_ask(const char *text, const char *answer, struct err *err)
{
	char line[ANSWER_SIZE];
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0) {
		err_set(err, "there is no terminal to ask on, and nothing was sent: --yes does it without asking");
		return CONFIRM_NO_TERMINAL;
	}
	tcflush(tty, TCIFLUSH);
	bool answered = output_write(tty, text, strlen(text)) && read_line(tty, line);
	bool yes = answered && strcmp(line, answer) == 0 && !more_waits(tty);
	close(tty);
	return yes ? CONFIRM_YES : CONFIRM_NO;
}
