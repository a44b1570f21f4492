#include "pglocktop/frame.h"

#include <stdlib.h>

struct frame *frame_new(void)
{
	struct frame *frame = calloc(1, sizeof *frame);
	if (!frame)
		err_die("out of memory (%zu bytes)", sizeof *frame);
	frame->snapshot = snapshot_new(&frame->arena);
	return frame;
}

void frame_free(struct frame *owned)
{
	if (!owned)
		return;
	arena_release(&owned->arena);
	free(owned);
}
