/* Over a link on which each answer takes its time: how often a refresh has to wait for one. */
#include "stage.h"

#include "bench/watch.h"
#include "pglocktop/when.h"

#include <stdio.h>

enum {
	ONE_WAY = 40 * 1000, /* microseconds */
	PATIENCE = 60,
	SETTLING = 8, /* refreshes: names come, the queue's order is asked about */
	REFRESHES = 5
};

static int64_t deadline(void)
{
	return when_monotonic() + PATIENCE * WHEN_SECOND;
}

/* What is asked for anew now and then, rights and names, comes when the frame is out, and is not counted on. */
static void a_refresh_is_one_round_trip(void **state)
{
	struct stage *stage = *state;
	struct watch watch;
	unsigned single = 0;
	struct stage_jam jam = stage_jam(stage);
	assert_non_null(jam.waiter);
	watch_start(&watch, stage->server,
		    &(struct watch_options){ .program = stage_program(), .interval = 1, .delay = ONE_WAY });
	assert_true(watch_until_text(&watch, "WAITING", deadline()));
	for (int i = 0; i < SETTLING; i++)
		assert_true(watch_refresh(&watch, deadline()));
	for (int i = 0; i < REFRESHES; i++) {
		unsigned before = watch.relay.requests;
		assert_true(watch_refresh(&watch, deadline()));
		print_message("refresh %d: %u round trips\n", i + 1, watch.relay.requests - before);
		single += watch.relay.requests - before == 1;
	}
	watch_end(&watch);
	assert_in_range(single, REFRESHES - 2, REFRESHES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_refresh_is_one_round_trip, stage_clear),
	};
	return cmocka_run_group_tests(tests, stage_open, stage_close);
}
