/*
 * cast.c - plays the demo's sessions on a private server: one process, one poll loop, asynchronous libpq.
 *
 * The server is where PGHOST and PGPORT say, the database is "shop". Says "ready" on stdout once all are connected.
 * Ends with SIGTERM, with the process that started it, or with the server. NOTIFY stage, 'clear' sends off the
 * stage whoever may hold up another: their transactions are rolled back and they begin nothing; NOTIFY stage, 'play'
 * begins from the top.
 */
#include "cast.h"

#include <libpq-fe.h>

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define COME_BACK_AFTER 7000 /* milliseconds that a player stays away when it was thrown out */

enum player_state {
	PLAYER_AWAY, /* the time to connect, `due` */
	PLAYER_CONNECTING, /* the server */
	PLAYER_UNDOING, /* the answer to the part's undo, or to a rollback; then it waits for its next cycle */
	PLAYER_WAITING, /* the time of its next step, `due` */
	PLAYER_PLAYING /* the answer to its step */
};

struct player {
	const struct part *part;
	PGconn *conn; /* NULL: away */
	enum player_state state;
	short events; /* that poll is to watch for */
	const struct step *next;
	int64_t cycle; /* when the cycle began: milliseconds on the clock */
	int64_t due;
	bool failed; /* the step under way got an error */
	bool undone; /* nothing is left of the last cycle */
};

struct stage {
	struct player *players;
	PGconn *director;
	int64_t began;
	bool clear;
	unsigned random;
};

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void ignore_notice(void *context, const PGresult *result)
{
	(void)context;
	(void)result;
}

/* The pace of those without a period: between two thirds and four thirds of it. */
static int64_t stretch(struct stage *stage, int at)
{
	return at * (int64_t)(200 + rand_r(&stage->random) % 200) / 300;
}

/* The beginning of the first cycle whose first step is still to come. */
static int64_t next_cycle(const struct stage *stage, const struct part *part, int64_t now)
{
	int64_t begun;

	if (part->period == 0)
		return now;
	begun = now - (now - stage->began) % part->period;
	return now < begun + part->steps->at ? begun : begun + part->period;
}

static void player_await_step(struct stage *stage, struct player *player)
{
	player->state = PLAYER_WAITING;
	player->events = POLLIN;
	if (player->part->period == 0)
		player->due = clock_ms() + stretch(stage, player->next->at);
	else
		player->due = player->cycle + player->next->at;
}

static void player_begin_cycle(struct stage *stage, struct player *player)
{
	player->next = player->part->steps;
	player->cycle = next_cycle(stage, player->part, clock_ms());
	player->undone = true;
	player_await_step(stage, player);
}

static void player_leave(struct player *player)
{
	PQfinish(player->conn);
	player->conn = NULL;
	player->state = PLAYER_AWAY;
	player->due = clock_ms() + COME_BACK_AFTER;
}

static void player_flush(struct player *player)
{
	int left = PQflush(player->conn);

	player->events = left > 0 ? POLLIN | POLLOUT : POLLIN;
	if (left < 0)
		player_leave(player);
}

static void player_send(struct player *player, enum player_state state, const char *sql)
{
	player->state = state;
	player->failed = false;
	if (!PQsendQuery(player->conn, sql)) {
		player_leave(player);
		return;
	}
	player_flush(player);
}

/* Gives back whatever the cycle still holds. */
static void player_undo(struct player *player)
{
	player->undone = true;
	if (PQtransactionStatus(player->conn) != PQTRANS_IDLE)
		player_send(player, PLAYER_UNDOING, "rollback");
	else if (player->part->undo != NULL)
		player_send(player, PLAYER_UNDOING, player->part->undo);
	else
		player_send(player, PLAYER_UNDOING, "select pg_advisory_unlock_all()");
}

static void player_play(struct player *player)
{
	const char *sql = player->next->sql;

	player->next++;
	player->undone = false;
	player_send(player, PLAYER_PLAYING, sql);
}

static bool is_called_off(const struct stage *stage, const struct player *player)
{
	return stage->clear && !player->part->harmless;
}

/* The answer to what it did has come whole. */
static void player_go_on(struct stage *stage, struct player *player)
{
	if (player->state == PLAYER_PLAYING && (player->failed || is_called_off(stage, player)))
		player_undo(player);
	else if (player->state == PLAYER_UNDOING || player->next->sql == NULL)
		player_begin_cycle(stage, player);
	else
		player_await_step(stage, player);
}

/* It is connected; an earlier life may have left something behind. */
static void player_enter(struct stage *stage, struct player *player)
{
	if (player->part->undo != NULL)
		player_undo(player);
	else
		player_begin_cycle(stage, player);
}

static void player_connect(struct player *player)
{
	const char *keywords[] = { "dbname", "user", "application_name", NULL };
	const char *values[] = { "shop", player->part->user, player->part->name, NULL };

	player->conn = PQconnectStartParams(keywords, values, 0);
	player->state = PLAYER_CONNECTING;
	player->events = POLLOUT;
	if (player->conn == NULL || PQstatus(player->conn) == CONNECTION_BAD)
		player_leave(player);
}

static void player_connecting(struct stage *stage, struct player *player)
{
	switch (PQconnectPoll(player->conn)) {
	case PGRES_POLLING_READING:
		player->events = POLLIN;
		break;
	case PGRES_POLLING_WRITING:
		player->events = POLLOUT;
		break;
	case PGRES_POLLING_OK:
		PQsetnonblocking(player->conn, 1);
		PQsetNoticeReceiver(player->conn, ignore_notice, NULL);
		player_enter(stage, player);
		break;
	default:
		player_leave(player);
		break;
	}
}

static void player_receive(struct stage *stage, struct player *player)
{
	PGresult *result;
	bool was_busy = player->state == PLAYER_PLAYING || player->state == PLAYER_UNDOING;

	if (!PQconsumeInput(player->conn)) {
		player_leave(player);
		return;
	}
	while (was_busy && !PQisBusy(player->conn)) {
		result = PQgetResult(player->conn);
		if (result == NULL) {
			player_go_on(stage, player);
			return;
		}
		if (PQresultStatus(result) == PGRES_FATAL_ERROR)
			player->failed = true;
		PQclear(result);
	}
}

static void player_ready(struct stage *stage, struct player *player, short revents)
{
	if (player->state == PLAYER_CONNECTING) {
		player_connecting(stage, player);
		return;
	}
	if (revents & POLLOUT)
		player_flush(player);
	if (player->conn != NULL && (revents & ~POLLOUT))
		player_receive(stage, player);
}

static void player_time_has_come(struct stage *stage, struct player *player)
{
	if (player->state == PLAYER_AWAY)
		player_connect(player);
	else if (!is_called_off(stage, player))
		player_play(player);
	else if (!player->undone)
		player_undo(player);
	else
		player->due = INT64_MAX;
}

static bool player_has_due(const struct player *player)
{
	return player->state == PLAYER_AWAY || player->state == PLAYER_WAITING;
}

/* Whoever is in the midst of something, or waits, is called off. */
static void stage_call_off(struct stage *stage)
{
	char sql[64];

	for (size_t i = 0; i < cast_part_count; i++) {
		const struct player *player = &stage->players[i];

		if (player->state != PLAYER_PLAYING || player->part->harmless)
			continue;
		snprintf(sql, sizeof(sql), "select pg_cancel_backend(%d)", PQbackendPID(player->conn));
		PQclear(PQexec(stage->director, sql));
	}
}

static void stage_set(struct stage *stage, bool clear)
{
	if (clear)
		stage_call_off(stage);
	stage->clear = clear;
	stage->began = clock_ms();
	for (size_t i = 0; i < cast_part_count; i++) {
		struct player *player = &stage->players[i];

		if (player->state != PLAYER_WAITING)
			continue;
		if (!player->undone)
			player_undo(player);
		else
			player_begin_cycle(stage, player);
	}
}

/* False when the server has gone. */
static bool stage_listen(struct stage *stage)
{
	PGnotify *notify;

	if (!PQconsumeInput(stage->director))
		return false;
	while ((notify = PQnotifies(stage->director)) != NULL) {
		stage_set(stage, strcmp(notify->extra, "clear") == 0);
		PQfreemem(notify);
	}
	return true;
}

static int stage_timeout(const struct stage *stage)
{
	int64_t now = clock_ms(), first = now + 60000;

	for (size_t i = 0; i < cast_part_count; i++)
		if (player_has_due(&stage->players[i]) && stage->players[i].due < first)
			first = stage->players[i].due;
	return first > now ? (int)(first - now) : 0;
}

static bool stage_wait(struct stage *stage, struct pollfd *polled)
{
	for (size_t i = 0; i < cast_part_count; i++) {
		const struct player *player = &stage->players[i];

		polled[i] = (struct pollfd){ player->conn ? PQsocket(player->conn) : -1, player->events, 0 };
	}
	polled[cast_part_count] = (struct pollfd){ PQsocket(stage->director), POLLIN, 0 };
	return poll(polled, cast_part_count + 1, stage_timeout(stage)) >= 0;
}

static void stage_turn(struct stage *stage, const struct pollfd *polled)
{
	for (size_t i = 0; i < cast_part_count; i++) {
		struct player *player = &stage->players[i];

		if (polled[i].revents != 0)
			player_ready(stage, player, polled[i].revents);
		else if (player_has_due(player) && player->due <= clock_ms())
			player_time_has_come(stage, player);
	}
}

static bool stage_is_full(const struct stage *stage)
{
	for (size_t i = 0; i < cast_part_count; i++)
		if (stage->players[i].state < PLAYER_WAITING)
			return false;
	return true;
}

static void stage_play(struct stage *stage)
{
	struct pollfd *polled = calloc(cast_part_count + 1, sizeof(*polled));
	bool said = false, alive = polled != NULL;

	while (alive && stage_wait(stage, polled)) {
		stage_turn(stage, polled);
		if (polled[cast_part_count].revents != 0)
			alive = stage_listen(stage);
		if (!said && stage_is_full(stage)) {
			said = true;
			stage_set(stage, stage->clear);
			puts("ready");
			fflush(stdout);
		}
	}
	free(polled);
}

static bool stage_open(struct stage *stage)
{
	const char *keywords[] = { "dbname", "user", "application_name", NULL };
	const char *values[] = { "shop", "postgres", "director", NULL };
	PGresult *result;
	bool listens;

	stage->director = PQconnectdbParams(keywords, values, 0);
	result = PQexec(stage->director, "listen stage");
	listens = PQresultStatus(result) == PGRES_COMMAND_OK;
	if (!listens)
		fprintf(stderr, "cast: %s", PQerrorMessage(stage->director));
	PQclear(result);
	return listens;
}

int main(void)
{
	struct stage stage = { .random = 1, .began = clock_ms() };

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	stage.players = calloc(cast_part_count, sizeof(*stage.players));
	if (stage.players == NULL || !stage_open(&stage))
		return 1;
	for (size_t i = 0; i < cast_part_count; i++)
		stage.players[i] = (struct player){ .part = &cast_parts[i] };
	stage_play(&stage);
	return 1;
}
