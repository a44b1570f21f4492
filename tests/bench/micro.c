/*
 * How long each step takes from the server's rows to the screen, for jams of several shapes and sizes.
 *
 *   micro [SHAPE...]          the median of several runs, in microseconds
 *   micro --once [SHAPE...]   each step once, and its name: for instructions.sh, which counts what micro_measured
 *                             executes
 */
#include "bench/micro.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 5, STEPS_MOST = 32 };

static const uint32_t sizes[] = { 1000, 10000, 100000 };

enum { SIZES = sizeof sizes / sizeof *sizes };

static bool is_of_shape(const struct micro_step *step, enum micro_shape shape)
{
	return step->every_shape || shape == MICRO_FOREST;
}

/* A step that another shape needs, but does not measure, runs unmeasured. */
static int64_t run_step(const struct micro_step *step, struct micro *micro)
{
	int64_t began = when_monotonic();
	if (is_of_shape(step, micro->shape))
		micro_measured(step, micro);
	else
		step->run(micro);
	return when_monotonic() - began;
}

/* -1: there is no such step. */
static void run_steps(enum micro_shape shape, uint32_t rows, int64_t took[static STEPS_MOST])
{
	struct micro micro;
	micro_init(&micro, shape, rows);
	for (unsigned i = 0; i < micro_step_count; i++)
		took[i] = micro_is_wanted(&micro_steps[i], &micro) ? run_step(&micro_steps[i], &micro) : -1;
	micro_release(&micro);
}

static int compare_times(const void *left, const void *right)
{
	const int64_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static void measure(enum micro_shape shape, uint32_t rows, int64_t medians[static STEPS_MOST])
{
	int64_t took[RUNS][STEPS_MOST];
	for (int run = 0; run < RUNS; run++)
		run_steps(shape, rows, took[run]);
	for (unsigned step = 0; step < micro_step_count; step++) {
		int64_t times[RUNS];
		for (int run = 0; run < RUNS; run++)
			times[run] = took[run][step];
		qsort(times, RUNS, sizeof *times, compare_times);
		medians[step] = times[RUNS / 2];
	}
}

static void measure_shape(enum micro_shape shape)
{
	int64_t medians[SIZES][STEPS_MOST];
	for (int size = 0; size < SIZES; size++)
		measure(shape, sizes[size], medians[size]);
	for (unsigned step = 0; step < micro_step_count; step++) {
		if (!is_of_shape(&micro_steps[step], shape))
			continue;
		printf("%-10s %-12s", micro_shape_names[shape], micro_steps[step].name);
		for (int size = 0; size < SIZES && medians[size][step] >= 0; size++)
			printf(" %10" PRId64, medians[size][step]);
		putchar('\n');
	}
}

/* The largest of one shape alone: counting is slow. */
static void run_once(enum micro_shape shape)
{
	int64_t took[STEPS_MOST];
	int size_count = shape == MICRO_FOREST ? SIZES : SIZES - 1;
	for (int size = 0; size < size_count; size++) {
		run_steps(shape, sizes[size], took);
		for (unsigned step = 0; step < micro_step_count; step++)
			if (took[step] >= 0 && is_of_shape(&micro_steps[step], shape))
				printf("%s %s %u\n", micro_shape_names[shape], micro_steps[step].name,
				       (unsigned)sizes[size]);
	}
}

static bool is_named(const char *name, char *const *names)
{
	bool named = !*names;
	for (; *names; names++)
		named |= strcmp(name, *names) == 0;
	return named;
}

int main(int argc, char **argv)
{
	bool once = argc > 1 && strcmp(argv[1], "--once") == 0;
	char **names = argv + 1 + once;
	setlocale(LC_CTYPE, "C.UTF-8");
	ensure(micro_step_count <= STEPS_MOST);
	if (!once)
		printf("%-10s %-12s %10s %10s %10s  rows; the median of %d runs in microseconds\n", "jam", "step",
		       "1000", "10000", "100000", RUNS);
	for (int shape = 0; shape < MICRO_SHAPES; shape++) {
		if (!is_named(micro_shape_names[shape], names))
			continue;
		if (once)
			run_once((enum micro_shape)shape);
		else
			measure_shape((enum micro_shape)shape);
	}
	return 0;
}
