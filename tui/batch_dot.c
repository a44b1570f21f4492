#include "batch_dot.h"

#include "pglocktop/column.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ARROWS_MOST = 32, QUERY_MOST = 60 /* characters of it are shown */ };

struct drawing {
	const struct frame *frame;
	struct charset charset;
	struct strbuf *out;
	struct strbuf text; /* of one value */
	struct graph_blocker *blockers; /* room for one node's */
	uint32_t capacity;
};

/* Inert, and no part of the quoted string's end; `most` characters. */
static void add_text(struct drawing *drawing, const char *text, int most)
{
	struct strbuf inert = STRBUF_INIT;
	struct glyph_reader reader = {
		.next = text, .end = text + strlen(text), .one_line = true, .charset = drawing->charset
	};
	struct glyph glyph;
	while (most-- > 0 && text_next_glyph(&reader, &glyph))
		text_add_glyph(&glyph, &inert);
	for (const char *at = inert.text; *at; at++) {
		if (*at == '"' || *at == '\\')
			strbuf_add_char(drawing->out, '\\');
		strbuf_add_char(drawing->out, *at);
	}
	strbuf_release(&inert);
}

static void add_column(struct drawing *drawing, enum column_id column, const struct column_row *row)
{
	strbuf_reset(&drawing->text);
	column_format(&columns[column], row, !drawing->charset.unicode, &drawing->text);
	add_text(drawing, drawing->text.text, QUERY_MOST);
}

static struct column_row row_of(const struct frame *frame, uint32_t node)
{
	const struct graph_node *at = &frame->graph->nodes[node];
	return (struct column_row){ frame, at->session, at->prepared, node, NULL };
}

static void add_node(struct drawing *drawing, uint32_t node)
{
	static const enum column_id lines[] = { COLUMN_STATE, COLUMN_OBJECT, COLUMN_QUERY };
	struct column_row row = row_of(drawing->frame, node);
	strbuf_printf(drawing->out, "  n%" PRIu32 " [label=\"", node);
	add_column(drawing, COLUMN_SESSION, &row);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		strbuf_add_string(drawing->out, "\\n");
		add_column(drawing, lines[i], &row);
	}
	strbuf_add_string(drawing->out, "\"];\n");
}

static const char *style_of(enum edge_kind kind)
{
	return kind == EDGE_HARD ? "solid" : kind == EDGE_SOFT ? "dashed" : "dotted";
}

static void add_arrows(struct drawing *drawing, uint32_t node)
{
	uint32_t count = graph_blockers(drawing->frame->graph, node, drawing->blockers, drawing->capacity);
	uint32_t drawn = count < drawing->capacity ? count : drawing->capacity;
	for (uint32_t i = 0; i < drawn; i++)
		strbuf_printf(drawing->out, "  n%" PRIu32 " -> n%" PRIu32 " [style=%s];\n", node,
			      drawing->blockers[i].node, style_of(drawing->blockers[i].kind));
	if (count > drawn)
		strbuf_printf(drawing->out, "  n%" PRIu32 " [xlabel=\"+%" PRIu32 " further blockers\"];\n", node,
			      count - drawn);
}

void batch_add_dot(const struct frame *frame, bool all_edges, struct charset charset, struct strbuf *out)
{
	const struct graph *graph = frame->graph;
	uint32_t capacity = all_edges ? graph->node_count : ARROWS_MOST;
	struct drawing drawing = { frame, charset, out, STRBUF_INIT, NULL, capacity };
	drawing.blockers = calloc(capacity + 1, sizeof *drawing.blockers);
	if (!drawing.blockers)
		err_die("out of memory");
	strbuf_add_string(out, "digraph pglocktop {\n  rankdir=BT;\n  node [shape=box];\n");
	for (uint32_t i = 0; i < graph->node_count; i++)
		add_node(&drawing, i);
	for (uint32_t i = 0; i < graph->node_count; i++)
		add_arrows(&drawing, i);
	strbuf_add_string(out, "}\n");
	strbuf_release(&drawing.text);
	free(drawing.blockers);
}
