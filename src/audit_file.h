/*
 * audit_file.h - a file of lines that several programs append to, that may be moved away at any time, and that may
 * refuse: every line is in it whole, or not at all and the caller knows.
 *
 * Lines go out by one write() at the file's end (O_APPEND), under an flock that all instances of the program take, and
 * are on disk (fsync) before the call returns. The lock is held for the write alone, so that one who hangs in fsync
 * holds up nobody else; without a lock, what fits only in part could not be taken back, and over NFS lines that are
 * appended at once would overwrite each other. A line that a crash tore off is ended before the next.
 *
 * The file that the path names now is the one that is written to: one that was moved away is left; where that happens
 * during a write, the line is written into the new file, too. What was written in the last minute and is no longer
 * where it was (logrotate's copytruncate may have cut it off without having copied it) goes before the next line once
 * more. So a line may be there twice, word for word, and none is lost.
 *
 * All of it may block for as long as the file's system likes.
 */
#ifndef PGLOCKTOP_AUDIT_FILE_H
#define PGLOCKTOP_AUDIT_FILE_H

#include "pglocktop/err.h"
#include "pglocktop/strbuf.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct audit_file {
	const char *path; /* a regular file, no symbolic link; it is made if need be, readable by its owner only */
	bool make_directories; /* those above it, too */
	int fd; /* -1: not open */
	bool doubtful; /* the last line could not be written: from outside it may look as if one could */
	struct strbuf recent; /* the lines of the last minute */
	bool owed; /* they were cut off from a file that was then moved away */
	off_t recent_end; /* where they end in the file */
	int64_t recent_at; /* when_monotonic() of the last */
};

#define AUDIT_FILE_INIT(name)                                                                                          \
	{                                                                                                              \
		.path = (name), .fd = -1, .recent = STRBUF_INIT                                                        \
	}

/* Appends lines, each ended by a newline: all of them or none. */
bool audit_file_append(struct audit_file *file, const char *lines, size_t length, struct err *err) MUST_CHECK;

/* At the end, when nobody is left to be told: tries to write again what was cut off in the last minute. */
void audit_file_keep(struct audit_file *file);

/* Whether a line could be appended now, as far as can be told: room for some is set aside. After a failure it is
 * tried out: blanks are written and taken back. */
bool audit_file_probe(struct audit_file *file, struct err *err) MUST_CHECK;

/* Appends to `out` the file's last lines, whole ones, at most so many bytes. */
bool audit_file_read_tail(struct audit_file *file, size_t most, struct strbuf *out, struct err *err) MUST_CHECK;

void audit_file_close(struct audit_file *file);

#endif
