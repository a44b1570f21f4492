#include "bench/micro_rows.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_PER_SESSION = 5, TREE = 20, ASKED = 64, DATABASE = 5 };

/* A brief wait is shown otherwise. */
#define LEAST_WAIT (2 * WHEN_SECOND)

enum { SMALLEST_CIRCLE = 2, CIRCLES = 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 /* sessions */ };

const char *const micro_shape_names[MICRO_SHAPES] = { "forest", "star", "chain", "queue", "deadlocks" };

static struct row_field field_of(struct arena *arena, const void *bytes, size_t length)
{
	return (struct row_field){ arena_bytes(arena, bytes, length), (int)length };
}

static struct row_field text_field(struct arena *arena, const char *text)
{
	return field_of(arena, text, strlen(text));
}

static struct row_field number_field(struct arena *arena, uint64_t number, size_t size)
{
	unsigned char bytes[8];
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(number >> (8 * (size - 1 - i)));
	return field_of(arena, bytes, size);
}

static void clear_fields(struct row_field *fields, int count)
{
	for (int i = 0; i < count; i++)
		fields[i] = (struct row_field){ NULL, -1 };
}

static void add_session(struct micro_rows *rows, uint32_t who)
{
	struct arena *arena = &rows->arena;
	struct row_field *fields = rows->sessions[rows->session_count++];
	static const char address[] = { 2, 32, 0, 4, 10, 0, 0, 5 };
	char *query = arena_printf(arena, "update stock set n = n - %u where id = '%u' and shop = %u", who, who * 7,
				   who * 13);
	clear_fields(fields, SESSION_COLUMN_COUNT);
	fields[SESSION_COLUMN_PID] = number_field(arena, MICRO_FIRST_PID + who, 4);
	fields[SESSION_COLUMN_BACKEND_TYPE] = text_field(arena, "client backend");
	fields[SESSION_COLUMN_DATID] = number_field(arena, DATABASE, 4);
	fields[SESSION_COLUMN_USESYSID] = number_field(arena, 10, 4);
	fields[SESSION_COLUMN_APPLICATION_NAME] = text_field(arena, arena_printf(arena, "worker-%u", who % 100));
	fields[SESSION_COLUMN_CLIENT_ADDR] = field_of(arena, address, sizeof address);
	fields[SESSION_COLUMN_CLIENT_PORT] = number_field(arena, 30000 + who % 30000, 4);
	fields[SESSION_COLUMN_BACKEND_START] = number_field(arena, 1 + who, 8);
	fields[SESSION_COLUMN_XACT_START] = number_field(arena, 1 + who, 8);
	fields[SESSION_COLUMN_QUERY_START] = number_field(arena, 1 + who, 8);
	fields[SESSION_COLUMN_STATE_CHANGE] = number_field(arena, 1 + who, 8);
	fields[SESSION_COLUMN_STATE] = text_field(arena, "active");
	fields[SESSION_COLUMN_WAIT_EVENT_TYPE] = text_field(arena, "Lock");
	fields[SESSION_COLUMN_WAIT_EVENT] = text_field(arena, "transactionid");
	fields[SESSION_COLUMN_BACKEND_XID] = number_field(arena, 1000 + who, 4);
	fields[SESSION_COLUMN_QUERY] = text_field(arena, query);
}

static struct row_field *add_lock(struct micro_rows *rows, uint32_t who, enum lockmode mode, bool granted)
{
	struct arena *arena = &rows->arena;
	struct row_field *fields = rows->locks[rows->lock_count++];
	clear_fields(fields, LOCK_COLUMN_COUNT);
	fields[LOCK_COLUMN_VIRTUALTRANSACTION] = text_field(arena, arena_printf(arena, "%u/%u", who + 3, who * 5));
	fields[LOCK_COLUMN_PID] = number_field(arena, MICRO_FIRST_PID + who, 4);
	fields[LOCK_COLUMN_MODE] = text_field(arena, lockmode_name(mode));
	fields[LOCK_COLUMN_GRANTED] = number_field(arena, granted, 1);
	fields[LOCK_COLUMN_FASTPATH] = number_field(arena, 0, 1);
	if (!granted)
		fields[LOCK_COLUMN_WAITSTART] =
			number_field(arena, (uint64_t)(MICRO_TAKEN_AT - LEAST_WAIT - 1000 * (int64_t)who), 8);
	return fields;
}

static void add_xid(struct micro_rows *rows, uint32_t who, enum lockmode mode, bool granted, uint32_t xid)
{
	struct row_field *fields = add_lock(rows, who, mode, granted);
	fields[LOCK_COLUMN_LOCKTYPE] = text_field(&rows->arena, "transactionid");
	fields[LOCK_COLUMN_TRANSACTIONID] = number_field(&rows->arena, 1000 + xid, 4);
}

static void add_relation(struct micro_rows *rows, uint32_t who, enum lockmode mode, bool granted, uint32_t relation)
{
	struct row_field *fields = add_lock(rows, who, mode, granted);
	fields[LOCK_COLUMN_LOCKTYPE] = text_field(&rows->arena, "relation");
	fields[LOCK_COLUMN_DATABASE] = number_field(&rows->arena, DATABASE, 4);
	fields[LOCK_COLUMN_RELATION] = number_field(&rows->arena, relation, 4);
}

/* For whom one waits in the circle that it is in: circles of two, three … nine, and again. */
static uint32_t next_in_circle(uint32_t who, uint32_t count)
{
	uint32_t first = who / CIRCLES * CIRCLES, size = SMALLEST_CIRCLE;
	while (first + size <= who)
		first += size++;
	uint32_t end = first + size < count ? first + size : count;
	return who + 1 < end ? who + 1 : first;
}

static void add_jam(struct micro_rows *rows, enum micro_shape shape, uint32_t who, uint32_t count)
{
	if (shape == MICRO_QUEUE) {
		add_relation(rows, who, LOCKMODE_EXCLUSIVE, who == 0, 1);
		return;
	}
	add_xid(rows, who, LOCKMODE_EXCLUSIVE, true, who);
	if (shape == MICRO_FOREST && who >= TREE)
		add_xid(rows, who, LOCKMODE_SHARE, false, who / TREE - 1);
	else if (shape == MICRO_STAR && who > 0)
		add_xid(rows, who, LOCKMODE_SHARE, false, 0);
	else if (shape == MICRO_CHAIN && who > 0)
		add_xid(rows, who, LOCKMODE_SHARE, false, who - 1);
	else if (shape == MICRO_DEADLOCKS)
		add_xid(rows, who, LOCKMODE_SHARE, false, next_in_circle(who, count));
}

struct micro_rows *micro_rows_new(enum micro_shape shape, uint32_t count)
{
	struct micro_rows *rows = calloc(1, sizeof *rows);
	if (!rows)
		err_die("out of memory");
	uint32_t sessions = count / ROWS_PER_SESSION, locks = count - sessions;
	rows->sessions = arena_array(&rows->arena, sessions, sizeof *rows->sessions);
	rows->locks = arena_array(&rows->arena, locks, sizeof *rows->locks);
	for (uint32_t who = 0; who < sessions; who++) {
		add_session(rows, who);
		add_jam(rows, shape, who, sessions);
	}
	for (uint32_t i = 0; rows->lock_count < locks; i++)
		add_relation(rows, i % sessions, LOCKMODE_ROW_EXCLUSIVE, true, 1000 + i);
	return rows;
}

void micro_rows_free(struct micro_rows *owned)
{
	arena_release(&owned->arena);
	free(owned);
}

/* The one who waits longest has the highest pid. */
void micro_rows_add_answers(struct snapshot *snapshot, enum micro_shape shape)
{
	uint32_t waiters = snapshot->session_count - 1;
	if (shape != MICRO_QUEUE)
		return;
	struct queue_answer *answers = arena_array(snapshot->arena, ASKED, sizeof *answers);
	for (uint32_t i = 0; i < ASKED && i < waiters; i++) {
		int32_t *blockers = arena_array(snapshot->arena, waiters, sizeof *blockers);
		answers[i] = (struct queue_answer){ .pid = (int32_t)(MICRO_FIRST_PID + 1 + i), .blockers = blockers };
		blockers[answers[i].blocker_count++] = MICRO_FIRST_PID;
		for (uint32_t ahead = i + 2; ahead <= waiters; ahead++)
			blockers[answers[i].blocker_count++] = (int32_t)(MICRO_FIRST_PID + ahead);
		snapshot->answer_count = i + 1;
	}
	snapshot->answers = answers;
}
