/*
 * inert.h - whether what a program wrote is harmless: an independent reading, with no code of the program's.
 */
#ifndef TESTS_APP_INERT_H
#define TESTS_APP_INERT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The first thing in it that does harm, in words and with its place; NULL: none. Text is UTF-8 without control
 * characters (line ends aside), C1, bidirectional controls and line separators. On a terminal the sequences that drive
 * the screen are allowed, too, as are a title and a clipboard's content: for those is `terminal`.
 */
const char *inert_find_harm(const char *bytes, size_t length, bool terminal);

#endif
