#include "matching.h"

void matching_start(struct matching *matching, const struct frame *frame, const struct filter *filter,
		    const struct filter *search)
{
	matching_release(matching);
	if (filter)
		filter_run_start(&matching->filter, filter, frame, &matching->arena);
	if (search)
		filter_run_start(&matching->search, search, frame, &matching->arena);
}

static bool run_slice(struct filter_run *run, int64_t deadline)
{
	if (run->filter && !run->done)
		filter_run_slice(run, deadline);
	return !run->filter || run->done;
}

bool matching_slice(struct matching *matching, int64_t deadline)
{
	return run_slice(&matching->filter, deadline) && run_slice(&matching->search, deadline);
}

struct scene_matches matching_found(const struct matching *matching)
{
	return (struct scene_matches){ matching->filter.filter ? &matching->filter : NULL,
				       matching->search.filter ? &matching->search : NULL };
}

void matching_release(struct matching *matching)
{
	arena_release(&matching->arena);
	*matching = (struct matching){ .arena = ARENA_INIT };
}
