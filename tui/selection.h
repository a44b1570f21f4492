/*
 * selection.h - which sessions --select and its companions choose.
 */
#ifndef TUI_SELECTION_H
#define TUI_SELECTION_H

#include "options.h"

/*
 * By session index, in the forest's frame: all that was given holds. Never the program's own session, never one whose
 * identity is not known. A pattern that ran into its limits has not matched.
 */
const bool *selection_make(const struct options_select *select, const struct forest *forest, struct arena *arena);

/* Appends the ids of those that are selected, a line each, the longest in their transaction first. */
void selection_add_ids(const bool *selected, const struct snapshot *snapshot, struct strbuf *out);

#endif
