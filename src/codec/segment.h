/* What lies between two flush points, inflated at once: libdeflate, which takes whole streams only,
 * needs about half of zlib's time. */
#ifndef CODEC_SEGMENT_H
#define CODEC_SEGMENT_H

#include "codec.h"

#include <libdeflate.h>

#define SEGMENT_MARKER     "\0\0\xff\xff" /* what a flush point lies behind */
#define SEGMENT_MARKER_LEN 4

/* An empty last block, which makes a deflate stream of a segment. */
#define SEGMENT_END     "\x03\0"
#define SEGMENT_END_LEN 2

/* Inflates a segment, from the marker before it to its own, that must make `out_len` bytes; behind
 * it `in` has room for SEGMENT_END_LEN bytes, which are overwritten. Makes `*decompressor`, the
 * caller's, where it is NULL. ENOMEM, EDECODE. */
int segment_inflate(struct libdeflate_decompressor **decompressor, uint8_t *in, size_t in_len,
                    void *out, size_t out_len);

#endif
