#include "term_batch.h"

#include "output.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PIECE = 16 * 1024 };

/* A limit on the size of files holds for this one, too: what is beyond it would be missing on the screen. */
static bool files_are_limited(void)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

struct term_batch term_batch_open(int terminal)
{
	struct term_batch batch = { .terminal = terminal, .memory = -1 };
	int own = fcntl(terminal, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	batch.output = own < 0 ? NULL : fdopen(own, "w");
	if (!batch.output && own >= 0)
		close(own);
	if (batch.output && !files_are_limited())
		batch.memory = memfd_create("pglocktop screen", MFD_CLOEXEC);
	return batch;
}

void term_batch_close(struct term_batch *batch)
{
	if (batch->output)
		fclose(batch->output);
	if (batch->memory >= 0)
		close(batch->memory);
	*batch = (struct term_batch){ .memory = -1 };
}

static void redirect(const struct term_batch *batch, int to)
{
	dup3(to, fileno(batch->output), O_CLOEXEC);
}

void term_batch_begin(struct term_batch *batch)
{
	if (batch->memory >= 0)
		redirect(batch, batch->memory);
}

/* The two descriptors of the memory share their place in it: where curses stopped writing. */
void term_batch_end(struct term_batch *batch)
{
	char piece[PIECE];
	if (batch->memory < 0)
		return;
	redirect(batch, batch->terminal);
	off_t left = lseek(batch->memory, 0, SEEK_CUR);
	lseek(batch->memory, 0, SEEK_SET);
	while (left > 0) {
		ssize_t length = read(batch->memory, piece, left < PIECE ? (size_t)left : PIECE);
		if (length <= 0)
			break;
		output_write(batch->terminal, piece, (size_t)length);
		left -= length;
	}
	lseek(batch->memory, 0, SEEK_SET);
}
