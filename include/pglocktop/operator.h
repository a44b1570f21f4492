/*
 * operator.h - who runs this program, as the operating system knows it: for the audit log, and for the comment that a
 * signal's statement carries to the server's log.
 */
#ifndef PGLOCKTOP_OPERATOR_H
#define PGLOCKTOP_OPERATOR_H

#include "pglocktop/strbuf.h"

#include <stdint.h>

struct operator
{
	char user[128]; /* of the process; its number where it has no name */
	char login[128]; /* who logged in, before any sudo or su, as the kernel's audit keeps it; "" not known */
	char host[256];
	char terminal[128]; /* of standard input, else standard error; "" none */
	int32_t pid;
};

/* Asks for names, which can take long where they come from a directory service: not for the screen's thread. */
void operator_find(struct operator* found);

/* Appends a name as it may stand in a comment of SQL: 64 characters of [A-Za-z0-9._@-] at most, all else is "?", as is
 * no name at all. */
void operator_add_harmless(struct strbuf *out, const char *name);

#endif
