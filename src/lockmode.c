#include "pglocktop/lockmode.h"

#include <string.h>

#define BIT_1 LOCKMODE_BIT(LOCKMODE_ACCESS_SHARE)
#define BIT_2 LOCKMODE_BIT(LOCKMODE_ROW_SHARE)
#define BIT_3 LOCKMODE_BIT(LOCKMODE_ROW_EXCLUSIVE)
#define BIT_4 LOCKMODE_BIT(LOCKMODE_SHARE_UPDATE_EXCLUSIVE)
#define BIT_5 LOCKMODE_BIT(LOCKMODE_SHARE)
#define BIT_6 LOCKMODE_BIT(LOCKMODE_SHARE_ROW_EXCLUSIVE)
#define BIT_7 LOCKMODE_BIT(LOCKMODE_EXCLUSIVE)
#define BIT_8 LOCKMODE_BIT(LOCKMODE_ACCESS_EXCLUSIVE)

static const struct {
	const char *name;
	const char *short_name;
	uint16_t conflicts;
} modes[LOCKMODE_COUNT] = {
	[LOCKMODE_NONE] = { "unknown", "unknown", 0 },
	[LOCKMODE_ACCESS_SHARE] = { "AccessShareLock", "AccessShare", BIT_8 },
	[LOCKMODE_ROW_SHARE] = { "RowShareLock", "RowShare", BIT_7 | BIT_8 },
	[LOCKMODE_ROW_EXCLUSIVE] = { "RowExclusiveLock", "RowExcl", BIT_5 | BIT_6 | BIT_7 | BIT_8 },
	[LOCKMODE_SHARE_UPDATE_EXCLUSIVE] = { "ShareUpdateExclusiveLock", "ShareUpdExcl",
					      BIT_4 | BIT_5 | BIT_6 | BIT_7 | BIT_8 },
	[LOCKMODE_SHARE] = { "ShareLock", "Share", BIT_3 | BIT_4 | BIT_6 | BIT_7 | BIT_8 },
	[LOCKMODE_SHARE_ROW_EXCLUSIVE] = { "ShareRowExclusiveLock", "ShareRowExcl",
					   BIT_3 | BIT_4 | BIT_5 | BIT_6 | BIT_7 | BIT_8 },
	[LOCKMODE_EXCLUSIVE] = { "ExclusiveLock", "Exclusive", BIT_2 | BIT_3 | BIT_4 | BIT_5 | BIT_6 | BIT_7 | BIT_8 },
	[LOCKMODE_ACCESS_EXCLUSIVE] = { "AccessExclusiveLock", "AccessExcl",
					BIT_1 | BIT_2 | BIT_3 | BIT_4 | BIT_5 | BIT_6 | BIT_7 | BIT_8 },
	[LOCKMODE_SIREAD] = { "SIReadLock", "SIRead", 0 },
};

uint16_t lockmode_conflicts(enum lockmode mode)
{
	return modes[mode].conflicts;
}

bool lockmode_parse(const char *text, size_t length, enum lockmode *mode)
{
	for (int i = LOCKMODE_ACCESS_SHARE; i < LOCKMODE_COUNT; i++) {
		if (strlen(modes[i].name) == length && memcmp(modes[i].name, text, length) == 0) {
			*mode = (enum lockmode)i;
			return true;
		}
	}
	return false;
}

const char *lockmode_name(enum lockmode mode)
{
	return modes[mode].name;
}

const char *lockmode_short_name(enum lockmode mode)
{
	return modes[mode].short_name;
}
