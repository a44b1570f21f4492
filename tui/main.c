#include "app.h"
#include "batch.h"
#include "batch_check.h"
#include "batch_signal.h"
#include "config.h"
#include "options.h"
#include "start.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { EXIT_WRONG_USE = 1, EXIT_NO_SERVER = 2 };

enum { KEPT_BLOCK = 32 * 1024 * 1024, KEPT_MEMORY = 64 * 1024 * 1024 };

static int complain(struct charset charset, const struct err *err, int code)
{
	struct strbuf line = STRBUF_INIT;
	text_add_inert(charset, err->text, &line);
	fprintf(stderr, "pglocktop: %s\n", line.text);
	strbuf_release(&line);
	return code;
}

static int print(struct charset charset, void (*add)(struct strbuf *out))
{
	struct strbuf text = STRBUF_INIT;
	struct err err;
	add(&text);
	bool written = fputs(text.text, stdout) >= 0 && fflush(stdout) == 0;
	if (!written)
		err_set(&err, "could not write the output: %s", strerror(errno));
	strbuf_release(&text);
	return written ? EXIT_SUCCESS : complain(charset, &err, EXIT_WRONG_USE);
}

static int run(const struct options *options, const struct targets *targets, struct charset charset)
{
	struct err err = { .text = "" };
	bool screen = options->server.interactive;
	struct source_status status = { .state = SOURCE_CONNECTING, .since_monotonic = when_monotonic() };
	if (screen && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
		err_set(&err, "the screen needs a terminal: --once prints without one");
		return complain(charset, &err, EXIT_WRONG_USE);
	}
	struct source *source = source_server_new(&options->server, &err);
	if (!source)
		return complain(charset, &err, EXIT_WRONG_USE);
	struct frame *frame = start_await_frame(source, screen, charset, &status, &err);
	if (!frame) {
		source->ops->stop(source);
		return complain(charset, &err, EXIT_NO_SERVER);
	}
	if (screen) {
		int code = app_run(options, charset, source, frame, &status, &err);
		return code == EXIT_SUCCESS ? code : complain(charset, &err, code);
	}
	int code;
	if (targets->count > 0)
		code = batch_signal_run(options, targets, charset, source, frame, &err);
	else if (options->check)
		code = batch_check_run(options, charset, source, frame, &err);
	else
		code = batch_run(options, charset, source, frame, &err);
	source->ops->stop(source);
	return err.text[0] ? complain(charset, &err, code) : code;
}

/* --help, --version and what is wrong on the command line come first, whatever is in the file. */
static enum options_outcome read_options(int argc, char *argv[], struct config *config, struct options *options,
					 struct err *err)
{
	struct err why;
	bool configured = config_read(config_default_path(), config, &why);
	enum options_outcome outcome = options_parse(argc, argv, configured ? config : NULL, options, err);
	if (outcome != OPTIONS_RUN || configured)
		return outcome;
	*err = why;
	return OPTIONS_WRONG;
}

/* What is done on the server. */
static int act(const struct options *options, struct charset charset)
{
	struct targets targets = { .count = 0 };
	struct err err;
	bool signals = options->signal != OPTIONS_NO_SIGNAL;
	if (signals && !targets_read(options, STDIN_FILENO, &targets, &err))
		return complain(charset, &err, EXIT_WRONG_USE);
	/* A pipeline that selected nobody has nothing to do. */
	if (signals && targets.count == 0)
		return EXIT_SUCCESS;
	int code = run(options, &targets, charset);
	targets_release(&targets);
	return code;
}

/*
 * A frame is given back when the next one is shown, and made anew a second later, by another thread. Kept, its pages
 * need not be asked of the kernel each time; in one heap for all threads, they are not kept twice.
 */
static void keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK);
	mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
#endif
}

int main(int argc, char *argv[])
{
	struct options options;
	struct config config;
	struct err err;
	keep_memory();
	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	enum options_outcome outcome = read_options(argc, argv, &config, &options, &err);
	struct charset charset = text_charset(options.no_unicode);
	int code = EXIT_SUCCESS;
	switch (outcome) {
	case OPTIONS_HELP:
		code = print(charset, options_add_help);
		break;
	case OPTIONS_VERSION:
		code = print(charset, options_add_version);
		break;
	case OPTIONS_WRONG:
		code = complain(charset, &err, EXIT_WRONG_USE);
		break;
	case OPTIONS_RUN:
		code = act(&options, charset);
		break;
	}
	config_release(&config);
	return code;
}
