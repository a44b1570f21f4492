#include "view.h"

#include "pglocktop/consequence.h"
#include "pglocktop/verb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Below this width everything is said in fewer words, so that it fits 40 columns by 10 lines. */
enum { COMPACT_WIDTH = 60, ROOMY_WIDTH = 90, MOST_LINES = 40, MOST_PARAGRAPHS = 8 };

#define UNLOGGED "UNLOGGED "

/* The question's paragraphs; the last says how to answer. All hostile. */
struct paragraphs {
	struct strbuf text[MOST_PARAGRAPHS];
	int count;
};

static struct strbuf *next_paragraph(struct paragraphs *paragraphs)
{
	return &paragraphs->text[paragraphs->count++];
}

static void add_age(struct strbuf *out, const char *before, int64_t age)
{
	char text[WHEN_TEXT_SIZE];
	if (age != WHEN_NONE)
		strbuf_printf(out, "%s%s", before, when_format_age(age, text));
}

static void add_who(const struct snapshot *snapshot, const struct session *session, struct strbuf *out)
{
	strbuf_printf(out, "%s@%s, ", session->user ? session->user : "?", session->database ? session->database : "?");
	if (session->client)
		strbuf_printf(out, "%s%s, ", strcmp(session->client, "local") == 0 ? "" : "from ", session->client);
	else
		strbuf_printf(out, "%s, ", session->backend_type ? session->backend_type : "client unknown");
	add_age(out, "connected ", when_age(snapshot->taken_at, session->id.backend_start));
}

/* What it does, as the beginning of a sentence. */
static const char *what_words(const struct session *session, bool waits, bool brief)
{
	if (waits)
		return brief ? "Waits" : "Waits for a lock";
	if (session->state == SESSION_IDLE_IN_TRANSACTION)
		return brief ? "Idle in txn" : "Idle in transaction";
	if (session->state == SESSION_IDLE_IN_TRANSACTION_ABORTED)
		return brief ? "Aborted txn" : "Idle in an aborted transaction";
	return session->state == SESSION_ACTIVE || session->state == SESSION_FASTPATH ? "Runs" : "Idle";
}

/* "Idle in transaction 4m58s, open 5m03s"; brief: "Idle in txn 4m58s". */
static void add_what(const struct snapshot *snapshot, const struct graph *graph, uint32_t index, bool brief,
		     struct strbuf *out)
{
	const struct session *session = &snapshot->sessions[index];
	uint32_t node = graph->session_node[index];
	bool waits = node != GRAPH_NONE && graph->nodes[node].wait_count > 0;
	bool runs = session->state == SESSION_ACTIVE || session->state == SESSION_FASTPATH;
	strbuf_add_string(out, what_words(session, waits, brief));
	if (waits)
		add_age(out, " ", graph->nodes[node].waiting);
	else
		add_age(out, " ", when_age(snapshot->taken_at, runs ? session->query_start : session->state_change));
	if (!brief)
		add_age(out, ", open ", when_age(snapshot->taken_at, session->xact_start));
}

/* What is known of the target and foreseen of the others. Where more is to be said, there is less room for that. */
static void add_target(const struct view_context *context, uint32_t index, bool compact, bool stale,
		       struct paragraphs *paragraphs)
{
	const struct question *question = &context->state->question;
	const struct frame *frame = context->scene->frame;
	const struct session *session = &frame->snapshot->sessions[index];
	struct strbuf remarks = STRBUF_INIT, *line = &paragraphs->text[0];
	consequence_add_remarks(frame->snapshot, index, question->verb, compact, &remarks);
	bool brief = compact && (stale || remarks.length > 0);
	if (!compact || !stale) {
		strbuf_add_string(line, " (");
		add_who(frame->snapshot, session, line);
		strbuf_add_char(line, ')');
	}
	strbuf_add_char(line, '?');
	line = next_paragraph(paragraphs);
	add_what(frame->snapshot, frame->graph, index, brief, line);
	consequence_add_outcome(session, question->verb, compact, line);
	if (remarks.length > 0)
		strbuf_add_string(next_paragraph(paragraphs), remarks.text);
	whatif_describe(frame->whatif, frame->graph->session_node[index], question->verb, compact,
			next_paragraph(paragraphs));
	strbuf_release(&remarks);
}

/* What is being typed, with the place where it goes on. */
static void add_entry(const struct question *question, bool compact, struct strbuf *out)
{
	if (question->entry.kind == PROMPT_REASON)
		strbuf_add_string(out, compact ? "Reason, then Enter: " : "Reason for the audit log, then Enter: ");
	else if (compact)
		strbuf_printf(out, "Type %s and Enter: ", question->answer);
	else if (question->asked > 1)
		strbuf_printf(out, "Type %s and Enter to %s, anything else to leave them: ", question->answer,
			      question->verb == SIGNAL_CANCEL ? "cancel their queries" : "terminate them");
	else
		strbuf_printf(out, "Type %s and Enter to %s, anything else to leave it: ", question->answer,
			      question->verb == SIGNAL_CANCEL ? "cancel its query" : "terminate it");
	strbuf_printf(out, "%s_", question->entry.text);
}

static void add_answer(const struct question *question, int width, struct strbuf *out)
{
	const char *verb = question->verb == SIGNAL_CANCEL ? "cancel the query of" : "terminate";
	if (question->entry.kind != PROMPT_NONE)
		add_entry(question, width < COMPACT_WIDTH, out);
	else if (width < COMPACT_WIDTH)
		strbuf_printf(out, "y = %s %d, else: leave it", signal_verbs[question->verb].name,
			      (int)question->targets[0].id.pid);
	else
		strbuf_printf(out, "y = %s %d     %sany other key = leave it", verb, (int)question->targets[0].id.pid,
			      width < ROOMY_WIDTH ? "" : "r = give a reason     ");
}

static void add_unlogged(const struct state *state, struct strbuf *out)
{
	strbuf_printf(out, "There will be no trace of it in the audit log: %s.", state->unlogged_why);
}

/* One session: who it is, what it does, what it would free. */
static void add_one(const struct view_context *context, bool compact, bool stale, struct paragraphs *paragraphs)
{
	const struct question *question = &context->state->question;
	uint32_t index = snapshot_find(context->scene->frame->snapshot, question->targets[0].id);
	strbuf_printf(next_paragraph(paragraphs), compact ? "%s%s %.24s" : "%s%s %s",
		      question->unlogged ? UNLOGGED : "", signal_verbs[question->verb].title, question->label);
	if (index != SNAPSHOT_NO_INDEX)
		add_target(context, index, compact, stale || question->unlogged, paragraphs);
	else
		strbuf_add_char(&paragraphs->text[0], '?');
}

static void add_set_forecast(const struct view_context *context, bool compact, struct strbuf *out)
{
	const struct question *question = &context->state->question;
	const struct frame *frame = context->scene->frame;
	struct arena scratch = ARENA_INIT;
	uint32_t *nodes = arena_array(&scratch, question->target_count, sizeof *nodes), count = 0;
	for (uint32_t i = 0; i < question->target_count; i++) {
		uint32_t session = snapshot_find(frame->snapshot, question->targets[i].id);
		uint32_t node = session == SNAPSHOT_NO_INDEX ? GRAPH_NONE : frame->graph->session_node[session];
		if (question->targets[i].part == QUESTION_MEANT && node != GRAPH_NONE)
			nodes[count++] = node;
	}
	whatif_describe_set(frame->whatif, nodes, count, question->verb, compact, out);
	arena_release(&scratch);
}

/* Those tagged: how many, and what they free together; the list says who. */
static void add_tagged(const struct view_context *context, bool compact, struct paragraphs *paragraphs)
{
	const struct question *question = &context->state->question;
	uint32_t left_out = question->target_count - question_count_meant(question);
	struct strbuf *line = next_paragraph(paragraphs);
	strbuf_printf(line, "%s%s %s?", question->unlogged ? UNLOGGED : "", signal_verbs[question->verb].title,
		      question->label);
	if (left_out > 0)
		strbuf_printf(line, compact ? " %" PRIu32 " out" : "  Left out: %" PRIu32 ".", left_out);
	line = next_paragraph(paragraphs);
	add_set_forecast(context, compact, line);
	if (compact)
		return;
	strbuf_add_string(line, question->verb == SIGNAL_CANCEL
					? "  Their statements fail, their transactions are rolled back."
					: "  Their transactions are rolled back, their clients are disconnected.");
}

static void make_paragraphs(const struct view_context *context, int width, struct paragraphs *paragraphs)
{
	const struct question *question = &context->state->question;
	const struct frame *frame = context->scene->frame;
	bool compact = width < COMPACT_WIDTH, stale = state_is_stale(context->state, frame, context->now);
	for (int i = 0; i < MOST_PARAGRAPHS; i++)
		paragraphs->text[i] = (struct strbuf)STRBUF_INIT;
	paragraphs->count = 0;
	if (question->of_tags)
		add_tagged(context, compact, paragraphs);
	else
		add_one(context, compact, stale, paragraphs);
	if (stale)
		strbuf_printf(
			next_paragraph(paragraphs),
			compact ? "STALE, %d s old: the server checks."
				: "STALE: this was so %d s ago. The server checks again, within 3 s or not at all.",
			(int)((context->now - frame->received_at) / WHEN_SECOND));
	if (question->unlogged && !compact)
		add_unlogged(context->state, next_paragraph(paragraphs));
	if (question->reason[0] && question->entry.kind != PROMPT_REASON)
		strbuf_printf(next_paragraph(paragraphs), "Reason: %s", question->reason);
	add_answer(question, width, next_paragraph(paragraphs));
}

struct drawing {
	struct canvas *canvas; /* NULL: only counting */
	int y, count, verb_length;
	const char *bar;
	bool answer;
	uint32_t last_top; /* of the list of those tagged */
};

static void draw_question_line(void *context, const char *text)
{
	struct drawing *drawing = context;
	int y = drawing->y + drawing->count++;
	if (!drawing->canvas)
		return;
	canvas_fill(drawing->canvas, y, 0, -1, STYLE_QUESTION);
	canvas_put(drawing->canvas, y, 1, 1, STYLE_QUESTION, drawing->bar);
	canvas_put(drawing->canvas, y, 3, -1, STYLE_QUESTION, text);
	if (drawing->count == 1)
		canvas_restyle(drawing->canvas, y, 3, drawing->verb_length, STYLE_QUESTION_VERB);
	else if (drawing->answer)
		canvas_restyle(drawing->canvas, y, 3, 1, STYLE_QUESTION_VERB);
}

/* The last paragraph, how to answer, stands below the list of those tagged. */
static int each_line(const struct view_context *context, struct charset charset, int width, int list_height,
		     struct drawing *drawing)
{
	struct paragraphs paragraphs;
	make_paragraphs(context, width, &paragraphs);
	for (int i = 0; i < paragraphs.count; i++) {
		drawing->answer = i == paragraphs.count - 1;
		if (drawing->answer && drawing->canvas && list_height > 0)
			drawing->last_top =
				view_draw_targets(drawing->canvas, context, drawing->y + drawing->count, list_height);
		if (drawing->answer)
			drawing->count += list_height;
		text_wrap_sentence(charset, paragraphs.text[i].text, width - 4, MOST_LINES, draw_question_line,
				   drawing);
		strbuf_release(&paragraphs.text[i]);
	}
	return drawing->count;
}

/* Without the list. */
static int own_height(const struct view_context *context, int width)
{
	struct drawing drawing = { .canvas = NULL };
	struct charset charset = { .unicode = !context->state->ascii };
	return width > 10 ? each_line(context, charset, width, 0, &drawing) : MOST_LINES;
}

int view_question_height(const struct view_context *context, int width, int room)
{
	int height = own_height(context, width);
	return height + view_targets_height(&context->state->question, room - height);
}

uint32_t view_draw_question(struct canvas *canvas, const struct view_context *context, int y, int height)
{
	const struct question *question = &context->state->question;
	struct drawing drawing = { .canvas = canvas,
				   .y = y,
				   .verb_length = (int)(strlen(signal_verbs[question->verb].title) +
							(question->unlogged ? strlen(UNLOGGED) : 0)),
				   .bar = context->state->ascii ? "|" : "┃" };
	each_line(context, canvas->charset, canvas->width, height - own_height(context, canvas->width), &drawing);
	return drawing.last_top;
}
