#include "pty/vt.h"

#include "pglocktop/when.h"
#include "pty/vt_screen.h"
#include "pty/vt_session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER "\033[0n"

struct vt {
	struct vt_session session;
	struct vt_screen screen;
	int rows;
	enum vt_answers answers;
	int held;
	struct strbuf raw, text;
	bool ended, stopped, continued;
	int status;
	int64_t sent_at; /* when_monotonic() */
};

static void take_output(struct vt *vt)
{
	char bytes[65536];
	ssize_t length = read(vt->session.master, bytes, sizeof bytes);
	if (length <= 0)
		return;
	strbuf_add(&vt->raw, bytes, (size_t)length);
	vt_screen_write(&vt->screen, bytes, (size_t)length);
}

static void take_report(struct vt *vt)
{
	struct vt_report news;
	if (read(vt->session.reports, &news, sizeof news) != (ssize_t)sizeof news)
		return;
	vt->status = news.status;
	vt->stopped |= WIFSTOPPED(news.status);
	vt->continued |= WIFCONTINUED(news.status);
	vt->ended = WIFEXITED(news.status) || WIFSIGNALED(news.status);
}

/* Lets pass what there is, waiting up to `milliseconds` for the first of it. False: there was nothing. */
static bool pump(struct vt *vt, int milliseconds, short more_events)
{
	struct pollfd fds[] = { { .fd = vt->session.master, .events = (short)(POLLIN | more_events) },
				{ .fd = vt->ended ? -1 : vt->session.reports, .events = POLLIN } };
	if (poll(fds, 2, milliseconds) <= 0)
		return false;
	if (fds[0].revents & POLLIN)
		take_output(vt);
	else if (fds[1].revents) /* after the output: an end is reported when all has been read */
		take_report(vt);
	return true;
}

static void write_all(struct vt *vt, const char *bytes, size_t length)
{
	while (length > 0 && vt->session.master >= 0) {
		ssize_t written = write(vt->session.master, bytes, length);
		if (written < 0 && errno == EAGAIN)
			pump(vt, VT_PATIENCE_MS, POLLOUT);
		else if (written < 0 && errno != EINTR)
			return;
		bytes += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
}

/* libvterm's answers to queries, and the keys that it makes. */
static void on_output(const char *bytes, size_t length, void *context)
{
	struct vt *vt = context;
	bool answer = length == strlen(ANSWER) && memcmp(bytes, ANSWER, length) == 0;
	if (answer && vt->answers == VT_ANSWER_HELD)
		vt->held++;
	if (!answer || vt->answers == VT_ANSWER_AT_ONCE)
		write_all(vt, bytes, length);
}

struct vt *vt_start(const struct vt_options *options)
{
	struct vt_options sized = *options;
	sized.columns = options->columns ? options->columns : 80;
	sized.rows = options->rows ? options->rows : 24;
	struct vt *vt = calloc(1, sizeof *vt);
	if (!vt)
		abort();
	vt->raw = vt->text = (struct strbuf)STRBUF_INIT;
	vt->rows = sized.rows;
	vt->answers = options->answers;
	vt->sent_at = when_monotonic();
	vt_screen_init(&vt->screen, sized.columns, sized.rows, on_output, vt);
	vt->session = vt_session_start(&sized);
	return vt;
}

void vt_end(struct vt *owned)
{
	if (!owned)
		return;
	vt_session_end(&owned->session, !owned->ended);
	vt_screen_release(&owned->screen);
	strbuf_release(&owned->raw);
	strbuf_release(&owned->text);
	free(owned);
}

void vt_send_bytes(struct vt *vt, const char *bytes, size_t length)
{
	vt->sent_at = when_monotonic();
	vt->screen.changed_at = WHEN_NONE;
	write_all(vt, bytes, length);
}

void vt_send(struct vt *vt, const char *keys)
{
	vt_send_bytes(vt, keys, strlen(keys));
}

void vt_paste(struct vt *vt, const char *text)
{
	vterm_keyboard_start_paste(vt->screen.term);
	vt_send(vt, text);
	vterm_keyboard_end_paste(vt->screen.term);
}

void vt_resize(struct vt *vt, int columns, int rows)
{
	struct winsize window = { .ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows };
	vt->rows = rows;
	vterm_set_size(vt->screen.term, rows, columns);
	ioctl(vt->session.master, TIOCSWINSZ, &window);
}

void vt_signal(struct vt *vt, int number)
{
	if (!vt->ended)
		kill(vt->session.program, number);
}

void vt_hang_up(struct vt *vt)
{
	close(vt->session.master);
	vt->session.master = -1;
}

int vt_answers_held(const struct vt *vt)
{
	return vt->held;
}

void vt_give_answers(struct vt *vt)
{
	for (; vt->held > 0; vt->held--)
		write_all(vt, ANSWER, strlen(ANSWER));
}

bool vt_wait(struct vt *vt, bool (*condition)(struct vt *vt, void *context), void *context, int milliseconds)
{
	int64_t deadline = when_monotonic() + (int64_t)milliseconds * 1000;
	while (!condition(vt, context)) {
		int64_t left = deadline - when_monotonic();
		if (left <= 0)
			return false;
		pump(vt, (int)((left + 999) / 1000), 0);
	}
	return true;
}

struct wanted {
	const char *text;
	size_t from;
};

static bool has_text(struct vt *vt, void *context)
{
	const struct wanted *wanted = context;
	return vt_find(vt, wanted->text, NULL, NULL);
}

static bool has_no_text(struct vt *vt, void *context)
{
	return !has_text(vt, context);
}

static bool has_raw(struct vt *vt, void *context)
{
	const struct wanted *wanted = context;
	size_t length = vt->raw.length - wanted->from;
	return memmem(vt->raw.text + wanted->from, length, wanted->text, strlen(wanted->text)) != NULL;
}

bool vt_wait_text(struct vt *vt, const char *text)
{
	return vt_wait(vt, has_text, &(struct wanted){ .text = text }, VT_PATIENCE_MS);
}

bool vt_wait_no_text(struct vt *vt, const char *text)
{
	return vt_wait(vt, has_no_text, &(struct wanted){ .text = text }, VT_PATIENCE_MS);
}

bool vt_wait_raw(struct vt *vt, size_t from, const char *bytes)
{
	return vt_wait(vt, has_raw, &(struct wanted){ .text = bytes, .from = from }, VT_PATIENCE_MS);
}

static bool is_set(struct vt *vt, void *flag)
{
	(void)vt;
	return *(bool *)flag;
}

bool vt_wait_stopped(struct vt *vt)
{
	bool came = vt_wait(vt, is_set, &vt->stopped, VT_PATIENCE_MS);
	vt->stopped = false;
	return came;
}

bool vt_wait_continued(struct vt *vt)
{
	bool came = vt_wait(vt, is_set, &vt->continued, VT_PATIENCE_MS);
	vt->continued = false;
	return came;
}

bool vt_wait_exit(struct vt *vt, int *status)
{
	bool came = vt_wait(vt, is_set, &vt->ended, VT_PATIENCE_MS);
	while (came && pump(vt, 0, 0))
		;
	*status = vt->status;
	return came;
}

const char *vt_row(struct vt *vt, int y)
{
	strbuf_reset(&vt->text);
	vt_screen_add_row(&vt->screen, y, &vt->text);
	return vt->text.text;
}

const char *vt_text(struct vt *vt)
{
	strbuf_reset(&vt->text);
	for (int y = 0; y < vt->rows; y++) {
		vt_screen_add_row(&vt->screen, y, &vt->text);
		strbuf_add_char(&vt->text, '\n');
	}
	return vt->text.text;
}

bool vt_find(struct vt *vt, const char *text, int *y, int *x)
{
	for (int row = 0; row < vt->rows; row++) {
		const char *line = vt_row(vt, row);
		const char *found = strstr(line, text);
		if (!found)
			continue;
		if (y)
			*y = row;
		if (x)
			*x = vt_screen_column(&vt->screen, row, (size_t)(found - line));
		return true;
	}
	return false;
}

struct vt_cell vt_cell(struct vt *vt, int y, int x)
{
	return vt_screen_cell(&vt->screen, y, x);
}

void vt_cursor(struct vt *vt, int *y, int *x, bool *visible)
{
	VTermPos position;
	vterm_state_get_cursorpos(vterm_obtain_state(vt->screen.term), &position);
	*y = position.row;
	*x = position.col;
	*visible = vt->screen.cursor_visible;
}

const char *vt_raw(const struct vt *vt, size_t *length)
{
	*length = vt->raw.length;
	return vt->raw.text;
}

pid_t vt_pid(const struct vt *vt)
{
	return vt->session.program;
}

int64_t vt_reaction(const struct vt *vt)
{
	return vt->screen.changed_at == WHEN_NONE ? -1 : vt->screen.changed_at - vt->sent_at;
}

/* Whether the last that was written of the two is `on`. */
static bool was_left_on(const struct vt *vt, const char *on, const char *off)
{
	bool left = false;
	for (const char *next = vt->raw.text; (next = strchr(next, '\033')) != NULL; next++) {
		if (strncmp(next, on, strlen(on)) == 0)
			left = true;
		else if (strncmp(next, off, strlen(off)) == 0)
			left = false;
	}
	return left;
}

static bool modes_differ(const struct termios *a, const struct termios *b)
{
	return a->c_iflag != b->c_iflag || a->c_oflag != b->c_oflag || a->c_cflag != b->c_cflag ||
	       a->c_lflag != b->c_lflag || memcmp(a->c_cc, b->c_cc, sizeof a->c_cc) != 0;
}

const char *vt_not_restored(struct vt *vt)
{
	struct termios modes;
	if (tcgetattr(vt->session.master, &modes) != 0 || modes_differ(&modes, &vt->session.modes))
		return "termios";
	if (vt->screen.alternate)
		return "alternate screen";
	if (!vt->screen.cursor_visible)
		return "hidden cursor";
	if (was_left_on(vt, "\033[?2004h", "\033[?2004l"))
		return "bracketed paste";
	if (was_left_on(vt, "\033[?1h", "\033[?1l"))
		return "application keys";
	return vt_screen_pen_is_plain(&vt->screen) ? NULL : "attributes";
}
