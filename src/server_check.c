/* COMMAND_CHECK: memberships, slots, and who holds pg_signal_backend. These read catalogs, with a lock_timeout. */
#include "server_private.h"

struct checking {
	struct server *server;
	struct check_report *report;
};

static const char *take_name(struct checking *checking, struct row_field field)
{
	if (field.length < 0)
		return "";
	return decoder_decode(checking->server->decoder, NULL, field.data, (size_t)field.length,
			      &checking->report->arena);
}

static bool handle_slots(void *context, const struct row_field *fields, struct err *err)
{
	struct checking *checking = context;
	struct check_report *report = checking->report;
	return rows_take_int32(fields[0], "max_connections", &report->max_connections, err) &&
	       rows_take_int32(fields[1], "superuser_reserved_connections", &report->superuser_reserved, err) &&
	       rows_take_int32(fields[2], "reserved_connections", &report->reserved, err) &&
	       rows_take_bool(fields[3], "pg_use_reserved_connections", &report->uses_reserved, err) &&
	       rows_take_bool(fields[4], "pg_use_reserved_connections", &report->has_reserved_role, err);
}

static bool handle_membership(void *context, const struct row_field *fields, struct err *err)
{
	struct checking *checking = context;
	struct check_report *report = checking->report;
	struct check_membership membership = { .role = take_name(checking, fields[0]) };
	if (!rows_take_bool(fields[1], "pg_has_role", &membership.inherited, err))
		return false;
	report->memberships = arena_grow(&report->arena, report->memberships, &report->membership_capacity,
					 report->membership_count + 1, sizeof membership);
	report->memberships[report->membership_count++] = membership;
	return true;
}

static bool handle_holder(void *context, const struct row_field *fields, struct err *err)
{
	struct checking *checking = context;
	struct check_report *report = checking->report;
	struct check_holder holder = { .role = take_name(checking, fields[1]),
				       .quoted = take_name(checking, fields[2]),
				       .through = take_name(checking, fields[6]),
				       .grantor = take_name(checking, fields[10]) };
	if (!rows_take_oid(fields[0], "role's oid", &holder.oid, err) ||
	    !rows_take_bool(fields[3], "rolcanlogin", &holder.login, err) ||
	    !rows_take_bool(fields[4], "rolsuper", &holder.superuser, err) ||
	    !rows_take_bool(fields[5], "pg_has_role", &holder.inherited, err) ||
	    !rows_take_bool(fields[7], "admin_option", &holder.admin, err) ||
	    !rows_take_bool(fields[8], "direct", &holder.direct, err) ||
	    !rows_take_bool(fields[9], "pg_has_role", &holder.sets, err) ||
	    !rows_take_bool(fields[11], "grantor", &holder.granted_on, err))
		return false;
	report->holders = arena_grow(&report->arena, report->holders, &report->holder_capacity,
				     report->holder_count + 1, sizeof holder);
	report->holders[report->holder_count++] = holder;
	return true;
}

bool server_check(struct server *server)
{
	struct checking checking = { server, check_report_new() };
	struct news news = { .kind = NEWS_CHECK, .check = checking.report };
	server->agenda.check = false;
	exchange_begin(server);
	exchange_add_query(server, QUERY_CHECK_SLOTS, NULL, handle_slots, &checking);
	exchange_add_query(server, QUERY_CHECK_MEMBERSHIPS, NULL, handle_membership, &checking);
	exchange_add_query(server, QUERY_CHECK_HOLDERS, NULL, handle_holder, &checking);
	exchange_sync(server);
	enum exchange_end end = exchange_wait(server, INT64_MAX);
	const struct exchange_item *failed = exchange_failed(&server->exchange);
	if (end == EXCHANGE_DONE && failed)
		err_set(&checking.report->err, "%s: %.900s", failed->name, failed->err.text);
	else if (end != EXCHANGE_DONE)
		err_set(&checking.report->err, "the connection was lost");
	queues_publish(&server->queues, &news);
	return end == EXCHANGE_DONE;
}
