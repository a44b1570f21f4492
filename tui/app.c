#include "app.h"

#include "keymap.h"
#include "matching.h"
#include "term.h"
#include "view.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLICE = 4 * 1000 };

/* A frame, or terms, on their way to the screen: matched beside what is shown. */
struct coming {
	bool under_way;
	struct frame *frame; /* NULL: the one that is shown */
	struct filter *filter, *search; /* owned when new */
	bool new_filter, new_search;
	struct matching matching;
};

struct app {
	struct term *term;
	struct canvas canvas;
	struct charset charset;
	struct source *source;
	struct state state;
	struct frame *frame;
	struct filter *filter, *search;
	struct matching matching; /* of the terms in use over the frame that is shown */
	struct scene *scene;
	struct coming coming;
	struct frame *queued; /* came while another was being matched */
	struct identity selected; /* as the source was told */
	bool changed; /* the screen must be made anew */
	bool redraw_all;
	bool quit;
};

static void app_make_scene(struct app *app)
{
	struct scene_matches found = matching_found(&app->matching);
	struct scene *old = app->scene;
	app->scene = scene_new(&app->state, app->frame, &found, (uint32_t)layout_list_height(&app->state));
	scene_free(old);
}

static void app_begin_matching(struct app *app)
{
	struct coming *coming = &app->coming;
	if (!coming->new_filter)
		coming->filter = app->filter;
	if (!coming->new_search)
		coming->search = app->search;
	coming->under_way = true;
	matching_start(&coming->matching, coming->frame ? coming->frame : app->frame, coming->filter, coming->search);
}

/* What was coming is matched: from now on it is what is shown. */
static void app_finish_matching(struct app *app, int64_t now)
{
	struct coming *coming = &app->coming;
	struct frame *old_frame = NULL;
	if (coming->frame) {
		state_adopt(&app->state, app->scene, coming->frame, now);
		old_frame = app->frame;
		app->frame = coming->frame;
	}
	struct matching old_matching = app->matching;
	app->matching = coming->matching;
	app_make_scene(app);
	matching_release(&old_matching);
	if (coming->new_filter)
		filter_free(app->filter);
	if (coming->new_search)
		filter_free(app->search);
	app->filter = coming->filter;
	app->search = coming->search;
	if (app->state.search_jump)
		state_jump_to_found(&app->state, app->scene, now);
	frame_free(old_frame);
	*coming = (struct coming){ .under_way = false };
	app->changed = true;
	if (app->queued) {
		coming->frame = app->queued;
		app->queued = NULL;
		app_begin_matching(app);
	}
}

static void app_match(struct app *app, int64_t now)
{
	if (app->coming.under_way && matching_slice(&app->coming.matching, now + SLICE))
		app_finish_matching(app, now);
}

static void app_take_frame(struct app *app, struct frame *frame)
{
	if (app->coming.under_way) {
		frame_free(app->queued);
		app->queued = frame;
		return;
	}
	app->coming.frame = frame;
	app_begin_matching(app);
}

static void app_take_news(struct app *app, int64_t now)
{
	for (;;) {
		struct news news = app->source->ops->take(app->source);
		switch (news.kind) {
		case NEWS_NONE:
			return;
		case NEWS_FRAME:
			app_take_frame(app, news.frame);
			break;
		case NEWS_STATUS:
			state_take_status(&app->state, &news.status);
			app->changed = true;
			break;
		case NEWS_SIGNAL:
			state_take_signal(&app->state, &news.signal, now);
			app->changed = true;
			break;
		}
	}
}

/* New terms: compiled at once, so that a bad pattern is said at once; in use when they have been matched. */
static void app_use_terms(struct app *app, const char *terms, bool search)
{
	struct coming *coming = &app->coming;
	struct filter *filter = NULL;
	struct err err;
	size_t position = SIZE_MAX;
	if (*terms) {
		filter = filter_new(terms, &err, &position);
		if (!filter) {
			state_complain(&app->state, &err, position);
			return;
		}
	}
	if (search) {
		if (coming->new_search)
			filter_free(coming->search);
		coming->search = filter;
		coming->new_search = true;
		state_use_search(&app->state, terms);
	} else {
		if (coming->new_filter)
			filter_free(coming->filter);
		coming->filter = filter;
		coming->new_filter = true;
		state_use_filter(&app->state, terms);
	}
	app_begin_matching(app);
}

/* The tree as text, without queries: it may be pasted anywhere. */
static void app_copy_tree(struct app *app)
{
	static const enum column_id shown[] = { COLUMN_BEHIND, COLUMN_SESSION, COLUMN_STATE, COLUMN_OBJECT };
	struct strbuf text = STRBUF_INIT, cell = STRBUF_INIT;
	const struct forest *forest = app->scene->forest;
	for (uint32_t i = 0; forest && i < forest->count; i++) {
		struct column_row row = column_row_of_item(forest, i);
		for (unsigned level = 0; level < forest->items[i].depth && level < 8; level++)
			strbuf_add_string(&text, "  ");
		strbuf_reset(&cell);
		for (size_t c = 0; c < sizeof shown / sizeof shown[0] && forest->items[i].kind != FOREST_CYCLE; c++) {
			strbuf_add_string(&cell, c ? "  " : "");
			column_format(&columns[shown[c]], &row, app->state.ascii, &cell);
		}
		text_add_inert(app->charset, forest->items[i].kind == FOREST_CYCLE ? "DEADLOCK" : cell.text, &text);
		strbuf_add_char(&text, '\n');
	}
	term_copy(app->term, text.text, text.length);
	strbuf_release(&text);
	strbuf_release(&cell);
}

static void app_suspend(struct app *app)
{
	term_suspend(app->term);
	term_stop_self();
	term_resume(app->term);
	/* Asked who knows how long ago: what is typed now is no answer to it. */
	state_close_question(&app->state, when_monotonic(), "the question was closed: the program was stopped");
	app->redraw_all = true;
}

static void app_perform(struct app *app, struct effect *effect)
{
	switch (effect->kind) {
	case EFFECT_COMMAND:
		app->source->ops->send(app->source, &effect->command);
		break;
	case EFFECT_COPY:
		term_copy(app->term, effect->text, strlen(effect->text));
		break;
	case EFFECT_COPY_TREE:
		app_copy_tree(app);
		break;
	case EFFECT_FILTER:
		app_use_terms(app, effect->text, false);
		break;
	case EFFECT_SEARCH:
		app_use_terms(app, effect->text, true);
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
	for (uint32_t i = 0; i < app->state.effect_count; i++)
		app_perform(app, &app->state.effects[i]);
	state_clear_effects(&app->state);
}

static void app_resize(struct app *app)
{
	int width, height;
	term_resized(app->term);
	term_size(app->term, &width, &height);
	state_resize(&app->state, width, height);
	canvas_resize(&app->canvas, width, height);
	app->changed = true;
}

/* Whether a key can have changed more than where the cursor is. */
static bool changes_lines(enum action action)
{
	return action != ACTION_NONE && action_rows[action].group != ACTION_GROUP_MOVE;
}

/* All the input that is there; one frame is drawn after it. Each key acts on the lines that the one before it left. */
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
		enum action action = input.kind == INPUT_KEY ? keymap_find(input.key) : ACTION_NONE;
		bool typed = state_takes_keys(&app->state);
		state_input(&app->state, app->scene, &input, action, now);
		app_perform_all(app);
		if (typed || changes_lines(action))
			app_make_scene(app);
		else
			scene_follow(app->scene, &app->state);
		app->changed = true;
	}
}

/* Tells the source whom the person looks at, so that their queue is asked about first. */
static void app_tell_selected(struct app *app)
{
	static const struct identity nobody = { 0, WHEN_NONE };
	uint32_t session = scene_cursor_session(app->scene);
	struct source_command command = { .kind = COMMAND_SELECTED, .selected = nobody };
	if (session != SNAPSHOT_NO_INDEX)
		command.selected = app->frame->snapshot->sessions[session].id;
	if (!identity_equal(command.selected, app->selected)) {
		app->selected = command.selected;
		app->source->ops->send(app->source, &command);
	}
}

static void app_draw(struct app *app, int64_t now)
{
	static const char no_room[] = "the question does not fit: make the terminal larger";
	if (!state_has_room_to_ask(&app->state))
		state_close_question(&app->state, now, no_room);
	app_make_scene(app);
	if (!view_draw(&app->canvas, &app->state, app->scene, now)) {
		state_close_question(&app->state, now, no_room);
		view_draw(&app->canvas, &app->state, app->scene, now);
	}
	term_draw(app->term, &app->canvas, app->redraw_all);
	if (app->state.question.stage == QUESTION_OPEN)
		question_drawn(&app->state.question, term_ask_answer(app->term), when_monotonic());
	app->redraw_all = false;
	app->changed = false;
	app_tell_selected(app);
}

static int64_t app_timeout(const struct app *app, int64_t now)
{
	if (app->coming.under_way)
		return 0;
	int64_t next = state_next_tick(&app->state, app->frame, now);
	if (next == INT64_MAX)
		return -1;
	return next > now ? next - now : 0;
}

static void app_wait(struct app *app)
{
	bool matching = app->coming.under_way;
	unsigned woken = term_wait(app->term, app->source->ops->fd(app->source), app_timeout(app, when_monotonic()));
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
	if (woken & TERM_WAKE_NEWS)
		app_take_news(app, now);
	app_match(app, when_monotonic());
	app->changed |= state_tick(&app->state, when_monotonic());
	/* Nothing but time: seconds are counted in the header. */
	app->changed |= woken == 0 && !matching;
}

static void app_loop(struct app *app)
{
	while (!app->quit) {
		if (app->changed || app->redraw_all)
			app_draw(app, when_monotonic());
		app_wait(app);
	}
}

static void app_release(struct app *app)
{
	term_close(app->term);
	/* A thread that hangs in a name look-up or a handshake is left behind: the program ends right after. */
	if (!app->source->ops->stop(app->source))
		_exit(EXIT_SUCCESS);
	if (app->coming.new_filter)
		filter_free(app->coming.filter);
	if (app->coming.new_search)
		filter_free(app->coming.search);
	matching_release(&app->coming.matching);
	matching_release(&app->matching);
	filter_free(app->filter);
	filter_free(app->search);
	scene_free(app->scene);
	frame_free(app->coming.frame);
	frame_free(app->queued);
	frame_free(app->frame);
	canvas_release(&app->canvas);
	state_release(&app->state);
}

static void app_init(struct app *app, const struct options *options, struct frame *frame,
		     const struct source_status *status)
{
	int width, height;
	state_init(&app->state, &options->server, !app->charset.unicode);
	for (int view = 0; view < VIEW_COUNT; view++)
		app->state.lists[view].order = options->order;
	state_take_status(&app->state, status);
	term_size(app->term, &width, &height);
	state_resize(&app->state, width, height);
	canvas_init(&app->canvas, width, height, app->charset);
	app->frame = frame;
	state_adopt(&app->state, NULL, frame, when_monotonic());
	if (options->filter)
		app_use_terms(app, options->filter, false);
	app_make_scene(app);
	app->changed = true;
	app_match(app, when_monotonic());
}

static bool wants_colour(const struct options *options)
{
	const char *no_color = getenv("NO_COLOR");
	return !options->no_color && !(no_color && *no_color);
}

int app_run(const struct options *options, struct charset charset, struct source *owned_source,
	    struct frame *owned_frame, const struct source_status *status, struct err *err)
{
	struct app app = { .charset = charset, .source = owned_source, .selected = { 0, WHEN_NONE } };
	struct term_options term_options = { .colour = wants_colour(options), .title = "pglocktop" };
	app.term = term_open(&term_options, err);
	if (!app.term) {
		frame_free(owned_frame);
		app.source->ops->stop(app.source);
		return EXIT_FAILURE;
	}
	app_init(&app, options, owned_frame, status);
	app_loop(&app);
	app_release(&app);
	int signal_number = term_quit_signal();
	if (signal_number != 0) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
	}
	return EXIT_SUCCESS;
}
