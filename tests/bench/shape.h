/*
 * shape.h - the jams: who holds what, and who waits for it.
 */
#ifndef TESTS_BENCH_SHAPE_H
#define TESTS_BENCH_SHAPE_H

#include "bench/load.h"

enum { SHAPE_STAGES = 3 };

struct shape {
	const char *name, *title;
	load_statement *hold; /* runs to its end */
	load_statement *wait[SHAPE_STAGES]; /* each stage waits once those before it do; NULL: nobody */
};

extern const struct shape shapes[];
extern const unsigned shape_count;

/* NULL: there is no such shape. */
const struct shape *shape_find(const char *name);

/* Returns how many wait. */
unsigned shape_play(const struct shape *shape, struct load *load);

#endif
