#include "bench/sample.h"

#include "pglocktop/err.h"

#include <math.h>
#include <stdlib.h>

void sample_add(struct sample *sample, double value)
{
	if (sample->count == sample->capacity) {
		sample->capacity = sample->capacity ? sample->capacity * 2 : 64;
		sample->values = realloc(sample->values, sample->capacity * sizeof *sample->values);
		ensure(sample->values);
	}
	sample->values[sample->count++] = value;
}

void sample_reset(struct sample *sample)
{
	sample->count = 0;
}

void sample_release(struct sample *sample)
{
	free(sample->values);
	*sample = (struct sample){ .count = 0 };
}

static int compare_values(const void *left, const void *right)
{
	const double *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

double sample_quantile(struct sample *sample, double share)
{
	if (sample->count == 0)
		return 0;
	qsort(sample->values, sample->count, sizeof *sample->values, compare_values);
	unsigned rank = (unsigned)ceil(share * sample->count);
	return sample->values[rank > 0 ? rank - 1 : 0];
}

double sample_mean(const struct sample *sample)
{
	double sum = 0;
	for (unsigned i = 0; i < sample->count; i++)
		sum += sample->values[i];
	return sample->count ? sum / sample->count : 0;
}

double sample_exponent(const double *x, const double *y, unsigned count)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0, n = count;
	for (unsigned i = 0; i < count; i++) {
		double lx = log(x[i]), ly = log(y[i]);
		sx += lx;
		sy += ly;
		sxx += lx * lx;
		sxy += lx * ly;
	}
	return count < 2 ? (double)NAN : (n * sxy - sx * sy) / (n * sxx - sx * sx);
}
