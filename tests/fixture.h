/*
 * fixture.h - small frames made by hand, for tests of what is drawn and written from them.
 *
 *     fixture_new -> fixture_session, fixture_holds, fixture_waits … -> fixture_finish -> frame_free
 *
 * What fixture_session and fixture_prepared return may be changed until the next addition.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "pglocktop/frame.h"

/* 2026-11-22 14:32:07.123456 UTC */
#define FIXTURE_NOW (INT64_C(848673127) * WHEN_SECOND + 123456)

static inline int64_t fixture_ago(double seconds)
{
	return FIXTURE_NOW - (int64_t)(seconds * (double)WHEN_SECOND + 0.5);
}

static inline struct frame *fixture_new(void)
{
	struct frame *frame = frame_new();
	frame->snapshot->taken_at = FIXTURE_NOW;
	frame->snapshot->server = (struct server_info){ .host = "prod-db1",
							.port = 5432,
							.database = "shop",
							.version_num = 150018,
							.version = "15.18",
							.started_at = fixture_ago(86400),
							.deadlock_timeout = WHEN_SECOND,
							.replay_lag = WHEN_NONE,
							.max_standby_delay = WHEN_NONE,
							.max_connections = 500,
							.slots_for_all = 497,
							.system_identifier = "7412000000000000001" };
	frame->snapshot->role = (struct role_info){ .name = "dba",
						    .quoted = "dba",
						    .inherits = true,
						    .sees_all = true,
						    .signals_others = true,
						    .known = true };
	return frame;
}

static inline struct session *fixture_session(struct frame *frame, int32_t pid, const char *application,
					      enum session_state state)
{
	struct session session = { .id = { pid, fixture_ago(7200) },
				   .listed = true,
				   .is_client = true,
				   .backend_type = "client backend",
				   .usesysid = 10,
				   .user = "app",
				   .datid = 5,
				   .database = "shop",
				   .application = application,
				   .client = "10.0.0.5",
				   .xact_start = fixture_ago(300),
				   .query_start = fixture_ago(299),
				   .state_change = fixture_ago(298),
				   .state = state,
				   .state_text = session_state_name(state),
				   .query = "update orders set status = 'paid'",
				   .may = MAY_SIGNAL };
	snapshot_add_session(frame->snapshot, &session);
	return &frame->snapshot->sessions[frame->snapshot->session_count - 1];
}

static inline struct locktag fixture_xid(uint32_t xid)
{
	return (struct locktag){ .kind = LOCKTAG_TRANSACTIONID,
				 .columns = LOCKTAG_HAS_TRANSACTIONID,
				 .transactionid = xid,
				 .type = "transactionid" };
}

static inline struct locktag fixture_relation(uint32_t relation)
{
	return (struct locktag){ .kind = LOCKTAG_RELATION,
				 .columns = LOCKTAG_HAS_DATABASE | LOCKTAG_HAS_RELATION,
				 .database = 5,
				 .relation = relation,
				 .type = "relation" };
}

static inline void fixture_holds(struct frame *frame, int32_t pid, struct locktag tag, enum lockmode mode)
{
	struct lock lock = { .tag = tag, .pid = pid, .mode = mode, .granted = true, .waitstart = WHEN_NONE };
	snapshot_add_lock(frame->snapshot, &lock);
}

/* `seconds` below 0: the server keeps no wait start. */
static inline void fixture_waits(struct frame *frame, int32_t pid, struct locktag tag, enum lockmode mode,
				 double seconds)
{
	struct lock lock = {
		.tag = tag, .pid = pid, .mode = mode, .waitstart = seconds < 0 ? WHEN_NONE : fixture_ago(seconds)
	};
	snapshot_add_lock(frame->snapshot, &lock);
}

/* With the lock on its own transaction, by which it is known. */
static inline void fixture_prepared(struct frame *frame, uint32_t xid, const char *gid, const char *virtualtransaction)
{
	struct prepared prepared = { .xid = xid,
				     .gid = gid,
				     .ownerid = 10,
				     .owner = "app",
				     .datid = 5,
				     .database = "shop",
				     .prepared_at = fixture_ago(600) };
	struct lock lock = { .tag = fixture_xid(xid),
			     .mode = LOCKMODE_EXCLUSIVE,
			     .granted = true,
			     .waitstart = WHEN_NONE,
			     .virtualtransaction = virtualtransaction };
	snapshot_add_prepared(frame->snapshot, &prepared);
	snapshot_add_lock(frame->snapshot, &lock);
}

static inline void fixture_finish(struct frame *frame)
{
	snapshot_finish(frame->snapshot);
	frame->graph = graph_new(frame->snapshot);
}

#endif
