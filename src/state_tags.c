/* Tagging sessions, and whom C and K mean when there are tags. */
#include "pglocktop/privilege.h"
#include "pglocktop/scene.h"
#include "state_private.h"

#include <inttypes.h>
#include <stdio.h>

enum { NAMED_MOST = 5 };

static const char *plural(uint32_t count)
{
	return count == 1 ? "" : "s";
}

static bool tag(struct state *state, const struct scene *scene, struct err *err)
{
	uint32_t index;
	if (state->read_only)
		return err_set(err, "read-only: no signal can be sent in this run, so there is nothing to tag for");
	if (!state_pick_session(state, scene, &index, err))
		return false;
	const struct session *session = &scene->frame->snapshot->sessions[index];
	if (tags_toggle(&state->tags, session->id))
		return true;
	if (session->id.backend_start != WHEN_NONE)
		return err_set(err, "%d sessions are tagged, which is the most", TAGS_MOST);
	struct strbuf why = STRBUF_INIT;
	privilege_explain(scene->frame->snapshot, session, &why);
	err_set(err, "%s", why.text);
	strbuf_release(&why);
	return false;
}

void state_tag(struct state *state, const struct scene *scene, int64_t now)
{
	struct err err;
	if (!tag(state, scene, &err))
		state_say(state, MESSAGE_ERROR, now, "%s", err.text);
	else if (!state->details)
		state_move(state, scene, ACTION_DOWN);
}

void state_untag_all(struct state *state, int64_t now)
{
	uint32_t count = state->tags.count;
	state->tags.count = 0;
	if (count == 0)
		state_say(state, MESSAGE_NEWS, now, "nothing is tagged: Space tags a session");
	else
		state_say(state, MESSAGE_NEWS, now, "%" PRIu32 " session%s untagged", count, plural(count));
}

/* Those whose end is not told as what came of a signal. */
static uint32_t leave_out_signalled(const struct state *state, struct identity *gone, uint32_t count)
{
	uint32_t left = 0;
	for (uint32_t i = 0; i < count; i++)
		if (!volley_has(&state->volley, gone[i]))
			gone[left++] = gone[i];
	return left;
}

void state_note_tags(struct state *state, const struct frame *frame, int64_t now)
{
	struct identity gone[TAGS_MOST];
	struct strbuf pids = STRBUF_INIT;
	uint32_t count = tags_drop_ended(&state->tags, frame->snapshot, gone);
	count = leave_out_signalled(state, gone, count);
	for (uint32_t i = 0; i < count && i < NAMED_MOST; i++)
		strbuf_printf(&pids, "%s%d", i ? ", " : "", (int)gone[i].pid);
	if (count > NAMED_MOST)
		strbuf_printf(&pids, " and %" PRIu32 " more", count - NAMED_MOST);
	if (count > 0)
		state_say(state, MESSAGE_NEWS, now, "%s ha%s ended, tagged: %" PRIu32 " still %s", pids.text,
			  count == 1 ? "s" : "ve", state->tags.count, state->tags.count == 1 ? "is" : "are");
	strbuf_release(&pids);
}

void state_open_choice(struct state *state, const struct session *cursor, enum signal_verb verb)
{
	struct choice *choice = &state->choice;
	*choice = (struct choice){ .open = true, .verb = verb, .cursor = cursor->id };
	const char *name = cursor->application && *cursor->application ? cursor->application : cursor->user;
	snprintf(choice->label, sizeof choice->label, "%d%s%.64s", (int)cursor->id.pid, name ? " " : "",
		 name ? name : "");
	state->message.kind = MESSAGE_NONE;
}

void state_choice_key(struct state *state, const struct scene *scene, uint32_t key, enum action action, int64_t now)
{
	const struct choice choice = state->choice;
	state->choice.open = false;
	if (action == (choice.verb == SIGNAL_CANCEL ? ACTION_CANCEL : ACTION_TERMINATE)) {
		state_ask_tagged(state, scene, choice.verb, now);
	} else if (key == '.') {
		uint32_t session = scene ? snapshot_find(scene->frame->snapshot, choice.cursor) : SNAPSHOT_NO_INDEX;
		if (session == SNAPSHOT_NO_INDEX)
			state_say(state, MESSAGE_ERROR, now, "%d has ended", (int)choice.cursor.pid);
		else
			state_ask_one(state, scene, session, choice.verb, now);
	} else {
		state_say(state, MESSAGE_NEWS, now, "left all of them as they are");
	}
}
