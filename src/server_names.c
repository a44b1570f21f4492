#include "server_private.h"

#include <stdlib.h>
#include <string.h>

enum { RELATIONS_AT_ONCE = 500 };

#define FAILURE_PAUSE (3 * WHEN_SECOND)
#define UNKNOWN_FOR (3 * WHEN_SECOND) /* created by a transaction that has not committed, or dropped */
#define RIGHTS_KNOWN_FOR (5 * WHEN_SECOND) /* a GRANT shows after so long */
#define WAITED_KNOWN_FOR (5 * WHEN_SECOND) /* what somebody waits for: it may be renamed under our eyes */
#define KNOWN_FOR (30 * WHEN_SECOND)

/* Whether a name is to be asked for: one that was never had, or one that was and may have changed since. */
static bool is_wanted(const struct name_entry *entry, enum names_wish wish, int64_t known_for, int64_t now)
{
	if (!entry || wish == NAMES_MISSING)
		return !entry;
	return now >= entry->loaded_at + (entry->found ? known_for : UNKNOWN_FOR);
}

const char *names_encoding_of(const void *context, uint32_t database)
{
	const struct names *names = context;
	const struct name_entry *entry = database ? name_cache_find(&names->databases, 0, database) : NULL;
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
	name_cache_release(&names->roles);
	name_cache_release(&names->databases);
	name_cache_release(&names->relations);
	name_cache_release(&names->incoming_roles);
	name_cache_release(&names->incoming_databases);
	name_cache_release(&names->incoming_relations);
	free(names->own.name);
	free(names->own.quoted);
	*names = (struct names){ .retry_at = 0, .rights_at = WHEN_NONE, .databases_at = WHEN_NONE };
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
	struct own_role *own = &server->names.own;
	if (!rows_take_bool(fields[2], "rolsuper", &own->superuser, err) ||
	    !rows_take_bool(fields[3], "rolinherit", &own->inherits, err) ||
	    !rows_take_bool(fields[4], "pg_read_all_stats", &own->sees_all, err) ||
	    !rows_take_bool(fields[5], "member of pg_read_all_stats", &own->member_sees, err) ||
	    !rows_take_bool(fields[6], "pg_signal_backend", &own->signals, err) ||
	    !rows_take_bool(fields[7], "member of pg_signal_backend", &own->member_signals, err) ||
	    !rows_take_bool(fields[8], "pg_signal_autovacuum_worker", &own->signals_autovacuum, err))
		return false;
	free(own->name);
	free(own->quoted);
	own->name = decode_name(server, fields[0], NULL);
	own->quoted = decode_name(server, fields[1], NULL);
	own->known = true;
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
	name_cache_add(&server->names.incoming_roles, &entry);
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
	name_cache_add(&server->names.incoming_databases, &entry);
	if (own)
		server->names.own_database = entry.oid;
	return true;
}

static bool take_relation(struct server *server, struct name_cache *cache, uint32_t database, int64_t now,
			  const struct row_field *fields, struct err *err)
{
	const char *encoding = names_encoding_of(&server->names, database);
	struct name_entry entry = { .found = true, .loaded_at = now };
	bool shared;
	if (!rows_take_oid(fields[0], "relation's oid", &entry.oid, err) ||
	    !rows_take_bool(fields[1], "relisshared", &shared, err))
		return false;
	entry.database = shared ? 0 : database;
	entry.name = decode_name(server, fields[2], encoding);
	entry.kind = fields[3].length > 0 ? fields[3].data[0] : '?';
	entry.extra = decode_name(server, fields[4], encoding);
	name_cache_add(cache, &entry);
	return true;
}

static bool handle_relation(void *context, const struct row_field *fields, struct err *err)
{
	struct server *server = context;
	struct names *names = &server->names;
	return take_relation(server, &names->incoming_relations, names->own_database, server->exchange.started_at,
			     fields, err);
}

uint32_t names_take_relations(struct server *server, uint32_t database, const PGresult *rows)
{
	enum { COLUMNS = 5 };
	struct row_field fields[COLUMNS];
	struct name_cache incoming = { NULL, 0, 0 };
	struct err err;
	uint32_t taken = 0;
	for (int row = 0; row < PQntuples(rows) && PQnfields(rows) == COLUMNS; row++) {
		for (int i = 0; i < COLUMNS; i++) {
			fields[i].data = PQgetvalue(rows, row, i);
			fields[i].length = PQgetisnull(rows, row, i) ? -1 : PQgetlength(rows, row, i);
		}
		taken += take_relation(server, &incoming, database, when_monotonic(), fields, &err);
	}
	name_cache_merge(&server->names.relations, &incoming);
	name_cache_release(&incoming);
	return taken;
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

/* Many sessions are of one role, mostly next to each other. */
static void add_oid(struct oid_list *list, uint32_t oid)
{
	if (oid && (list->count == 0 || list->oids[list->count - 1] != oid))
		list->oids[list->count++] = oid;
}

static struct oid_list due_roles(const struct names *names, const struct snapshot *snapshot, enum names_wish wish,
				 int64_t now, struct arena *arena)
{
	struct oid_list list = { arena_array(arena, snapshot->session_count + snapshot->prepared_count, 4), 0 };
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		add_oid(&list, snapshot->sessions[i].usesysid);
	for (uint32_t i = 0; i < snapshot->prepared_count; i++)
		add_oid(&list, snapshot->prepared[i].ownerid);
	sort_distinct(&list);
	uint32_t due = 0;
	for (uint32_t i = 0; i < list.count; i++)
		if (is_wanted(name_cache_find(&names->roles, 0, list.oids[i]), wish, RIGHTS_KNOWN_FOR, now))
			list.oids[due++] = list.oids[i];
	list.count = due;
	return list;
}

static bool database_unknown(const struct names *names, const struct snapshot *snapshot)
{
	uint32_t last = 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		uint32_t datid = snapshot->sessions[i].datid;
		if (datid != 0 && datid != last && !name_cache_find(&names->databases, 0, datid))
			return true;
		last = datid;
	}
	return false;
}

/* All databases are asked for at once: one that is not known is a new one. */
static bool databases_due(const struct names *names, const struct snapshot *snapshot, enum names_wish wish, int64_t now)
{
	if (names->databases_at == WHEN_NONE)
		return true;
	if (wish == NAMES_MISSING)
		return database_unknown(names, snapshot) && now >= names->databases_at + WHEN_SECOND;
	return now >= names->databases_at + KNOWN_FOR;
}

static bool rights_due(const struct names *names, enum names_wish wish, int64_t now)
{
	return names->rights_at == WHEN_NONE || (wish == NAMES_OUTDATED && now >= names->rights_at + RIGHTS_KNOWN_FOR);
}

static bool is_reachable(const struct names *names, const struct relation_key *key)
{
	return key->database == 0 || key->database == names->own_database;
}

static struct oid_list due_relations(const struct names *names, const struct name_keys *keys, enum names_wish wish,
				     int64_t now, struct arena *arena)
{
	struct oid_list list = { arena_array(arena, RELATIONS_AT_ONCE, sizeof *list.oids), 0 };
	/* Those that are waited for, then the others. */
	for (int waited = 1; waited >= 0; waited--)
		for (uint32_t i = 0; i < keys->count && list.count < RELATIONS_AT_ONCE; i++) {
			const struct relation_key *key = &keys->relations[i];
			if (key->waited != waited || !is_reachable(names, key))
				continue;
			const struct name_entry *entry = name_cache_find(&names->relations, key->database, key->oid);
			if (is_wanted(entry, wish, waited ? WAITED_KNOWN_FOR : KNOWN_FOR, now))
				list.oids[list.count++] = key->oid;
		}
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

static bool names_a_relation(const struct locktag *tag)
{
	return (tag->columns & LOCKTAG_HAS_RELATION) && (tag->columns & LOCKTAG_HAS_DATABASE);
}

/* Most locks of a jam are on few relations: what has just been found is turned away before it is sorted. */
struct name_keys names_collect(const struct snapshot *snapshot)
{
	enum { RECENT = 64 };
	struct relation_key recent[RECENT] = { { 0, 0, false } };
	struct relation_key *found = arena_array(snapshot->arena, snapshot->lock_count, sizeof *found);
	uint32_t count = 0, kept = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		const struct lock *lock = &snapshot->locks[i];
		if (!names_a_relation(&lock->tag))
			continue;
		struct relation_key key = { lock->tag.database, lock->tag.relation, !lock->granted };
		struct relation_key *last = &recent[(key.oid * 2 + key.waited) % RECENT];
		if (compare_relation_keys(last, &key) != 0)
			found[count++] = *last = key;
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
		name_cache_add(incoming, &entry);
	}
}

/*
 * A name is not worth waiting for: of its own statements each gives way to a lock much sooner than a refresh does,
 * which comes after them. The setting lasts until the group's end.
 */
static void begin_group(struct server *server)
{
	if (!server->options.once && server->prepared[QUERY_SHORT_WAIT])
		exchange_add_query(server, QUERY_SHORT_WAIT, NULL, NULL, NULL);
}

static void add_query(struct server *server, enum query_id id, const struct query_params *params, row_handler handle)
{
	begin_group(server);
	exchange_add_query(server, id, params, handle, server);
	exchange_sync(server);
}

static void add_list(struct server *server, enum query_id id, const struct oid_list *list, row_handler handle,
		     struct arena *arena)
{
	struct query_params params = { .count = 0 };
	query_add_oid_array(&params, list->oids, list->count, arena);
	add_query(server, id, &params, handle);
}

static void add_rights(struct server *server)
{
	add_query(server, QUERY_OWN_ROLE, NULL, handle_own_role);
	server->names.rights_at = server->exchange.started_at;
}

static void add_databases(struct server *server)
{
	add_query(server, QUERY_DATABASES, NULL, handle_database);
	server->names.databases_at = server->exchange.started_at;
}

void names_add_first(struct server *server)
{
	exchange_add_query(server, QUERY_SHORT_WAIT, NULL, NULL, NULL);
	exchange_sync(server);
	add_rights(server);
	add_databases(server);
}

void names_add_rest(struct server *server)
{
	struct arena arena = ARENA_INIT;
	uint32_t none = 0;
	struct oid_list list = { &none, 1 };
	add_list(server, QUERY_ROLES, &list, handle_role, &arena);
	add_list(server, QUERY_RELATIONS, &list, handle_relation, &arena);
	arena_release(&arena);
}

bool names_ask(struct server *server, const struct snapshot *snapshot, const struct name_keys *keys,
	       enum names_wish wish)
{
	struct names *names = &server->names;
	struct arena arena = ARENA_INIT;
	int64_t now = when_monotonic();
	if (now < names->retry_at)
		return false;
	struct oid_list roles = due_roles(names, snapshot, wish, now, &arena);
	struct oid_list relations = due_relations(names, keys, wish, now, &arena);
	bool rights = rights_due(names, wish, now), databases = databases_due(names, snapshot, wish, now);
	bool any = rights || databases || roles.count > 0 || relations.count > 0;
	if (any)
		exchange_begin(server);
	if (rights)
		add_rights(server);
	if (databases)
		add_databases(server);
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
		name_cache_release(incoming);
	else
		name_cache_merge(cache, incoming);
}

static bool same_encodings(const struct name_cache *known, const struct name_cache *incoming)
{
	for (size_t i = 0; i < incoming->count; i++) {
		const char *encoding = incoming->entries[i].extra;
		const struct name_entry *entry = name_cache_find(known, 0, incoming->entries[i].oid);
		if (!encoding || !entry || !entry->extra || strcmp(entry->extra, encoding) != 0)
			return false;
	}
	return known->count == incoming->count;
}

void names_receive(struct server *server)
{
	struct names *names = &server->names;
	bool failed[QUERY_COUNT + 1] = { false };
	for (unsigned i = 0; i < server->exchange.count; i++)
		failed[server->exchange.items[i].query] |= server->exchange.items[i].failed;
	/* The list is whole: what is not in it has been dropped. With it came the encodings in which texts are read. */
	if (names->incoming_databases.count > 0 && !failed[QUERY_DATABASES]) {
		if (!same_encodings(&names->databases, &names->incoming_databases))
			sessions_release(&server->sessions);
		name_cache_release(&names->databases);
	}
	settle_cache(&names->databases, &names->incoming_databases, failed[QUERY_DATABASES]);
	settle_cache(&names->roles, &names->incoming_roles, failed[QUERY_ROLES]);
	settle_cache(&names->relations, &names->incoming_relations, failed[QUERY_RELATIONS]);
	bool any = failed[QUERY_DATABASES] || failed[QUERY_ROLES] || failed[QUERY_RELATIONS] || failed[QUERY_OWN_ROLE];
	names->hindered = any;
	if (any && !server->exchange.preempted)
		names->retry_at = when_monotonic() + FAILURE_PAUSE;
	if (failed[QUERY_DATABASES])
		names->databases_at = WHEN_NONE;
	if (failed[QUERY_OWN_ROLE])
		names->rights_at = WHEN_NONE;
}

/* ---- putting them into a snapshot ---- */

static void apply_to_session(const struct server *server, struct snapshot *snapshot, struct privilege_facts *facts,
			     struct session *session)
{
	const struct names *names = &server->names;
	const struct name_entry *role = name_cache_find(&names->roles, 0, session->usesysid);
	session->user = name_cache_text(&names->roles, session->usesysid, snapshot->arena);
	session->database = name_cache_text(&names->databases, session->datid, snapshot->arena);
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
		const struct name_entry *entry = name_cache_find(&names->relations, key->database, key->oid);
		if (!entry || !entry->found)
			continue;
		relations[count++] = (struct relation_name){
			.database = key->database,
			.oid = key->oid,
			.name = arena_string(arena, entry->name),
			.kind = entry->kind,
			.table = arena_optional_string(arena, entry->extra),
		};
	}
	snapshot->relations = relations;
	snapshot->relation_count = count;
}

/* Who else logs in as the role that we did: nobody, other DBAs, or an application's pool. */
static uint32_t count_other_users(const struct snapshot *snapshot, int32_t own_pid)
{
	uint32_t own = snapshot_find_pid(snapshot, own_pid), count = 0;
	if (own == SNAPSHOT_NO_INDEX)
		return 0;
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		const char *application = session->application ? session->application : "";
		bool tool = strcmp(application, "psql") == 0 || strcmp(application, "pglocktop") == 0;
		count += i != own && session->is_client && !tool &&
			 session->usesysid == snapshot->sessions[own].usesysid;
	}
	return count;
}

static void apply_own_role(const struct server *server, struct snapshot *snapshot)
{
	const struct own_role *own = &server->names.own;
	snapshot->role = (struct role_info){
		.name = arena_optional_string(snapshot->arena, own->name),
		.quoted = arena_optional_string(snapshot->arena, own->quoted),
		.superuser = own->superuser,
		.inherits = own->inherits,
		.sees_all = own->superuser || own->sees_all,
		.member_sees = own->member_sees,
		.signals_others = own->superuser || own->signals,
		.member_signals = own->member_signals,
		.known = own->known,
		.others = count_other_users(snapshot, server->facts.own_pid),
	};
}

void names_apply(const struct server *server, struct snapshot *snapshot, const struct name_keys *keys)
{
	const struct names *names = &server->names;
	struct privilege_facts facts = {
		.known = names->own.known,
		.superuser = names->own.superuser,
		.signal_backend = names->own.signals,
		.signal_autovacuum = names->own.signals_autovacuum,
		.own_pid = server->facts.own_pid,
		.version_num = server->version,
	};
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		apply_to_session(server, snapshot, &facts, &snapshot->sessions[i]);
	for (uint32_t i = 0; i < snapshot->prepared_count; i++) {
		struct prepared *prepared = &snapshot->prepared[i];
		prepared->owner = name_cache_text(&names->roles, prepared->ownerid, snapshot->arena);
		prepared->database = name_cache_text(&names->databases, prepared->datid, snapshot->arena);
	}
	apply_own_role(server, snapshot);
	apply_relations(names, snapshot, keys);
}
