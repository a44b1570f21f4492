/* The audit log: what is on disk, whatever the disk, other programs and logrotate do. */
#include "audit_file.h"
#include "audit_record.h"
#include "fixture.h"

#include "pglocktop/audit.h"
#include "pglocktop/audit_text.h"
#include "pglocktop/operator.h"
#include "pglocktop/signaller.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE = 30 * 1000 /* ms */, WRITERS = 4, ROTATIONS = 4, BATCH = 50, LINES_EACH = (ROTATIONS + 1) * BATCH };

struct place {
	char directory[64], path[128];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	const char *base = getenv("TMPDIR");
	assert_non_null(place);
	snprintf(place->directory, sizeof place->directory, "%.40s/pglocktop-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->path, sizeof place->path, "%s/audit.jsonl", place->directory);
	*state = place;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

static int remove_place(void **state)
{
	struct place *place = *state;
	umount2(place->directory, MNT_DETACH);
	assert_int_equal(nftw(place->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	free(place);
	return 0;
}

static char *read_file(const char *path)
{
	struct strbuf text = STRBUF_INIT;
	FILE *file = fopen(path, "r");
	char bytes[4096];
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	for (size_t length; (length = fread(bytes, 1, sizeof bytes, file)) > 0;)
		strbuf_add(&text, bytes, length);
	fclose(file);
	return strbuf_detach(&text);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void expect_file(const char *path, const char *wanted)
{
	char *text = read_file(path);
	assert_string_equal(text, wanted);
	free(text);
}

static struct audit_file file_at(const struct place *place)
{
	return (struct audit_file)AUDIT_FILE_INIT(place->path);
}

static void append(struct audit_file *file, const char *line)
{
	struct err err;
	if (!audit_file_append(file, line, strlen(line), &err))
		fail_msg("%s", err.text);
}

/* ---- the file ---- */

static void only_its_owner_may_read_it(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	struct stat is;
	char path[160];
	snprintf(path, sizeof path, "%s/a/b/audit.jsonl", place->directory);
	file.path = path;
	file.make_directories = true;
	umask(0);
	append(&file, "one\n");
	audit_file_close(&file);
	umask(022);
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(is.st_mode & 07777, 0600);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(is.st_mode & 07777, 0700);
}

static void what_was_torn_off_is_ended(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	write_file(place->path, "whole\n{\"torn");
	append(&file, "next\n");
	expect_file(place->path, "whole\n{\"torn\nnext\n");
	audit_file_close(&file);
}

static void a_file_that_was_moved_away_is_left(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	char moved[160];
	snprintf(moved, sizeof moved, "%s.1", place->path);
	append(&file, "one\n");
	assert_int_equal(rename(place->path, moved), 0);
	append(&file, "two\n");
	assert_int_equal(unlink(place->path), 0);
	append(&file, "three\n");
	expect_file(moved, "one\n");
	expect_file(place->path, "three\n");
	audit_file_close(&file);
}

/* As logrotate's copytruncate does, which cannot know what comes between the copy and the cut. */
static void what_was_cut_off_is_written_again(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	append(&file, "one\n");
	append(&file, "two\n");
	assert_int_equal(truncate(place->path, 0), 0);
	append(&file, "three\n");
	expect_file(place->path, "one\ntwo\nthree\n");
	/* Another program's lines in their place do not deceive it. */
	write_file(place->path, "ENO\nOWT\nEERHT\n");
	audit_file_keep(&file);
	expect_file(place->path, "ENO\nOWT\nEERHT\none\ntwo\nthree\n");
	audit_file_keep(&file);
	append(&file, "four\n");
	expect_file(place->path, "ENO\nOWT\nEERHT\none\ntwo\nthree\nfour\n");
	audit_file_close(&file);
}

/* The file is emptied after each; what is written again has bounds. */
static void only_the_last_lines_are_remembered(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	static char line[100 * 1000];
	struct stat is;
	memset(line, 'x', sizeof line);
	memcpy(line + sizeof line - 2, "\n", 2);
	for (int i = 0; i < 30; i++) {
		append(&file, line);
		assert_int_equal(stat(place->path, &is), 0);
		assert_true(is.st_size <= 1200 * 1000 && is.st_size % (sizeof line - 1) == 0);
		assert_int_equal(truncate(place->path, 0), 0);
	}
	audit_file_close(&file);
}

static void expect_failure(struct audit_file *file, const char *why)
{
	struct err err;
	assert_false(audit_file_append(file, "line\n", 5, &err));
	if (!strstr(err.text, why) || !strstr(err.text, file->path))
		fail_msg("\"%s\" has no \"%s\"", err.text, why);
	audit_file_close(file);
}

static void it_says_why_it_cannot_be_written(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	char other[160];
	snprintf(other, sizeof other, "%s/other", place->directory);
	write_file(other, "");
	assert_int_equal(symlink(other, place->path), 0);
	expect_failure(&file, "is a symbolic link");
	expect_file(other, "");
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(mkfifo(place->path, 0600), 0);
	expect_failure(&file, "is no regular file");
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(mkdir(place->path, 0700), 0);
	expect_failure(&file, "Is a directory");
	assert_int_equal(rmdir(place->path), 0);
	snprintf(place->path, sizeof place->path, "%s/other/below", place->directory);
	expect_failure(&file, "Not a directory");
	snprintf(place->path, sizeof place->path, "%s/missing/below", place->directory);
	expect_failure(&file, "No such file or directory");
	file.path = "/dev/full";
	expect_failure(&file, "is no regular file");
}

static void an_unwritable_directory_is_said(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	if (geteuid() == 0)
		skip();
	assert_int_equal(chmod(place->directory, 0500), 0);
	expect_failure(&file, "Permission denied");
	assert_int_equal(chmod(place->directory, 0700), 0);
}

/* The limit falls into the middle of the second line: what was written of it is taken back. */
static void a_line_that_does_not_fit_leaves_nothing(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	struct rlimit before, limit = { 12, RLIM_INFINITY };
	struct err err;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	append(&file, "12345678\n");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	bool written = audit_file_append(&file, "abcdefgh\n", 9, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_false(written);
	expect_file(place->path, "12345678\n");
	append(&file, "abcdefgh\n");
	expect_file(place->path, "12345678\nabcdefgh\n");
	audit_file_close(&file);
}

/* A file system of its own, so small that a few lines fill it. */
static void a_full_disk_is_found_out_before(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	struct err err;
	char filler[160], big[5000];
	if (geteuid() != 0 || mount("tmpfs", place->directory, "tmpfs", 0, "size=64k") != 0)
		skip();
	assert_true(audit_file_probe(&file, &err));
	append(&file, "one\n");
	snprintf(filler, sizeof filler, "%s/filler", place->directory);
	int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	memset(big, 'x', sizeof big);
	while (write(fd, big, sizeof big) == (ssize_t)sizeof big)
		;
	close(fd);
	/* The room that the probe set aside is there. */
	append(&file, "two\n");
	memset(big, 'y', sizeof big);
	big[sizeof big - 1] = '\n';
	bool written = true;
	for (int i = 0; i < 10 && written; i++)
		written = audit_file_append(&file, big, sizeof big, &err);
	assert_false(written);
	assert_true(strstr(err.text, "No space left") || strstr(err.text, "no room for a whole line"));
	assert_false(audit_file_probe(&file, &err));
	assert_non_null(strstr(err.text, "No space left"));
	char *text = read_file(place->path);
	assert_int_equal(text[strlen(text) - 1], '\n');
	free(text);
	assert_int_equal(unlink(filler), 0);
	assert_true(audit_file_probe(&file, &err));
	append(&file, "after\n");
	audit_file_close(&file);
}

/* A batch for each byte that it is given. */
static void write_many(const struct place *place, int writer, int orders)
{
	struct audit_file file = file_at(place);
	char line[4200], order;
	for (int i = 0; read(orders, &order, 1) == 1;) {
		for (int end = i + BATCH; i < end; i++) {
			int length = snprintf(line, sizeof line, "%d %d ", writer, i);
			memset(line + length, 'a' + writer, sizeof line - (size_t)length - 2);
			memcpy(line + sizeof line - 2, "\n", 2);
			append(&file, line);
		}
	}
	audit_file_close(&file);
}

struct writers {
	pid_t pid[WRITERS];
	int orders[WRITERS];
};

static void start_writers(const struct place *place, struct writers *writers)
{
	for (int i = 0; i < WRITERS; i++) {
		int ends[2];
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		writers->pid[i] = fork();
		assert_true(writers->pid[i] >= 0);
		if (writers->pid[i] == 0) {
			for (int k = 0; k < i; k++)
				close(writers->orders[k]);
			close(ends[1]);
			write_many(place, i, ends[0]);
			_exit(0);
		}
		close(ends[0]);
		writers->orders[i] = ends[1];
	}
}

static void order_batches(const struct writers *writers)
{
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(write(writers->orders[i], "+", 1), 1);
}

static void await_writers(const struct writers *writers)
{
	for (int i = 0; i < WRITERS; i++) {
		int status;
		close(writers->orders[i]);
		assert_int_equal(waitpid(writers->pid[i], &status, 0), writers->pid[i]);
		assert_int_equal(status, 0);
	}
}

/* A line may be there twice, in two files or in one. */
static void check_line(const char *line, size_t length, bool seen[static WRITERS][LINES_EACH])
{
	int writer = line[0] - '0', number = 0;
	assert_in_range(writer, 0, WRITERS - 1);
	assert_int_equal(sscanf(line + 2, "%d", &number), 1);
	assert_in_range(number, 0, LINES_EACH - 1);
	seen[writer][number] = true;
	assert_int_equal(length, 4198);
	assert_int_equal(line[length - 1], 'a' + writer);
}

/* The end of a copy may have been read while it was written. */
static void check_lines(const char *path, bool copy, bool seen[static WRITERS][LINES_EACH])
{
	char *text = read_file(path);
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		if (!line[length]) {
			assert_true(copy);
			break;
		}
		check_line(line, length, seen);
		line += length + 1;
	}
	free(text);
	assert_int_equal(unlink(path), 0);
}

static void await_size(const char *path, off_t size)
{
	struct stat is = { .st_size = 0 };
	int64_t deadline = when_monotonic() + PATIENCE * INT64_C(1000);
	while (is.st_size < size) {
		assert_true(when_monotonic() < deadline);
		if (stat(path, &is) != 0)
			poll(NULL, 0, 1);
	}
}

static void copy_and_cut(const char *path, const char *copy)
{
	char *text = read_file(path);
	write_file(copy, text);
	free(text);
	assert_int_equal(truncate(path, 0), 0);
}

/*
 * Four programs write lines that are longer than a pipe's buffer, while the file is rotated in both of the ways. The
 * last batch comes after that: it finds out what the last cut took.
 */
static void several_programs_write_it_at_once(void **state)
{
	struct place *place = *state;
	struct writers writers;
	char other[ROTATIONS][160];
	bool seen[WRITERS][LINES_EACH] = { { false } };
	start_writers(place, &writers);
	for (int i = 0; i < ROTATIONS; i++) {
		snprintf(other[i], sizeof other[i], "%s.%d", place->path, i);
		order_batches(&writers);
		await_size(place->path, 100000);
		if (i % 2 == 0)
			assert_int_equal(rename(place->path, other[i]), 0);
		else
			copy_and_cut(place->path, other[i]);
	}
	order_batches(&writers);
	await_writers(&writers);
	for (int i = 0; i < ROTATIONS; i++)
		check_lines(other[i], i % 2 == 1, seen);
	check_lines(place->path, false, seen);
	for (int i = 0; i < WRITERS; i++)
		for (int k = 0; k < LINES_EACH; k++)
			if (!seen[i][k])
				fail_msg("line %d of writer %d is lost", k, i);
}

static void the_tail_is_whole_lines(void **state)
{
	struct place *place = *state;
	struct audit_file file = file_at(place);
	struct strbuf tail = STRBUF_INIT;
	struct err err;
	append(&file, "first line\n");
	append(&file, "second\n");
	append(&file, "third\n");
	assert_true(audit_file_read_tail(&file, 16, &tail, &err));
	assert_string_equal(tail.text, "second\nthird\n");
	strbuf_reset(&tail);
	assert_true(audit_file_read_tail(&file, 1000, &tail, &err));
	assert_string_equal(tail.text, "first line\nsecond\nthird\n");
	strbuf_release(&tail);
	audit_file_close(&file);
}

/* ---- the thread ---- */

static struct audit *audit_at(const char *path)
{
	struct audit_options options = { .path = path };
	struct err err;
	struct audit *audit = audit_new(&options, &err);
	assert_non_null(audit);
	return audit;
}

static struct audit_answer await(struct audit *audit)
{
	struct pollfd ready = { audit_fd(audit), POLLIN, 0 };
	int64_t deadline = when_monotonic() + PATIENCE * 1000;
	for (;;) {
		struct audit_answer answer = audit_take(audit);
		if (answer.kind != AUDIT_NOTHING)
			return answer;
		assert_true(when_monotonic() < deadline);
		poll(&ready, 1, PATIENCE);
	}
}

static void what_is_appended_is_there(void **state)
{
	struct place *place = *state;
	struct audit *audit = audit_at(place->path);
	uint64_t ticket = audit_append(audit, "\"event\":\"intent\"");
	struct audit_answer answer = await(audit);
	assert_int_equal(answer.kind, AUDIT_APPENDED);
	assert_int_equal(answer.ticket, ticket);
	assert_true(answer.done);
	char *text = read_file(place->path);
	json_t *line = json_loads(text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(line, "format")), "pglocktop-audit");
	assert_string_equal(json_string_value(json_object_get(line, "event")), "intent");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(line, "os"), "pid")), getpid());
	json_decref(line);
	free(text);
	audit_read(audit, 4096);
	answer = await(audit);
	assert_true(answer.kind == AUDIT_READ && answer.done && strstr(answer.text, "intent"));
	free(answer.text);
	assert_true(audit_stop(audit, WHEN_SECOND));
}

/* Somebody holds the file's lock, as a file system that hangs would: the caller hears of it in time. */
static void a_file_that_hangs_holds_nobody_up(void **state)
{
	struct place *place = *state;
	int fd = open(place->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	struct audit *audit = audit_at(place->path);
	int64_t asked = when_monotonic();
	uint64_t ticket = audit_append(audit, "\"event\":\"intent\"");
	struct audit_answer answer = await(audit);
	int64_t waited = when_monotonic() - asked;
	assert_true(answer.ticket == ticket && answer.late && !answer.done);
	assert_in_range(waited, AUDIT_PATIENCE, AUDIT_PATIENCE + 2 * WHEN_SECOND);
	assert_false(audit_stop(audit, WHEN_SECOND / 20));
	/* It comes back: the line is written after all. */
	assert_int_equal(flock(fd, LOCK_UN), 0);
	struct stat is = { .st_size = 0 };
	while (is.st_size == 0 && when_monotonic() < asked + PATIENCE * 1000) {
		assert_int_equal(fstat(fd, &is), 0);
		poll(NULL, 0, 1);
	}
	assert_true(is.st_size > 0);
	assert_true(audit_stop(audit, PATIENCE * INT64_C(1000)));
	close(fd);
}

/* ---- what it says ---- */

static void hostile_names_do_no_harm(void **state)
{
	(void)state;
	static const char bad[] = "a\"b\\c\n\x1b[31m\xc2\x9b"
				  "\xe2\x80\xae*/; drop table x; --\x7f";
	struct frame *frame = fixture_new();
	struct session *session = fixture_session(frame, 8008, bad, SESSION_ACTIVE);
	session->user = session->database = session->client = session->wait_event = bad;
	frame->snapshot->server.host = bad;
	fixture_finish(frame);
	struct signal_request request = { .target = frame->snapshot->sessions[0].id };
	snprintf(request.reason, sizeof request.reason, "%s", bad);
	struct strbuf line = STRBUF_INIT;
	strbuf_add_char(&line, '{');
	audit_record_intent("1", &request, frame, &line);
	strbuf_add_char(&line, '}');
	for (size_t i = 0; i < line.length; i++)
		assert_true((unsigned char)line.text[i] >= 0x20 && line.text[i] != 0x7f);
	assert_null(strstr(line.text, "\xc2\x9b"));
	assert_null(strstr(line.text, "\xe2\x80\xae"));
	json_t *object = json_loads(line.text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(object, "reason")), bad);
	json_decref(object);
	strbuf_reset(&line);
	operator_add_harmless(&line, bad);
	assert_string_equal(line.text, "a?b?c???31m?????????drop?table?x?"
				       "?--?");
	strbuf_reset(&line);
	operator_add_harmless(&line, "");
	assert_string_equal(line.text, "?");
	strbuf_release(&line);
	frame_free(frame);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
	const struct CMUnitTest tests[] = {
		TEST(only_its_owner_may_read_it),
		TEST(what_was_torn_off_is_ended),
		TEST(a_file_that_was_moved_away_is_left),
		TEST(what_was_cut_off_is_written_again),
		TEST(only_the_last_lines_are_remembered),
		TEST(it_says_why_it_cannot_be_written),
		TEST(an_unwritable_directory_is_said),
		TEST(a_line_that_does_not_fit_leaves_nothing),
		TEST(a_full_disk_is_found_out_before),
		TEST(several_programs_write_it_at_once),
		TEST(the_tail_is_whole_lines),
		TEST(what_is_appended_is_there),
		TEST(a_file_that_hangs_holds_nobody_up),
		TEST(hostile_names_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
