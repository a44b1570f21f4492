/*
 * object.h - what a lock is on, in words.
 */
#ifndef PGLOCKTOP_OBJECT_H
#define PGLOCKTOP_OBJECT_H

#include "pglocktop/graph.h"
#include "pglocktop/strbuf.h"

/*
 * Appends the name of what is locked: "table orders", "index orders_pkey", "row orders (0,6)", "xid 4711",
 * "virtualxid 5/87", "advisory 42", "advisory (1,-2)", "shop:16389" for a relation of another database,
 * "rel 16389" while the name is not known, "speculative insertion, xid 4711", "object 1259.16389" …
 * The mode is not part of it.
 */
void object_describe(const struct snapshot *snapshot, const struct locktag *tag, struct strbuf *out);

/*
 * What a wait is really for: one who waits for a transaction to end while it holds a row's tuple lock waits for that
 * row; then the tuple's tag is returned, otherwise the wait's own.
 */
const struct locktag *object_of_wait(const struct graph *graph, uint32_t wait);

/* Appends what the tree says of a node: "● row orders (0,6)" for a root, "→ table orders AccessExcl +3" for one that
 * waits; "+3" counts further blockers. `ascii`: "*" and ">" in place of the signs. */
void object_describe_node(const struct graph *graph, uint32_t node, bool ascii, struct strbuf *out);

#endif
