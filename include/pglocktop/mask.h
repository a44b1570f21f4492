/*
 * mask.h - query texts without their literals, for screens that others see and for what is kept.
 *
 * Each literal becomes `?`: strings in every form that PostgreSQL knows, numbers, and what is open to the end of a text
 * that was cut off. Each comment becomes a comment with a `?` in it, since anything may have been commented out. Names,
 * quoted ones, too, parameters ($1), operators, signs and white space stay.
 *
 * A backslash before a quote means one thing or the other by standard_conforming_strings, which nobody but the session
 * itself can see: what is in a literal under either reading is masked.
 */
#ifndef PGLOCKTOP_MASK_H
#define PGLOCKTOP_MASK_H

#include "pglocktop/strbuf.h"

/* Appends the text, masked. O(n). A second time changes nothing, unless there are backslashes. */
void mask_add(const char *text, struct strbuf *out);

#endif
