#include "pglocktop/frame.h"

#include "pglocktop/mask.h"
#include "pglocktop/whatif.h"

#include <stdlib.h>

/* What is seen of a frame is masked, little of it in most: so each text when it is asked for. */
struct frame_masked {
	struct arena arena;
	const char **queries; /* by session; NULL: not asked for yet */
};

struct frame *frame_new(void)
{
	struct frame *frame = calloc(1, sizeof *frame);
	if (!frame)
		err_die("out of memory (%zu bytes)", sizeof *frame);
	frame->snapshot = snapshot_new(&frame->arena);
	frame->masked = arena_alloc(&frame->arena, sizeof *frame->masked);
	return frame;
}

void frame_analyse(struct frame *frame)
{
	frame->graph = graph_new(frame->snapshot);
	frame->whatif = whatif_new(frame->graph, &frame->arena);
}

void frame_free(struct frame *owned)
{
	if (!owned)
		return;
	arena_release(&owned->masked->arena);
	arena_release(&owned->arena);
	free(owned);
}

const char *frame_masked_query(const struct frame *frame, uint32_t session)
{
	struct frame_masked *masked = frame->masked;
	const char *query = frame->snapshot->sessions[session].query_with_literals;
	if (!query)
		return NULL;
	if (!masked->queries)
		masked->queries = arena_array(&masked->arena, frame->snapshot->session_count, sizeof *masked->queries);
	if (!masked->queries[session]) {
		struct strbuf text = STRBUF_INIT;
		mask_add(query, &text);
		masked->queries[session] = arena_bytes(&masked->arena, text.text, text.length);
		strbuf_release(&text);
	}
	return masked->queries[session];
}

const char *frame_query(const struct frame *frame, uint32_t session)
{
	if (frame->shows_literals)
		return frame->snapshot->sessions[session].query_with_literals;
	return frame_masked_query(frame, session);
}
