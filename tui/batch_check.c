#include "batch_check.h"

#include "pglocktop/check.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_UNREAD = 2, EXIT_LACKS = 3 };

/* NULL with `err`: it could not be read. */
static struct check_report *await_report(struct source *source, struct err *err)
{
	static const struct source_command check = { .kind = COMMAND_CHECK };
	struct pollfd wake = { .fd = source->ops->fd(source), .events = POLLIN };
	source->ops->send(source, &check);
	for (;;) {
		struct news news = source->ops->take(source);
		if (news.kind == NEWS_FRAME)
			frame_free(news.frame);
		if (news.kind == NEWS_STATUS && news.status.state == SOURCE_FAILED) {
			err_set(err, "%s", news.status.text);
			return NULL;
		}
		if (news.kind == NEWS_CHECK && !news.check->err.text[0])
			return news.check;
		if (news.kind == NEWS_CHECK) {
			*err = news.check->err;
			check_report_free(news.check);
			return NULL;
		}
		if (news.kind == NEWS_NONE)
			poll(&wake, 1, -1);
	}
}

struct lines {
	struct charset charset;
	struct strbuf *out;
};

static void add_line(void *context, const char *text)
{
	struct lines *lines = context;
	text_add_inert(lines->charset, text, lines->out);
	strbuf_add_char(lines->out, '\n');
}

static bool print(const struct options *options, struct charset charset, const struct check_report *report,
		  const struct frame *frame, struct err *err)
{
	struct strbuf out = STRBUF_INIT;
	struct lines lines = { charset, &out };
	if (options->format == OPTIONS_JSON)
		check_add_json(report, frame, &out);
	else
		check_tell(report, frame, add_line, &lines);
	bool written = fputs(out.text, stdout) >= 0 && fflush(stdout) == 0;
	strbuf_release(&out);
	return written || err_set(err, "could not write the output: %s", strerror(errno));
}

int batch_check_run(const struct options *options, struct charset charset, struct source *source,
		    struct frame *owned_frame, struct err *err)
{
	struct check_report *report = await_report(source, err);
	int code = EXIT_UNREAD;
	if (report && !owned_frame->snapshot->role.known)
		err_set(err, "the role's rights could not be read: a catalog may be locked");
	else if (report && !print(options, charset, report, owned_frame, err))
		code = EXIT_FAILURE;
	else if (report)
		code = check_is_good(owned_frame) ? EXIT_SUCCESS : EXIT_LACKS;
	check_report_free(report);
	frame_free(owned_frame);
	return code;
}
