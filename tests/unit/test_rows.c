#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define FIELD(bytes) ((struct row_field){ bytes, sizeof(bytes) - 1 })
#define NULL_FIELD ((struct row_field){ NULL, -1 })

static const char *latin1(const void *databases, uint32_t database)
{
	(void)databases;
	return database == 16384 ? "LATIN1" : NULL;
}

struct fixture {
	struct arena arena;
	struct row_reader reader;
	struct err err;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	fixture = (struct fixture){ .arena = ARENA_INIT };
	fixture.reader = (struct row_reader){ &fixture.arena, decoder_new(), latin1, NULL };
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	decoder_free(fixture->reader.decoder);
	arena_release(&fixture->arena);
	return 0;
}

/* ---- sessions ---- */

static void fill_session(struct row_field *fields)
{
	for (int i = 0; i < SESSION_COLUMN_COUNT; i++)
		fields[i] = NULL_FIELD;
	fields[SESSION_COLUMN_PID] = FIELD("\0\0\x1f\x51");
	fields[SESSION_COLUMN_BACKEND_TYPE] = FIELD("client backend");
	fields[SESSION_COLUMN_DATID] = FIELD("\0\0\x40\0");
	fields[SESSION_COLUMN_USESYSID] = FIELD("\xff\xff\xff\xfe");
	fields[SESSION_COLUMN_APPLICATION_NAME] = FIELD("");
	fields[SESSION_COLUMN_CLIENT_PORT] = FIELD("\xff\xff\xff\xff");
	fields[SESSION_COLUMN_BACKEND_START] = FIELD("\0\x03\x04\x05\x06\x07\x08\x09");
	fields[SESSION_COLUMN_STATE] = FIELD("idle in transaction");
	fields[SESSION_COLUMN_QUERY] = FIELD("select '\xe4'");
}

static void reads_a_session(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[SESSION_COLUMN_COUNT];
	struct session session;
	fill_session(fields);
	assert_true(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
	assert_int_equal(session.id.pid, 8017);
	assert_true(session.id.backend_start == INT64_C(0x0003040506070809));
	assert_true(session.listed && session.is_client);
	assert_int_equal(session.usesysid, 0xfffffffe);
	assert_null(session.application);
	assert_string_equal(session.client, "local");
	assert_int_equal(session.client_port, 0);
	assert_int_equal(session.state, SESSION_IDLE_IN_TRANSACTION);
	assert_string_equal(session.query_with_literals, "select '\xc3\xa4'"); /* by the encoding of its database */
	assert_true(session.xact_start == WHEN_NONE && session.query_start == WHEN_NONE);
	assert_false(session.has_query_id);
}

static void what_the_role_may_not_see_is_hidden(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[SESSION_COLUMN_COUNT];
	struct session session;
	fill_session(fields);
	fields[SESSION_COLUMN_QUERY] = FIELD("<insufficient privilege>");
	assert_true(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
	assert_string_equal(session.query_with_literals, "<insufficient privilege>"); /* it runs just that */
	fields[SESSION_COLUMN_BACKEND_START] = NULL_FIELD;
	fields[SESSION_COLUMN_BACKEND_TYPE] = NULL_FIELD;
	fields[SESSION_COLUMN_STATE] = NULL_FIELD;
	assert_true(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
	assert_null(session.query_with_literals);
	assert_int_equal(session.state, SESSION_HIDDEN);
	assert_int_equal(session.id.backend_start, WHEN_NONE);
	assert_true(session.is_client);
	fields[SESSION_COLUMN_DATID] = NULL_FIELD;
	assert_true(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
	assert_false(session.is_client);
}

static void reads_addresses(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[SESSION_COLUMN_COUNT];
	struct session session;
	fill_session(fields);
	fields[SESSION_COLUMN_CLIENT_ADDR] = FIELD("\x02\x20\0\x04\x0a\0\0\x05");
	fields[SESSION_COLUMN_CLIENT_PORT] = FIELD("\0\0\xc8\x23");
	assert_true(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
	assert_string_equal(session.client, "10.0.0.5");
	assert_int_equal(session.client_port, 51235);
	fields[SESSION_COLUMN_CLIENT_ADDR] = FIELD("\x03\x80\0\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
	assert_true(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
	assert_string_equal(session.client, "fe80::1");
	fields[SESSION_COLUMN_CLIENT_ADDR] = FIELD("\x02\x20\0\x04\x0a\0\0");
	assert_true(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
	assert_null(session.client);
}

static void a_session_with_a_wrong_field_is_an_error(void **state)
{
	static const int checked[] = { SESSION_COLUMN_PID,	    SESSION_COLUMN_LEADER_PID,
				       SESSION_COLUMN_DATID,	    SESSION_COLUMN_USESYSID,
				       SESSION_COLUMN_CLIENT_PORT,  SESSION_COLUMN_BACKEND_START,
				       SESSION_COLUMN_XACT_START,   SESSION_COLUMN_QUERY_START,
				       SESSION_COLUMN_STATE_CHANGE, SESSION_COLUMN_BACKEND_XID,
				       SESSION_COLUMN_BACKEND_XMIN, SESSION_COLUMN_QUERY_ID };
	struct fixture *fixture = *state;
	struct row_field fields[SESSION_COLUMN_COUNT];
	struct session session;
	for (size_t i = 0; i < sizeof checked / sizeof *checked; i++) {
		fill_session(fields);
		fields[checked[i]] = FIELD("\0\0\0");
		assert_false(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
		assert_non_null(strstr(fixture->err.text, "3 bytes"));
	}
	fill_session(fields);
	fields[SESSION_COLUMN_PID] = NULL_FIELD;
	assert_false(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
}

static void what_moves_is_read_over_what_is_known(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[SESSION_COLUMN_COUNT];
	struct session session;
	fill_session(fields);
	fields[SESSION_COLUMN_XACT_START] = FIELD("\0\0\0\0\0\0\0\x07");
	fields[SESSION_COLUMN_BACKEND_XID] = FIELD("\0\0\0\x07");
	fields[SESSION_COLUMN_QUERY_ID] = FIELD("\0\0\0\0\0\0\0\x07");
	assert_true(rows_parse_session(&fixture->reader, fields, &session, &fixture->err));
	assert_true(session.has_query_id);
	for (int i = SESSION_COLUMN_XACT_START; i < SESSION_COLUMNS_MOVING; i++)
		fields[i] = NULL_FIELD;
	fields[SESSION_COLUMN_WAIT_EVENT_TYPE] = FIELD("Lock");
	fields[SESSION_COLUMN_BACKEND_XMIN] = FIELD("\0\0\0\x09");
	assert_true(rows_parse_moving(&fixture->reader, fields, &session, &fixture->err));
	assert_true(session.xact_start == WHEN_NONE && session.backend_xid == 0 && !session.has_query_id);
	assert_string_equal(session.wait_event_type, "Lock");
	assert_null(session.wait_event);
	assert_int_equal(session.backend_xmin, 9);
	assert_string_equal(session.query_with_literals, "select '\xc3\xa4'");
	fields[SESSION_COLUMN_PID] = NULL_FIELD;
	assert_false(rows_parse_moving(&fixture->reader, fields, &session, &fixture->err));
}

#define TYPE "\0\0\0\x17"

static void splits_a_record(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[3];
	const struct row_field record = FIELD("\0\0\0\3" TYPE "\0\0\0\4abcd" TYPE "\xff\xff\xff\xff" TYPE "\0\0\0\0");
	assert_true(rows_split_record(record, fields, 3, &fixture->err));
	assert_int_equal(fields[0].length, 4);
	assert_memory_equal(fields[0].data, "abcd", 4);
	assert_int_equal(fields[1].length, -1);
	assert_int_equal(fields[2].length, 0);
	for (int length = -1; length < record.length; length++)
		assert_false(rows_split_record((struct row_field){ record.data, length }, fields, 3, &fixture->err));
	assert_false(rows_split_record(record, fields, 2, &fixture->err));
	assert_false(rows_split_record(FIELD("\0\0\0\1" TYPE "\0\0\0\1ab"), fields, 1, &fixture->err));
	assert_false(rows_split_record(FIELD("\0\0\0\1" TYPE "\xff\xff\xff\xfe"), fields, 1, &fixture->err));
	assert_false(rows_split_record(FIELD("\0\0\0\1" TYPE "\x7f\xff\xff\xff"), fields, 1, &fixture->err));
}

/* ---- locks ---- */

static void fill_lock(struct row_field *fields)
{
	for (int i = 0; i < LOCK_COLUMN_COUNT; i++)
		fields[i] = NULL_FIELD;
	fields[LOCK_COLUMN_LOCKTYPE] = FIELD("tuple");
	fields[LOCK_COLUMN_DATABASE] = FIELD("\0\0\x40\0");
	fields[LOCK_COLUMN_RELATION] = FIELD("\0\0\x40\x05");
	fields[LOCK_COLUMN_PAGE] = FIELD("\xff\xff\xff\xfe"); /* an unsigned number in an int4 */
	fields[LOCK_COLUMN_TUPLE] = FIELD("\xff\xff");
	fields[LOCK_COLUMN_VIRTUALTRANSACTION] = FIELD("5/87");
	fields[LOCK_COLUMN_PID] = FIELD("\0\0\x1f\x51");
	fields[LOCK_COLUMN_MODE] = FIELD("ExclusiveLock");
	fields[LOCK_COLUMN_GRANTED] = FIELD("\0");
	fields[LOCK_COLUMN_FASTPATH] = FIELD("\1");
	fields[LOCK_COLUMN_WAITSTART] = FIELD("\0\0\0\0\0\0\0\x09");
}

static void reads_a_lock(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[LOCK_COLUMN_COUNT];
	struct lock lock;
	fill_lock(fields);
	assert_true(rows_parse_lock(&fixture->reader, fields, &lock, &fixture->err));
	assert_int_equal(lock.tag.kind, LOCKTAG_TUPLE);
	assert_string_equal(lock.tag.type, "tuple");
	assert_int_equal(lock.tag.columns,
			 LOCKTAG_HAS_DATABASE | LOCKTAG_HAS_RELATION | LOCKTAG_HAS_PAGE | LOCKTAG_HAS_TUPLE);
	assert_int_equal(lock.tag.page, 0xfffffffe);
	assert_int_equal(lock.tag.tuple, 0xffff);
	assert_int_equal(lock.pid, 8017);
	assert_int_equal(lock.mode, LOCKMODE_EXCLUSIVE);
	assert_false(lock.granted);
	assert_true(lock.fastpath);
	assert_int_equal(lock.waitstart, 9);
	assert_string_equal(lock.virtualtransaction, "5/87");
	assert_null(lock.tag.virtualxid);
}

static void unknown_words_still_make_a_lock(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[LOCK_COLUMN_COUNT];
	struct lock lock;
	fill_lock(fields);
	fields[LOCK_COLUMN_LOCKTYPE] = FIELD("a kind of lock from a far future version");
	fields[LOCK_COLUMN_MODE] = FIELD("PeekLock");
	fields[LOCK_COLUMN_PID] = NULL_FIELD;
	fields[LOCK_COLUMN_WAITSTART] = NULL_FIELD;
	assert_true(rows_parse_lock(&fixture->reader, fields, &lock, &fixture->err));
	assert_int_equal(lock.tag.kind, LOCKTAG_OTHER);
	assert_string_equal(lock.tag.type, "a kind of lock from a far future version");
	assert_int_equal(lock.mode, LOCKMODE_NONE);
	assert_int_equal(lock.pid, 0);
	assert_int_equal(lock.waitstart, WHEN_NONE);
}

static void a_lock_with_a_wrong_field_is_an_error(void **state)
{
	static const int checked[] = { LOCK_COLUMN_DATABASE,	  LOCK_COLUMN_RELATION, LOCK_COLUMN_PAGE,
				       LOCK_COLUMN_TUPLE,	  LOCK_COLUMN_CLASSID,	LOCK_COLUMN_OBJID,
				       LOCK_COLUMN_TRANSACTIONID, LOCK_COLUMN_OBJSUBID, LOCK_COLUMN_PID,
				       LOCK_COLUMN_GRANTED,	  LOCK_COLUMN_FASTPATH, LOCK_COLUMN_WAITSTART };
	struct fixture *fixture = *state;
	struct row_field fields[LOCK_COLUMN_COUNT];
	struct lock lock;
	for (size_t i = 0; i < sizeof checked / sizeof *checked; i++) {
		fill_lock(fields);
		fields[checked[i]] = FIELD("\0\0\0");
		assert_false(rows_parse_lock(&fixture->reader, fields, &lock, &fixture->err));
	}
}

/* ---- prepared transactions, answers ---- */

static void reads_a_prepared_transaction(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[PREPARED_COLUMN_COUNT] = { FIELD("\0\0\x12\x67"), FIELD("order-\xe4"),
							   FIELD("\0\0\0\0\0\0\0\x07"), FIELD("\0\0\0\x0a"),
							   FIELD("\0\0\x40\0") };
	struct prepared prepared;
	assert_true(rows_parse_prepared(&fixture->reader, fields, &prepared, &fixture->err));
	assert_int_equal(prepared.xid, 4711);
	assert_string_equal(prepared.gid, "order-\xc3\xa4");
	assert_int_equal(prepared.prepared_at, 7);
	assert_int_equal(prepared.ownerid, 10);
	assert_int_equal(prepared.datid, 16384);
	fields[PREPARED_COLUMN_TRANSACTION] = NULL_FIELD;
	assert_false(rows_parse_prepared(&fixture->reader, fields, &prepared, &fixture->err));
}

static void reads_progress(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[PROGRESS_COLUMN_COUNT];
	struct progress progress;
	for (int i = 0; i < PROGRESS_COLUMN_COUNT; i++)
		fields[i] = FIELD("\0\0\0\0\0\0\0\x05");
	fields[PROGRESS_COLUMN_KIND] = FIELD("\0\0\0\3");
	fields[PROGRESS_COLUMN_PID] = FIELD("\0\0\x1f\x51");
	fields[PROGRESS_COLUMN_RELID] = FIELD("\xff\0\0\1");
	fields[PROGRESS_COLUMN_PARAM1 + 1] = FIELD("\xff\xff\xff\xff\xff\xff\xff\xff");
	fields[PROGRESS_COLUMN_COUNT - 1] = NULL_FIELD;
	assert_true(rows_parse_progress(fields, &progress, &fixture->err));
	assert_int_equal(progress.kind, PROGRESS_CREATE_INDEX);
	assert_int_equal(progress.pid, 8017);
	assert_int_equal(progress.relation, 0xff000001);
	assert_true(progress.params[0] == 5 && progress.params[1] == -1);
	assert_true(progress.params[PROGRESS_PARAMS - 2] == 5 && progress.params[PROGRESS_PARAMS - 1] == 0);
	fields[PROGRESS_COLUMN_KIND] = FIELD("\0\0\0\6");
	assert_false(rows_parse_progress(fields, &progress, &fixture->err));
	fields[PROGRESS_COLUMN_KIND] = FIELD("\0\0\0\0");
	fields[PROGRESS_COLUMN_PARAM1] = FIELD("\0\0\0\0");
	assert_false(rows_parse_progress(fields, &progress, &fixture->err));
}

#define ARRAY_HEAD "\0\0\0\1\0\0\0\0\0\0\0\x17"

static void reads_an_answer_sorted_and_each_pid_once(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[2] = { FIELD("\0\0\0\x09"),
				       FIELD(ARRAY_HEAD
					     "\0\0\0\4\0\0\0\1"
					     "\0\0\0\4\0\0\0\7\0\0\0\4\0\0\0\3\0\0\0\4\0\0\0\7\0\0\0\4\0\0\0\0") };
	struct queue_answer answer;
	assert_true(rows_parse_answer(&fixture->arena, fields, &answer, &fixture->err));
	assert_int_equal(answer.pid, 9);
	assert_int_equal(answer.blocker_count, 3);
	assert_int_equal(answer.blockers[0], 0);
	assert_int_equal(answer.blockers[1], 3);
	assert_int_equal(answer.blockers[2], 7);
	fields[1] = FIELD("\0\0\0\0\0\0\0\0\0\0\0\x17");
	assert_true(rows_parse_answer(&fixture->arena, fields, &answer, &fixture->err));
	assert_int_equal(answer.blocker_count, 0);
}

static void a_broken_answer_is_an_error(void **state)
{
	const struct row_field broken[] = {
		NULL_FIELD,
		FIELD(""),
		FIELD("\0\0\0\1"),
		FIELD("\0\0\0\2\0\0\0\0\0\0\0\x17\0\0\0\1\0\0\0\1"),
		FIELD(ARRAY_HEAD "\0\0\0\2\0\0\0\1\0\0\0\4\0\0\0\7"),
		FIELD(ARRAY_HEAD "\xff\xff\xff\xff\0\0\0\1\0\0\0\4\0\0\0\7"),
		FIELD(ARRAY_HEAD "\x20\0\0\1\0\0\0\1\0\0\0\4\0\0\0\7"),
		FIELD(ARRAY_HEAD "\0\0\0\1\0\0\0\1\xff\xff\xff\xff\0\0\0\7"),
		FIELD(ARRAY_HEAD "\0\0\0\1\0\0\0\1\0\0\0\4\0\0\0"),
	};
	struct fixture *fixture = *state;
	struct queue_answer answer;
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		struct row_field fields[2] = { FIELD("\0\0\0\x09"), broken[i] };
		assert_false(rows_parse_answer(&fixture->arena, fields, &answer, &fixture->err));
	}
}

#define NO_PIDS "\0\0\0\0\0\0\0\0\0\0\0\x17"
#define ELEMENT(pid) "\0\0\0\4\0\0\0" pid

static void reads_many_answers_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct row_field fields[2] = {
		FIELD(ARRAY_HEAD "\0\0\0\3\0\0\0\1" ELEMENT("\x09") ELEMENT("\x08") ELEMENT("\x07")),
		FIELD(ARRAY_HEAD "\0\0\0\2\0\0\0\1" ELEMENT("\x05") ELEMENT("\x04") NO_PIDS ARRAY_HEAD
		      "\0\0\0\1\0\0\0\1" ELEMENT("\x09")),
	};
	struct queue_answer *answers;
	uint32_t count;
	assert_true(rows_parse_answers(&fixture->arena, fields, &answers, &count, &fixture->err));
	assert_int_equal(count, 3);
	assert_int_equal(answers[0].pid, 9);
	assert_int_equal(answers[0].blocker_count, 2);
	assert_int_equal(answers[0].blockers[0], 4);
	assert_int_equal(answers[1].pid, 8);
	assert_int_equal(answers[1].blocker_count, 0);
	assert_int_equal(answers[2].blockers[0], 9);
	for (int length = -1; length < fields[1].length; length++) {
		struct row_field cut[2] = { fields[0], { fields[1].data, length } };
		assert_false(rows_parse_answers(&fixture->arena, cut, &answers, &count, &fixture->err));
	}
	fields[0] = FIELD(ARRAY_HEAD "\0\0\0\1\0\0\0\1" ELEMENT("\x09"));
	assert_false(rows_parse_answers(&fixture->arena, fields, &answers, &count, &fixture->err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_a_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_role_may_not_see_is_hidden, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_with_a_wrong_field_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_moves_is_read_over_what_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(splits_a_record, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_a_lock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unknown_words_still_make_a_lock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lock_with_a_wrong_field_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_a_prepared_transaction, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_progress, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_an_answer_sorted_and_each_pid_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_answer_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_many_answers_at_once, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
