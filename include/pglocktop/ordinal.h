/*
 * ordinal.h - the 1st, the 2nd, the 11th.
 */
#ifndef PGLOCKTOP_ORDINAL_H
#define PGLOCKTOP_ORDINAL_H

#include <stdint.h>

/* "st", "nd", "rd" or "th": what goes after the number. */
const char *ordinal_ending(uint32_t number);

#endif
