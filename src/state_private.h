/*
 * state_private.h - what the files of the state share among themselves.
 */
#ifndef PGLOCKTOP_STATE_PRIVATE_H
#define PGLOCKTOP_STATE_PRIVATE_H

#include "pglocktop/state.h"

/* state.c */
/* The row that the person chose and that no ghost may leave; ROW_KEY_NONE: none. */
struct row_key state_held_key(const struct state *state);

/* What the person decided about one row; state_unfold takes back that it is folded. */
void state_fold(struct state *state, struct row_key key, bool open);
void state_unfold(struct state *state, struct row_key key);

/* state_list.c: the cursor and the folds. */
void state_move(struct state *state, const struct scene *scene, enum action action);
void state_fold_here(struct state *state, const struct scene *scene, enum action action);
void state_go_to_root(struct state *state, const struct scene *scene, int64_t now);
void state_go_to_object(struct state *state, const struct scene *scene, int64_t now); /* or back from it */
void state_go_to_events_session(struct state *state, const struct scene *scene, int64_t now);
bool state_go_to_pid(struct state *state, const struct scene *scene, int32_t pid, int64_t now);
void state_search_on(struct state *state, const struct scene *scene, bool forward, int64_t now);
void state_set_view(struct state *state, enum view view);

/* state_copy.c: the key after y. */
void state_copy_key(struct state *state, const struct scene *scene, uint32_t key, int64_t now);

/* state_menu.c: choosing a column or a user, and the order. */
void state_open_sort_menu(struct state *state);
void state_open_user_menu(struct state *state, const struct scene *scene);
void state_menu_key(struct state *state, uint32_t key);
void state_sort_step(struct state *state, int step);
void state_sort_invert(struct state *state);
void state_apply_filter(struct state *state, const char *terms);

/* state_lookup.c: the names of another database's relations. */
void state_look_up(struct state *state, const struct scene *scene, int64_t now);
/* How many connection slots are free for everybody; INT_MAX: not known. */
int state_free_slots(const struct scene *scene);
enum { STATE_FEW_SLOTS = 3 }; /* too few to take one, or to be sure of getting back in */

/* state_signal.c: asking, and what is answered. */
/* Keys that were meant for a question go nowhere for a while. */
void state_swallow(struct state *state, int64_t now);
/* The session under the cursor, or why there is none. */
bool state_pick_session(const struct state *state, const struct scene *scene, uint32_t *session, struct err *err);
void state_ask(struct state *state, const struct scene *scene, enum signal_verb verb, int64_t now);
void state_ask_one(struct state *state, const struct scene *scene, uint32_t session, enum signal_verb verb,
		   int64_t now);
void state_ask_tagged(struct state *state, const struct scene *scene, enum signal_verb verb, int64_t now);
void state_question_input(struct state *state, const struct scene *scene, const struct input *input, int64_t now);

/* state_mask.c: masking, and the question before the mask is taken off. */
void state_mask(struct state *state, int64_t now);
void state_mask_input(struct state *state, const struct input *input, int64_t now);

/* state_tags.c */
void state_tag(struct state *state, const struct scene *scene, int64_t now);
void state_untag_all(struct state *state, int64_t now);
/* Takes back the tags of those who have ended, and says so. */
void state_note_tags(struct state *state, const struct frame *frame, int64_t now);
void state_open_choice(struct state *state, const struct session *cursor, enum signal_verb verb);
void state_choice_key(struct state *state, const struct scene *scene, uint32_t key, enum action action, int64_t now);

#endif
