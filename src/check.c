#include "pglocktop/check.h"

#include "json_value.h"

#include "pglocktop/privilege.h"
#include "pglocktop/totals.h"

#include <stdlib.h>
#include <string.h>

enum { APPLICATION_SESSIONS = 3, APPLICATIONS_NAMED = 3, REASONS = MAY_NOT_UNKNOWN + 1 };

struct check_report *check_report_new(void)
{
	struct check_report *report = calloc(1, sizeof *report);
	if (!report)
		err_die("out of memory (%zu bytes)", sizeof *report);
	return report;
}

void check_report_free(struct check_report *owned)
{
	if (!owned)
		return;
	arena_release(&owned->arena);
	free(owned);
}

bool check_is_good(const struct frame *frame)
{
	const struct role_info *role = &frame->snapshot->role;
	return role->known && role->sees_all && role->signals_others;
}

/* ---- what follows from the sessions ---- */

/* How many may not be signalled for a reason, and one of them. */
struct reasons {
	uint32_t count[REASONS];
	uint32_t example[REASONS];
};

static struct reasons count_reasons(const struct snapshot *snapshot)
{
	struct reasons reasons = { .count = { 0 } };
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		enum session_may may = snapshot->sessions[i].may;
		if (reasons.count[may]++ == 0)
			reasons.example[may] = i;
	}
	return reasons;
}

/* What is said of: neither the program's own session nor what came or went while the server was read. */
static bool is_told(enum session_may may)
{
	return may != MAY_SIGNAL && may != MAY_NOT_OWN && may != MAY_NOT_GONE;
}

/* A client that a person works with, by the name that it gives itself. */
static bool is_tool(const char *application)
{
	static const char *const tools[] = { "psql",	 "pglocktop", "pg_activity", "pgAdmin", "DBeaver",
					     "DataGrip", "pg_dump",   "pg_top",	     "pgcli" };
	for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
		if (strncmp(application, tools[i], strlen(tools[i])) == 0)
			return true;
	return false;
}

/* The sessions of a role that look like an application's. */
struct use {
	uint32_t sessions;
	const char *applications[APPLICATIONS_NAMED];
	uint32_t named;
};

static void note_application(struct use *use, const char *application)
{
	use->sessions++;
	for (uint32_t i = 0; i < use->named; i++)
		if (strcmp(use->applications[i], application) == 0)
			return;
	if (*application && use->named < APPLICATIONS_NAMED)
		use->applications[use->named++] = application;
}

static struct use use_of(const struct snapshot *snapshot, uint32_t role)
{
	struct use use = { .sessions = 0 };
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		const char *application = session->application ? session->application : "";
		if (session->usesysid == role && session->is_client && !is_tool(application))
			note_application(&use, application);
	}
	return use;
}

static bool is_applications(const struct check_holder *holder, const struct use *use)
{
	return holder->login && !holder->superuser && use->sessions >= APPLICATION_SESSIONS;
}

static bool lacks_reserved(const struct check_report *report, const struct frame *frame)
{
	const struct role_info *role = &frame->snapshot->role;
	return report->has_reserved_role && !report->uses_reserved && !role->superuser && role->quoted;
}

/* ---- what is to be done, in SQL ---- */

static void add_reserved(const struct check_report *report, const struct role_info *role, struct strbuf *out)
{
	bool with_inherit = !role->inherits;
	for (size_t i = 0; i < report->membership_count; i++)
		with_inherit |= strcmp(report->memberships[i].role, "pg_use_reserved_connections") == 0;
	strbuf_printf(out, "GRANT pg_use_reserved_connections TO %s%s;", role->quoted,
		      with_inherit ? " WITH INHERIT TRUE" : "");
}

static void add_revoke(const struct check_holder *holder, struct strbuf *out)
{
	strbuf_printf(out, "REVOKE %s FROM %s%s%s%s;", holder->through, holder->quoted,
		      *holder->grantor ? " GRANTED BY " : "", holder->grantor, holder->granted_on ? " CASCADE" : "");
}

/* Called with each statement and, where there is one, a remark. */
typedef void (*statement_taker)(void *context, const char *statement, const char *remark);

static void each_grant(const struct check_report *report, const struct frame *frame, statement_taker take,
		       void *context)
{
	const struct snapshot *snapshot = frame->snapshot;
	struct strbuf text = STRBUF_INIT;
	for (unsigned i = 0; privilege_statement(snapshot, i, &text); i++) {
		take(context, text.text, i == 0 ? "never for an application's role" : "");
		strbuf_reset(&text);
	}
	if (lacks_reserved(report, frame)) {
		add_reserved(report, &snapshot->role, &text);
		take(context, text.text,
		     report->reserved == 0 ? "and reserved_connections above 0 in postgresql.conf" : "");
	}
	strbuf_release(&text);
}

static void each_revoke(const struct check_report *report, const struct frame *frame, statement_taker take,
			void *context)
{
	struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; i < report->holder_count; i++) {
		const struct check_holder *holder = &report->holders[i];
		struct use use = use_of(frame->snapshot, holder->oid);
		if (!is_applications(holder, &use))
			continue;
		add_revoke(holder, &text);
		take(context, text.text, holder->granted_on ? "and from those to whom it was granted on" : "");
		strbuf_reset(&text);
	}
	strbuf_release(&text);
}

static void each_statement(const struct check_report *report, const struct frame *frame, statement_taker take,
			   void *context)
{
	each_grant(report, frame, take, context);
	each_revoke(report, frame, take, context);
}

/* ---- in words ---- */

/* A line is told when it is whole: what is in a name is no line's end. */
struct teller {
	void (*tell)(void *context, const char *line);
	void *context;
	struct strbuf line;
};

static void tell(struct teller *teller)
{
	teller->tell(teller->context, teller->line.text);
	strbuf_reset(&teller->line);
}

static void tell_text(struct teller *teller, const char *text)
{
	strbuf_add_string(&teller->line, text);
	tell(teller);
}

static void tell_memberships(const struct check_report *report, struct teller *teller)
{
	strbuf_add_string(&teller->line, "  member of  ");
	for (size_t i = 0; i < report->membership_count; i++)
		strbuf_printf(&teller->line, "%s%s%s", i ? ", " : "", report->memberships[i].role,
			      report->memberships[i].inherited ? "" : " (without its privileges)");
	tell_text(teller, report->membership_count ? "" : "no role");
}

static void tell_role(const struct check_report *report, const struct snapshot *snapshot, struct teller *teller)
{
	const struct role_info *role = &snapshot->role;
	strbuf_printf(&teller->line, "role %s on %s:%d, PostgreSQL %s%s", role->name ? role->name : "?",
		      snapshot->server.host, snapshot->server.port, snapshot->server.version,
		      role->superuser ? ", superuser" : "");
	tell(teller);
	tell_memberships(report, teller);
	tell_text(teller, role->sees_all
				  ? "  sees       the sessions of all roles, with their queries"
				  : "  sees       all locks, but of other roles' sessions neither query nor state");
	if (role->superuser)
		tell_text(teller, "  signals    every session");
	else if (role->signals_others)
		tell_text(teller, "  signals    the sessions of all roles but superusers");
	else
		tell_text(teller, "  signals    its own sessions, and those of roles whose privileges it has");
}

static void tell_reasons(const struct snapshot *snapshot, struct teller *teller)
{
	struct reasons reasons = count_reasons(snapshot);
	strbuf_printf(&teller->line, "sessions now: %u may be signalled", (unsigned)reasons.count[MAY_SIGNAL]);
	tell(teller);
	for (int may = 0; may < REASONS; may++) {
		if (!is_told((enum session_may)may) || reasons.count[may] == 0)
			continue;
		strbuf_printf(&teller->line, "  %u not: ", (unsigned)reasons.count[may]);
		privilege_explain(snapshot, &snapshot->sessions[reasons.example[may]], &teller->line);
		tell(teller);
	}
}

static void tell_slots(const struct check_report *report, const struct frame *frame, struct teller *teller)
{
	strbuf_printf(&teller->line, "slots: %d, of these %d for superusers, %d reserved; %u in use",
		      (int)report->max_connections, (int)report->superuser_reserved, (int)report->reserved,
		      (unsigned)totals_of(frame).connections);
	tell(teller);
	if (frame->snapshot->role.superuser)
		tell_text(teller, "  a superuser gets into all of them");
	else
		tell_text(teller, report->uses_reserved ? "  this role gets into the reserved ones"
							: "  this role gets into none of the reserved ones");
}

static void tell_holder(const struct check_holder *holder, const struct snapshot *snapshot, struct teller *teller)
{
	struct use use = use_of(snapshot, holder->oid);
	struct strbuf *line = &teller->line;
	strbuf_printf(line, "  %s: %s, %s%s%s%s%s", holder->role, holder->login ? "login" : "no login",
		      holder->direct ? "directly" : "through ", holder->direct ? "" : holder->through,
		      holder->superuser ? ", superuser" : "",
		      holder->inherited ? ""
		      : holder->sets	? ", only by SET ROLE"
					: ", without its privileges",
		      holder->admin ? ", may grant it on" : "");
	if (*holder->grantor)
		strbuf_printf(line, ", granted by %s", holder->grantor);
	if (is_applications(holder, &use)) {
		strbuf_printf(line, "; %u sessions", (unsigned)use.sessions);
		for (uint32_t i = 0; i < use.named; i++)
			strbuf_printf(line, "%s%s", i ? ", " : " of ", use.applications[i]);
		strbuf_add_string(line, ": AN APPLICATION'S ROLE, as it looks");
	}
	tell(teller);
}

static void tell_holders(const struct check_report *report, const struct snapshot *snapshot, struct teller *teller)
{
	tell_text(teller, "pg_signal_backend is held by");
	for (size_t i = 0; i < report->holder_count; i++)
		tell_holder(&report->holders[i], snapshot, teller);
	if (report->holder_count == 0)
		tell_text(teller, "  nobody");
}

struct to_do {
	struct teller *teller;
	bool any;
};

static void tell_statement(void *context, const char *statement, const char *remark)
{
	struct to_do *to_do = context;
	to_do->any = true;
	strbuf_printf(&to_do->teller->line, "  %s%s%s", statement, *remark ? " -- " : "", remark);
	tell(to_do->teller);
}

static void tell_advice(const struct check_report *report, const struct frame *frame, struct teller *teller)
{
	struct to_do to_do = { teller, false };
	struct strbuf none = STRBUF_INIT;
	bool lacks = privilege_lacks(&frame->snapshot->role);
	tell_text(teller, "to be done");
	/* What cannot be advised to this role is no statement. */
	if (lacks && !privilege_statement(frame->snapshot, 0, &none)) {
		strbuf_add_string(&teller->line, "  -- ");
		privilege_advise(frame->snapshot, &teller->line);
		tell(teller);
	}
	strbuf_release(&none);
	each_statement(report, frame, tell_statement, &to_do);
	if (!to_do.any && !lacks)
		tell_text(teller, "  -- nothing");
}

void check_tell(const struct check_report *report, const struct frame *frame,
		void (*line)(void *context, const char *line), void *context)
{
	struct teller teller = { line, context, STRBUF_INIT };
	tell_role(report, frame->snapshot, &teller);
	tell_reasons(frame->snapshot, &teller);
	tell_slots(report, frame, &teller);
	tell_holders(report, frame->snapshot, &teller);
	tell_advice(report, frame, &teller);
	strbuf_release(&teller.line);
}

/* ---- as JSON ---- */

static json_t *memberships_value(const struct check_report *report)
{
	json_t *list = json_array();
	for (size_t i = 0; i < report->membership_count; i++) {
		json_t *value = json_object();
		put(value, "role", text_value(report->memberships[i].role));
		put(value, "inherited", json_boolean(report->memberships[i].inherited));
		json_array_append_new(list, value);
	}
	return list;
}

static json_t *reasons_value(const struct snapshot *snapshot)
{
	struct reasons reasons = count_reasons(snapshot);
	json_t *list = json_array();
	for (int may = 0; may < REASONS; may++) {
		struct strbuf why = STRBUF_INIT;
		if (!is_told((enum session_may)may) || reasons.count[may] == 0)
			continue;
		json_t *value = json_object();
		const struct session *example = &snapshot->sessions[reasons.example[may]];
		privilege_explain(snapshot, example, &why);
		put(value, "sessions", json_integer(reasons.count[may]));
		put(value, "example", json_integer(example->id.pid));
		put(value, "why", text_value(why.text));
		json_array_append_new(list, value);
		strbuf_release(&why);
	}
	return list;
}

static json_t *holder_value(const struct check_holder *holder, const struct snapshot *snapshot)
{
	struct use use = use_of(snapshot, holder->oid);
	bool applications = is_applications(holder, &use);
	struct strbuf revoke = STRBUF_INIT;
	json_t *value = json_object();
	put(value, "role", text_value(holder->role));
	put(value, "through", text_value(holder->through));
	put(value, "direct", json_boolean(holder->direct));
	put(value, "login", json_boolean(holder->login));
	put(value, "superuser", json_boolean(holder->superuser));
	put(value, "granted_by", text_value(*holder->grantor ? holder->grantor : NULL));
	put(value, "inherited", json_boolean(holder->inherited));
	put(value, "set_role", json_boolean(holder->sets));
	put(value, "admin", json_boolean(holder->admin));
	put(value, "application_sessions", json_integer(use.sessions));
	put(value, "likely_application", json_boolean(applications));
	if (applications)
		add_revoke(holder, &revoke);
	put(value, "revoke", text_value(revoke.text));
	strbuf_release(&revoke);
	return value;
}

static json_t *slots_value(const struct check_report *report, const struct frame *frame)
{
	json_t *value = json_object();
	put(value, "max_connections", json_integer(report->max_connections));
	put(value, "superuser_reserved", json_integer(report->superuser_reserved));
	put(value, "reserved", json_integer(report->reserved));
	put(value, "in_use", json_integer(totals_of(frame).connections));
	put(value, "may_use_reserved", json_boolean(report->uses_reserved || frame->snapshot->role.superuser));
	return value;
}

static void append_statement(void *context, const char *statement, const char *remark)
{
	(void)remark;
	json_array_append_new(context, text_value(statement));
}

void check_add_json(const struct check_report *report, const struct frame *frame, struct strbuf *out)
{
	const struct snapshot *snapshot = frame->snapshot;
	json_t *value = json_object(), *holders = json_array();
	json_t *statements = json_array();
	for (size_t i = 0; i < report->holder_count; i++)
		json_array_append_new(holders, holder_value(&report->holders[i], snapshot));
	each_statement(report, frame, append_statement, statements);
	put(value, "format", json_string("pglocktop-check"));
	put(value, "version", json_integer(1));
	put(value, "role", text_value(snapshot->role.name));
	put(value, "superuser", json_boolean(snapshot->role.superuser));
	put(value, "sees_all", json_boolean(snapshot->role.sees_all));
	put(value, "signals_others", json_boolean(snapshot->role.signals_others));
	put(value, "member_of", memberships_value(report));
	put(value, "may_signal", json_integer(count_reasons(snapshot).count[MAY_SIGNAL]));
	put(value, "may_not_signal", reasons_value(snapshot));
	put(value, "slots", slots_value(report, frame));
	put(value, "holders", holders);
	put(value, "statements", statements);
	json_value_write(value, out);
	strbuf_add_char(out, '\n');
}
