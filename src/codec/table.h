/* The table of flush points in a gzip file's header: too many for an attribute. It is a subfield of
 * the extra field (RFC 1952, section 2.3.1.1) with the id "DV", in blocks that can be read one by
 * one, each with the file's offset where its first segment begins (8 bytes, little endian), the
 * lengths of its segments (3 bytes each; 0 behind the last) and a checksum. */
#ifndef CODEC_TABLE_H
#define CODEC_TABLE_H

#include "codec.h"

#define TABLE_AT           12 /* in the file: where the extra field's content begins */
#define TABLE_BLOCK_POINTS 64
#define TABLE_BLOCK_SIZE   (8 + 3 * TABLE_BLOCK_POINTS + 8)

/* Point `first` + i, where the value's byte (`first` + i) << spacing_log2 begins, is at offset i of
 * the file. */
struct table_block {
    uint64_t first;
    size_t count;
    uint64_t offsets[TABLE_BLOCK_POINTS];
};

/* The spacing for a value of `size` bytes; 0 where an attribute has room for its points, or no
 * table has. */
unsigned table_spacing_log2(uint64_t size);

/* Bytes of the extra field for such a value. */
size_t table_size(uint64_t size, unsigned spacing_log2);

/* Begins a table in `len` zeroed bytes. */
void table_begin(uint8_t *table, size_t len);

/* Adds point `number`, counted from 1; false where there is no room for it. `last` is the offset of
 * the one before, 0 for none. */
bool table_add(uint8_t *table, size_t len, uint64_t number, uint64_t last, uint64_t offset);

/* Puts down the checksums, which tell of which file the table is. */
void table_end(uint8_t *table, size_t len, uint64_t file_size);

/* Where in the file the block lies that has the point `number`. */
uint64_t table_block_at(uint64_t number);

/* Reads that block; one that is not as table_end left it has no points. */
void table_block_read(struct table_block *block, uint64_t number, uint64_t file_size,
                      const uint8_t data[static TABLE_BLOCK_SIZE]);

#endif
