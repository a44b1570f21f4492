#include "pglocktop/operator.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HARMLESS_MOST = 64, NAME_BUFFER = 4096 };

static void name_of_user(uid_t uid, char *name, size_t size)
{
	char buffer[NAME_BUFFER];
	struct passwd entry, *found = NULL;
	if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found && *found->pw_name)
		snprintf(name, size, "%s", found->pw_name);
	else
		snprintf(name, size, "%u", (unsigned)uid);
}

/* proc(5): 4294967295 where nobody has logged in, as for a service. */
static void find_login(char *name, size_t size)
{
	char text[32];
	*name = '\0';
	int fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t length = read(fd, text, sizeof text - 1);
	close(fd);
	if (length <= 0)
		return;
	text[length] = '\0';
	unsigned long uid = strtoul(text, NULL, 10);
	if (uid < UINT32_MAX)
		name_of_user((uid_t)uid, name, size);
}

void operator_find(struct operator* found)
{
	*found = (struct operator){ .pid = (int32_t)getpid() };
	name_of_user(getuid(), found->user, sizeof found->user);
	find_login(found->login, sizeof found->login);
	if (gethostname(found->host, sizeof found->host - 1) != 0)
		found->host[0] = '\0';
	if (ttyname_r(STDIN_FILENO, found->terminal, sizeof found->terminal) != 0 &&
	    ttyname_r(STDERR_FILENO, found->terminal, sizeof found->terminal) != 0)
		found->terminal[0] = '\0';
}

static int is_harmless(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._@-", c) != NULL);
}

void operator_add_harmless(struct strbuf *out, const char *name)
{
	if (!*name)
		strbuf_add_char(out, '?');
	for (unsigned i = 0; i < HARMLESS_MOST && name[i]; i++)
		strbuf_add_char(out, is_harmless((unsigned char)name[i]) ? name[i] : '?');
}
