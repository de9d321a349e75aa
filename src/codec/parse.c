#include "deflate.h"

#include "util.h"

#include <limits.h>

#define GZIP_BITS (MAX_WBITS + 16) /* so zlib wants a gzip frame asked for */

static void deflate_free(struct codec *codec)
{
    free(container_of(codec, struct deflate, base));
}

static const struct codec_ops deflate_ops = {
    .free = deflate_free,
    .recognises = deflate_recognises,
    .encoder_new = deflate_encoder_new,
    .encode = deflate_encode,
    .encoder_points = deflate_encoder_points,
    .encoder_table = deflate_encoder_table,
    .encoder_free = deflate_encoder_free,
    .decoder_new = deflate_decoder_new,
    .decoder_table = deflate_decoder_table,
    .decoder_learn = deflate_decoder_learn,
    .decoder_seek = deflate_decoder_seek,
    .decoder_segment = deflate_decoder_segment,
    .decode_segment = deflate_decode_segment,
    .decode = deflate_decode,
    .decoder_free = deflate_decoder_free,
};

/* Splits "gzip", "zlib:9", … into a codec's own name and a level. */
static int parse_name(const char *text, const char **name, int *level)
{
    static const char *const names[] = {"gzip", "zlib"};
    for (size_t i = 0; i < array_len(names); i++) {
        size_t len = strlen(names[i]);
        if (strncmp(text, names[i], len) != 0)
            continue;
        const char *rest = text + len;
        bool has_level = rest[0] == ':' && rest[1] >= '0' && rest[1] <= '9' && !rest[2];
        if (*rest && !has_level)
            return DISKV_EINVAL;
        *name = names[i];
        *level = has_level ? rest[1] - '0' : 6;
        return 0;
    }
    return DISKV_EINVAL;
}

int codec_parse(const char *text, const void *dictionary, size_t dictionary_len, struct codec **out)
{
    const char *name;
    int level;
    int rc = parse_name(text, &name, &level);
    if (rc)
        return rc;
    bool gzip = strcmp(name, "gzip") == 0;
    size_t len = dictionary ? dictionary_len : 0;
    if ((gzip && len) || len > UINT_MAX)
        return DISKV_EINVAL;
    struct deflate *codec = calloc(1, sizeof *codec + len);
    if (!codec)
        return DISKV_ENOMEM;
    codec->base = (struct codec){.ops = &deflate_ops, .name = name};
    codec->window_bits = gzip ? GZIP_BITS : MAX_WBITS;
    codec->level = level;
    codec->dictionary_len = (uInt)len;
    if (len)
        memcpy(codec->dictionary, dictionary, len);
    *out = &codec->base;
    return 0;
}

bool diskv_codec_valid(const char *text)
{
    const char *name;
    int level;
    return strcmp(text, "none") == 0 || parse_name(text, &name, &level) == 0;
}

void codec_free(struct codec *codec)
{
    if (codec)
        codec->ops->free(codec);
}
