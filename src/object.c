#include "pglocktop/object.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The name of a database; NULL when no session or prepared transaction of the snapshot tells it. */
static const char *database_name(const struct snapshot *snapshot, uint32_t database)
{
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (snapshot->sessions[i].datid == database && snapshot->sessions[i].database)
			return snapshot->sessions[i].database;
	for (uint32_t i = 0; i < snapshot->prepared_count; i++)
		if (snapshot->prepared[i].datid == database && snapshot->prepared[i].database)
			return snapshot->prepared[i].database;
	return NULL;
}

static bool is_connected_to(const struct snapshot *snapshot, const char *database)
{
	return snapshot->server.database && strcmp(snapshot->server.database, database) == 0;
}

/* Where the name is not known: "rel 16389"; of another database, where this connection cannot ask, "shop:16389". */
static void add_unnamed_relation(const struct snapshot *snapshot, const struct locktag *tag, struct strbuf *out)
{
	const char *database = tag->database == 0 ? NULL : database_name(snapshot, tag->database);
	if (tag->database == 0 || (database && is_connected_to(snapshot, database)))
		strbuf_printf(out, "rel %" PRIu32, tag->relation);
	else if (database)
		strbuf_printf(out, "%s:%" PRIu32, database, tag->relation);
	else
		strbuf_printf(out, "%" PRIu32 ":%" PRIu32, tag->database, tag->relation);
}

/* Keys and names are per database: the same in another database is another. */
static void add_other_database(const struct snapshot *snapshot, const struct locktag *tag, struct strbuf *out)
{
	const char *database = tag->database == 0 ? NULL : database_name(snapshot, tag->database);
	if (database && !is_connected_to(snapshot, database))
		strbuf_printf(out, " in %s", database);
}

/* By pg_class.relkind. */
static const char *relation_kind(char kind)
{
	switch (kind) {
	case 'i':
	case 'I':
		return "index";
	case 'S':
		return "sequence";
	case 't':
		return "toast table";
	case 'v':
	case 'm':
		return "view";
	case 'c':
		return "type";
	default:
		return "table";
	}
}

/* `what` stands in place of the relation's kind; NULL: the kind. `place` in it is "", or "(0,6)". */
static void add_relation(const struct snapshot *snapshot, const struct locktag *tag, const char *what,
			 const char *place, struct strbuf *out)
{
	const struct relation_name *relation = snapshot_find_relation(snapshot, tag->database, tag->relation);
	if (what)
		strbuf_printf(out, "%s ", what);
	if (!relation)
		add_unnamed_relation(snapshot, tag, out);
	else if (relation->kind == 't' && relation->table)
		strbuf_printf(out, "%s%s", what ? "toast of " : "toast table of ", relation->table);
	else if (what)
		strbuf_add_string(out, relation->name);
	else
		strbuf_printf(out, "%s %s", relation_kind(relation->kind), relation->name);
	strbuf_printf(out, "%s%s", *place ? " " : "", place);
	if (relation)
		add_other_database(snapshot, tag, out);
}

/* objsubid tells the form of the key (lockfuncs.c): 1 one bigint, 2 two int4, both signed. */
static void add_advisory(const struct snapshot *snapshot, const struct locktag *tag, struct strbuf *out)
{
	uint64_t key = (uint64_t)tag->classid << 32 | tag->objid;
	if (tag->objsubid == 1)
		strbuf_printf(out, "advisory %" PRId64, (int64_t)key);
	else
		strbuf_printf(out, "advisory (%" PRId32 ",%" PRId32 ")", (int32_t)tag->classid, (int32_t)tag->objid);
	add_other_database(snapshot, tag, out);
}

/* The catalogs whose rows are locked by name in everyday work: oids from their pg_*.h headers, never changed. */
static const char *class_name(uint32_t classid)
{
	static const struct {
		uint32_t classid;
		const char *name;
	} classes[] = {
		{ 1213, "tablespace" },	 { 1247, "type" },	{ 1255, "function" },	   { 1260, "role" },
		{ 1262, "database" },	 { 1417, "server" },	{ 2328, "data wrapper" },  { 2606, "constraint" },
		{ 2615, "schema" },	 { 3079, "extension" }, { 3466, "event trigger" }, { 6100, "subscription" },
		{ 6104, "publication" },
	};
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (classes[i].classid == classid)
			return classes[i].name;
	return NULL;
}

static void add_object(const struct snapshot *snapshot, const struct locktag *tag, struct strbuf *out)
{
	const char *class = class_name(tag->classid);
	const char *database = class && strcmp(class, "database") == 0 ? database_name(snapshot, tag->objid) : NULL;
	if (database)
		strbuf_printf(out, "database %s", database);
	else if (class)
		strbuf_printf(out, "%s %" PRIu32, class, tag->objid);
	else
		strbuf_printf(out, "object %" PRIu32 ".%" PRIu32, tag->classid, tag->objid);
	if (tag->objsubid != 0)
		strbuf_printf(out, ".%u", (unsigned)tag->objsubid);
	add_other_database(snapshot, tag, out);
}

/* Until 15 the transaction's id stands in the column "database", from 16 on in "transactionid". */
static void add_speculative(const struct locktag *tag, struct strbuf *out)
{
	uint32_t xid = tag->columns & LOCKTAG_HAS_TRANSACTIONID ? tag->transactionid : tag->database;
	strbuf_printf(out, "speculative insertion, xid %" PRIu32, xid);
}

/* A type that this program does not know: its word, and what its columns hold. */
static void add_unknown(const struct locktag *tag, struct strbuf *out)
{
	const struct {
		uint16_t column;
		const char *name;
		uint32_t value;
	} values[] = {
		{ LOCKTAG_HAS_DATABASE, "database", tag->database },
		{ LOCKTAG_HAS_RELATION, "relation", tag->relation },
		{ LOCKTAG_HAS_PAGE, "page", tag->page },
		{ LOCKTAG_HAS_TUPLE, "tuple", tag->tuple },
		{ LOCKTAG_HAS_TRANSACTIONID, "xid", tag->transactionid },
		{ LOCKTAG_HAS_CLASSID, "classid", tag->classid },
		{ LOCKTAG_HAS_OBJID, "objid", tag->objid },
		{ LOCKTAG_HAS_OBJSUBID, "objsubid", tag->objsubid },
	};
	strbuf_add_string(out, tag->type ? tag->type : "unknown lock");
	if (tag->virtualxid)
		strbuf_printf(out, " %s", tag->virtualxid);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		if (tag->columns & values[i].column)
			strbuf_printf(out, " %s %" PRIu32, values[i].name, values[i].value);
}

void object_describe(const struct snapshot *snapshot, const struct locktag *tag, struct strbuf *out)
{
	char place[32];
	switch (tag->kind) {
	case LOCKTAG_RELATION:
		add_relation(snapshot, tag, NULL, "", out);
		return;
	case LOCKTAG_EXTEND:
		add_relation(snapshot, tag, "extension of", "", out);
		return;
	case LOCKTAG_PAGE:
		snprintf(place, sizeof place, "(%" PRIu32 ")", tag->page);
		add_relation(snapshot, tag, "page", place, out);
		return;
	case LOCKTAG_TUPLE:
		snprintf(place, sizeof place, "(%" PRIu32 ",%u)", tag->page, (unsigned)tag->tuple);
		add_relation(snapshot, tag, "row", place, out);
		return;
	case LOCKTAG_FROZENID:
		strbuf_add_string(out, "frozen ids of the database");
		add_other_database(snapshot, tag, out);
		return;
	case LOCKTAG_TRANSACTIONID:
		strbuf_printf(out, "xid %" PRIu32, tag->transactionid);
		return;
	case LOCKTAG_VIRTUALXID:
		strbuf_printf(out, "virtualxid %s", tag->virtualxid ? tag->virtualxid : "?");
		return;
	case LOCKTAG_SPECULATIVE:
		add_speculative(tag, out);
		return;
	case LOCKTAG_OBJECT:
		add_object(snapshot, tag, out);
		return;
	case LOCKTAG_ADVISORY:
		add_advisory(snapshot, tag, out);
		return;
	case LOCKTAG_APPLYTRANSACTION:
		strbuf_printf(out, "apply of xid %" PRIu32 ", subscription %" PRIu32, tag->transactionid, tag->objid);
		return;
	case LOCKTAG_USERLOCK:
	case LOCKTAG_OTHER:
		break;
	}
	add_unknown(tag, out);
}

void object_add_modes(uint16_t modes, struct strbuf *out)
{
	bool any = false;
	for (int mode = LOCKMODE_ACCESS_SHARE; mode < LOCKMODE_SIREAD; mode++) {
		if (!(modes & LOCKMODE_BIT(mode)))
			continue;
		strbuf_printf(out, "%s%s", any ? ", " : "", lockmode_short_name((enum lockmode)mode));
		any = true;
	}
}

const struct locktag *object_of_wait(const struct graph *graph, uint32_t wait)
{
	const struct graph_wait *waiter = &graph->waits[wait];
	if (waiter->tuple_row != GRAPH_NONE)
		return &graph->snapshot->locks[waiter->tuple_row].tag;
	return graph->locks[waiter->lock].tag;
}

/* What a blocker keeps from the others: the row that the first of them waits for, or the lock itself. */
static const struct locktag *object_of_head(const struct graph *graph, uint32_t lock)
{
	return object_of_wait(graph, graph->locks[lock].first_wait);
}

static bool has_telling_mode(enum locktag_kind kind)
{
	return kind == LOCKTAG_RELATION || kind == LOCKTAG_OBJECT || kind == LOCKTAG_USERLOCK || kind == LOCKTAG_OTHER;
}

/* In a cycle whose members are drawn flat, the line itself must say who is next: the first blocker that is in it. */
static void add_next_in_cycle(const struct graph *graph, uint32_t node, struct strbuf *out)
{
	struct graph_blocker blockers[64];
	uint32_t cycle = graph->nodes[node].cycle, capacity = sizeof blockers / sizeof *blockers;
	uint32_t count = cycle == GRAPH_NONE ? 0 : graph_blockers(graph, node, blockers, capacity);
	for (uint32_t i = 0; i < count && i < capacity; i++) {
		const struct graph_node *blocker = &graph->nodes[blockers[i].node];
		if (blocker->cycle != cycle)
			continue;
		strbuf_printf(out, " of %" PRId32, graph->snapshot->sessions[blocker->session].id.pid);
		return;
	}
}

static void add_wait(const struct graph *graph, uint32_t index, struct strbuf *out)
{
	const struct graph_node *node = &graph->nodes[index];
	const struct graph_wait *wait = &graph->waits[node->principal_wait];
	const struct locktag *tag = object_of_wait(graph, node->principal_wait);
	object_describe(graph->snapshot, tag, out);
	if (has_telling_mode(tag->kind))
		strbuf_printf(out, " %s", lockmode_short_name(wait->mode));
	add_next_in_cycle(graph, index, out);
	if (node->blocker_count > 1)
		strbuf_printf(out, " +%" PRIu32, node->blocker_count - 1);
}

void object_add_node(const struct graph *graph, uint32_t index, struct strbuf *out)
{
	const struct graph_node *node = &graph->nodes[index];
	if (node->session != SNAPSHOT_NO_INDEX)
		strbuf_printf(out, "%" PRId32, graph->snapshot->sessions[node->session].id.pid);
	else if (node->prepared != SNAPSHOT_NO_INDEX)
		strbuf_printf(out, "2pc %s", graph->snapshot->prepared[node->prepared].gid);
	else
		strbuf_add_string(out, "2pc ?"); /* it ended while the snapshot was taken */
}

void object_describe_node(const struct graph *graph, uint32_t index, bool ascii, struct strbuf *out)
{
	const struct graph_node *node = &graph->nodes[index];
	if (node->wait_count > 0) {
		strbuf_add_string(out, ascii ? "> " : "→ ");
		add_wait(graph, index, out);
	} else if (node->heads != GRAPH_NONE) {
		strbuf_add_string(out, ascii ? "* " : "● ");
		object_describe(graph->snapshot, object_of_head(graph, node->heads), out);
	}
}
