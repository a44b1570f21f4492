#include "pglocktop/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool identity_equal(struct identity a, struct identity b)
{
	return a.pid == b.pid && a.backend_start == b.backend_start;
}

char *identity_format(struct identity id, char text[static IDENTITY_TEXT_SIZE])
{
	char start[WHEN_TEXT_SIZE];
	text[0] = '\0';
	if (id.backend_start != WHEN_NONE)
		snprintf(text, IDENTITY_TEXT_SIZE, "%d@%s", id.pid, when_format_iso(id.backend_start, start));
	return text;
}

bool identity_parse(const char *text, struct identity *id)
{
	int64_t pid = 0;
	const char *digit = text;
	for (; *digit >= '0' && *digit <= '9'; digit++) {
		pid = pid * 10 + (*digit - '0');
		if (pid > INT32_MAX)
			return false;
	}
	if (digit == text || *digit != '@' || pid == 0)
		return false;
	id->pid = (int32_t)pid;
	return when_parse_iso(digit + 1, &id->backend_start);
}

static const char *const state_names[] = {
	[SESSION_ACTIVE] = "active",
	[SESSION_IDLE] = "idle",
	[SESSION_IDLE_IN_TRANSACTION] = "idle in transaction",
	[SESSION_IDLE_IN_TRANSACTION_ABORTED] = "idle in transaction (aborted)",
	[SESSION_FASTPATH] = "fastpath function call",
	[SESSION_DISABLED] = "disabled",
	[SESSION_STARTING] = "starting",
	[SESSION_OTHER] = NULL,
};

const char *session_state_name(enum session_state state)
{
	return state_names[state];
}

enum session_state session_state_parse(const char *text, size_t length)
{
	for (enum session_state state = SESSION_ACTIVE; state < SESSION_OTHER; state++)
		if (strlen(state_names[state]) == length && memcmp(state_names[state], text, length) == 0)
			return state;
	return SESSION_OTHER;
}
