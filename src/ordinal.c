#include "pglocktop/ordinal.h"

#include <stdbool.h>

const char *ordinal_ending(uint32_t number)
{
	static const char *const endings[] = { "th", "st", "nd", "rd" };
	bool teen = number / 10 % 10 == 1;
	return endings[teen || number % 10 > 3 ? 0 : number % 10];
}
