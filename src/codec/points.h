/* Where flush points lie in a compressed file: places at which a decoder can begin. */
#ifndef CODEC_POINTS_H
#define CODEC_POINTS_H

#include "codec.h"

#define POINTS_MAX 512 /* even, for halving */

/* Offset i of the file is where the value's byte (i + 1) << spacing_log2 begins. */
struct points {
    unsigned spacing_log2;
    unsigned table_log2; /* spacing of those in the file's own table; 0 where it has none */
    size_t count;
    uint64_t offsets[POINTS_MAX];
};

/* Adds the point at `value_offset`, where that is the next of the table. One that is full loses
 * every other point instead, and goes on at twice the spacing. */
void points_add(struct points *points, uint64_t value_offset, uint64_t file_offset);

/* Writes the table to `out` (CODEC_POINTS_MAX bytes), thinned until it fits: its length, 0 where
 * there are no points. */
size_t points_write(const struct points *points, uint64_t file_size, void *out);

/* Reads what points_write wrote of a file of `file_size` bytes; from anything else, no points. */
void points_read(struct points *points, uint64_t file_size, const void *data, size_t len);

#endif
