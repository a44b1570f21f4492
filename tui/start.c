#include "start.h"

#include "output.h"
#include "password.h"

#include "pglocktop/ordinal.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Less than this is not worth a word. */
enum { PATIENCE = 1000 * 1000, PASSWORD_SIZE = 1024 };

static bool ask_password(struct source *source, const struct source_status *status, struct charset charset,
			 struct err *err)
{
	char password[PASSWORD_SIZE], prompt[256];
	snprintf(prompt, sizeof prompt, "%sPassword for user %s:", status->password_known ? "Wrong password. " : "",
		 status->user);
	bool given = password_ask(charset, prompt, password, sizeof password, err);
	if (given)
		source->ops->give_password(source, password);
	explicit_bzero(password, sizeof password);
	return given;
}

static bool slow_text(const struct source_status *status, int64_t now, char *text, size_t size)
{
	int64_t passed = now - status->since_monotonic, seconds = passed / WHEN_SECOND;
	if (status->state == SOURCE_NO_SLOT) {
		snprintf(text, size, "no free connection slot; trying every 0.5 s, %u%s time, Ctrl-C stops",
			 status->attempt, ordinal_ending(status->attempt));
		return true;
	}
	if (passed < PATIENCE)
		return false;
	switch (status->state) {
	case SOURCE_CONNECTING:
		snprintf(text, size, "connecting to %s for %" PRId64 " s, Ctrl-C stops", status->host, seconds);
		return true;
	case SOURCE_AUTHENTICATING:
		snprintf(text, size,
			 "accepted, authentication unanswered for %" PRId64
			 " s: a catalog (pg_authid, pg_database ...) may be locked; Ctrl-C stops",
			 seconds);
		return true;
	case SOURCE_LOST:
		snprintf(text, size, "%s; try %u, Ctrl-C stops", status->text, status->attempt);
		return true;
	default:
		snprintf(text, size, "connected, no answer for %" PRId64 " s to: %s; Ctrl-C stops", seconds,
			 status->stage[0] ? status->stage : "the first refresh");
		return true;
	}
}

/* The one line on stderr that says what is awaited, written over itself. */
struct notice {
	bool talk, shown;
	struct charset charset;
	char told[512]; /* the reason that stands above it */
};

static void notice_clear(struct notice *notice)
{
	if (notice->shown)
		output_write(STDERR_FILENO, "\r\033[K", 4);
	notice->shown = false;
}

static void notice_write(const struct notice *notice, const char *text, const char *end)
{
	struct strbuf line = STRBUF_INIT;
	strbuf_add_string(&line, "pglocktop: ");
	text_add_inert(notice->charset, text, &line);
	strbuf_add_string(&line, end);
	output_write(STDERR_FILENO, line.text, line.length);
	strbuf_release(&line);
}

/* What the server said, and the mend: once, on a line that stays. */
static void notice_reason(struct notice *notice, const struct source_status *status)
{
	if (!status->text[0] || status->state == SOURCE_LOST || strcmp(notice->told, status->text) == 0)
		return;
	snprintf(notice->told, sizeof notice->told, "%s", status->text);
	notice_write(notice, status->text, "\n");
}

static void notice_show(struct notice *notice, const struct source_status *status)
{
	char text[640];
	if (!notice->talk || !slow_text(status, when_monotonic(), text, sizeof text))
		return;
	notice_clear(notice);
	notice_reason(notice, status);
	notice_write(notice, text, "");
	notice->shown = true;
}

static bool take_status(struct source *source, const struct source_status *status, struct notice *notice,
			struct err *err)
{
	if (status->state == SOURCE_FAILED)
		return err_set(err, "%s", status->text);
	if (status->state == SOURCE_PASSWORD) {
		notice_clear(notice);
		return ask_password(source, status, notice->charset, err);
	}
	return true;
}

struct frame *start_await_frame(struct source *source, bool talk, struct charset charset, struct source_status *status,
				struct err *err)
{
	struct notice notice = { .talk = talk && isatty(STDERR_FILENO), .charset = charset };
	struct pollfd wake = { .fd = source->ops->fd(source), .events = POLLIN };
	for (;;) {
		struct news news = source->ops->take(source);
		if (news.kind == NEWS_FRAME) {
			notice_clear(&notice);
			return news.frame;
		}
		if (news.kind == NEWS_STATUS) {
			*status = news.status;
			if (!take_status(source, status, &notice, err)) {
				notice_clear(&notice);
				return NULL;
			}
		} else if (poll(&wake, 1, notice.talk ? 500 : -1) == 0) {
			notice_show(&notice, status);
		}
	}
}
