#include "points.h"

#include "util.h"

#include <xxhash.h>

#define VERSION          1
#define VERSION_TABLE    2  /* with the spacing of a table in the file */
#define SPACING_LOG2_MAX 48 /* keeps offsets below 2^64 */
#define BYTES_BEFORE_MIN 5  /* a flush point follows an empty stored block */
#define CHECKSUM_LEN     sizeof(XXH64_canonical_t)
#define NUMBERS_MAX      (CODEC_POINTS_MAX - CHECKSUM_LEN)

/* Drops every other point. */
static void thin(struct points *points)
{
    points->spacing_log2++;
    points->count /= 2;
    for (size_t i = 0; i < points->count; i++)
        points->offsets[i] = points->offsets[2 * i + 1];
}

void points_add(struct points *points, uint64_t value_offset, uint64_t file_offset)
{
    if (value_offset != (uint64_t)(points->count + 1) << points->spacing_log2)
        return;
    if (points->count < POINTS_MAX)
        points->offsets[points->count++] = file_offset;
    else
        thin(points); /* of which this one would have been dropped */
}

/* Numbers are LEB128: seven bits a byte, the lowest first, the eighth says that more follow. */
struct numbers {
    uint8_t *data;
    size_t len; /* more than NUMBERS_MAX: they do not fit */
};

static void put(struct numbers *out, uint64_t n)
{
    do {
        uint8_t more = n > 0x7F ? 0x80 : 0;
        if (out->len < NUMBERS_MAX)
            out->data[out->len] = (uint8_t)((n & 0x7F) | more);
        out->len++;
        n >>= 7;
    } while (n);
}

static bool get(const uint8_t **data, const uint8_t *end, uint64_t *n)
{
    *n = 0;
    for (unsigned shift = 0; *data < end && shift < 64; shift += 7) {
        uint8_t byte = *(*data)++;
        *n |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool put_all(const struct points *points, uint64_t file_size, struct numbers *out)
{
    out->len = 0;
    put(out, points->table_log2 ? VERSION_TABLE : VERSION);
    put(out, points->spacing_log2);
    put(out, file_size);
    put(out, points->count);
    if (points->table_log2)
        put(out, points->table_log2);
    uint64_t last = 0;
    for (size_t i = 0; i < points->count; i++) {
        put(out, points->offsets[i] - last);
        last = points->offsets[i];
    }
    return out->len <= NUMBERS_MAX;
}

size_t points_write(const struct points *points, uint64_t file_size, void *out)
{
    struct points some = *points;
    struct numbers numbers = {.data = out};
    while (!put_all(&some, file_size, &numbers))
        thin(&some);
    if (!some.count)
        return 0;
    XXH64_canonical_t checksum;
    XXH64_canonicalFromHash(&checksum, XXH3_64bits(out, numbers.len));
    memcpy(numbers.data + numbers.len, &checksum, sizeof checksum);
    return numbers.len + sizeof checksum;
}

/* Only the second version has a table. */
static bool get_table(struct points *points, uint64_t version, const uint8_t **data,
                      const uint8_t *end)
{
    uint64_t table_log2 = 0;
    if (version == VERSION_TABLE && (!get(data, end, &table_log2) || !table_log2))
        return false;
    points->table_log2 = (unsigned)table_log2;
    return version <= VERSION_TABLE && table_log2 <= SPACING_LOG2_MAX;
}

static bool get_all(struct points *points, uint64_t file_size, const uint8_t *data,
                    const uint8_t *end)
{
    uint64_t version, spacing_log2, size, count, step, at = 0;
    if (!get(&data, end, &version) || version < VERSION || !get(&data, end, &spacing_log2) ||
        spacing_log2 > SPACING_LOG2_MAX || !get(&data, end, &size) || size != file_size ||
        !get(&data, end, &count) || count > POINTS_MAX || !get_table(points, version, &data, end))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!get(&data, end, &step) || step < BYTES_BEFORE_MIN || step >= file_size - at)
            return false;
        points->offsets[i] = at += step;
    }
    points->spacing_log2 = (unsigned)spacing_log2;
    points->count = (size_t)count;
    return data == end;
}

void points_read(struct points *points, uint64_t file_size, const void *data, size_t len)
{
    XXH64_canonical_t checksum;
    points->count = points->table_log2 = 0;
    if (len < sizeof checksum || len > CODEC_POINTS_MAX)
        return;
    const uint8_t *end = (const uint8_t *)data + len - sizeof checksum;
    memcpy(&checksum, end, sizeof checksum);
    if (XXH3_64bits(data, len - sizeof checksum) != XXH64_hashFromCanonical(&checksum) ||
        !get_all(points, file_size, data, end))
        points->count = points->table_log2 = 0;
}
