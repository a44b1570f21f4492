#include "view.h"

#include "pglocktop/ordinal.h"
#include "pglocktop/privilege.h"
#include "pglocktop/recovery.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Room for the pieces of one line, with the gap between them. */
enum { GAP = 2, REASON_LEAST = 8, LOST_NARROW = 100 };

/* What must always show leaves room for the server's name and FROZEN, else takes the name's place; on still narrower
 * screens it is abbreviated, then stands alone. */
enum { BESIDE_MARKS = 21, MARKS_IN_WORDS = 28, MARKS_WITH_LIVENESS = 22 };

static int segments_width(const struct canvas *canvas, const struct segment *segments, int count)
{
	int width = 1;
	for (int i = 0; i < count; i++)
		if (segments[i].text[0])
			width += text_width(canvas->charset, segments[i].text) + GAP;
	return width - GAP + 1;
}

/* The piece that goes next, or -1: what is left must stay. */
static int find_droppable(const struct segment *segments, int count)
{
	int worst = -1;
	for (int i = 0; i < count; i++)
		if (segments[i].text[0] && segments[i].rank > 0 &&
		    (worst < 0 || segments[i].rank >= segments[worst].rank))
			worst = i;
	return worst;
}

/* The first piece, which server it is, is cut no further than this. */
static int first_least(int width)
{
	return width / 5 > 8 ? width / 5 : 8;
}

/* Returns the column that is left of them all. */
static int draw_right_segments(struct canvas *canvas, int y, const struct segment *segments, int count)
{
	int right = canvas->width - 1;
	for (int i = count - 1; i >= 0; i--) {
		if (!segments[i].text[0] || !segments[i].right)
			continue;
		right -= text_width(canvas->charset, segments[i].text);
		canvas_put(canvas, y, right < 0 ? 0 : right, -1, segments[i].style, segments[i].text);
		right -= GAP;
	}
	return right + GAP;
}

void view_draw_segments(struct canvas *canvas, int y, struct segment *segments, int count)
{
	int surplus, worst;
	while ((surplus = segments_width(canvas, segments, count) - canvas->width) > 0 &&
	       (worst = find_droppable(segments, count)) >= 0)
		segments[worst].text[0] = '\0';
	int end = draw_right_segments(canvas, y, segments, count), x = 1;
	for (int i = 0; i < count; i++) {
		int room = end - 1 - x;
		if (!segments[i].text[0] || segments[i].right || room <= 0)
			continue;
		if (i == 0 && surplus > 0) {
			int width = text_width(canvas->charset, segments[i].text) - surplus;
			if (width < first_least(canvas->width))
				width = first_least(canvas->width);
			room = width < room ? width : room;
		}
		x += canvas_put_cut(canvas, y, x, room, segments[i].style, segments[i].text) + GAP;
	}
}

static void add(struct segment *segments, int *count, enum style style, int rank, bool right, const char *text)
{
	struct segment *segment = &segments[(*count)++];
	*segment = (struct segment){ .style = style, .rank = rank, .right = right };
	snprintf(segment->text, sizeof segment->text, "%s", text);
}

/* What cannot be done, or seen, in this run; "" without either. */
static const char *marks_text(const struct state *state)
{
	if (!state->read_only)
		return state->masked ? " MASKED " : "";
	if (!state->masked)
		return " READ-ONLY ";
	return state->width < MARKS_IN_WORDS ? " RO MASKED " : " READ-ONLY MASKED ";
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

/* That it is a standby, and how far it is, stays when the version has no room any more. */
static void add_version(const struct snapshot *snapshot, struct segment *segments, int *count)
{
	const struct server_info *server = &snapshot->server;
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, "PostgreSQL %s%s", server->version, server->in_recovery ? "" : " primary");
	add(segments, count, STYLE_HEADER, 4, false, text.text);
	strbuf_reset(&text);
	recovery_describe_standby(server, &text);
	if (server->in_recovery)
		add(segments, count, STYLE_HEADER_STRONG, 1, false, text.text);
	strbuf_release(&text);
}

/* Cuts a text to so many bytes, at a character. */
static void cut_text(struct strbuf *text, int room, bool ascii)
{
	if ((int)text->length <= room || room < REASON_LEAST)
		return;
	size_t length = (size_t)room - 1;
	while (length > 0 && ((unsigned char)text->text[length] & 0xc0) == 0x80)
		length--;
	strbuf_truncate(text, length);
	strbuf_add_string(text, ascii ? "~" : "…");
}

/* The reason is anybody's words: it is cut so that what comes after it shows, too. */
static void lost_text(const struct view_context *context, char *text, size_t size)
{
	const struct state *state = context->state;
	const struct source_status *status = &state->status;
	char since[WHEN_TEXT_SIZE], when[32] = "now", next[80];
	struct strbuf reason = STRBUF_INIT;
	int64_t left = status->retry_at == WHEN_NONE ? 0 : status->retry_at - context->now;
	if (left > 0)
		snprintf(when, sizeof when, "in %" PRId64 "s", (left + WHEN_SECOND - 1) / WHEN_SECOND);
	snprintf(next, sizeof next, ". Try %u %s.%s", status->attempt, when,
		 state->width < LOST_NARROW ? "" : " No signal possible.");
	int used = snprintf(text, size, "LOST since %s: ", when_format_clock(status->since, since));
	text_add_inert((struct charset){ .unicode = !state->ascii }, status->text, &reason);
	int marks = (int)strlen(marks_text(state));
	int room = state->width - first_least(state->width) - used - (int)strlen(next) - 2 * GAP;
	cut_text(&reason, room - (marks ? marks + GAP : 0), state->ascii);
	snprintf(text + used, size - (size_t)used, "%s%s", reason.text, next);
	strbuf_release(&reason);
}

static void waiting_text(const struct view_context *context, char *text, size_t size)
{
	const struct source_status *status = &context->state->status;
	int seconds = (int)((context->now - status->since_monotonic) / WHEN_SECOND);
	char since[WHEN_TEXT_SIZE];
	size_t used = 0;
	if (context->state->lost_since != WHEN_NONE)
		used = (size_t)snprintf(text, size,
					"LOST since %s: ", when_format_clock(context->state->lost_since, since));
	text += used;
	size -= used;
	switch (status->state) {
	case SOURCE_AUTHENTICATING:
		snprintf(text, size,
			 "accepted, authentication unanswered for %d s: a catalog (pg_authid, pg_database …) may be "
			 "locked",
			 seconds);
		break;
	case SOURCE_NO_SLOT:
		snprintf(text, size, "no free connection slot; trying every 0.5 s, %u%s time", status->attempt,
			 ordinal_ending(status->attempt));
		break;
	case SOURCE_WARMING:
		snprintf(text, size, "connected, no answer for %d s to: %s%s%s", seconds, status->stage,
			 status->text[0] ? ": " : "", status->text);
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
	when_format_clock(context->scene->frame->snapshot->taken_at, since);
	if (state->status.text[0])
		snprintf(text, size, "STALE %" PRId64 "s, since %s: %s", late / WHEN_SECOND, since, state->status.text);
	else
		snprintf(text, size, "STALE %" PRId64 "s: no answer since %s, still asking", late / WHEN_SECOND, since);
	return true;
}

static void interval_text(const struct source_status *status, char *text, size_t size)
{
	double interval = (double)status->interval / (double)WHEN_SECOND;
	double asked = (double)status->asked_interval / (double)WHEN_SECOND;
	if (status->asked_interval > 0 && status->asked_interval < status->interval)
		snprintf(text, size, "every %gs (asked %gs)", interval, asked);
	else
		snprintf(text, size, "every %gs", interval);
}

/* What the last refresh cost, and that it did not read the locks, if so: these are of a reading so long ago. */
static void cost_text(const struct view_context *context, char *text, size_t size)
{
	const struct snapshot *snapshot = context->scene->frame->snapshot;
	char age[WHEN_TEXT_SIZE];
	int used = snprintf(text, size, "costs %.*f ms", snapshot->cost.server < 10000 ? 1 : 0,
			    (double)snapshot->cost.server / 1000);
	if (snapshot->locks_age >= WHEN_SECOND && context->scene->frame->graph->wait_count > 0)
		snprintf(text + used, size - (size_t)used, ", locks %s old", when_format_age(snapshot->locks_age, age));
}

static void add_liveness(const struct view_context *context, struct segment *segments, int *count)
{
	const struct state *state = context->state;
	char text[sizeof segments->text], interval[48], costs[64];
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
	if (state->width < MARKS_WITH_LIVENESS && marks_text(state)[0])
		return;
	if (state->frozen || state->status.state == SOURCE_FROZEN) {
		add(segments, count, STYLE_STALE, 0, true, " FROZEN ");
	} else {
		add(segments, count, STYLE_LIVE, 0, true, " LIVE ");
		interval_text(&state->status, interval, sizeof interval);
		cost_text(context, costs, sizeof costs);
		snprintf(text, sizeof text, "%s, %s", interval, costs);
		add(segments, count, STYLE_HEADER, 3, true, text);
	}
}

/* Where only the costs are too much, they go, and not what the role may do. */
static void leave_out_costs(const struct canvas *canvas, struct segment *segments, int count)
{
	int surplus = segments_width(canvas, segments, count) - canvas->width;
	for (int i = 0; i < count && surplus > 0; i++) {
		char *costs = strstr(segments[i].text, ", costs ");
		if (segments[i].right && costs && (int)strlen(costs) >= surplus)
			*costs = '\0';
	}
}

static void draw_first_line(struct canvas *canvas, const struct view_context *context)
{
	struct segment segments[10];
	char text[sizeof segments[0].text], clock[WHEN_TEXT_SIZE];
	int count = 0;
	const char *marks = marks_text(context->state);
	server_text(context, text, sizeof text);
	if (marks[0] && context->state->width < (int)strlen(marks) + BESIDE_MARKS)
		text[0] = '\0';
	add(segments, &count, STYLE_HEADER_STRONG, 0, false, text);
	if (marks[0])
		add(segments, &count, STYLE_READ_ONLY, 0, false, marks);
	if (context->state->unlogged && !context->state->read_only)
		add(segments, &count, STYLE_STALE, 0, false, " UNLOGGED ");
	if (context->scene) {
		add_version(context->scene->frame->snapshot, segments, &count);
		role_text(context->scene->frame->snapshot, text, sizeof text);
		/* What cannot be seen or done is told before what the server is, but not before how far it is behind.
		 */
		bool standby = context->scene->frame->snapshot->server.in_recovery;
		add(segments, &count, STYLE_HEADER, context->state->advised && !standby ? 2 : 5, false, text);
	}
	add_liveness(context, segments, &count);
	if (context->scene) {
		snprintf(text, sizeof text, "%s UTC",
			 when_format_clock(context->scene->frame->snapshot->taken_at, clock));
		add(segments, &count, STYLE_HEADER, 2, true, text);
	}
	leave_out_costs(canvas, segments, count);
	view_draw_segments(canvas, context->layout.banner_lines, segments, count);
}

/* How many waited, over the last two minutes; what is not known is left out. */
static void spark_text(const struct view_context *context, char *text, size_t size)
{
	static const char *const steps[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const ascii_steps[] = { "_", ".", "-", "=", "+", "*", "#", "@" };
	const struct past *past = &context->state->past;
	int64_t now = context->scene->frame->snapshot->taken_at / PAST_SLICE;
	uint32_t most = 0;
	size_t used = 0;
	for (int i = 0; i < PAST_SLICES; i++)
		if (past->slices[i].known && past->slices[i].slice > now - PAST_SLICES &&
		    past->slices[i].most_waiting > most)
			most = past->slices[i].most_waiting;
	text[0] = '\0';
	if (most == 0)
		return;
	for (int64_t slice = now - PAST_SLICES + 1; slice <= now; slice++) {
		const struct past_slice *at = &past->slices[(uint64_t)slice % PAST_SLICES];
		if (!at->known || at->slice != slice)
			continue;
		uint32_t step = (uint32_t)((uint64_t)at->most_waiting * 7 / most);
		used += (size_t)snprintf(text + used, size - used, "%s",
					 (context->state->ascii ? ascii_steps : steps)[step]);
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
	if (totals->waiting > 0)
		snprintf(text + used, sizeof text - (size_t)used, "  longest %s",
			 totals->longest_wait == WHEN_NONE ? "?" : when_format_age(totals->longest_wait, when));
	add(segments, count, totals->waiting ? STYLE_HEADER_STRONG : STYLE_HEADER, 0, false, text);
	snprintf(text, sizeof text, " TAGGED %u ", (unsigned)context->state->tags.count);
	if (context->state->tags.count > 0)
		add(segments, count, STYLE_TAGGED, 0, false, text);
	spark_text(context, text, sizeof text);
	add(segments, count, STYLE_HEADER, 6, false, text);
	/* Of other roles' sessions only those count that it sees. */
	if (snapshot->role.known && !snapshot->role.sees_all)
		snprintf(text, sizeof text, "idle in txn ?");
	else
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
	strbuf_add_string(&text, " FILTER ");
	if (state->filter[0])
		strbuf_printf(&text, "%s ", state->filter);
	if (state->user_term[0])
		strbuf_printf(&text, "%s ", state->user_term);
	if (state->minimum_age > 0)
		strbuf_printf(&text, "from %gs ", (double)state->minimum_age / (double)WHEN_SECOND);
	if (context->scene->given_up > 0)
		strbuf_printf(&text, "(%u too hard to match) ", (unsigned)context->scene->given_up);
	/* Its beginning shows that there is one, whatever the width. */
	if (text_width((struct charset){ !state->ascii }, text.text) > state->width / 2)
		add(segments, count, STYLE_STALE, 1, true, " FILTER ");
	else
		add(segments, count, STYLE_STALE, 1, true, text.text);
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
		const struct layout_uniform *uniform = &context->layout.uniform[i];
		char text[sizeof segments->text];
		snprintf(text, sizeof text, "%s %.200s", uniform->column->name, uniform->value);
		add(segments, count, STYLE_HEADER, 5, false, text);
	}
}

/* In the middle of a line of its own. */
static void draw_banner(struct canvas *canvas, const struct view_context *context)
{
	if (context->layout.banner_lines == 0)
		return;
	int width = text_width(canvas->charset, context->state->banner);
	canvas_fill(canvas, 0, 0, -1, STYLE_LOST);
	canvas_put_cut(canvas, 0, width < canvas->width ? (canvas->width - width) / 2 : 0, -1, STYLE_LOST,
		       context->state->banner);
}

static void draw_advice(struct canvas *canvas, const struct view_context *context)
{
	struct strbuf text = STRBUF_INIT;
	privilege_advise(context->scene->frame->snapshot, &text);
	canvas_put_cut(canvas, context->layout.advice_y, 1, -1, STYLE_HEADER, text.text);
	strbuf_release(&text);
}

void view_draw_header(struct canvas *canvas, const struct view_context *context)
{
	struct segment segments[13];
	int count = 0;
	draw_banner(canvas, context);
	draw_first_line(canvas, context);
	if (context->layout.header_lines < context->layout.banner_lines + 2 || !context->scene)
		return;
	add_counts(context, segments, &count);
	add_uniform(context, segments, &count);
	add_filter(context, segments, &count);
	add_order(context, segments, &count);
	view_draw_segments(canvas, context->layout.banner_lines + 1, segments, count);
	if (context->layout.next_y >= 0)
		view_draw_next(canvas, context);
	if (context->layout.advice_y >= 0)
		draw_advice(canvas, context);
}
