/* Rows of any bytes in any columns: they become the model or an error, and a snapshot of them can be built. */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_COLUMNS = 20 };

struct bytes {
	const uint8_t *data;
	size_t size;
};

static uint8_t take_byte(struct bytes *bytes)
{
	if (bytes->size == 0)
		return 0;
	bytes->size--;
	return *bytes->data++;
}

/* Each field a copy of its own, so that a read beyond its end is seen. A length of 0xff is NULL. */
static void take_fields(struct bytes *bytes, struct row_field *fields, int count)
{
	for (int i = 0; i < count; i++) {
		size_t length = take_byte(bytes);
		bool null = length == 0xff;
		if (length > bytes->size)
			length = bytes->size;
		char *copy = malloc(length + (length == 0));
		if (!copy)
			abort();
		memcpy(copy, bytes->data, null ? 0 : length);
		fields[i] = (struct row_field){ copy, null ? -1 : (int)length };
		bytes->data += null ? 0 : length;
		bytes->size -= null ? 0 : length;
	}
}

static void free_fields(struct row_field *fields, int count)
{
	for (int i = 0; i < count; i++)
		free((void *)(uintptr_t)fields[i].data);
}

static void check_text(const char *text)
{
	size_t length = text ? strlen(text) : 0;
	for (size_t i = 0, taken; i < length; i += taken) {
		taken = encoding_utf8_sequence((const unsigned char *)text + i, length - i);
		if (taken == 0)
			abort();
	}
}

static const char *encoding_of(const void *databases, uint32_t database)
{
	static const char *const names[] = {
		NULL, "UTF8", "LATIN1", "EUC_JP", "EUC_TW", "WIN1252", "SQL_ASCII", "KOI8R"
	};
	(void)databases;
	return names[database % 8];
}

static void check_answer(const struct queue_answer *answer)
{
	for (uint32_t i = 1; i < answer->blocker_count; i++)
		if (answer->blockers[i - 1] >= answer->blockers[i])
			abort();
}

static void parse_record(const struct row_reader *reader, struct snapshot *snapshot, struct row_field record)
{
	struct row_field fields[SESSION_COLUMN_COUNT];
	struct session session;
	struct err err;
	if (!rows_split_record(record, fields, SESSION_COLUMN_COUNT, &err) ||
	    !rows_parse_session(reader, fields, &session, &err) || !rows_parse_moving(reader, fields, &session, &err))
		return;
	check_text(session.wait_event);
	snapshot_add_session(snapshot, &session);
}

static void parse_row(const struct row_reader *reader, struct snapshot *snapshot, struct bytes *bytes)
{
	struct row_field fields[MOST_COLUMNS];
	struct session session;
	struct lock lock;
	struct prepared prepared;
	struct queue_answer answer, *answers;
	uint32_t count;
	struct err err;
	uint8_t kind = take_byte(bytes) % 6;
	take_fields(bytes, fields, MOST_COLUMNS);
	if (kind == 0 && rows_parse_session(reader, fields, &session, &err)) {
		check_text(session.query_with_literals);
		check_text(session.application);
		snapshot_add_session(snapshot, &session);
	} else if (kind == 1 && rows_parse_lock(reader, fields, &lock, &err)) {
		check_text(lock.virtualtransaction);
		snapshot_add_lock(snapshot, &lock);
	} else if (kind == 2 && rows_parse_prepared(reader, fields, &prepared, &err)) {
		check_text(prepared.gid);
		snapshot_add_prepared(snapshot, &prepared);
	} else if (kind == 3 && rows_parse_answer(reader->arena, fields, &answer, &err)) {
		check_answer(&answer);
	} else if (kind == 4 && rows_parse_answers(reader->arena, fields, &answers, &count, &err)) {
		for (uint32_t i = 0; i < count; i++)
			check_answer(&answers[i]);
	} else if (kind == 5) {
		parse_record(reader, snapshot, fields[0]);
	}
	free_fields(fields, MOST_COLUMNS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	struct row_reader reader = { &arena, decoder_new(), encoding_of, NULL };
	struct snapshot *snapshot = snapshot_new(&arena);
	struct bytes bytes = { data, size };
	while (bytes.size > 0)
		parse_row(&reader, snapshot, &bytes);
	snapshot_finish(snapshot);
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (snapshot_find_pid(snapshot, snapshot->sessions[i].id.pid) != i)
			abort();
	decoder_free(reader.decoder);
	arena_release(&arena);
	return 0;
}
