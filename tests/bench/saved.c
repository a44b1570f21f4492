#include "bench/saved.h"

#include "bench/fail.h"
#include "bench/targets.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static json_t *figures_as_json(const struct results *results)
{
	json_t *array = json_array();
	for (unsigned i = 0; i < results->count; i++) {
		const struct figure *figure = &results->figures[i];
		const struct metric_kind *kind = &metric_kinds[figure->metric];
		json_array_append_new(array, json_pack("{sssisssssisfsfsfsfsfsf}", "jam", figure->shape, "sessions",
						       (int)figure->sessions, "metric", kind->name, "unit", kind->unit,
						       "readings", (int)figure->count, "mean", figure->mean, "median",
						       figure->median, "low", figure->low, "high", figure->high, "p99",
						       figure->p99, "most", figure->most));
	}
	return array;
}

static json_t *growths_as_json(const struct results *results)
{
	static const enum metric metrics[] = { METRIC_REFRESH, METRIC_REFRESH_CLIENT, METRIC_ASK,
					       METRIC_PG_ACTIVITY_BLOCKING };
	json_t *array = json_array();
	double exponent;
	const char *last = "";
	for (const struct figure *of = NULL; results_next_case(results, &of); last = of->shape) {
		if (strcmp(of->shape, last) == 0)
			continue;
		for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
			if (results_growth(results, of->shape, metrics[i], &exponent))
				json_array_append_new(array,
						      json_pack("{sssssf}", "jam", of->shape, "metric",
								metric_kinds[metrics[i]].name, "exponent", exponent));
	}
	return array;
}

static void add_target(const struct target_result *result, void *context)
{
	json_t *array = context;
	json_array_append_new(array, json_pack("{sssssfsfsssb}", "target", result->name, "at", result->at, "wanted",
					       result->wanted, "measured", result->measured, "unit", result->unit,
					       "met", result->met));
}

void saved_write(const struct results *results, const char *path)
{
	json_t *targets = json_array(), *notes = json_array();
	targets_check(results, add_target, targets);
	for (unsigned i = 0; i < results->note_count; i++)
		json_array_append_new(notes, json_string(results->notes[i]));
	json_t *document = json_pack("{sssisssosososo}", "format", "pglocktop bench", "version", 1, "about",
				     results->about, "figures", figures_as_json(results), "growth",
				     growths_as_json(results), "targets", targets, "left_out", notes);
	if (json_dump_file(document, path, JSON_INDENT(1)) != 0)
		fail("%s could not be written", path);
	json_decref(document);
}

/* ---- beside an earlier run ---- */

/* Its "figures" is an array. */
static json_t *load(const char *path)
{
	json_error_t error;
	json_t *document = json_load_file(path, 0, &error);
	if (!json_is_array(json_object_get(document, "figures")))
		fail("%s: not a file that --json wrote: %s", path, document ? "no figures" : error.text);
	return document;
}

void saved_check(const char *path)
{
	json_decref(load(path));
}

/* The saved mean; not a number: there is none. */
static double saved_mean(const json_t *figures, const struct figure *figure)
{
	const json_t *saved;
	size_t i;
	json_array_foreach(figures, i, saved)
	{
		const char *jam = json_string_value(json_object_get(saved, "jam"));
		const char *metric = json_string_value(json_object_get(saved, "metric"));
		if (jam && metric && strcmp(jam, figure->shape) == 0 &&
		    strcmp(metric, metric_kinds[figure->metric].name) == 0 &&
		    json_integer_value(json_object_get(saved, "sessions")) == (json_int_t)figure->sessions)
			return json_number_value(json_object_get(saved, "mean"));
	}
	return (double)NAN;
}

static bool is_worse(const struct figure *figure, double saved, double tolerance)
{
	const struct metric_kind *kind = &metric_kinds[figure->metric];
	return kind->own && figure->mean > saved * (1 + tolerance) && figure->mean - saved > kind->noise;
}

bool saved_compare(const struct results *results, const char *path, double tolerance, FILE *out)
{
	json_t *document = load(path);
	const json_t *figures = json_object_get(document, "figures");
	unsigned worse = 0, compared = 0;
	fprintf(out, "\nbeside %s\n%-8s %8s %-22s %12s %12s %7s\n", path, "jam", "sessions", "figure", "saved", "now",
		"ratio");
	for (unsigned i = 0; i < results->count; i++) {
		const struct figure *figure = &results->figures[i];
		double saved = saved_mean(figures, figure);
		bool marked = is_worse(figure, saved, tolerance);
		if (isnan(saved))
			continue;
		fprintf(out, "%-8s %8u %-22s %12.2f %12.2f %7.2f%s\n", figure->shape, figure->sessions,
			metric_kinds[figure->metric].name, saved, figure->mean,
			saved > 0 ? figure->mean / saved : (double)NAN, marked ? "  WORSE" : "");
		worse += marked;
		compared++;
	}
	fprintf(out, "%u compared, %u worse by more than %.0f %%\n", compared, worse, tolerance * 100);
	json_decref(document);
	return worse == 0;
}
