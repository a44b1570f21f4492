/*
 * The sessions of the last reading: a server sends whole only those that may be other ones since. A session notes the
 * time with all that it reports (state_change; pgstat_report_activity in backend_status.c), so a pid with the time of
 * before is the same session, and runs or ran the same query. What may change without a report (enum session_column) is
 * sent in any case.
 */
#include "server_private.h"

#include <stdlib.h>

static int compare_pids(const void *left, const void *right)
{
	int32_t a = *(const int32_t *)left, b = ((const struct session *)right)->id.pid;
	return (a > b) - (a < b);
}

void sessions_release(struct server_sessions *kept)
{
	arena_release(&kept->arena);
	*kept = (struct server_sessions){ .since = WHEN_NONE };
}

bool sessions_suffice(const struct server_sessions *kept)
{
	return kept->since != WHEN_NONE && !kept->most_change;
}

/* What the server said of it, without what moves; of what was made of it the fingerprint alone. */
static struct session copy_session(struct arena *arena, const struct session *session)
{
	struct session copy = *session;
	copy.backend_type = arena_optional_string(arena, session->backend_type);
	copy.client = arena_optional_string(arena, session->client);
	copy.state_text = arena_optional_string(arena, session->state_text);
	copy.query_with_literals = arena_optional_string(arena, session->query_with_literals);
	copy.user = copy.database = NULL;
	copy.wait_event_type = copy.wait_event = copy.application = NULL;
	copy.progress = NULL;
	copy.may = MAY_NOT_UNKNOWN;
	return copy;
}

bool sessions_recall(const struct server_sessions *kept, int32_t pid, int64_t state_change, struct arena *arena,
		     struct session *session)
{
	const struct session *found = NULL;
	if (kept->count > 0)
		found = bsearch(&pid, kept->entries, kept->count, sizeof *found, compare_pids);
	if (!found || found->state_change != state_change)
		return false;
	*session = copy_session(arena, found);
	return true;
}

/* A background worker may report before the postmaster has noted what it is. */
static bool is_kept(const struct session *session)
{
	return session->listed && session->state_change != WHEN_NONE && session->backend_type;
}

/* Then to make one value of the rest of each costs the server more than all columns of all do. */
static bool do_most_change(const struct server_sessions *kept, const struct snapshot *snapshot)
{
	uint32_t changed = 0;
	for (uint32_t i = 0; i < snapshot->session_count && kept->since != WHEN_NONE; i++)
		changed += !is_kept(&snapshot->sessions[i]) || snapshot->sessions[i].state_change >= kept->since;
	return changed > snapshot->session_count / 2;
}

void sessions_keep(struct server_sessions *kept, const struct snapshot *snapshot, int64_t since)
{
	bool most_change = do_most_change(kept, snapshot);
	sessions_release(kept);
	kept->entries = arena_array(&kept->arena, snapshot->session_count, sizeof *kept->entries);
	for (uint32_t i = 0; i < snapshot->session_count; i++)
		if (is_kept(&snapshot->sessions[i]))
			kept->entries[kept->count++] = copy_session(&kept->arena, &snapshot->sessions[i]);
	kept->since = since;
	kept->most_change = most_change;
}
