/* The mask over literals: on at once, off only after a question as careful as that before a signal. */
#include "state_private.h"

void state_mask(struct state *state, int64_t now)
{
	if (state->masked) {
		question_open_mask(&state->question);
		state->message.kind = MESSAGE_NONE;
		return;
	}
	state_set_masked(state, true);
	state_say(state, MESSAGE_NEWS, now, "masked: literals in queries show as ?; M takes it off, and asks");
}

void state_mask_input(struct state *state, const struct input *input, int64_t now)
{
	switch (question_key(&state->question, input)) {
	case QUESTION_EARLY:
		state_say(state, MESSAGE_ERROR, now, "typed before the question: answer again");
		break;
	case QUESTION_TYPING:
		break;
	case QUESTION_YES:
		state_set_masked(state, false);
		state_say(state, MESSAGE_NEWS, now, "literals show in queries; M masks them");
		break;
	case QUESTION_WRONG:
	case QUESTION_NO:
		state_say(state, MESSAGE_NEWS, now, "masked as before");
		break;
	case QUESTION_PILE:
		state_say(state, MESSAGE_ERROR, now, "several keys came at once: masked as before");
		state_swallow(state, now); /* the rest of it */
		break;
	}
}
