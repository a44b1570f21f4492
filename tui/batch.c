#include "batch.h"

#include "batch_csv.h"
#include "batch_dot.h"
#include "matching.h"
#include "selection.h"
#include "view.h"

#include "pglocktop/json.h"
#include "pglocktop/privilege.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_WIDTH = 120, LEAST_WIDTH = 20, MOST_WIDTH = 1000, QUIET_HEIGHT = 24, EXIT_LOST = 2, EXIT_WAITS = 3 };

static int output_width(void)
{
	struct winsize size;
	const char *columns_text = getenv("COLUMNS");
	long width = 0;
	if (columns_text)
		width = strtol(columns_text, NULL, 10);
	else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	if (width <= 0)
		return DEFAULT_WIDTH;
	return width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : (int)width;
}

static void draw_text(struct state *state, struct scene *scene, struct charset charset, struct strbuf *out)
{
	struct view_context context = { .state = state, .scene = scene, .now = scene->frame->received_at };
	struct canvas canvas;
	bool quiet = scene->nobody_waits;
	/* The header's lines, the titles, then every line of the list. */
	state_resize(state, state->width, quiet ? QUIET_HEIGHT : (int)scene->line_count + 8);
	layout_make(&context.layout, state, scene);
	int height = quiet ? QUIET_HEIGHT : context.layout.list_y + (int)scene->line_count;
	canvas_init(&canvas, state->width, height, charset);
	view_draw_header(&canvas, &context);
	if (quiet) {
		view_draw_quiet(&canvas, &context);
	} else {
		view_draw_titles(&canvas, &context);
		view_draw_list(&canvas, &context, context.layout.list_y, (int)scene->line_count, 0);
	}
	canvas_dump(&canvas, out);
	canvas_release(&canvas);
	while (out->length > 1 && out->text[out->length - 1] == '\n' && out->text[out->length - 2] == '\n')
		strbuf_truncate(out, out->length - 1);
}

void batch_add_text(const struct options *options, struct charset charset, const struct frame *frame, int width,
		    struct strbuf *out)
{
	struct state state;
	struct err err;
	struct matching matching = { .arena = ARENA_INIT };
	struct filter *filter = options->filter ? filter_new(options->filter, &err, NULL) : NULL;
	state_init(&state, &options->server, !charset.unicode);
	state.status.state = SOURCE_LIVE;
	state.advised = privilege_lacks(&frame->snapshot->role);
	state_set_masked(&state, options->mask);
	state.unfolded_all = true;
	state.lists[VIEW_TREE].order = options->order;
	if (filter)
		state_use_filter(&state, options->filter);
	state_resize(&state, width, QUIET_HEIGHT);
	matching_start(&matching, frame, filter, NULL);
	matching_slice(&matching, INT64_MAX);
	struct scene_matches found = matching_found(&matching);
	struct scene *scene = scene_new(&state, frame, &found, UINT32_MAX / 2);
	draw_text(&state, scene, charset, out);
	scene_free(scene);
	matching_release(&matching);
	filter_free(filter);
	state_release(&state);
}

/* A document, or with --select the ids alone. */
static void add_data(const struct options *options, struct charset charset, const struct frame *frame,
		     struct strbuf *out)
{
	struct json_options json = { .all_edges = options->server.all_edges, .all_locks = options->server.all_locks };
	struct arena arena = ARENA_INIT;
	const struct forest *forest = forest_new(frame, options->order, &arena);
	if (options->select.given)
		json.selected = selection_make(&options->select, forest, &arena);
	if (options->format == OPTIONS_JSON)
		json_write_snapshot(forest, &json, out);
	else if (options->format == OPTIONS_CSV)
		batch_add_csv(forest, json.selected, charset, out);
	else if (options->format == OPTIONS_DOT)
		batch_add_dot(frame, options->server.all_edges, charset, out);
	else
		selection_add_ids(json.selected, frame->snapshot, out);
	arena_release(&arena);
}

static bool print(const struct options *options, struct charset charset, const struct frame *frame, struct err *err)
{
	struct strbuf out = STRBUF_INIT;
	if (options->format != OPTIONS_TEXT || options->select.given)
		add_data(options, charset, frame, &out);
	else
		batch_add_text(options, charset, frame, output_width(), &out);
	bool written = fwrite(out.text, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
	strbuf_release(&out);
	return written || err_set(err, "could not write the output: %s", strerror(errno));
}

/* The next frame that was asked for; NULL with `err` when the connection was lost. */
static struct frame *await_frame(struct source *source, struct err *err)
{
	struct pollfd wake = { .fd = source->ops->fd(source), .events = POLLIN };
	for (;;) {
		struct news news = source->ops->take(source);
		if (news.kind == NEWS_FRAME)
			return news.frame;
		if (news.kind == NEWS_STATUS &&
		    (news.status.state == SOURCE_FAILED || news.status.state == SOURCE_LOST)) {
			err_set(err, "%s", news.status.text);
			return NULL;
		}
		if (news.kind == NEWS_NONE && poll(&wake, 1, -1) < 0 && errno != EINTR) {
			err_set(err, "poll: %s", strerror(errno));
			return NULL;
		}
	}
}

static void await_time(int64_t until)
{
	for (int64_t left; (left = until - when_monotonic()) > 0;)
		poll(NULL, 0, (int)((left + 999) / 1000));
}

int batch_run(const struct options *options, struct charset charset, struct source *source, struct frame *owned_frame,
	      struct err *err)
{
	static const struct source_command refresh = { .kind = COMMAND_REFRESH };
	struct frame *frame = owned_frame;
	bool waits = false;
	for (uint32_t i = 0;;) {
		int64_t next = frame->received_at + options->server.interval;
		waits |= frame->graph->waiting_sessions > 0;
		frame->shows_literals = !options->mask;
		bool printed = print(options, charset, frame, err);
		frame_free(frame);
		if (!printed)
			return EXIT_FAILURE;
		if (++i == options->count)
			return options->exit_code && waits ? EXIT_WAITS : EXIT_SUCCESS;
		await_time(next);
		source->ops->send(source, &refresh);
		frame = await_frame(source, err);
		if (!frame)
			return EXIT_LOST;
	}
}
