#include "view.h"

#include "keymap.h"

#include "pglocktop/version.h"

#include <stdio.h>

enum { HELP_LINES = 250, KEY_WIDTH = 12, COLUMN_GAP = 2, TWO_COLUMNS = 110 };

struct help_line {
	char keys[32], text[96];
	enum style style;
};

struct help {
	struct help_line lines[HELP_LINES];
	int count;
	int text_width;
	struct charset charset;
	enum style style; /* of what is being added */
	const char *keys;
};

static void help_add_line(void *context, const char *text)
{
	struct help *help = context;
	if (help->count == HELP_LINES)
		return;
	struct help_line *line = &help->lines[help->count++];
	snprintf(line->keys, sizeof line->keys, "%s", help->keys);
	snprintf(line->text, sizeof line->text, "%s", text);
	line->style = help->style;
	help->keys = "";
}

/* What an entry says takes as many lines as it needs. */
static void help_add(struct help *help, enum style style, const char *keys, const char *text)
{
	help->style = style;
	help->keys = keys;
	text_wrap_sentence(help->charset, text, help->text_width, HELP_LINES, help_add_line, help);
}

static void help_add_group(struct help *help, enum action_group group, bool read_only)
{
	help_add(help, STYLE_STRONG, action_group_titles[group], "");
	if (group == ACTION_GROUP_SIGNALLING && read_only) {
		help_add(help, STYLE_NORMAL, "", "read-only: no signal can be sent in this run");
		return;
	}
	for (int action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
		struct strbuf keys = STRBUF_INIT;
		if (action_rows[action].group != group)
			continue;
		keymap_describe((enum action)action, &keys);
		help_add(help, STYLE_NORMAL, keys.text, action_rows[action].help);
		strbuf_release(&keys);
	}
}

static void help_add_signs(struct help *help, bool ascii)
{
	static const char *const signs[][3] = {
		{ "▼ ▶", "v >", "open, folded" },
		{ "├─ └─", "|- `-", "waits for the one above, which holds the lock" },
		{ "├╌ ├▽", "|. |v.", "waits for one who is only ahead in the queue" },
		{ "├~", "|~", "presumed: its order is only estimated, or whose worker it is" },
		{ "~2nd", "~2nd", "second in the queue, by an order that is only estimated" },
		{ "● →", "* >", "holds, waits for" },
		{ "+3", "+3", "three further blockers" },
		{ "~31", "~31", "frees about so many; the question says why" },
		{ "…12", "...12", "12 levels deep" },
		{ "×300", "x300", "300 alike, folded into one line" },
		{ "*", "*", "tagged: C and K mean it" },
		{ "?", "?", "this role may not see it" },
	};
	help_add(help, STYLE_STRONG, "Signs", "");
	for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
		help_add(help, STYLE_NORMAL, signs[i][ascii], signs[i][2]);
}

static void draw_help_line(struct canvas *canvas, int y, int x, int width, const struct help_line *line)
{
	int used = canvas_put_cut(canvas, y, x, width, line->style == STYLE_STRONG ? STYLE_STRONG : STYLE_HINT,
				  line->keys);
	int indent = used < KEY_WIDTH ? KEY_WIDTH : used + 1;
	if (width > indent)
		canvas_put_cut(canvas, y, x + indent, width - indent, STYLE_NORMAL, line->text);
}

uint32_t view_draw_help(struct canvas *canvas, const struct view_context *context)
{
	int columns_across = canvas->width >= TWO_COLUMNS ? 2 : 1;
	int width = canvas->width / columns_across - COLUMN_GAP;
	struct help help = { .charset = canvas->charset, .text_width = width - KEY_WIDTH };
	for (int group = 0; group < ACTION_GROUP_COUNT; group++)
		help_add_group(&help, (enum action_group)group, context->state->read_only);
	help_add_signs(&help, context->state->ascii);
	int height = context->layout.foot_y - 2;
	int rows = (help.count + columns_across - 1) / columns_across;
	height = height > 0 ? height : 0;
	int last_top = rows > height ? rows - height : 0;
	int top = context->state->help_top < (uint32_t)last_top ? (int)context->state->help_top : last_top;
	canvas_printf(canvas, 0, 1, STYLE_HEADER_STRONG, "pglocktop " PGLOCKTOP_VERSION);
	if (last_top > 0)
		canvas_printf(canvas, 0, 20, STYLE_DIM, "%d-%d of %d", top + 1, top + height, rows);
	for (int row = 0; row < height && top + row < rows; row++)
		for (int across = 0; across < columns_across; across++)
			if (top + row + across * rows < help.count)
				draw_help_line(canvas, 2 + row, 1 + across * (canvas->width / columns_across), width,
					       &help.lines[top + row + across * rows]);
	return (uint32_t)last_top;
}
