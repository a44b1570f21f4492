/*
 * fingerprint.h - whether two queries are the same but for their literals.
 */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include <stdint.h>

/*
 * A hash of the query's text without what varies from call to call: string constants ('…', E'…', $tag$…$tag$), numbers,
 * comments, the amount of white space. Quoted identifiers count as they are. Reads the text once; any bytes will do, a
 * text that was cut off in the middle of a constant, too.
 */
uint64_t query_fingerprint(const char *text);

#endif
