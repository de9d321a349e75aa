/* Turns the bytes of a value into those of its file and back, in memory alone. Every function may
 * be called by any thread, an encoder or a decoder by one at a time. Functions return 0 or an error
 * of diskv's table. */
#ifndef CODEC_H
#define CODEC_H

#include "diskv.h"

#define CODEC_NAME_SIZE   16          /* bytes of a codec's name with its NUL */
#define CODEC_HEAD_MAX    512         /* bytes that tell whether a file is encoded */
#define CODEC_POINTS_MAX  1536        /* bytes of the points of a value */
#define CODEC_TABLE_MAX   512         /* bytes of a file that tell of points nearby */
#define CODEC_SEGMENT_MAX (64u << 10) /* bytes of a segment, in the file and in the value */

/* What each kind of codec embeds first. */
struct codec {
    const struct codec_ops *ops;
    const char *name; /* "gzip", "zlib" or the user's: without a level */
};

struct codec_encoder {
    const struct codec_ops *ops;
};

struct codec_decoder {
    const struct codec_ops *ops;
};

/* A part of a file that can be decoded without the rest, all at once. */
struct codec_segment {
    uint64_t value_offset, file_offset;
    size_t value_len, file_len;
};

struct codec_ops {
    void (*free)(struct codec *codec);

    /* True where a file of unknown origin, by its first bytes, is one that this codec decodes. */
    bool (*recognises)(const struct codec *codec, const void *head, size_t len);

    /* `size` is that of the value where it is known, else 0: what comes may be more or less. */
    int (*encoder_new)(const struct codec *codec, uint64_t size, struct codec_encoder **out);

    /* Takes and gives as much as there is; 0 when it wants more of either. After `end` no more
     * comes in: 1 once everything was given. */
    int (*encode)(struct codec_encoder *encoder, struct diskv_coding *io, bool end);

    /* After encode said 1: what lets a decoder begin elsewhere than at the start. Writes it to
     * `points` (CODEC_POINTS_MAX bytes) and returns its length, 0 for nothing. */
    size_t (*encoder_points)(const struct codec_encoder *encoder, void *points);

    /* After encode said 1: what is to be written over the file at `*file_offset`, where room was
     * left for it: `*table`, which is the encoder's, and its length, 0 for nothing. NULL where
     * there never is. */
    size_t (*encoder_table)(struct codec_encoder *encoder, const void **table,
                            uint64_t *file_offset);

    void (*encoder_free)(struct codec_encoder *encoder);

    /* A decoder of a file of `file_size` bytes. `points` (copied) are not trusted: what does not
     * fit the file is not used. */
    int (*decoder_new)(const struct codec *codec, uint64_t file_size, const void *points,
                       size_t points_len, struct codec_decoder **out);

    /* Says what of the file lets a decoder begin nearer to `offset` of the value: up to
     * CODEC_TABLE_MAX bytes at `*file_offset`, or 0. Shown to decoder_learn, which does not trust
     * it, before the seek. Both NULL where nothing does. */
    size_t (*decoder_table)(const struct codec_decoder *decoder, uint64_t offset,
                            uint64_t *file_offset);
    void (*decoder_learn)(struct codec_decoder *decoder, uint64_t offset, const void *data);

    /* Makes ready to decode what lies at `offset` of the value: the next input must be the file's
     * bytes from `*file_offset` on, and the next output is the value's from `*value_offset` on, at
     * or before `offset` and as near as can be had. Where going on from where the decoder is costs
     * least, these say where that is. */
    void (*decoder_seek)(struct codec_decoder *decoder, uint64_t offset, uint64_t *file_offset,
                         uint64_t *value_offset);

    /* After that seek: tells of the segment that has the value's byte at `offset`, and is true,
     * where decoding it at once is the fastest way to the next `len` bytes, or to those of them
     * that it has. Both NULL where a codec knows of no segments. */
    bool (*decoder_segment)(const struct codec_decoder *decoder, uint64_t offset, size_t len,
                            struct codec_segment *out);

    /* Decodes the segment's bytes, of which `in` has room for CODEC_SEGMENT_MAX and more than are
     * given may be overwritten. The decoder stays where it is. EAGAIN as below; ENOMEM. */
    int (*decode_segment)(struct codec_decoder *decoder, const struct codec_segment *segment,
                          void *in, void *out);

    /* Takes and gives as much as there is; 0 when it wants more of either, 1 at the end of the
     * value, EDECODE for what no encoder made or, with nothing to take, where the file ends too
     * early (the caller tells by `end`: no more input comes). EAGAIN: the points were wrong and
     * are forgotten; seek again. */
    int (*decode)(struct codec_decoder *decoder, struct diskv_coding *io, bool end);

    void (*decoder_free)(struct codec_decoder *decoder);
};

/* The codec of a name: "gzip" or "zlib", each also with a level ("gzip:9"). `dictionary` (copied)
 * may be NULL; only zlib has one. EINVAL. */
int codec_parse(const char *name, const void *dictionary, size_t dictionary_len,
                struct codec **out);

/* A codec of the user's functions, whose answers are checked. EINVAL where one is missing or the
 * name is not as it must be. */
int codec_user(const struct diskv_codec *user, struct codec **out);

/* NULL is fine. */
void codec_free(struct codec *codec);

#endif
