/*
 * whatif.h - what the server would do if a session went, or its query were cancelled: who gets a lock by that alone.
 *
 * On a release the server walks the lock's queue from its head and grants whoever conflicts neither with what is still
 * held nor with what those ahead want who stay (ProcLockWakeup in proc.c). So whoever goes gives their locks, at once,
 * to exactly those whom nobody else blocks; everybody else whom the way out leads through its place follows in turn, as
 * those ahead of them finish. That needs no replay: it is a matter of the graph's edges, and of one thing besides:
 *
 * - Rows. The first to wait for a row holds the row's tuple lock and waits for the owner's transaction, the others
 * queue for the tuple lock (heap_lock_tuple, README.tuplock). When the first one goes, the second gets the tuple lock
 * and waits for the same owner: it has moved up and is not free.
 *
 * What a signal does (xact.c AbortTransaction, proc.c ProcReleaseLocks): a terminated session gives up all locks. A
 * cancelled query aborts its transaction, which gives up all locks but session-level advisory ones; these look like a
 * transaction's in pg_locks, so a cancel is not counted on to release any advisory lock. A savepoint, which nobody else
 * can see, would keep those taken before it. Whoever runs nothing does not notice a cancel.
 *
 * Forecasts live in the frame's arena and are immutable. Making all of them is O(rows log rows); asking is O(1) unless
 * a function says otherwise. All nodes are indices into the graph.
 */
#ifndef PGLOCKTOP_WHATIF_H
#define PGLOCKTOP_WHATIF_H

#include "pglocktop/source.h"
#include "pglocktop/strbuf.h"

/* Why a count is only about right. */
enum whatif_doubt {
	WHATIF_ORDER = 1 << 0, /* the order of a queue is presumed */
	WHATIF_RIVALS = 1 << 1, /* several wait for one transaction, as for a unique key: one may then keep the rest */
	WHATIF_SHARERS = 1 << 2, /* others may share the row's lock, unseen: it would go on waiting for those */
	WHATIF_NEXT = 1 << 3, /* it waits for one old transaction after the other, as CREATE INDEX CONCURRENTLY does */
	WHATIF_ADVISORY = 1 << 4 /* only of a cancel: more are freed if its advisory locks are its transaction's */
};

struct whatif_forecast {
	bool nothing; /* the signal does nothing: it runs nothing, or has no process */
	uint32_t freed; /* waiters that get their lock at once, and what they wait for with it */
	uint32_t moved; /* waiters that only take their place behind a row's owner */
	uint32_t in_turn; /* others that follow as those freed finish; GRAPH_NONE: not known */
	unsigned doubts; /* enum whatif_doubt, about `freed` */
};

struct whatif;

struct whatif *whatif_new(const struct graph *graph, struct arena *arena);

/* A prepared transaction is terminated by being rolled back (or committed). */
struct whatif_forecast whatif_forecast(const struct whatif *whatif, uint32_t node, enum signal_verb verb);

/* Those freed, as graph_blocked would list them: writes at most `capacity`, returns how many. O(direct waiters). */
uint32_t whatif_freed(const struct whatif *whatif, uint32_t node, enum signal_verb verb, uint32_t *out,
		      uint32_t capacity);

/*
 * All of these going at once, which may free more than each by itself: who waits for nobody but them. Those freed, by
 * node, at most `capacity` of them. Of one it is its own forecast. O(rows log rows).
 */
struct whatif_forecast whatif_forecast_set(const struct whatif *whatif, const uint32_t *nodes, uint32_t count,
					   enum signal_verb verb, uint32_t *out, uint32_t capacity);

/*
 * Who gets a lock next, when those have finished whom the going of these has freed: they head the queues then. By node,
 * at most `capacity` of them; returns how many. O(entries of the locks that they have to do with).
 */
uint32_t whatif_heads(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
		      uint32_t *out, uint32_t capacity);

struct whatif_place {
	uint32_t node;
	uint32_t behind;
};

/* One that moves up when the node goes, and the row's owner that it then waits for; false: none does. */
bool whatif_moved(const struct whatif *whatif, uint32_t node, struct whatif_place *moved);

/* One that waits for the node and goes on waiting for somebody else for good when it goes; false: there is none. */
bool whatif_stays(const struct whatif *whatif, uint32_t node, struct whatif_place *stays);

/* The same when all of these go at once. O(rows log rows). */
bool whatif_stays_set(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
		      struct whatif_place *stays);

/*
 * Of those that follow the node, at once or in turn, and themselves only wait ahead of others: the one whose cancel
 * would free most of these now, `freed` of them. False: there is none.
 */
struct whatif_ahead {
	uint32_t node;
	uint32_t freed;
};

bool whatif_ahead(const struct whatif *whatif, uint32_t node, struct whatif_ahead *ahead);

/* An act worth naming. */
struct whatif_act {
	uint32_t node;
	enum signal_verb verb;
	struct whatif_forecast forecast;
	const char *warning; /* consequence_warning */
};

enum { WHATIF_ACTS = 2 };

/* Whether it is in a deadlock that the server is about to end by itself. */
bool whatif_is_left_to_server(const struct graph *graph, uint32_t node);

/*
 * The acts that free most now, a cancel before a terminate where it frees as many, but what breaks a backup or the like
 * after all others; only such as this role may do, and
 * none on a deadlock that the server is about to end, nor for waits that are all younger than `brief`. Returns how
 * many. O(nodes).
 */
uint32_t whatif_next(const struct whatif *whatif, int64_t brief, struct whatif_act acts[static WHATIF_ACTS]);

/* What would free most now, but that the role may not do it or it has no process; false: nothing. O(nodes). */
bool whatif_barred(const struct whatif *whatif, int64_t brief, struct whatif_act *act);

/*
 * In words. For a person who decides: "Frees now: 8017.  In turn: 34, of these 31 behind 8056 ALTER (cancel that to
 * free them now)."; `compact`: "Frees 8017; 34 in turn.". GRAPH_NONE is a node that nobody waits for.
 */
void whatif_describe(const struct whatif *whatif, uint32_t node, enum signal_verb verb, bool compact,
		     struct strbuf *out);

/* Of several at once: "Frees now, all together: 8017, 8060 and 6 more.". */
void whatif_describe_set(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
			 bool compact, struct strbuf *out);

/* The same as a clause, for lists of what a signal would do: "frees 8017 now, 34 in turn (31 behind 8056)". */
void whatif_describe_clause(const struct whatif *whatif, uint32_t node, enum signal_verb verb, struct strbuf *out);

/* Only how many: "frees 1 now, 34 in turn". */
void whatif_describe_counts(const struct whatif_forecast *forecast, struct strbuf *out);

/* Whether the session runs something, so that a cancel has an effect: whoever waits does, also if its state is hidden.
 */
bool whatif_runs(const struct graph *graph, uint32_t session);

#endif
