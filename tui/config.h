/*
 * config.h - the configuration file: options that hold for every run, or for the runs on one service.
 *
 *     interval = 2                  the long options that have to do with the screen and with signals; - and _ alike
 *     [service production]          when the connection's service (service=, PGSERVICE) has this name
 *     read_only = yes
 *     banner = PRODUCTION
 *     typed_confirmation = yes
 *
 * What is wrong anywhere in it, also in a part that does not apply, is an error with its line.
 */
#ifndef TUI_CONFIG_H
#define TUI_CONFIG_H

#include "options.h"

struct config_entry {
	char *service; /* NULL: for all */
	char *name, *value;
	int line;
};

struct config {
	char *path; /* NULL: there is no place for one */
	struct config_entry *entries; /* in order */
	uint32_t count;
	size_t capacity;
};

/* $XDG_CONFIG_HOME/pglocktop/config, or the one under ~/.config; malloc'd, NULL: neither is known. */
char *config_default_path(void);

/* Takes the path over. A file that is not there is an empty one. `config` is to be released either way. */
bool config_read(char *owned_path, struct config *config, struct err *err) MUST_CHECK;
void config_release(struct config *config);

/*
 * Sets in the options what the file says for all, then what it says for this service (NULL: none). The options then
 * point into the configuration.
 */
bool config_apply(const struct config *config, const char *service, struct options *options,
		  struct err *err) MUST_CHECK;

#endif
