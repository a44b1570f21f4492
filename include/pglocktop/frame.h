/*
 * frame.h - what a source hands over: a snapshot with its graph and forecasts, whole, in one arena.
 *
 * A frame has one owner at a time. Everything in it is immutable, but for what the owner decides about its texts.
 */
#ifndef PGLOCKTOP_FRAME_H
#define PGLOCKTOP_FRAME_H

#include "pglocktop/graph.h"
#include "pglocktop/snapshot.h"

struct frame_masked;
struct whatif; /* whatif.h */

struct frame {
	struct arena arena;
	struct snapshot *snapshot;
	struct graph *graph;
	struct whatif *whatif;
	struct frame_masked *masked; /* frame_masked_query's */
	bool shows_literals; /* the owner's; a new frame shows none */
	int64_t received_at; /* when_monotonic() when its last row had come */
	uint64_t serial; /* counts up within one source */
	uint64_t server_epoch; /* changes when the source came back to another server or a restarted one */
};

struct frame *frame_new(void);

/* Makes what follows from the finished snapshot: graph and forecasts. */
void frame_analyse(struct frame *frame);

/* Takes NULL, too. */
void frame_free(struct frame *owned);

/*
 * A session's query as it may be seen: the way from a snapshot to every output, the filter's included. Masked unless
 * the frame shows literals. NULL: hidden or none. Valid until the frame is freed; O(text) when it is asked for first.
 */
const char *frame_query(const struct frame *frame, uint32_t session);

/* Likewise, masked whatever the frame shows. */
const char *frame_masked_query(const struct frame *frame, uint32_t session);

#endif
