#include "pglocktop/frame.h"

#include "pglocktop/whatif.h"

#include <stdlib.h>

struct frame *frame_new(void)
{
	struct frame *frame = calloc(1, sizeof *frame);
	if (!frame)
		err_die("out of memory (%zu bytes)", sizeof *frame);
	frame->snapshot = snapshot_new(&frame->arena);
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
	arena_release(&owned->arena);
	free(owned);
}
