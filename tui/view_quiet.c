#include "view.h"

#include "pglocktop/waitevent.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST = 8, EVENTS = 6 };

static bool is_busy(const struct session *session)
{
	return session->is_client && session->state == SESSION_ACTIVE && session->may != MAY_NOT_OWN;
}

static void event_name(const struct session *session, char *name, size_t size)
{
	if (!session->wait_event_type || !session->wait_event)
		snprintf(name, size, "no wait event");
	else
		snprintf(name, size, "%s/%s", session->wait_event_type, session->wait_event);
}

struct event_count {
	char name[96];
	unsigned count;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct event_count *)a)->name, ((const struct event_count *)b)->name);
}

static int compare_counts(const void *a, const void *b)
{
	const struct event_count *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* What the active sessions are at: the wait events by frequency. */
static void events_text(const struct snapshot *snapshot, struct strbuf *out)
{
	struct event_count *events = calloc(snapshot->session_count + 1, sizeof *events);
	size_t count = 0, different = 0;
	if (!events)
		err_die("out of memory");
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (is_busy(&snapshot->sessions[i]))
			event_name(&snapshot->sessions[i], events[count++].name, sizeof events->name);
	qsort(events, count, sizeof *events, compare_names);
	for (size_t i = 0; i < count; i++) {
		if (different == 0 || strcmp(events[different - 1].name, events[i].name) != 0)
			memmove(&events[different++], &events[i], sizeof *events);
		events[different - 1].count++;
	}
	qsort(events, different, sizeof *events, compare_counts);
	strbuf_printf(out, "The %zu active:", count);
	for (size_t i = 0; i < different && i < EVENTS; i++)
		strbuf_printf(out, "%s %u %s", i ? " " : "", events[i].count, events[i].name);
	if (different > EVENTS)
		strbuf_printf(out, "  and %zu other kinds", different - EVENTS);
	free(events);
}

/* Commits that hang for want of a standby are an incident, too, though no lock is waited for. */
static void unconfirmed_text(const struct snapshot *snapshot, struct strbuf *out)
{
	unsigned count = 0;
	int64_t oldest = 0;
	char age[WHEN_TEXT_SIZE];
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		if (!waitevent_is_unconfirmed(session))
			continue;
		int64_t since = when_age(snapshot->taken_at, session->query_start);
		oldest = since > oldest ? since : oldest;
		count++;
	}
	if (count > 0 && oldest >= WHEN_SECOND)
		strbuf_printf(out, "%u commit%s for a standby to confirm (synchronous_standby_names), oldest %s.",
			      count, count == 1 ? " waits" : "s wait", when_format_age(oldest, age));
}

struct oldest {
	uint32_t session;
	int64_t start;
};

static int compare_starts(const void *a, const void *b)
{
	const struct oldest *x = a, *y = b;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->session > y->session) - (x->session < y->session);
}

static int draw_oldest(struct canvas *canvas, const struct view_context *context, int y, int end)
{
	const struct snapshot *snapshot = context->scene->frame->snapshot;
	struct oldest *list = calloc(snapshot->session_count + 1, sizeof *list);
	size_t count = 0;
	if (!list)
		err_die("out of memory");
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		if (session->xact_start != WHEN_NONE && session->is_client && session->may != MAY_NOT_OWN)
			list[count++] = (struct oldest){ i, session->xact_start };
	}
	qsort(list, count, sizeof *list, compare_starts);
	const char *title = canvas->width >= 60 ? "Oldest transactions   " : "";
	int indent = 1 + (int)strlen(title), wide = canvas->width >= 100 ? 22 : 17;
	if (count == 0 && y < end)
		canvas_put_cut(canvas, y++, 1, -1, STYLE_NORMAL, "No client's transaction is open.");
	for (size_t i = 0; i < count && i < OLDEST && y < end; i++, y++) {
		struct column_row row = column_row_of_session(context->scene->frame, list[i].session);
		struct strbuf text = STRBUF_INIT;
		if (i == 0)
			canvas_put(canvas, y, 1, -1, STYLE_STRONG, title);
		column_format(&columns[COLUMN_SESSION], &row, context->state->ascii, &text);
		canvas_put_cut(canvas, y, indent, wide, STYLE_NORMAL, text.text);
		strbuf_reset(&text);
		column_format(&columns[COLUMN_STATE], &row, context->state->ascii, &text);
		canvas_put_cut(canvas, y, indent + wide + 1, 20, STYLE_NORMAL, text.text);
		strbuf_reset(&text);
		column_format(&columns[COLUMN_QUERY], &row, context->state->ascii, &text);
		canvas_put_cut(canvas, y, indent + wide + 22, -1, STYLE_DIM, text.text);
		strbuf_release(&text);
	}
	free(list);
	return y;
}

static void first_line(const struct view_context *context, struct segment segments[2])
{
	const struct history_last *last = &context->state->history.last_block;
	double age = (double)(context->now - context->scene->frame->received_at) / (double)WHEN_SECOND;
	segments[0] = (struct segment){ .style = STYLE_STRONG };
	segments[1] = (struct segment){ .style = STYLE_NORMAL, .rank = 1, .right = true };
	/* "0.0 s ago" would change with every frame drawn: tenths count only once a refresh is late. */
	if (age < (double)context->state->status.interval / (double)WHEN_SECOND + 1 || context->state->frozen)
		snprintf(segments[0].text, sizeof segments[0].text, "No session waits for a lock.");
	else
		snprintf(segments[0].text, sizeof segments[0].text, "No session waited for a lock %.0f s ago.", age);
	if (last->ended != WHEN_NONE) {
		char clock[WHEN_TEXT_SIZE], lasted[WHEN_TEXT_SIZE];
		snprintf(segments[1].text, sizeof segments[1].text, "last block: %s, %s, %u waiter%s, %s",
			 when_format_clock(last->began, clock), last->label, (unsigned)last->most,
			 last->most == 1 ? "" : "s", when_format_age(when_age(last->ended, last->began), lasted));
	}
}

void view_draw_quiet(struct canvas *canvas, const struct view_context *context)
{
	const struct layout *layout = &context->layout;
	int y = layout->titles_y >= 0 ? layout->titles_y : layout->list_y, end = layout->query_y;
	int ghosts = (int)context->scene->line_count;
	/* What has just ended, and a deadlock that is over, keep the last lines. */
	if (ghosts > 0 && ghosts < (end - y) / 2) {
		end -= ghosts;
		view_draw_list(canvas, context, end--, ghosts, 0);
	}
	struct segment segments[2];
	struct strbuf text = STRBUF_INIT;
	if (end - y > 6)
		y++;
	if (y < end) {
		first_line(context, segments);
		view_draw_segments(canvas, y++, segments, 2);
	}
	events_text(context->scene->frame->snapshot, &text);
	if (y < end)
		canvas_put_cut(canvas, y++, 1, -1, STYLE_NORMAL, text.text);
	strbuf_reset(&text);
	unconfirmed_text(context->scene->frame->snapshot, &text);
	if (y < end && text.length > 0)
		canvas_put_cut(canvas, y++, 1, -1, STYLE_WAITS, text.text);
	strbuf_release(&text);
	if (end - y > 4)
		y++;
	y = draw_oldest(canvas, context, y, end - 1);
	if (end - y > 2)
		y++;
	if (y < end)
		canvas_put(canvas, y, 1, -1, STYLE_NORMAL, "2 = all sessions");
	if (view_is_dim(context))
		for (int line = layout->header_lines; line < layout->query_y; line++)
			canvas_restyle(canvas, line, 0, -1, STYLE_DIM);
}
