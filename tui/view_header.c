#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Room for the pieces of one line, with the gap between them. */
enum { GAP = 2, SPARK_CELLS = 12 };

static int segments_width(const struct canvas *canvas, const struct segment *segments, int count)
{
	int width = 1;
	for (int i = 0; i < count; i++)
		if (segments[i].text[0])
			width += text_width(canvas->charset, segments[i].text) + GAP;
	return width - GAP + 1;
}

static void drop_highest_rank(struct segment *segments, int count)
{
	int worst = -1;
	for (int i = 0; i < count; i++)
		if (segments[i].text[0] && segments[i].rank > 0 &&
		    (worst < 0 || segments[i].rank >= segments[worst].rank))
			worst = i;
	if (worst >= 0)
		segments[worst].text[0] = '\0';
}

static bool any_droppable(const struct segment *segments, int count)
{
	for (int i = 0; i < count; i++)
		if (segments[i].text[0] && segments[i].rank > 0)
			return true;
	return false;
}

void view_draw_segments(struct canvas *canvas, int y, struct segment *segments, int count)
{
	while (segments_width(canvas, segments, count) > canvas->width && any_droppable(segments, count))
		drop_highest_rank(segments, count);
	int right = canvas->width - 1;
	for (int i = count - 1; i >= 0; i--) {
		if (!segments[i].text[0] || !segments[i].right)
			continue;
		right -= text_width(canvas->charset, segments[i].text);
		canvas_put(canvas, y, right < 0 ? 0 : right, -1, segments[i].style, segments[i].text);
		right -= GAP;
	}
	int x = 1;
	for (int i = 0; i < count; i++) {
		int room = right + GAP - 1 - x;
		if (!segments[i].text[0] || segments[i].right || room <= 0)
			continue;
		x += canvas_put_cut(canvas, y, x, room, segments[i].style, segments[i].text) + GAP;
	}
}

static void add(struct segment *segments, int *count, enum style style, int rank, bool right, const char *text)
{
	struct segment *segment = &segments[(*count)++];
	*segment = (struct segment){ .style = style, .rank = rank, .right = right };
	snprintf(segment->text, sizeof segment->text, "%s", text);
}

static void server_text(const struct view_context *context, char *text, size_t size)
{
	const struct scene *scene = context->scene;
	if (!scene) {
		snprintf(text, size, "%s", context->state->status.host);
		return;
	}
	const struct server_info *server = &scene->frame->snapshot->server;
	const char *host = server->host && *server->host ? server->host : "local";
	if (host[0] == '/')
		snprintf(text, size, "local:%d/%s", server->port, server->database ? server->database : "?");
	else
		snprintf(text, size, strchr(host, ':') ? "[%s]:%d/%s" : "%s:%d/%s", host, server->port,
			 server->database ? server->database : "?");
}

static const char *role_rights(const struct role_info *role)
{
	if (!role->known)
		return "rights not read yet";
	if (role->sees_all)
		return role->signals_others ? "sees all, may signal" : "sees all, cannot signal";
	return role->signals_others ? "sees locks only, may signal" : "sees locks only, cannot signal";
}

static void role_text(const struct snapshot *snapshot, char *text, size_t size)
{
	const char *rights = role_rights(&snapshot->role);
	if (snapshot->role.known && snapshot->role.superuser)
		rights = "superuser";
	snprintf(text, size, "%s: %s", snapshot->role.name ? snapshot->role.name : "?", rights);
}

static void version_text(const struct snapshot *snapshot, char *text, size_t size)
{
	const struct server_info *server = &snapshot->server;
	char age[WHEN_TEXT_SIZE];
	int used =
		snprintf(text, size, "PostgreSQL %s %s", server->version, server->in_recovery ? "standby" : "primary");
	if (server->in_recovery && server->replay_lag != WHEN_NONE && used > 0 && (size_t)used < size)
		snprintf(text + used, size - (size_t)used, ", replay %s behind",
			 when_format_age(server->replay_lag, age));
}

/* How many bytes of a text to show in `room` of them: whole characters. */
static int whole_bytes(const char *text, int room)
{
	int length = (int)strlen(text);
	if (length <= room)
		return length;
	while (room > 0 && ((unsigned char)text[room] & 0xc0) == 0x80)
		room--;
	return room > 0 ? room : 0;
}

/* The reason, which may be long, is cut rather than what follows it. */
static void lost_text(const struct view_context *context, char *text, size_t size)
{
	const struct source_status *status = &context->state->status;
	char since[WHEN_TEXT_SIZE], when[32] = "now", tail[80], server[256];
	int64_t left = status->retry_at == WHEN_NONE ? 0 : status->retry_at - context->now;
	if (left > 0)
		snprintf(when, sizeof when, "in %" PRId64 "s", (left + WHEN_SECOND - 1) / WHEN_SECOND);
	int tail_length = snprintf(tail, sizeof tail, ". Try %u %s. No signal possible.", status->attempt, when);
	server_text(context, server, sizeof server);
	int room = context->state->width - (int)strlen(server) - tail_length - (int)strlen("  LOST since 00:00:00: … ");
	int shown = whole_bytes(status->text, room < 20 ? 20 : room);
	snprintf(text, size, "LOST since %s: %.*s%s%s", when_format_clock(status->since, since), shown, status->text,
		 status->text[shown] == '\0' ? ""
		 : context->state->ascii     ? "..."
					     : "…",
		 tail);
}

static void waiting_text(const struct view_context *context, char *text, size_t size)
{
	const struct source_status *status = &context->state->status;
	int seconds = (int)((context->now - status->since_monotonic) / WHEN_SECOND);
	switch (status->state) {
	case SOURCE_AUTHENTICATING:
		snprintf(text, size,
			 "accepted, authentication unanswered for %d s: a catalog (pg_authid, pg_database …) may be "
			 "locked",
			 seconds);
		break;
	case SOURCE_NO_SLOT:
		snprintf(text, size, "no free connection slot; trying every 0.5 s, try %u", status->attempt);
		break;
	case SOURCE_WARMING:
		snprintf(text, size, "connected, no answer for %d s to: %s", seconds, status->stage);
		break;
	default:
		snprintf(text, size, "connecting for %d s", seconds);
	}
}

/* What line 1 says when all is not as it should be; false: it is. */
static bool trouble_text(const struct view_context *context, char *text, size_t size, enum style *style)
{
	const struct state *state = context->state;
	char since[WHEN_TEXT_SIZE];
	*style = STYLE_LOST;
	switch (state->status.state) {
	case SOURCE_LOST:
	case SOURCE_FAILED:
		lost_text(context, text, size);
		return true;
	case SOURCE_CONNECTING:
	case SOURCE_AUTHENTICATING:
	case SOURCE_WARMING:
	case SOURCE_NO_SLOT:
	case SOURCE_PASSWORD:
		waiting_text(context, text, size);
		return true;
	default:
		break;
	}
	*style = STYLE_STALE;
	if (!context->scene || !state_is_stale(state, context->scene->frame, context->now))
		return false;
	int64_t late = context->now - context->scene->frame->received_at;
	snprintf(text, size, "STALE %" PRId64 "s: no answer since %s, still asking", late / WHEN_SECOND,
		 when_format_clock(context->scene->frame->snapshot->taken_at, since));
	return true;
}

static void interval_text(int64_t interval, char *text, size_t size)
{
	snprintf(text, size, "every %gs", (double)interval / (double)WHEN_SECOND);
}

static void add_liveness(const struct view_context *context, struct segment *segments, int *count)
{
	const struct state *state = context->state;
	char text[sizeof segments->text], interval[48];
	enum style style;
	if (trouble_text(context, text, sizeof text, &style)) {
		add(segments, count, style, 0, false, text);
		return;
	}
	if (!context->scene)
		return;
	const struct snapshot *snapshot = context->scene->frame->snapshot;
	if (snapshot->server.pooled)
		add(segments, count, STYLE_STALE, 0, false, "through a pooler: connect to the server itself");
	if (state->frozen || state->status.state == SOURCE_FROZEN) {
		add(segments, count, STYLE_STALE, 0, true, " FROZEN ");
	} else {
		add(segments, count, STYLE_LIVE, 0, true, " LIVE ");
		interval_text(state->status.interval, interval, sizeof interval);
		snprintf(text, sizeof text, "%s, costs %.*f ms", interval, snapshot->cost.server < 10000 ? 1 : 0,
			 (double)snapshot->cost.server / 1000);
		add(segments, count, STYLE_HEADER, 3, true, text);
	}
}

static void draw_first_line(struct canvas *canvas, const struct view_context *context)
{
	struct segment segments[9];
	char text[sizeof segments[0].text], clock[WHEN_TEXT_SIZE];
	int count = 0;
	server_text(context, text, sizeof text);
	add(segments, &count, STYLE_HEADER_STRONG, 0, false, text);
	if (context->state->read_only)
		add(segments, &count, STYLE_READ_ONLY, 0, false, " READ-ONLY ");
	if (context->scene) {
		version_text(context->scene->frame->snapshot, text, sizeof text);
		add(segments, &count, STYLE_HEADER, 4, false, text);
		role_text(context->scene->frame->snapshot, text, sizeof text);
		add(segments, &count, STYLE_HEADER, 5, false, text);
	}
	add_liveness(context, segments, &count);
	if (context->scene) {
		snprintf(text, sizeof text, "%s UTC",
			 when_format_clock(context->scene->frame->snapshot->taken_at, clock));
		add(segments, &count, STYLE_HEADER, 2, true, text);
	}
	view_draw_segments(canvas, 0, segments, count);
}

/* How many waited, over the last two minutes: each cell the most of its ten seconds. */
static void spark_text(const struct view_context *context, char *text, size_t size)
{
	static const char *const steps[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char ascii_steps[] = "_.-=+*#@";
	const struct past *past = &context->state->past;
	uint32_t cells[SPARK_CELLS] = { 0 }, most = 0;
	bool any[SPARK_CELLS] = { false };
	int64_t now = context->scene->frame->snapshot->taken_at, cell_time = 120 * WHEN_SECOND / SPARK_CELLS;
	for (uint32_t i = 0; i < past->count; i++) {
		int64_t back = (now - past->times[i]) / cell_time;
		if (back < 0 || back >= SPARK_CELLS)
			continue;
		uint32_t cell = (uint32_t)(SPARK_CELLS - 1 - back);
		any[cell] = true;
		if (past->waiting[i] > cells[cell])
			cells[cell] = past->waiting[i];
		if (cells[cell] > most)
			most = cells[cell];
	}
	text[0] = '\0';
	if (most == 0)
		return;
	size_t used = 0;
	for (int i = 0; i < SPARK_CELLS && used + 8 < size; i++) {
		uint32_t step = cells[i] * 7 / most;
		if (!any[i])
			continue;
		if (context->state->ascii)
			used += (size_t)snprintf(text + used, size - used, "%c", ascii_steps[step]);
		else
			used += (size_t)snprintf(text + used, size - used, "%s", steps[step]);
	}
	snprintf(text + used, size - used, " 2 min");
}

static void add_counts(const struct view_context *context, struct segment *segments, int *count)
{
	const struct snapshot *snapshot = context->scene->frame->snapshot;
	const struct totals *totals = &context->scene->totals;
	char text[sizeof segments->text], when[WHEN_TEXT_SIZE];
	int used = snprintf(text, sizeof text, "connections %u", (unsigned)totals->connections);
	if (snapshot->server.slots_for_all > 0)
		snprintf(text + used, sizeof text - (size_t)used, " of %d", snapshot->server.slots_for_all);
	bool full = snapshot->server.slots_for_all > 0 &&
		    (int)totals->connections >= snapshot->server.slots_for_all * 9 / 10;
	add(segments, count, full ? STYLE_HEADER_STRONG : STYLE_HEADER, full ? 1 : 3, false, text);
	used = snprintf(text, sizeof text, "WAITING %u", (unsigned)totals->waiting);
	if (totals->longest_wait != WHEN_NONE)
		snprintf(text + used, sizeof text - (size_t)used, "  longest %s",
			 when_format_age(totals->longest_wait, when));
	add(segments, count, totals->waiting ? STYLE_HEADER_STRONG : STYLE_HEADER, 0, false, text);
	spark_text(context, text, sizeof text);
	add(segments, count, STYLE_HEADER, 6, false, text);
	snprintf(text, sizeof text, "idle in txn %u", (unsigned)totals->idle_in_transaction);
	add(segments, count, STYLE_HEADER, 4, false, text);
	if (totals->new_deadlocks >= 0) {
		snprintf(text, sizeof text, "deadlocks +%" PRId64 " since %.5s", totals->new_deadlocks,
			 when_format_clock(snapshot->source_started_at, when));
		add(segments, count, totals->new_deadlocks ? STYLE_HEADER_STRONG : STYLE_HEADER, 5, false, text);
	}
}

static void add_filter(const struct view_context *context, struct segment *segments, int *count)
{
	const struct state *state = context->state;
	if (!state->filter[0] && !state->user_term[0] && state->minimum_age <= 0)
		return;
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, " FILTER %s", state->filter);
	if (state->user_term[0])
		strbuf_printf(&text, "%s%s", state->filter[0] ? " " : "", state->user_term);
	if (state->minimum_age > 0)
		strbuf_printf(&text, " from %gs", (double)state->minimum_age / (double)WHEN_SECOND);
	if (context->scene->given_up > 0)
		strbuf_printf(&text, ", %u too hard to match", (unsigned)context->scene->given_up);
	strbuf_add_char(&text, ' ');
	add(segments, count, STYLE_STALE, 2, true, text.text);
	strbuf_release(&text);
}

static void add_order(const struct view_context *context, struct segment *segments, int *count)
{
	const struct forest_order *order = &context->state->lists[context->state->view].order;
	char text[64];
	if (!order->column)
		return;
	snprintf(text, sizeof text, "by %s %s", order->column->name, order->descending ? "down" : "up");
	add(segments, count, STYLE_HEADER, 4, true, text);
}

static void add_uniform(const struct view_context *context, struct segment *segments, int *count)
{
	for (int i = 0; i < context->layout.uniform_count; i++) {
		const struct column *column = context->layout.uniform[i];
		struct strbuf text = STRBUF_INIT;
		strbuf_printf(&text, "%s ", column->name);
		for (uint32_t line = 0; line < context->scene->line_count; line++) {
			uint32_t session = scene_session_at(context->scene, line);
			if (session == SNAPSHOT_NO_INDEX)
				continue;
			struct column_row row = column_row_of_session(context->scene->frame, session);
			column_format(column, &row, context->state->ascii, &text);
			break;
		}
		add(segments, count, STYLE_HEADER, 5, false, text.text);
		strbuf_release(&text);
	}
}

void view_draw_header(struct canvas *canvas, const struct view_context *context)
{
	struct segment segments[12];
	int count = 0;
	draw_first_line(canvas, context);
	if (context->layout.header_lines < 2 || !context->scene)
		return;
	add_counts(context, segments, &count);
	add_uniform(context, segments, &count);
	add_filter(context, segments, &count);
	add_order(context, segments, &count);
	view_draw_segments(canvas, 1, segments, count);
}
