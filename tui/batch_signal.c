#include "batch_signal.h"

#include "confirm.h"
#include "interrupt.h"

#include "pglocktop/privilege.h"
#include "pglocktop/question.h"
#include "pglocktop/signaller.h"
#include "pglocktop/verb.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_NOT_DONE = 4, ANSWER_SIZE = 24, LAST_WORDS = 500 /* ms */ };

#define LOG_LAST_WAIT AUDIT_PATIENCE

/* One target, from the command line to what came of it. */
struct errand {
	struct question question; /* what was checked when it was looked up; closed: it is not signalled */
	struct signal_news news; /* the last */
	bool over;
};

struct batch {
	const struct options *options;
	struct charset charset;
	struct source *source;
	struct frame *frame;
	struct audit *audit;
	struct signaller *signaller;
	struct errand *errands;
	uint32_t count, open;
	bool unlogged; /* the log cannot be written */
	struct err unlogged_why;
	bool lost; /* the source has given up; its last news may still come */
	int interrupted; /* by which signal; 0: not */
	struct err *err;
};

static enum signal_verb verb_of(const struct options *options)
{
	return options->signal == OPTIONS_CANCEL ? SIGNAL_CANCEL : SIGNAL_TERMINATE;
}

/* ---- what is printed ---- */

static void add_outcome(const struct signal_news *news, struct strbuf *line)
{
	bool sent = news->outcome == SIGNAL_SENT || news->outcome == SIGNAL_GONE || news->outcome == SIGNAL_STOPPED ||
		    news->outcome == SIGNAL_STILL_THERE;
	strbuf_printf(line, "%s%s", sent ? "signalled, " : "",
		      news->outcome == SIGNAL_SENT ? "not waited for" : signal_outcome_name(news->outcome));
	if (sent && news->elapsed != WHEN_NONE && news->outcome != SIGNAL_SENT)
		strbuf_printf(line, " after %d ms", (int)(news->elapsed / 1000));
	if (news->waiters > 0)
		strbuf_printf(line, "; freed %d of %d waiters", (int)news->freed, (int)news->waiters);
	if (news->waiters > 0 && news->ended > 0)
		strbuf_printf(line, " (%d ended)", (int)news->ended);
	if (news->waiting_before >= 0 && news->waiting_after >= 0)
		strbuf_printf(line, "; waiting %d -> %d", (int)news->waiting_before, (int)news->waiting_after);
	if (news->text[0])
		strbuf_printf(line, ": %s", news->text);
	if (news->sqlstate[0])
		strbuf_printf(line, " (%s)", news->sqlstate);
	if (news->unlogged)
		strbuf_add_string(line, " UNLOGGED");
}

static void print_news(struct batch *batch, const struct signal_news *news)
{
	char id[IDENTITY_TEXT_SIZE];
	struct strbuf line = STRBUF_INIT, inert = STRBUF_INIT;
	if (batch->options->format == OPTIONS_JSON) {
		signal_add_result(&inert, news);
	} else {
		strbuf_printf(&line, "%s %s: ", signal_verbs[verb_of(batch->options)].name,
			      identity_format(news->request.target, id));
		add_outcome(news, &line);
		text_add_inert(batch->charset, line.text, &inert);
	}
	if (printf("%s\n", inert.text) < 0 || fflush(stdout) != 0)
		err_set(batch->err, "could not write the output: %s", strerror(errno));
	strbuf_release(&line);
	strbuf_release(&inert);
}

/* ---- looking up, asking ---- */

static void finish(struct batch *batch, struct errand *errand, const struct signal_news *news)
{
	errand->news = *news;
	errand->over = true;
	batch->open--;
	print_news(batch, news);
}

/* Its end, of which nothing more is known than why. */
static void end_unwatched(struct batch *batch, struct errand *errand, struct signal_request request,
			  enum signal_outcome outcome, const char *why)
{
	struct signal_news news = { .request = request,
				    .outcome = outcome,
				    .elapsed = WHEN_NONE,
				    .waiting_before = -1,
				    .waiting_after = -1,
				    .waiters = -1 };
	snprintf(news.text, sizeof news.text, "%s", why);
	finish(batch, errand, &news);
}

static void refuse(struct batch *batch, struct errand *errand, struct identity target, const char *why)
{
	struct signal_request request = { .verb = verb_of(batch->options), .target = target };
	end_unwatched(batch, errand, request, SIGNAL_NOT_SENT, why);
}

static void look_up(struct batch *batch, struct errand *errand, struct identity target)
{
	const struct snapshot *snapshot = batch->frame->snapshot;
	uint32_t index = snapshot_find(snapshot, target);
	struct err why;
	errand->question = (struct question)QUESTION_INIT;
	if (index == SNAPSHOT_NO_INDEX) {
		bool reused = snapshot_find_pid(snapshot, target.pid) != SNAPSHOT_NO_INDEX;
		err_set(&why, reused ? "it has ended, and another session has its pid" : "it has ended");
		refuse(batch, errand, target, why.text);
	} else if (!question_open(&errand->question, verb_of(batch->options), batch->frame, index, false,
				  batch->frame->received_at, &why)) {
		refuse(batch, errand, target, why.text);
	}
}

static void add_age(struct strbuf *out, const char *before, int64_t age)
{
	char text[WHEN_TEXT_SIZE];
	if (age != WHEN_NONE)
		strbuf_printf(out, "%s%s", before, when_format_age(age, text));
}

/* "TERMINATE 8008 checkout (app@shop, from 10.0.0.5): idle in transaction, query since 14:31:07, open 5m03s" */
static void describe(const struct batch *batch, const struct errand *errand, struct strbuf *out)
{
	const struct snapshot *snapshot = batch->frame->snapshot;
	const struct session *session = &snapshot->sessions[snapshot_find(snapshot, errand->question.targets[0].id)];
	struct strbuf line = STRBUF_INIT;
	char clock[WHEN_TEXT_SIZE];
	strbuf_printf(&line, "%s %s (%s@%s, %s): %s", signal_verbs[errand->question.verb].title, errand->question.label,
		      session->user ? session->user : "?", session->database ? session->database : "?",
		      session->client ? session->client : "client unknown",
		      session->state_text ? session->state_text : "no state");
	if (session->query_start != WHEN_NONE)
		strbuf_printf(&line, ", query since %s UTC", when_format_clock(session->query_start, clock));
	add_age(&line, ", transaction open ", when_age(snapshot->taken_at, session->xact_start));
	add_age(&line, ", connected ", when_age(snapshot->taken_at, session->id.backend_start));
	text_add_inert(batch->charset, line.text, out);
	strbuf_add_char(out, '\n');
	strbuf_release(&line);
}

static const struct errand *first_open(const struct batch *batch)
{
	const struct errand *errand = batch->errands;
	while (errand->over)
		errand++;
	return errand;
}

/* What must be typed: y, or its pid, for one, the count for several, yes where there will be no trace of it. */
static void wanted_answer(const struct batch *batch, char answer[static ANSWER_SIZE])
{
	if (batch->open > 1)
		snprintf(answer, ANSWER_SIZE, "%u", (unsigned)batch->open);
	else if (batch->options->typed_confirmation)
		snprintf(answer, ANSWER_SIZE, "%d", (int)first_open(batch)->question.targets[0].id.pid);
	else
		snprintf(answer, ANSWER_SIZE, batch->unlogged ? "yes" : "y");
}

static void add_question(const struct batch *batch, const char *answer, struct strbuf *out)
{
	const struct server_info *server = &batch->frame->snapshot->server;
	struct strbuf line = STRBUF_INIT;
	if (batch->unlogged)
		strbuf_printf(&line, "UNLOGGED: there will be no trace of it in the audit log: %s",
			      batch->unlogged_why.text);
	text_add_inert(batch->charset, line.text, out);
	strbuf_add_string(out, batch->unlogged ? "\n" : "");
	for (uint32_t i = 0; i < batch->count; i++)
		if (!batch->errands[i].over)
			describe(batch, &batch->errands[i], out);
	strbuf_reset(&line);
	strbuf_printf(&line,
		      "on %s:%d, PostgreSQL %s. Type %s and Enter to do it, anything else to leave it: ", server->host,
		      server->port, server->version, answer);
	text_add_inert(batch->charset, line.text, out);
	strbuf_release(&line);
}

static bool ask(struct batch *batch)
{
	struct strbuf text = STRBUF_INIT;
	char answer[ANSWER_SIZE];
	wanted_answer(batch, answer);
	add_question(batch, answer, &text);
	enum confirm_reply reply = confirm_ask(text.text, answer, batch->err);
	if (reply == CONFIRM_NO)
		err_set(batch->err, "nothing was sent: the answer was not %s", answer);
	strbuf_release(&text);
	return reply == CONFIRM_YES;
}

/* ---- the log ---- */

static void note_log(struct batch *batch, const struct audit_answer *answer)
{
	batch->unlogged = !answer->done;
	batch->unlogged_why = answer->err;
}

static void probe_log(struct batch *batch)
{
	struct pollfd ready = { audit_fd(batch->audit), POLLIN, 0 };
	audit_probe(batch->audit);
	for (;;) {
		struct audit_answer answer = audit_take(batch->audit);
		if (answer.kind == AUDIT_PROBED) {
			note_log(batch, &answer);
			return;
		}
		poll(&ready, 1, -1);
	}
}

/* ---- sending, and what comes of it ---- */

static void send_all(struct batch *batch)
{
	int64_t now = when_monotonic();
	for (uint32_t i = 0; i < batch->count; i++) {
		struct errand *errand = &batch->errands[i];
		if (errand->over)
			continue;
		struct signal_request request = question_request(&errand->question, 0, batch->frame, now);
		request.serial = i;
		request.unlogged = batch->unlogged;
		request.watch = batch->options->wait;
		signaller_send(batch->signaller, &request, batch->frame);
	}
}

static void take_news(struct batch *batch, const struct signal_news *news)
{
	struct errand *errand = &batch->errands[news->request.serial];
	if (errand->over || (news->outcome == SIGNAL_SENT && batch->options->wait > 0))
		return;
	finish(batch, errand, news);
}

/* False when there was none. */
static bool take_source_news(struct batch *batch)
{
	struct news news = batch->source->ops->take(batch->source);
	if (news.kind == NEWS_FRAME) {
		signaller_note_frame(batch->signaller, news.frame);
		frame_free(news.frame);
	}
	if (news.kind == NEWS_SIGNAL) {
		signaller_note(batch->signaller, &news.signal);
		take_news(batch, &news.signal);
	}
	batch->lost |= news.kind == NEWS_STATUS && news.status.state == SOURCE_FAILED;
	return news.kind != NEWS_NONE;
}

/* What was not sent for want of a record is told as such; that of what was sent something is missing, by itself. */
static void take_appended(struct batch *batch, const struct audit_answer *answer)
{
	struct signal_news news;
	if (signaller_take(batch->signaller, answer, &news))
		take_news(batch, &news);
	else if (!answer->done && !batch->unlogged)
		err_set(batch->err, "not all of it is in the audit log: %.900s", answer->err.text);
}

static bool take_log_answer(struct batch *batch)
{
	struct audit_answer answer = audit_take(batch->audit);
	if (answer.kind == AUDIT_APPENDED)
		take_appended(batch, &answer);
	return answer.kind != AUDIT_NOTHING;
}

/* The last lines: they are answered before a probe that is asked for after them. */
static void await_log(struct batch *batch)
{
	struct pollfd ready = { audit_fd(batch->audit), POLLIN, 0 };
	audit_probe(batch->audit);
	for (;;) {
		struct audit_answer answer = audit_take(batch->audit);
		if (answer.kind == AUDIT_PROBED)
			return;
		if (answer.kind == AUDIT_APPENDED)
			take_appended(batch, &answer);
		else
			poll(&ready, 1, -1);
	}
}

/* What became of the rest is not known. */
static void give_up(struct batch *batch, const char *why)
{
	struct strbuf text = STRBUF_INIT;
	strbuf_printf(&text, "%s: it may have been sent", why);
	for (uint32_t i = 0; i < batch->count; i++) {
		struct errand *errand = &batch->errands[i];
		if (errand->over)
			continue;
		end_unwatched(batch, errand, question_request(&errand->question, 0, batch->frame, 0), SIGNAL_UNKNOWN,
			      text.text);
	}
	strbuf_release(&text);
}

/* Each signal has an end: the source gives up on it, or on the server; or somebody does on this program. */
static void await_ends(struct batch *batch, struct interrupt *interrupt)
{
	struct pollfd ready[] = { { batch->source->ops->fd(batch->source), POLLIN, 0 },
				  { audit_fd(batch->audit), POLLIN, 0 },
				  { interrupt->fd, POLLIN, 0 } };
	while (batch->open > 0) {
		bool news = take_source_news(batch);
		bool answer = take_log_answer(batch);
		if (!news && !answer && poll(ready, 3, batch->lost ? LAST_WORDS : -1) == 0)
			give_up(batch, "the connection was lost");
		batch->interrupted = interrupt_take(interrupt);
		if (batch->interrupted)
			give_up(batch, "interrupted");
	}
}

static bool succeeded(const struct options *options, const struct signal_news *news)
{
	return news->outcome == SIGNAL_GONE || news->outcome == SIGNAL_STOPPED ||
	       (news->outcome == SIGNAL_SENT && options->wait == 0);
}

static int exit_code(const struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		if (!batch->errands[i].over || !succeeded(batch->options, &batch->errands[i].news))
			return EXIT_NOT_DONE;
	return batch->err->text[0] ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void signal_all(struct batch *batch)
{
	probe_log(batch);
	if (batch->options->yes && batch->unlogged) {
		err_set(batch->err,
			"nothing was sent, since the audit log cannot be written: %s; --log names another, "
			"without --yes you are asked",
			batch->unlogged_why.text);
		return;
	}
	if (!batch->options->yes && !ask(batch))
		return;
	struct interrupt interrupt;
	interrupt_begin(&interrupt);
	send_all(batch);
	await_ends(batch, &interrupt);
	await_log(batch);
	interrupt_end(&interrupt);
}

int batch_signal_run(const struct options *options, const struct targets *targets, struct charset charset,
		     struct source *source, struct frame *owned_frame, struct err *err)
{
	struct batch batch = { .options = options,
			       .charset = charset,
			       .source = source,
			       .frame = owned_frame,
			       .count = targets->count,
			       .open = targets->count,
			       .err = err };
	batch.audit = audit_new(&options->audit, err);
	batch.errands = calloc(targets->count + 1, sizeof *batch.errands);
	if (!batch.errands)
		err_die("out of memory");
	for (uint32_t i = 0; batch.audit && i < targets->count; i++)
		look_up(&batch, &batch.errands[i], targets->ids[i]);
	if (batch.audit && batch.open > 0) {
		batch.signaller = signaller_new(source, batch.audit);
		signal_all(&batch);
		signaller_free(batch.signaller);
	}
	int code = exit_code(&batch);
	/* One that hangs is left behind; the program ends. */
	if (batch.audit)
		(void)audit_stop(batch.audit, LOG_LAST_WAIT);
	/* The last lines are on the record: the shell hears which signal it was. */
	if (batch.interrupted)
		raise(batch.interrupted);
	free(batch.errands);
	frame_free(owned_frame);
	return code;
}
