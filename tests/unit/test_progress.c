/* What the numbers of pg_stat_get_progress_info() mean, and that no percentage is told that is not known. */
#include "pglocktop/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct param {
	int number; /* as in param1, param2 …; 0 ends the list */
	int64_t value;
};

struct progress_case {
	enum progress_kind kind;
	struct param params[8];
	const char *text;
};

static const struct progress_case cases[] = {
	{ PROGRESS_VACUUM, { { 1, 0 } }, "vacuum: initializing" },
	{ PROGRESS_VACUUM, { { 1, 1 }, { 2, 1000 }, { 3, 437 } }, "vacuum: scanning heap 43 %" },
	{ PROGRESS_VACUUM, { { 1, 1 }, { 2, 0 }, { 3, 0 } }, "vacuum: scanning heap" }, /* an empty table */
	{ PROGRESS_VACUUM, { { 1, 2 }, { 2, 1000 }, { 3, 1000 } }, "vacuum: vacuuming indexes" }, /* 10 to 16 */
	{ PROGRESS_VACUUM,
	  { { 1, 2 }, { 2, 1000 }, { 3, 1000 }, { 9, 3 }, { 10, 1 } },
	  "vacuum: vacuuming indexes 33 %" },
	{ PROGRESS_VACUUM, { { 1, 3 }, { 2, 1000 }, { 3, 1000 }, { 4, 20 } }, "vacuum: vacuuming heap 2 %" },
	{ PROGRESS_VACUUM, { { 1, 5 } }, "vacuum: truncating heap" },
	{ PROGRESS_VACUUM, { { 1, 77 }, { 2, 1000 }, { 3, 437 } }, "vacuum" },
	{ PROGRESS_VACUUM, { { 1, -1 } }, "vacuum" },
	{ PROGRESS_ANALYZE, { { 1, 1 }, { 2, 300 }, { 3, 30 } }, "analyze: sampling rows 10 %" },
	{ PROGRESS_ANALYZE, { { 1, 3 }, { 2, 300 }, { 3, 300 } }, "analyze: computing statistics" },
	{ PROGRESS_ANALYZE, { { 1, 4 }, { 4, 2 }, { 5, 1 } }, "analyze: computing extended statistics 50 %" },
	{ PROGRESS_CLUSTER, { { 1, 1 }, { 2, 1 }, { 6, 8 }, { 7, 6 } }, "cluster: scanning heap 75 %" },
	{ PROGRESS_CLUSTER, { { 1, 2 }, { 2, 6 }, { 6, 8 }, { 7, 8 } }, "vacuum full: rebuilding indexes" },
	{ PROGRESS_CREATE_INDEX,
	  { { 1, 1 }, { 9, 403 }, { 10, 2 }, { 11, 2 }, { 16, 200 }, { 17, 86 } },
	  "create index: building, scanning table 43 %" },
	{ PROGRESS_CREATE_INDEX,
	  { { 1, 1 }, { 9, 403 }, { 10, 2 }, { 11, 3 }, { 12, 5000 }, { 13, 0 } },
	  "create index: building, sorting" },
	{ PROGRESS_CREATE_INDEX,
	  { { 1, 3 }, { 9, 403 }, { 10, 2 }, { 11, 5 }, { 12, 5000 }, { 13, 4999 } },
	  "reindex: building, loading 99 %" },
	/* Another method's subphases are its own. */
	{ PROGRESS_CREATE_INDEX,
	  { { 1, 1 }, { 9, 405 }, { 10, 2 }, { 11, 5 }, { 16, 200 }, { 17, 100 } },
	  "create index: building 50 %" },
	{ PROGRESS_CREATE_INDEX,
	  { { 1, 2 }, { 4, 5 }, { 5, 2 }, { 6, 8008 }, { 10, 1 } },
	  "create index: waits for writers, 2 of 5 done, now 8008" },
	{ PROGRESS_CREATE_INDEX,
	  { { 1, 2 }, { 6, 8008 }, { 10, 7 } },
	  "create index: waits for old snapshots, now 8008" },
	{ PROGRESS_CREATE_INDEX,
	  { { 1, 4 }, { 4, 1 }, { 5, 1 }, { 10, 9 } },
	  "reindex: waits for readers, 1 of 1 done" },
	/* A locker is one only where it is waited for. */
	{ PROGRESS_CREATE_INDEX,
	  { { 1, 2 }, { 4, 5 }, { 5, 5 }, { 6, 8008 }, { 10, 6 }, { 16, 10 }, { 17, 1 } },
	  "create index: validating, scanning table 10 %" },
	{ PROGRESS_CREATE_INDEX, { { 1, 2 }, { 6, INT64_MAX }, { 10, 7 } }, "create index: waits for old snapshots" },
	{ PROGRESS_BASEBACKUP, { { 1, 3 }, { 2, 1000 }, { 3, 999 } }, "base backup: streaming files 99 %" },
	{ PROGRESS_BASEBACKUP, { { 1, 3 }, { 2, -1 }, { 3, 999 } }, "base backup: streaming files" },
	{ PROGRESS_BASEBACKUP, { { 1, 3 }, { 2, 1000 }, { 3, 1200 } }, "base backup: streaming files 100 %" },
	{ PROGRESS_COPY, { { 1, 10 }, { 2, 100 }, { 5, 1 } }, "copy from 10 %" },
	{ PROGRESS_COPY, { { 1, 10 }, { 2, 0 }, { 5, 2 } }, "copy to" },
	{ PROGRESS_COPY, { { 1, INT64_MAX - 1 }, { 2, INT64_MAX }, { 5, 1 } }, "copy from 99 %" },
	{ PROGRESS_COPY, { { 1, -5 }, { 2, 100 }, { 5, 9 } }, "copy" },
};

static void says_how_far_it_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct progress progress = { .kind = cases[i].kind };
		struct strbuf text = STRBUF_INIT;
		for (const struct param *param = cases[i].params; param->number > 0; param++)
			progress.params[param->number - 1] = param->value;
		progress_describe(&progress, &text);
		assert_string_equal(text.text, cases[i].text);
		strbuf_release(&text);
	}
}

/* Whatever a server sends as a parameter: nothing is read beyond the tables. */
static void bears_any_number(void **state)
{
	static const int64_t values[] = { INT64_MIN, -1, 0, 1, 2, 9, 10, 403, 1000, INT64_MAX };
	(void)state;
	for (int kind = 0; kind < PROGRESS_KIND_COUNT; kind++) {
		for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
			struct progress progress = { .kind = (enum progress_kind)kind };
			for (int param = 0; param < PROGRESS_PARAMS; param++)
				progress.params[param] = values[(i + (size_t)param) % 10];
			struct progress_stage stage = progress_read(&progress);
			assert_non_null(stage.command);
			int percent = progress_percent(&stage);
			assert_true(percent >= -1 && percent <= 100);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_how_far_it_is),
		cmocka_unit_test(bears_any_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
