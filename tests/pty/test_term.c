/* The terminal, by a small program in a real pseudo-terminal. Run with --probe, it is that program. */
#include "pty/term_probe.h"
#include "pty/vt.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const probe_argv[] = { "/proc/self/exe", "--probe", NULL };

static void expect(struct vt *vt, const char *text)
{
	if (!vt_wait_text(vt, text))
		fail_msg("\"%s\" does not come; the screen is\n%s", text, vt_text(vt));
}

static void expect_restored(struct vt *vt)
{
	const char *not_restored = vt_not_restored(vt);
	if (not_restored)
		fail_msg("not restored: %s", not_restored);
}

/* Starts the probe; the teardown ends it, whatever becomes of the test. */
static struct vt *start_with(void **state, struct vt_options options)
{
	vt_end(*state);
	if (!options.argv)
		options.argv = probe_argv;
	*state = vt_start(&options);
	return *state;
}

static struct vt *start(void **state)
{
	struct vt *vt = start_with(state, (struct vt_options){ 0 });
	expect(vt, "row 23 changed 0 times, and some more text on it");
	return vt;
}

/* Sends keys and waits until all that they changed is on the screen: the probe asks when it has drawn. */
static void send_and_settle(struct vt *vt, const char *keys)
{
	size_t before;
	vt_raw(vt, &before);
	vt_send(vt, keys);
	vt_send(vt, "?");
	assert_true(vt_wait_raw(vt, before, "\033[5n"));
}

static int teardown(void **state)
{
	vt_end(*state);
	*state = NULL;
	return 0;
}

static int wait_exit(struct vt *vt)
{
	int status;
	if (!vt_wait_exit(vt, &status))
		fail_msg("it does not end; the screen is\n%s", vt_text(vt));
	return status;
}

static void quits_with_the_terminal_as_it_was(void **state)
{
	struct vt *vt = start(state);
	assert_non_null(vt_not_restored(vt));
	vt_send(vt, "q");
	int status = wait_exit(vt);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	expect_restored(vt);
}

static void draws_at_every_size(void **state)
{
	static const int sizes[][2] = { { 1, 1 }, { 2, 1 }, { 10, 3 }, { 80, 24 }, { 200, 50 } };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct vt *vt = start_with(state, (struct vt_options){ .columns = sizes[i][0], .rows = sizes[i][1] });
		char size[40];
		snprintf(size, sizeof size, "size %dx%d", sizes[i][0], sizes[i][1]);
		if (sizes[i][0] < (int)strlen(size))
			size[sizes[i][0]] = '\0';
		expect(vt, size);
		if (sizes[i][1] > 2) {
			char last[20];
			snprintf(last, sizeof last, "row %d", sizes[i][1] - 1);
			expect(vt, last);
		}
		send_and_settle(vt, "ppp");
		vt_send(vt, "q");
		assert_int_equal(wait_exit(vt), 0);
		expect_restored(vt);
	}
}

static void survives_a_storm_of_resizes(void **state)
{
	struct vt *vt = start(state);
	for (int i = 0; i < 40; i++)
		vt_resize(vt, 1 + i * 37 % 120, 1 + i * 17 % 50);
	vt_resize(vt, 1, 1);
	expect(vt, "s");
	vt_resize(vt, 80, 24);
	expect(vt, "size 80x24");
	send_and_settle(vt, "");
	for (int y = 2; y < 24; y++) {
		char row[80];
		snprintf(row, sizeof row, "row %d changed 0 times, and some more text on it", y);
		assert_string_equal(vt_row(vt, y), row);
	}
}

static void ctrl_l_draws_everything_anew(void **state)
{
	struct vt *vt = start(state);
	expect(vt, "row 23");
	size_t before;
	vt_raw(vt, &before);
	vt_send(vt, "\f");
	assert_true(vt_wait_raw(vt, before, "row 23 changed 0 times"));
}

/* The bytes that came between sending a key and the probe's asking for the terminal's answer. */
static size_t bytes_until_ask(struct vt *vt, const char *key)
{
	static const char ask[] = "\033[5n";
	size_t before, after;
	vt_raw(vt, &before);
	vt_send(vt, key);
	assert_true(vt_wait_raw(vt, before, ask));
	const char *raw = vt_raw(vt, &after);
	return (size_t)((const char *)memmem(raw + before, after - before, ask, strlen(ask)) - raw) - before;
}

static void writes_nothing_when_nothing_changed(void **state)
{
	struct vt *vt =
		start_with(state, (struct vt_options){ .columns = 120, .rows = 40, .answers = VT_ANSWER_NEVER });
	expect(vt, "row 39");
	assert_int_equal(bytes_until_ask(vt, "="), 0);
	assert_int_equal(bytes_until_ask(vt, "="), 0);
	size_t ten_rows = bytes_until_ask(vt, "r");
	assert_in_range(ten_rows, 10, 4096);
	expect(vt, "row 11 changed 1 times");
}

static void signals_that_ask_to_quit_restore(void **state)
{
	static const int numbers[] = { SIGTERM, SIGHUP, SIGINT };
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct vt *vt = start(state);
		vt_signal(vt, numbers[i]);
		int status = wait_exit(vt);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
		expect_restored(vt);
	}
}

static void deadly_signals_restore(void **state)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT, SIGUSR1, SIGALRM };
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct vt *vt = start(state);
		vt_signal(vt, numbers[i]);
		int status = wait_exit(vt);
#ifndef __SANITIZE_ADDRESS__ /* which ends it in its own way */
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
#endif
		assert_int_not_equal(status, 0);
		expect_restored(vt);
	}
}

static void crashes_restore(void **state)
{
	static const char *const keys[] = { "F", "A", "D", "O", "X" };
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct vt *vt = start(state);
		vt_send(vt, keys[i]);
		int status = wait_exit(vt);
		assert_int_not_equal(status, 0);
		expect_restored(vt);
		if (*keys[i] == 'D')
			expect(vt, "pglocktop: the probe was told to");
	}
}

static void stops_and_goes_on(void **state)
{
	struct vt *vt = start(state);
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			vt_send(vt, "\x1a");
		else
			vt_signal(vt, SIGTSTP);
		assert_true(vt_wait_stopped(vt));
		expect_restored(vt);
		size_t before;
		vt_raw(vt, &before);
		vt_signal(vt, SIGCONT);
		assert_true(vt_wait_raw(vt, before, "row 23 changed 0 times"));
		assert_true(vt_wait_raw(vt, before, "\033[?2004h"));
		vt_send(vt, "x");
		expect(vt, "x");
	}
	vt_send(vt, "q");
	assert_int_equal(wait_exit(vt), 0);
	expect_restored(vt);
}

static void goes_on_after_a_stop_without_notice(void **state)
{
	struct vt *vt = start(state);
	expect(vt, "row 23");
	vt_signal(vt, SIGSTOP);
	assert_true(vt_wait_stopped(vt));
	vt_resize(vt, 100, 30);
	size_t before;
	vt_raw(vt, &before);
	vt_signal(vt, SIGCONT);
	assert_true(vt_wait_raw(vt, before, "row 29 changed 0 times"));
	expect(vt, "size 100x30");
	vt_send(vt, "q");
	assert_int_equal(wait_exit(vt), 0);
	expect_restored(vt);
}

static void ends_when_the_terminal_goes_away(void **state)
{
	struct vt *vt = start(state);
	vt_hang_up(vt);
	wait_exit(vt);
	/* Without SIGHUP it finds out by reading. */
	char self[PATH_MAX + 1] = "", command[PATH_MAX + 100];
	assert_true(readlink("/proc/self/exe", self, PATH_MAX) > 0);
	snprintf(command, sizeof command, "trap '' HUP; exec '%s' --probe", self);
	const char *argv[] = { "/bin/sh", "-c", command, NULL };
	vt = start_with(state, (struct vt_options){ .argv = argv });
	expect(vt, "row 23");
	vt_hang_up(vt);
	int status = wait_exit(vt);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

struct key_case {
	const char *sent, *shown;
};

static void check_keys(struct vt *vt, const struct key_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		vt_send(vt, "!");
		assert_true(vt_wait_no_text(vt, " ."));
		vt_send(vt, cases[i].sent);
		/* A full stop by itself tells that all of it has been read. */
		if (!vt_wait_text(vt, cases[i].shown))
			fail_msg("case %zu: expected \"%s\", the screen is\n%s", i, cases[i].shown, vt_text(vt));
		vt_send(vt, ".");
		expect(vt, " .");
		char row[200];
		snprintf(row, sizeof row, "%s .", cases[i].shown);
		assert_string_equal(vt_row(vt, 1), row);
	}
}

static void reads_every_key(void **state)
{
	static const struct key_case cases[] = {
		{ "\033OA", "Up" },
		{ "\033[A", "Up" },
		{ "\033OB", "Down" },
		{ "\033OC", "Right" },
		{ "\033OD", "Left" },
		{ "\033[5~", "PgUp" },
		{ "\033[6~", "PgDn" },
		{ "\033OH", "Home" },
		{ "\033[1~", "Home" },
		{ "\033OF", "End" },
		{ "\033[4~", "End" },
		{ "\033[3~", "Del" },
		{ "\033OP", "F1" },
		{ "\033OQ", "F2" },
		{ "\033OR", "F3" },
		{ "\033OS", "F4" },
		{ "\033[15~", "F5" },
		{ "\033[17~", "F6" },
		{ "\033[18~", "F7" },
		{ "\033[19~", "F8" },
		{ "\033[20~", "F9" },
		{ "\033[21~", "F10" },
		{ "\033[23~", "F11" },
		{ "\033[24~", "F12" },
		{ "\t", "Tab" },
		{ "\033[Z", "BackTab" },
		{ "\r", "Enter" },
		{ "\n", "Enter" },
		{ "\177", "BackSp" },
		{ "\b", "BackSp" },
		{ "\003", "U+0003" },
		{ "\034", "U+001c" },
		{ "\033", "Esc" },
		{ "\033y", "Other" },
		{ "\033\xc3\xa4", "Other" },
		{ "\xc3\xa4", "U+00e4" },
		{ "\xe6\x97\xa5", "U+65e5" },
		{ "\xf0\x9f\x98\x80", "U+1f600" },
	};
	check_keys(start(state), cases, COUNT(cases));
}

/* What means nothing is swallowed whole; what follows it is not. */
static void swallows_what_it_does_not_know(void **state)
{
	static const struct key_case cases[] = {
		{ "\xff\xfey", "y" }, /* bytes that are no character */
		{ "\xc3y", "y" },
		{ "\xe6\x97\xc3\xa4", "U+00e4" },
		{ "\033[1;99Ky", "Other+ y" },
		{ "\033[?64;1;2cy", "Other+ y" },
		{ "\033]10;rgb:0000/0000/0000\007y", "Other+ y" },
		{ "\033P1$r0m\033\\y", "Other+ y" },
		{ "\033OZy", "Other+ y" },
		{ "\033\033y", "Esc+ Other" },
	};
	check_keys(start(state), cases, COUNT(cases));
}

static void tells_what_was_pasted_and_what_was_waiting(void **state)
{
	static const struct key_case cases[] = {
		{ "ab", "a+ b" },
		{ "\033[200~y\r\033[201~", "Paste(+ y+ Enter+ )Paste" },
		{ "a\033[0nb", "a+ Answer+ b" },
	};
	struct vt *vt = start(state);
	check_keys(vt, cases, COUNT(cases));
	vt_send(vt, "!");
	vt_paste(vt, "q");
	expect(vt, ")Paste");
	assert_non_null(strstr(vt_row(vt, 1), "Paste("));
}

static void a_lone_escape_is_told_soon(void **state)
{
	struct vt *vt = start(state);
	vt_send(vt, "\033");
	expect(vt, "Esc");
	assert_in_range(vt_reaction(vt), 15000, 700000); /* 20 ms by itself; the rest is for slow machines */
}

static void the_answer_comes_in_order(void **state)
{
	struct vt *vt = start_with(state, (struct vt_options){ .answers = VT_ANSWER_HELD });
	expect(vt, "size 80x24");
	vt_send(vt, "?k");
	expect(vt, "k");
	assert_int_equal(vt_answers_held(vt), 1);
	vt_give_answers(vt);
	expect(vt, "k Answer");
	vt_send(vt, "v");
	expect(vt, "k Answer v");
}

static void shows_hostile_texts_inert(void **state)
{
	static const char *const shown[] = {
		"escape \\x1b[2J\\x1b]0;owned\\x07 sequence", "C1 \\u009b 31m raw \\x9b 31m",
		"bidi \\u202e reversed \\u2066 isolate",      "lines and tabs separated",
		"bytes \\xff\\xfe\\xc3( \\xed\\xa0\\x80",     "marks e\xcc\x81 a\xcc\x81\xcc\x81",
	};
	struct vt *vt = start(state);
	size_t before, after;
	send_and_settle(vt, "pp");
	for (size_t i = 0; i < COUNT(shown); i++)
		expect(vt, shown[i]);
	vt_raw(vt, &before);
	send_and_settle(vt, "\f");
	const char *raw = vt_raw(vt, &after);
	for (size_t i = before; i + 1 < after; i++) {
		assert_false(raw[i] == '\033' && raw[i + 1] == ']');
		assert_false(raw[i] == '\007');
		assert_false((unsigned char)raw[i] == 0xc2 && (unsigned char)raw[i + 1] < 0xa0);
	}
	assert_null(memmem(raw + before, after - before, "\xe2\x80\xae", 3));
}

static void wide_and_combining_characters_keep_their_columns(void **state)
{
	struct vt *vt = start(state);
	send_and_settle(vt, "p");
	expect(vt, "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e|e\xcc\x81|\xe2\x96\xbc|end");
	int y, x;
	assert_true(vt_find(vt, "end", &y, &x));
	assert_int_equal(x, 11);
	assert_string_equal(vt_cell(vt, 2, 7).text, "e\xcc\x81");
	assert_string_equal(vt_cell(vt, 3, 77).text, "\xe6\x97\xa5");
	assert_int_equal(vt_cell(vt, 3, 77).width, 2);
	assert_string_equal(vt_cell(vt, 3, 79).text, "");
	assert_string_equal(vt_cell(vt, 4, 77).text, "a");
	assert_string_equal(vt_cell(vt, 4, 78).text, "\xe6\x9c\xac");
}

struct cursor_wanted {
	int y, x;
	bool visible;
};

static bool cursor_is(struct vt *vt, void *context)
{
	const struct cursor_wanted *wanted = context;
	int y, x;
	bool visible;
	vt_cursor(vt, &y, &x, &visible);
	return visible == wanted->visible && (!visible || (y == wanted->y && x == wanted->x));
}

static void the_text_cursor_shows_where_it_should(void **state)
{
	struct vt *vt = start(state);
	assert_true(vt_wait(vt, cursor_is, &(struct cursor_wanted){ 0, 0, false }, VT_PATIENCE_MS));
	vt_send(vt, "t");
	assert_true(vt_wait(vt, cursor_is, &(struct cursor_wanted){ 1, 5, true }, VT_PATIENCE_MS));
	vt_send(vt, "k"); /* a change elsewhere leaves it there */
	expect(vt, "k");
	assert_true(vt_wait(vt, cursor_is, &(struct cursor_wanted){ 1, 5, true }, VT_PATIENCE_MS));
	vt_send(vt, "t");
	assert_true(vt_wait(vt, cursor_is, &(struct cursor_wanted){ 0, 0, false }, VT_PATIENCE_MS));
}

static void colours_and_their_absence(void **state)
{
	static const char *const no_colour[] = { "NO_COLOR=1", NULL };
	struct vt *vt = start(state);
	int y, x;
	send_and_settle(vt, "ppp");
	expect(vt, "STALE 12s");
	assert_true(vt_find(vt, "STALE 12s", &y, &x));
	assert_int_equal(vt_cell(vt, y, x).background, 3);
	assert_int_equal(vt_cell(vt, y, x).foreground, 0);
	assert_int_equal(vt_cell(vt, 3, 0).foreground, 243);
	vt = start_with(state, (struct vt_options){ .environment = no_colour });
	send_and_settle(vt, "ppp");
	expect(vt, "STALE 12s");
	assert_int_equal(vt_cell(vt, y, x).background, -1);
	assert_true(vt_cell(vt, y, x).reverse);
}

static void falls_back_to_ascii(void **state)
{
	static const char *const environment[] = { "LC_ALL=C", NULL };
	struct vt *vt = start_with(state, (struct vt_options){ .environment = environment });
	vt_send(vt, "p");
	expect(vt, "???|e?|?|end");
	vt_send(vt, "p");
	expect(vt, "bidi \\u202e reversed");
	size_t length;
	const char *raw = vt_raw(vt, &length);
	for (size_t i = 0; i < length; i++)
		assert_true((unsigned char)raw[i] < 0x80);
}

static void runs_on_many_terminals(void **state)
{
	static const char *const names[] = { "TERM=vt100",  "TERM=linux", "TERM=xterm-256color",
					     "TERM=screen", "TERM=xterm", "TERM=tmux-256color" };
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *environment[] = { names[i], NULL };
		struct vt *vt = start_with(state, (struct vt_options){ .environment = environment });
		expect(vt, "row 23 changed 0 times");
		vt_send(vt, "\033[A\033[5~\033[H\033OP?");
		expect(vt, "Up+ PgUp+ Home+ F1+ Answer");
		vt_send(vt, "q");
		assert_int_equal(wait_exit(vt), 0);
		expect_restored(vt);
	}
}

static void refuses_what_cannot_work(void **state)
{
	static const struct {
		const char *environment, *shown;
		bool output_elsewhere;
	} cases[] = {
		{ "TERM=dumb", "terminal type \"dumb\" cannot place the cursor", false },
		{ "TERM=no-such", "terminal type \"no-such\" is not known here", false },
		{ "TERM", "TERM is not set", false },
		{ "TERM=xterm", "standard output is not a terminal", true },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *environment[] = { cases[i].environment, NULL };
		struct vt *vt = start_with(state, (struct vt_options){ .environment = environment,
								       .output_elsewhere = cases[i].output_elsewhere });
		int status = wait_exit(vt);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		expect(vt, cases[i].shown);
		expect_restored(vt);
	}
}

static void copies_where_there_is_a_clipboard(void **state)
{
	struct vt *vt = start(state);
	vt_send(vt, "c");
	expect(vt, "Copied");
	assert_true(vt_wait_raw(vt, 0, "\033]52;c;aGVsbG8=\007"));
	static const char *const environment[] = { "TERM=linux", NULL };
	vt = start_with(state, (struct vt_options){ .environment = environment });
	vt_send(vt, "c");
	expect(vt, "NotCopied");
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--probe") == 0)
		return term_probe();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(quits_with_the_terminal_as_it_was, teardown),
		cmocka_unit_test_teardown(draws_at_every_size, teardown),
		cmocka_unit_test_teardown(survives_a_storm_of_resizes, teardown),
		cmocka_unit_test_teardown(ctrl_l_draws_everything_anew, teardown),
		cmocka_unit_test_teardown(writes_nothing_when_nothing_changed, teardown),
		cmocka_unit_test_teardown(signals_that_ask_to_quit_restore, teardown),
		cmocka_unit_test_teardown(deadly_signals_restore, teardown),
		cmocka_unit_test_teardown(crashes_restore, teardown),
		cmocka_unit_test_teardown(stops_and_goes_on, teardown),
		cmocka_unit_test_teardown(goes_on_after_a_stop_without_notice, teardown),
		cmocka_unit_test_teardown(ends_when_the_terminal_goes_away, teardown),
		cmocka_unit_test_teardown(reads_every_key, teardown),
		cmocka_unit_test_teardown(swallows_what_it_does_not_know, teardown),
		cmocka_unit_test_teardown(tells_what_was_pasted_and_what_was_waiting, teardown),
		cmocka_unit_test_teardown(a_lone_escape_is_told_soon, teardown),
		cmocka_unit_test_teardown(the_answer_comes_in_order, teardown),
		cmocka_unit_test_teardown(shows_hostile_texts_inert, teardown),
		cmocka_unit_test_teardown(wide_and_combining_characters_keep_their_columns, teardown),
		cmocka_unit_test_teardown(the_text_cursor_shows_where_it_should, teardown),
		cmocka_unit_test_teardown(colours_and_their_absence, teardown),
		cmocka_unit_test_teardown(falls_back_to_ascii, teardown),
		cmocka_unit_test_teardown(runs_on_many_terminals, teardown),
		cmocka_unit_test_teardown(refuses_what_cannot_work, teardown),
		cmocka_unit_test_teardown(copies_where_there_is_a_clipboard, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
