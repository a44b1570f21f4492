/*
 * sample.h - readings of one quantity, and what is told of them.
 */
#ifndef TESTS_BENCH_SAMPLE_H
#define TESTS_BENCH_SAMPLE_H

struct sample {
	double *values;
	unsigned count, capacity;
};

void sample_add(struct sample *sample, double value);
void sample_reset(struct sample *sample);
void sample_release(struct sample *sample);

/* `share` from 0 (the least) to 1 (the greatest), 0.5 the median: the nearest rank. 0 without values. Sorts them. */
double sample_quantile(struct sample *sample, double share);
double sample_mean(const struct sample *sample);

/* The exponent e of y = a * x^e that fits best: least squares of the logarithms. Not a number with fewer than two. */
double sample_exponent(const double *x, const double *y, unsigned count);

#endif
