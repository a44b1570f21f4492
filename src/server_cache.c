#include "server_private.h"

#include "pglocktop/heap.h"

#include <stdlib.h>

enum { NAMES_KEPT = 50000 }; /* a server may make and drop tables all day */

/* Younger ones first, and of those that came with one statement the one with a name. */
static int compare_entries(const void *left, const void *right)
{
	const struct name_entry *a = left, *b = right;
	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	if (a->oid != b->oid)
		return a->oid < b->oid ? -1 : 1;
	if (a->loaded_at != b->loaded_at)
		return a->loaded_at > b->loaded_at ? -1 : 1;
	return b->found - a->found;
}

static int compare_keys(const void *left, const void *right)
{
	const struct name_entry *a = left, *b = right;
	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	return (a->oid > b->oid) - (a->oid < b->oid);
}

static void entry_release(struct name_entry *entry)
{
	free(entry->name);
	free(entry->extra);
}

void name_cache_release(struct name_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++)
		entry_release(&cache->entries[i]);
	free(cache->entries);
	*cache = (struct name_cache){ NULL, 0, 0 };
}

void name_cache_add(struct name_cache *cache, const struct name_entry *entry)
{
	cache->entries = heap_grow(cache->entries, &cache->capacity, cache->count + 1, sizeof *cache->entries);
	cache->entries[cache->count++] = *entry;
}

/* Takes the incoming ones over, and leaves that cache empty. Of too many all are forgotten, and asked for anew. */
void name_cache_merge(struct name_cache *cache, struct name_cache *incoming)
{
	if (incoming->count == 0)
		return;
	if (cache->count > NAMES_KEPT)
		name_cache_release(cache);
	for (size_t i = 0; i < incoming->count; i++)
		name_cache_add(cache, &incoming->entries[i]);
	incoming->count = 0;
	qsort(cache->entries, cache->count, sizeof *cache->entries, compare_entries);
	size_t kept = 0;
	for (size_t i = 0; i < cache->count; i++) {
		if (kept > 0 && compare_keys(&cache->entries[kept - 1], &cache->entries[i]) == 0)
			entry_release(&cache->entries[i]);
		else
			cache->entries[kept++] = cache->entries[i];
	}
	cache->count = kept;
}

const struct name_entry *name_cache_find(const struct name_cache *cache, uint32_t database, uint32_t oid)
{
	struct name_entry key = { .database = database, .oid = oid };
	if (cache->count == 0)
		return NULL;
	return bsearch(&key, cache->entries, cache->count, sizeof key, compare_keys);
}

const char *name_cache_text(const struct name_cache *cache, uint32_t oid, struct arena *arena)
{
	const struct name_entry *entry = oid ? name_cache_find(cache, 0, oid) : NULL;
	return entry && entry->found ? arena_string(arena, entry->name) : NULL;
}
