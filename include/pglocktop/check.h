/*
 * check.h - what a role may see and signal, who else may signal, and what would have to be granted or revoked.
 *
 * A source reads a report (COMMAND_CHECK); with a frame of the same source it is told in words or as JSON. What is to
 * be done is told in SQL that can be run as it stands, remarks as its comments.
 */
#ifndef PGLOCKTOP_CHECK_H
#define PGLOCKTOP_CHECK_H

#include "pglocktop/frame.h"
#include "pglocktop/strbuf.h"

/* A role that ours is a member of, directly or through others. */
struct check_membership {
	const char *role;
	bool inherited; /* ours has its privileges; else only SET ROLE would give them */
};

/* A role that is a member of pg_signal_backend. One row for each grant by which it is. */
struct check_holder {
	uint32_t oid;
	const char *role, *quoted; /* as a name, and as it is written in SQL */
	const char
		*through; /* what was granted to it, as written in SQL: pg_signal_backend itself, or another holder */
	const char *grantor; /* whose grant it is, as written in SQL; "": before 16, where that makes no difference */
	bool direct;
	bool login, superuser;
	bool inherited; /* it has the privileges without SET ROLE */
	bool sets; /* it may have them by SET ROLE */
	bool admin; /* it may grant that on */
	bool granted_on; /* 16+: it has done so; a REVOKE without CASCADE would fail */
};

struct check_report {
	struct arena arena;
	struct err err; /* text "": all of it was read */
	int32_t max_connections, superuser_reserved, reserved;
	bool uses_reserved; /* ours gets into the reserved ones */
	bool has_reserved_role; /* 16+: pg_use_reserved_connections */
	struct check_membership *memberships;
	size_t membership_count, membership_capacity;
	struct check_holder *holders;
	size_t holder_count, holder_capacity;
};

struct check_report *check_report_new(void);
void check_report_free(struct check_report *owned); /* takes NULL, too */

/* Whether the role sees all sessions and may signal those of other roles. */
bool check_is_good(const struct frame *frame);

/* Gives it line by line, hostile, each without its end. */
void check_tell(const struct check_report *report, const struct frame *frame,
		void (*line)(void *context, const char *text), void *context);

/* Appends it as one JSON document in a line. */
void check_add_json(const struct check_report *report, const struct frame *frame, struct strbuf *out);

#endif
