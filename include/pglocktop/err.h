/*
 * err.h - errors as values, and the one way to stop for an impossible state.
 *
 * A function that can fail returns false and fills its struct err; the caller must look. Texts are in PostgreSQL's
 * manner: lower case, no full stop, and they say what to do. A text may quote the server: make it inert before it
 * is shown (tui/text.h).
 */
#ifndef PGLOCKTOP_ERR_H
#define PGLOCKTOP_ERR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

struct err {
	char text[1024];
	char sqlstate[6]; /* of the server's error, else "" */
};

/* Writes the text (cut to fit) and clears the SQLSTATE. Returns false, so that `return err_set(e, …)` reads well. */
bool err_set(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * For what must not happen (out of memory, a broken invariant): calls the hook, if one is set (the terminal's
 * restorer), prints the text on stderr and aborts. Never for bad input.
 */
_Noreturn void err_die(const char *fmt, ...) PRINTF_LIKE(1, 2);
void err_set_die_hook(void (*hook)(void));

#define ensure(condition)                                                                                              \
	((condition) ? (void)0 : err_die("%s:%d: this must not happen: %s", __FILE__, __LINE__, #condition))

#endif
