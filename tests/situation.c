#include "situation.h"

#include "words.h"

#include "pglocktop/column.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 32 };

/* One line, cut into words. */
struct reading {
	struct situation *situation;
	struct snapshot *snapshot;
	struct arena *arena;
	char *words[WORDS_MAX];
	int word_count;
	size_t answer_capacity, relation_capacity;
	struct err *err;
};

bool situation_age(const char *text, int64_t *age)
{
	static const struct {
		const char *unit;
		int64_t length;
	} units[] = { { "ms", 1000 },
		      { "us", 1 },
		      { "h", 3600 * WHEN_SECOND },
		      { "m", 60 * WHEN_SECOND },
		      { "s", WHEN_SECOND } };
	*age = 0;
	do {
		char *end;
		long number = strtol(text, &end, 10);
		size_t i = 0;
		while (i < 5 && strncmp(end, units[i].unit, strlen(units[i].unit)) != 0)
			i++;
		if (end == text || i == 5)
			return false;
		*age += number * units[i].length;
		text = end + strlen(units[i].unit);
	} while (*text);
	return true;
}

static bool read_start(struct reading *reading, const char *text, int64_t *start)
{
	int64_t age;
	if (!situation_age(text, &age))
		return err_set(reading->err, "no age: %s", text);
	*start = SITUATION_TIME - age;
	return true;
}

static const char *database_of(uint32_t datid)
{
	return datid == 1 ? "shop" : datid == 2 ? "crm" : NULL;
}

/* A streaming standby with the stock settings. */
static bool read_standby(struct server_info *server, const char *lag)
{
	server->in_recovery = server->receives_wal = true;
	server->max_standby_delay = 30 * WHEN_SECOND;
	return situation_age(lag, &server->replay_lag);
}

static bool read_server(struct reading *reading)
{
	struct server_info *server = &reading->snapshot->server;
	for (int i = 1; i < reading->word_count; i++) {
		const char *word = reading->words[i], *value;
		bool understood = true;
		if ((value = word_value(word, "deadlock_timeout")))
			understood = situation_age(value, &server->deadlock_timeout);
		else if ((value = word_value(word, "lag")))
			understood = read_standby(server, value);
		else if (strcmp(word, "archive") == 0)
			server->receives_wal = false;
		else if (strcmp(word, "delay=never") == 0)
			server->max_standby_delay = -WHEN_SECOND;
		else if ((value = word_value(word, "delay")))
			understood = situation_age(value, &server->max_standby_delay);
		else if ((value = word_value(word, "host")))
			server->host = value;
		else if ((value = word_value(word, "slots")))
			server->slots_for_all = atoi(value);
		else if ((value = word_value(word, "deadlocks")))
			reading->snapshot->deadlocks = atoi(value);
		else if ((value = word_value(word, "locks")))
			understood = situation_age(value, &reading->snapshot->locks_age);
		else if (strcmp(word, "pooled") == 0)
			server->pooled = true;
		else
			understood = (server->version_num = atoi(word)) > 0;
		if (!understood)
			return err_set(reading->err, "server: %s", word);
	}
	return true;
}

static bool read_role(struct reading *reading)
{
	struct role_info *role = &reading->snapshot->role;
	*role = (struct role_info){
		.name = reading->words[1], .quoted = reading->words[1], .inherits = true, .known = true
	};
	for (int i = 2; i < reading->word_count; i++) {
		const char *word = reading->words[i];
		role->superuser |= strcmp(word, "superuser") == 0;
		role->sees_all |= strcmp(word, "sees") == 0;
		role->signals_others |= strcmp(word, "signals") == 0;
		role->known &= strcmp(word, "unknown") != 0;
	}
	return true;
}

static bool read_taken(struct reading *reading)
{
	int64_t age;
	if (!situation_age(reading->words[1], &age))
		return err_set(reading->err, "no age: %s", reading->words[1]);
	reading->snapshot->taken_at = SITUATION_TIME + age;
	return true;
}

static bool read_relation(struct reading *reading)
{
	struct snapshot *snapshot = reading->snapshot;
	if (reading->word_count < 5)
		return err_set(reading->err, "relation: DATABASE OID KIND NAME");
	struct relation_name *relations = arena_array(reading->arena, snapshot->relation_count + 1, sizeof *relations);
	if (snapshot->relation_count > 0)
		memcpy(relations, snapshot->relations, snapshot->relation_count * sizeof *relations);
	relations[snapshot->relation_count++] = (struct relation_name){
		.database = (uint32_t)strtoul(reading->words[1], NULL, 10),
		.oid = (uint32_t)strtoul(reading->words[2], NULL, 10),
		.kind = reading->words[3][0],
		.name = reading->words[4],
		.table = reading->word_count > 5 ? reading->words[5] : NULL,
	};
	snapshot->relations = relations;
	return true;
}

static bool read_state(struct session *session, const char *word)
{
	static const struct {
		const char *word;
		enum session_state state;
	} states[] = { { "active", SESSION_ACTIVE },	{ "idle", SESSION_IDLE },
		       { "hidden", SESSION_HIDDEN },	{ "intxn", SESSION_IDLE_IN_TRANSACTION },
		       { "none", SESSION_NO_STATE },	{ "aborted", SESSION_IDLE_IN_TRANSACTION_ABORTED },
		       { "disabled", SESSION_DISABLED } };
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		if (strcmp(states[i].word, word) == 0) {
			session->state = states[i].state;
			return true;
		}
	}
	return false;
}

static bool read_may(struct session *session, const char *word)
{
	static const struct {
		const char *word;
		enum session_may may;
	} known[] = { { "own", MAY_NOT_OWN },	      { "superuser", MAY_NOT_SUPERUSER },
		      { "member", MAY_NOT_MEMBER },   { "noid", MAY_NOT_NO_IDENTITY },
		      { "unknown", MAY_NOT_UNKNOWN }, { "auxiliary", MAY_NOT_AUXILIARY } };
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(known[i].word, word) != 0)
			continue;
		session->may = known[i].may;
		if (session->may == MAY_NOT_NO_IDENTITY)
			session->id.backend_start = WHEN_NONE;
		return true;
	}
	return false;
}

/* TYPE/EVENT */
static void read_event(struct reading *reading, struct session *session, const char *word)
{
	const char *slash = strchr(word, '/');
	session->wait_event_type = arena_bytes(reading->arena, word, slash ? (size_t)(slash - word) : strlen(word));
	session->wait_event = slash ? slash + 1 : "";
}

static bool read_session_word(struct reading *reading, struct session *session, const char *word)
{
	const char *value;
	if ((value = word_value(word, "may")))
		return read_may(session, value) || err_set(reading->err, "may=%s", value);
	if ((value = word_value(word, "type")))
		session->backend_type = value, session->is_client = strcmp(value, "client backend") == 0;
	else if ((value = word_value(word, "xmin")))
		session->backend_xmin = (uint32_t)strtoul(value, NULL, 10);
	else if ((value = word_value(word, "leader")))
		session->leader_pid = atoi(value);
	else if ((value = word_value(word, "user")))
		session->user = value;
	else if ((value = word_value(word, "app")))
		session->application = value;
	else if ((value = word_value(word, "client")))
		session->client = value;
	else if ((value = word_value(word, "event")))
		read_event(reading, session, value);
	else if ((value = word_value(word, "database")))
		session->datid = strcmp(value, "crm") == 0 ? 2 : 1;
	else if ((value = word_value(word, "query_id")))
		session->has_query_id = true, session->query_id = atoll(value);
	else if ((value = word_value(word, "start")))
		return read_start(reading, value, &session->id.backend_start);
	else if ((value = word_value(word, "xact")))
		return read_start(reading, value, &session->xact_start);
	else if ((value = word_value(word, "query")))
		return read_start(reading, value, &session->query_start);
	else if ((value = word_value(word, "change")))
		return read_start(reading, value, &session->state_change);
	else if (!read_state(session, word))
		session->query_with_literals = word;
	return true;
}

static bool read_session(struct reading *reading)
{
	struct session session = { .listed = true, .is_client = true, .state = SESSION_ACTIVE, .datid = 1 };
	session.id.pid = atoi(reading->words[1]);
	session.id.backend_start = SITUATION_TIME - 3600 * WHEN_SECOND;
	session.xact_start = session.query_start = session.state_change = WHEN_NONE;
	session.backend_type = "client backend";
	for (int i = 2; i < reading->word_count; i++)
		if (!read_session_word(reading, &session, reading->words[i]))
			return false;
	if (session.state == SESSION_HIDDEN)
		session.backend_type = NULL;
	session.database = database_of(session.datid);
	snapshot_add_session(reading->snapshot, &session);
	return true;
}

static bool read_progress_word(struct progress *progress, const char *word)
{
	static const char *const kinds[PROGRESS_KIND_COUNT] = { "vacuum", "analyze", "cluster",
								"index",  "backup",  "copy" };
	int param;
	long long value;
	if (sscanf(word, "p%d=%lld", &param, &value) == 2 && param >= 1 && param <= PROGRESS_PARAMS) {
		progress->params[param - 1] = value;
		return true;
	}
	const char *relation = word_value(word, "rel");
	if (relation) {
		progress->relation = (uint32_t)strtoul(relation, NULL, 10);
		return true;
	}
	for (int i = 0; i < PROGRESS_KIND_COUNT; i++) {
		if (strcmp(word, kinds[i]) != 0)
			continue;
		progress->kind = (enum progress_kind)i;
		return true;
	}
	return false;
}

static bool read_progress(struct reading *reading)
{
	struct progress progress = { .pid = atoi(reading->words[1]) };
	for (int i = 2; i < reading->word_count; i++)
		if (!read_progress_word(&progress, reading->words[i]))
			return err_set(reading->err, "progress: %s", reading->words[i]);
	snapshot_add_progress(reading->snapshot, &progress);
	return true;
}

static bool read_prepared(struct reading *reading)
{
	if (reading->word_count < 4)
		return err_set(reading->err, "prepared: XID GID AGE");
	struct prepared prepared = { .gid = reading->words[2], .datid = 1, .database = "shop" };
	prepared.xid = (uint32_t)strtoul(reading->words[1], NULL, 10);
	if (!read_start(reading, reading->words[3], &prepared.prepared_at))
		return false;
	snapshot_add_prepared(reading->snapshot, &prepared);
	return true;
}

static bool read_column(struct locktag *tag, const char *word)
{
	const struct {
		const char *name;
		uint16_t column;
		uint32_t *wide;
		uint16_t *narrow;
	} known[] = {
		{ "database", LOCKTAG_HAS_DATABASE, &tag->database, NULL },
		{ "db", LOCKTAG_HAS_DATABASE, &tag->database, NULL },
		{ "relation", LOCKTAG_HAS_RELATION, &tag->relation, NULL },
		{ "rel", LOCKTAG_HAS_RELATION, &tag->relation, NULL },
		{ "page", LOCKTAG_HAS_PAGE, &tag->page, NULL },
		{ "tuple", LOCKTAG_HAS_TUPLE, NULL, &tag->tuple },
		{ "transactionid", LOCKTAG_HAS_TRANSACTIONID, &tag->transactionid, NULL },
		{ "xid", LOCKTAG_HAS_TRANSACTIONID, &tag->transactionid, NULL },
		{ "classid", LOCKTAG_HAS_CLASSID, &tag->classid, NULL },
		{ "objid", LOCKTAG_HAS_OBJID, &tag->objid, NULL },
		{ "objsubid", LOCKTAG_HAS_OBJSUBID, NULL, &tag->objsubid },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const char *value = word_value(word, known[i].name);
		if (!value)
			continue;
		tag->columns |= known[i].column;
		if (known[i].wide)
			*known[i].wide = (uint32_t)strtoll(value, NULL, 10);
		else
			*known[i].narrow = (uint16_t)strtol(value, NULL, 10);
		return true;
	}
	return false;
}

static bool read_tag(struct reading *reading, struct locktag *tag, int first)
{
	locktag_set_type(tag, reading->words[first]);
	if (!tag->type)
		tag->type = reading->words[first];
	for (int i = first + 1; i < reading->word_count; i++) {
		const char *vxid = word_value(reading->words[i], "vxid");
		if (vxid) {
			tag->virtualxid = vxid;
			tag->columns |= LOCKTAG_HAS_VIRTUALXID;
		} else if (!read_column(tag, reading->words[i])) {
			return err_set(reading->err, "no column of a lock tag: %s", reading->words[i]);
		}
	}
	return true;
}

static bool read_lock(struct reading *reading)
{
	if (reading->word_count < 5)
		return err_set(reading->err, "lock: WHO MODE HOW TYPE …");
	const char *who = reading->words[1], *how = reading->words[3], *age = word_value(how, "waits");
	struct lock lock = { .session = SNAPSHOT_NO_INDEX, .prepared = SNAPSHOT_NO_INDEX, .waitstart = WHEN_NONE };
	char mode[64];
	int length = snprintf(mode, sizeof mode, "%sLock", reading->words[2]);
	if (!lockmode_parse(mode, (size_t)length, &lock.mode))
		lock.mode = LOCKMODE_NONE;
	if (strncmp(who, "2pc/", 4) == 0)
		lock.virtualtransaction = who + 4;
	else
		lock.pid = atoi(who);
	lock.fastpath = strcmp(how, "fastpath") == 0;
	lock.granted = lock.fastpath || strcmp(how, "held") == 0;
	if (!lock.granted && !age && strcmp(how, "waits") != 0)
		return err_set(reading->err, "held, fastpath or waits, not %s", how);
	if (age && !read_start(reading, age, &lock.waitstart))
		return false;
	if (!read_tag(reading, &lock.tag, 4))
		return false;
	snapshot_add_lock(reading->snapshot, &lock);
	return true;
}

static bool read_answer(struct reading *reading)
{
	struct snapshot *snapshot = reading->snapshot;
	struct queue_answer *answers = arena_array(reading->arena, snapshot->answer_count + 1, sizeof *answers);
	if (snapshot->answer_count > 0)
		memcpy(answers, snapshot->answers, snapshot->answer_count * sizeof *answers);
	struct queue_answer *answer = &answers[snapshot->answer_count++];
	int32_t *blockers = arena_array(reading->arena, (size_t)reading->word_count, sizeof *blockers);
	answer->pid = atoi(reading->words[1]);
	answer->blockers = blockers;
	for (int i = 2; i < reading->word_count; i++) {
		const char *after = word_value(reading->words[i], "after");
		if (!after)
			blockers[answer->blocker_count++] = atoi(reading->words[i]);
		else if (!read_start(reading, after, &answer->after))
			return false;
	}
	snapshot->answers = answers;
	return true;
}

static bool read_safe(struct reading *reading)
{
	struct snapshot *snapshot = reading->snapshot;
	struct safe_snapshot *list = arena_array(reading->arena, snapshot->safe_snapshot_count + 1, sizeof *list);
	if (snapshot->safe_snapshot_count > 0)
		memcpy(list, snapshot->safe_snapshots, snapshot->safe_snapshot_count * sizeof *list);
	struct safe_snapshot *safe = &list[snapshot->safe_snapshot_count++];
	int32_t *blockers = arena_array(reading->arena, (size_t)reading->word_count, sizeof *blockers);
	*safe = (struct safe_snapshot){ .pid = atoi(reading->words[1]), .blockers = blockers };
	for (int i = 2; i < reading->word_count; i++)
		blockers[safe->blocker_count++] = atoi(reading->words[i]);
	snapshot->safe_snapshots = list;
	return true;
}

static bool read_outline(struct reading *reading)
{
	struct outline_options *options = &reading->situation->options;
	options->whole = false;
	for (int i = 1; i < reading->word_count; i++) {
		const char *height = word_value(reading->words[i], "height"),
			   *brief = word_value(reading->words[i], "brief");
		if (height)
			options->height = (uint32_t)atoi(height);
		else if (!brief || !situation_age(brief, &options->brief))
			return err_set(reading->err, "height=N or brief=AGE, not %s", reading->words[i]);
	}
	return true;
}

static bool read_sort(struct reading *reading)
{
	struct forest_order *order = &reading->situation->order;
	order->column = column_find(reading->words[1]);
	order->descending = reading->word_count > 2 && strcmp(reading->words[2], "desc") == 0;
	return order->column || err_set(reading->err, "no column: %s", reading->words[1]);
}

/* The starts are filled in when all sessions are known. */
static struct row_key read_key(const char *word)
{
	if (strcmp(word, "brief") == 0)
		return ROW_KEY_NONE;
	if (strncmp(word, "cycle/", 6) == 0)
		return (struct row_key){ .kind = FOREST_CYCLE, .pid = atoi(word + 6), .start = 0 };
	if (strncmp(word, "2pc/", 4) == 0)
		return (struct row_key){ .kind = FOREST_PREPARED, .pid = atoi(word + 4), .start = 0 };
	return (struct row_key){ .kind = FOREST_SESSION, .pid = atoi(word), .start = 0 };
}

static bool read_choice(struct reading *reading)
{
	struct situation *situation = reading->situation;
	const char *verb = reading->words[0];
	struct outline_options *options = &situation->options;
	if (options->fold_count == SITUATION_LIST || options->keep_count == SITUATION_LIST ||
	    situation->matched_count == SITUATION_LIST)
		return err_set(reading->err, "too many lines of %s", verb);
	if (strcmp(verb, "match") == 0)
		situation->matched[situation->matched_count++] = atoi(reading->words[1]);
	else if (strcmp(verb, "keep") == 0)
		situation->keep[options->keep_count++] = read_key(reading->words[1]);
	else
		situation->folds[options->fold_count++] =
			(struct fold){ read_key(reading->words[1]), strcmp(verb, "unfold") == 0 };
	return true;
}

/* A line about FIRST..LAST is one about each. */
static bool read_each(struct reading *reading, bool (*read)(struct reading *reading))
{
	int first, last;
	if (sscanf(reading->words[1], "%d..%d", &first, &last) != 2)
		return read(reading);
	for (int pid = first; pid <= last; pid++) {
		reading->words[1] = arena_printf(reading->arena, "%d", pid);
		if (!read(reading))
			return false;
	}
	return true;
}

static bool read_line(struct reading *reading)
{
	static const struct {
		const char *word;
		bool (*read)(struct reading *reading);
	} verbs[] = {
		{ "server", read_server },     { "role", read_role },	    { "taken", read_taken },
		{ "relation", read_relation }, { "session", read_session }, { "prepared", read_prepared },
		{ "progress", read_progress }, { "lock", read_lock },	    { "answer", read_answer },
		{ "outline", read_outline },   { "sort", read_sort },	    { "fold", read_choice },
		{ "safe", read_safe },	       { "unfold", read_choice },   { "keep", read_choice },
		{ "match", read_choice },
	};
	if (reading->word_count == 0)
		return true;
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(verbs[i].word, reading->words[0]) == 0 && reading->word_count > 1)
			return read_each(reading, verbs[i].read);
	return err_set(reading->err, "not understood: %s", reading->words[0]);
}

static int compare_answers(const void *left, const void *right)
{
	const struct queue_answer *a = left, *b = right;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

static int compare_relations(const void *left, const void *right)
{
	const struct relation_name *a = left, *b = right;
	if (a->database != b->database)
		return a->database < b->database ? -1 : 1;
	return (a->oid > b->oid) - (a->oid < b->oid);
}

static int compare_folds(const void *left, const void *right)
{
	return row_key_compare(((const struct fold *)left)->key, ((const struct fold *)right)->key);
}

static int compare_keys(const void *left, const void *right)
{
	return row_key_compare(*(const struct row_key *)left, *(const struct row_key *)right);
}

static void complete_key(const struct snapshot *snapshot, struct row_key *key)
{
	uint32_t session = snapshot_find_pid(snapshot, key->pid);
	if (key->kind == FOREST_PREPARED) {
		for (uint32_t i = 0; i < snapshot->prepared_count; i++)
			if (snapshot->prepared[i].xid == (uint32_t)key->pid)
				key->start = snapshot->prepared[i].prepared_at;
	} else if (session != SNAPSHOT_NO_INDEX) {
		key->start = snapshot->sessions[session].id.backend_start;
	}
}

static void finish(struct situation *situation)
{
	struct snapshot *snapshot = situation->frame->snapshot;
	struct outline_options *options = &situation->options;
	if (snapshot->answer_count > 0)
		qsort((void *)(uintptr_t)snapshot->answers, snapshot->answer_count, sizeof *snapshot->answers,
		      compare_answers);
	if (snapshot->relation_count > 0)
		qsort((void *)(uintptr_t)snapshot->relations, snapshot->relation_count, sizeof *snapshot->relations,
		      compare_relations);
	snapshot_finish(snapshot);
	frame_analyse(situation->frame);
	for (uint32_t i = 0; i < options->fold_count; i++)
		complete_key(snapshot, &situation->folds[i].key);
	for (uint32_t i = 0; i < options->keep_count; i++)
		complete_key(snapshot, &situation->keep[i]);
	qsort(situation->folds, options->fold_count, sizeof *situation->folds, compare_folds);
	qsort(situation->keep, options->keep_count, sizeof *situation->keep, compare_keys);
	options->folds = situation->folds;
	options->keep = situation->keep;
}

bool situation_read(struct situation *situation, const char *text, struct err *err)
{
	*situation = (struct situation){ .frame = frame_new(), .options = { .whole = true }, .rest = "" };
	situation->frame->shows_literals = true;
	struct snapshot *snapshot = situation->frame->snapshot;
	struct reading reading = {
		.situation = situation, .snapshot = snapshot, .arena = &situation->frame->arena, .err = err
	};
	snapshot->taken_at = SITUATION_TIME;
	snapshot->server = (struct server_info){ .host = "prod-db1",
						 .port = 5432,
						 .database = "shop",
						 .version_num = 160004,
						 .version = "16.4",
						 .replay_lag = WHEN_NONE,
						 .max_standby_delay = WHEN_NONE,
						 .deadlock_timeout = WHEN_SECOND,
						 .slots_for_all = 497 };
	snapshot->role = (struct role_info){ .name = "dba",
					     .quoted = "dba",
					     .inherits = true,
					     .sees_all = true,
					     .signals_others = true,
					     .known = true };
	snapshot->cost.server = 3000;
	snapshot->source_started_at = SITUATION_TIME;
	while (*text && strncmp(text, "----", 4) != 0) {
		size_t length = strcspn(text, "\n");
		reading.word_count = words_cut(arena_bytes(reading.arena, text, length), reading.words, WORDS_MAX);
		if (!read_line(&reading)) {
			frame_free(situation->frame);
			return false;
		}
		text += length + (text[length] == '\n');
	}
	if (*text)
		situation->rest = text + strcspn(text, "\n") + (strchr(text, '\n') != NULL);
	finish(situation);
	return true;
}

void situation_release(struct situation *situation)
{
	frame_free(situation->frame);
	situation->frame = NULL;
}
