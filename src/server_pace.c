/* How often the server is asked: as often as was wished, or as seldom as its share of the time demands. */
#include "server_private.h"

#define LONGEST_STRETCH (60 * WHEN_SECOND)
#define STEP (WHEN_SECOND / 10)

/* One reading that took long, for whatever reason, is not yet what readings cost. */
#define GROWS_AT_MOST 3

/* What is shown is not to change with every reading: it follows when the cost has moved by so much. */
#define LONGER_FROM 1.1
#define SHORTER_FROM 0.8

/* Not fmin(): nothing else needs the mathematical library, which takes 0.3 MB of memory. */
static double smaller(double a, double b)
{
	return a < b ? a : b;
}

static int64_t stretch(const struct server_pace *pace, double share, int64_t asked)
{
	double wanted = share > 0 ? pace->cost * 100 / share : 0;
	int64_t longest = asked > LONGEST_STRETCH ? asked : LONGEST_STRETCH;
	int64_t now = pace->interval > asked ? pace->interval : asked;
	if (wanted <= (double)now * LONGER_FROM && wanted >= (double)now * SHORTER_FROM)
		return now;
	if (wanted <= (double)asked * LONGER_FROM)
		return asked;
	int64_t steps = ((int64_t)smaller(wanted, (double)longest) + STEP - 1) / STEP;
	return steps * STEP < longest ? steps * STEP : longest;
}

static double smooth(double before, double cost, double affordable)
{
	if (before <= 0)
		return smaller(cost, affordable);
	return (before + smaller(cost, before * GROWS_AT_MOST)) / 2;
}

static void use_interval(struct server *server, int64_t interval)
{
	struct source_status *status = &server->status;
	int64_t asked = server->agenda.interval;
	server->pace.interval = interval;
	if (status->interval == interval && status->asked_interval == asked)
		return;
	status->interval = interval;
	status->asked_interval = asked;
	server_publish_status(server);
}

void pace_measure(struct server *server, int64_t cost)
{
	struct server_pace *pace = &server->pace;
	double share = server->options.server_share;
	pace->cost = smooth(pace->cost, (double)cost, (double)server->agenda.interval * share / 100);
	use_interval(server, stretch(pace, share, server->agenda.interval));
}

void pace_reset(struct server *server)
{
	server->pace.interval = server->agenda.interval;
	server->status.interval = server->status.asked_interval = server->agenda.interval;
}
