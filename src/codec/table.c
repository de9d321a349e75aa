#include "table.h"

#include "deflate.h"
#include "points.h"

#include <xxhash.h>

#define FRAME            4 /* id and length of the subfield */
#define LENGTHS_AT       8
#define CHECKSUM_AT      (LENGTHS_AT + 3 * TABLE_BLOCK_POINTS)
#define BLOCKS_MAX       ((UINT16_MAX - FRAME) / TABLE_BLOCK_SIZE)
#define SPACING_LOG2_MIN 16
#define SPACING_LOG2_MAX 22 /* so a segment's length has room, whatever deflate makes of it */
#define POINT_BYTES      3  /* in an attribute */
#define BYTES_BEFORE_MIN 5  /* a flush point follows an empty stored block */

_Static_assert(TABLE_BLOCK_SIZE <= CODEC_TABLE_MAX, "whoever decodes has room for a block");

static uint64_t blocks(uint64_t size, unsigned spacing_log2)
{
    uint64_t points = (size - 1) >> spacing_log2;
    return (points + TABLE_BLOCK_POINTS - 1) / TABLE_BLOCK_POINTS;
}

unsigned table_spacing_log2(uint64_t size)
{
    if (size >> DEFLATE_SPACING_LOG2 < CODEC_POINTS_MAX / POINT_BYTES)
        return 0;
    unsigned log2 = SPACING_LOG2_MIN;
    while (blocks(size, log2) > BLOCKS_MAX)
        log2++;
    return log2 <= SPACING_LOG2_MAX ? log2 : 0;
}

size_t table_size(uint64_t size, unsigned spacing_log2)
{
    return FRAME + (size_t)blocks(size, spacing_log2) * TABLE_BLOCK_SIZE;
}

static void put(uint8_t *out, size_t bytes, uint64_t n)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(n >> 8 * i);
}

static uint64_t get(const uint8_t *in, size_t bytes)
{
    uint64_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n |= (uint64_t)in[i] << 8 * i;
    return n;
}

void table_begin(uint8_t *table, size_t len)
{
    table[0] = 'D';
    table[1] = 'V';
    put(table + 2, 2, len - FRAME);
}

bool table_add(uint8_t *table, size_t len, uint64_t number, uint64_t last, uint64_t offset)
{
    uint64_t block = (number - 1) / TABLE_BLOCK_POINTS, i = (number - 1) % TABLE_BLOCK_POINTS;
    if (block >= (len - FRAME) / TABLE_BLOCK_SIZE)
        return false;
    uint8_t *at = table + FRAME + block * TABLE_BLOCK_SIZE;
    if (i == 0)
        put(at, LENGTHS_AT, last);
    put(at + LENGTHS_AT + 3 * i, 3, offset - last);
    return true;
}

static uint64_t checksum(const uint8_t *block, uint64_t number, uint64_t file_size)
{
    return XXH3_64bits_withSeed(block, CHECKSUM_AT, file_size + (number << 48));
}

void table_end(uint8_t *table, size_t len, uint64_t file_size)
{
    uint8_t *at = table + FRAME;
    for (uint64_t i = 0; i < (len - FRAME) / TABLE_BLOCK_SIZE; i++, at += TABLE_BLOCK_SIZE)
        put(at + CHECKSUM_AT, 8, checksum(at, i, file_size));
}

uint64_t table_block_at(uint64_t number)
{
    return TABLE_AT + FRAME + (number - 1) / TABLE_BLOCK_POINTS * TABLE_BLOCK_SIZE;
}

void table_block_read(struct table_block *block, uint64_t number, uint64_t file_size,
                      const uint8_t data[static TABLE_BLOCK_SIZE])
{
    uint64_t index = (number - 1) / TABLE_BLOCK_POINTS, at = get(data, LENGTHS_AT), length;
    block->first = index * TABLE_BLOCK_POINTS + 1;
    block->count = 0;
    if (get(data + CHECKSUM_AT, 8) != checksum(data, index, file_size))
        return;
    for (size_t i = 0; i < TABLE_BLOCK_POINTS; i++) {
        length = get(data + LENGTHS_AT + 3 * i, 3);
        if (length < BYTES_BEFORE_MIN || at >= file_size || length >= file_size - at)
            return;
        block->offsets[block->count++] = at += length;
    }
}
