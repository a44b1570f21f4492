#include "pglocktop/snapshot.h"

#include <string.h>

/* pg_lock_status() in lockfuncs.c; "speculative token" until 12. */
static const struct {
	const char *type;
	enum locktag_kind kind;
} kinds[] = {
	{ "relation", LOCKTAG_RELATION },
	{ "extend", LOCKTAG_EXTEND },
	{ "frozenid", LOCKTAG_FROZENID },
	{ "page", LOCKTAG_PAGE },
	{ "tuple", LOCKTAG_TUPLE },
	{ "transactionid", LOCKTAG_TRANSACTIONID },
	{ "virtualxid", LOCKTAG_VIRTUALXID },
	{ "spectoken", LOCKTAG_SPECULATIVE },
	{ "speculative token", LOCKTAG_SPECULATIVE },
	{ "object", LOCKTAG_OBJECT },
	{ "userlock", LOCKTAG_USERLOCK },
	{ "advisory", LOCKTAG_ADVISORY },
	{ "applytransaction", LOCKTAG_APPLYTRANSACTION },
};

void locktag_set_type(struct locktag *tag, const char *word)
{
	tag->kind = LOCKTAG_OTHER;
	tag->type = NULL;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !tag->type; i++) {
		if (strcmp(kinds[i].type, word) != 0)
			continue;
		tag->kind = kinds[i].kind;
		tag->type = kinds[i].type;
	}
}

static int compare_words(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int compare_strings(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int compare_columns(const struct locktag *a, const struct locktag *b)
{
	int order = compare_words(a->columns, b->columns);
	if (!order)
		order = compare_words(a->database, b->database);
	if (!order)
		order = compare_words(a->relation, b->relation);
	if (!order)
		order = compare_words(a->page, b->page);
	if (!order)
		order = compare_words(a->tuple, b->tuple);
	if (!order)
		order = compare_words(a->transactionid, b->transactionid);
	if (!order)
		order = compare_words(a->classid, b->classid);
	if (!order)
		order = compare_words(a->objid, b->objid);
	if (!order)
		order = compare_words(a->objsubid, b->objsubid);
	return order;
}

int locktag_compare(const struct locktag *a, const struct locktag *b)
{
	int order = compare_words(a->kind, b->kind);
	if (!order)
		order = compare_columns(a, b);
	if (!order)
		order = compare_strings(a->virtualxid, b->virtualxid);
	if (!order && a->kind == LOCKTAG_OTHER)
		order = compare_strings(a->type, b->type);
	return order;
}

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

static uint64_t hash_string(uint64_t hash, const char *string)
{
	for (; string && *string; string++)
		hash = hash_word(hash, (unsigned char)*string);
	return hash;
}

uint64_t locktag_hash(const struct locktag *tag)
{
	uint64_t hash = hash_word(0, (uint64_t)tag->kind << 16 | tag->columns);
	hash = hash_word(hash, (uint64_t)tag->database << 32 | tag->relation);
	hash = hash_word(hash, (uint64_t)tag->page << 32 | tag->transactionid);
	hash = hash_word(hash, (uint64_t)tag->classid << 32 | tag->objid);
	hash = hash_word(hash, (uint64_t)tag->tuple << 16 | tag->objsubid);
	hash = hash_string(hash, tag->virtualxid);
	return tag->kind == LOCKTAG_OTHER ? hash_string(hash, tag->type) : hash;
}
