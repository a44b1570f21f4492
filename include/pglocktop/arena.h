/*
 * arena.h - memory that is given back all at once.
 *
 * A snapshot and everything computed from it live in one arena: no free per row, no reference counts. Memory from an
 * arena is zeroed and aligned for any object. Running out of memory ends the program (err_die). An arena may be used
 * by one thread at a time and handed to another whole.
 */
#ifndef PGLOCKTOP_ARENA_H
#define PGLOCKTOP_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *newest;
	size_t total; /* bytes taken from the heap, for the memory figures */
};

#define ARENA_INIT                                                                                                     \
	{                                                                                                              \
		NULL, 0                                                                                                \
	}

/* Zeroed memory; size 0 gives a valid unique pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* Zeroed array; ends the program when count * size overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/*
 * Grows an array to hold at least `wanted` elements of `size` bytes: `*capacity` elements before, at least doubled.
 * The old memory is given back if it is large, else it stays in the arena until that is released: nothing may point
 * to it. Returns the array, moved or not.
 */
void *arena_grow(struct arena *arena, void *array, size_t *capacity, size_t wanted, size_t size);

/* A zero-terminated copy of `length` bytes. */
char *arena_bytes(struct arena *arena, const char *bytes, size_t length);
char *arena_string(struct arena *arena, const char *string);
char *arena_optional_string(struct arena *arena, const char *string); /* NULL of NULL */
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Gives everything back; the arena may be used again. */
void arena_release(struct arena *arena);

#endif
