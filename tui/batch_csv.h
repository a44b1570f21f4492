/*
 * batch_csv.h - a snapshot as a table of comma-separated values (RFC 4180), for spreadsheets and scripts.
 *
 * One line with the columns' names, then a line for each session and prepared transaction: those of the tree first, in
 * its order, then the others by pid. Texts are inert, and one that a spreadsheet would take for a formula has a '
 * before it. Ages are in seconds; ? is what the role may not see, and nothing is what there is not.
 */
#ifndef TUI_BATCH_CSV_H
#define TUI_BATCH_CSV_H

#include "text.h"

#include "pglocktop/forest.h"

/* `selected`: by session index, which are written; NULL: all. */
void batch_add_csv(const struct forest *forest, const bool *selected, struct charset charset, struct strbuf *out);

#endif
