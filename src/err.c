#include "pglocktop/err.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic(void (*)(void)) die_hook;

bool err_set(struct err *err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	err->sqlstate[0] = '\0';
	return false;
}

void err_set_die_hook(void (*hook)(void))
{
	atomic_store(&die_hook, hook);
}

void err_die(const char *fmt, ...)
{
	void (*hook)(void) = atomic_exchange(&die_hook, NULL);
	if (hook)
		hook();
	fputs("pglocktop: ", stderr);
	va_list args;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}
