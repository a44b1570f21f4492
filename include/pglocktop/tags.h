/*
 * tags.h - the sessions that the person has tagged, one by one: whom C and K mean then.
 *
 * They are held by identity: a tag goes with its session and never moves to another one with the same pid.
 */
#ifndef PGLOCKTOP_TAGS_H
#define PGLOCKTOP_TAGS_H

#include "pglocktop/snapshot.h"

enum { TAGS_MOST = 1000 };

struct tags {
	struct identity ids[TAGS_MOST]; /* sorted */
	uint32_t count;
};

bool tags_have(const struct tags *tags, struct identity id);

/* Tags it, or takes its tag back. False: there are TAGS_MOST already, or nothing identifies it. */
bool tags_toggle(struct tags *tags, struct identity id) MUST_CHECK;

/* Takes back the tags of those who are not in the snapshot: their identities into `gone`; returns how many. */
uint32_t tags_drop_ended(struct tags *tags, const struct snapshot *snapshot, struct identity gone[static TAGS_MOST]);

#endif
