#include "rows.h"

#include "pids.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

/* ---- single values ---- */

static bool check_length(struct row_field field, int wanted, const char *what, struct err *err)
{
	if (field.length == wanted)
		return true;
	if (field.length < 0)
		return err_set(err, "the server's answer has no %s", what);
	return err_set(err, "the server's answer has a %s of %d bytes, not %d", what, field.length, wanted);
}

static uint64_t read_big_endian(const char *data, int length)
{
	uint64_t value = 0;
	for (int i = 0; i < length; i++)
		value = value << 8 | (unsigned char)data[i];
	return value;
}

bool rows_take_int16(struct row_field field, const char *what, int16_t *value, struct err *err)
{
	if (!check_length(field, 2, what, err))
		return false;
	*value = (int16_t)read_big_endian(field.data, 2);
	return true;
}

bool rows_take_int32(struct row_field field, const char *what, int32_t *value, struct err *err)
{
	if (!check_length(field, 4, what, err))
		return false;
	*value = (int32_t)read_big_endian(field.data, 4);
	return true;
}

bool rows_take_int64(struct row_field field, const char *what, int64_t *value, struct err *err)
{
	if (!check_length(field, 8, what, err))
		return false;
	*value = (int64_t)read_big_endian(field.data, 8);
	return true;
}

bool rows_take_oid(struct row_field field, const char *what, uint32_t *value, struct err *err)
{
	if (!check_length(field, 4, what, err))
		return false;
	*value = (uint32_t)read_big_endian(field.data, 4);
	return true;
}

bool rows_take_bool(struct row_field field, const char *what, bool *value, struct err *err)
{
	if (!check_length(field, 1, what, err))
		return false;
	*value = field.data[0] != 0;
	return true;
}

bool rows_take_optional_int32(struct row_field field, const char *what, int32_t *value, struct err *err)
{
	return field.length < 0 || rows_take_int32(field, what, value, err);
}

bool rows_take_optional_int64(struct row_field field, const char *what, int64_t *value, struct err *err)
{
	return field.length < 0 || rows_take_int64(field, what, value, err);
}

bool rows_take_optional_oid(struct row_field field, const char *what, uint32_t *value, struct err *err)
{
	return field.length < 0 || rows_take_oid(field, what, value, err);
}

static const char *encoding_of(const struct row_reader *reader, uint32_t database)
{
	return reader->encoding_of ? reader->encoding_of(reader->databases, database) : NULL;
}

/* NULL for NULL and for the empty text. */
static const char *take_text(const struct row_reader *reader, struct row_field field, const char *encoding)
{
	if (field.length <= 0)
		return NULL;
	return decoder_decode(reader->decoder, encoding, field.data, (size_t)field.length, reader->arena);
}

static bool field_is(struct row_field field, const char *text)
{
	return field.length == (int)strlen(text) && memcmp(field.data, text, (size_t)field.length) == 0;
}

/* ---- sessions ---- */

/* inet_send() in network.c: family (PGSQL_AF_INET is AF_INET, the next one is IPv6), bits, is_cidr, length, address. */
static const char *take_address(const struct row_reader *reader, struct row_field field)
{
	enum { HEADER = 4, FAMILY_INET = AF_INET, FAMILY_INET6 = AF_INET + 1 };
	char text[INET6_ADDRSTRLEN];
	if (field.length < HEADER)
		return NULL;
	int size = (unsigned char)field.data[3];
	int family = field.data[0] == FAMILY_INET ? AF_INET : AF_INET6;
	if (field.length != HEADER + size || size != (family == AF_INET ? 4 : 16) ||
	    (field.data[0] != FAMILY_INET && field.data[0] != FAMILY_INET6))
		return NULL;
	if (!inet_ntop(family, field.data + HEADER, text, sizeof text))
		return NULL;
	return arena_string(reader->arena, text);
}

static bool parse_client(const struct row_reader *reader, const struct row_field *fields, struct session *session,
			 struct err *err)
{
	int32_t port = 0;
	if (!rows_take_optional_int32(fields[SESSION_COLUMN_CLIENT_PORT], "client_port", &port, err))
		return false;
	session->client = take_address(reader, fields[SESSION_COLUMN_CLIENT_ADDR]);
	session->client_port = port > 0 ? port : 0;
	if (!session->client && port == -1)
		session->client = "local";
	return true;
}

static bool parse_session_times(const struct row_field *fields, struct session *session, struct err *err)
{
	return rows_take_optional_int64(fields[SESSION_COLUMN_BACKEND_START], "backend_start",
					&session->id.backend_start, err) &&
	       rows_take_optional_int64(fields[SESSION_COLUMN_QUERY_START], "query_start", &session->query_start, err);
}

static bool parse_session_numbers(const struct row_field *fields, struct session *session, struct err *err)
{
	return rows_take_optional_oid(fields[SESSION_COLUMN_DATID], "datid", &session->datid, err) &&
	       rows_take_optional_oid(fields[SESSION_COLUMN_USESYSID], "usesysid", &session->usesysid, err);
}

/*
 * Of another role's session one without pg_read_all_stats gets "<insufficient privilege>" for the query and NULL for
 * nearly all else, backend_start included (pg_stat_get_activity, pgstatfuncs.c). A session that really runs such a
 * text has its backend_start.
 */
static bool is_hidden(const struct row_field *fields)
{
	return fields[SESSION_COLUMN_BACKEND_START].length < 0 &&
	       field_is(fields[SESSION_COLUMN_QUERY], "<insufficient privilege>");
}

static void parse_session_texts(const struct row_reader *reader, const struct row_field *fields,
				struct session *session)
{
	struct row_field state = fields[SESSION_COLUMN_STATE];
	session->backend_type = take_text(reader, fields[SESSION_COLUMN_BACKEND_TYPE], NULL);
	session->state_text = take_text(reader, state, NULL);
	if (is_hidden(fields)) {
		session->state = SESSION_HIDDEN;
		return;
	}
	session->query_with_literals =
		take_text(reader, fields[SESSION_COLUMN_QUERY], encoding_of(reader, session->datid));
	session->state = state.length <= 0 ? SESSION_NO_STATE : session_state_parse(state.data, (size_t)state.length);
}

bool rows_parse_moving(const struct row_reader *reader, const struct row_field fields[static SESSION_COLUMNS_MOVING],
		       struct session *session, struct err *err)
{
	session->state_change = session->xact_start = WHEN_NONE;
	session->backend_xid = session->backend_xmin = 0;
	session->query_id = 0;
	session->leader_pid = 0;
	session->has_query_id = fields[SESSION_COLUMN_QUERY_ID].length >= 0;
	session->wait_event_type = take_text(reader, fields[SESSION_COLUMN_WAIT_EVENT_TYPE], NULL);
	session->wait_event = take_text(reader, fields[SESSION_COLUMN_WAIT_EVENT], NULL);
	session->application =
		take_text(reader, fields[SESSION_COLUMN_APPLICATION_NAME], encoding_of(reader, session->datid));
	return rows_take_int32(fields[SESSION_COLUMN_PID], "pid", &session->id.pid, err) &&
	       rows_take_optional_int64(fields[SESSION_COLUMN_STATE_CHANGE], "state_change", &session->state_change,
					err) &&
	       rows_take_optional_int64(fields[SESSION_COLUMN_XACT_START], "xact_start", &session->xact_start, err) &&
	       rows_take_optional_oid(fields[SESSION_COLUMN_BACKEND_XID], "backend_xid", &session->backend_xid, err) &&
	       rows_take_optional_oid(fields[SESSION_COLUMN_BACKEND_XMIN], "backend_xmin", &session->backend_xmin,
				      err) &&
	       rows_take_optional_int64(fields[SESSION_COLUMN_QUERY_ID], "query_id", &session->query_id, err) &&
	       rows_take_optional_int32(fields[SESSION_COLUMN_LEADER_PID], "leader_pid", &session->leader_pid, err);
}

bool rows_parse_session(const struct row_reader *reader, const struct row_field fields[static SESSION_COLUMN_COUNT],
			struct session *session, struct err *err)
{
	*session = (struct session){
		.id.backend_start = WHEN_NONE,
		.listed = true,
		.query_start = WHEN_NONE,
		.may = MAY_NOT_UNKNOWN,
	};
	if (!parse_session_numbers(fields, session, err) || !rows_parse_moving(reader, fields, session, err) ||
	    !parse_session_times(fields, session, err) || !parse_client(reader, fields, session, err))
		return false;
	parse_session_texts(reader, fields, session);
	if (session->backend_type)
		session->is_client = strcmp(session->backend_type, "client backend") == 0;
	else
		session->is_client = session->datid != 0 && session->usesysid != 0;
	return true;
}

bool rows_split_record(struct row_field record, struct row_field *fields, int count, struct err *err)
{
	enum { WORD = 4 };
	const char *next = record.data;
	int left = record.length - WORD;
	if (left < 0 || (int)read_big_endian(next, WORD) != count)
		return err_set(err, "the server's answer has a record that has not %d fields", count);
	next += WORD;
	for (int i = 0; i < count; i++) {
		/* the type, then the length, -1 for NULL */
		int length = left < 2 * WORD ? INT_MAX : (int)(int32_t)read_big_endian(next + WORD, WORD);
		if (length < -1 || length > left - 2 * WORD)
			return err_set(err, "the server's answer has a record that ends too early");
		fields[i] = (struct row_field){ next + 2 * WORD, length };
		int taken = 2 * WORD + (length > 0 ? length : 0);
		next += taken;
		left -= taken;
	}
	return left == 0 || err_set(err, "the server's answer has a record that is too long");
}

/* ---- locks ---- */

static bool take_tag_word(struct row_field field, const char *what, enum locktag_column column, struct locktag *tag,
			  uint32_t *value, struct err *err)
{
	if (field.length < 0)
		return true;
	tag->columns |= (uint16_t)column;
	return rows_take_oid(field, what, value, err);
}

static bool take_tag_short(struct row_field field, const char *what, enum locktag_column column, struct locktag *tag,
			   uint16_t *value, struct err *err)
{
	int16_t number = 0;
	if (field.length < 0)
		return true;
	tag->columns |= (uint16_t)column;
	if (!rows_take_int16(field, what, &number, err))
		return false;
	*value = (uint16_t)number;
	return true;
}

/* The words of known types are not copied: the rows of a busy server name them a hundred thousand times. */
static void parse_tag_type(const struct row_reader *reader, struct row_field field, struct locktag *tag)
{
	char word[32] = "";
	if (field.length > 0 && field.length < (int)sizeof word)
		memcpy(word, field.data, (size_t)field.length);
	locktag_set_type(tag, word);
	if (!tag->type)
		tag->type = take_text(reader, field, NULL);
	if (!tag->type)
		tag->type = "";
}

static bool parse_tag(const struct row_reader *reader, const struct row_field *fields, struct locktag *tag,
		      struct err *err)
{
	parse_tag_type(reader, fields[LOCK_COLUMN_LOCKTYPE], tag);
	tag->virtualxid = take_text(reader, fields[LOCK_COLUMN_VIRTUALXID], NULL);
	if (tag->virtualxid)
		tag->columns |= LOCKTAG_HAS_VIRTUALXID;
	return take_tag_word(fields[LOCK_COLUMN_DATABASE], "database", LOCKTAG_HAS_DATABASE, tag, &tag->database,
			     err) &&
	       take_tag_word(fields[LOCK_COLUMN_RELATION], "relation", LOCKTAG_HAS_RELATION, tag, &tag->relation,
			     err) &&
	       take_tag_word(fields[LOCK_COLUMN_PAGE], "page", LOCKTAG_HAS_PAGE, tag, &tag->page, err) &&
	       take_tag_short(fields[LOCK_COLUMN_TUPLE], "tuple", LOCKTAG_HAS_TUPLE, tag, &tag->tuple, err) &&
	       take_tag_word(fields[LOCK_COLUMN_TRANSACTIONID], "transactionid", LOCKTAG_HAS_TRANSACTIONID, tag,
			     &tag->transactionid, err) &&
	       take_tag_word(fields[LOCK_COLUMN_CLASSID], "classid", LOCKTAG_HAS_CLASSID, tag, &tag->classid, err) &&
	       take_tag_word(fields[LOCK_COLUMN_OBJID], "objid", LOCKTAG_HAS_OBJID, tag, &tag->objid, err) &&
	       take_tag_short(fields[LOCK_COLUMN_OBJSUBID], "objsubid", LOCKTAG_HAS_OBJSUBID, tag, &tag->objsubid, err);
}

bool rows_parse_lock(const struct row_reader *reader, const struct row_field fields[static LOCK_COLUMN_COUNT],
		     struct lock *lock, struct err *err)
{
	struct row_field mode = fields[LOCK_COLUMN_MODE];
	*lock = (struct lock){
		.session = SNAPSHOT_NO_INDEX,
		.prepared = SNAPSHOT_NO_INDEX,
		.waitstart = WHEN_NONE,
	};
	if (!parse_tag(reader, fields, &lock->tag, err) ||
	    !rows_take_optional_int32(fields[LOCK_COLUMN_PID], "pid", &lock->pid, err) ||
	    !rows_take_bool(fields[LOCK_COLUMN_GRANTED], "granted", &lock->granted, err) ||
	    !rows_take_bool(fields[LOCK_COLUMN_FASTPATH], "fastpath", &lock->fastpath, err) ||
	    !rows_take_optional_int64(fields[LOCK_COLUMN_WAITSTART], "waitstart", &lock->waitstart, err))
		return false;
	if (mode.length <= 0 || !lockmode_parse(mode.data, (size_t)mode.length, &lock->mode))
		lock->mode = LOCKMODE_NONE;
	lock->virtualtransaction = take_text(reader, fields[LOCK_COLUMN_VIRTUALTRANSACTION], NULL);
	return true;
}

/* ---- prepared transactions ---- */

bool rows_parse_prepared(const struct row_reader *reader, const struct row_field fields[static PREPARED_COLUMN_COUNT],
			 struct prepared *prepared, struct err *err)
{
	*prepared = (struct prepared){ .prepared_at = WHEN_NONE };
	if (!rows_take_oid(fields[PREPARED_COLUMN_TRANSACTION], "transaction", &prepared->xid, err) ||
	    !rows_take_optional_int64(fields[PREPARED_COLUMN_PREPARED], "prepared", &prepared->prepared_at, err) ||
	    !rows_take_optional_oid(fields[PREPARED_COLUMN_OWNERID], "ownerid", &prepared->ownerid, err) ||
	    !rows_take_optional_oid(fields[PREPARED_COLUMN_DBID], "dbid", &prepared->datid, err))
		return false;
	prepared->gid = take_text(reader, fields[PREPARED_COLUMN_GID], encoding_of(reader, prepared->datid));
	if (!prepared->gid)
		prepared->gid = "";
	return true;
}

/* ---- progress of maintenance commands ---- */

bool rows_parse_progress(const struct row_field fields[static PROGRESS_COLUMN_COUNT], struct progress *progress,
			 struct err *err)
{
	int32_t kind;
	*progress = (struct progress){ .pid = 0 };
	if (!rows_take_int32(fields[PROGRESS_COLUMN_KIND], "kind of progress", &kind, err) ||
	    !rows_take_int32(fields[PROGRESS_COLUMN_PID], "pid", &progress->pid, err) ||
	    !rows_take_optional_oid(fields[PROGRESS_COLUMN_RELID], "relid", &progress->relation, err))
		return false;
	if (kind < 0 || kind >= PROGRESS_KIND_COUNT)
		return err_set(err, "the server's answer has a kind of progress that is none");
	progress->kind = (enum progress_kind)kind;
	for (int i = 0; i < PROGRESS_PARAMS; i++)
		if (!rows_take_optional_int64(fields[PROGRESS_COLUMN_PARAM1 + i], "param", &progress->params[i], err))
			return false;
	return true;
}

/* ---- answers of pg_blocking_pids() ---- */

/*
 * array_send() in arrayfuncs.c: dimensions, flags, element type, then for each dimension its size and lower bound,
 * then for each element its length and bytes. Takes one from the beginning of the field, whose rest stays.
 */
static bool take_pids(struct arena *arena, struct row_field *field, int32_t **pids, uint32_t *count, struct err *err)
{
	enum { EMPTY = 12, HEADER = 20, ELEMENT = 8 };
	const char *data = field->data;
	int taken = EMPTY;
	*count = 0;
	if (field->length < EMPTY || (read_big_endian(data, 4) != 0 && field->length < HEADER) ||
	    read_big_endian(data, 4) > 1)
		return err_set(err, "the server's answer has a list of pids that is not one");
	if (read_big_endian(data, 4) == 1) {
		uint64_t size = read_big_endian(data + EMPTY, 4);
		if (size * ELEMENT > (uint64_t)(field->length - HEADER))
			return err_set(err, "the server's answer has a list of pids of a wrong length");
		*count = (uint32_t)size;
		taken = HEADER + (int)size * ELEMENT;
	}
	*pids = arena_array(arena, *count, sizeof **pids);
	for (uint32_t i = 0; i < *count; i++) {
		const char *element = data + HEADER + (size_t)i * ELEMENT;
		if (read_big_endian(element, 4) != 4)
			return err_set(err, "the server's answer has a list of pids with an element that is none");
		(*pids)[i] = (int32_t)read_big_endian(element + 4, 4);
	}
	field->data += taken;
	field->length -= taken;
	return true;
}

static bool take_blockers(struct arena *arena, struct row_field *field, struct queue_answer *answer, struct err *err)
{
	int32_t *pids;
	uint32_t count;
	if (!take_pids(arena, field, &pids, &count, err))
		return false;
	answer->blockers = pids;
	answer->blocker_count = pids_sort_distinct(pids, count);
	return true;
}

static bool check_end(struct row_field rest, struct err *err)
{
	return rest.length == 0 || err_set(err, "the server's answer has a list of pids of a wrong length");
}

bool rows_parse_answer(struct arena *arena, const struct row_field fields[static 2], struct queue_answer *answer,
		       struct err *err)
{
	struct row_field list = fields[1];
	*answer = (struct queue_answer){ 0 };
	return rows_take_int32(fields[0], "pid", &answer->pid, err) && take_blockers(arena, &list, answer, err) &&
	       check_end(list, err);
}

bool rows_parse_answers(struct arena *arena, const struct row_field fields[static 2], struct queue_answer **answers,
			uint32_t *count, struct err *err)
{
	struct row_field asked = fields[0], lists = fields[1];
	int32_t *pids;
	if (!take_pids(arena, &asked, &pids, count, err) || !check_end(asked, err))
		return false;
	*answers = arena_array(arena, *count, sizeof **answers);
	for (uint32_t i = 0; i < *count; i++) {
		(*answers)[i] = (struct queue_answer){ .pid = pids[i] };
		if (!take_blockers(arena, &lists, &(*answers)[i], err))
			return false;
	}
	return check_end(lists, err);
}
