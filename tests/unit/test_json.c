#include "pglocktop/json.h"

#include "fixture.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROW_XID 4711

static const struct json_options plain;

/* The document's text, for the caller to release. */
static struct strbuf write_frame(struct frame *frame, struct json_options options)
{
	struct arena arena = ARENA_INIT;
	struct strbuf out = STRBUF_INIT;
	fixture_finish(frame);
	json_write_snapshot(forest_new(frame, (struct forest_order){ NULL, false }, &arena), &options, &out);
	arena_release(&arena);
	frame_free(frame);
	return out;
}

static json_t *read_back(struct strbuf *text)
{
	json_error_t error;
	assert_ptr_equal(strchr(text->text, '\n'), text->text + text->length - 1); /* one line */
	json_t *document = json_loads(text->text, JSON_REJECT_DUPLICATES, &error);
	if (!document)
		fail_msg("%s at %d: %s", error.text, error.position, text->text);
	strbuf_release(text);
	return document;
}

static json_t *document_of(struct frame *frame, struct json_options options)
{
	struct strbuf text = write_frame(frame, options);
	return read_back(&text);
}

static json_t *session_of(const json_t *document, int pid)
{
	size_t i;
	json_t *session;
	json_array_foreach(json_object_get(document, "sessions"), i,
			   session) if (json_integer_value(json_object_get(session, "pid")) == pid) return session;
	fail_msg("no session %d", pid);
	return NULL;
}

/* Compares a part of the document with JSON text written with ' for ". */
static void assert_part(const json_t *part, const char *wanted)
{
	struct strbuf want = STRBUF_INIT;
	for (const char *c = wanted; *c; c++)
		strbuf_add_char(&want, *c == '\'' ? '"' : *c);
	char *text = json_dumps(part, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	assert_string_equal(text, want.text);
	free(text);
	strbuf_release(&want);
}

static void assert_null_fields(const json_t *object, const char *const *names)
{
	for (; *names; names++)
		if (!json_is_null(json_object_get(object, *names)))
			fail_msg("%s is not null", *names);
}

/* 1 holds the row's transaction, 2 and 3 wait for it, 2 holds the tuple lock besides. */
static struct frame *blocked_frame(void)
{
	struct frame *frame = fixture_new();
	fixture_session(frame, 1, "checkout", SESSION_IDLE_IN_TRANSACTION);
	fixture_session(frame, 2, "worker-1", SESSION_ACTIVE);
	fixture_session(frame, 3, "worker-2", SESSION_ACTIVE);
	fixture_holds(frame, 1, fixture_xid(ROW_XID), LOCKMODE_EXCLUSIVE);
	fixture_waits(frame, 2, fixture_xid(ROW_XID), LOCKMODE_SHARE, 298.4);
	fixture_waits(frame, 3, fixture_xid(ROW_XID), LOCKMODE_SHARE, 1.000001);
	return frame;
}

static void test_head(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	frame->snapshot->cost = (struct snapshot_cost){ 2100, 900, 3000, 412, 1830 };
	frame->snapshot->deadlocks = 7;
	struct strbuf text = write_frame(frame, plain);
	static const char wanted[] =
		"{\"format\":\"pglocktop\",\"version\":1,\"taken_at\":\"2026-11-22T14:32:07.123456+00:00\","
		"\"server\":{\"host\":\"prod-db1\",\"port\":5432,\"database\":\"shop\",\"version_num\":150018,"
		"\"in_recovery\":false,\"started_at\":\"2026-11-21T14:32:07.123456+00:00\","
		"\"deadlock_timeout\":1.0,\"max_connections\":500,\"slots_for_all\":497,"
		"\"system_identifier\":\"7412000000000000001\",\"replay_lag\":null,\"receives_wal\":null,"
		"\"max_standby_delay\":null},"
		"\"role\":{\"name\":\"dba\",\"superuser\":false,\"sees_all\":true,\"signals_others\":true},"
		"\"cost\":{\"server\":0.0021,\"client\":0.0009,\"activity_rows\":412,\"lock_rows\":1830},"
		"\"totals\":{\"sessions\":0,\"active\":0,\"idle_in_transaction\":0,\"waiting\":0,\"roots\":0,"
		"\"longest_wait\":null,\"deadlocks\":7},"
		"\"sessions\":[],\"prepared\":[],\"deadlocks\":[],\"locks\":[]}\n";
	assert_string_equal(text.text, wanted);
	strbuf_release(&text);
}

static void test_unknown_head(void **state)
{
	(void)state;
	struct frame *frame = frame_new();
	frame->snapshot->taken_at = FIXTURE_NOW;
	json_t *document = document_of(frame, plain);
	static const char *const server[] = { "host",
					      "port",
					      "database",
					      "version_num",
					      "started_at",
					      "deadlock_timeout",
					      "max_connections",
					      "slots_for_all",
					      "system_identifier",
					      NULL };
	static const char *const role[] = { "name", "superuser", "sees_all", "signals_others", NULL };
	assert_null_fields(json_object_get(document, "server"), server);
	assert_null_fields(json_object_get(document, "role"), role);
	assert_true(json_is_null(json_object_get(json_object_get(document, "totals"), "deadlocks")));
	json_decref(document);
}

/* Field by field, in the order of the format. */
static void test_session(void **state)
{
	(void)state;
	struct frame *frame = blocked_frame();
	struct session *third = &frame->snapshot->sessions[2];
	third->query = "update orders";
	third->has_query_id = true;
	third->query_id = INT64_MIN;
	third->leader_pid = 7;
	third->wait_event_type = "Lock";
	third->wait_event = "transactionid";
	json_t *document = document_of(frame, plain);
	assert_part(session_of(document, 3),
		    "{'id':'3@2026-11-22T12:32:07.123456+00:00','pid':3,'leader_pid':7,"
		    "'backend_type':'client backend','user':'app','database':'shop','application':'worker-2',"
		    "'client':'10.0.0.5','backend_start':'2026-11-22T12:32:07.123456+00:00',"
		    "'xact_start':'2026-11-22T14:27:07.123456+00:00','query_start':'2026-11-22T14:27:08.123456+00:00',"
		    "'state_change':'2026-11-22T14:27:09.123456+00:00','state':'active','wait_event_type':'Lock',"
		    "'wait_event':'transactionid','query_id':-9223372036854775808,"
		    "'query':'update orders','progress':null,"
		    "'waits_for':{'lock':'transactionid','mode':'ShareLock','object':'xid 4711',"
		    "'since':'2026-11-22T14:32:06.123455+00:00','wait':1.000001},"
		    "'blocked_by':[{'pid':1,'id':'1@2026-11-22T12:32:07.123456+00:00','prepared':null,'kind':'hard'}],"
		    "'blocks':{'direct':0,'total':0,'beneath':0,'exact':true},'deadlock':null,"
		    "'may':{'cancel':true,'terminate':true,'why_not':null}}");
	assert_part(json_object_get(session_of(document, 1), "blocks"),
		    "{'direct':2,'total':2,'beneath':2,'exact':true}");
	assert_part(json_object_get(json_object_get(session_of(document, 2), "waits_for"), "wait"), "298.4");
	assert_part(json_object_get(document, "totals"),
		    "{'sessions':3,'active':2,'idle_in_transaction':1,'waiting':2,'roots':1,'longest_wait':298.4,"
		    "'deadlocks':null}");
	json_decref(document);
}

/* What the role does not see is null, nothing is an empty string or 0, and there is nothing to signal. */
static void test_hidden_session(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	struct session hidden = { .id = { 9, WHEN_NONE },
				  .listed = true,
				  .application = "",
				  .xact_start = WHEN_NONE,
				  .query_start = WHEN_NONE,
				  .state_change = WHEN_NONE,
				  .query = "",
				  .may = MAY_NOT_NO_IDENTITY };
	snapshot_add_session(frame->snapshot, &hidden);
	json_t *document = document_of(frame, plain);
	json_t *session = session_of(document, 9);
	static const char *const names[] = {
		"id",		"leader_pid", "backend_type",	 "user",       "database",
		"application",	"client",     "backend_start",	 "xact_start", "query_start",
		"state_change", "state",      "wait_event_type", "wait_event", "query_id",
		"query",	"progress",   "waits_for",	 "deadlock",   NULL
	};
	assert_null_fields(session, names);
	assert_part(json_object_get(session, "blocked_by"), "[]");
	const json_t *may = json_object_get(session, "may");
	assert_true(json_is_false(json_object_get(may, "cancel")));
	assert_true(json_is_false(json_object_get(may, "terminate")));
	assert_true(json_string_length(json_object_get(may, "why_not")) > 0);
	json_decref(document);
}

static void test_hostile_text(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	fixture_session(frame, 1, "a\x1b[2J\"\\\n\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0é", SESSION_ACTIVE)->query =
		"\xd8\x9c\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae\xe2\x81\xa5"
		"\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa日\xf0\x9f\x98\x80";
	struct strbuf text = write_frame(frame, plain);
	assert_non_null(strstr(text.text, "\"a\\u001B[2J\\\"\\\\\\n\\u007F\\u0080\\u009B\\u009F\xc2\xa0é\""));
	assert_non_null(strstr(text.text, "\"\\u061C\xe2\x80\x8d\\u200E\\u200F\\u2029\\u202A\\u202E\xe2\x81\xa5"
					  "\\u2066\\u2069\xe2\x81\xaa日\xf0\x9f\x98\x80\""));
	json_t *document = read_back(&text);
	assert_string_equal(json_string_value(json_object_get(session_of(document, 1), "application")),
			    "a\x1b[2J\"\\\n\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0é");
	json_decref(document);
}

/* The source lets no such text through; if one came, the document would still be one. */
static void test_broken_text(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	fixture_session(frame, 1, "\xff\xc3", SESSION_ACTIVE);
	json_t *document = document_of(frame, plain);
	assert_true(json_is_null(json_object_get(session_of(document, 1), "application")));
	json_decref(document);
}

/* 40 hold a lock in Share mode that one wants exclusively: 32 are named, or all. */
static void test_many_blockers(void **state)
{
	(void)state;
	for (int all = 0; all <= 1; all++) {
		struct frame *frame = fixture_new();
		for (int32_t pid = 1; pid <= 41; pid++) {
			fixture_session(frame, pid, "x", SESSION_ACTIVE);
			if (pid <= 40)
				fixture_holds(frame, pid, fixture_relation(16389), LOCKMODE_SHARE);
		}
		fixture_waits(frame, 41, fixture_relation(16389), LOCKMODE_EXCLUSIVE, 5);
		json_t *document = document_of(frame, (struct json_options){ .all_edges = all });
		json_t *session = session_of(document, 41);
		assert_int_equal(json_array_size(json_object_get(session, "blocked_by")), all ? 40 : 32);
		const json_t *more = json_object_get(session, "blocked_by_more");
		if (all)
			assert_null(more);
		else
			assert_int_equal(json_integer_value(more), 8);
		json_decref(document);
	}
}

static void test_prepared(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	fixture_prepared(frame, ROW_XID, "order-77", "5/87");
	fixture_prepared(frame, ROW_XID + 1, "order-78", "5/88");
	fixture_session(frame, 2, "worker-1", SESSION_ACTIVE);
	fixture_waits(frame, 2, fixture_xid(ROW_XID), LOCKMODE_SHARE, 280);
	json_t *document = document_of(frame, plain);
	assert_part(json_object_get(document, "prepared"),
		    "[{'gid':'order-77','xid':4711,'owner':'app','database':'shop',"
		    "'prepared_at':'2026-11-22T14:22:07.123456+00:00','blocks':{'direct':1,'total':1}},"
		    "{'gid':'order-78','xid':4712,'owner':'app','database':'shop',"
		    "'prepared_at':'2026-11-22T14:22:07.123456+00:00','blocks':{'direct':0,'total':0}}]");
	assert_part(json_object_get(session_of(document, 2), "blocked_by"),
		    "[{'pid':null,'id':null,'prepared':'order-77','kind':'hard'}]");
	json_decref(document);
}

static void test_deadlock(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	for (int32_t pid = 1; pid <= 2; pid++) {
		fixture_session(frame, pid, "billing", SESSION_ACTIVE);
		fixture_holds(frame, pid, fixture_xid((uint32_t)pid), LOCKMODE_EXCLUSIVE);
		fixture_waits(frame, pid, fixture_xid((uint32_t)(3 - pid)), LOCKMODE_SHARE, pid);
	}
	fixture_session(frame, 3, "bystander", SESSION_IDLE);
	json_t *document = document_of(frame, plain);
	assert_part(json_object_get(document, "deadlocks"),
		    "[{'members':['1@2026-11-22T12:32:07.123456+00:00','2@2026-11-22T12:32:07.123456+00:00'],"
		    "'pids':[1,2],'kind':'hard'}]");
	assert_part(json_object_get(session_of(document, 1), "deadlock"), "0");
	assert_part(json_object_get(session_of(document, 1), "blocks"),
		    "{'direct':1,'total':1,'beneath':0,'exact':true}");
	assert_part(json_object_get(session_of(document, 3), "deadlock"), "null");
	json_decref(document);
}

/* A worker repeats its leader's list, is never named itself, and only its own wait is its own. */
static void test_parallel_query(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	fixture_session(frame, 1, "migration", SESSION_IDLE_IN_TRANSACTION);
	fixture_session(frame, 2, "report", SESSION_ACTIVE);
	for (int32_t pid = 3; pid <= 4; pid++) {
		struct session *worker = fixture_session(frame, pid, "report", SESSION_ACTIVE);
		worker->backend_type = "parallel worker";
		worker->leader_pid = 2;
	}
	fixture_holds(frame, 1, fixture_relation(16389), LOCKMODE_ACCESS_EXCLUSIVE);
	fixture_holds(frame, 2, fixture_relation(16390), LOCKMODE_ACCESS_SHARE);
	fixture_waits(frame, 3, fixture_relation(16389), LOCKMODE_ACCESS_SHARE, 5);
	json_t *document = document_of(frame, plain);
	static const char blockers[] =
		"[{'pid':1,'id':'1@2026-11-22T12:32:07.123456+00:00','prepared':null,'kind':'hard'}]";
	for (int pid = 2; pid <= 4; pid++)
		assert_part(json_object_get(session_of(document, pid), "blocked_by"), blockers);
	assert_part(json_object_get(session_of(document, 1), "blocks"),
		    "{'direct':1,'total':1,'beneath':1,'exact':true}");
	assert_true(json_is_object(json_object_get(session_of(document, 2), "waits_for")));
	assert_true(json_is_object(json_object_get(session_of(document, 3), "waits_for")));
	assert_true(json_is_null(json_object_get(session_of(document, 4), "waits_for")));
	json_decref(document);
}

static void add_uncontended(struct frame *frame)
{
	struct lock fast = { .tag = fixture_relation(16389),
			     .pid = 1,
			     .mode = LOCKMODE_ACCESS_SHARE,
			     .granted = true,
			     .fastpath = true,
			     .waitstart = WHEN_NONE,
			     .virtualtransaction = "5/87" };
	snapshot_add_lock(frame->snapshot, &fast);
	fixture_holds(frame, 1, fixture_relation(16390), LOCKMODE_ACCESS_SHARE);
	fixture_holds(frame, 1, fixture_xid(ROW_XID), LOCKMODE_SIREAD);
}

static void test_locks(void **state)
{
	(void)state;
	struct frame *frame = blocked_frame();
	add_uncontended(frame);
	json_t *document = document_of(frame, plain);
	const json_t *locks = json_object_get(document, "locks");
	assert_int_equal(json_array_size(locks), 3);
	assert_part(json_array_get(locks, 1),
		    "{'pid':2,'virtualtransaction':null,'locktype':'transactionid','database':null,'relation':null,"
		    "'page':null,'tuple':null,'virtualxid':null,'transactionid':4711,'classid':null,'objid':null,"
		    "'objsubid':null,'mode':'ShareLock','granted':false,'fastpath':false,"
		    "'waitstart':'2026-11-22T14:27:08.723456+00:00','name':null}");
	json_decref(document);
}

static void test_progress(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	struct progress vacuum = { .pid = 1, .kind = PROGRESS_VACUUM, .relation = 16389 };
	struct progress index = { .pid = 2, .kind = PROGRESS_CREATE_INDEX, .params = { 2, 0, 0, 5, 2, 8008 } };
	vacuum.params[0] = 1;
	vacuum.params[1] = 1000;
	vacuum.params[2] = 437;
	index.params[9] = 7;
	fixture_session(frame, 1, "a", SESSION_ACTIVE);
	fixture_session(frame, 2, "b", SESSION_ACTIVE);
	snapshot_add_progress(frame->snapshot, &index);
	snapshot_add_progress(frame->snapshot, &vacuum);
	json_t *document = document_of(frame, plain);
	assert_part(json_object_get(session_of(document, 1), "progress"),
		    "{'command':'vacuum','phase':'scanning heap','relation':16389,'done':437,'total':1000,"
		    "'lockers_done':null,'lockers_total':null,'locker':null}");
	assert_part(json_object_get(session_of(document, 2), "progress"),
		    "{'command':'create index','phase':'waits for old snapshots','relation':null,'done':null,"
		    "'total':null,'lockers_done':2,'lockers_total':5,'locker':8008}");
	json_decref(document);
}

static void test_all_locks(void **state)
{
	(void)state;
	static const struct relation_name names[] = { { 5, 16389, "orders", 'r', NULL } };
	struct frame *frame = blocked_frame();
	add_uncontended(frame);
	frame->snapshot->relations = names;
	frame->snapshot->relation_count = 1;
	json_t *document = document_of(frame, (struct json_options){ .all_locks = true });
	const json_t *locks = json_object_get(document, "locks");
	assert_int_equal(json_array_size(locks), 6);
	assert_part(json_array_get(locks, 3),
		    "{'pid':1,'virtualtransaction':'5/87','locktype':'relation','database':5,'relation':16389,"
		    "'page':null,'tuple':null,'virtualxid':null,'transactionid':null,'classid':null,'objid':null,"
		    "'objsubid':null,'mode':'AccessShareLock','granted':true,'fastpath':true,'waitstart':null,"
		    "'name':'orders'}");
	json_decref(document);
}

/* The server keeps no wait start: neither since nor an age. */
static void test_no_wait_start(void **state)
{
	(void)state;
	struct frame *frame = fixture_new();
	fixture_session(frame, 1, "checkout", SESSION_IDLE_IN_TRANSACTION);
	fixture_session(frame, 2, "worker-1", SESSION_ACTIVE);
	fixture_holds(frame, 1, fixture_xid(ROW_XID), LOCKMODE_EXCLUSIVE);
	fixture_waits(frame, 2, fixture_xid(ROW_XID), LOCKMODE_SHARE, -1);
	json_t *document = document_of(frame, plain);
	assert_part(json_object_get(session_of(document, 2), "waits_for"),
		    "{'lock':'transactionid','mode':'ShareLock','object':'xid 4711','since':null,'wait':null}");
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),	      cmocka_unit_test(test_unknown_head),
		cmocka_unit_test(test_session),	      cmocka_unit_test(test_hidden_session),
		cmocka_unit_test(test_hostile_text),  cmocka_unit_test(test_broken_text),
		cmocka_unit_test(test_many_blockers), cmocka_unit_test(test_prepared),
		cmocka_unit_test(test_deadlock),      cmocka_unit_test(test_parallel_query),
		cmocka_unit_test(test_locks),	      cmocka_unit_test(test_all_locks),
		cmocka_unit_test(test_progress),      cmocka_unit_test(test_no_wait_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
