/*
 * document.h - what `--once --format json` prints, for tests: the document read, and its sessions by pid.
 */
#ifndef TESTS_APP_DOCUMENT_H
#define TESTS_APP_DOCUMENT_H

#include "stage.h"

#include <jansson.h>

/* The program's only document; it must exit with 0. The caller's to json_decref. */
json_t *document_take(struct stage *stage, const char *const *arguments);

/* With "--once --format json" alone. */
json_t *document_take_plain(struct stage *stage);

/* The session of a pid, which must be there. Borrowed. */
const json_t *document_session(const json_t *document, int pid);

/* The pids of a list of blockers, as "12 34": in the list's order, 0 for a prepared transaction. */
void document_format_pids(const json_t *list, char *text, size_t size);

#endif
