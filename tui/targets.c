#include "targets.h"

#include "pglocktop/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MOST = 1 << 20 };

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool parse(const char *text, struct identity *id, struct err *err)
{
	if (identity_parse(text, id) && id->pid > 0 && id->backend_start != WHEN_NONE)
		return true;
	if (is_number(text))
		return err_set(err,
			       "%.32s is a pid, which another session may have by now: give the id, as in "
			       "%.32s@2026-11-22T14:32:07.123456+00:00; --once with --select prints it",
			       text, text);
	return err_set(err,
		       "\"%.100s\" is no session's id, which is as in 8017@2026-11-22T14:32:07.123456+00:00: --once "
		       "with --select prints it",
		       text);
}

static int compare(const void *left, const void *right)
{
	const struct identity *a = left, *b = right;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return (a->backend_start > b->backend_start) - (a->backend_start < b->backend_start);
}

/* Those that come a second time go; the order stays. */
static void drop_repeated(struct targets *targets)
{
	struct identity *sorted = malloc((targets->count + 1) * sizeof *sorted);
	bool *seen = calloc(targets->count + 1, sizeof *seen);
	uint32_t kept = 0;
	if (!sorted || !seen)
		err_die("out of memory");
	memcpy(sorted, targets->ids, targets->count * sizeof *sorted);
	qsort(sorted, targets->count, sizeof *sorted, compare);
	for (uint32_t i = 0; i < targets->count; i++) {
		const struct identity *found =
			bsearch(&targets->ids[i], sorted, targets->count, sizeof *sorted, compare);
		while (found > sorted && compare(found - 1, found) == 0)
			found--;
		if (seen[found - sorted])
			continue;
		seen[found - sorted] = true;
		targets->ids[kept++] = targets->ids[i];
	}
	targets->count = kept;
	free(sorted);
	free(seen);
}

static bool add(struct targets *targets, const char *text, struct err *err)
{
	struct identity id;
	if (!parse(text, &id, err))
		return false;
	targets->ids = heap_grow(targets->ids, &targets->capacity, targets->count + (size_t)1, sizeof id);
	targets->ids[targets->count++] = id;
	return true;
}

static bool read_all(int input, struct strbuf *text, struct err *err)
{
	char bytes[4096];
	for (;;) {
		ssize_t length = read(input, bytes, sizeof bytes);
		if (length == 0)
			return true;
		if (length < 0 && errno != EINTR)
			return err_set(err, "standard input cannot be read: %s", strerror(errno));
		if (length > 0)
			strbuf_add(text, bytes, (size_t)length);
		if (text->length > INPUT_MOST)
			return err_set(err, "standard input is too long for a list of ids");
	}
}

/* Of the line that `at` is in. */
static unsigned count_lines(const char *text, const char *at)
{
	unsigned line = 1;
	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

static bool add_input(struct targets *targets, int input, struct err *err)
{
	static const char blanks[] = " \t\r\n";
	struct strbuf text = STRBUF_INIT;
	bool good = read_all(input, &text, err);
	/* It would hide what comes after it. */
	if (good && strlen(text.text) != text.length)
		good = err_set(err, "standard input has a zero byte in line %u: ids are one a line",
			       count_lines(text.text, text.text + strlen(text.text)));
	for (char *at = text.text; good && *(at += strspn(at, blanks));) {
		size_t length = strcspn(at, blanks);
		char end = at[length];
		struct err why;
		at[length] = '\0';
		if (!add(targets, at, &why))
			good = err_set(err, "standard input, line %u: %.900s", count_lines(text.text, at), why.text);
		at[length] = end;
		at += length;
	}
	strbuf_release(&text);
	return good;
}

bool targets_read(const struct options *options, int input, struct targets *targets, struct err *err)
{
	bool good = true;
	*targets = (struct targets){ .count = 0 };
	for (uint32_t i = 0; good && i < options->id_count; i++)
		good = strcmp(options->ids[i], "-") == 0 ? add_input(targets, input, err)
							 : add(targets, options->ids[i], err);
	if (good && targets->count > 0)
		drop_repeated(targets);
	if (good && targets->count > options->most)
		good = err_set(err, "%u sessions are named, more than %u: nothing was sent; --max raises the limit",
			       (unsigned)targets->count, (unsigned)options->most);
	if (!good)
		targets_release(targets);
	return good;
}

void targets_release(struct targets *targets)
{
	free(targets->ids);
	*targets = (struct targets){ .count = 0 };
}
