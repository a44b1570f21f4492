/*
 * The screen at every size from 1x1 to 12x12 and some larger ones, with everything open that can be open, and trees of
 * 5,000: nothing but that it draws, and that the cursor's row is on it.
 */
#include "play.h"

#include "words.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SMALL = 12, MANY = 5000 };

static void run(struct play *play, const char *line, const char *block)
{
	char *words[16], text[256];
	struct err err;
	snprintf(text, sizeof text, "%s", line);
	int count = words_cut(text, words, 16);
	if (!play_line(play, words, count, block, &err))
		fail_msg("%s: %s", line, err.text);
}

static void run_at_sizes(struct play *play, int most)
{
	char line[32];
	for (int height = 1; height <= most; height++) {
		for (int width = 1; width <= most; width++) {
			snprintf(line, sizeof line, "size %dx%d", width, height);
			run(play, line, "");
		}
	}
}

static void draws_at_every_small_size(void **state)
{
	static const char *const opened[] = {
		"keys j",	  "keys Enter",	  "keys End",	  "keys ?",	"keys End",
		"keys Esc Esc s", "keys G",	  "keys Esc u",	  "keys Esc f", "keys (",
		"keys Enter",	  "keys Esc",	  "keys #",	  "keys Esc 2", "keys G Enter",
		"keys Esc 3",	  "keys G Enter", "keys k Enter", "keys Esc s", "keys Esc y",
		"keys x",	  "keys 1 K",	  "keys Esc",	  "read-only",	"ascii",
	};
	struct play play;
	(void)state;
	play_init(&play, "tests/screens");
	run_at_sizes(&play, SMALL);
	run(&play, "situation incident", "");
	for (size_t i = 0; i < sizeof opened / sizeof opened[0]; i++) {
		run(&play, opened[i], "");
		run_at_sizes(&play, SMALL);
	}
	run(&play, "situation", "session 1 active query=1s\n");
	run_at_sizes(&play, SMALL);
	run(&play, "status lost \"gone\"", "");
	run_at_sizes(&play, SMALL);
	play_release(&play);
}

/* A question that is open on a large screen, which is then made smaller. */
static void a_question_is_whole_or_closed(void **state)
{
	struct play play;
	char line[32];
	(void)state;
	play_init(&play, "tests/screens");
	run(&play, "situation incident", "");
	for (int width = 36; width <= 130; width++) {
		for (int height = 8; height <= 14; height++) {
			run(&play, "size 140x40", "");
			run(&play, "after 600ms", "");
			run(&play, "again", "");
			run(&play, "keys G K", "");
			assert_int_equal(play.desk.state.question.stage, QUESTION_DRAWN);
			snprintf(line, sizeof line, "size %dx%d", width, height);
			run(&play, line, "");
			bool open = question_is_open(&play.desk.state.question);
			struct strbuf rows = STRBUF_INIT;
			play_add_rows(&play, 1, height, &rows);
			assert_int_equal(open, strstr(rows.text, "y = terminate 8101") != NULL);
			assert_int_equal(open, strstr(rows.text, "TERMINATE 8101") != NULL);
			assert_int_equal(open, width >= 40 && height >= 10);
			strbuf_release(&rows);
			run(&play, "keys Esc", "");
		}
	}
	play_release(&play);
}

/* Each waits for the one before it, or all for the first. */
static void read_many(struct play *play, bool chain)
{
	struct strbuf text = STRBUF_INIT;
	for (int i = 0; i < MANY; i++) {
		strbuf_printf(&text, "session %d active app=session xact=60s query=60s \"update t%d\"\n", 10000 + i, i);
		strbuf_printf(&text, "lock %d Exclusive held transactionid xid=%d\n", 10000 + i, i + 1);
		if (i > 0)
			strbuf_printf(&text, "lock %d Share waits=50s transactionid xid=%d\n", 10000 + i,
				      chain ? i : 1);
	}
	run(play, "situation", text.text);
	strbuf_release(&text);
}

static void assert_cursor_shows(const struct play *play, const char *after)
{
	struct strbuf rows = STRBUF_INIT;
	play_add_rows(play, 1, 200, &rows);
	if (!strstr(rows.text, "\n*") && !strstr(rows.text, "\n%"))
		fail_msg("no cursor after %s:\n%s", after, rows.text);
	strbuf_release(&rows);
}

static void move_about(struct play *play)
{
	static const char *const keys[] = {
		"keys G",     "keys *",		"keys PgDn",	"keys G",     "keys k",	   "keys \"#\" 12345",
		"keys Enter", "keys b",		"keys / 14999", "keys Enter", "keys Left", "keys >",
		"keys I",     "keys f session", "keys Enter",	"keys g",     "keys 2",	   "keys G",
		"keys o",     "keys o",		"keys 3",	"keys G",     "keys *",	   "keys PgDn",
		"keys Left",  "keys k",		"keys b",	"keys o",     "keys o",	   "keys G",
	};
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		run(play, keys[i], "");
		assert_cursor_shows(play, keys[i]);
	}
}

static void draws_a_chain(void **state)
{
	struct play play;
	(void)state;
	play_init(&play, "tests/screens");
	read_many(&play, true);
	assert_cursor_shows(&play, "the first frame");
	move_about(&play);
	play_release(&play);
}

static void draws_a_star(void **state)
{
	struct play play;
	(void)state;
	play_init(&play, "tests/screens");
	read_many(&play, false);
	assert_cursor_shows(&play, "the first frame");
	move_about(&play);
	play_release(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draws_at_every_small_size),
		cmocka_unit_test(a_question_is_whole_or_closed),
		cmocka_unit_test(draws_a_chain),
		cmocka_unit_test(draws_a_star),
	};
	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests_name("sizes", tests, NULL, NULL);
}
