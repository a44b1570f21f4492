#include "bench/micro.h"

#include "pglocktop/json.h"
#include "pglocktop/mask.h"
#include "pglocktop/whatif.h"

#include <jansson.h>

enum { WIDTH = 120, HEIGHT = 40 };

#define LATER INT64_MAX
#define NOW WHEN_SECOND /* when_monotonic(), as the desk is told */

void micro_init(struct micro *micro, enum micro_shape shape, uint32_t rows)
{
	static const struct server_options options = { .interval = WHEN_SECOND };
	struct source_status status = { .state = SOURCE_LIVE, .interval = WHEN_SECOND, .retry_at = WHEN_NONE };
	struct err err;
	json_object_seed(1); /* else its tables are ordered by chance */
	*micro = (struct micro){ .shape = shape, .row_count = rows, .arena = ARENA_INIT, .text = STRBUF_INIT };
	micro->rows = micro_rows_new(shape, rows);
	micro->decoder = decoder_new();
	micro->frame = frame_new();
	micro->filter = filter_new("user:^a !state:idle stock", &err, NULL);
	ensure(micro->filter);
	desk_init(&micro->desk, &options, (struct forest_order){ NULL, false }, (struct charset){ .unicode = true });
	desk_take_status(&micro->desk, &status, NOW);
	desk_resize(&micro->desk, WIDTH, HEIGHT);
}

void micro_release(struct micro *micro)
{
	if (!micro->desk.frame)
		frame_free(micro->frame);
	desk_release(&micro->desk);
	filter_free(micro->filter);
	decoder_free(micro->decoder);
	strbuf_release(&micro->text);
	arena_release(&micro->arena);
	micro_rows_free(micro->rows);
}

/* ---- the sampler's ---- */

static void parse(struct micro *micro)
{
	struct snapshot *snapshot = micro->frame->snapshot;
	struct row_reader reader = { .arena = &micro->frame->arena, .decoder = micro->decoder };
	struct session session;
	struct lock lock;
	struct err err;
	for (uint32_t i = 0; i < micro->rows->lock_count; i++) {
		ensure(rows_parse_lock(&reader, micro->rows->locks[i], &lock, &err));
		snapshot_add_lock(snapshot, &lock);
	}
	for (uint32_t i = 0; i < micro->rows->session_count; i++) {
		ensure(rows_parse_session(&reader, micro->rows->sessions[i], &session, &err));
		session.user = "app";
		session.may = MAY_SIGNAL;
		snapshot_add_session(snapshot, &session);
	}
}

static void finish(struct micro *micro)
{
	struct snapshot *snapshot = micro->frame->snapshot;
	snapshot->taken_at = MICRO_TAKEN_AT;
	snapshot->server.version_num = 160000;
	snapshot_finish(snapshot);
	micro_rows_add_answers(snapshot, micro->shape);
}

static void make_graph(struct micro *micro)
{
	micro->frame->graph = graph_new(micro->frame->snapshot);
}

static void forecast(struct micro *micro)
{
	micro->frame->whatif = whatif_new(micro->frame->graph, &micro->frame->arena);
}

/* ---- what follows from a frame ---- */

static void make_forest(struct micro *micro)
{
	micro->forest = forest_new(micro->frame, (struct forest_order){ NULL, true }, &micro->arena);
}

static void make_outline(struct micro *micro)
{
	outline_new(micro->forest, &(struct outline_options){ .height = HEIGHT, .brief = 1 }, &micro->arena);
}

static void sort_by_text(struct micro *micro)
{
	forest_new(micro->frame, (struct forest_order){ &columns[COLUMN_SESSION], true }, &micro->arena);
}

static void sort_by_number(struct micro *micro)
{
	forest_new(micro->frame, (struct forest_order){ &columns[COLUMN_BLOCKS], true }, &micro->arena);
}

/* All columns of all lines, though a screen shows fifty: what grows with the queue's square shows here. */
static void format_objects(struct micro *micro)
{
	struct forest *objects = forest_new_objects(micro->frame, (struct forest_order){ NULL, true }, &micro->arena);
	for (uint32_t i = 0; i < objects->count; i++) {
		struct column_row row = column_row_of_item(objects, i);
		for (int column = COLUMN_OF_SESSIONS; column < COLUMN_COUNT; column++)
			column_format(&columns[column], &row, true, &micro->text);
		strbuf_reset(&micro->text);
	}
}

static void mask_queries(struct micro *micro)
{
	for (uint32_t i = 0; i < micro->frame->snapshot->session_count; i++)
		frame_masked_query(micro->frame, i);
}

static void match(struct micro *micro)
{
	struct filter_run run;
	filter_run_start(&run, micro->filter, micro->frame, &micro->arena);
	filter_run_slice(&run, LATER);
	ensure(run.done);
}

static void write_json(struct micro *micro)
{
	json_write_snapshot(micro->forest, &(struct json_options){ .all_edges = false }, &micro->text);
	strbuf_reset(&micro->text);
}

/* ---- the screen ---- */

static void show_frame(struct micro *micro)
{
	desk_take_frame(&micro->desk, micro->frame);
	desk_match(&micro->desk, LATER, NOW);
}

static void draw(struct micro *micro)
{
	desk_draw(&micro->desk, NOW);
}

static void press(struct micro *micro, uint32_t key)
{
	struct input input = { .kind = INPUT_KEY, .key = key };
	desk_input(&micro->desk, &input, NOW);
	desk_draw(&micro->desk, NOW);
}

static void move_cursor(struct micro *micro)
{
	press(micro, 'j');
}

static void open_details(struct micro *micro)
{
	press(micro, INPUT_ENTER);
	press(micro, INPUT_ENTER);
}

/* Whom it would free is told. */
static void ask(struct micro *micro)
{
	press(micro, 'K');
	press(micro, 'n');
}

static void view_objects(struct micro *micro)
{
	press(micro, '3');
}

static void view_sessions(struct micro *micro)
{
	press(micro, '2');
}

/* The tree unfolded, on a screen that has a line for each. */
static void draw_whole(struct micro *micro)
{
	press(micro, '1');
	press(micro, '*');
	desk_resize(&micro->desk, WIDTH, (int)micro->desk.scene->line_count + HEIGHT);
	desk_draw(&micro->desk, NOW);
}

const struct micro_step micro_steps[] = {
	{ "parse", parse, false, 0 },
	{ "finish", finish, false, 0 },
	{ "graph", make_graph, true, 0 },
	{ "what-if", forecast, true, 0 },
	{ "forest", make_forest, true, 0 },
	{ "outline", make_outline, true, 0 },
	{ "sort-text", sort_by_text, false, 0 },
	{ "sort-number", sort_by_number, false, 0 },
	{ "objects", format_objects, true, 0 },
	{ "mask", mask_queries, false, 0 },
	{ "filter", match, false, 0 },
	{ "json", write_json, false, 10000 },
	{ "show", show_frame, true, 0 },
	{ "draw", draw, false, 0 },
	{ "cursor", move_cursor, true, 0 },
	{ "details", open_details, true, 0 },
	{ "ask", ask, true, 0 },
	{ "view-objects", view_objects, true, 0 },
	{ "view-sessions", view_sessions, false, 0 },
	{ "draw-whole", draw_whole, false, 10000 },
};

const unsigned micro_step_count = sizeof micro_steps / sizeof *micro_steps;

bool micro_is_wanted(const struct micro_step *step, const struct micro *micro)
{
	return step->most_rows == 0 || micro->row_count <= step->most_rows;
}

void micro_measured(const struct micro_step *step, struct micro *micro)
{
	step->run(micro);
	__asm__ volatile("" ::: "memory"); /* no jump in place of the call */
}
