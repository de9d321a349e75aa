/* Answers whose body is a value or parts of it, streamed. */
#ifndef BODY_H
#define BODY_H

#include "answer.h"
#include "range.h"

#define BODY_TYPE_SIZE 64 /* bytes of a multipart media type with its NUL */

/* The whole value. The answer takes over the reader, unless it is broken. */
struct answer body_whole(struct request *r, diskv_reader *reader);

/* One part of it, as it is; or several as multipart/byteranges (RFC 9110, section 14.6), each with
 * the media type `type`: then `multipart` is set to the media type of the whole. The answer takes
 * over the reader, unless it is broken. */
struct answer body_parts(struct request *r, diskv_reader *reader, const struct range *ranges,
                         size_t count, const char *type, char multipart[BODY_TYPE_SIZE]);

/* Prints the value of a Content-Range. */
#define BODY_RANGE_SIZE 80
void body_print_range(const struct range *range, uint64_t size, char out[BODY_RANGE_SIZE]);

#endif
