/*
 * words.h - a line of a test's text, cut into words.
 */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>

/*
 * Cuts in place, at blanks; a word in double quotes may hold blanks, also after KEY=, and bytes as \xHH. "#" at a
 * word's beginning ends the line. Returns how many there are, `most` at most.
 */
int words_cut(char *line, char *words[], int most);

/* The value of KEY=VALUE, NULL when the word is another. */
const char *word_value(const char *word, const char *key);

#endif
