/* text_wrap: texts of several lines. */
#include "text.h"

#include <string.h>

#define LINES_COUNTED 10000
#define TAB_STOP 8

struct wrapper {
	int width, limit;
	void (*line)(void *context, const char *text);
	void *context;
	int count;
	struct strbuf text; /* the line that is being filled */
	int column;
	size_t last_end; /* bytes before the blanks at which the line can be broken; 0: it cannot */
	size_t next_begin; /* and after them */
	int next_column;
};

static void give_line(struct wrapper *wrapper, size_t length)
{
	if (wrapper->count < wrapper->limit) {
		char kept = wrapper->text.text[length];
		if (kept)
			wrapper->text.text[length] = '\0';
		wrapper->line(wrapper->context, wrapper->text.text);
		if (kept)
			wrapper->text.text[length] = kept;
	}
	wrapper->count++;
}

static void start_line(struct wrapper *wrapper)
{
	strbuf_reset(&wrapper->text);
	wrapper->column = 0;
	wrapper->last_end = 0;
}

/* The line is full: gives it up to its last blank, if it has one, and goes on with what is left of it. */
static void break_line(struct wrapper *wrapper)
{
	if (wrapper->last_end == 0) {
		give_line(wrapper, wrapper->text.length);
		start_line(wrapper);
		return;
	}
	give_line(wrapper, wrapper->last_end);
	size_t left = wrapper->text.length - wrapper->next_begin;
	memmove(wrapper->text.text, wrapper->text.text + wrapper->next_begin, left);
	strbuf_truncate(&wrapper->text, left);
	wrapper->column -= wrapper->next_column;
	wrapper->last_end = 0;
}

/* A blank beyond the edge is left out, but the line can be broken there. */
static void add_blank(struct wrapper *wrapper)
{
	size_t length = wrapper->text.length;
	if (length > 0 && wrapper->text.text[length - 1] != ' ')
		wrapper->last_end = length;
	if (wrapper->column < wrapper->width) {
		strbuf_add_char(&wrapper->text, ' ');
		wrapper->column++;
	}
	wrapper->next_begin = wrapper->text.length;
	wrapper->next_column = wrapper->column;
}

static void add_tab(struct wrapper *wrapper)
{
	int blanks = TAB_STOP - wrapper->column % TAB_STOP;
	while (blanks-- > 0)
		add_blank(wrapper);
}

static void add_glyph(struct wrapper *wrapper, struct glyph glyph)
{
	if (glyph.width > wrapper->width)
		glyph = (struct glyph){ .base = '?', .width = 1 };
	while (wrapper->column + glyph.width > wrapper->width)
		break_line(wrapper);
	text_add_glyph(&glyph, &wrapper->text);
	wrapper->column += glyph.width;
}

/* One of the text's own lines. */
static void wrap_line(struct wrapper *wrapper, struct glyph_reader *reader)
{
	struct glyph glyph;
	start_line(wrapper);
	while (wrapper->count < LINES_COUNTED) {
		bool tab = !reader->one_line && reader->pending_used == reader->pending_length &&
			   reader->next < reader->end && *reader->next == '\t';
		if (!text_next_glyph(reader, &glyph))
			break;
		if (tab)
			add_tab(wrapper);
		else if (glyph.base == ' ')
			add_blank(wrapper);
		else
			add_glyph(wrapper, glyph);
	}
	size_t length = wrapper->text.length;
	while (length > 0 && wrapper->text.text[length - 1] == ' ')
		length--;
	strbuf_truncate(&wrapper->text, length);
	give_line(wrapper, length);
}

int text_wrap_sentence(struct charset charset, const char *text, int width, int limit,
		       void (*line)(void *context, const char *text), void *context)
{
	struct wrapper wrapper = { .width = width < 1 ? 1 : width, .limit = limit, .line = line, .context = context };
	wrapper.text = (struct strbuf)STRBUF_INIT;
	struct glyph_reader reader = { .next = text, .end = text + strlen(text), .charset = charset };
	reader.one_line = true;
	wrap_line(&wrapper, &reader);
	strbuf_release(&wrapper.text);
	return wrapper.count;
}

int text_wrap(struct charset charset, const char *text, int width, int limit,
	      void (*line)(void *context, const char *text), void *context)
{
	struct wrapper wrapper = { .width = width < 1 ? 1 : width, .limit = limit, .line = line, .context = context };
	wrapper.text = (struct strbuf)STRBUF_INIT;
	const char *next = text;
	while (*next && wrapper.count < LINES_COUNTED) {
		size_t length = strcspn(next, "\r\n");
		struct glyph_reader reader = { .next = next, .end = next + length, .charset = charset };
		wrap_line(&wrapper, &reader);
		next += length;
		if (*next)
			next += next[0] == '\r' && next[1] == '\n' ? 2 : 1;
	}
	strbuf_release(&wrapper.text);
	return wrapper.count < LINES_COUNTED ? wrapper.count : LINES_COUNTED;
}
