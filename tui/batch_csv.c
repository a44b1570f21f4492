#include "batch_csv.h"

#include "pglocktop/column.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct table {
	const struct forest *forest;
	struct charset charset;
	struct strbuf *out;
	struct strbuf text, inert; /* of one value */
};

/* ---- values ---- */

/* Inert it has no line end. */
static void add_text(struct table *table, const char *text)
{
	struct strbuf *inert = &table->inert;
	strbuf_reset(inert);
	text_add_inert(table->charset, text, inert);
	bool formula = *inert->text && strchr("=+-@", *inert->text), quoted = strpbrk(inert->text, "\", ;");
	strbuf_add_string(table->out, quoted ? "\"" : "");
	strbuf_add_string(table->out, formula ? "'" : "");
	for (const char *at = inert->text; *at; at++) {
		if (*at == '"')
			strbuf_add_char(table->out, '"');
		strbuf_add_char(table->out, *at);
	}
	strbuf_add_string(table->out, quoted ? "\"" : "");
}

static void add_id(struct table *table, const struct column_row *row)
{
	char id[IDENTITY_TEXT_SIZE];
	if (row->session != SNAPSHOT_NO_INDEX)
		add_text(table, identity_format(table->forest->frame->snapshot->sessions[row->session].id, id));
}

/* Under whom it is in the tree; of the members of a deadlock nobody. */
static void add_parent(struct table *table, const struct column_row *row)
{
	const struct forest *forest = table->forest;
	if (!row->item || row->item->parent == FOREST_NONE)
		return;
	struct column_row parent = column_row_of_item(forest, row->item->parent);
	strbuf_reset(&table->text);
	if (parent.session != SNAPSHOT_NO_INDEX)
		add_id(table, &parent);
	else if (column_get(&columns[COLUMN_SESSION], &parent, false, &table->text).known)
		add_text(table, table->text.text);
}

static void add_age(struct table *table, int64_t age)
{
	if (age != WHEN_NONE)
		strbuf_printf(table->out, "%" PRId64 ".%06d", age / WHEN_SECOND, (int)(age % WHEN_SECOND));
}

static void add_value(struct table *table, const struct column *column, const struct column_row *row)
{
	strbuf_reset(&table->text);
	struct column_value value = column->get(row, !table->charset.unicode, &table->text);
	if (value.hidden)
		strbuf_add_char(table->out, '?');
	else if (column->kind == COLUMN_NUMBER && value.known)
		strbuf_printf(table->out, "%" PRId64, value.number);
	else
		add_text(table, table->text.text);
	if (column->id == COLUMN_STATE)
		strbuf_add_char(table->out, ',');
	if (column->kind == COLUMN_AGE && value.known)
		add_age(table, value.number);
}

/* ---- lines ---- */

static void add_names(struct table *table)
{
	strbuf_add_string(table->out, "id,parent");
	for (size_t i = 0; i < COLUMN_OF_SESSIONS; i++)
		strbuf_printf(table->out, ",%s%s", columns[i].name, i == COLUMN_STATE ? ",state_age" : "");
	strbuf_add_char(table->out, '\n');
}

static void add_row(struct table *table, const struct column_row *row)
{
	add_id(table, row);
	strbuf_add_char(table->out, ',');
	add_parent(table, row);
	for (size_t i = 0; i < COLUMN_OF_SESSIONS; i++) {
		strbuf_add_char(table->out, ',');
		add_value(table, &columns[i], row);
	}
	strbuf_add_char(table->out, '\n');
}

void batch_add_csv(const struct forest *forest, const bool *selected, struct charset charset, struct strbuf *out)
{
	struct table table = { forest, charset, out, STRBUF_INIT, STRBUF_INIT };
	uint32_t count = forest->frame->snapshot->session_count;
	bool *written = calloc(count + 1, sizeof *written);
	if (!written)
		err_die("out of memory");
	add_names(&table);
	for (uint32_t i = 0; i < forest->count; i++) {
		struct column_row row = column_row_of_item(forest, i);
		bool session = row.session != SNAPSHOT_NO_INDEX;
		if (session)
			written[row.session] = true;
		if (forest->items[i].kind != FOREST_CYCLE && (!selected || (session && selected[row.session])))
			add_row(&table, &row);
	}
	for (uint32_t i = 0; i < count; i++) {
		struct column_row row = column_row_of_session(forest->frame, i);
		if (!written[i] && (!selected || selected[i]))
			add_row(&table, &row);
	}
	free(written);
	strbuf_release(&table.text);
	strbuf_release(&table.inert);
}
