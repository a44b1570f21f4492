#include "pglocktop/signaller.h"

#include "audit_record.h"
#include "freed.h"

#include "pglocktop/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ID_SIZE = 64 };

/* A signal from its intent to its last news. */
struct flight {
	struct flight *next;
	char id[ID_SIZE];
	struct signal_request request;
	uint64_t ticket; /* of its intent; 0: that was answered */
	bool sent; /* the source has it */
	bool unlogged;
	bool told; /* that it is still there */
	struct freed before; /* who waited for the target */
	uint32_t freed; /* of them, by the newest frame */
};

struct signaller {
	struct source *source;
	struct audit *audit;
	struct flight *flights;
	int64_t started_at;
	uint64_t count;
	uint64_t frame_serial; /* the newest that was seen */
};

struct signaller *signaller_new(struct source *source, struct audit *audit)
{
	struct signaller *signaller = calloc(1, sizeof *signaller);
	if (!signaller)
		err_die("out of memory (signals)");
	signaller->source = source;
	signaller->audit = audit;
	signaller->started_at = when_wall_clock();
	return signaller;
}

static void log_outcome(struct signaller *signaller, const struct flight *flight, const struct signal_news *news)
{
	struct strbuf line = STRBUF_INIT;
	audit_record_outcome(flight->id, news, &flight->before, &line);
	audit_append(signaller->audit, line.text);
	strbuf_release(&line);
}

static struct signal_news news_of(const struct flight *flight, enum signal_outcome outcome, const char *text)
{
	struct signal_news news = { .request = flight->request,
				    .outcome = outcome,
				    .elapsed = WHEN_NONE,
				    .waiting_before = -1,
				    .waiting_after = -1,
				    .waiters = -1,
				    .unlogged = flight->unlogged };
	snprintf(news.text, sizeof news.text, "%s", text);
	return news;
}

static void flight_free(struct flight *owned)
{
	freed_release(&owned->before);
	free(owned);
}

void signaller_free(struct signaller *owned)
{
	if (!owned)
		return;
	while (owned->flights) {
		struct flight *flight = owned->flights;
		struct signal_news news =
			news_of(flight, flight->sent ? SIGNAL_UNKNOWN : SIGNAL_NOT_SENT, "the program was ended");
		if (!flight->told)
			log_outcome(owned, flight, &news);
		owned->flights = flight->next;
		flight_free(flight);
	}
	free(owned);
}

static void send(struct signaller *signaller, struct flight *flight)
{
	struct source_command command = { .kind = COMMAND_SIGNAL, .signal = flight->request };
	flight->sent = true;
	signaller->source->ops->send(signaller->source, &command);
}

/* For the server's log. */
static void name_target(struct signal_request *request, const struct frame *frame)
{
	uint32_t index = snapshot_find(frame->snapshot, request->target);
	if (index == SNAPSHOT_NO_INDEX)
		return;
	const struct session *session = &frame->snapshot->sessions[index];
	snprintf(request->user, sizeof request->user, "%s", session->user ? session->user : "");
	snprintf(request->database, sizeof request->database, "%s", session->database ? session->database : "");
}

void signaller_send(struct signaller *signaller, const struct signal_request *request, const struct frame *frame)
{
	struct flight *flight = calloc(1, sizeof *flight);
	struct strbuf line = STRBUF_INIT;
	if (!flight)
		err_die("out of memory (a signal)");
	flight->request = *request;
	name_target(&flight->request, frame);
	flight->unlogged = request->unlogged;
	freed_init(&flight->before, frame, request->target);
	snprintf(flight->id, sizeof flight->id, "%d-%" PRIx64 "-%" PRIu64, (int)getpid(),
		 (uint64_t)signaller->started_at, ++signaller->count);
	flight->next = signaller->flights;
	signaller->flights = flight;
	audit_record_intent(flight->id, request, frame, &line);
	flight->ticket = audit_append(signaller->audit, line.text);
	strbuf_release(&line);
	if (request->unlogged)
		send(signaller, flight);
}

static struct flight **find_serial(struct signaller *signaller, uint64_t serial)
{
	for (struct flight **link = &signaller->flights; *link; link = &(*link)->next)
		if ((*link)->request.serial == serial)
			return link;
	return NULL;
}

void signaller_note(struct signaller *signaller, struct signal_news *news)
{
	struct flight **link = find_serial(signaller, news->request.serial);
	if (!link)
		return;
	struct flight *flight = *link;
	news->unlogged = flight->unlogged;
	bool compared = news->frame_serial != 0 && signaller->frame_serial >= news->frame_serial;
	news->waiters = compared ? (int32_t)flight->before.count : -1;
	news->freed = compared ? (int32_t)flight->freed : 0;
	news->ended = compared ? (int32_t)freed_count_ended(&flight->before) : 0;
	log_outcome(signaller, flight, news);
	flight->told |= news->outcome == SIGNAL_STILL_THERE;
	/* After SENT there is more to come; after UNKNOWN and STILL_THERE there may be. */
	if (news->outcome == SIGNAL_SENT || news->outcome == SIGNAL_UNKNOWN || news->outcome == SIGNAL_STILL_THERE)
		return;
	*link = flight->next;
	flight_free(flight);
}

void signaller_note_frame(struct signaller *signaller, const struct frame *frame)
{
	signaller->frame_serial = frame->serial;
	for (struct flight *flight = signaller->flights; flight; flight = flight->next)
		flight->freed = freed_count(&flight->before, frame);
}

bool signaller_take(struct signaller *signaller, const struct audit_answer *answer, struct signal_news *news)
{
	struct flight **link = &signaller->flights;
	while (*link && (*link)->ticket != answer->ticket)
		link = &(*link)->next;
	struct flight *flight = *link;
	if (!flight)
		return false;
	flight->ticket = 0;
	flight->unlogged = !answer->done;
	if (flight->sent)
		return false;
	if (answer->done || answer->late) {
		send(signaller, flight);
		return false;
	}
	*news = news_of(flight, SIGNAL_NOT_SENT, "");
	snprintf(news->text, sizeof news->text, "the audit log cannot be written: %.400s", answer->err.text);
	*link = flight->next;
	flight_free(flight);
	return true;
}

unsigned signaller_pending(const struct signaller *signaller)
{
	unsigned count = 0;
	for (const struct flight *flight = signaller->flights; flight; flight = flight->next)
		count += !flight->sent;
	return count;
}
