/* What the parts of gzip and zlib share: both are deflate (RFC 1951) with a frame around it. */
#ifndef CODEC_DEFLATE_H
#define CODEC_DEFLATE_H

#include "codec.h"

#define ZLIB_CONST
#include <zlib.h>

/* Plain bytes between two flush points. They make the files of texts, logs, sources and programs
 * 0.6 to 2.9 % larger, and a read of 64 KiB elsewhere takes half a millisecond. Half the spacing
 * doubles that loss for three quarters of the time. */
#define DEFLATE_SPACING_LOG2 18
#define DEFLATE_SPACING      (1u << DEFLATE_SPACING_LOG2)

struct deflate {
    struct codec base;
    int window_bits; /* as zlib wants them, the frame included */
    int level;
    uInt dictionary_len; /* 0 for none */
    Bytef dictionary[];
};

/* The functions of `codec_ops`. */
int deflate_encoder_new(const struct codec *codec, uint64_t size, struct codec_encoder **out);
int deflate_encode(struct codec_encoder *encoder, struct diskv_coding *io, bool end);
size_t deflate_encoder_points(const struct codec_encoder *encoder, void *points);
size_t deflate_encoder_table(struct codec_encoder *encoder, const void **table,
                             uint64_t *file_offset);
void deflate_encoder_free(struct codec_encoder *encoder);

int deflate_decoder_new(const struct codec *codec, uint64_t file_size, const void *points,
                        size_t points_len, struct codec_decoder **out);
size_t deflate_decoder_table(const struct codec_decoder *decoder, uint64_t offset,
                             uint64_t *file_offset);
void deflate_decoder_learn(struct codec_decoder *decoder, uint64_t offset, const void *data);
void deflate_decoder_seek(struct codec_decoder *decoder, uint64_t offset, uint64_t *file_offset,
                          uint64_t *value_offset);
bool deflate_decoder_segment(const struct codec_decoder *decoder, uint64_t offset, size_t len,
                             struct codec_segment *out);
int deflate_decode_segment(struct codec_decoder *decoder, const struct codec_segment *segment,
                           void *in, void *out);
int deflate_decode(struct codec_decoder *decoder, struct diskv_coding *io, bool end);
void deflate_decoder_free(struct codec_decoder *decoder);

bool deflate_recognises(const struct codec *codec, const void *head, size_t len);

/* zlib's memory: calloc and free. */
voidpf deflate_alloc(voidpf opaque, uInt items, uInt size);
void deflate_dealloc(voidpf opaque, voidpf memory);

static inline const struct deflate *deflate_of(const struct codec *codec)
{
    return (const struct deflate *)codec;
}

static inline bool deflate_is_gzip(const struct deflate *codec)
{
    return codec->window_bits > MAX_WBITS;
}

#endif
