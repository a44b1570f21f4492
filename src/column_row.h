/*
 * column_row.h - what the getters of columns share: of whom a row is, and the values that it may have.
 */
#ifndef COLUMN_ROW_H
#define COLUMN_ROW_H

#include "pglocktop/column.h"

static const struct column_value value_none = { .known = false, .hidden = false, .number = WHEN_NONE };
static const struct column_value value_hidden = { .known = false, .hidden = true, .number = WHEN_NONE };

static inline struct column_value value_number(int64_t number)
{
	return (struct column_value){ .known = true, .number = number };
}

static inline struct column_value value_age(int64_t age)
{
	return age == WHEN_NONE ? value_none : value_number(age);
}

static inline struct column_value value_text(const char *bytes, struct strbuf *text)
{
	if (!bytes || !*bytes)
		return value_none;
	strbuf_add_string(text, bytes);
	return value_number(WHEN_NONE);
}

/* NULL: a prepared transaction or a cycle. */
static inline const struct session *row_session(const struct column_row *row)
{
	return row->session == SNAPSHOT_NO_INDEX ? NULL : &row->frame->snapshot->sessions[row->session];
}

static inline const struct prepared *row_prepared(const struct column_row *row)
{
	return row->prepared == SNAPSHOT_NO_INDEX ? NULL : &row->frame->snapshot->prepared[row->prepared];
}

static inline const struct graph_node *row_node(const struct column_row *row)
{
	return row->node == GRAPH_NONE ? NULL : &row->frame->graph->nodes[row->node];
}

static inline bool session_hidden(const struct session *session)
{
	return session->listed && session->state == SESSION_HIDDEN;
}

/* What the server shows only to those who may see the session's activity. */
static inline struct column_value value_missing(const struct session *session)
{
	return session_hidden(session) ? value_hidden : value_none;
}

static inline int64_t row_age(const struct column_row *row, int64_t start)
{
	return when_age(row->frame->snapshot->taken_at, start);
}

#endif
