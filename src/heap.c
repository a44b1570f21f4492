#include "pglocktop/heap.h"

#include "pglocktop/err.h"

#include <stdlib.h>

void *heap_grow(void *array, size_t *capacity, size_t wanted, size_t size)
{
	if (wanted <= *capacity)
		return array;
	size_t larger = *capacity < 8 ? 16 : *capacity * 2;
	if (larger < wanted)
		larger = wanted;
	void *moved = reallocarray(array, larger, size);
	if (!moved)
		err_die("out of memory (%zu times %zu bytes)", larger, size);
	*capacity = larger;
	return moved;
}
