#include "audit_file.h"

#include "pglocktop/when.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ROUNDS = 5, /* a file that is moved away faster than it can be opened */
	SET_ASIDE = 16 * 1024,
	RECENT_MOST = 1024 * 1024, /* bytes of lines that are remembered */
	COMPARED = 512
};

#define RECENT (60 * WHEN_SECOND) /* longer than a copy of the file takes */

static bool fail(const struct audit_file *file, struct err *err)
{
	return err_set(err, "%s: %s", file->path, strerror(errno));
}

void audit_file_close(struct audit_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	file->owed = false;
	strbuf_release(&file->recent);
}

/* Each directory above the file that is not there yet; that it cannot be made shows when the file is opened. */
static void make_directories(const char *path)
{
	char part[PATH_MAX];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t length = (size_t)(slash - path);
		if (length >= sizeof part)
			return;
		memcpy(part, path, length);
		part[length] = '\0';
		mkdir(part, 0700);
	}
}

static bool check_kind(const struct audit_file *file, struct err *err)
{
	struct stat is;
	if (fstat(file->fd, &is) != 0)
		return fail(file, err);
	return S_ISREG(is.st_mode) || err_set(err, "%s is no regular file: name another with --log", file->path);
}

/* Without O_NONBLOCK the opening of a FIFO would wait for its reader. */
static bool open_file(struct audit_file *file, struct err *err)
{
	if (file->make_directories)
		make_directories(file->path);
	file->fd = open(file->path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (file->fd < 0 && errno == ELOOP)
		return err_set(err, "%s is a symbolic link: name the file itself with --log", file->path);
	if (file->fd < 0)
		return fail(file, err);
	if (check_kind(file, err))
		return true;
	audit_file_close(file);
	return false;
}

/* Whether the path still names the file that is open. */
static bool is_in_place(const struct audit_file *file)
{
	struct stat is, named;
	return fstat(file->fd, &is) == 0 && lstat(file->path, &named) == 0 && is.st_dev == named.st_dev &&
	       is.st_ino == named.st_ino;
}

static bool lock(struct audit_file *file, struct err *err)
{
	while (flock(file->fd, LOCK_EX) != 0)
		if (errno != EINTR)
			return fail(file, err);
	return true;
}

static void unlock(struct audit_file *file)
{
	if (file->fd >= 0)
		flock(file->fd, LOCK_UN);
}

/* ---- what copytruncate cuts off ---- */

/* Whether the last of the lines that are remembered is not where it was written. */
static bool was_cut_off(const struct audit_file *file)
{
	char there[COMPARED];
	size_t length = file->recent.length < COMPARED ? file->recent.length : COMPARED;
	const char *written = file->recent.text + file->recent.length - length;
	if (length == 0 || when_monotonic() - file->recent_at > RECENT)
		return false;
	return pread(file->fd, there, length, file->recent_end - (off_t)length) != (ssize_t)length ||
	       memcmp(there, written, length) != 0;
}

/* It was moved away. What had been cut off before goes into its successor. */
static void leave(struct audit_file *file)
{
	struct strbuf recent = file->recent;
	bool owed = file->owed || was_cut_off(file);
	file->recent = (struct strbuf)STRBUF_INIT;
	audit_file_close(file);
	file->owed = owed;
	if (owed)
		file->recent = recent;
	else
		strbuf_release(&recent);
}

/* Open, locked, and the one that the path names. */
static bool take_file(struct audit_file *file, struct err *err)
{
	for (int round = 0; round < ROUNDS; round++) {
		if (file->fd < 0 && !open_file(file, err))
			return false;
		if (!lock(file, err))
			return false;
		if (is_in_place(file))
			return true;
		leave(file);
	}
	return err_set(err, "%s is moved away again and again", file->path);
}

/* logrotate's copytruncate asks for no lock: the file may be cut off between the two looks at it. */
static bool find_end(const struct audit_file *file, off_t *size, bool *torn, struct err *err)
{
	struct stat is;
	char last = '\n';
	ssize_t got;
	do {
		if (fstat(file->fd, &is) != 0)
			return fail(file, err);
		got = is.st_size > 0 ? pread(file->fd, &last, 1, is.st_size - 1) : 1;
	} while (got == 0);
	if (got < 0)
		return fail(file, err);
	*size = is.st_size;
	*torn = last != '\n';
	return true;
}

/* One write(); what it could not write whole it takes back. */
static bool write_whole(struct audit_file *file, const char *bytes, size_t length, off_t size, struct err *err)
{
	ssize_t written;
	do
		written = write(file->fd, bytes, length);
	while (written < 0 && errno == EINTR);
	if (written == (ssize_t)length)
		return true;
	if (written < 0)
		return fail(file, err);
	err_set(err, "%s: no room for a whole line", file->path);
	/* Where not even this is possible the next line begins on a line of its own all the same. */
	if (ftruncate(file->fd, size) != 0)
		return fail(file, err);
	return false;
}

/* The newest half is enough, from a line's beginning on. */
static void forget_oldest(struct strbuf *recent)
{
	const char *half = recent->text + recent->length / 2, *end = memchr(half, '\n', recent->length / 2);
	struct strbuf newest = STRBUF_INIT;
	if (end)
		strbuf_add_string(&newest, end + 1);
	strbuf_release(recent);
	*recent = newest;
}

static void remember(struct audit_file *file, const char *lines, size_t length)
{
	int64_t now = when_monotonic();
	if (now - file->recent_at > RECENT)
		strbuf_reset(&file->recent);
	strbuf_add(&file->recent, lines, length);
	while (file->recent.length > RECENT_MOST)
		forget_oldest(&file->recent);
	file->recent_at = now;
	file->recent_end = lseek(file->fd, 0, SEEK_CUR); /* the end of what was written, wherever that was */
}

/* ---- appending ---- */

static bool append_once(struct audit_file *file, const char *lines, size_t length, struct err *err)
{
	off_t size = 0;
	bool torn = false;
	if (!find_end(file, &size, &torn, err))
		return false;
	struct strbuf bytes = STRBUF_INIT;
	if (torn)
		strbuf_add_char(&bytes, '\n');
	if (file->owed || was_cut_off(file))
		strbuf_add(&bytes, file->recent.text, file->recent.length);
	strbuf_add(&bytes, lines, length);
	bool written = write_whole(file, bytes.text, bytes.length, size, err);
	if (written)
		remember(file, lines, length);
	file->owed = file->owed && !written;
	strbuf_release(&bytes);
	return written;
}

/* The lock is for the write alone: whoever hangs on the way to the disk keeps nobody else from it. */
bool audit_file_append(struct audit_file *file, const char *lines, size_t length, struct err *err)
{
	for (int round = 0; round < ROUNDS; round++) {
		if (!take_file(file, err))
			return false;
		bool written = append_once(file, lines, length, err);
		unlock(file);
		written = written && (fsync(file->fd) == 0 || fail(file, err));
		bool in_place = is_in_place(file);
		file->doubtful = !written;
		if (!written || in_place)
			return written;
		leave(file);
	}
	return err_set(err, "%s is moved away again and again", file->path);
}

void audit_file_keep(struct audit_file *file)
{
	struct err unheard;
	if ((file->owed || was_cut_off(file)) && !audit_file_append(file, "", 0, &unheard))
		audit_file_close(file);
}

static bool try_out(struct audit_file *file, off_t size, struct err *err)
{
	char blanks[4096];
	memset(blanks, ' ', sizeof blanks);
	if (!write_whole(file, blanks, sizeof blanks, size, err))
		return false;
	return (fsync(file->fd) == 0 && ftruncate(file->fd, size) == 0) || fail(file, err);
}

bool audit_file_probe(struct audit_file *file, struct err *err)
{
	off_t size = 0;
	bool torn = false;
	if (!take_file(file, err))
		return false;
	bool able = find_end(file, &size, &torn, err);
	/* Not every file system can set room aside; then the writing itself will show. */
	if (able && fallocate(file->fd, FALLOC_FL_KEEP_SIZE, size, SET_ASIDE) != 0 &&
	    (errno == ENOSPC || errno == EDQUOT || errno == EROFS || errno == EIO || errno == EFBIG))
		able = fail(file, err);
	if (able && file->doubtful)
		able = try_out(file, size, err);
	unlock(file);
	return able;
}

/* Whole lines only: the first one may be one of which only the end is there. */
static void add_whole_lines(struct strbuf *out, const char *bytes, size_t length, bool from_start)
{
	const char *end = from_start ? NULL : memchr(bytes, '\n', length);
	size_t skipped = from_start ? 0 : end ? (size_t)(end - bytes) + 1 : length;
	strbuf_add(out, bytes + skipped, length - skipped);
}

bool audit_file_read_tail(struct audit_file *file, size_t most, struct strbuf *out, struct err *err)
{
	off_t size = 0;
	bool torn = false;
	if (!take_file(file, err))
		return false;
	bool found = find_end(file, &size, &torn, err);
	unlock(file);
	if (!found)
		return false;
	off_t from = size > (off_t)most ? size - (off_t)most : 0;
	char *bytes = malloc(most);
	if (!bytes)
		err_die("out of memory (%zu bytes)", most);
	ssize_t length = pread(file->fd, bytes, most, from);
	if (length > 0)
		add_whole_lines(out, bytes, (size_t)length, from == 0);
	free(bytes);
	return length >= 0 || fail(file, err);
}
