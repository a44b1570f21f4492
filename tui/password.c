#include "password.h"

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

struct asking {
	int tty;
	int signals; /* a signalfd: readable when one that is blocked has come */
	struct termios shown, hidden;
	sigset_t blocked, before;
	struct strbuf prompt;
};

/* What was typed before is no answer: it is thrown away. */
static void show_prompt(const struct asking *asking)
{
	tcsetattr(asking->tty, TCSAFLUSH, &asking->hidden);
	output_write(asking->tty, asking->prompt.text, asking->prompt.length);
}

static void leave_prompt(const struct asking *asking)
{
	tcsetattr(asking->tty, TCSAFLUSH, &asking->shown);
	output_write(asking->tty, "\n", 1);
}

/* The signal does what it does by itself, on a terminal as it was. From a stop, or where it is ignored, it goes on. */
static void pass_signal_on(const struct asking *asking)
{
	struct signalfd_siginfo info;
	if (read(asking->signals, &info, sizeof info) != (ssize_t)sizeof info)
		return;
	leave_prompt(asking);
	raise((int)info.ssi_signo);
	pthread_sigmask(SIG_SETMASK, &asking->before, NULL);
	pthread_sigmask(SIG_BLOCK, &asking->blocked, NULL);
	show_prompt(asking);
}

/* The terminal itself gathers the line. False: there will be none. */
static bool read_line(const struct asking *asking, char *line, size_t size)
{
	struct pollfd fds[] = { { asking->signals, POLLIN, 0 }, { asking->tty, POLLIN, 0 } };
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return false;
		if (fds[0].revents) {
			pass_signal_on(asking);
			continue;
		}
		ssize_t length = read(asking->tty, line, size - 1);
		if (length < 0 && errno == EINTR)
			continue;
		if (length <= 0)
			return false;
		line[length] = '\0';
		line[strcspn(line, "\n")] = '\0';
		return true;
	}
}

static bool ask(struct asking *asking, char *password, size_t size)
{
	if (tcgetattr(asking->tty, &asking->shown) < 0)
		return false;
	asking->hidden = asking->shown;
	asking->hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	asking->hidden.c_lflag |= ICANON | ISIG;
	asking->hidden.c_iflag |= ICRNL;
	show_prompt(asking);
	bool given = read_line(asking, password, size);
	leave_prompt(asking);
	return given;
}

static void block_signals(struct asking *asking)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	sigemptyset(&asking->blocked);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaddset(&asking->blocked, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &asking->blocked, &asking->before);
}

bool password_ask(struct charset charset, const char *prompt, char *password, size_t size, struct err *err)
{
	struct asking asking = { .prompt = STRBUF_INIT };
	asking.tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (asking.tty < 0)
		return err_set(err, "a password is needed and there is no terminal to ask for it: "
				    "use the password file ~/.pgpass or PGPASSWORD");
	block_signals(&asking);
	asking.signals = signalfd(-1, &asking.blocked, SFD_CLOEXEC);
	text_add_inert(charset, prompt, &asking.prompt);
	strbuf_add_char(&asking.prompt, ' ');
	bool given = asking.signals >= 0 && ask(&asking, password, size);
	strbuf_release(&asking.prompt);
	if (asking.signals >= 0)
		close(asking.signals);
	close(asking.tty);
	pthread_sigmask(SIG_SETMASK, &asking.before, NULL);
	return given || err_set(err, "no password given");
}
