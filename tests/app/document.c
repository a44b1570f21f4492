#include "document.h"

#include <stdio.h>

json_t *document_take(struct stage *stage, const char *const *arguments)
{
	struct stage_output output;
	json_error_t error;
	int code = stage_run(stage, arguments, &output);
	if (code != 0)
		fail_msg("exit %d: %s", code, output.err);
	json_t *document = json_loads(output.out, 0, &error);
	if (!document)
		fail_msg("%s at %d", error.text, error.position);
	stage_output_free(&output);
	return document;
}

json_t *document_take_plain(struct stage *stage)
{
	static const char *const arguments[] = { "--once", "--format", "json", NULL };
	return document_take(stage, arguments);
}

const json_t *document_session(const json_t *document, int pid)
{
	const json_t *session;
	size_t index;
	json_array_foreach(json_object_get(document, "sessions"), index, session)
	{
		if (json_integer_value(json_object_get(session, "pid")) == pid)
			return session;
	}
	fail_msg("no session %d in the document", pid);
	return NULL;
}

void document_format_pids(const json_t *list, char *text, size_t size)
{
	const json_t *blocker;
	size_t index, used = 0;
	text[0] = '\0';
	json_array_foreach(list, index, blocker)
	{
		int pid = (int)json_integer_value(json_object_get(blocker, "pid"));
		used += (size_t)snprintf(text + used, size - used, "%s%d", index > 0 ? " " : "", pid);
		assert_true(used < size);
	}
}
