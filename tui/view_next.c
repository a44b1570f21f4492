#include "view.h"

#include "pglocktop/verb.h"

/*
 * The line that names what could be done next. Where it does not fit, the reason for a terminate goes first, then the
 * second act.
 */

enum { GAP = 3 };

static void add_label(const struct frame *frame, uint32_t node, struct strbuf *out)
{
	struct column_row row = { .frame = frame, .session = frame->graph->nodes[node].session };
	row.prepared = frame->graph->nodes[node].prepared;
	row.node = node;
	column_format(&columns[COLUMN_SESSION], &row, true, out);
}

/* "8008 checkout: frees 1 now, 34 in turn (idle: a cancel does nothing)" */
static void describe_act(const struct frame *frame, const struct whatif_act *act, bool reason, struct strbuf *out)
{
	add_label(frame, act->node, out);
	strbuf_add_string(out, ": ");
	whatif_describe_counts(&act->forecast, out);
	if (act->warning)
		strbuf_printf(out, " (%s)", act->warning);
	else if (reason && act->verb == SIGNAL_TERMINATE)
		strbuf_add_string(out, whatif_runs(frame->graph, frame->graph->nodes[act->node].session)
					       ? " (a cancel may leave its advisory locks)"
					       : " (idle: a cancel does nothing)");
}

static int act_width(const struct canvas *canvas, const struct frame *frame, const struct whatif_act *act, bool reason)
{
	struct strbuf text = STRBUF_INIT;
	describe_act(frame, act, reason, &text);
	int width = 2 + text_width(canvas->charset, text.text);
	strbuf_release(&text);
	return width;
}

static int acts_width(const struct canvas *canvas, const struct scene *scene, uint32_t count, bool reason)
{
	int width = 0;
	for (uint32_t i = 0; i < count; i++)
		width += (i ? 2 * GAP + 1 : 0) + act_width(canvas, scene->frame, &scene->acts[i], reason);
	return width;
}

static int draw_act(struct canvas *canvas, const struct frame *frame, const struct whatif_act *act, bool reason, int y,
		    int x)
{
	struct strbuf text = STRBUF_INIT;
	describe_act(frame, act, reason, &text);
	x += canvas_put(canvas, y, x, -1, STYLE_HINT_KEY, signal_verbs[act->verb].key) + 1;
	x += canvas_put_cut(canvas, y, x, -1, STYLE_HEADER, text.text);
	strbuf_release(&text);
	return x;
}

/* "nothing that dba may do: 8008 checkout frees 3 now (Enter says why)" */
static void draw_barred(struct canvas *canvas, const struct frame *frame, const struct whatif_act *act, int y, int x)
{
	struct strbuf text = STRBUF_INIT;
	const char *role = frame->snapshot->role.name;
	strbuf_printf(&text, "nothing that %s may do: ", role ? role : "this role");
	add_label(frame, act->node, &text);
	strbuf_add_char(&text, ' ');
	whatif_describe_counts(&act->forecast, &text);
	strbuf_add_string(&text, frame->graph->nodes[act->node].session == SNAPSHOT_NO_INDEX ? " (Enter says how)"
											     : " (Enter says why)");
	canvas_put_cut(canvas, y, x, -1, STYLE_HEADER, text.text);
	strbuf_release(&text);
}

void view_draw_next(struct canvas *canvas, const struct view_context *context)
{
	const struct scene *scene = context->scene;
	int y = context->layout.next_y, x = 1;
	uint32_t count = scene->act_count;
	bool reason = true;
	if (count == 0 && !scene->barred)
		return;
	x += canvas_put(canvas, y, x, -1, STYLE_HEADER_STRONG, "NEXT") + 2;
	if (scene->barred)
		draw_barred(canvas, scene->frame, &scene->acts[0], y, x);
	if (acts_width(canvas, scene, count, reason) > canvas->width - x - 1)
		reason = false;
	while (count > 1 && acts_width(canvas, scene, count, reason) > canvas->width - x - 1)
		count--;
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			x += GAP + canvas_put(canvas, y, x + GAP, 1, STYLE_HEADER, context->state->ascii ? "-" : "·") +
			     GAP;
		x = draw_act(canvas, scene->frame, &scene->acts[i], reason, y, x);
	}
}
