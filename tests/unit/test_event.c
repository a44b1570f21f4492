/* The ring of events, who was freed, and the words for what came of a signal. */
#include "situation.h"

#include "aftermath.h"
#include "freed.h"

#include "pglocktop/event.h"
#include "pglocktop/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct identity nobody = { 0, WHEN_NONE };

static void the_oldest_gives_way(void **state)
{
	struct events events = { .list = NULL };
	(void)state;
	for (int i = 0; i < EVENTS_MOST + 17; i++)
		event_add_line(events_add(&events, EVENT_SERVER, i), nobody, "%d", i);
	assert_int_equal(events.count, EVENTS_MOST);
	assert_int_equal(events_newest(&events, 0)->at, EVENTS_MOST + 16);
	assert_int_equal(events_newest(&events, EVENTS_MOST - 1)->at, 17);
	assert_null(events_newest(&events, EVENTS_MOST));
	assert_null(events_find(&events, 17));
	assert_string_equal(events_find(&events, 18)->lines[0].text, "17");
	events_release(&events);
}

static void one_that_changed_is_the_newest(void **state)
{
	struct events events = { .list = NULL };
	(void)state;
	events_add(&events, EVENT_SIGNAL, 1)->serial = 7;
	events_add(&events, EVENT_BLOCK, 2);
	uint64_t id = events_find_signal(&events, 7)->id;
	event_add_line(events_find_signal(&events, 7), nobody, "sent");
	struct event *renewed = events_renew(&events, events_find_signal(&events, 7), 3);
	assert_int_equal(renewed->line_count, 0);
	assert_ptr_equal(events_newest(&events, 0), renewed);
	assert_int_equal(renewed->id, id);
	assert_null(events_find(&events, 1));
	assert_int_equal(events_find(&events, 2)->at, 2);
	assert_int_equal(events_find(&events, 3)->at, 3);
	events_release(&events);
}

static void a_text_is_cut_between_characters(void **state)
{
	struct events events = { .list = NULL };
	char text[EVENT_TEXT + 16];
	(void)state;
	memset(text, 'x', sizeof text - 1);
	memcpy(text + EVENT_TEXT - 1, "→", strlen("→"));
	text[sizeof text - 1] = '\0';
	struct event *event = events_add(&events, EVENT_BLOCK, 0);
	for (int i = 0; i < EVENT_LINES + 3; i++)
		event_add_line(event, nobody, "%s", text);
	assert_int_equal(event->line_count, EVENT_LINES);
	assert_int_equal(strlen(event->lines[0].text), EVENT_TEXT - 1);
	events_release(&events);
}

static const char before[] = "session 8008 intxn app=checkout\n"
			     "session 1 active query=9s\n"
			     "session 2 active query=8s\n"
			     "session 3 active query=7s\n"
			     "session 4 active query=6s\n"
			     "session 5 active query=5s\n"
			     "session 9 active query=5s\n"
			     "lock 8008 Exclusive held tuple db=1 rel=5 page=0 tuple=1\n"
			     "lock 9 Exclusive waits=5s tuple db=1 rel=5 page=0 tuple=1\n"
			     "lock 8008 AccessExclusive held relation db=1 rel=5\n"
			     "lock 8008 Exclusive held transactionid xid=9\n"
			     "lock 1 AccessShare waits=9s relation db=1 rel=5\n"
			     "lock 2 AccessShare waits=8s relation db=1 rel=5\n"
			     "lock 3 AccessShare waits=7s relation db=1 rel=5\n"
			     "lock 4 AccessShare waits=6s relation db=1 rel=5\n"
			     "lock 5 Share waits=5s transactionid xid=9\n";

/* 1 has what it waited for, 2 waits on, 3 has ended, 4 got it and waits for the next table, 5 waits for the next
   owner of its row, 6 is no matter, and 9 has moved up and is about to wait for that owner, too. */
static const char after[] = "session 1 active query=9s\n"
			    "session 2 active query=8s\n"
			    "session 4 active query=6s\n"
			    "session 5 active query=5s\n"
			    "session 6 active query=5s\n"
			    "session 7 intxn\n"
			    "session 9 active query=5s\n"
			    "lock 7 AccessExclusive held relation db=1 rel=5\n"
			    "lock 7 AccessExclusive held relation db=1 rel=6\n"
			    "lock 7 Exclusive held transactionid xid=10\n"
			    "lock 2 AccessShare waits=8s relation db=1 rel=5\n"
			    "lock 4 AccessShare waits=1s relation db=1 rel=6\n"
			    "lock 5 Share waits=1s transactionid xid=10\n"
			    "lock 6 AccessShare waits=1s relation db=1 rel=6\n";

static void those_who_wait_no_more_are_freed(void **state)
{
	(void)state;
	struct situation first = situation_must_read(before), second = situation_must_read(after);
	struct freed freed;
	uint32_t holder = snapshot_find_pid(first.frame->snapshot, 8008);
	freed_init(&freed, first.frame, first.frame->snapshot->sessions[holder].id);
	assert_int_equal(freed.count, 6);
	assert_int_equal(freed_count(&freed, first.frame), 0);
	assert_int_equal(freed_count(&freed, second.frame), 2);
	assert_int_equal(freed_count_ended(&freed), 1);
	freed_release(&freed);
	freed_init(&freed, second.frame, (struct identity){ 8008, 0 });
	assert_int_equal(freed.count, 0);
	freed_release(&freed);
	situation_release(&first);
	situation_release(&second);
}

static void assert_outcome(const struct signal_news *news, const char *wanted)
{
	struct strbuf text = STRBUF_INIT;
	outcome_add(news, true, &text);
	assert_string_equal(text.text, wanted);
	strbuf_release(&text);
}

static void sent_is_not_done(void **state)
{
	struct signal_news news = { .request = { .verb = SIGNAL_TERMINATE, .target = { 8008, 1 } },
				    .outcome = SIGNAL_SENT,
				    .elapsed = WHEN_NONE,
				    .waiting_before = -1,
				    .waiting_after = -1,
				    .waiters = -1 };
	(void)state;
	assert_outcome(&news, "TERM sent to 8008, watching what comes of it");
	news.outcome = SIGNAL_GONE;
	news.elapsed = 40 * 1000;
	news.waiting_before = 37;
	news.waiting_after = 6;
	news.waiters = 36;
	news.freed = 31;
	assert_outcome(&news, "TERM sent to 8008: gone after 40 ms; freed 31 of 36 waiters; waiting 37 -> 6");
	news.late = true;
	news.elapsed = 12 * WHEN_SECOND;
	news.unlogged = true;
	assert_outcome(&news, "8008 is gone, 12 s after TERM; freed 31 of 36 waiters; waiting 37 -> 6 UNLOGGED");
	assert_false(outcome_is_bad(news.outcome));
	assert_true(outcome_is_bad(SIGNAL_STILL_THERE));
}

static void assert_still_there(enum signal_verb verb, struct aftermath session, const char *wanted)
{
	struct strbuf text = STRBUF_INIT;
	aftermath_add_still_there(verb, &session, &text);
	assert_string_equal(text.text, wanted);
	strbuf_release(&text);
}

static void what_can_be_told_and_what_not(void **state)
{
	(void)state;
	assert_still_there(SIGNAL_TERMINATE, (struct aftermath){ "active", "IO", "DataFileRead", 0 },
			   "active, wait event IO/DataFileRead; it ends when the server's process gets there; "
			   "a second TERM does nothing more");
	assert_still_there(SIGNAL_TERMINATE, (struct aftermath){ "active", NULL, NULL, 4711 },
			   "active, no wait event, xid 4711 to be rolled back; whether it computes, rolls back or may "
			   "not be interrupted just now cannot be told; it ends when the server's process gets there; "
			   "a second TERM does nothing more");
	assert_still_there(SIGNAL_CANCEL, (struct aftermath){ "active", "Client", "ClientWrite", 0 },
			   "active, wait event Client/ClientWrite; its client does not take what it is sent, and a "
			   "cancel does not end that; K terminates");
	assert_still_there(SIGNAL_CANCEL, (struct aftermath){ NULL, NULL, NULL, 0 },
			   "its state is hidden from this role; K terminates");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_gives_way),
		cmocka_unit_test(one_that_changed_is_the_newest),
		cmocka_unit_test(a_text_is_cut_between_characters),
		cmocka_unit_test(those_who_wait_no_more_are_freed),
		cmocka_unit_test(sent_is_not_done),
		cmocka_unit_test(what_can_be_told_and_what_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
