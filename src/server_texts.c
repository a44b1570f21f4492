/*
 * The query texts of the last reading: a server sends only those that may be other ones since. A session that reports a
 * text notes the time with it (state_change; pgstat_report_activity in backend_status.c), so whoever was the same
 * session, with the same times, runs or ran the same query.
 */
#include "server_private.h"

#include <stdlib.h>

static int compare_pids(const void *left, const void *right)
{
	int32_t a = *(const int32_t *)left, b = ((const struct kept_text *)right)->id.pid;
	return (a > b) - (a < b);
}

void texts_release(struct server_texts *texts)
{
	arena_release(&texts->arena);
	*texts = (struct server_texts){ .since = WHEN_NONE };
}

bool texts_recall(const struct server_texts *texts, struct arena *arena, struct session *session)
{
	const struct kept_text *kept = NULL;
	if (texts->count > 0)
		kept = bsearch(&session->id.pid, texts->entries, texts->count, sizeof *kept, compare_pids);
	if (!kept || !identity_equal(kept->id, session->id) || kept->state_change != session->state_change ||
	    kept->query_start != session->query_start)
		return false;
	session->query_with_literals = kept->text ? arena_string(arena, kept->text) : NULL;
	return true;
}

void texts_keep(struct server_texts *texts, const struct snapshot *snapshot, int64_t since)
{
	texts_release(texts);
	texts->entries = arena_array(&texts->arena, snapshot->session_count, sizeof *texts->entries);
	for (uint32_t i = 0; i < snapshot->session_count; i++) {
		const struct session *session = &snapshot->sessions[i];
		const char *text = session->query_with_literals;
		if (!session->listed || session->state_change == WHEN_NONE)
			continue;
		texts->entries[texts->count++] = (struct kept_text){
			.id = session->id,
			.state_change = session->state_change,
			.query_start = session->query_start,
			.text = text ? arena_string(&texts->arena, text) : NULL,
		};
	}
	texts->since = since;
}
