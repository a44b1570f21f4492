#include "whatif_build.h"

#include "pglocktop/object.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { NAMED_MOST = 3 };

/* " ALTER": the first word of its query, if it is one of SQL's: of any other it is not known what it tells. */
static void add_command(const struct graph *graph, uint32_t node, struct strbuf *out)
{
	static const char *const commands[] = { "ALTER",  "ANALYZE", "CALL",	 "CLUSTER", "COMMIT",  "COPY",
						"CREATE", "DELETE",  "DO",	 "DROP",    "EXECUTE", "FETCH",
						"GRANT",  "INSERT",  "LOCK",	 "MERGE",   "REFRESH", "REINDEX",
						"REVOKE", "SELECT",  "TRUNCATE", "UPDATE",  "VACUUM",  "WITH" };
	uint32_t session = graph->nodes[node].session;
	const char *query =
		session == SNAPSHOT_NO_INDEX ? NULL : graph->snapshot->sessions[session].query_with_literals;
	if (!query)
		return;
	query += strspn(query, " \t\r\n");
	size_t length = strspn(query, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strlen(commands[i]) == length && strncasecmp(query, commands[i], length) == 0)
			strbuf_printf(out, " %s", commands[i]);
}

/* The first `most` of `count` nodes. */
static void add_nodes(const struct graph *graph, const uint32_t *nodes, uint32_t count, uint32_t most,
		      struct strbuf *out)
{
	for (uint32_t i = 0; i < count && i < most; i++) {
		strbuf_add_string(out, i ? ", " : "");
		object_add_node(graph, nodes[i], out);
	}
	if (count > most)
		strbuf_printf(out, " and %" PRIu32 " more", count - most);
}

static void add_freed(const struct whatif *whatif, uint32_t node, enum signal_verb verb, uint32_t most,
		      struct strbuf *out)
{
	uint32_t freed[NAMED_MOST], count = whatif_freed(whatif, node, verb, freed, most);
	add_nodes(whatif->graph, freed, count, most, out);
}

/* What makes the count uncertain, the first of several. */
static const char *doubt_words(unsigned doubts)
{
	if (doubts & WHATIF_ORDER)
		return "the order of the queue is presumed";
	if (doubts & WHATIF_RIVALS)
		return "one may then keep the others waiting";
	if (doubts & WHATIF_SHARERS)
		return "unless others share the row's lock";
	if (doubts & WHATIF_NEXT)
		return "unless there are more old transactions";
	return "not counted: who wants its advisory locks, which stay if they are the session's";
}

/* Who is next, where others come after that: one is named, `others` counts the rest. */
static bool find_head(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
		      uint32_t in_turn, uint32_t *head, uint32_t *others)
{
	uint32_t heads = whatif_heads(whatif, nodes, count, verb, head, 1);
	*others = heads - 1;
	return heads > 0 && heads < in_turn;
}

/* ", first 8020": of those who follow in turn, unless it is the one who will be named anyway. */
static void add_first(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
		      uint32_t in_turn, uint32_t named, struct strbuf *out)
{
	uint32_t head, others;
	if (!find_head(whatif, nodes, count, verb, in_turn, &head, &others) || (head == named && others == 0))
		return;
	strbuf_add_string(out, ", first ");
	object_add_node(whatif->graph, head, out);
	if (others > 0)
		strbuf_printf(out, " and %" PRIu32 " more", others);
}

/* "; 8020 heads the queue then" */
static void add_head(const struct whatif *whatif, uint32_t node, enum signal_verb verb, uint32_t in_turn,
		     struct strbuf *out)
{
	uint32_t head, others;
	if (!find_head(whatif, &node, 1, verb, in_turn, &head, &others))
		return;
	strbuf_add_string(out, "; ");
	object_add_node(whatif->graph, head, out);
	if (others > 0)
		strbuf_printf(out, " and %" PRIu32 " more head the queue then", others);
	else
		strbuf_add_string(out, " heads the queue then");
}

static bool is_known(uint32_t in_turn)
{
	return in_turn != GRAPH_NONE && in_turn > 0;
}

/* The one that may be cancelled so as to free those whom it merely stands before. */
static bool find_ahead(const struct whatif *whatif, uint32_t node, struct whatif_ahead *ahead)
{
	if (!whatif_ahead(whatif, node, ahead))
		return false;
	uint32_t session = whatif->graph->nodes[ahead->node].session;
	return session != SNAPSHOT_NO_INDEX && whatif_runs(whatif->graph, session) &&
	       whatif->graph->snapshot->sessions[session].may == MAY_SIGNAL;
}

/* "7 behind 8056 ALTER (cancel that to free them now)" */
static void add_ahead(const struct whatif *whatif, const struct whatif_ahead *ahead, uint32_t in_turn, bool first_said,
		      struct strbuf *out)
{
	if (ahead->freed == in_turn)
		strbuf_add_string(out, in_turn == 1 ? ", behind " : ", all behind ");
	else
		strbuf_printf(out, first_said ? "; %" PRIu32 " behind " : ", of these %" PRIu32 " behind ",
			      ahead->freed);
	object_add_node(whatif->graph, ahead->node, out);
	add_command(whatif->graph, ahead->node, out);
	strbuf_printf(out, " (cancel that to free %s now)", ahead->freed == 1 ? "it" : "them");
}

static void add_in_turn(const struct whatif *whatif, uint32_t node, enum signal_verb verb, uint32_t in_turn,
			struct strbuf *out)
{
	struct whatif_ahead ahead = { .node = GRAPH_NONE };
	bool stands_ahead = find_ahead(whatif, node, &ahead) && ahead.freed <= in_turn;
	strbuf_printf(out, "  In turn: %" PRIu32, in_turn);
	size_t length = out->length;
	add_first(whatif, &node, 1, verb, in_turn, stands_ahead ? ahead.node : GRAPH_NONE, out);
	if (stands_ahead)
		add_ahead(whatif, &ahead, in_turn, out->length > length, out);
	strbuf_add_char(out, '.');
}

/* "8020 takes its place behind 8008"; false: there is nothing of the kind to say. */
static bool add_places(const struct whatif *whatif, uint32_t node, struct strbuf *out)
{
	struct whatif_place place;
	bool moved = whatif_moved(whatif, node, &place);
	if (!moved && !whatif_stays(whatif, node, &place))
		return false;
	object_add_node(whatif->graph, place.node, out);
	strbuf_add_string(out, moved ? " takes its place behind " : " stays behind ");
	object_add_node(whatif->graph, place.behind, out);
	return true;
}

/* The same between two texts, or nothing at all. */
static void add_places_after(const struct whatif *whatif, uint32_t node, const char *before, const char *after,
			     struct strbuf *out)
{
	size_t length = out->length;
	strbuf_add_string(out, before);
	if (add_places(whatif, node, out))
		strbuf_add_string(out, after);
	else
		strbuf_truncate(out, length);
}

/* Why nobody is freed. */
static void add_nobody(const struct whatif *whatif, uint32_t node, unsigned doubts, struct strbuf *out)
{
	if (doubts & WHATIF_ADVISORY)
		strbuf_add_string(out, ": its advisory locks stay if they are the session's");
	else
		add_places_after(whatif, node, ": ", "", out);
}

static bool is_waited_for(const struct whatif *whatif, uint32_t node)
{
	return node != GRAPH_NONE && whatif->graph->nodes[node].blocked_count > 0;
}

static void describe_compact(const struct whatif *whatif, uint32_t node, enum signal_verb verb,
			     const struct whatif_forecast *forecast, struct strbuf *out)
{
	struct whatif_place place;
	strbuf_add_string(out, forecast->doubts && forecast->freed ? "Frees about " : "Frees ");
	if (forecast->freed == 0)
		strbuf_add_string(out, "nobody");
	else if (forecast->freed == 1)
		add_freed(whatif, node, verb, 1, out);
	else
		strbuf_printf(out, "%" PRIu32, forecast->freed);
	if (forecast->freed == 0 && whatif_moved(whatif, node, &place)) {
		strbuf_add_string(out, ": ");
		object_add_node(whatif->graph, place.node, out);
		strbuf_add_string(out, " moves up");
	} else if (is_known(forecast->in_turn)) {
		strbuf_printf(out, "; %" PRIu32 " in turn", forecast->in_turn);
	}
	strbuf_add_char(out, '.');
}

void whatif_describe(const struct whatif *whatif, uint32_t node, enum signal_verb verb, bool compact,
		     struct strbuf *out)
{
	if (!is_waited_for(whatif, node)) {
		strbuf_add_string(out, "Nobody waits for it.");
		return;
	}
	struct whatif_forecast forecast = whatif_forecast(whatif, node, verb);
	if (compact) {
		describe_compact(whatif, node, verb, &forecast, out);
		return;
	}
	if (forecast.freed == 0) {
		strbuf_add_string(out, "Frees nobody");
		add_nobody(whatif, node, forecast.doubts, out);
		strbuf_add_char(out, '.');
		return;
	}
	if (forecast.doubts)
		strbuf_printf(out, "Frees about %" PRIu32 " now: ", forecast.freed);
	else
		strbuf_add_string(out, "Frees now: ");
	add_freed(whatif, node, verb, NAMED_MOST, out);
	if (forecast.doubts)
		strbuf_printf(out, " (%s)", doubt_words(forecast.doubts));
	strbuf_add_char(out, '.');
	if (is_known(forecast.in_turn))
		add_in_turn(whatif, node, verb, forecast.in_turn, out);
	add_places_after(whatif, node, "  ", ".", out);
}

static void add_stays_of_set(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
			     struct strbuf *out)
{
	struct whatif_place place;
	if (!whatif_stays_set(whatif, nodes, count, verb, &place))
		return;
	strbuf_add_string(out, "  ");
	object_add_node(whatif->graph, place.node, out);
	strbuf_add_string(out, " stays behind ");
	object_add_node(whatif->graph, place.behind, out);
	strbuf_add_char(out, '.');
}

void whatif_describe_set(const struct whatif *whatif, const uint32_t *nodes, uint32_t count, enum signal_verb verb,
			 bool compact, struct strbuf *out)
{
	uint32_t freed[NAMED_MOST];
	struct whatif_forecast forecast = whatif_forecast_set(whatif, nodes, count, verb, freed, NAMED_MOST);
	const char *about = forecast.doubts && forecast.freed ? "about " : "";
	if (forecast.freed == 0)
		strbuf_add_string(out, "Frees nobody");
	else if (compact)
		strbuf_printf(out, "Frees %s%" PRIu32 " now", about, forecast.freed);
	else
		strbuf_printf(out, "Frees %s%" PRIu32 " now, all together: ", about, forecast.freed);
	if (!compact)
		add_nodes(whatif->graph, freed, forecast.freed, NAMED_MOST, out);
	if (!compact && forecast.doubts)
		strbuf_printf(out, " (%s)", doubt_words(forecast.doubts));
	if (compact && is_known(forecast.in_turn))
		strbuf_printf(out, "; %" PRIu32 " in turn", forecast.in_turn);
	strbuf_add_char(out, '.');
	if (compact)
		return;
	if (is_known(forecast.in_turn)) {
		strbuf_printf(out, "  In turn: %" PRIu32, forecast.in_turn);
		add_first(whatif, nodes, count, verb, forecast.in_turn, GRAPH_NONE, out);
		strbuf_add_char(out, '.');
	}
	if (forecast.moved > 0)
		strbuf_printf(out, "  %" PRIu32 " only move%s up behind a row's owner.", forecast.moved,
			      forecast.moved == 1 ? "s" : "");
	else
		add_stays_of_set(whatif, nodes, count, verb, out);
}

void whatif_describe_counts(const struct whatif_forecast *forecast, struct strbuf *out)
{
	strbuf_printf(out, "frees %s%" PRIu32 " now", forecast->doubts ? "about " : "", forecast->freed);
	if (is_known(forecast->in_turn))
		strbuf_printf(out, ", %" PRIu32 " in turn", forecast->in_turn);
}

void whatif_describe_clause(const struct whatif *whatif, uint32_t node, enum signal_verb verb, struct strbuf *out)
{
	struct whatif_ahead ahead;
	if (!is_waited_for(whatif, node)) {
		strbuf_add_string(out, "frees nobody: nobody waits for it");
		return;
	}
	struct whatif_forecast forecast = whatif_forecast(whatif, node, verb);
	if (forecast.freed == 0) {
		strbuf_add_string(out, "frees nobody");
		add_nobody(whatif, node, forecast.doubts, out);
		return;
	}
	strbuf_add_string(out, forecast.doubts ? "probably frees " : "frees ");
	add_freed(whatif, node, verb, NAMED_MOST, out);
	strbuf_add_string(out, " now");
	if (is_known(forecast.in_turn)) {
		strbuf_printf(out, ", %" PRIu32 " in turn", forecast.in_turn);
		if (find_ahead(whatif, node, &ahead) && ahead.freed <= forecast.in_turn) {
			strbuf_printf(out, " (%" PRIu32 " behind ", ahead.freed);
			object_add_node(whatif->graph, ahead.node, out);
			strbuf_add_char(out, ')');
		}
		add_head(whatif, node, verb, forecast.in_turn, out);
	}
	if (forecast.doubts)
		strbuf_printf(out, "; %s", doubt_words(forecast.doubts));
	add_places_after(whatif, node, "; ", "", out);
}
