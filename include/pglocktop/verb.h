/*
 * verb.h - what a signal is called: the one table of its words.
 */
#ifndef PGLOCKTOP_VERB_H
#define PGLOCKTOP_VERB_H

#include "pglocktop/source.h"

struct verb {
	const char *name; /* "terminate": on the command line, in the audit log */
	const char *title; /* "TERMINATE" */
	const char *brief; /* "TERM": where there is little room */
	const char *key; /* "K" */
};

extern const struct verb signal_verbs[]; /* by enum signal_verb */

#endif
