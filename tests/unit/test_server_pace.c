/* How often the server is asked when a refresh takes too much of its time. */
#include "server_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static struct server *open_server(int share, int64_t interval)
{
	struct server *server = calloc(1, sizeof *server);
	struct err err;
	assert_non_null(server);
	assert_true(queues_init(&server->queues, &err));
	server->options.server_share = share;
	server->agenda.interval = interval;
	pace_reset(server);
	return server;
}

static void close_server(struct server *server)
{
	queues_release(&server->queues);
	free(server);
}

static void spend(struct server *server, int refreshes, int64_t cost)
{
	for (int i = 0; i < refreshes; i++)
		pace_measure(server, cost);
}

static void what_costs_little_comes_as_asked(void **state)
{
	(void)state;
	struct server *server = open_server(5, WHEN_SECOND);
	spend(server, 20, 50 * MILLISECOND);
	assert_int_equal(server->pace.interval, WHEN_SECOND);
	assert_int_equal(server->status.interval, WHEN_SECOND);
	close_server(server);
}

static void the_share_holds(void **state)
{
	(void)state;
	struct server *server = open_server(5, WHEN_SECOND);
	spend(server, 40, 120 * MILLISECOND);
	assert_in_range(server->pace.interval, 2100 * MILLISECOND, 2500 * MILLISECOND);
	assert_int_equal(server->status.interval, server->pace.interval);
	assert_int_equal(server->status.asked_interval, WHEN_SECOND);
	spend(server, 40, 3 * MILLISECOND);
	assert_int_equal(server->pace.interval, WHEN_SECOND);
	close_server(server);
}

static void one_long_reading_changes_little(void **state)
{
	(void)state;
	struct server *server = open_server(5, WHEN_SECOND);
	spend(server, 10, 10 * MILLISECOND);
	spend(server, 1, 4 * WHEN_SECOND);
	assert_int_equal(server->pace.interval, WHEN_SECOND);
	close_server(server);
}

/* What is shown stays when the cost moves a little to and fro. */
static void it_does_not_swing(void **state)
{
	(void)state;
	struct server *server = open_server(5, WHEN_SECOND);
	spend(server, 40, 120 * MILLISECOND);
	int64_t interval = server->pace.interval;
	for (int i = 0; i < 40; i++) {
		spend(server, 1, (i % 2 ? 118 : 122) * MILLISECOND);
		assert_int_equal(server->pace.interval, interval);
	}
	close_server(server);
}

static void it_has_an_end(void **state)
{
	(void)state;
	struct server *server = open_server(5, WHEN_SECOND);
	spend(server, 40, 30 * WHEN_SECOND);
	assert_int_equal(server->pace.interval, 60 * WHEN_SECOND);
	close_server(server);
	server = open_server(5, 300 * WHEN_SECOND);
	spend(server, 40, 30 * WHEN_SECOND);
	assert_int_equal(server->pace.interval, 300 * WHEN_SECOND);
	close_server(server);
}

static void it_can_be_put_off(void **state)
{
	(void)state;
	struct server *server = open_server(0, WHEN_SECOND);
	spend(server, 40, 30 * WHEN_SECOND);
	assert_int_equal(server->pace.interval, WHEN_SECOND);
	close_server(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_costs_little_comes_as_asked),
		cmocka_unit_test(the_share_holds),
		cmocka_unit_test(one_long_reading_changes_little),
		cmocka_unit_test(it_does_not_swing),
		cmocka_unit_test(it_has_an_end),
		cmocka_unit_test(it_can_be_put_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
