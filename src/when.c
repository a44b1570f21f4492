#include "pglocktop/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SECONDS_A_DAY = 86400 };

/* 2000-01-01 minus 1970-01-01. */
#define POSTGRES_EPOCH INT64_C(946684800)

struct civil {
	int64_t year;
	unsigned month, day;
};

static int64_t floor_divide(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

/* The proleptic Gregorian calendar in eras of 400 years (146,097 days) that begin on 1 March. */
static struct civil civil_from_days(int64_t days_since_1970)
{
	int64_t days = days_since_1970 + 719468;
	int64_t era = floor_divide(days, 146097);
	int64_t of_era = days - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * of_year + 2) / 153;
	struct civil civil;
	civil.day = (unsigned)(of_year - (153 * shifted_month + 2) / 5 + 1);
	civil.month = (unsigned)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
	civil.year = year_of_era + era * 400 + (civil.month <= 2);
	return civil;
}

static int64_t days_from_civil(struct civil civil)
{
	int64_t year = civil.year - (civil.month <= 2);
	int64_t era = floor_divide(year, 400);
	int64_t year_of_era = year - era * 400;
	int64_t shifted_month = civil.month > 2 ? civil.month - 3 : civil.month + 9;
	int64_t of_year = (153 * shifted_month + 2) / 5 + civil.day - 1;
	int64_t of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
	return era * 146097 + of_era - 719468;
}

char *when_format_iso(int64_t when, char text[static WHEN_TEXT_SIZE])
{
	text[0] = '\0';
	if (when == WHEN_NONE)
		return text;
	int64_t seconds = floor_divide(when, WHEN_SECOND);
	int64_t micros = (when % WHEN_SECOND + WHEN_SECOND) % WHEN_SECOND;
	seconds += POSTGRES_EPOCH;
	int64_t days = floor_divide(seconds, SECONDS_A_DAY);
	int64_t of_day = seconds - days * SECONDS_A_DAY;
	struct civil civil = civil_from_days(days);
	char whole[2 * WHEN_TEXT_SIZE]; /* more than any point in time takes: the compiler cannot know their range */
	snprintf(whole, sizeof whole, "%s%04" PRId64 "-%02u-%02uT%02d:%02d:%02d.%06d+00:00", civil.year < 0 ? "-" : "",
		 civil.year < 0 ? -civil.year : civil.year, civil.month, civil.day, (int)(of_day / 3600),
		 (int)(of_day / 60 % 60), (int)(of_day % 60), (int)micros);
	memcpy(text, whole, strlen(whole) + 1);
	return text;
}

/* Reads `least` to `most` digits and moves on; false when there are fewer. */
static bool take_digits(const char **text, int least, int most, int64_t *value)
{
	int count = 0;
	for (*value = 0; count < most && **text >= '0' && **text <= '9'; count++)
		*value = *value * 10 + (*(*text)++ - '0');
	return count >= least;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static unsigned days_in_month(int64_t year, int64_t month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap);
}

static bool take_date(const char **text, int64_t *days)
{
	bool negative = take_char(text, '-');
	int64_t year, month, day;
	if (!take_digits(text, 4, 6, &year) || !take_char(text, '-') || !take_digits(text, 2, 2, &month) ||
	    !take_char(text, '-') || !take_digits(text, 2, 2, &day))
		return false;
	if (negative)
		year = -year;
	if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	*days = days_from_civil((struct civil){ year, (unsigned)month, (unsigned)day });
	return true;
}

static bool take_decimals(const char **text, int64_t *micros)
{
	*micros = 0;
	if (!take_char(text, '.'))
		return true;
	const char *first = *text;
	if (!take_digits(text, 1, 6, micros))
		return false;
	for (long count = *text - first; count < 6; count++)
		*micros *= 10;
	return true;
}

static bool take_time(const char **text, int64_t *seconds, int64_t *micros)
{
	int64_t hour, minute, second;
	if (!take_digits(text, 2, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, 2, &minute) ||
	    !take_char(text, ':') || !take_digits(text, 2, 2, &second) || !take_decimals(text, micros))
		return false;
	*seconds = hour * 3600 + minute * 60 + second;
	return hour < 24 && minute < 60 && second < 60;
}

bool when_parse_iso(const char *text, int64_t *when)
{
	int64_t days, seconds, micros, whole, result;
	if (!take_date(&text, &days) || !take_char(&text, 'T') || !take_time(&text, &seconds, &micros))
		return false;
	if (strcmp(text, "Z") != 0 && strcmp(text, "+00:00") != 0)
		return false;
	/* One second up and the micros down again, so that the earliest second there is does not overflow. */
	int64_t since_epoch = days * SECONDS_A_DAY + seconds - POSTGRES_EPOCH;
	int64_t carry = since_epoch < 0 ? 1 : 0;
	if (__builtin_mul_overflow(since_epoch + carry, WHEN_SECOND, &whole) ||
	    __builtin_add_overflow(whole, micros - carry * WHEN_SECOND, &result) || result == WHEN_NONE)
		return false;
	*when = result;
	return true;
}

char *when_format_clock(int64_t when, char text[static WHEN_TEXT_SIZE])
{
	text[0] = '\0';
	if (when == WHEN_NONE)
		return text;
	/* The epoch is a midnight. */
	int64_t seconds = floor_divide(when, WHEN_SECOND);
	int of_day = (int)(seconds - floor_divide(seconds, SECONDS_A_DAY) * SECONDS_A_DAY);
	snprintf(text, WHEN_TEXT_SIZE, "%02d:%02d:%02d", of_day / 3600, of_day / 60 % 60, of_day % 60);
	return text;
}

char *when_format_age(int64_t age, char text[static WHEN_TEXT_SIZE])
{
	int64_t seconds = age < 0 ? 0 : age / WHEN_SECOND;
	if (age == WHEN_NONE)
		snprintf(text, WHEN_TEXT_SIZE, "-");
	else if (seconds < 60)
		snprintf(text, WHEN_TEXT_SIZE, "%" PRId64 "s", seconds);
	else if (seconds < 3600)
		snprintf(text, WHEN_TEXT_SIZE, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
	else if (seconds < SECONDS_A_DAY)
		snprintf(text, WHEN_TEXT_SIZE, "%" PRId64 "h%02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
	else
		snprintf(text, WHEN_TEXT_SIZE, "%" PRId64 "d%02" PRId64 "h", seconds / SECONDS_A_DAY,
			 seconds / 3600 % 24);
	return text;
}

int64_t when_earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t when_age(int64_t now, int64_t then)
{
	int64_t age;
	if (now == WHEN_NONE || then == WHEN_NONE)
		return WHEN_NONE;
	if (__builtin_sub_overflow(now, then, &age))
		return now > then ? INT64_MAX : 0;
	return age < 0 ? 0 : age;
}

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * WHEN_SECOND + now.tv_nsec / 1000;
}

int64_t when_wall_clock(void)
{
	return read_clock(CLOCK_REALTIME) - POSTGRES_EPOCH * WHEN_SECOND;
}

int64_t when_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}
