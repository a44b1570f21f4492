#include "pglocktop/progress.h"

#include <inttypes.h>

/* Places in params[], by command (progress.h of the server). */
enum {
	VACUUM_PHASE = 0,
	VACUUM_BLOCKS = 1,
	VACUUM_SCANNED = 2,
	VACUUM_VACUUMED = 3,
	VACUUM_INDEXES = 8, /* 17+ */
	VACUUM_INDEXES_DONE = 9,
	ANALYZE_PHASE = 0,
	ANALYZE_BLOCKS = 1,
	ANALYZE_BLOCKS_DONE = 2,
	ANALYZE_STATISTICS = 3,
	ANALYZE_STATISTICS_DONE = 4,
	CLUSTER_COMMAND = 0,
	CLUSTER_PHASE = 1,
	CLUSTER_BLOCKS = 5,
	CLUSTER_SCANNED = 6,
	INDEX_COMMAND = 0,
	INDEX_LOCKERS = 3,
	INDEX_LOCKERS_DONE = 4,
	INDEX_LOCKER = 5,
	INDEX_METHOD = 8,
	INDEX_PHASE = 9,
	INDEX_SUBPHASE = 10,
	INDEX_TUPLES = 11,
	INDEX_TUPLES_DONE = 12,
	INDEX_BLOCKS = 15,
	INDEX_BLOCKS_DONE = 16,
	BACKUP_PHASE = 0,
	BACKUP_BYTES = 1, /* -1: not estimated */
	BACKUP_STREAMED = 2,
	COPY_BYTES_DONE = 0,
	COPY_BYTES = 1, /* 0: not from a file */
	COPY_COMMAND = 4
};

/* A phase, by its number; where its total and what is done of it are, -1: nowhere. */
struct phase {
	const char *name;
	int total, done;
	bool waits;
};

static const struct phase vacuum_phases[] = {
	{ "initializing", -1, -1, false },
	{ "scanning heap", VACUUM_BLOCKS, VACUUM_SCANNED, false },
	{ "vacuuming indexes", VACUUM_INDEXES, VACUUM_INDEXES_DONE, false },
	{ "vacuuming heap", VACUUM_BLOCKS, VACUUM_VACUUMED, false },
	{ "cleaning up indexes", VACUUM_INDEXES, VACUUM_INDEXES_DONE, false },
	{ "truncating heap", -1, -1, false },
	{ "final cleanup", -1, -1, false },
};

static const struct phase analyze_phases[] = {
	{ "initializing", -1, -1, false },
	{ "sampling rows", ANALYZE_BLOCKS, ANALYZE_BLOCKS_DONE, false },
	{ "sampling inherited rows", ANALYZE_BLOCKS, ANALYZE_BLOCKS_DONE, false },
	{ "computing statistics", -1, -1, false },
	{ "computing extended statistics", ANALYZE_STATISTICS, ANALYZE_STATISTICS_DONE, false },
	{ "finalizing", -1, -1, false },
};

static const struct phase cluster_phases[] = {
	{ "initializing", -1, -1, false },	 { "scanning heap", CLUSTER_BLOCKS, CLUSTER_SCANNED, false },
	{ "scanning index", -1, -1, false },	 { "sorting", -1, -1, false },
	{ "writing new heap", -1, -1, false },	 { "swapping files", -1, -1, false },
	{ "rebuilding indexes", -1, -1, false }, { "final cleanup", -1, -1, false },
};

static const struct phase index_phases[] = {
	{ "initializing", -1, -1, false },
	{ "waits for writers", -1, -1, true },
	{ "building", INDEX_BLOCKS, INDEX_BLOCKS_DONE, false },
	{ "waits for writers", -1, -1, true },
	{ "validating, scanning index", INDEX_BLOCKS, INDEX_BLOCKS_DONE, false },
	{ "validating, sorting", -1, -1, false },
	{ "validating, scanning table", INDEX_BLOCKS, INDEX_BLOCKS_DONE, false },
	{ "waits for old snapshots", -1, -1, true },
	{ "waits for readers", -1, -1, true },
	{ "waits for readers", -1, -1, true },
};

/* Of the phase "building" in a B-tree, by its subphase (nbtree.h): then it is tuples that are counted. */
static const struct phase btree_phases[] = {
	{ "building", INDEX_BLOCKS, INDEX_BLOCKS_DONE, false },
	{ "building", -1, -1, false },
	{ "building, scanning table", INDEX_BLOCKS, INDEX_BLOCKS_DONE, false },
	{ "building, sorting", -1, -1, false },
	{ "building, sorting", -1, -1, false },
	{ "building, loading", INDEX_TUPLES, INDEX_TUPLES_DONE, false },
};

static const struct phase backup_phases[] = {
	{ "initializing", -1, -1, false },
	{ "waits for checkpoint", -1, -1, false },
	{ "estimating size", -1, -1, false },
	{ "streaming files", BACKUP_BYTES, BACKUP_STREAMED, false },
	{ "waits for WAL archiving", -1, -1, false },
	{ "streaming WAL", -1, -1, false },
};

static const struct phase copy_phases[] = { { NULL, COPY_BYTES, COPY_BYTES_DONE, false } };

static const char *const vacuum_commands[] = { "vacuum" };
static const char *const analyze_commands[] = { "analyze" };
static const char *const cluster_commands[] = { "cluster", "cluster", "vacuum full" };
static const char *const index_commands[] = { "create index", "create index", "create index", "reindex", "reindex" };
static const char *const backup_commands[] = { "base backup" };
static const char *const copy_commands[] = { "copy", "copy from", "copy to" };

#define LIST(array) array, sizeof(array) / sizeof(array)[0]

/* By kind: which parameter chooses the command and the phase (-1: there is only one), and the lists of both. */
static const struct {
	int command_param, phase_param;
	const char *const *commands;
	size_t command_count;
	const struct phase *phases;
	size_t phase_count;
} kinds[PROGRESS_KIND_COUNT] = {
	[PROGRESS_VACUUM] = { -1, VACUUM_PHASE, LIST(vacuum_commands), LIST(vacuum_phases) },
	[PROGRESS_ANALYZE] = { -1, ANALYZE_PHASE, LIST(analyze_commands), LIST(analyze_phases) },
	[PROGRESS_CLUSTER] = { CLUSTER_COMMAND, CLUSTER_PHASE, LIST(cluster_commands), LIST(cluster_phases) },
	[PROGRESS_CREATE_INDEX] = { INDEX_COMMAND, INDEX_PHASE, LIST(index_commands), LIST(index_phases) },
	[PROGRESS_BASEBACKUP] = { -1, BACKUP_PHASE, LIST(backup_commands), LIST(backup_phases) },
	[PROGRESS_COPY] = { COPY_COMMAND, -1, LIST(copy_commands), LIST(copy_phases) },
};

/* A parameter as an index; `count` for one that is none. */
static size_t choose(const struct progress *progress, int param, size_t count)
{
	int64_t value = param < 0 ? 0 : progress->params[param];
	return value >= 0 && (uint64_t)value < count ? (size_t)value : count;
}

static const struct phase *find_phase(const struct progress *progress)
{
	enum { BUILDING = 2, BTREE_METHOD = 403 /* pg_am.dat */ };
	size_t count = sizeof btree_phases / sizeof btree_phases[0];
	bool index = progress->kind == PROGRESS_CREATE_INDEX;
	if (index && progress->params[INDEX_PHASE] == BUILDING && progress->params[INDEX_METHOD] == BTREE_METHOD) {
		size_t subphase = choose(progress, INDEX_SUBPHASE, count);
		return &btree_phases[subphase < count ? subphase : 0];
	}
	count = kinds[progress->kind].phase_count;
	size_t phase = choose(progress, kinds[progress->kind].phase_param, count);
	return phase < count ? &kinds[progress->kind].phases[phase] : NULL;
}

static void read_lockers(const struct progress *progress, struct progress_stage *stage)
{
	int64_t pid = progress->params[INDEX_LOCKER];
	stage->waits = true;
	stage->lockers_total = progress->params[INDEX_LOCKERS];
	stage->lockers_done = progress->params[INDEX_LOCKERS_DONE];
	stage->locker = pid > 0 && pid <= INT32_MAX ? (int32_t)pid : 0;
}

struct progress_stage progress_read(const struct progress *progress)
{
	size_t command = choose(progress, kinds[progress->kind].command_param, kinds[progress->kind].command_count);
	const struct phase *phase = find_phase(progress);
	struct progress_stage stage = { .phase = phase ? phase->name : NULL };
	stage.command = kinds[progress->kind].commands[command < kinds[progress->kind].command_count ? command : 0];
	if (phase && phase->total >= 0 && progress->params[phase->total] > 0) {
		stage.total = progress->params[phase->total];
		stage.done = progress->params[phase->done];
	}
	if (phase && phase->waits)
		read_lockers(progress, &stage);
	return stage;
}

int progress_percent(const struct progress_stage *stage)
{
	if (stage->total <= 0 || stage->done < 0)
		return -1;
	if (stage->done >= stage->total)
		return 100;
	int percent = (int)((double)stage->done / (double)stage->total * 100);
	return percent < 100 ? percent : 99;
}

static void add_done(const struct progress_stage *stage, struct strbuf *out)
{
	int percent = progress_percent(stage);
	if (percent >= 0)
		strbuf_printf(out, " %d %%", percent);
	if (stage->waits && stage->lockers_total > 0)
		strbuf_printf(out, ", %" PRId64 " of %" PRId64 " done", stage->lockers_done, stage->lockers_total);
}

void progress_summarize(const struct progress *progress, struct strbuf *out)
{
	struct progress_stage stage = progress_read(progress);
	strbuf_add_string(out, stage.command);
	add_done(&stage, out);
}

void progress_describe(const struct progress *progress, struct strbuf *out)
{
	struct progress_stage stage = progress_read(progress);
	strbuf_add_string(out, stage.command);
	if (stage.phase)
		strbuf_printf(out, ": %s", stage.phase);
	add_done(&stage, out);
	if (stage.waits && stage.locker != 0)
		strbuf_printf(out, ", now %" PRId32, stage.locker);
}
