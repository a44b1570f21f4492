/*
 * cast.h - who plays in the demo, and what.
 *
 * A player is one session. It plays its steps, waits for its next cycle, and plays them again. Whoever has a period
 * plays by the common clock: cycle k begins k periods after the beginning, and `at` counts from there, so that players
 * meet without knowing of each other, whatever was done to one of them. Whoever has none plays by itself: `at` counts
 * from the end of the step before, stretched by chance.
 */
#ifndef DEMO_CAST_H
#define DEMO_CAST_H

#include <stdbool.h>
#include <stddef.h>

struct step {
	int at; /* milliseconds */
	const char *sql; /* NULL: the end of the steps */
};

struct part {
	const char *name; /* the session's application_name */
	const char *user;
	int period; /* milliseconds; 0: none */
	bool harmless; /* nobody waits for it; it plays on when the stage is cleared */
	const char *undo; /* run when it (re)connects and when the stage is cleared; it may fail; NULL: nothing */
	const struct step *steps;
};

extern const struct part cast_parts[];
extern const size_t cast_part_count;

#endif
