/*
 * encoding.h - texts from databases of any encoding, as UTF-8.
 *
 * With client_encoding SQL_ASCII the server converts nothing, so that no text of another database can make a whole
 * refresh fail; each text arrives in the encoding of the database whose session wrote it.
 *
 * What comes out is always valid UTF-8 without a NUL. Bytes that are not valid in the text's encoding come out as
 * \xNN, so that nothing is lost and nothing is guessed. It is hostile still: control characters stay.
 */
#ifndef PGLOCKTOP_ENCODING_H
#define PGLOCKTOP_ENCODING_H

#include "pglocktop/arena.h"

#include <stdbool.h>
#include <stddef.h>

/* Open converters and a buffer; one thread at a time. */
struct decoder;

struct decoder *decoder_new(void);
void decoder_free(struct decoder *owned); /* takes NULL */

/*
 * Decodes `length` bytes into the arena. `encoding` is PostgreSQL's name ("EUC_JP", pg_encoding_to_char());
 * NULL, SQL_ASCII and one that this system cannot convert: UTF-8 where valid, else byte by byte.
 */
const char *decoder_decode(struct decoder *decoder, const char *encoding, const char *bytes, size_t length,
			   struct arena *arena);

/* The length of the valid UTF-8 sequence at the start of `length` > 0 bytes; 0: there is none, or it is a NUL. */
size_t encoding_utf8_sequence(const unsigned char *bytes, size_t length);

#endif
