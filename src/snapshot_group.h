/*
 * snapshot_group.h - which sessions are one lock group: a parallel query's leader and its workers. For snapshot.c
 * alone.
 */
#ifndef SNAPSHOT_GROUP_H
#define SNAPSHOT_GROUP_H

#include "pglocktop/snapshot.h"

/* Fills in `leader` and `leader_known` of all sessions, which are sorted. O(n log n). */
void snapshot_find_groups(struct snapshot *snapshot);

#endif
