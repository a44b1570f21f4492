#include "scripts.h"

#include "pglocktop/strbuf.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char *scripts_read(const char *path)
{
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("cannot open %s", path);
	struct strbuf text = STRBUF_INIT;
	char part[4096];
	for (size_t got; (got = fread(part, 1, sizeof part, file)) > 0;)
		strbuf_add(&text, part, got);
	fclose(file);
	return strbuf_detach(&text);
}

static int is_script(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}

int scripts_run(const char *name, const char *directory, void (*test)(void **path))
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_script, alphasort);
	if (count <= 0) {
		fprintf(stderr, "no scripts in %s: run this in the top directory\n", directory);
		return 1;
	}
	struct CMUnitTest *tests = calloc((size_t)count, sizeof *tests);
	for (int i = 0; i < count; i++) {
		char *path = NULL;
		if (asprintf(&path, "%s/%s", directory, entries[i]->d_name) < 0)
			return 1;
		tests[i] = (struct CMUnitTest){ .name = entries[i]->d_name, .test_func = test, .initial_state = path };
	}
	int failed = _cmocka_run_group_tests(name, tests, (size_t)count, NULL, NULL);
	for (int i = 0; i < count; i++) {
		free(tests[i].initial_state);
		free(entries[i]);
	}
	free(entries);
	free(tests);
	return failed;
}
