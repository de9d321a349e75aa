/* Values, and a writer and a reader over a codec as a store has them, but in memory. */
#ifndef CODEC_HELPERS_H
#define CODEC_HELPERS_H

#include "codec.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

static inline void bytes_add(struct bytes *b, const void *data, size_t len)
{
    if (b->len + len > b->cap) {
        b->cap = 2 * (b->len + len);
        b->data = realloc(b->data, b->cap);
        assert_non_null(b->data);
    }
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
}

static inline void bytes_free(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

static inline bool bytes_equal(const struct bytes *a, const struct bytes *b)
{
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

/* --- Values --- */

static inline void add_random(struct bytes *b, struct random *random, size_t len)
{
    for (size_t end = b->len + len; b->len < end;) {
        uint64_t n = random_next(random);
        bytes_add(b, &n, end - b->len < sizeof n ? end - b->len : sizeof n);
    }
}

/* Words and numbers, which shrink to about a third. */
static inline void add_text(struct bytes *b, struct random *random, size_t len)
{
    static const char *const words[] = {"store", "value", "key",   "a",    "of", "the", "\n",
                                        "block", "file",  "bytes", "that", "is", "and", "no"};
    for (size_t end = b->len + len; b->len < end;) {
        char text[40];
        size_t which = random_below(random, sizeof words / sizeof *words);
        int n = snprintf(text, sizeof text, "%s %zu ", words[which], random_below(random, 1000));
        bytes_add(b, text, (size_t)n < end - b->len ? (size_t)n : end - b->len);
    }
}

/* --- Writing --- */

struct encoded {
    struct bytes file;
    uint8_t points[CODEC_POINTS_MAX];
    size_t points_len;
};

/* Encodes `value`, in pieces of at most so many bytes. */
static inline struct encoded encode(const struct codec *codec, const struct bytes *value,
                                    size_t in_piece, size_t out_piece)
{
    struct encoded encoded = {0};
    struct codec_encoder *encoder;
    assert_int_equal(codec->ops->encoder_new(codec, 0, &encoder), 0);
    uint8_t *out = malloc(out_piece);
    size_t at = 0;
    int rc = 0;
    while (!rc) {
        size_t left = value->len - at, piece = left < in_piece ? left : in_piece;
        struct diskv_coding io = {piece ? value->data + at : NULL, piece, out, out_piece};
        rc = codec->ops->encode(encoder, &io, at + piece == value->len);
        assert_true(rc == 0 || rc == 1);
        assert_true(rc || io.in_len < piece || io.out_len < out_piece);
        at += piece - io.in_len;
        bytes_add(&encoded.file, out, out_piece - io.out_len);
    }
    assert_int_equal(at, value->len);
    encoded.points_len = codec->ops->encoder_points(encoder, encoded.points);
    assert_true(encoded.points_len <= CODEC_POINTS_MAX);
    codec->ops->encoder_free(encoder);
    free(out);
    return encoded;
}

static inline void encoded_free(struct encoded *encoded)
{
    bytes_free(&encoded->file);
}

/* --- Reading --- */

struct reader {
    const struct codec *codec;
    const struct bytes *file;
    struct codec_decoder *decoder;
    size_t in_piece, out_piece;
    size_t taken; /* bytes of the file, by all reads */
    size_t again; /* times that points were found wrong */
};

static inline struct reader reader_open(const struct codec *codec, const struct bytes *file,
                                        const void *points, size_t points_len)
{
    struct reader r = {.codec = codec, .file = file, .in_piece = 4096, .out_piece = 8192};
    assert_int_equal(codec->ops->decoder_new(codec, file->len, points, points_len, &r.decoder), 0);
    return r;
}

static inline void reader_close(struct reader *r)
{
    r->codec->ops->decoder_free(r->decoder);
}

/* Reads up to `len` bytes at `offset`: 0 when that much was read, 1 where the value ends, an error.
 * Bytes read before are added to `out`. */
static inline int reader_read(struct reader *r, uint64_t offset, size_t len, struct bytes *out)
{
    uint8_t *piece = malloc(r->out_piece);
    uint64_t file_at, value_at;
    size_t got = 0;
    r->codec->ops->decoder_seek(r->decoder, offset, &file_at, &value_at);
    int rc = 0;
    while (!rc && got < len) {
        assert_true(value_at <= offset + got && file_at <= r->file->len);
        uint64_t skip = offset + got - value_at, want = skip ? skip : len - got;
        size_t room = want < r->out_piece ? (size_t)want : r->out_piece;
        size_t left = r->file->len - (size_t)file_at, in = left < r->in_piece ? left : r->in_piece;
        struct diskv_coding io = {in ? r->file->data + file_at : NULL, in, piece, room};
        rc = r->codec->ops->decode(r->decoder, &io, in == left);
        if (rc == DISKV_EAGAIN) {
            assert_true(r->again++ < 1000);
            r->codec->ops->decoder_seek(r->decoder, offset + got, &file_at, &value_at);
            rc = 0;
            continue;
        }
        assert_true(rc || io.in_len < in || io.out_len < room);
        if (!skip) {
            bytes_add(out, piece, room - io.out_len);
            got += room - io.out_len;
        }
        r->taken += in - io.in_len;
        file_at += in - io.in_len;
        value_at += room - io.out_len;
    }
    free(piece);
    return rc;
}

/* Reads it all with a decoder of its own. */
static inline int decode(const struct codec *codec, const struct bytes *file, size_t in_piece,
                         size_t out_piece, struct bytes *out)
{
    struct reader r = reader_open(codec, file, NULL, 0);
    r.in_piece = in_piece;
    r.out_piece = out_piece;
    int rc = reader_read(&r, 0, SIZE_MAX, out);
    reader_close(&r);
    return rc;
}

static inline void assert_reads(struct reader *r, uint64_t offset, size_t len,
                                const struct bytes *value)
{
    struct bytes out = {0};
    size_t left = offset < value->len ? value->len - (size_t)offset : 0;
    int rc = reader_read(r, offset, len, &out);
    assert_true(rc == (len > left) || (rc == 1 && len == left));
    assert_int_equal(out.len, len < left ? len : left);
    if (out.len)
        assert_memory_equal(out.data, value->data + offset, out.len);
    bytes_free(&out);
}

static inline void assert_decodes(const struct codec *codec, const struct bytes *file,
                                  const struct bytes *value, size_t in_piece, size_t out_piece)
{
    struct bytes out = {0};
    assert_int_equal(decode(codec, file, in_piece, out_piece, &out), 1);
    assert_true(bytes_equal(&out, value));
    bytes_free(&out);
}

/* --- gzip, zlib and text --- */

static inline struct codec *codec_of(const char *name)
{
    struct codec *codec;
    assert_int_equal(codec_parse(name, NULL, 0, &codec), 0);
    return codec;
}

static inline struct bytes text_of(size_t len)
{
    struct random random = random_new();
    struct bytes value = {0};
    add_text(&value, &random, len);
    return value;
}

#endif
