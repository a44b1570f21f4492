/*
 * How long it takes from lock rows to lines on screen, for jams of several shapes: the median of several runs, in
 * milliseconds. `analysis WAITERS ROWS` (4000 100000).
 */
#include "pglocktop/column.h"
#include "pglocktop/frame.h"
#include "pglocktop/outline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 15, FIRST_PID = 10000, TAKEN_AT = 1000000000 };

enum step { STEP_SNAPSHOT, STEP_GRAPH, STEP_FOREST, STEP_OUTLINE, STEP_BEHIND, STEP_OBJECTS, STEP_COUNT };

struct jam {
	const char *name;
	void (*add_lock)(struct snapshot *snapshot, uint32_t waiter);
	bool answered; /* about 64 of the queue the server was asked */
};

static void add_row(struct snapshot *snapshot, uint32_t who, enum lockmode mode, bool granted, enum locktag_kind kind,
		    uint32_t id)
{
	struct lock lock = { .pid = (int32_t)(FIRST_PID + who), .mode = mode, .granted = granted };
	lock.waitstart = granted ? WHEN_NONE : TAKEN_AT - 1000 * (int64_t)(who + 1);
	lock.tag.kind = kind;
	lock.tag.type = "some";
	if (kind == LOCKTAG_TRANSACTIONID) {
		lock.tag.columns = LOCKTAG_HAS_TRANSACTIONID;
		lock.tag.transactionid = id;
	} else {
		lock.tag.columns = LOCKTAG_HAS_DATABASE | LOCKTAG_HAS_RELATION;
		lock.tag.database = 1;
		lock.tag.relation = id;
	}
	snapshot_add_lock(snapshot, &lock);
}

/* Process 0 holds; the others wait for it. */
static void add_star(struct snapshot *snapshot, uint32_t who)
{
	add_row(snapshot, who, who ? LOCKMODE_SHARE : LOCKMODE_EXCLUSIVE, who == 0, LOCKTAG_TRANSACTIONID, 1);
}

static void add_chain(struct snapshot *snapshot, uint32_t who)
{
	add_row(snapshot, who, LOCKMODE_EXCLUSIVE, true, LOCKTAG_TRANSACTIONID, who);
	if (who > 0)
		add_row(snapshot, who, LOCKMODE_SHARE, false, LOCKTAG_TRANSACTIONID, who - 1);
}

/* All want the same for themselves. */
static void add_queue(struct snapshot *snapshot, uint32_t who)
{
	add_row(snapshot, who, LOCKMODE_EXCLUSIVE, who == 0, LOCKTAG_RELATION, 1);
}

/* Twenty wait for each. */
static void add_forest(struct snapshot *snapshot, uint32_t who)
{
	add_row(snapshot, who, LOCKMODE_EXCLUSIVE, true, LOCKTAG_TRANSACTIONID, who);
	if (who >= 20)
		add_row(snapshot, who, LOCKMODE_SHARE, false, LOCKTAG_TRANSACTIONID, who / 20 - 1);
}

/* Behind an ALTER TABLE; everybody holds a share of another contended table, too. */
static void add_hub(struct snapshot *snapshot, uint32_t who)
{
	add_row(snapshot, who, LOCKMODE_ACCESS_SHARE, true, LOCKTAG_RELATION, 2);
	if (who == 0)
		add_row(snapshot, who, LOCKMODE_ACCESS_SHARE, true, LOCKTAG_RELATION, 1);
	else
		add_row(snapshot, who, who == 1 ? LOCKMODE_ACCESS_EXCLUSIVE : LOCKMODE_ACCESS_SHARE, false,
			LOCKTAG_RELATION, 1);
	if (who == 2)
		add_row(snapshot, FIRST_PID * 10, LOCKMODE_ACCESS_EXCLUSIVE, false, LOCKTAG_RELATION, 2);
}

static void add_answers(struct snapshot *snapshot, uint32_t waiters)
{
	enum { ASKED = 64 };
	struct queue_answer *answers = arena_array(snapshot->arena, ASKED, sizeof *answers);
	for (uint32_t i = 0; i < ASKED && i + 1 < waiters; i++) {
		/* The one who waits longest has the highest pid. */
		int32_t *blockers = arena_array(snapshot->arena, waiters, sizeof *blockers);
		answers[i] = (struct queue_answer){ .pid = (int32_t)(FIRST_PID + 1 + i), .blockers = blockers };
		blockers[answers[i].blocker_count++] = FIRST_PID;
		for (uint32_t ahead = i + 2; ahead <= waiters; ahead++)
			blockers[answers[i].blocker_count++] = (int32_t)(FIRST_PID + ahead);
		snapshot->answer_count = i + 1;
	}
	snapshot->answers = answers;
}

static struct frame *make_frame(const struct jam *jam, uint32_t waiters, uint32_t rows)
{
	struct frame *frame = frame_new();
	struct snapshot *snapshot = frame->snapshot;
	snapshot->taken_at = TAKEN_AT;
	snapshot->server.version_num = 160000;
	for (uint32_t i = 0; i <= waiters; i++) {
		struct session session = { .id = { (int32_t)(FIRST_PID + i), 1 + i }, .listed = true, .datid = 1 };
		session.xact_start = session.query_start = 1 + i;
		session.state_change = WHEN_NONE;
		session.state = SESSION_ACTIVE;
		session.backend_type = "client backend";
		session.query = arena_printf(&frame->arena, "update stock set n = n - %u where id = '%u' and shop = %u",
					     i, i * 7, i * 13);
		snapshot_add_session(snapshot, &session);
		jam->add_lock(snapshot, i);
	}
	for (uint32_t i = 0; snapshot->lock_count < rows; i++)
		add_row(snapshot, i % (waiters + 1), LOCKMODE_ROW_EXCLUSIVE, true, LOCKTAG_RELATION, 1000 + i);
	if (jam->answered)
		add_answers(snapshot, waiters);
	return frame;
}

/* All of them, though a screen shows fifty: what grows with the queue's square shows here. */
static void format_rows(const struct forest *objects)
{
	struct strbuf text = STRBUF_INIT;
	for (uint32_t i = 0; i < objects->count; i++) {
		struct column_row row = column_row_of_item(objects, i);
		for (int column = COLUMN_OF_SESSIONS; column < COLUMN_COUNT; column++)
			column_format(&columns[column], &row, true, &text);
		strbuf_reset(&text);
	}
	strbuf_release(&text);
}

static void run_once(const struct jam *jam, uint32_t waiters, uint32_t rows, int64_t took[static STEP_COUNT])
{
	struct arena arena = ARENA_INIT;
	struct frame *frame = make_frame(jam, waiters, rows);
	int64_t marks[STEP_COUNT + 1] = { when_monotonic() };
	snapshot_finish(frame->snapshot);
	marks[1] = when_monotonic();
	frame->graph = graph_new(frame->snapshot);
	marks[2] = when_monotonic();
	struct forest *forest = forest_new(frame, (struct forest_order){ NULL, true }, &arena);
	marks[3] = when_monotonic();
	outline_new(forest, &(struct outline_options){ .height = 50, .brief = 1 }, &arena);
	marks[4] = when_monotonic();
	graph_count_behind(frame->graph, UINT32_MAX, &arena);
	marks[5] = when_monotonic();
	struct forest *objects = forest_new_objects(frame, (struct forest_order){ NULL, true }, &arena);
	outline_new(objects, &(struct outline_options){ .whole = true }, &arena);
	format_rows(objects);
	marks[6] = when_monotonic();
	for (int step = 0; step < STEP_COUNT; step++)
		took[step] = marks[step + 1] - marks[step];
	arena_release(&arena);
	frame_free(frame);
}

static int compare_times(const void *left, const void *right)
{
	const int64_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static void run(const struct jam *jam, uint32_t waiters, uint32_t rows)
{
	int64_t times[STEP_COUNT][RUNS], took[STEP_COUNT];
	for (int i = 0; i < RUNS; i++) {
		run_once(jam, waiters, rows, took);
		for (int step = 0; step < STEP_COUNT; step++)
			times[step][i] = took[step];
	}
	printf("%-16s %8u %8u", jam->name, (unsigned)waiters, (unsigned)rows);
	for (int step = 0; step < STEP_COUNT; step++) {
		qsort(times[step], RUNS, sizeof *times[step], compare_times);
		printf(" %9.2f", (double)times[step][RUNS / 2] / 1000);
	}
	putchar('\n');
}

int main(int argc, char **argv)
{
	static const struct jam jams[] = {
		{ "star", add_star, false },	 { "chain", add_chain, false },
		{ "queue", add_queue, false },	 { "queue, asked 64", add_queue, true },
		{ "forest", add_forest, false }, { "hub", add_hub, false },
	};
	uint32_t waiters = argc > 1 ? (uint32_t)atoi(argv[1]) : 4000;
	uint32_t rows = argc > 2 ? (uint32_t)atoi(argv[2]) : 100000;
	printf("%-16s %8s %8s %9s %9s %9s %9s %9s %9s\n", "jam", "waiters", "rows", "snapshot", "graph", "forest",
	       "outline", "behind", "objects");
	for (size_t i = 0; i < sizeof jams / sizeof *jams; i++) {
		run(&jams[i], waiters, 0);
		run(&jams[i], waiters, rows);
	}
	return 0;
}
