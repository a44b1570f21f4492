#include "app.h"

#include "desk.h"
#include "term.h"
#include "urgency.h"

#include "pglocktop/signaller.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LOG_SHOWN = 128 * 1024 /* bytes */ };

#define LOG_LAST_WAIT (WHEN_SECOND / 4) /* for its last lines, when the program ends */

enum { SLICE = 2 * 1000 /* microseconds of matching at a time */, ALONE_TIME = 30 /* milliseconds */ };

struct app {
	struct term *term;
	struct source *source;
	struct audit *audit; /* NULL, and no signaller: read-only */
	struct signaller *signaller;
	int news_fd; /* readable while the source or the log has news */
	struct desk desk;
	struct identity selected; /* as the source was told */
	bool looks_inside; /* likewise, whether its details are on the screen */
	bool redraw_all;
	bool quit;
};

static void app_take_news(struct app *app, int64_t now)
{
	for (;;) {
		struct news news = app->source->ops->take(app->source);
		switch (news.kind) {
		case NEWS_NONE:
			return;
		case NEWS_FRAME:
			if (app->signaller)
				signaller_note_frame(app->signaller, news.frame);
			desk_take_frame(&app->desk, news.frame);
			break;
		case NEWS_STATUS:
			desk_take_status(&app->desk, &news.status, now);
			break;
		case NEWS_CHECK:
			check_report_free(news.check);
			break;
		case NEWS_SIGNAL:
			signaller_note(app->signaller, &news.signal);
			desk_take_signal(&app->desk, &news.signal, now);
			break;
		case NEWS_LOOKUP:
			desk_take_lookup(&app->desk, &news.lookup, now);
			break;
		}
	}
}

static void app_take_appended(struct app *app, const struct audit_answer *answer, int64_t now)
{
	struct signal_news news;
	if (signaller_take(app->signaller, answer, &news))
		desk_take_signal(&app->desk, &news, now);
	if (!answer->done)
		desk_take_log(&app->desk, answer->err.text);
}

static void app_take_answers(struct app *app, int64_t now)
{
	struct audit_answer answer;
	while (app->audit && (answer = audit_take(app->audit)).kind != AUDIT_NOTHING) {
		if (answer.kind == AUDIT_APPENDED)
			app_take_appended(app, &answer, now);
		else if (answer.kind == AUDIT_PROBED)
			desk_take_log(&app->desk, answer.done ? NULL : answer.err.text);
		else if (answer.done)
			desk_show_log(&app->desk, answer.text);
		else
			state_say(&app->desk.state, MESSAGE_ERROR, now, "the audit log cannot be read: %s",
				  answer.err.text);
		free(answer.text);
	}
}

static void app_command(struct app *app, const struct source_command *command)
{
	if (command->kind == COMMAND_SIGNAL)
		signaller_send(app->signaller, &command->signal, app->desk.frame);
	else
		app->source->ops->send(app->source, command);
}

static void app_copy(struct app *app, const char *text, size_t length)
{
	if (!term_copy(app->term, text, length))
		state_say(&app->desk.state, MESSAGE_ERROR, when_monotonic(),
			  "nothing copied: the text is too long, or this terminal is not known to have a clipboard");
}

static void app_copy_tree(struct app *app)
{
	struct strbuf text = STRBUF_INIT;
	desk_copy_tree(&app->desk, &text);
	app_copy(app, text.text, text.length);
	strbuf_release(&text);
}

static void app_suspend(struct app *app)
{
	term_suspend(app->term);
	term_stop_self();
	term_resume(app->term);
	/* Asked who knows how long ago: what is typed now is no answer to it. */
	state_close_question(&app->desk.state, when_monotonic(), "the question was closed: the program was stopped");
	app->redraw_all = true;
}

static void app_perform(struct app *app, struct effect *effect)
{
	switch (effect->kind) {
	case EFFECT_COMMAND:
		app_command(app, &effect->command);
		break;
	case EFFECT_PROBE_LOG:
		audit_probe(app->audit);
		break;
	case EFFECT_READ_LOG:
		audit_read(app->audit, LOG_SHOWN);
		break;
	case EFFECT_COPY:
		app_copy(app, effect->text, strlen(effect->text));
		break;
	case EFFECT_COPY_TREE:
		app_copy_tree(app);
		break;
	case EFFECT_FILTER:
	case EFFECT_SEARCH:
		desk_use_terms(&app->desk, effect->kind, effect->text);
		break;
	case EFFECT_REDRAW:
		app->redraw_all = true;
		break;
	case EFFECT_SUSPEND:
		app_suspend(app);
		break;
	case EFFECT_QUIT:
		app->quit = true;
		break;
	}
}

static void app_perform_all(struct app *app)
{
	struct state *state = &app->desk.state;
	for (uint32_t i = 0; i < state->effect_count; i++)
		app_perform(app, &state->effects[i]);
	state_clear_effects(state);
}

static void app_resize(struct app *app)
{
	int width, height;
	term_resized(app->term);
	term_size(app->term, &width, &height);
	desk_resize(&app->desk, width, height);
}

/* All the input that is there; one frame is drawn after it. */
static void app_take_input(struct app *app, int64_t now)
{
	for (;;) {
		struct input input = term_read(app->term);
		if (input.kind == INPUT_NONE || app->quit)
			return;
		if (input.kind == INPUT_END) {
			app->quit = true;
			return;
		}
		/* What was piled up or pasted may come in two pieces: a key that would act has a moment to show that
		   it stands alone. */
		if (question_would_act(&app->desk.state.question, &input) && !input.more)
			input.more = term_more_follows(app->term, ALONE_TIME);
		desk_input(&app->desk, &input, now);
		app_perform_all(app);
	}
}

/* Tells the source whom the person looks at, so that their queue is asked about first; in details all locks show. */
static void app_tell_selected(struct app *app)
{
	struct source_command command = { .kind = COMMAND_SELECTED,
					  .selected = desk_selected(&app->desk),
					  .all_locks = app->desk.state.details };
	if (identity_equal(command.selected, app->selected) && command.all_locks == app->looks_inside)
		return;
	app->selected = command.selected;
	app->looks_inside = command.all_locks;
	app->source->ops->send(app->source, &command);
}

static void app_draw(struct app *app, int64_t now)
{
	struct question *question = &app->desk.state.question;
	desk_draw(&app->desk, now);
	term_draw(app->term, &app->desk.canvas, app->redraw_all);
	app->redraw_all = false;
	if (question->stage == QUESTION_OPEN)
		question_drawn(question, term_ask_answer(app->term), when_monotonic());
	app_tell_selected(app);
}

static int64_t app_timeout(const struct app *app, int64_t now)
{
	if (desk_is_matching(&app->desk))
		return 0;
	int64_t next = desk_next_tick(&app->desk, now);
	if (next == INT64_MAX)
		return -1;
	return next > now ? next - now : 0;
}

static void app_wait(struct app *app)
{
	bool matching = desk_is_matching(&app->desk);
	unsigned woken = term_wait(app->term, app->news_fd, app_timeout(app, when_monotonic()));
	int64_t now = when_monotonic();
	if (woken & TERM_WAKE_QUIT)
		app->quit = true;
	if (woken & TERM_WAKE_STOP)
		app_suspend(app);
	if (woken & TERM_WAKE_CONTINUE)
		app->redraw_all = true;
	if (woken & TERM_WAKE_RESIZE)
		app_resize(app);
	if (woken & TERM_WAKE_INPUT)
		app_take_input(app, now);
	if (woken & TERM_WAKE_NEWS) {
		app_take_news(app, now);
		app_take_answers(app, now);
	}
	now = when_monotonic();
	desk_match(&app->desk, now + SLICE, now);
	desk_tick(&app->desk, now);
	/* Nothing but time: seconds are counted in the header. */
	app->desk.changed |= woken == 0 && !matching;
}

static void app_loop(struct app *app)
{
	while (!app->quit) {
		if (app->desk.changed || app->redraw_all)
			app_draw(app, when_monotonic());
		app_wait(app);
	}
}

/* The shell hears which signal it was. */
static void end_by_signal(int number)
{
	if (number == 0)
		return;
	signal(number, SIG_DFL);
	raise(number);
}

/* False: its thread hangs. */
static bool app_close_log(struct app *app)
{
	signaller_free(app->signaller);
	if (app->news_fd >= 0)
		close(app->news_fd);
	return !app->audit || audit_stop(app->audit, LOG_LAST_WAIT);
}

static void app_release(struct app *app)
{
	term_close(app->term);
	bool logged = app_close_log(app);
	bool stopped = app->source->ops->stop(app->source);
	end_by_signal(term_quit_signal());
	/* A thread that hangs in a name look-up, a handshake or a file system is left behind. */
	if (!stopped || !logged)
		_exit(EXIT_SUCCESS);
	desk_release(&app->desk);
}

static void app_init(struct app *app, const struct options *options, struct charset charset, struct frame *frame,
		     const struct source_status *status)
{
	int64_t now = when_monotonic();
	int width, height;
	desk_init(&app->desk, &options->server, options->order, charset);
	state_set_masked(&app->desk.state, options->mask);
	app->desk.state.banner = options->banner;
	app->desk.state.confirms_by_pid = options->typed_confirmation;
	desk_take_status(&app->desk, status, now);
	term_size(app->term, &width, &height);
	desk_resize(&app->desk, width, height);
	if (options->filter)
		desk_use_terms(&app->desk, EFFECT_FILTER, options->filter);
	desk_take_frame(&app->desk, frame);
	desk_match(&app->desk, now + SLICE, now);
}

static bool watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* The one thing that signals: a read-only run has none. */
static bool app_open_log(struct app *app, const struct options *options, struct err *err)
{
	app->news_fd = epoll_create1(EPOLL_CLOEXEC);
	if (app->news_fd < 0 || !watch(app->news_fd, app->source->ops->fd(app->source)))
		return err_set(err, "no descriptors: %s", strerror(errno));
	if (options->server.read_only)
		return true;
	app->audit = audit_new(&options->audit, err);
	if (!app->audit)
		return false;
	watch(app->news_fd, audit_fd(app->audit));
	app->signaller = signaller_new(app->source, app->audit);
	audit_probe(app->audit);
	return true;
}

static bool wants_colour(const struct options *options)
{
	const char *no_color = getenv("NO_COLOR");
	return !options->no_color && !(no_color && *no_color);
}

int app_run(const struct options *options, struct charset charset, struct source *owned_source,
	    struct frame *owned_frame, const struct source_status *status, struct err *err)
{
	/* Not on the stack: what is in it of room for events takes no memory until they come. */
	struct app *app = calloc(1, sizeof *app);
	struct term_options term_options = { .colour = wants_colour(options), .title = "pglocktop" };
	if (!app)
		err_die("out of memory (%zu bytes)", sizeof *app);
	app->source = owned_source;
	app->selected.backend_start = WHEN_NONE;
	bool ready = app_open_log(app, options, err);
	app->term = ready ? term_open(&term_options, err) : NULL;
	if (!app->term) {
		frame_free(owned_frame);
		app_close_log(app);
		app->source->ops->stop(app->source);
		free(app);
		return EXIT_FAILURE;
	}
	app_init(app, options, charset, owned_frame, status);
	urgency_raise();
	app_loop(app);
	app_release(app);
	free(app);
	return EXIT_SUCCESS;
}
