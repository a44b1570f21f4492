/* What goes to the clipboard. */
#include "pglocktop/consequence.h"
#include "pglocktop/scene.h"
#include "state_private.h"

#include <stdio.h>

static void copy_query_or_pid(struct state *state, const struct scene *scene, uint32_t key, int64_t now)
{
	uint32_t index = scene_cursor_session(scene);
	char text[32];
	if (index == SNAPSHOT_NO_INDEX) {
		state_say(state, MESSAGE_ERROR, now, "no session is selected: nothing copied");
		return;
	}
	const struct session *session = &scene->frame->snapshot->sessions[index];
	snprintf(text, sizeof text, "%d", (int)session->id.pid);
	const char *query = frame_query(scene->frame, index);
	if (key == 'q' && !query) {
		state_say(state, MESSAGE_ERROR, now, "%s has no query to copy", text);
		return;
	}
	state_effect(state, EFFECT_COPY, key == 'q' ? query : text);
	state_say(state, MESSAGE_NEWS, now, "copied the %s of %s",
		  key != 'q'	  ? "pid"
		  : state->masked ? "masked query"
				  : "query",
		  text);
}

/* For somebody with psql in that database: this program does not end prepared transactions. */
static bool copy_rollback(struct state *state, const struct scene *scene, int64_t now)
{
	uint32_t item = scene_item_at(scene, scene->cursor);
	uint32_t node = item == FOREST_NONE ? GRAPH_NONE : scene->forest->items[item].node;
	uint32_t index = node == GRAPH_NONE ? SNAPSHOT_NO_INDEX : scene->frame->graph->nodes[node].prepared;
	if (index == SNAPSHOT_NO_INDEX)
		return false;
	const struct prepared *prepared = &scene->frame->snapshot->prepared[index];
	struct strbuf sql = STRBUF_INIT;
	consequence_add_rollback(prepared, &sql);
	strbuf_add_char(&sql, ';');
	state_effect(state, EFFECT_COPY, sql.text);
	state_say(state, MESSAGE_NEWS, now, "copied %s for database %s", sql.text,
		  prepared->database ? prepared->database : "?");
	strbuf_release(&sql);
	return true;
}

/* The statement that this program would send, guarded by the session's identity, for somebody with psql. */
static void copy_signal_sql(struct state *state, const struct scene *scene, int64_t now)
{
	uint32_t index = scene_cursor_session(scene);
	char start[WHEN_TEXT_SIZE];
	if (index == SNAPSHOT_NO_INDEX || scene->frame->snapshot->sessions[index].id.backend_start == WHEN_NONE) {
		state_say(state, MESSAGE_ERROR, now, "no session whose start is known is selected: nothing copied");
		return;
	}
	struct identity id = scene->frame->snapshot->sessions[index].id;
	struct strbuf sql = STRBUF_INIT;
	strbuf_printf(&sql,
		      "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_get_activity(%d) a "
		      "WHERE a.pid = %d AND a.backend_start = '%s';",
		      (int)id.pid, (int)id.pid, when_format_iso(id.backend_start, start));
	state_effect(state, EFFECT_COPY, sql.text);
	strbuf_release(&sql);
	state_say(state, MESSAGE_NEWS, now, "copied the statement that terminates %d and nobody else", (int)id.pid);
}

void state_copy_key(struct state *state, const struct scene *scene, uint32_t key, int64_t now)
{
	state->copy_pending = false;
	if (!scene)
		return;
	if (key == 'q' || key == 'p') {
		copy_query_or_pid(state, scene, key, now);
	} else if (key == 's') {
		if (!copy_rollback(state, scene, now))
			copy_signal_sql(state, scene, now);
	} else if (key == 't' && !scene->forest) {
		state_say(state, MESSAGE_ERROR, now, "there is no tree in this view: nothing copied");
	} else if (key == 't') {
		state_effect(state, EFFECT_COPY_TREE, NULL);
		state_say(state, MESSAGE_NEWS, now, "copied the %s, queries masked",
			  scene->forest->of_objects ? "objects" : "tree");
	}
}
