#include "server_private.h"

#include <stdlib.h>
#include <string.h>

enum { RELATIONS_AT_ONCE = 500 };

#define FAILURE_PAUSE (10 * WHEN_SECOND)
#define UNKNOWN_FOR (10 * WHEN_SECOND) /* created by a transaction that has not committed, or dropped */
#define KNOWN_FOR (60 * WHEN_SECOND)

/* ---- caches ---- */

/* Younger ones first, and of those that came with one statement the one with a name. */
static int compare_entries(const void *left, const void *right)
{
	const struct name_entry *a = left, *b = right;
	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	if (a->oid != b->oid)
		return a->oid < b->oid ? -1 : 1;
	if (a->loaded_at != b->loaded_at)
		return a->loaded_at > b->loaded_at ? -1 : 1;
	return b->found - a->found;
}

static int compare_keys(const void *left, const void *right)
{
	const struct name_entry *a = left, *b = right;
	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	return (a->oid > b->oid) - (a->oid < b->oid);
}

static void entry_release(struct name_entry *entry)
{
	free(entry->name);
	free(entry->extra);
}

static void cache_release(struct name_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++)
		entry_release(&cache->entries[i]);
	free(cache->entries);
	*cache = (struct name_cache){ NULL, 0, 0 };
}

static void cache_add(struct name_cache *cache, const struct name_entry *entry)
{
	if (cache->count == cache->capacity) {
		size_t capacity = cache->capacity ? cache->capacity * 2 : 64;
		struct name_entry *moved = reallocarray(cache->entries, capacity, sizeof *moved);
		if (!moved)
			err_die("out of memory (%zu names)", capacity);
		cache->entries = moved;
		cache->capacity = capacity;
	}
	cache->entries[cache->count++] = *entry;
}

/* Takes the incoming ones over, and leaves that cache empty. */
static void cache_merge(struct name_cache *cache, struct name_cache *incoming)
{
	if (incoming->count == 0)
		return;
	for (size_t i = 0; i < incoming->count; i++)
		cache_add(cache, &incoming->entries[i]);
	incoming->count = 0;
	qsort(cache->entries, cache->count, sizeof *cache->entries, compare_entries);
	size_t kept = 0;
	for (size_t i = 0; i < cache->count; i++) {
		if (kept > 0 && compare_keys(&cache->entries[kept - 1], &cache->entries[i]) == 0)
			entry_release(&cache->entries[i]);
		else
			cache->entries[kept++] = cache->entries[i];
	}
	cache->count = kept;
}

static const struct name_entry *cache_find(const struct name_cache *cache, uint32_t database, uint32_t oid)
{
	struct name_entry key = { .database = database, .oid = oid };
	if (cache->count == 0)
		return NULL;
	return bsearch(&key, cache->entries, cache->count, sizeof key, compare_keys);
}

static const char *cache_name(const struct name_cache *cache, uint32_t oid, struct arena *arena)
{
	const struct name_entry *entry = oid ? cache_find(cache, 0, oid) : NULL;
	return entry && entry->found ? arena_string(arena, entry->name) : NULL;
}

static bool is_due(const struct name_cache *cache, uint32_t database, uint32_t oid, int64_t now)
{
	const struct name_entry *entry = cache_find(cache, database, oid);
	return !entry || now >= entry->loaded_at + (entry->found ? KNOWN_FOR : UNKNOWN_FOR);
}

const char *names_encoding_of(const void *context, uint32_t database)
{
	const struct names *names = context;
	const struct name_entry *entry = database ? cache_find(&names->databases, 0, database) : NULL;
	return entry ? entry->extra : NULL;
}

uint32_t names_database_oids(const struct names *names, uint32_t *oids, uint32_t capacity)
{
	uint32_t count = 0;
	for (size_t i = 0; i < names->databases.count && count < capacity; i++)
		if (names->databases.entries[i].found)
			oids[count++] = names->databases.entries[i].oid;
	return count;
}

void names_release(struct names *names)
{
	cache_release(&names->roles);
	cache_release(&names->databases);
	cache_release(&names->relations);
	cache_release(&names->incoming_roles);
	cache_release(&names->incoming_databases);
	cache_release(&names->incoming_relations);
	free(names->own_name);
	*names = (struct names){ .retry_at = 0, .refreshed_at = WHEN_NONE };
}

/* ---- rows ---- */

static char *decode_name(struct server *server, struct row_field field, const char *encoding)
{
	struct arena arena = ARENA_INIT;
	if (field.length < 0)
		return NULL;
	char *name = strdup(decoder_decode(server->decoder, encoding, field.data, (size_t)field.length, &arena));
	if (!name)
		err_die("out of memory (a name)");
	arena_release(&arena);
	return name;
}

/* Columns of QUERY_OWN_ROLE. */
static bool handle_own_role(void *context, const struct row_field *fields, struct err *err)
{
	struct server *server = context;
	struct names *names = &server->names;
	if (!rows_take_bool(fields[1], "rolsuper", &names->own_superuser, err) ||
	    !rows_take_bool(fields[2], "pg_read_all_stats", &names->own_sees_all, err) ||
	    !rows_take_bool(fields[3], "pg_signal_backend", &names->own_signals, err) ||
	    !rows_take_bool(fields[4], "pg_signal_autovacuum_worker", &names->own_signals_autovacuum, err))
		return false;
	free(names->own_name);
	names->own_name = decode_name(server, fields[0], NULL);
	names->own_known = true;
	return true;
}

static bool handle_role(void *context, const struct row_field *fields, struct err *err)
{
	struct server *server = context;
	struct name_entry entry = { .found = true, .loaded_at = server->exchange.started_at };
	if (!rows_take_oid(fields[0], "role's oid", &entry.oid, err) ||
	    !rows_take_bool(fields[2], "rolsuper", &entry.superuser, err) ||
	    !rows_take_bool(fields[3], "pg_has_role", &entry.privileges, err))
		return false;
	entry.name = decode_name(server, fields[1], NULL);
	cache_add(&server->names.incoming_roles, &entry);
	return true;
}

static bool handle_database(void *context, const struct row_field *fields, struct err *err)
{
	struct server *server = context;
	struct name_entry entry = { .found = true, .loaded_at = server->exchange.started_at };
	bool own;
	if (!rows_take_oid(fields[0], "database's oid", &entry.oid, err) ||
	    !rows_take_bool(fields[3], "current_database", &own, err))
		return false;
	entry.name = decode_name(server, fields[1], NULL);
	entry.extra = decode_name(server, fields[2], NULL);
	cache_add(&server->names.incoming_databases, &entry);
	if (own)
		server->names.own_database = entry.oid;
	return true;
}

static bool handle_relation(void *context, const struct row_field *fields, struct err *err)
{
	struct server *server = context;
	const char *encoding = names_encoding_of(&server->names, server->names.own_database);
	struct name_entry entry = { .found = true, .loaded_at = server->exchange.started_at };
	bool shared;
	if (!rows_take_oid(fields[0], "relation's oid", &entry.oid, err) ||
	    !rows_take_bool(fields[1], "relisshared", &shared, err))
		return false;
	entry.database = shared ? 0 : server->names.own_database;
	entry.name = decode_name(server, fields[2], encoding);
	entry.kind = fields[3].length > 0 ? fields[3].data[0] : '?';
	entry.extra = decode_name(server, fields[4], encoding);
	cache_add(&server->names.incoming_relations, &entry);
	return true;
}

/* ---- what to ask ---- */

struct oid_list {
	uint32_t *oids;
	uint32_t count;
};

static int compare_oids(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	return (a > b) - (a < b);
}

static void sort_distinct(struct oid_list *list)
{
	uint32_t kept = 0;
	if (list->count > 1)
		qsort(list->oids, list->count, sizeof *list->oids, compare_oids);
	for (uint32_t i = 0; i < list->count; i++)
		if (kept == 0 || list->oids[kept - 1] != list->oids[i])
			list->oids[kept++] = list->oids[i];
	list->count = kept;
}

static struct oid_list due_roles(const struct names *names, const struct snapshot *snapshot, int64_t now,
				 struct arena *arena)
{
	struct oid_list list = { arena_array(arena, snapshot->session_count + snapshot->prepared_count, 4), 0 };
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (snapshot->sessions[i].usesysid)
			list.oids[list.count++] = snapshot->sessions[i].usesysid;
	for (uint32_t i = 0; i < snapshot->prepared_count; i++)
		list.oids[list.count++] = snapshot->prepared[i].ownerid;
	sort_distinct(&list);
	uint32_t due = 0;
	for (uint32_t i = 0; i < list.count; i++)
		if (is_due(&names->roles, 0, list.oids[i], now))
			list.oids[due++] = list.oids[i];
	list.count = due;
	return list;
}

static bool database_unknown(const struct names *names, const struct snapshot *snapshot)
{
	uint32_t last = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		uint32_t datid = snapshot->sessions[i].datid;
		if (datid != 0 && datid != last && !cache_find(&names->databases, 0, datid))
			return true;
		last = datid;
	}
	return false;
}

static struct oid_list due_relations(const struct names *names, const struct name_keys *keys, int64_t now,
				     struct arena *arena)
{
	struct oid_list list = { arena_array(arena, RELATIONS_AT_ONCE, sizeof *list.oids), 0 };
	/* Those that are waited for, then the others. */
	for (int waited = 1; waited >= 0; waited--)
		for (uint32_t i = 0; i < keys->count && list.count < RELATIONS_AT_ONCE; i++)
			if (keys->relations[i].waited == waited &&
			    is_due(&names->relations, keys->relations[i].database, keys->relations[i].oid, now))
				list.oids[list.count++] = keys->relations[i].oid;
	return list;
}

static int compare_relation_keys(const void *left, const void *right)
{
	const struct relation_key *a = left, *b = right;
	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	if (a->oid != b->oid)
		return a->oid < b->oid ? -1 : 1;
	return b->waited - a->waited;
}

static bool names_a_relation(const struct names *names, const struct locktag *tag)
{
	return (tag->columns & LOCKTAG_HAS_RELATION) && (tag->columns & LOCKTAG_HAS_DATABASE) &&
	       (tag->database == 0 || tag->database == names->own_database);
}

struct name_keys names_collect(const struct server *server, const struct snapshot *snapshot)
{
	struct relation_key *found = arena_array(snapshot->arena, snapshot->lock_count, sizeof *found);
	uint32_t count = 0, kept = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		const struct lock *lock = &snapshot->locks[i];
		if (names_a_relation(&server->names, &lock->tag))
			found[count++] =
				(struct relation_key){ lock->tag.database, lock->tag.relation, !lock->granted };
	}
	if (count > 1)
		qsort(found, count, sizeof *found, compare_relation_keys);
	for (uint32_t i = 0; i < count; i++)
		if (kept == 0 || found[kept - 1].oid != found[i].oid || found[kept - 1].database != found[i].database)
			found[kept++] = found[i];
	return (struct name_keys){ found, kept };
}

/* ---- asking ---- */

/* What is asked for is remembered as not found, until a row says otherwise. */
static void expect_names(struct server *server, struct name_cache *incoming, uint32_t database,
			 const struct oid_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct name_entry entry = { .database = database, .oid = list->oids[i] };
		entry.loaded_at = server->exchange.started_at;
		cache_add(incoming, &entry);
	}
}

static void add_list(struct server *server, enum query_id id, const struct oid_list *list, row_handler handle,
		     struct arena *arena)
{
	struct query_params params = { .count = 0 };
	query_add_oid_array(&params, list->oids, list->count, arena);
	exchange_add_query(server, id, &params, handle, server);
	exchange_sync(server);
}

static void add_own_and_databases(struct server *server)
{
	exchange_add_query(server, QUERY_OWN_ROLE, NULL, handle_own_role, server);
	exchange_sync(server);
	exchange_add_query(server, QUERY_DATABASES, NULL, handle_database, server);
	exchange_sync(server);
	server->names.refreshed_at = server->exchange.started_at;
}

void names_add_warm(struct server *server)
{
	struct arena arena = ARENA_INIT;
	uint32_t none = 0;
	struct oid_list list = { &none, 1 };
	add_own_and_databases(server);
	add_list(server, QUERY_ROLES, &list, handle_role, &arena);
	add_list(server, QUERY_RELATIONS, &list, handle_relation, &arena);
	arena_release(&arena);
}

bool names_ask(struct server *server, const struct snapshot *snapshot, const struct name_keys *keys)
{
	struct names *names = &server->names;
	struct arena arena = ARENA_INIT;
	int64_t now = when_monotonic();
	if (now < names->retry_at)
		return false;
	struct oid_list roles = due_roles(names, snapshot, now, &arena);
	struct oid_list relations = due_relations(names, keys, now, &arena);
	bool all = names->refreshed_at == WHEN_NONE || now >= names->refreshed_at + KNOWN_FOR ||
		   (database_unknown(names, snapshot) && now >= names->refreshed_at + WHEN_SECOND);
	bool any = all || roles.count > 0 || relations.count > 0;
	if (any)
		exchange_begin(server);
	if (all)
		add_own_and_databases(server);
	if (roles.count > 0) {
		expect_names(server, &names->incoming_roles, 0, &roles);
		add_list(server, QUERY_ROLES, &roles, handle_role, &arena);
	}
	if (relations.count > 0) {
		expect_names(server, &names->incoming_relations, names->own_database, &relations);
		add_list(server, QUERY_RELATIONS, &relations, handle_relation, &arena);
	}
	arena_release(&arena);
	return any;
}

static void settle_cache(struct name_cache *cache, struct name_cache *incoming, bool failed)
{
	if (failed)
		cache_release(incoming);
	else
		cache_merge(cache, incoming);
}

void names_receive(struct server *server)
{
	struct names *names = &server->names;
	bool failed[QUERY_COUNT + 1] = { false };
	for (unsigned i = 0; i < server->exchange.count; i++)
		failed[server->exchange.items[i].query] |= server->exchange.items[i].failed;
	settle_cache(&names->databases, &names->incoming_databases, failed[QUERY_DATABASES]);
	settle_cache(&names->roles, &names->incoming_roles, failed[QUERY_ROLES]);
	settle_cache(&names->relations, &names->incoming_relations, failed[QUERY_RELATIONS]);
	bool any = failed[QUERY_DATABASES] || failed[QUERY_ROLES] || failed[QUERY_RELATIONS] || failed[QUERY_OWN_ROLE];
	if (any && !server->exchange.preempted)
		names->retry_at = when_monotonic() + FAILURE_PAUSE;
	if (failed[QUERY_DATABASES] || failed[QUERY_OWN_ROLE])
		names->refreshed_at = WHEN_NONE;
}

/* ---- putting them into a snapshot ---- */

static void apply_to_session(const struct server *server, struct snapshot *snapshot, struct privilege_facts *facts,
			     struct session *session)
{
	const struct names *names = &server->names;
	const struct name_entry *role = cache_find(&names->roles, 0, session->usesysid);
	session->user = cache_name(&names->roles, session->usesysid, snapshot->arena);
	session->database = cache_name(&names->databases, session->datid, snapshot->arena);
	facts->target_known = role && role->found;
	facts->target_superuser = facts->target_known && role->superuser;
	facts->target_privileges = facts->target_known && role->privileges;
	session->may = privilege_decide(facts, session);
}

static void apply_relations(const struct names *names, struct snapshot *snapshot, const struct name_keys *keys)
{
	struct arena *arena = snapshot->arena;
	struct relation_name *relations = arena_array(arena, keys->count, sizeof *relations);
	uint32_t count = 0;
	for (uint32_t i = 0; i < keys->count; i++) {
		const struct relation_key *key = &keys->relations[i];
		const struct name_entry *entry = cache_find(&names->relations, key->database, key->oid);
		if (!entry || !entry->found)
			continue;
		relations[count++] = (struct relation_name){
			.database = key->database,
			.oid = key->oid,
			.name = arena_string(arena, entry->name),
			.kind = entry->kind,
			.table = entry->extra ? arena_string(arena, entry->extra) : NULL,
		};
	}
	snapshot->relations = relations;
	snapshot->relation_count = count;
}

void names_apply(const struct server *server, struct snapshot *snapshot, const struct name_keys *keys)
{
	const struct names *names = &server->names;
	struct privilege_facts facts = {
		.known = names->own_known,
		.superuser = names->own_superuser,
		.signal_backend = names->own_signals,
		.signal_autovacuum = names->own_signals_autovacuum,
		.own_pid = server->facts.own_pid,
		.version_num = server->version,
	};
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		apply_to_session(server, snapshot, &facts, &snapshot->sessions[i]);
	for (uint32_t i = 0; i < snapshot->prepared_count; i++) {
		struct prepared *prepared = &snapshot->prepared[i];
		prepared->owner = cache_name(&names->roles, prepared->ownerid, snapshot->arena);
		prepared->database = cache_name(&names->databases, prepared->datid, snapshot->arena);
	}
	snapshot->role = (struct role_info){
		.name = names->own_name ? arena_string(snapshot->arena, names->own_name) : NULL,
		.superuser = names->own_superuser,
		.sees_all = names->own_superuser || names->own_sees_all,
		.signals_others = names->own_superuser || names->own_signals,
		.known = names->own_known,
	};
	apply_relations(names, snapshot, keys);
}
