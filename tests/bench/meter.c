#include "bench/meter.h"

#include "bench/fail.h"
#include "pglocktop/when.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sum over the threads of what `read_one` finds in their files of this name. */
static uint64_t sum_of_threads(pid_t pid, const char *name, uint64_t (*read_one)(FILE *file))
{
	char path[320];
	uint64_t sum = 0;
	const struct dirent *entry;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		fail("%s: %s", path, strerror(errno));
	while ((entry = readdir(tasks))) {
		snprintf(path, sizeof path, "/proc/%d/task/%s/%s", (int)pid, entry->d_name, name);
		FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!file)
			continue;
		sum += read_one(file);
		fclose(file);
	}
	closedir(tasks);
	return sum;
}

static uint64_t read_schedstat(FILE *file)
{
	char line[128];
	return fgets(line, sizeof line, file) ? strtoull(line, NULL, 10) : 0;
}

/* The number in the lines that begin with `name`. */
static uint64_t read_number(FILE *file, const char *name)
{
	char line[256];
	uint64_t sum = 0;
	size_t length = strlen(name);
	while (fgets(line, sizeof line, file))
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			sum += strtoull(line + length + 1, NULL, 10);
	return sum;
}

static uint64_t read_switches(FILE *file)
{
	uint64_t voluntary = read_number(file, "voluntary_ctxt_switches");
	rewind(file);
	return voluntary + read_number(file, "nonvoluntary_ctxt_switches");
}

double meter_cpu(pid_t pid)
{
	return (double)sum_of_threads(pid, "schedstat", read_schedstat) / 1e6;
}

/* /proc/PID/stat: the pid, the name in parentheses, the state. */
static bool is_asleep(pid_t pid)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	const char *end = file && fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
	if (file)
		fclose(file);
	return !end || end[2] == 'S';
}

void meter_until_asleep(pid_t pid)
{
	int64_t deadline = when_monotonic() + WHEN_SECOND;
	while (!is_asleep(pid) && when_monotonic() < deadline)
		poll(NULL, 0, 1);
}

bool meter_go_first(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) == 0;
}

uint64_t meter_switches(pid_t pid)
{
	return sum_of_threads(pid, "status", read_switches);
}

static uint64_t read_file(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	if (!file)
		fail("%s: %s", path, strerror(errno));
	uint64_t number = read_number(file, name);
	fclose(file);
	return number;
}

uint64_t meter_memory(pid_t pid, const char *name)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	return read_file(path, name);
}

uint64_t meter_memory_free(void)
{
	return read_file("/proc/meminfo", "MemAvailable");
}
