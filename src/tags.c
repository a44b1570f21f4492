#include "pglocktop/tags.h"

#include <string.h>

static int compare(struct identity a, struct identity b)
{
	if (a.pid != b.pid)
		return a.pid < b.pid ? -1 : 1;
	return (a.backend_start > b.backend_start) - (a.backend_start < b.backend_start);
}

/* Where it is, or would be put. */
static uint32_t find_place(const struct tags *tags, struct identity id)
{
	uint32_t low = 0, high = tags->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (compare(tags->ids[middle], id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool tags_have(const struct tags *tags, struct identity id)
{
	uint32_t at = find_place(tags, id);
	return at < tags->count && identity_equal(tags->ids[at], id);
}

bool tags_toggle(struct tags *tags, struct identity id)
{
	uint32_t at = find_place(tags, id);
	size_t behind = (tags->count - at) * sizeof *tags->ids;
	if (at < tags->count && identity_equal(tags->ids[at], id)) {
		memmove(tags->ids + at, tags->ids + at + 1, behind - sizeof *tags->ids);
		tags->count--;
		return true;
	}
	if (tags->count == TAGS_MOST || id.backend_start == WHEN_NONE)
		return false;
	memmove(tags->ids + at + 1, tags->ids + at, behind);
	tags->ids[at] = id;
	tags->count++;
	return true;
}

uint32_t tags_drop_ended(struct tags *tags, const struct snapshot *snapshot, struct identity gone[static TAGS_MOST])
{
	uint32_t left = 0, gone_count = 0;
	for (uint32_t i = 0; i < tags->count; i++) {
		if (snapshot_find(snapshot, tags->ids[i]) == SNAPSHOT_NO_INDEX)
			gone[gone_count++] = tags->ids[i];
		else
			tags->ids[left++] = tags->ids[i];
	}
	tags->count = left;
	return gone_count;
}
