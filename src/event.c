#include "pglocktop/event.h"

#include "pglocktop/strbuf.h"

#include <stdlib.h>
#include <string.h>

const char *event_kind_name(enum event_kind kind)
{
	static const char *const names[] = {
		[EVENT_DEADLOCK] = "deadlock", [EVENT_SIGNAL] = "signal", [EVENT_BLOCK] = "block",
		[EVENT_SERVER] = "server",     [EVENT_ROLE] = "role",
	};
	return names[kind];
}

void event_clear_lines(struct event *event)
{
	for (uint32_t i = 0; i < event->line_count; i++)
		free(event->lines[i].text);
	event->line_count = 0;
}

void events_release(struct events *events)
{
	for (uint32_t i = 0; i < events->count; i++)
		event_clear_lines(&events->list[i]);
	free(events->list);
	*events = (struct events){ NULL, 0, 0, 0 };
}

/* Closes the gap; the last place is free. */
static void take_out(struct events *events, uint32_t at)
{
	memmove(events->list + at, events->list + at + 1, (events->count - at - 1) * sizeof *events->list);
	events->count--;
}

struct event *events_add(struct events *events, enum event_kind kind, int64_t at)
{
	if (!events->list)
		events->list = calloc(EVENTS_MOST, sizeof *events->list);
	if (!events->list)
		err_die("out of memory (events)");
	if (events->count == EVENTS_MOST) {
		event_clear_lines(&events->list[0]);
		take_out(events, 0);
	}
	struct event *event = &events->list[events->count++];
	*event = (struct event){ .id = ++events->added, .number = ++events->numbers, .kind = kind, .at = at };
	return event;
}

struct event *events_renew(struct events *events, struct event *event, int64_t at)
{
	struct event renewed = *event;
	event_clear_lines(&renewed);
	renewed.number = ++events->numbers;
	renewed.at = at;
	take_out(events, (uint32_t)(event - events->list));
	events->list[events->count] = renewed;
	return &events->list[events->count++];
}

/* Not in the middle of a character. */
static void cut_text(struct strbuf *text)
{
	size_t end = EVENT_TEXT;
	if (text->length <= end)
		return;
	while (end > 0 && ((unsigned char)text->text[end] & 0xc0) == 0x80)
		end--;
	strbuf_truncate(text, end);
}

void event_add_line(struct event *event, struct identity session, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list args;
	if (event->line_count == EVENT_LINES)
		return;
	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	cut_text(&text);
	event->lines[event->line_count++] = (struct event_line){ session, strbuf_detach(&text) };
}

struct event *events_find(const struct events *events, uint64_t number)
{
	uint32_t low = 0, high = events->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (events->list[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < events->count && events->list[low].number == number ? &events->list[low] : NULL;
}

struct event *events_find_signal(const struct events *events, uint64_t serial)
{
	for (uint32_t i = events->count; i-- > 0;)
		if (events->list[i].kind == EVENT_SIGNAL && events->list[i].serial == serial)
			return &events->list[i];
	return NULL;
}

const struct event *events_newest(const struct events *events, uint32_t nth)
{
	return nth < events->count ? &events->list[events->count - 1 - nth] : NULL;
}
