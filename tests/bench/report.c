#include "bench/report.h"

#include "bench/fail.h"
#include "bench/saved.h"
#include "bench/targets.h"
#include "pglocktop/strbuf.h"

#include <stdarg.h>
#include <string.h>

enum { MOST_CELLS = 16, CELL_SIZE = 128 };

/* A line of a table in the making. */
struct line {
	FILE *out;
	bool markdown;
	const int *widths; /* of plain text; below 0: to the left */
	unsigned count;
	char cells[MOST_CELLS][CELL_SIZE];
};

static void __attribute__((format(printf, 2, 3))) add_cell(struct line *line, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(line->cells[line->count++], CELL_SIZE, fmt, args);
	va_end(args);
}

/* printf counts bytes: those that continue a character take no room. */
static int width_of(const char *cell, int width)
{
	int more = 0;
	for (const char *byte = cell; *byte; byte++)
		more += ((unsigned char)*byte & 0xc0) == 0x80;
	return width < 0 ? width - more : width + more;
}

static void end_line(struct line *line)
{
	for (unsigned i = 0; i < line->count; i++) {
		const char *cell = line->cells[i];
		if (line->markdown)
			fprintf(line->out, "| %s ", cell);
		else
			fprintf(line->out, "%*s%s", width_of(cell, line->widths[i]), cell,
				i + 1 < line->count ? " " : "");
	}
	fputs(line->markdown ? "|\n" : "\n", line->out);
	line->count = 0;
}

/* The line of heads is in it. */
static void end_heads(struct line *line)
{
	unsigned count = line->count;
	end_line(line);
	for (unsigned i = 0; line->markdown && i < count; i++)
		fputs(i + 1 < count ? "|---" : "|---|\n", line->out);
}

/* ---- refreshes, a line for each jam and number of sessions ---- */

static const struct column {
	const char *head;
	enum metric metric;
	double scale;
	int decimals;
	bool brief; /* also in Markdown */
} columns[] = {
	{ "activity", METRIC_ACTIVITY, 1, 2, true },
	{ "locks", METRIC_LOCKS, 1, 2, true },
	{ "floor", METRIC_FLOOR, 1, 2, false },
	{ "asking", METRIC_ASK, 1, 2, true },
	{ "pg_activity", METRIC_PG_ACTIVITY_BLOCKING, 1, 1, true },
	{ "pg_top", METRIC_PG_TOP, 1, 1, true },
	{ "refresh", METRIC_REFRESH, 1, 2, true },
	{ "own CPU", METRIC_REFRESH_CLIENT, 1, 2, true },
	{ "wall", METRIC_REFRESH_WALL, 1, 1, false },
	{ "kB", METRIC_REFRESH_BYTES, 0.001, 1, true },
	{ "trips", METRIC_REFRESH_TRIPS, 1, 2, false },
	{ "terminal", METRIC_REFRESH_TTY, 1, 0, false },
};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* The spread: half the readings are so near. */
static void add_median(struct line *line, const struct figure *figure, const struct column *column)
{
	if (!figure)
		add_cell(line, "-");
	else if (figure->median > 0 && figure->high > figure->low)
		add_cell(line, "%.*f ±%.0f%%", column->decimals, figure->median * column->scale,
			 (figure->high - figure->low) / 2 / figure->median * 100);
	else
		add_cell(line, "%.*f", column->decimals, figure->median * column->scale);
}

static void add_refresh(struct line *line, const struct results *results, const struct figure *of)
{
	double bare = results_cheaper(results, of->shape, of->sessions);
	double refresh = results_mean(results, of->shape, of->sessions, METRIC_REFRESH);
	add_cell(line, "%s", of->shape);
	add_cell(line, "%u", of->sessions);
	for (int i = 0; i < COLUMNS; i++) {
		if (line->markdown && !columns[i].brief)
			continue;
		const struct figure *figure = results_find(results, of->shape, of->sessions, columns[i].metric);
		add_median(line, figure, &columns[i]);
	}
	if (bare > 0 && refresh > 0)
		add_cell(line, "%.2f", refresh / bare);
	else
		add_cell(line, "-");
	end_line(line);
}

/* Markdown has the forest, and of the other jams the largest. */
static bool is_brief(const struct results *results, const struct figure *of)
{
	unsigned largest = 0;
	for (unsigned i = 0; i < results->count; i++)
		if (results->figures[i].sessions > largest)
			largest = results->figures[i].sessions;
	return of->sessions == largest || strcmp(of->shape, "forest") == 0;
}

static void print_refreshes(FILE *out, const struct results *results, bool markdown)
{
	static const int widths[] = { -6, 8, 11, 11, 11, 13, 13, 11, 11, 11, 12, 13, 5, 11, 6 };
	struct line line = { .out = out, .markdown = markdown, .widths = widths };
	fputc('\n', out);
	add_cell(&line, "jam");
	add_cell(&line, "sessions");
	for (int i = 0; i < COLUMNS; i++)
		if (!markdown || columns[i].brief)
			add_cell(&line, "%s", columns[i].head);
	add_cell(&line, "ratio");
	end_heads(&line);
	for (const struct figure *of = NULL; results_next_case(results, &of);)
		if (results_find(results, of->shape, of->sessions, METRIC_REFRESH) &&
		    (!markdown || is_brief(results, of)))
			add_refresh(&line, results, of);
}

/* ---- everything else, a line for each figure ---- */

static void print_figures(FILE *out, const struct results *results, bool markdown)
{
	static const int widths[] = { -56, -13, -6, 10, 21, 10, 10 };
	static const char *const heads[] = { "", "at", "", "median", "quarters", "99 in 100", "most" };
	struct line line = { .out = out, .markdown = markdown, .widths = widths };
	fputc('\n', out);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		add_cell(&line, "%s", heads[i]);
	end_heads(&line);
	for (int metric = METRIC_START_FIRST; metric < METRIC_COUNT; metric++)
		for (unsigned i = 0; i < results->count; i++) {
			const struct figure *figure = &results->figures[i];
			if ((int)figure->metric != metric)
				continue;
			add_cell(&line, "%s", metric_kinds[metric].title);
			add_cell(&line, "%s %u", figure->shape, figure->sessions);
			add_cell(&line, "%s", metric_kinds[metric].unit);
			add_cell(&line, "%.2f", figure->median);
			add_cell(&line, "%.2f to %.2f", figure->low, figure->high);
			add_cell(&line, "%.2f", figure->p99);
			add_cell(&line, "%.2f", figure->most);
			end_line(&line);
		}
}

/* ---- growth, a line for each jam ---- */

static const enum metric growing[] = { METRIC_REFRESH, METRIC_REFRESH_CLIENT, METRIC_LOCKS, METRIC_ASK,
				       METRIC_PG_ACTIVITY_BLOCKING };
enum { GROWING = sizeof growing / sizeof *growing };

static void print_growth(FILE *out, const struct results *results, bool markdown)
{
	static const int widths[] = { -6, 16, 16, 16, 22, 22 };
	struct line line = { .out = out, .markdown = markdown, .widths = widths };
	double exponent;
	fputc('\n', out);
	add_cell(&line, "growth");
	for (int i = 0; i < GROWING; i++)
		add_cell(&line, "%s", metric_kinds[growing[i]].name);
	end_heads(&line);
	for (unsigned shape = 0; shape < shape_count; shape++) {
		if (!results_growth(results, shapes[shape].name, METRIC_REFRESH, &exponent))
			continue;
		add_cell(&line, "%s", shapes[shape].name);
		for (int i = 0; i < GROWING; i++)
			if (results_growth(results, shapes[shape].name, growing[i], &exponent))
				add_cell(&line, "N^%.2f", exponent);
			else
				add_cell(&line, "-");
		end_line(&line);
	}
}

/* ---- targets ---- */

static void print_target(const struct target_result *result, void *context)
{
	struct line *line = context;
	add_cell(line, "target");
	add_cell(line, "%s", result->name);
	add_cell(line, "%s %.6g %s", result->at_least ? "at least" : "at most", result->wanted, result->unit);
	add_cell(line, "%.4g %s", result->measured, result->unit);
	add_cell(line, "at %s", result->at);
	add_cell(line, "%s", result->met ? "ok" : "MISSED");
	end_line(line);
}

static void print_targets(FILE *out, const struct results *results, bool markdown)
{
	static const int widths[] = { -6, -52, -22, -16, -16, 0 };
	static const char *const heads[] = { "", "", "wanted", "measured", "worst case", "" };
	struct line line = { .out = out, .markdown = markdown, .widths = widths };
	fputc('\n', out);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		add_cell(&line, "%s", heads[i]);
	end_heads(&line);
	targets_check(results, print_target, &line);
}

/* ---- all ---- */

static void print_all(const struct bench *bench)
{
	const struct results *results = &bench->results;
	printf("\n%s\n", results->about);
	if (!bench->options.pgbench) {
		print_refreshes(stdout, results, false);
		print_growth(stdout, results, false);
	}
	print_figures(stdout, results, false);
	print_targets(stdout, results, false);
	for (unsigned i = 0; i < results->note_count; i++)
		printf("left out: %s\n", results->notes[i]);
}

void report_case(const struct bench *bench, const char *shape)
{
	const struct results *results = &bench->results;
	unsigned sessions = load_count(bench->load);
	double refresh = results_mean(results, shape, sessions, METRIC_REFRESH);
	fprintf(stderr, "%s, %u sessions: a refresh %.2f ms of the server's CPU, %.2f of the bare way's, %.2f ms own\n",
		shape, sessions, refresh, refresh / results_cheaper(results, shape, sessions),
		results_mean(results, shape, sessions, METRIC_REFRESH_CLIENT));
	if (bench->options.json)
		saved_write(results, bench->options.json);
}

/* ---- Markdown, in place of what is between two lines of a file ---- */

static void read_file(const char *path, struct strbuf *text)
{
	char bytes[4096];
	size_t length;
	FILE *file = fopen(path, "re");
	while (file && (length = fread(bytes, 1, sizeof bytes, file)) > 0)
		strbuf_add(text, bytes, length);
	if (file)
		fclose(file);
}

static void print_markdown(FILE *file, const struct bench *bench)
{
	fprintf(file, "%s:\n", bench->results.about);
	if (bench->options.pgbench)
		print_figures(file, &bench->results, true);
	else
		print_refreshes(file, &bench->results, true);
	print_targets(file, &bench->results, true);
}

static void write_markdown(const struct bench *bench, const char *path)
{
	struct strbuf text = STRBUF_INIT;
	const char *first = bench->options.pgbench ? "<!-- pgbench -->\n" : "<!-- bench -->\n";
	const char *last = bench->options.pgbench ? "<!-- end of pgbench -->\n" : "<!-- end of bench -->\n";
	read_file(path, &text);
	const char *begin = strstr(text.text, first), *end = begin ? strstr(begin, last) : NULL;
	if (text.length > 0 && !end)
		fail("%s has no lines %.*s and %.*s to write between", path, (int)strlen(first) - 1, first,
		     (int)strlen(last) - 1, last);
	FILE *file = fopen(path, "we");
	if (!file)
		fail("%s could not be written", path);
	fwrite(text.text, 1, begin ? (size_t)(begin - text.text) : 0, file);
	fputs(first, file);
	print_markdown(file, bench);
	fputs(end ? end : last, file);
	if (fclose(file) != 0)
		fail("%s could not be written", path);
	strbuf_release(&text);
}

bool report(const struct bench *bench)
{
	const struct bench_options *options = &bench->options;
	print_all(bench);
	if (options->json)
		saved_write(&bench->results, options->json);
	if (options->markdown)
		write_markdown(bench, options->markdown);
	return !options->compare || saved_compare(&bench->results, options->compare, options->tolerance, stdout);
}
