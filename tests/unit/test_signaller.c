/* From a decision to a signal: what is on the record, and when the source hears of it. */
#include "fixture.h"

#include "pglocktop/audit_text.h"
#include "pglocktop/signaller.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE = 30 * 1000 /* ms */, WAITERS = 120 };

/* A source that only hears. */
struct deaf {
	struct source source;
	unsigned sent;
	struct source_command last;
	bool on_disk; /* the log had lines when the last one came */
	const char *path;
};

static void hear(struct source *source, const struct source_command *command)
{
	struct deaf *deaf = (struct deaf *)source;
	struct stat is;
	deaf->sent++;
	deaf->last = *command;
	deaf->on_disk = stat(deaf->path, &is) == 0 && is.st_size > 0;
}

static const struct source_ops deaf_ops = { .send = hear };

struct scene {
	char directory[64], path[128];
	struct deaf deaf;
	struct audit *audit;
	struct signaller *signaller;
	struct frame *frame;
	struct signal_request request;
	char log[64 * 1024];
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof *scene);
	const char *base = getenv("TMPDIR");
	struct err err;
	assert_non_null(scene);
	snprintf(scene->directory, sizeof scene->directory, "%.40s/pglocktop-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(scene->directory));
	snprintf(scene->path, sizeof scene->path, "%s/audit.jsonl", scene->directory);
	scene->deaf = (struct deaf){ .source.ops = &deaf_ops, .path = scene->path };
	struct audit_options options = { .path = scene->path };
	scene->audit = audit_new(&options, &err);
	assert_non_null(scene->audit);
	scene->signaller = signaller_new(&scene->deaf.source, scene->audit);
	scene->frame = fixture_new();
	fixture_session(scene->frame, 8008, "checkout", SESSION_ACTIVE);
	fixture_finish(scene->frame);
	scene->request = (struct signal_request){ .serial = 1,
						  .verb = SIGNAL_TERMINATE,
						  .target = scene->frame->snapshot->sessions[0].id };
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;
	signaller_free(scene->signaller);
	assert_true(audit_stop(scene->audit, PATIENCE * INT64_C(1000)));
	frame_free(scene->frame);
	unlink(scene->path);
	rmdir(scene->path);
	assert_int_equal(rmdir(scene->directory), 0);
	free(scene);
	return 0;
}

static struct audit_answer await(struct scene *scene)
{
	struct pollfd ready = { audit_fd(scene->audit), POLLIN, 0 };
	int64_t deadline = when_monotonic() + PATIENCE * INT64_C(1000);
	for (;;) {
		struct audit_answer answer = audit_take(scene->audit);
		if (answer.kind != AUDIT_NOTHING)
			return answer;
		assert_true(when_monotonic() < deadline);
		poll(&ready, 1, PATIENCE);
	}
}

static const char *read_log(struct scene *scene)
{
	int fd = open(scene->path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t length = read(fd, scene->log, sizeof scene->log - 1);
	close(fd);
	assert_true(length >= 0);
	scene->log[length] = '\0';
	return scene->log;
}

static void expect_in_log(struct scene *scene, const char *text)
{
	if (!strstr(read_log(scene), text))
		fail_msg("no \"%s\" in\n%s", text, scene->log);
}

static void await_in_log(struct scene *scene, const char *text)
{
	int64_t deadline = when_monotonic() + PATIENCE * INT64_C(1000);
	while (!strstr(read_log(scene), text)) {
		assert_true(when_monotonic() < deadline);
		poll(NULL, 0, 1);
	}
}

/* Lives until the next call. */
static const char *log_line(struct scene *scene, int number)
{
	char *line = scene->log;
	read_log(scene);
	while (number-- > 0 && *line)
		line += strcspn(line, "\n") + 1;
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static void the_intent_is_on_disk_first(void **state)
{
	struct scene *scene = *state;
	struct signal_news news;
	signaller_send(scene->signaller, &scene->request, scene->frame);
	assert_int_equal(scene->deaf.sent, 0);
	assert_int_equal(signaller_pending(scene->signaller), 1);
	struct audit_answer answer = await(scene);
	assert_true(answer.done);
	assert_false(signaller_take(scene->signaller, &answer, &news));
	assert_int_equal(signaller_pending(scene->signaller), 0);
	assert_int_equal(scene->deaf.sent, 1);
	assert_true(scene->deaf.on_disk);
	assert_true(identity_equal(scene->deaf.last.signal.target, scene->request.target));
	assert_string_equal(scene->deaf.last.signal.user, "app");
	assert_string_equal(scene->deaf.last.signal.database, "shop");
	news = (struct signal_news){ .request = scene->request, .outcome = SIGNAL_GONE, .elapsed = 40000 };
	signaller_note(scene->signaller, &news);
	assert_false(news.unlogged);
	answer = await(scene);
	assert_true(answer.done);
	expect_in_log(scene, "\"outcome\":\"gone\",\"elapsed\":0.04");
}

static void nothing_is_sent_that_is_not_logged(void **state)
{
	struct scene *scene = *state;
	struct signal_news news;
	assert_int_equal(mkdir(scene->path, 0700), 0);
	signaller_send(scene->signaller, &scene->request, scene->frame);
	struct audit_answer answer = await(scene);
	assert_true(!answer.done && !answer.late);
	assert_true(signaller_take(scene->signaller, &answer, &news));
	assert_int_equal(news.outcome, SIGNAL_NOT_SENT);
	assert_int_equal(news.request.serial, 1);
	assert_non_null(strstr(news.text, "the audit log cannot be written"));
	assert_int_equal(scene->deaf.sent, 0);
	/* Whoever was told, and agreed, is not held up; it is told to the end. */
	scene->request.unlogged = true;
	scene->request.serial = 2;
	signaller_send(scene->signaller, &scene->request, scene->frame);
	assert_int_equal(scene->deaf.sent, 1);
	answer = await(scene);
	assert_false(signaller_take(scene->signaller, &answer, &news));
	assert_int_equal(scene->deaf.sent, 1);
	news = (struct signal_news){ .request = scene->request, .outcome = SIGNAL_GONE };
	signaller_note(scene->signaller, &news);
	assert_true(news.unlogged);
}

static void a_log_that_hangs_holds_it_up_for_a_second(void **state)
{
	struct scene *scene = *state;
	struct signal_news news;
	int fd = open(scene->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	int64_t asked = when_monotonic();
	signaller_send(scene->signaller, &scene->request, scene->frame);
	struct audit_answer answer = await(scene);
	assert_true(answer.late);
	assert_in_range(when_monotonic() - asked, AUDIT_PATIENCE, AUDIT_PATIENCE + 2 * WHEN_SECOND);
	assert_false(signaller_take(scene->signaller, &answer, &news));
	assert_int_equal(scene->deaf.sent, 1);
	assert_false(scene->deaf.on_disk);
	news = (struct signal_news){ .request = scene->request, .outcome = SIGNAL_SENT };
	signaller_note(scene->signaller, &news);
	assert_true(news.unlogged);
	/* It comes back, and the intent is there in the end: the line after it says that it came too late. */
	close(fd);
	await_in_log(scene, "\"event\":\"sent\"");
	json_t *intent = json_loads(log_line(scene, 0), 0, NULL), *sent = json_loads(log_line(scene, 1), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(intent, "event")), "intent");
	assert_string_equal(json_string_value(json_object_get(intent, "id")),
			    json_string_value(json_object_get(sent, "id")));
	assert_true(json_is_true(json_object_get(sent, "unlogged")));
	json_decref(intent);
	json_decref(sent);
}

/* WAITERS wait for 8008 in the first frame; in the second it has gone, and all but the last have what they wanted. */
static struct frame *jam(bool released)
{
	struct frame *frame = fixture_new();
	uint64_t serial = released ? 2 : 1;
	frame->serial = serial;
	if (!released) {
		fixture_session(frame, 8008, "checkout", SESSION_ACTIVE);
		fixture_holds(frame, 8008, fixture_relation(7), LOCKMODE_ACCESS_EXCLUSIVE);
	}
	for (int i = 0; i < WAITERS; i++) {
		fixture_session(frame, 9000 + i, "worker", SESSION_ACTIVE);
		if (!released || i == WAITERS - 1)
			fixture_waits(frame, 9000 + i, fixture_relation(7), LOCKMODE_ACCESS_SHARE, 5);
	}
	fixture_finish(frame);
	return frame;
}

/* The line has who was freed by identity: the first hundred, and the count of all. */
static void those_who_were_freed_are_named(void **state)
{
	struct scene *scene = *state;
	struct frame *before = jam(false), *after = jam(true);
	struct signal_news news;
	char id[IDENTITY_TEXT_SIZE];
	uint32_t target = snapshot_find_pid(before->snapshot, 8008), first = snapshot_find_pid(after->snapshot, 9000);
	scene->request.target = before->snapshot->sessions[target].id;
	signaller_send(scene->signaller, &scene->request, before);
	struct audit_answer answer = await(scene);
	assert_false(signaller_take(scene->signaller, &answer, &news));
	signaller_note_frame(scene->signaller, after);
	news = (struct signal_news){ .request = scene->request, .outcome = SIGNAL_GONE, .frame_serial = 2 };
	signaller_note(scene->signaller, &news);
	await_in_log(scene, "\"outcome\":\"gone\"");
	json_t *line = json_loads(log_line(scene, 1), 0, NULL), *freed = json_object_get(line, "freed_sessions");
	assert_int_equal(json_integer_value(json_object_get(line, "waiters")), WAITERS);
	assert_int_equal(json_integer_value(json_object_get(line, "freed")), WAITERS - 1);
	assert_int_equal(json_array_size(freed), 100);
	identity_format(after->snapshot->sessions[first].id, id);
	bool named = false;
	for (size_t i = 0; i < json_array_size(freed); i++)
		named |= strcmp(json_string_value(json_array_get(freed, i)), id) == 0;
	assert_true(named);
	struct strbuf words = STRBUF_INIT;
	audit_text_add(&words, log_line(scene, 1), strlen(log_line(scene, 1)));
	assert_non_null(strstr(words.text, "freed 119 of 120 (9"));
	assert_non_null(strstr(words.text, " and 111 more)"));
	strbuf_release(&words);
	json_decref(line);
	frame_free(before);
	frame_free(after);
}

/* What is still under way when the program ends has a last line, too. */
static void the_end_is_logged(void **state)
{
	struct scene *scene = *state;
	struct signal_news news;
	signaller_send(scene->signaller, &scene->request, scene->frame);
	struct audit_answer answer = await(scene);
	signaller_take(scene->signaller, &answer, &news);
	signaller_free(scene->signaller);
	scene->signaller = NULL;
	answer = await(scene);
	assert_true(answer.done);
	expect_in_log(scene, "\"outcome\":\"unknown\"");
	expect_in_log(scene, "the program was ended");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_intent_is_on_disk_first),
		TEST(nothing_is_sent_that_is_not_logged),
		TEST(a_log_that_hangs_holds_it_up_for_a_second),
		TEST(those_who_were_freed_are_named),
		TEST(the_end_is_logged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
