#include "config.h"

#include "pglocktop/heap.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 48 /* what inih keeps of a section's and a name's length, 49, less the end */ };

/* ---- reading ---- */

struct reading {
	struct config *config;
	FILE *file;
	int line;
	int wrong_line; /* of the first error; 0: none */
	struct err *err;
};

static bool fail(struct reading *reading, const char *what)
{
	if (reading->wrong_line == 0) {
		reading->wrong_line = reading->line;
		err_set(reading->err, "%s:%d: %s", reading->config->path, reading->line, what);
	}
	return false;
}

static char *copy(const char *text)
{
	char *copied = strdup(text);
	if (!copied)
		err_die("out of memory");
	return copied;
}

/* "service NAME"; "" stands for what is before the first section. */
static bool parse_section(struct reading *reading, const char *section, char **service)
{
	static const char word[] = "service ";
	size_t length = sizeof word - 1;
	*service = NULL;
	if (!*section)
		return true;
	const char *name = section + length - 1;
	if (strncmp(section, word, length) != 0 || !name[strspn(name, " ")])
		return fail(reading, "unknown section: a section is [service NAME]");
	*service = copy(name + strspn(name, " "));
	/* A blank at its end would make it another service's, without a word. */
	for (size_t end = strlen(*service); end > 0 && (*service)[end - 1] == ' '; end--)
		(*service)[end - 1] = '\0';
	return true;
}

/* At its own line, whether or not anything is in it. */
static bool check_section(struct reading *reading, const char *line)
{
	char name[NAME_MOST + 1], *service;
	size_t length = strcspn(line, "]\n");
	if (*line != '[' || line[length] != ']')
		return true; /* it is none, or the parser says what is wrong */
	if (length > NAME_MOST)
		return fail(reading, "the name is too long");
	memcpy(name, line + 1, length - 1);
	name[length - 1] = '\0';
	if (!*name)
		return fail(reading, "a section without a name: a section is [service NAME]");
	bool good = parse_section(reading, name, &service);
	free(service);
	return good;
}

/* A whole line, without the blanks before it, which inih would take for a sign that the line above goes on. */
static char *read_line(char *text, int size, void *context)
{
	struct reading *reading = context;
	if (reading->wrong_line > 0 || !fgets(text, size, reading->file))
		return NULL;
	reading->line++;
	size_t length = strlen(text), blanks = strspn(text, " \t");
	if (length > 0 && text[length - 1] != '\n' && !feof(reading->file)) {
		fail(reading, "the line is too long");
		return NULL;
	}
	memmove(text, text + blanks, length - blanks + 1);
	if (strcspn(text, "]=\n") > NAME_MOST && *text != ';' && *text != '#') {
		fail(reading, "the name is too long");
		return NULL;
	}
	return check_section(reading, text) ? text : NULL;
}

static int take_entry(void *context, const char *section, const char *name, const char *value)
{
	struct reading *reading = context;
	struct config *config = reading->config;
	struct config_entry entry = { .line = reading->line };
	if (!parse_section(reading, section, &entry.service))
		return 0;
	entry.name = copy(name);
	entry.value = copy(value);
	config->entries = heap_grow(config->entries, &config->capacity, config->count + (size_t)1, sizeof entry);
	config->entries[config->count++] = entry;
	return 1;
}

char *config_default_path(void)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path = NULL;
	int length = 0;
	if (base && *base == '/')
		length = asprintf(&path, "%s/pglocktop/config", base);
	else if (home && *home == '/')
		length = asprintf(&path, "%s/.config/pglocktop/config", home);
	if (length < 0)
		err_die("out of memory");
	return path;
}

bool config_read(char *owned_path, struct config *config, struct err *err)
{
	struct reading reading = { .config = config, .err = err };
	*config = (struct config){ .path = owned_path };
	if (!owned_path)
		return true;
	reading.file = fopen(owned_path, "re");
	if (!reading.file && errno == ENOENT)
		return true;
	if (!reading.file)
		return err_set(err, "the configuration file %s cannot be read: %s", owned_path, strerror(errno));
	int wrong = ini_parse_stream(read_line, &reading, take_entry, &reading);
	bool unread = ferror(reading.file);
	fclose(reading.file);
	if (unread)
		return err_set(err, "the configuration file %s cannot be read", owned_path);
	if (reading.wrong_line > 0 && (wrong <= 0 || reading.wrong_line <= wrong))
		return false;
	return wrong == 0 || err_set(err, "%s:%d: this is neither NAME = VALUE nor [service NAME]", owned_path, wrong);
}

void config_release(struct config *config)
{
	for (uint32_t i = 0; i < config->count; i++) {
		free(config->entries[i].service);
		free(config->entries[i].name);
		free(config->entries[i].value);
	}
	free(config->entries);
	free(config->path);
}

/* ---- applying ---- */

static bool same_name(const char *written, const char *name)
{
	while (*written && (*written == *name || (*written == '_' && *name == '-')))
		written++, name++;
	return *written == *name;
}

static const struct option_row *find_row(const char *name)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].configurable && same_name(name, option_rows[i].name))
			return &option_rows[i];
	for (size_t i = 0; i < config_row_count; i++)
		if (same_name(name, config_rows[i].name))
			return &config_rows[i];
	return NULL;
}

static void add_names(struct strbuf *out)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].configurable)
			strbuf_printf(out, "%s, ", option_rows[i].name);
	for (size_t i = 0; i < config_row_count; i++)
		strbuf_printf(out, "%s%s", config_rows[i].name, i + 1 < config_row_count ? ", " : "");
	for (char *c = out->text; *c; c++)
		*c = *c == '-' ? '_' : *c;
}

static bool parse_switch(const char *value, bool *on, struct err *err)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false", "true", "0", "1" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(value, words[i]) != 0)
			continue;
		*on = i % 2;
		return true;
	}
	return err_set(err, "\"%s\" is neither yes nor no", value);
}

static bool set(const struct option_row *row, const char *value, struct options *options, struct err *err)
{
	if (row->argument)
		return option_apply(row, options, value, err);
	bool on = false;
	if (!parse_switch(value, &on, err))
		return false;
	*(bool *)((char *)options + row->member) = on;
	return true;
}

static bool apply_entry(const struct config *config, const struct config_entry *entry, struct options *options,
			struct err *err)
{
	const struct option_row *row = find_row(entry->name);
	struct err why;
	if (row && set(row, entry->value, options, &why))
		return true;
	if (row)
		return err_set(err, "%s:%d: %s: %.600s", config->path, entry->line, entry->name, why.text);
	struct strbuf names = STRBUF_INIT;
	add_names(&names);
	err_set(err, "%s:%d: unknown name \"%s\": the names are %s", config->path, entry->line, entry->name,
		names.text);
	strbuf_release(&names);
	return false;
}

/* Those for all come first, wherever they stand; what does not apply is checked as well. */
bool config_apply(const struct config *config, const char *service, struct options *options, struct err *err)
{
	struct options unused = *options;
	for (int for_service = 0; for_service < 2; for_service++) {
		for (uint32_t i = 0; i < config->count; i++) {
			const struct config_entry *entry = &config->entries[i];
			if ((entry->service != NULL) != (bool)for_service)
				continue;
			bool applies = !entry->service || (service && strcmp(service, entry->service) == 0);
			if (!apply_entry(config, entry, applies ? options : &unused, err))
				return false;
		}
	}
	return true;
}
