#include "pglocktop/scene.h"
#include "state_private.h"

#include <limits.h>
#include <string.h>

int state_free_slots(const struct scene *scene)
{
	if (!scene || scene->frame->snapshot->server.slots_for_all <= 0)
		return INT_MAX;
	int left = scene->frame->snapshot->server.slots_for_all - (int)scene->totals.connections;
	return left > 0 ? left : 0;
}

/* A session's locks on relations are on those of its own database, or on shared ones. */
static uint32_t database_of_cursor(const struct scene *scene, const char **name)
{
	const struct snapshot *snapshot = scene->frame->snapshot;
	uint32_t session = scene_cursor_session(scene);
	uint32_t item = scene->forest ? scene_item_at(scene, scene->cursor) : FOREST_NONE;
	if (session != SNAPSHOT_NO_INDEX) {
		*name = snapshot->sessions[session].database;
		return snapshot->sessions[session].datid;
	}
	uint32_t node = item == FOREST_NONE ? GRAPH_NONE : scene->forest->items[item].node;
	uint32_t prepared = node == GRAPH_NONE ? SNAPSHOT_NO_INDEX : scene->frame->graph->nodes[node].prepared;
	if (prepared == SNAPSHOT_NO_INDEX)
		return 0;
	*name = snapshot->prepared[prepared].database;
	return snapshot->prepared[prepared].datid;
}

static bool may_look_up(const struct state *state, const struct scene *scene, uint32_t database, const char *name,
			struct err *err)
{
	const char *own = scene->frame->snapshot->server.database;
	if (database == 0)
		return err_set(err, "no session of a database is selected");
	if (own && name && strcmp(own, name) == 0)
		return err_set(err, "that is the database of this connection: its names come by themselves");
	if (state->frozen || state->status.state != SOURCE_LIVE)
		return err_set(err, "frozen or not connected: no names can be looked up");
	int slots = state_free_slots(scene);
	if (slots <= STATE_FEW_SLOTS)
		return err_set(err, "%d slots free: too few to take one for names", slots);
	return true;
}

void state_look_up(struct state *state, const struct scene *scene, int64_t now)
{
	const char *name = NULL;
	struct err err;
	uint32_t database = database_of_cursor(scene, &name);
	if (!may_look_up(state, scene, database, name, &err)) {
		state_say(state, MESSAGE_ERROR, now, "%s", err.text);
		return;
	}
	struct effect *effect = state_effect(state, EFFECT_COMMAND, NULL);
	effect->command.kind = COMMAND_LOOKUP;
	effect->command.database = database;
	state_say(state, MESSAGE_NEWS, now, "asking database %s for its names: one connection more, for 2 s at most",
		  name ? name : "?");
}

void state_take_lookup(struct state *state, const struct lookup_news *news, int64_t now)
{
	if (news->outcome == LOOKUP_DONE)
		state_say(state, MESSAGE_NEWS, now, "database %s named %u %s; that connection is closed again",
			  news->database, (unsigned)news->found, news->found == 1 ? "relation" : "relations");
	else
		state_say(state, MESSAGE_ERROR, now, "no names from database %s: %s", news->database, news->text);
}
