#include "pglocktop/volley.h"

#include "pglocktop/outcome.h"
#include "pglocktop/verb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* So many are named, the others counted. */
enum { PIDS_MOST = 8, REASONS_MOST = 4 };

void volley_begin(struct volley *volley, enum signal_verb verb, uint64_t first_serial)
{
	volley->verb = verb;
	volley->first_serial = first_serial;
	volley->count = 0;
	volley->waiting_before = volley->waiting_after = -1;
	volley->unlogged = false;
}

void volley_add(struct volley *volley, struct identity target)
{
	ensure(volley->count < TAGS_MOST);
	volley->shots[volley->count++] = (struct volley_shot){ .target = target };
}

void volley_leave_out(struct volley *volley, struct identity target, const char *why)
{
	volley_add(volley, target);
	struct volley_shot *shot = &volley->shots[volley->count - 1];
	shot->answered = shot->left_out = true;
	shot->outcome = SIGNAL_NOT_SENT;
	snprintf(shot->why, sizeof shot->why, "%s", why);
}

bool volley_take(struct volley *volley, const struct signal_news *news)
{
	uint64_t serial = news->request.serial;
	if (serial < volley->first_serial || serial - volley->first_serial >= volley->count)
		return false;
	struct volley_shot *shot = &volley->shots[serial - volley->first_serial];
	shot->answered = true;
	shot->outcome = news->outcome;
	snprintf(shot->why, sizeof shot->why, "%.90s", news->text);
	if (volley->waiting_before < 0)
		volley->waiting_before = news->waiting_before;
	if (news->waiting_after >= 0)
		volley->waiting_after = news->waiting_after;
	volley->unlogged |= news->unlogged;
	return true;
}

bool volley_has(const struct volley *volley, struct identity target)
{
	for (uint32_t i = 0; i < volley->count; i++)
		if (identity_equal(volley->shots[i].target, target))
			return true;
	return false;
}

bool volley_is_over(const struct volley *volley)
{
	for (uint32_t i = 0; i < volley->count; i++)
		if (!volley->shots[i].answered || volley->shots[i].outcome == SIGNAL_SENT)
			return false;
	return true;
}

bool volley_went_well(const struct volley *volley)
{
	for (uint32_t i = 0; i < volley->count; i++)
		if (volley->shots[i].answered && outcome_is_bad(volley->shots[i].outcome))
			return false;
	return true;
}

/* Whether the server says, or may have, that it went out. */
static bool went_out(const struct volley_shot *shot)
{
	return shot->answered && shot->outcome != SIGNAL_NOT_SENT && shot->outcome != SIGNAL_REFUSED;
}

static uint32_t count_out(const struct volley *volley)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < volley->count; i++)
		count += went_out(&volley->shots[i]);
	return count;
}

static uint32_t count_unanswered(const struct volley *volley)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < volley->count; i++)
		count += !volley->shots[i].answered;
	return count;
}

/* ", 1 still there (8017)"; pids only where they are to be looked after. */
static void add_outcome(const struct volley *volley, enum signal_outcome outcome, const char *words,
			const char **separator, struct strbuf *out)
{
	struct strbuf pids = STRBUF_INIT;
	uint32_t count = 0;
	for (uint32_t i = 0; i < volley->count; i++) {
		const struct volley_shot *shot = &volley->shots[i];
		if (!shot->answered || shot->outcome != outcome)
			continue;
		if (count++ < PIDS_MOST)
			strbuf_printf(&pids, "%s%d", pids.length ? ", " : "", (int)shot->target.pid);
	}
	if (count > PIDS_MOST)
		strbuf_printf(&pids, " and %" PRIu32 " more", count - PIDS_MOST);
	if (count > 0) {
		strbuf_printf(out, "%s%" PRIu32 " %s", *separator, count, words);
		*separator = ", ";
	}
	if (count > 0 && outcome_is_bad(outcome))
		strbuf_printf(out, " (%s)", pids.text);
	strbuf_release(&pids);
}

/* "; not sent: 8020 has ended; 8021 runs another query by now and 2 more" */
static void add_not_sent(const struct volley *volley, struct strbuf *out)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < volley->count; i++) {
		const struct volley_shot *shot = &volley->shots[i];
		if (!shot->answered || went_out(shot) || count++ >= REASONS_MOST)
			continue;
		char pid[16];
		int length = snprintf(pid, sizeof pid, "%d", (int)shot->target.pid);
		bool named = strncmp(shot->why, pid, (size_t)length) == 0;
		strbuf_printf(out, "%s%s%s%s%s", count == 1 ? ". Not sent: " : "; ", named ? "" : pid,
			      named || !shot->why[0] ? "" : " ", shot->outcome == SIGNAL_REFUSED ? "was refused: " : "",
			      shot->why);
	}
	if (count > REASONS_MOST)
		strbuf_printf(out, " and %" PRIu32 " more", count - REASONS_MOST);
}

void volley_describe(const struct volley *volley, bool ascii, struct strbuf *out)
{
	const char *separator = ": ", *verb = signal_verbs[volley->verb].brief;
	uint32_t unanswered = count_unanswered(volley);
	strbuf_printf(out, "%" PRIu32 " %s sent", count_out(volley), verb);
	add_outcome(volley, SIGNAL_GONE, "gone", &separator, out);
	add_outcome(volley, SIGNAL_STOPPED, "stopped", &separator, out);
	add_outcome(volley, SIGNAL_SENT, "watched", &separator, out);
	add_outcome(volley, SIGNAL_STILL_THERE, "still there", &separator, out);
	add_outcome(volley, SIGNAL_UNKNOWN, "unknown, it may have been sent", &separator, out);
	if (unanswered > 0)
		strbuf_printf(out, "; %" PRIu32 " to go", unanswered);
	if (volley_is_over(volley) && volley->waiting_before >= 0 && volley->waiting_after >= 0)
		strbuf_printf(out, "; waiting %d %s %d", (int)volley->waiting_before, ascii ? "->" : "→",
			      (int)volley->waiting_after);
	add_not_sent(volley, out);
	if (volley->unlogged)
		strbuf_add_string(out, " UNLOGGED");
}
