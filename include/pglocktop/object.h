/*
 * object.h - what a lock is on, in words.
 */
#ifndef PGLOCKTOP_OBJECT_H
#define PGLOCKTOP_OBJECT_H

#include "pglocktop/graph.h"
#include "pglocktop/strbuf.h"

/*
 * Appends the name of what is locked: "table orders", "index orders_pkey", "row orders (0,6)", "xid 4711",
 * "virtualxid 5/87", "advisory 42", "advisory (1,-2)", "speculative insertion, xid 4711", "schema 2200",
 * "object 1259.16389" … A relation whose name is not known is "rel 16389", one of another database "shop:16389"
 * ("row shop:16389 (0,6)"); what else is of another database ends in " in shop". The mode is not part of it. Hostile,
 * as names are. O(log n), but O(sessions) for a database that is not the connection's.
 */
void object_describe(const struct snapshot *snapshot, const struct locktag *tag, struct strbuf *out);

/*
 * What a wait is really for: one who waits for a transaction to end while it holds a row's tuple lock waits for that
 * row; then the tuple's tag is returned, otherwise the wait's own.
 */
const struct locktag *object_of_wait(const struct graph *graph, uint32_t wait);

/* Appends the short names of a LOCKMODE_BIT set, the weakest first: "RowExcl, Share". */
void object_add_modes(uint16_t modes, struct strbuf *out);

/* Appends the name of a node: its pid, or of a prepared transaction "2pc " and its gid, "2pc ?" where that is not
 * known. */
void object_add_node(const struct graph *graph, uint32_t node, struct strbuf *out);

/*
 * Appends what the tree says of a node: "● row orders (0,6)" for one that only blocks, "→ table orders AccessExcl +3"
 * for one that waits; "+3" counts further blockers. The mode is told where the object can be locked in several that
 * matter. In a cycle the blocker that is in it is named, too: "→ row accounts (0,2) of 9002". `ascii`: "*" and ">" in
 * place of the signs.
 */
void object_describe_node(const struct graph *graph, uint32_t node, bool ascii, struct strbuf *out);

#endif
