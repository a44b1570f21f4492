/*
 * audit_text.h - a line of the audit log, in words for people.
 */
#ifndef PGLOCKTOP_AUDIT_TEXT_H
#define PGLOCKTOP_AUDIT_TEXT_H

#include "pglocktop/strbuf.h"

#include <stddef.h>

/*
 * Appends "2026-11-22 14:32:07  maria@desk7  TERMINATE 8008 checkout (app@shop) on db1:5432" and the like, hostile; a
 * line that is not of this log as it stands.
 */
void audit_text_add(struct strbuf *out, const char *line, size_t length);

#endif
