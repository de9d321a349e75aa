#include "deflate.h"

#include "points.h"
#include "table.h"
#include "util.h"

#include <assert.h>

#define BUFFER_SIZE   (64u << 10) /* lets zlib make its longest stored blocks */
#define MEMORY_LEVEL  8           /* zlib's default */
#define STORED_BLOCKS 15          /* written as they are after one that did not shrink */
#define OS_UNIX       3           /* what zlib says in a header of its own */

struct encoder {
    struct codec_encoder base;
    int level;
    z_stream z;
    struct points points;
    gz_header header;   /* with room for the table */
    uint8_t *table;     /* NULL for none */
    uInt spacing;       /* plain bytes between two flush points */
    uint64_t value_len; /* bytes taken */
    uint64_t file_len;  /* bytes made */
    uint64_t block_at;  /* file_len at the last flush point */
    uInt block_left;    /* bytes to take before the next */
    unsigned stored_left;
    bool ended;
    size_t given, held; /* bytes of the buffer */
    Bytef buffer[BUFFER_SIZE];
};

static struct encoder *encoder_of(struct codec_encoder *encoder)
{
    return container_of(encoder, struct encoder, base);
}

voidpf deflate_alloc(voidpf opaque, uInt items, uInt size)
{
    (void)opaque;
    return calloc(items, size);
}

void deflate_dealloc(voidpf opaque, voidpf memory)
{
    (void)opaque;
    free(memory);
}

/* Leaves room in the header for the points of a value that has more than an attribute keeps. */
static int table_reserve(struct encoder *e, uint64_t size)
{
    unsigned log2 = table_spacing_log2(size);
    if (!log2)
        return 0;
    size_t len = table_size(size, log2);
    e->table = calloc(1, len);
    if (!e->table)
        return DISKV_ENOMEM;
    table_begin(e->table, len);
    e->header = (gz_header){.os = OS_UNIX, .extra = e->table, .extra_len = (uInt)len};
    e->points.spacing_log2 = e->points.table_log2 = log2;
    e->spacing = e->block_left = 1u << log2;
    return deflateSetHeader(&e->z, &e->header) == Z_OK ? 0 : DISKV_EINVAL;
}

int deflate_encoder_new(const struct codec *base, uint64_t size, struct codec_encoder **out)
{
    const struct deflate *codec = deflate_of(base);
    struct encoder *e = calloc(1, sizeof *e);
    if (!e)
        return DISKV_ENOMEM;
    e->base.ops = base->ops;
    e->level = codec->level;
    e->z.zalloc = deflate_alloc;
    e->z.zfree = deflate_dealloc;
    e->points.spacing_log2 = DEFLATE_SPACING_LOG2;
    e->spacing = e->block_left = DEFLATE_SPACING;
    if (deflateInit2(&e->z, codec->level, Z_DEFLATED, codec->window_bits, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(e);
        return DISKV_ENOMEM;
    }
    if (codec->dictionary_len)
        deflateSetDictionary(&e->z, codec->dictionary, codec->dictionary_len);
    int rc = deflate_is_gzip(codec) ? table_reserve(e, size) : 0;
    if (rc) {
        deflate_encoder_free(&e->base);
        return rc;
    }
    *out = &e->base;
    return 0;
}

/* Fills the empty buffer from up to `len` bytes of the input. The buffer is zlib's to fill, not the
 * caller's memory, because a full flush into a few bytes at a time never ends. */
static int fill(struct encoder *e, struct diskv_coding *io, uInt len, int flush)
{
    e->z.next_in = io->in;
    e->z.avail_in = len;
    e->z.next_out = e->buffer;
    e->z.avail_out = sizeof e->buffer;
    int rc = deflate(&e->z, flush);
    assert(rc != Z_STREAM_ERROR);
    uInt taken = len - e->z.avail_in;
    io->in = e->z.next_in;
    io->in_len -= taken;
    e->value_len += taken;
    e->block_left -= taken;
    e->given = 0;
    e->held = sizeof e->buffer - e->z.avail_out;
    e->file_len += e->held;
    return rc;
}

/* After a full flush: notes the point and decides how the next block is written. */
static void begin_block(struct encoder *e)
{
    points_add(&e->points, e->value_len, e->file_len);
    if (e->points.table_log2 &&
        !table_add(e->table, e->header.extra_len, e->value_len >> e->points.table_log2, e->block_at,
                   e->file_len))
        e->points.table_log2 = 0; /* the value is larger than was said */
    if (e->stored_left)
        e->stored_left--;
    else if (e->file_len - e->block_at > e->spacing - e->spacing / 32)
        e->stored_left = STORED_BLOCKS;
    deflateParams(&e->z, e->stored_left ? Z_NO_COMPRESSION : e->level, Z_DEFAULT_STRATEGY);
    e->block_at = e->file_len;
    e->block_left = e->spacing;
}

/* One call of deflate. A block is flushed when a byte comes that is not its own, so that none is
 * at the end. */
static void step(struct encoder *e, struct diskv_coding *io, bool end)
{
    if (!e->block_left && io->in_len) {
        fill(e, io, 0, Z_FULL_FLUSH);
        if (e->z.avail_out)
            begin_block(e);
        return;
    }
    uInt len = io->in_len < e->block_left ? (uInt)io->in_len : e->block_left;
    bool last = end && len == io->in_len;
    e->ended = fill(e, io, len, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_END;
}

static void give(struct encoder *e, struct diskv_coding *io)
{
    size_t n = io->out_len < e->held ? io->out_len : e->held;
    if (!n)
        return;
    memcpy(io->out, e->buffer + e->given, n);
    io->out = (char *)io->out + n;
    io->out_len -= n;
    e->given += n;
    e->held -= n;
}

int deflate_encode(struct codec_encoder *base, struct diskv_coding *io, bool end)
{
    struct encoder *e = encoder_of(base);
    for (;;) {
        give(e, io);
        if (e->held)
            return 0;
        if (e->ended)
            return 1;
        if (!io->in_len && !end)
            return 0;
        step(e, io, end);
    }
}

size_t deflate_encoder_points(const struct codec_encoder *base, void *points)
{
    const struct encoder *e = (const struct encoder *)base;
    return points_write(&e->points, e->file_len, points);
}

size_t deflate_encoder_table(struct codec_encoder *base, const void **table, uint64_t *file_offset)
{
    struct encoder *e = encoder_of(base);
    if (!e->points.table_log2)
        return 0;
    table_end(e->table, e->header.extra_len, e->file_len);
    *table = e->table;
    *file_offset = TABLE_AT;
    return e->header.extra_len;
}

void deflate_encoder_free(struct codec_encoder *base)
{
    if (!base)
        return;
    struct encoder *e = encoder_of(base);
    deflateEnd(&e->z);
    free(e->table);
    free(e);
}
