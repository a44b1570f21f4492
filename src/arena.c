#include "pglocktop/arena.h"

#include "pglocktop/err.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 16 * 1024, LARGEST_BLOCK = 64 * 1024 };

struct arena_block {
	struct arena_block *older;
	size_t size;
	size_t used;
	alignas(max_align_t) char bytes[];
};

static size_t round_up(size_t size)
{
	const size_t align = alignof(max_align_t);
	ensure(size <= SIZE_MAX - sizeof(struct arena_block) - align);
	return size == 0 ? align : (size + align - 1) / align * align;
}

static struct arena_block *arena_add_block(struct arena *arena, size_t wanted)
{
	size_t size = arena->newest ? arena->newest->size * 2 : FIRST_BLOCK;
	if (size > LARGEST_BLOCK)
		size = LARGEST_BLOCK;
	if (size < wanted)
		size = wanted;
	struct arena_block *block = calloc(1, sizeof *block + size);
	if (!block)
		err_die("out of memory (%zu bytes)", size);
	block->size = size;
	block->older = arena->newest;
	arena->newest = block;
	arena->total += sizeof *block + size;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size = round_up(size);
	struct arena_block *block = arena->newest;
	if (!block || block->size - block->used < size)
		block = arena_add_block(arena, size);
	void *memory = block->bytes + block->used;
	block->used += size;
	return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	ensure(size == 0 || count <= SIZE_MAX / size);
	return arena_alloc(arena, count * size);
}

/* Gives back an array that had a block to itself. What took its place is in the newest block, so it is not in that. */
static void arena_drop(struct arena *arena, const void *array, size_t size)
{
	for (struct arena_block **link = &arena->newest->older; *link; link = &(*link)->older) {
		struct arena_block *block = *link;
		if ((const void *)block->bytes != array)
			continue;
		if (block->used == round_up(size) && block->size >= LARGEST_BLOCK) {
			*link = block->older;
			arena->total -= sizeof *block + block->size;
			free(block);
		}
		return;
	}
}

void *arena_grow(struct arena *arena, void *array, size_t *capacity, size_t wanted, size_t size)
{
	if (wanted <= *capacity)
		return array;
	size_t larger = *capacity < 8 ? 16 : *capacity * 2;
	if (larger < wanted)
		larger = wanted;
	void *moved = arena_array(arena, larger, size);
	if (*capacity > 0) {
		memcpy(moved, array, *capacity * size);
		arena_drop(arena, array, *capacity * size);
	}
	*capacity = larger;
	return moved;
}

char *arena_bytes(struct arena *arena, const char *bytes, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);
	if (length > 0)
		memcpy(copy, bytes, length);
	return copy;
}

char *arena_string(struct arena *arena, const char *string)
{
	return arena_bytes(arena, string, strlen(string));
}

char *arena_optional_string(struct arena *arena, const char *string)
{
	return string ? arena_string(arena, string) : NULL;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	ensure(length >= 0);
	char *text = arena_alloc(arena, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, fmt, again);
	va_end(again);
	return text;
}

void arena_release(struct arena *arena)
{
	while (arena->newest) {
		struct arena_block *older = arena->newest->older;
		free(arena->newest);
		arena->newest = older;
	}
	arena->total = 0;
}
