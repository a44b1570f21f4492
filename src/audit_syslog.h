/*
 * audit_syslog.h - the audit log's lines for syslog(3), handed over by a thread of their own: syslog() waits for as
 * long as its daemon does not read, and neither a signal nor the file's record is to wait for that.
 *
 * One at a time in a program, since syslog(3) has but one connection.
 */
#ifndef AUDIT_SYSLOG_H
#define AUDIT_SYSLOG_H

#include "pglocktop/err.h"

#include <stdint.h>

struct audit_syslog;

/* Starts the thread. */
struct audit_syslog *audit_syslog_new(struct err *err) MUST_CHECK;

/*
 * A line without its end, as authpriv.notice. Never waits: while 10,000 lines await the daemon, further ones are left
 * out, and how many is said in their place.
 */
void audit_syslog_add(struct audit_syslog *log, const char *line);

/* Hands over what waits and frees everything, within `wait` microseconds; false when it hangs: then nothing is freed.
 */
bool audit_syslog_stop(struct audit_syslog *owned, int64_t wait);

#endif
