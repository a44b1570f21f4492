#include "canvas.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NIHON "\xe6\x97\xa5\xe6\x9c\xac" /* two wide characters */
#define NI "\xe6\x97\xa5"
#define ELLIPSIS "\xe2\x80\xa6"

static struct canvas make(int width, int height)
{
	struct canvas canvas;
	canvas_init(&canvas, width, height, (struct charset){ .unicode = true });
	return canvas;
}

static void expect_dump(const struct canvas *canvas, const char *wanted)
{
	struct strbuf dump = STRBUF_INIT;
	canvas_dump(canvas, &dump);
	assert_string_equal(dump.text, wanted);
	strbuf_release(&dump);
}

/* The dump of one put on a fresh row of eight. */
static void expect_row(int x, int width, bool cut, const char *text, const char *row, int taken)
{
	struct canvas canvas = make(8, 1);
	struct strbuf wanted = STRBUF_INIT;
	int columns = cut ? canvas_put_cut(&canvas, 0, x, width, STYLE_NORMAL, text)
			  : canvas_put(&canvas, 0, x, width, STYLE_NORMAL, text);
	strbuf_printf(&wanted, "%s\n", row);
	expect_dump(&canvas, wanted.text);
	assert_int_equal(columns, taken);
	strbuf_release(&wanted);
	canvas_release(&canvas);
}

static void puts_clip_and_cut(void **state)
{
	(void)state;
	expect_row(0, -1, false, "abc", "abc", 3);
	expect_row(2, -1, false, "abcdefghij", "  abcdef", 6);
	expect_row(2, 3, false, "abcdef", "  abc", 3);
	expect_row(2, 3, true, "abcdef", "  ab" ELLIPSIS, 3);
	expect_row(2, 3, true, "abc", "  abc", 3);
	expect_row(2, 3, true, "abc\n", "  abc", 3);
	expect_row(-2, -1, false, "abc", "c", 3);
	expect_row(8, -1, false, "abc", "", 0);
	expect_row(-5, 3, false, "abc", "", 0);
	expect_row(0, 0, true, "abc", "", 0);
	expect_row(0, 1, true, "abc", ELLIPSIS, 1);
	expect_row(0, -1, false, "\033c", "\\x1bc", 5);
}

static void wide_characters_never_show_by_half(void **state)
{
	(void)state;
	expect_row(0, 4, false, NIHON, NIHON, 4);
	expect_row(0, 3, false, NIHON, NI, 3);
	expect_row(0, 3, true, NIHON, NI ELLIPSIS, 3);
	expect_row(0, 2, true, NIHON, " " ELLIPSIS, 2);
	expect_row(-1, -1, false, NI "x", " x", 3);
	expect_row(7, -1, true, NI, "       " ELLIPSIS, 1);
}

static void half_overwritten_characters_lose_the_rest(void **state)
{
	struct canvas canvas = make(8, 1);
	(void)state;
	canvas_put(&canvas, 0, 0, -1, STYLE_NORMAL, NIHON);
	canvas_put(&canvas, 0, 1, -1, STYLE_NORMAL, "xy");
	expect_dump(&canvas, " xy\n");
	canvas_clear(&canvas);
	canvas_put(&canvas, 0, 0, -1, STYLE_NORMAL, "a" NIHON "b");
	canvas_fill(&canvas, 0, 2, 2, STYLE_DIM);
	expect_dump(&canvas, "a    b\n");
	canvas_clear(&canvas);
	canvas_put(&canvas, 0, 0, -1, STYLE_NORMAL, "a" NIHON "b");
	canvas_put(&canvas, 0, 2, -1, STYLE_NORMAL, NI);
	expect_dump(&canvas, "a " NI " b\n");
	canvas_release(&canvas);
}

static void every_row_is_made_of_whole_characters(void **state)
{
	static const char *const texts[] = { NIHON, "x", NI "e\xcc\x81", "abc" };
	struct canvas canvas = make(7, 3);
	unsigned random = 1;
	(void)state;
	for (int i = 0; i < 5000; i++) {
		random = random * 1103515245 + 12345; /* any sequence will do, the same every time */
		int y = (int)(random >> 16) % 4 - 1, x = (int)(random >> 18) % 11 - 2;
		int width = (int)(random >> 20) % 6 - 1;
		if (random >> 28 & 1)
			canvas_put_cut(&canvas, y, x, width, STYLE_NORMAL, texts[random >> 24 & 3]);
		else if (random >> 29 & 1)
			canvas_put_right(&canvas, y, x, width, STYLE_NORMAL, texts[random >> 24 & 3]);
		else
			canvas_fill(&canvas, y, x, width, STYLE_NORMAL);
		for (int cell = 0; cell < 21; cell++) {
			bool wide = canvas.cells[cell].glyph.width == 2;
			bool last = cell % 7 == 6;
			assert_false(wide && last);
			if (!last)
				assert_int_equal(canvas.cells[cell + 1].glyph.width == 0, wide);
			assert_false(cell % 7 == 0 && canvas.cells[cell].glyph.width == 0);
		}
	}
	canvas_release(&canvas);
}

static void flush_right(void **state)
{
	struct canvas canvas = make(8, 3);
	(void)state;
	canvas_put_right(&canvas, 0, 1, 5, STYLE_NORMAL, "412");
	canvas_put_right(&canvas, 1, 1, 5, STYLE_NORMAL, "1234567");
	canvas_put_right(&canvas, 2, 4, -1, STYLE_NORMAL, NI);
	expect_dump(&canvas, "   412\n 1234" ELLIPSIS "\n      " NI "\n");
	canvas_release(&canvas);
}

static void styles_are_laid_over(void **state)
{
	struct canvas canvas = make(4, 2);
	(void)state;
	canvas_put(&canvas, 1, 0, -1, STYLE_STRONG, "abcd");
	canvas_mark_cursor(&canvas, 1);
	canvas_mark_cursor(&canvas, 2);
	canvas_mark_cursor(&canvas, -1);
	canvas_restyle(&canvas, 1, 1, 2, STYLE_MATCH);
	assert_int_equal(canvas.cells[4].style, STYLE_STRONG | STYLE_CURSOR);
	assert_int_equal(canvas.cells[5].style, STYLE_MATCH | STYLE_CURSOR);
	assert_int_equal(canvas.cells[6].style, STYLE_MATCH | STYLE_CURSOR);
	assert_int_equal(canvas.cells[7].style, STYLE_STRONG | STYLE_CURSOR);
	assert_int_equal(canvas.cells[3].style, STYLE_NORMAL);
	expect_dump(&canvas, "\nabcd\n");
	canvas_release(&canvas);
}

static void ascii_is_kept_to(void **state)
{
	struct canvas canvas;
	(void)state;
	canvas_init(&canvas, 6, 1, (struct charset){ .unicode = false });
	canvas_put_cut(&canvas, 0, 0, -1, STYLE_NORMAL, NI "bcdefgh");
	expect_dump(&canvas, "?bcde~\n");
	canvas_release(&canvas);
}

static void no_size_is_too_small(void **state)
{
	struct canvas canvas = make(0, 0);
	(void)state;
	canvas_put(&canvas, 0, 0, -1, STYLE_NORMAL, "abc");
	canvas_fill(&canvas, 0, 0, -1, STYLE_DIM);
	canvas_mark_cursor(&canvas, 0);
	expect_dump(&canvas, "");
	canvas_resize(&canvas, 1, 1);
	canvas_put_cut(&canvas, 0, 0, -1, STYLE_NORMAL, NI);
	expect_dump(&canvas, ELLIPSIS "\n");
	assert_int_equal(canvas_printf(&canvas, 0, 0, STYLE_NORMAL, "%d", 12), 1);
	expect_dump(&canvas, "1\n");
	canvas_release(&canvas);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_clip_and_cut),
		cmocka_unit_test(wide_characters_never_show_by_half),
		cmocka_unit_test(half_overwritten_characters_lose_the_rest),
		cmocka_unit_test(every_row_is_made_of_whole_characters),
		cmocka_unit_test(flush_right),
		cmocka_unit_test(styles_are_laid_over),
		cmocka_unit_test(ascii_is_kept_to),
		cmocka_unit_test(no_size_is_too_small),
	};
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
