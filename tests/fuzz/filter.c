/* Any line of filter terms, on any text: it compiles or says where it does not, and it ends. */
#include "pglocktop/filter.h"

#include "encoding.h"
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MATCH_MOST (CLOCKS_PER_SEC / 2) /* far more than eight columns and 4096 bytes of terms may take */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct frame *frame_with_query(const char *bytes, size_t length)
{
	struct frame *frame = fixture_new();
	struct decoder *decoder = decoder_new();
	struct session *session = fixture_session(frame, 1, "psql", SESSION_ACTIVE);
	session->query_with_literals = decoder_decode(decoder, "UTF8", bytes, length, &frame->arena);
	decoder_free(decoder);
	fixture_finish(frame);
	return frame;
}

static void match(const struct filter *filter, const char *text, size_t length)
{
	struct frame *frame = frame_with_query(text, length);
	struct column_row row = column_row_of_session(frame, 0);
	clock_t start = clock();
	filter_match_row(filter, &row);
	ensure(clock() - start < MATCH_MOST);
	frame_free(frame);
}

/* The terms up to the first zero byte, the query after it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
	size_t terms_length = zero ? (size_t)(zero - data) : size;
	char *terms = strndup((const char *)data, terms_length);
	struct err err = { .text = "" };
	size_t position = 0;
	struct filter *filter = filter_new(terms, &err, &position);
	if (filter) {
		ensure(strcmp(filter_text(filter), terms) == 0);
		if (zero)
			match(filter, (const char *)zero + 1, size - terms_length - 1);
	} else {
		ensure(err.text[0] != '\0' && position <= terms_length);
	}
	filter_free(filter);
	free(terms);
	return 0;
}
