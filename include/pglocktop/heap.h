/*
 * heap.h - arrays that grow, from the heap: what arena_grow is to an arena.
 */
#ifndef PGLOCKTOP_HEAP_H
#define PGLOCKTOP_HEAP_H

#include <stddef.h>

/*
 * Grows an array to hold at least `wanted` elements of `size` bytes: `*capacity` elements before (NULL and 0 to begin
 * with), at least doubled. What is new is not set. Returns the array, moved or not, the caller's to free(). Running out
 * of memory ends the program (err_die).
 */
void *heap_grow(void *array, size_t *capacity, size_t wanted, size_t size);

#endif
