#include "codec.h"

#include "util.h"

#define IDLE_MAX 16 /* calls in a row that may move nothing although they could */

struct user {
    struct codec base;
    const struct diskv_codec *functions;
};

struct user_encoder {
    struct codec_encoder base;
    const struct diskv_codec *functions;
    void *theirs;
    unsigned idle;
    bool ended;
};

struct user_decoder {
    struct codec_decoder base;
    const struct diskv_codec *functions;
    void *theirs;
    bool begun; /* `theirs` is there */
    unsigned idle;
    bool ended;
    int failed; /* the error that only a seek ends */
    uint64_t file_offset, value_offset;
};

static const struct diskv_codec *functions_of(const struct codec *codec)
{
    return ((const struct user *)codec)->functions;
}

static struct user_encoder *encoder_of(struct codec_encoder *encoder)
{
    return container_of(encoder, struct user_encoder, base);
}

static struct user_decoder *decoder_of(struct codec_decoder *decoder)
{
    return container_of(decoder, struct user_decoder, base);
}

/* --- What they answer --- */

/* An error of theirs that is none of diskv's, or that only built-in codecs may return. */
static int known_error(int rc)
{
    switch (rc) {
#define KNOWN(name, code, text) case code:
        DISKV_ERRORS(KNOWN)
#undef KNOWN
        return rc == DISKV_EAGAIN ? DISKV_EIO : rc;
    default:
        return DISKV_EIO;
    }
}

/* True when both ends of the memory stayed where they were. */
static bool within(const struct diskv_coding *before, const struct diskv_coding *after)
{
    return after->in_len <= before->in_len && after->out_len <= before->out_len &&
           (uintptr_t)after->in - (uintptr_t)before->in == before->in_len - after->in_len &&
           (uintptr_t)after->out - (uintptr_t)before->out == before->out_len - after->out_len;
}

static bool moved(const struct diskv_coding *before, const struct diskv_coding *after)
{
    return after->in_len < before->in_len || after->out_len < before->out_len;
}

/* Checks an answer. Nothing moved although something could have: an error where that goes on. */
static int check(int rc, const struct diskv_coding *before, struct diskv_coding *io, bool could,
                 unsigned *idle)
{
    if (rc > 1 || !within(before, io)) {
        *io = *before;
        return DISKV_EIO;
    }
    if (rc < 0)
        return known_error(rc);
    *idle = rc == 0 && could && !moved(before, io) ? *idle + 1 : 0;
    return *idle > IDLE_MAX ? DISKV_EIO : rc;
}

/* --- Encoding --- */

static int user_encoder_new(const struct codec *codec, uint64_t size, struct codec_encoder **out)
{
    (void)size;
    struct user_encoder *e = calloc(1, sizeof *e);
    if (!e)
        return DISKV_ENOMEM;
    e->base.ops = codec->ops;
    e->functions = functions_of(codec);
    int rc = e->functions->encoder_new(e->functions->ctx, &e->theirs);
    if (rc) {
        free(e);
        return known_error(rc);
    }
    *out = &e->base;
    return 0;
}

static int user_encode(struct codec_encoder *base, struct diskv_coding *io, bool end)
{
    struct user_encoder *e = encoder_of(base);
    if (e->ended)
        return 1;
    const struct diskv_coding before = *io;
    bool could = (io->in_len || end) && io->out_len;
    int rc = check(e->functions->encode(e->theirs, io, end), &before, io, could, &e->idle);
    if (rc == 1 && (!end || io->in_len))
        return DISKV_EIO;
    e->ended = rc == 1;
    return rc;
}

static size_t user_encoder_points(const struct codec_encoder *encoder, void *points)
{
    (void)encoder;
    (void)points;
    return 0;
}

static void user_encoder_free(struct codec_encoder *base)
{
    if (!base)
        return;
    struct user_encoder *e = encoder_of(base);
    e->functions->encoder_free(e->theirs);
    free(e);
}

/* --- Decoding --- */

/* Theirs is made by the first decode, and again after a seek backwards. */
static int user_decoder_new(const struct codec *codec, uint64_t file_size, const void *points,
                            size_t points_len, struct codec_decoder **out)
{
    (void)file_size;
    (void)points;
    (void)points_len;
    struct user_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return DISKV_ENOMEM;
    d->base.ops = codec->ops;
    d->functions = functions_of(codec);
    *out = &d->base;
    return 0;
}

static void drop_theirs(struct user_decoder *d)
{
    if (d->begun)
        d->functions->decoder_free(d->theirs);
    d->begun = false;
}

static void user_decoder_seek(struct codec_decoder *base, uint64_t offset, uint64_t *file_offset,
                              uint64_t *value_offset)
{
    struct user_decoder *d = decoder_of(base);
    if (d->failed || offset < d->value_offset) {
        drop_theirs(d);
        d->failed = 0;
        d->ended = false;
        d->idle = 0;
        d->file_offset = 0;
        d->value_offset = 0;
    }
    *file_offset = d->file_offset;
    *value_offset = d->value_offset;
}

static int begin_theirs(struct user_decoder *d)
{
    int rc = d->begun ? 0 : d->functions->decoder_new(d->functions->ctx, &d->theirs);
    d->begun = !rc;
    return rc ? known_error(rc) : 0;
}

static int decode_theirs(struct user_decoder *d, struct diskv_coding *io, bool end)
{
    const struct diskv_coding before = *io;
    bool could = io->in_len && io->out_len;
    int rc = check(d->functions->decode(d->theirs, io), &before, io, could, &d->idle);
    d->file_offset += before.in_len - io->in_len;
    d->value_offset += before.out_len - io->out_len;
    if (rc == 0 && end && !io->in_len && io->out_len && !moved(&before, io))
        return DISKV_EDECODE;
    d->ended = rc == 1;
    return rc;
}

static int user_decode(struct codec_decoder *base, struct diskv_coding *io, bool end)
{
    struct user_decoder *d = decoder_of(base);
    if (d->failed)
        return d->failed;
    if (d->ended)
        return 1;
    int rc = begin_theirs(d);
    if (!rc)
        rc = decode_theirs(d, io, end);
    if (rc < 0)
        d->failed = rc;
    return rc;
}

static void user_decoder_free(struct codec_decoder *base)
{
    if (!base)
        return;
    struct user_decoder *d = decoder_of(base);
    drop_theirs(d);
    free(d);
}

/* --- The codec --- */

static bool user_recognises(const struct codec *codec, const void *head, size_t len)
{
    const struct diskv_codec *functions = functions_of(codec);
    return !functions->recognises || functions->recognises(functions->ctx, head, len);
}

static void user_free(struct codec *codec)
{
    free(container_of(codec, struct user, base));
}

static const struct codec_ops user_ops = {
    .free = user_free,
    .recognises = user_recognises,
    .encoder_new = user_encoder_new,
    .encode = user_encode,
    .encoder_points = user_encoder_points,
    .encoder_free = user_encoder_free,
    .decoder_new = user_decoder_new,
    .decoder_seek = user_decoder_seek,
    .decode = user_decode,
    .decoder_free = user_decoder_free,
};

static bool name_valid(const char *name)
{
    size_t len = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
    return len > 0 && len < CODEC_NAME_SIZE && !name[len] && !diskv_codec_valid(name);
}

int codec_user(const struct diskv_codec *user, struct codec **out)
{
    if (!name_valid(user->name) || !user->encoder_new || !user->decoder_new || !user->encode ||
        !user->decode || !user->encoder_free || !user->decoder_free)
        return DISKV_EINVAL;
    struct user *codec = calloc(1, sizeof *codec);
    if (!codec)
        return DISKV_ENOMEM;
    codec->base = (struct codec){.ops = &user_ops, .name = user->name};
    codec->functions = user;
    *out = &codec->base;
    return 0;
}
