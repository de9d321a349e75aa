#include "deflate.h"

#include "points.h"
#include "segment.h"
#include "table.h"
#include "util.h"

#define STEP_MAX (1u << 30) /* bytes for one call of zlib, which counts in uInt */

static const uint8_t gzip_magic[] = {0x1F, 0x8B};

enum state {
    BEFORE_POINT,  /* at the flush marker */
    INSIDE,        /* in what zlib reads */
    BEHIND_MEMBER, /* of a gzip file, where another may follow */
    AT_END,
};

struct decoder {
    struct codec_decoder base;
    const struct deflate *codec;
    z_stream z; /* unless `is_set`, to be made or reset for what is read next */
    bool is_set;
    uint64_t file_size;
    uint64_t file_offset;  /* of the next byte to take */
    uint64_t value_offset; /* of the next byte to give */
    enum state state;
    size_t matched;  /* bytes of the marker or the magic */
    bool from_point; /* began at one, so that no frame is read and no checksum verified */
    int failed;      /* the error that only a seek ends */
    struct points points;
    struct table_block near;                 /* points of the file's table */
    struct libdeflate_decompressor *at_once; /* for segments; NULL before the first */
};

static struct decoder *decoder_of(struct codec_decoder *decoder)
{
    return container_of(decoder, struct decoder, base);
}

int deflate_decoder_new(const struct codec *base, uint64_t file_size, const void *points,
                        size_t points_len, struct codec_decoder **out)
{
    const struct deflate *codec = deflate_of(base);
    struct decoder *d = calloc(1, sizeof *d);
    if (!d)
        return DISKV_ENOMEM;
    d->base.ops = base->ops;
    d->codec = codec;
    d->z.zalloc = deflate_alloc;
    d->z.zfree = deflate_dealloc;
    d->file_size = file_size;
    d->state = INSIDE;
    points_read(&d->points, file_size, points, points_len);
    *out = &d->base;
    return 0;
}

/* --- Seeking --- */

static void begin(struct decoder *d)
{
    d->is_set = false;
    d->file_offset = 0;
    d->value_offset = 0;
    d->state = INSIDE;
}

/* Where a decoder can begin. */
struct place {
    uint64_t value_offset; /* 0 at the start */
    uint64_t file_offset;
};

static struct place place_for(const struct decoder *d, uint64_t offset)
{
    struct place place = {0};
    uint64_t point = d->points.count ? offset >> d->points.spacing_log2 : 0;
    if (point > d->points.count)
        point = d->points.count;
    if (point)
        place = (struct place){point << d->points.spacing_log2, d->points.offsets[point - 1]};
    uint64_t near = d->near.count ? offset >> d->points.table_log2 : 0;
    if (near < d->near.first || !near)
        return place;
    size_t i =
        near - d->near.first < d->near.count ? (size_t)(near - d->near.first) : d->near.count - 1;
    uint64_t at = (d->near.first + i) << d->points.table_log2;
    return at > place.value_offset ? (struct place){at, d->near.offsets[i]} : place;
}

static void begin_at_point(struct decoder *d, struct place place)
{
    d->is_set = false;
    d->file_offset = place.file_offset - SEGMENT_MARKER_LEN;
    d->value_offset = place.value_offset;
    d->state = BEFORE_POINT;
    d->matched = 0;
}

size_t deflate_decoder_table(const struct codec_decoder *base, uint64_t offset,
                             uint64_t *file_offset)
{
    const struct decoder *d = (const struct decoder *)base;
    uint64_t point = d->points.table_log2 ? offset >> d->points.table_log2 : 0;
    bool known =
        d->near.count && point >= d->near.first && point - d->near.first < TABLE_BLOCK_POINTS;
    if (!point || known)
        return 0;
    *file_offset = table_block_at(point);
    return TABLE_BLOCK_SIZE;
}

void deflate_decoder_learn(struct codec_decoder *base, uint64_t offset, const void *data)
{
    struct decoder *d = decoder_of(base);
    table_block_read(&d->near, offset >> d->points.table_log2, d->file_size, data);
}

void deflate_decoder_seek(struct codec_decoder *base, uint64_t offset, uint64_t *file_offset,
                          uint64_t *value_offset)
{
    struct decoder *d = decoder_of(base);
    struct place place = place_for(d, offset);
    bool ahead = !d->failed && d->value_offset <= offset;
    if (!ahead || place.value_offset > d->value_offset) {
        d->failed = 0;
        d->from_point = place.value_offset > 0;
        if (d->from_point)
            begin_at_point(d, place);
        else
            begin(d);
    }
    *file_offset = d->file_offset;
    *value_offset = d->value_offset;
}

/* --- Decoding --- */

static void take(struct decoder *d, struct diskv_coding *io, size_t n)
{
    if (!n)
        return; /* `in` may be NULL */
    io->in = (const char *)io->in + n;
    io->in_len -= n;
    d->file_offset += n;
}

static void give(struct decoder *d, struct diskv_coding *io, size_t n)
{
    if (!n)
        return;
    io->out = (char *)io->out + n;
    io->out_len -= n;
    d->value_offset += n;
}

/* The steps return 1 to go on, 0 where they want more of either, or an error. */
static int read_marker(struct decoder *d, struct diskv_coding *io)
{
    if (!io->in_len)
        return 0;
    if (*(const char *)io->in != SEGMENT_MARKER[d->matched])
        return DISKV_EDECODE;
    take(d, io, 1);
    if (++d->matched == SEGMENT_MARKER_LEN)
        d->state = INSIDE;
    return 1;
}

/* Skips to the next member where one follows; as gzip does, takes anything else for the end. */
static int read_magic(struct decoder *d, struct diskv_coding *io, bool end)
{
    if (!io->in_len && !end)
        return 0;
    if (!io->in_len || *(const uint8_t *)io->in != gzip_magic[d->matched]) {
        d->state = AT_END;
        return 1;
    }
    take(d, io, 1);
    if (++d->matched < sizeof gzip_magic)
        return 1;
    Bytef none;
    inflateReset(&d->z);
    d->z.next_in = gzip_magic;
    d->z.avail_in = sizeof gzip_magic;
    d->z.next_out = &none;
    d->z.avail_out = 0;
    inflate(&d->z, Z_NO_FLUSH);
    d->state = INSIDE;
    return 1;
}

/* At the end of what zlib read. One that began at a point has the frame's trailer before it, and
 * behind that the file ends: points are of files with a single member. */
static int end_member(struct decoder *d)
{
    bool gzip = deflate_is_gzip(d->codec);
    uint64_t trailer = gzip ? 8 : 4;
    if (d->from_point && d->file_size - d->file_offset != trailer)
        return DISKV_EDECODE;
    d->state = gzip && !d->from_point ? BEHIND_MEMBER : AT_END;
    d->matched = 0;
    return 1;
}

static int set_dictionary(struct decoder *d)
{
    int rc = inflateSetDictionary(&d->z, d->codec->dictionary, d->codec->dictionary_len);
    return rc == Z_OK ? 1 : rc == Z_MEM_ERROR ? DISKV_ENOMEM : DISKV_EDECODE;
}

static int run(struct decoder *d, struct diskv_coding *io)
{
    Bytef none;
    uInt in_len = io->in_len < STEP_MAX ? (uInt)io->in_len : STEP_MAX;
    uInt out_len = io->out_len < STEP_MAX ? (uInt)io->out_len : STEP_MAX;
    d->z.next_in = io->in;
    d->z.avail_in = in_len;
    d->z.next_out = out_len ? io->out : &none;
    d->z.avail_out = out_len;
    int rc = inflate(&d->z, Z_NO_FLUSH);
    take(d, io, in_len - d->z.avail_in);
    give(d, io, out_len - d->z.avail_out);
    switch (rc) {
    case Z_OK:
        return io->in_len && io->out_len;
    case Z_BUF_ERROR:
        return 0;
    case Z_STREAM_END:
        return end_member(d);
    case Z_NEED_DICT:
        return set_dictionary(d);
    case Z_MEM_ERROR:
        return DISKV_ENOMEM;
    default:
        return DISKV_EDECODE;
    }
}

static int set_zlib(struct decoder *d)
{
    int bits = d->from_point ? -MAX_WBITS : d->codec->window_bits;
    int rc = d->z.state ? inflateReset2(&d->z, bits) : inflateInit2(&d->z, bits);
    d->is_set = rc == Z_OK;
    return d->is_set ? 1 : DISKV_ENOMEM;
}

static int step(struct decoder *d, struct diskv_coding *io, bool end)
{
    if (!d->is_set)
        return set_zlib(d);
    if (d->state == BEFORE_POINT)
        return read_marker(d, io);
    if (d->state == BEHIND_MEMBER)
        return read_magic(d, io, end);
    return run(d, io);
}

static int forget_points(struct decoder *d)
{
    d->points.count = d->near.count = 0;
    d->points.table_log2 = 0;
    return DISKV_EAGAIN;
}

int deflate_decode(struct codec_decoder *base, struct diskv_coding *io, bool end)
{
    struct decoder *d = decoder_of(base);
    const struct diskv_coding before = *io;
    int rc = d->failed ? d->failed : 1;
    while (rc == 1 && d->state != AT_END)
        rc = step(d, io, end);
    if (rc == 0 && end && !io->in_len && io->out_len == before.out_len && io->out_len)
        rc = DISKV_EDECODE;
    if (rc == DISKV_EDECODE && d->from_point) {
        *io = before;
        rc = forget_points(d);
    }
    if (rc < 0)
        d->failed = rc;
    return rc;
}

/* --- Segments --- */

/* Of a segment zlib inflates only what lies between where it is and the last byte that is wanted,
 * but takes about twice the time for that. Where it verifies a checksum it goes on. */
bool deflate_decoder_segment(const struct codec_decoder *base, uint64_t offset, size_t len,
                             struct codec_segment *out)
{
    const struct decoder *d = (const struct decoder *)base;
    unsigned log2 = d->points.table_log2;
    if (!d->from_point || d->failed || d->near.count < 2 || UINT64_C(1) << log2 > CODEC_SEGMENT_MAX)
        return false;
    uint64_t point = offset >> log2, i = point - d->near.first;
    if (point < d->near.first || i >= d->near.count - 1)
        return false;
    uint64_t at = point << log2, spacing = UINT64_C(1) << log2;
    uint64_t from = d->value_offset > at ? d->value_offset : at;
    uint64_t left = at + spacing - offset, end = offset + (len < left ? len : left);
    *out = (struct codec_segment){
        .value_offset = at,
        .file_offset = d->near.offsets[i] - SEGMENT_MARKER_LEN,
        .value_len = spacing,
        .file_len = d->near.offsets[i + 1] - d->near.offsets[i] + SEGMENT_MARKER_LEN,
    };
    return 2 * (end - from) >= spacing && out->file_len <= CODEC_SEGMENT_MAX - SEGMENT_END_LEN;
}

int deflate_decode_segment(struct codec_decoder *base, const struct codec_segment *segment,
                           void *in, void *out)
{
    struct decoder *d = decoder_of(base);
    int rc = segment_inflate(&d->at_once, in, segment->file_len, out, segment->value_len);
    if (rc == DISKV_EDECODE)
        d->failed = rc = forget_points(d);
    return rc;
}

void deflate_decoder_free(struct codec_decoder *base)
{
    if (!base)
        return;
    struct decoder *d = decoder_of(base);
    inflateEnd(&d->z);
    libdeflate_free_decompressor(d->at_once);
    free(d);
}
