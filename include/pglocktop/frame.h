/*
 * frame.h - what a source hands over: a snapshot with its graph and forecasts, whole, in one arena.
 *
 * A frame has one owner at a time. Everything in it is immutable.
 */
#ifndef PGLOCKTOP_FRAME_H
#define PGLOCKTOP_FRAME_H

#include "pglocktop/graph.h"
#include "pglocktop/snapshot.h"

struct whatif; /* whatif.h */

struct frame {
	struct arena arena;
	struct snapshot *snapshot;
	struct graph *graph;
	struct whatif *whatif;
	int64_t received_at; /* when_monotonic() when its last row had come */
	uint64_t serial; /* counts up within one source */
	uint64_t server_epoch; /* changes when the source came back to another server or a restarted one */
};

struct frame *frame_new(void);

/* Makes what follows from the finished snapshot: graph and forecasts. */
void frame_analyse(struct frame *frame);

/* Takes NULL, too. */
void frame_free(struct frame *owned);

#endif
