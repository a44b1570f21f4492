/*
 * when.h - points in time and ages, as the server keeps them.
 *
 * A point in time is an int64_t: microseconds since 2000-01-01 00:00:00 UTC, PostgreSQL's own timestamptz
 * (src/include/datatype/timestamp.h). It is never turned into a floating-point number on its way to a signal.
 * WHEN_NONE stands for "not known": the server has none, or does not let this role see it.
 * An age or duration is an int64_t of microseconds.
 */
#ifndef PGLOCKTOP_WHEN_H
#define PGLOCKTOP_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEN_NONE INT64_MIN
#define WHEN_SECOND INT64_C(1000000)

#define WHEN_TEXT_SIZE 48 /* holds every text made here, with its terminating zero */

/* "2026-11-22T14:32:07.123456+00:00"; "" for WHEN_NONE. Returns `text`. */
char *when_format_iso(int64_t when, char text[static WHEN_TEXT_SIZE]);

/* Reads what when_format_iso writes (offset "+00:00" or "Z", 0 to 6 decimals). False when it is anything else. */
bool when_parse_iso(const char *text, int64_t *when);

/* "14:32:07"; "" for WHEN_NONE. UTC. */
char *when_format_clock(int64_t when, char text[static WHEN_TEXT_SIZE]);

/* "0s" "4s" "1m32s" "2h04m" "3d04h"; "-" for WHEN_NONE; negative ages (clock steps) are "0s". */
char *when_format_age(int64_t age, char text[static WHEN_TEXT_SIZE]);

/* now - then, not below 0; WHEN_NONE when either is not known. */
int64_t when_age(int64_t now, int64_t then);

/* The earlier of two points in time, of whichever clock. */
int64_t when_earlier(int64_t a, int64_t b);

/* The wall clock of this machine, for the times at which a connection was lost and the like. */
int64_t when_wall_clock(void);

/* A clock that never steps back, in microseconds since an unspecified start; for intervals and deadlines. */
int64_t when_monotonic(void);

#endif
