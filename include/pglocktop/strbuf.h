/*
 * strbuf.h - a string that grows.
 *
 * Invariant: `text` is never NULL and always zero-terminated at `length`; before the first addition it points to a
 * shared empty string. Running out of memory ends the program (err_die).
 * Life cycle: STRBUF_INIT, then additions, then strbuf_release or strbuf_detach. strbuf_reset keeps the memory.
 */
#ifndef PGLOCKTOP_STRBUF_H
#define PGLOCKTOP_STRBUF_H

#include <stdarg.h>
#include <stddef.h>

struct strbuf {
	char *text;
	size_t length;
	size_t capacity; /* 0: text is the shared empty string */
};

extern char strbuf_empty[1];
#define STRBUF_INIT                                                                                                    \
	{                                                                                                              \
		strbuf_empty, 0, 0                                                                                     \
	}

void strbuf_add(struct strbuf *buf, const char *bytes, size_t length);
void strbuf_add_string(struct strbuf *buf, const char *string);
void strbuf_add_char(struct strbuf *buf, char c);
void strbuf_printf(struct strbuf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *buf, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

/* Shortens to `length`, which must not be beyond the end. */
void strbuf_truncate(struct strbuf *buf, size_t length);
void strbuf_reset(struct strbuf *buf);
void strbuf_release(struct strbuf *buf);

/* The string, now the caller's to free(); the buffer is as after STRBUF_INIT. */
char *strbuf_detach(struct strbuf *buf);

#endif
