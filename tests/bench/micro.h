/*
 * micro.h - the steps from the server's rows to cells on the screen, each by itself: what micro.c measures.
 *
 * The steps of one shape are made in the order of the table: each works on what those before it have left.
 */
#ifndef TESTS_BENCH_MICRO_H
#define TESTS_BENCH_MICRO_H

#include "bench/micro_rows.h"
#include "desk.h"

struct micro {
	enum micro_shape shape;
	uint32_t row_count;
	struct micro_rows *rows;
	struct decoder *decoder;
	struct frame *frame;
	struct arena arena; /* of what is made from the frame */
	struct forest *forest;
	struct filter *filter;
	struct strbuf text;
	struct desk desk; /* has the frame from the step on that gives it there */
};

struct micro_step {
	const char *name;
	void (*run)(struct micro *micro);
	bool every_shape; /* else of the forest alone */
	uint32_t most_rows; /* what is larger would take too long; 0: none */
};

extern const struct micro_step micro_steps[];
extern const unsigned micro_step_count;

/* Whether the step is for these; the others work on without it. */
bool micro_is_wanted(const struct micro_step *step, const struct micro *micro);

void micro_init(struct micro *micro, enum micro_shape shape, uint32_t rows);
/* Runs the step. Its name is what the counting of instructions begins and ends with. */
void micro_measured(const struct micro_step *step, struct micro *micro);

void micro_release(struct micro *micro);

#endif
