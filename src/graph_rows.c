#include "graph_build.h"

#include <stdlib.h>
#include <string.h>

/*
 * From lock rows to nodes, locks, procs and waits. Most rows of a busy server are of locks that nobody waits for: the
 * tags that somebody does are in a hash table, which turns the others away.
 *
 * An actor is what may become a node: a session that leads its lock group, by index; behind them the prepared
 * transactions; behind them the unmatched ones, told apart by virtualtransaction.
 */

struct tag_use {
	const struct locktag *tag; /* NULL: a free slot */
	uint64_t hash;
	uint32_t lock;
};

/* What the rows of one lock and one actor come to. */
struct share {
	uint32_t lock, actor;
	uint32_t first_use, use_count;
	uint16_t held, sure, wanted; /* `sure`: of `held` */
	bool kept;
};

/* With what counts of the row: it is not looked at again once the uses are sorted and the rows are far apart. */
struct row_use {
	uint32_t lock, actor, row;
	uint8_t mode;
	bool granted, sure, waits;
};

struct rows {
	struct graph_build *build;
	struct tag_use *tags; /* of the contended locks: each from the slot of its hash on */
	uint64_t tags_mask;
	const char **unmatched; /* virtualtransactions, sorted */
	uint32_t unmatched_count;
	uint32_t actor_count;
	struct row_use *uses;
	uint32_t use_count;
	struct share *shares;
	uint32_t share_count;
	uint32_t *node_of_actor;
	uint32_t *tuple_row; /* by session: a tuple lock that it holds */
};

static bool takes_part(const struct lock *row)
{
	return !row->fastpath && row->mode != LOCKMODE_NONE && row->mode != LOCKMODE_SIREAD;
}

static bool waits(const struct lock *row)
{
	return !row->granted && row->session != SNAPSHOT_NO_INDEX && takes_part(row);
}

static int compare_tags(const void *left, const void *right)
{
	const struct tag_use *const *a = left, *const *b = right;
	return locktag_compare((*a)->tag, (*b)->tag);
}

static struct tag_use *find_tag(const struct rows *rows, const struct locktag *tag, uint64_t hash)
{
	uint64_t slot = hash & rows->tags_mask;
	while (rows->tags[slot].tag &&
	       (rows->tags[slot].hash != hash || locktag_compare(rows->tags[slot].tag, tag) != 0))
		slot = (slot + 1) & rows->tags_mask;
	return &rows->tags[slot];
}

static uint32_t count_waiting(const struct snapshot *snapshot)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++)
		count += waits(&snapshot->locks[i]);
	return count;
}

/* The distinct tags that are waited for, in no order. At most a quarter of the slots is used. */
static struct tag_use **find_contended(struct rows *rows, uint32_t *count)
{
	const struct snapshot *snapshot = rows->build->snapshot;
	uint32_t waiting = count_waiting(snapshot);
	uint64_t slots = 16;
	while (slots < (uint64_t)waiting * 4)
		slots *= 2;
	rows->tags = arena_array(rows->build->scratch, slots, sizeof *rows->tags);
	rows->tags_mask = slots - 1;
	struct tag_use **found = arena_array(rows->build->scratch, waiting, sizeof *found);
	*count = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		if (!waits(&snapshot->locks[i]))
			continue;
		const struct locktag *tag = &snapshot->locks[i].tag;
		uint64_t hash = locktag_hash(tag);
		struct tag_use *use = find_tag(rows, tag, hash);
		if (use->tag)
			continue;
		*use = (struct tag_use){ tag, hash, 0 };
		found[(*count)++] = use;
	}
	return found;
}

static void add_locks(struct rows *rows)
{
	struct graph_build *build = rows->build;
	uint32_t count;
	struct tag_use **found = find_contended(rows, &count);
	if (count > 1)
		qsort(found, count, sizeof *found, compare_tags);
	build->graph->locks = arena_array(build->arena, count, sizeof *build->graph->locks);
	build->graph->lock_count = count;
	for (uint32_t i = 0; i < count; i++) {
		found[i]->lock = i;
		build->graph->locks[i].tag = found[i]->tag;
	}
}

static uint32_t find_lock(const struct rows *rows, const struct locktag *tag)
{
	const struct tag_use *use = find_tag(rows, tag, locktag_hash(tag));
	return use->tag ? use->lock : GRAPH_NONE;
}

static int compare_names(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;
	return strcmp(*a, *b);
}

static const char *row_virtualtransaction(const struct lock *row)
{
	return row->virtualtransaction ? row->virtualtransaction : "";
}

static void name_unmatched(struct rows *rows)
{
	const struct snapshot *snapshot = rows->build->snapshot;
	size_t capacity = 0;
	uint32_t count = 0;
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		const struct lock *row = &snapshot->locks[i];
		if (row->session != SNAPSHOT_NO_INDEX || row->prepared != SNAPSHOT_NO_INDEX)
			continue;
		rows->unmatched = arena_grow(rows->build->scratch, rows->unmatched, &capacity, (size_t)count + 1,
					     sizeof *rows->unmatched);
		rows->unmatched[count++] = row_virtualtransaction(row);
	}
	if (count > 0)
		qsort(rows->unmatched, count, sizeof *rows->unmatched, compare_names);
	for (uint32_t i = 0; i < count; i++)
		if (i == 0 || strcmp(rows->unmatched[rows->unmatched_count - 1], rows->unmatched[i]) != 0)
			rows->unmatched[rows->unmatched_count++] = rows->unmatched[i];
}

static void name_actors(struct rows *rows)
{
	const struct snapshot *snapshot = rows->build->snapshot;
	name_unmatched(rows);
	rows->actor_count = snapshot->session_count + snapshot->prepared_count + rows->unmatched_count;
}

static uint32_t actor_of_row(const struct rows *rows, const struct lock *row)
{
	const struct snapshot *snapshot = rows->build->snapshot;
	if (row->session != SNAPSHOT_NO_INDEX)
		return rows->build->leaders[row->session];
	if (row->prepared != SNAPSHOT_NO_INDEX)
		return snapshot->session_count + row->prepared;
	const char *name = row_virtualtransaction(row);
	ensure(rows->unmatched);
	const char **found = bsearch(&name, rows->unmatched, rows->unmatched_count, sizeof name, compare_names);
	return snapshot->session_count + snapshot->prepared_count + (uint32_t)(found - rows->unmatched);
}

/* Whether a row is certain to be its actor's. */
static bool is_sure(const struct rows *rows, const struct lock *row)
{
	return row->session == SNAPSHOT_NO_INDEX || rows->build->group_known[row->session];
}

static void collect_uses(struct rows *rows)
{
	const struct snapshot *snapshot = rows->build->snapshot;
	rows->uses = arena_array(rows->build->scratch, snapshot->lock_count, sizeof *rows->uses);
	rows->tuple_row = arena_array(rows->build->scratch, snapshot->session_count, sizeof *rows->tuple_row);
	memset(rows->tuple_row, 0xff, snapshot->session_count * sizeof *rows->tuple_row);
	for (uint32_t i = 0; i < snapshot->lock_count; i++) {
		const struct lock *row = &snapshot->locks[i];
		if (!takes_part(row))
			continue;
		if (row->tag.kind == LOCKTAG_TUPLE && row->granted && row->session != SNAPSHOT_NO_INDEX)
			rows->tuple_row[row->session] = i;
		uint32_t lock = find_lock(rows, &row->tag);
		if (lock == GRAPH_NONE)
			continue;
		rows->uses[rows->use_count++] = (struct row_use){
			.lock = lock,
			.actor = actor_of_row(rows, row),
			.row = i,
			.mode = (uint8_t)row->mode,
			.granted = row->granted,
			.sure = is_sure(rows, row),
			.waits = waits(row),
		};
	}
}

static uint32_t use_lock(const struct row_use *use)
{
	return use->lock;
}

static uint32_t use_actor(const struct row_use *use)
{
	return use->actor;
}

/* A stable counting sort by a key below `key_count`. */
static void sort_uses(struct rows *rows, uint32_t (*key)(const struct row_use *), uint32_t key_count)
{
	struct row_use *sorted = arena_array(rows->build->scratch, rows->use_count, sizeof *sorted);
	uint32_t *starts = arena_array(rows->build->scratch, (size_t)key_count + 1, sizeof *starts);
	for (uint32_t i = 0; i < rows->use_count; i++)
		starts[key(&rows->uses[i]) + 1]++;
	for (uint32_t i = 1; i <= key_count; i++)
		starts[i] += starts[i - 1];
	for (uint32_t i = 0; i < rows->use_count; i++)
		sorted[starts[key(&rows->uses[i])]++] = rows->uses[i];
	rows->uses = sorted;
}

/* What the uses of one lock by one actor come to, from `first` on. */
static struct share unite_uses(const struct rows *rows, uint32_t first)
{
	struct share share = { .lock = rows->uses[first].lock, .actor = rows->uses[first].actor, .first_use = first };
	for (uint32_t i = first; i < rows->use_count; i++) {
		const struct row_use *use = &rows->uses[i];
		if (use->lock != share.lock || use->actor != share.actor)
			break;
		share.use_count++;
		if (use->granted)
			share.held |= LOCKMODE_BIT(use->mode);
		if (use->granted && use->sure)
			share.sure |= LOCKMODE_BIT(use->mode);
		if (use->waits)
			share.wanted |= LOCKMODE_BIT(use->mode);
	}
	return share;
}

static void find_shares(struct rows *rows)
{
	rows->shares = arena_array(rows->build->scratch, rows->use_count, sizeof *rows->shares);
	for (uint32_t i = 0; i < rows->use_count; i += rows->shares[rows->share_count - 1].use_count)
		rows->shares[rows->share_count++] = unite_uses(rows, i);
}

/* Keeps those who wait, and those who hold what another one's wait conflicts with; the others are in nobody's way. */
static void keep_shares(struct rows *rows)
{
	uint16_t *wanted = arena_array(rows->build->scratch, rows->build->graph->lock_count, sizeof *wanted);
	for (uint32_t i = 0; i < rows->share_count; i++)
		wanted[rows->shares[i].lock] |= rows->shares[i].wanted;
	rows->node_of_actor = arena_array(rows->build->scratch, rows->actor_count, sizeof *rows->node_of_actor);
	memset(rows->node_of_actor, 0xff, rows->actor_count * sizeof *rows->node_of_actor);
	for (uint32_t i = 0; i < rows->share_count; i++) {
		struct share *share = &rows->shares[i];
		share->kept = share->wanted || (share->held & graph_conflicts_of_set(wanted[share->lock]));
		if (share->kept)
			rows->node_of_actor[share->actor] = 0;
	}
}

static struct graph_node node_of_actor(const struct rows *rows, uint32_t actor)
{
	const struct snapshot *snapshot = rows->build->snapshot;
	struct graph_node node = { .session = SNAPSHOT_NO_INDEX,
				   .prepared = SNAPSHOT_NO_INDEX,
				   .cycle = GRAPH_NONE,
				   .principal = GRAPH_NONE,
				   .principal_wait = GRAPH_NONE,
				   .heads = GRAPH_NONE,
				   .waiting = WHEN_NONE };
	if (actor < snapshot->session_count)
		node.session = actor;
	else if (actor - snapshot->session_count < snapshot->prepared_count)
		node.prepared = actor - snapshot->session_count;
	else if (rows->unmatched)
		node.virtualtransaction = rows->unmatched[actor - snapshot->session_count - snapshot->prepared_count];
	return node;
}

static void add_nodes(struct rows *rows)
{
	struct graph *graph = rows->build->graph;
	const struct snapshot *snapshot = rows->build->snapshot;
	uint32_t count = 0;
	for (uint32_t i = 0; i < rows->actor_count; i++)
		if (rows->node_of_actor[i] != GRAPH_NONE)
			rows->node_of_actor[i] = count++;
	graph->nodes = arena_array(rows->build->arena, count, sizeof *graph->nodes);
	graph->node_count = count;
	for (uint32_t i = 0; i < rows->actor_count; i++)
		if (rows->node_of_actor[i] != GRAPH_NONE)
			graph->nodes[rows->node_of_actor[i]] = node_of_actor(rows, i);
	graph->session_node = arena_array(rows->build->arena, snapshot->session_count, sizeof *graph->session_node);
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		graph->session_node[i] = rows->node_of_actor[rows->build->leaders[i]];
}

static void add_wait(struct rows *rows, uint32_t row_index, uint32_t proc)
{
	struct graph *graph = rows->build->graph;
	const struct lock *row = &rows->build->snapshot->locks[row_index];
	bool for_owner = row->tag.kind == LOCKTAG_TRANSACTIONID;
	graph->nodes[graph->procs[proc].node].wait_count++;
	graph->waits[graph->wait_count++] = (struct graph_wait){
		.node = graph->procs[proc].node,
		.lock = graph->procs[proc].lock,
		.session = row->session,
		.row = row_index,
		.proc = proc,
		.tuple_row = for_owner ? rows->tuple_row[row->session] : GRAPH_NONE,
		.mode = row->mode,
		.group_known = is_sure(rows, row),
		.since = WHEN_NONE,
		.principal = GRAPH_NONE,
	};
}

static void add_share(struct rows *rows, const struct share *share)
{
	struct graph *graph = rows->build->graph;
	struct graph_lock *lock = &graph->locks[share->lock];
	uint32_t proc = graph->proc_count++;
	graph->procs[proc] = (struct graph_proc){
		.node = rows->node_of_actor[share->actor],
		.lock = share->lock,
		.held = share->held,
		.doubtful = share->held & (uint16_t)~share->sure,
		.wanted = share->wanted,
	};
	lock->proc_count++;
	lock->holder_count += share->held != 0;
	for (uint32_t i = 0; i < share->use_count; i++) {
		const struct row_use *use = &rows->uses[share->first_use + i];
		if (use->waits) {
			add_wait(rows, use->row, proc);
			lock->wait_count++;
		}
	}
}

/* The shares of one lock, from `first`: those who hold first. Returns the next lock's first share. */
static uint32_t add_shares_of_lock(struct rows *rows, uint32_t first)
{
	struct graph *graph = rows->build->graph;
	uint32_t lock = rows->shares[first].lock, end = first;
	while (end < rows->share_count && rows->shares[end].lock == lock)
		end++;
	graph->locks[lock].first_proc = graph->proc_count;
	graph->locks[lock].first_wait = graph->wait_count;
	for (uint32_t i = first; i < end; i++)
		if (rows->shares[i].kept && rows->shares[i].held)
			add_share(rows, &rows->shares[i]);
	for (uint32_t i = first; i < end; i++)
		if (rows->shares[i].kept && !rows->shares[i].held)
			add_share(rows, &rows->shares[i]);
	return end;
}

static void add_shares(struct rows *rows)
{
	struct graph *graph = rows->build->graph;
	uint32_t proc_count = 0, wait_count = 0;
	for (uint32_t i = 0; i < rows->share_count; i++) {
		proc_count += rows->shares[i].kept;
		wait_count += rows->shares[i].wanted ? rows->shares[i].use_count : 0;
	}
	graph->procs = arena_array(rows->build->arena, proc_count, sizeof *graph->procs);
	graph->waits = arena_array(rows->build->arena, wait_count, sizeof *graph->waits);
	for (uint32_t i = 0; i < rows->share_count;)
		i = add_shares_of_lock(rows, i);
}

void graph_build_rows(struct graph_build *build)
{
	struct rows rows = { .build = build };
	add_locks(&rows);
	name_actors(&rows);
	if (build->graph->lock_count > 0) {
		collect_uses(&rows);
		sort_uses(&rows, use_actor, rows.actor_count);
		sort_uses(&rows, use_lock, build->graph->lock_count);
		find_shares(&rows);
	}
	keep_shares(&rows);
	add_nodes(&rows);
	add_shares(&rows);
}
