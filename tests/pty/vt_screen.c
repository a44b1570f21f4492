#include "pty/vt_screen.h"

#include "pglocktop/when.h"

#include <stdio.h>

static int on_property(VTermProp property, VTermValue *value, void *context)
{
	struct vt_screen *screen = context;
	if (property == VTERM_PROP_ALTSCREEN)
		screen->alternate = value->boolean;
	if (property == VTERM_PROP_CURSORVISIBLE)
		screen->cursor_visible = value->boolean;
	return 1;
}

static int on_damage(VTermRect rectangle, void *context)
{
	struct vt_screen *screen = context;
	(void)rectangle;
	if (screen->changed_at == WHEN_NONE)
		screen->changed_at = when_monotonic();
	return 1;
}

void vt_screen_init(struct vt_screen *screen, int columns, int rows, VTermOutputCallback *output, void *context)
{
	static const VTermScreenCallbacks callbacks = { .damage = on_damage, .settermprop = on_property };
	*screen = (struct vt_screen){ .term = vterm_new(rows, columns), .cursor_visible = true };
	vterm_set_utf8(screen->term, 1);
	vterm_output_set_callback(screen->term, output, context);
	screen->screen = vterm_obtain_screen(screen->term);
	vterm_screen_set_callbacks(screen->screen, &callbacks, screen);
	vterm_screen_enable_altscreen(screen->screen, 1);
	vterm_screen_reset(screen->screen, 1);
	screen->changed_at = WHEN_NONE;
}

void vt_screen_release(struct vt_screen *screen)
{
	vterm_free(screen->term);
}

void vt_screen_write(struct vt_screen *screen, const char *bytes, size_t length)
{
	vterm_input_write(screen->term, bytes, length);
	vterm_screen_flush_damage(screen->screen);
}

static void add_character(uint32_t code, struct strbuf *out)
{
	static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	int length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	char bytes[4];
	for (int i = length - 1; i > 0; i--, code >>= 6)
		bytes[i] = (char)(0x80 | (code & 0x3f));
	bytes[0] = (char)(leads[length] | code);
	strbuf_add(out, bytes, (size_t)length);
}

/* A cell that nothing was written to is empty; the right half of a wide character is all ones. */
static void add_cell(const VTermScreenCell *cell, struct strbuf *out)
{
	for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell->chars[i] && cell->chars[i] != UINT32_MAX; i++)
		add_character(cell->chars[i], out);
}

static VTermScreenCell get_cell(const struct vt_screen *screen, int y, int x)
{
	VTermScreenCell cell = { .width = 1 };
	vterm_screen_get_cell(screen->screen, (VTermPos){ .row = y, .col = x }, &cell);
	if (cell.width < 1)
		cell.width = 1;
	return cell;
}

/* Appends cells up to `columns` or until `limit` bytes are there; returns the column reached. */
static int add_cells(const struct vt_screen *screen, int y, size_t limit, struct strbuf *out)
{
	int rows, columns, x = 0;
	vterm_get_size(screen->term, &rows, &columns);
	while (x < columns && out->length < limit) {
		VTermScreenCell cell = get_cell(screen, y, x);
		if (cell.chars[0])
			add_cell(&cell, out);
		else
			strbuf_add_char(out, ' ');
		x += cell.width;
	}
	return x;
}

void vt_screen_add_row(const struct vt_screen *screen, int y, struct strbuf *out)
{
	size_t begin = out->length;
	add_cells(screen, y, SIZE_MAX, out);
	size_t end = out->length;
	while (end > begin && out->text[end - 1] == ' ')
		end--;
	strbuf_truncate(out, end);
}

int vt_screen_column(const struct vt_screen *screen, int y, size_t length)
{
	struct strbuf text = STRBUF_INIT;
	int column = add_cells(screen, y, length, &text);
	strbuf_release(&text);
	return column;
}

static int colour_index(const VTermColor *colour)
{
	bool own = VTERM_COLOR_IS_DEFAULT_FG(colour) || VTERM_COLOR_IS_DEFAULT_BG(colour);
	return own || !VTERM_COLOR_IS_INDEXED(colour) ? -1 : colour->indexed.idx;
}

struct vt_cell vt_screen_cell(const struct vt_screen *screen, int y, int x)
{
	VTermScreenCell cell = get_cell(screen, y, x);
	struct vt_cell seen = { .width = cell.width,
				.bold = cell.attrs.bold,
				.underline = cell.attrs.underline != 0,
				.reverse = cell.attrs.reverse,
				.foreground = colour_index(&cell.fg),
				.background = colour_index(&cell.bg) };
	struct strbuf text = STRBUF_INIT;
	add_cell(&cell, &text);
	snprintf(seen.text, sizeof seen.text, "%s", text.text);
	strbuf_release(&text);
	return seen;
}

bool vt_screen_pen_is_plain(const struct vt_screen *screen)
{
	VTermState *state = vterm_obtain_state(screen->term);
	VTermValue bold, underline, reverse, foreground, background;
	vterm_state_get_penattr(state, VTERM_ATTR_BOLD, &bold);
	vterm_state_get_penattr(state, VTERM_ATTR_UNDERLINE, &underline);
	vterm_state_get_penattr(state, VTERM_ATTR_REVERSE, &reverse);
	vterm_state_get_penattr(state, VTERM_ATTR_FOREGROUND, &foreground);
	vterm_state_get_penattr(state, VTERM_ATTR_BACKGROUND, &background);
	return !bold.boolean && !underline.number && !reverse.boolean && colour_index(&foreground.color) < 0 &&
	       colour_index(&background.color) < 0;
}
