/*
 * targets.h - the sessions that a command line names, each by its identity.
 */
#ifndef TUI_TARGETS_H
#define TUI_TARGETS_H

#include "options.h"

struct targets {
	struct identity *ids; /* in the order in which they were given, each once */
	uint32_t count;
	size_t capacity;
};

/*
 * Takes the options' ids, and those on `input` (blanks and line ends apart) where "-" is one of them. False when one is
 * no identity, or when there are more than the options allow.
 */
bool targets_read(const struct options *options, int input, struct targets *targets, struct err *err) MUST_CHECK;
void targets_release(struct targets *targets);

#endif
