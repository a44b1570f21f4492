/* Many sessions under one question: those who were tagged get the signal, each by itself, and nobody else. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CROWD = 500, FIVE = 5 };

static const char *const settings[] = { "log_statement=all", "max_connections=560", NULL };

static int open_crowd(void **state)
{
	return stage_open_with(state, settings);
}

/* Five who sleep, in the order of their pids in the view of all sessions. */
struct five {
	PGconn *sessions[FIVE];
};

static struct five begin_five(struct stage *stage)
{
	struct five five;
	for (int i = 0; i < FIVE; i++) {
		char options[64];
		snprintf(options, sizeof options, "application_name=five%d", i);
		five.sessions[i] = stage_session(stage, options);
		pgserver_send(five.sessions[i], "select pg_sleep(600)");
	}
	pgserver_wait_until(stage->admin, "select count(*) = 5 from pg_stat_activity where state = 'active' "
					  "and application_name like 'five%'");
	return five;
}

static void tag(struct stage *stage, PGconn *session, int count)
{
	char tagged[32];
	snprintf(tagged, sizeof tagged, "TAGGED %d", count);
	stage_select(stage, session);
	vt_send(stage->vt, " ");
	stage_expect(stage, tagged);
}

/* Until the question is on the screen and armed by the terminal's answer. */
static void ask_tagged(struct stage *stage, const char *keys, const char *heading)
{
	size_t before;
	vt_raw(stage->vt, &before);
	vt_send(stage->vt, keys);
	if (!vt_wait_raw(stage->vt, before, "\033[5n"))
		fail_msg("no question; the screen is\n%s", vt_text(stage->vt));
	stage_expect(stage, heading);
}

static bool runs(struct stage *stage, PGconn *session)
{
	char sql[128];
	snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where pid = %d and state = 'active'",
		 PQbackendPID(session));
	return pgserver_number(stage->admin, sql) == 1;
}

/* Three of five; of these one ends and one moves on to another query before the answer. */
static void what_has_changed_is_left_out(void **state)
{
	struct stage *stage = *state;
	struct five five = begin_five(stage);
	char text[128];
	stage_watch(stage, NULL);
	vt_send(stage->vt, "2");
	for (int i = 0; i < 3; i++)
		tag(stage, five.sessions[i], i + 1);
	stage_select(stage, five.sessions[4]);
	vt_send(stage->vt, "C");
	stage_expect(stage, "C = the 3 tagged");
	ask_tagged(stage, "C", "CANCEL 3 tagged sessions?");
	int ended = PQbackendPID(five.sessions[0]), moved = PQbackendPID(five.sessions[1]);
	char message[256];
	PGcancel *cancel = PQgetCancel(five.sessions[1]);
	PQcancel(cancel, message, sizeof message);
	PQfreeCancel(cancel);
	for (PGresult *result; (result = PQgetResult(five.sessions[1])) != NULL;)
		PQclear(result);
	pgserver_send(five.sessions[1], "select pg_sleep(601)");
	stage_drop_session(stage, five.sessions[0]);
	snprintf(text, sizeof text, "%d has ended", ended);
	stage_expect(stage, text);
	snprintf(text, sizeof text, "%d has moved on", moved);
	stage_expect(stage, text);
	vt_send(stage->vt, "3");
	stage_expect(stage, "leave them: 3_");
	vt_send(stage->vt, "\r");
	stage_expect(stage, "1 CANCEL sent: 1 stopped");
	assert_int_equal(stage_signal_statements(stage), 1);
	assert_false(runs(stage, five.sessions[2]));
	assert_true(runs(stage, five.sessions[1]));
	assert_true(runs(stage, five.sessions[3]));
	assert_true(runs(stage, five.sessions[4]));
	stage_quit(stage);
}

/* They all stay as they are unless the count is typed. */
static void only_the_count_is_a_yes(void **state)
{
	static const char *const answers[] = { "y", "\r", "3\r", "22\r", "2\033", "\003" };
	struct stage *stage = *state;
	struct five five = begin_five(stage);
	stage_watch(stage, NULL);
	vt_send(stage->vt, "2");
	tag(stage, five.sessions[0], 1);
	tag(stage, five.sessions[1], 2);
	stage_select(stage, five.sessions[0]);
	for (size_t i = 0; i < COUNT(answers); i++) {
		ask_tagged(stage, "K", "TERMINATE 2 tagged sessions?");
		vt_send(stage->vt, answers[i]);
		if (i == 0)
			vt_send(stage->vt, "\r");
		stage_expect_gone(stage, "TERMINATE 2 tagged");
	}
	ask_tagged(stage, "K", "TERMINATE 2 tagged sessions?");
	vt_paste(stage->vt, "2\r");
	stage_expect(stage, "a paste is no answer");
	assert_int_equal(stage_signal_statements(stage), 0);
	for (int i = 0; i < FIVE; i++)
		assert_true(runs(stage, five.sessions[i]));
	stage_quit(stage);
}

/* Tags last through a lost connection to the same server. */
static void tags_outlive_the_connection(void **state)
{
	struct stage *stage = *state;
	struct five five = begin_five(stage);
	char sql[128];
	stage_watch(stage, NULL);
	vt_send(stage->vt, "2");
	tag(stage, five.sessions[0], 1);
	tag(stage, five.sessions[3], 2);
	int own = (int)stage_own_backend(stage);
	snprintf(sql, sizeof sql, "select pg_terminate_backend(%d)", own);
	pgserver_run(stage->admin, sql);
	snprintf(sql, sizeof sql,
		 "select count(*) = 1 from pg_stat_activity where application_name = 'pglocktop' "
		 "and pid <> %d",
		 own);
	pgserver_wait_until(stage->admin, sql);
	snprintf(sql, sizeof sql, "%d pglocktop", (int)stage_own_backend(stage));
	stage_expect(stage, sql); /* a reading by the new connection */
	stage_expect(stage, "TAGGED 2");
	stage_select(stage, five.sessions[3]);
	ask_tagged(stage, "K", "TERMINATE 2 tagged sessions?");
	vt_send(stage->vt, "2");
	stage_expect(stage, "leave them: 2_");
	vt_send(stage->vt, "\r");
	stage_expect(stage, "2 TERM sent: 2 gone");
	stage_expect_dead(stage, PQbackendPID(five.sessions[0]));
	stage_expect_dead(stage, PQbackendPID(five.sessions[3]));
	assert_true(runs(stage, five.sessions[1]));
	assert_true(runs(stage, five.sessions[2]));
	assert_true(runs(stage, five.sessions[4]));
	stage_quit(stage);
}

/* How often a text is in the audit log. */
static int count_logged(struct stage *stage, const char *text)
{
	char line[8192];
	int count = 0;
	FILE *log = fopen(stage->log, "re");
	assert_non_null(log);
	while (fgets(line, sizeof line, log))
		count += strstr(line, text) != NULL;
	fclose(log);
	return count;
}

static int count_crowd(struct stage *stage)
{
	return (int)pgserver_number(stage->admin,
				    "select count(*) from pg_stat_activity where application_name = 'crowd'");
}

/* Nothing is under way any more, and exactly those are tagged who are left. */
static bool is_settled(struct vt *vt, void *context)
{
	char tagged[32];
	int left = count_crowd(context);
	snprintf(tagged, sizeof tagged, "TAGGED %d ", left);
	bool over = !vt_find(vt, "to go", NULL, NULL) && !vt_find(vt, "watched", NULL, NULL);
	return over && (left > 0 ? vt_find(vt, tagged, NULL, NULL) : !vt_find(vt, "TAGGED", NULL, NULL));
}

/* Whoever is tagged by now gets it, by one answer. */
static void terminate_tagged(struct stage *stage)
{
	char answer[16], typed[32];
	int y, x, count;
	ask_tagged(stage, "K", " tagged session");
	stage_expect(stage, "TERMINATE ");
	assert_true(vt_find(stage->vt, "TERMINATE ", &y, &x));
	assert_int_equal(sscanf(strstr(vt_row(stage->vt, y), "TERMINATE "), "TERMINATE %d tagged", &count), 1);
	snprintf(answer, sizeof answer, "%d", count);
	snprintf(typed, sizeof typed, ": %d_", count);
	vt_send(stage->vt, answer);
	stage_expect(stage, typed);
	vt_send(stage->vt, "\r");
	stage_expect(stage, " gone");
	if (!vt_wait(stage->vt, is_settled, stage, VT_PATIENCE_MS))
		fail_msg("%d are left; the screen is\n%s", count_crowd(stage), vt_text(stage->vt));
}

/*
 * What a yes holds for is over after 3 s. Where the machine stands still for so long some are told as not sent and stay
 * tagged, to be asked for again.
 */
static void terminate_all(struct stage *stage, int count)
{
	enum { ANSWERS_MOST = 5 };
	for (int i = 0; i < ANSWERS_MOST && count_crowd(stage) > 0; i++)
		terminate_tagged(stage);
	assert_int_equal(count_crowd(stage), 0);
	stage_quit(stage);
	assert_int_equal(count_logged(stage, "\"outcome\":\"gone\""), count);
}

/* Exactly the 500; the one beside them with the same name lives. */
static void five_hundred(void **state)
{
	struct stage *stage = *state;
	static PGconn *crowd[CROWD];
	PGconn *other = stage_session(stage, "application_name=other");
	char tagged[32];
	unlink(stage->log);
	for (int i = 0; i < CROWD; i++)
		crowd[i] = pgserver_connect(stage->server, "dbname=postgres application_name=crowd");
	stage_watch_with(stage, NULL, (struct vt_options){ .columns = 120, .rows = 50 });
	vt_send(stage->vt, "2f");
	vt_send(stage->vt, "app:crowd\r");
	stage_expect(stage, "FILTER app:crowd");
	vt_send(stage->vt, "g");
	for (int i = 1; i <= CROWD; i++)
		vt_send(stage->vt, " ");
	snprintf(tagged, sizeof tagged, "TAGGED %d ", CROWD);
	stage_expect(stage, tagged);
	terminate_all(stage, CROWD);
	assert_true(stage_lives(stage, PQbackendPID(other)));
	for (int i = 0; i < CROWD; i++)
		PQfinish(crowd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_has_changed_is_left_out, stage_clear),
		cmocka_unit_test_teardown(only_the_count_is_a_yes, stage_clear),
		cmocka_unit_test_teardown(tags_outlive_the_connection, stage_clear),
		cmocka_unit_test_teardown(five_hundred, stage_clear),
	};
	return cmocka_run_group_tests(tests, open_crowd, stage_close);
}
