/* Reading a value that is compressed in its file: on a worker, which goes back to the queue while
 * the engine waits for the disk. */
#include "store.h"

#include "util.h"

#define INPUT_MAX (64 * 1024)
#define SKIP_MAX  (16 * 1024)

/* How often a read starts over because the points that it began at were wrong. */
#define TRIES_MAX 3

_Static_assert(CODEC_TABLE_MAX <= SKIP_MAX, "a part of a table goes where output does");

struct decoding {
    const struct codec *codec;
    struct engine_reader *reader;
    struct workers *workers;
    struct codec_decoder *decoder; /* NULL before the first read */
    struct diskv_coding io;        /* what was read of the file and not yet decoded */
    uint64_t file_at;              /* where to read on */
    uint64_t value_at;             /* where the next output belongs */
    bool file_ended, value_ended;
    uint64_t size;
    int tries;

    /* The read that is under way. */
    char *buf;
    size_t len;
    uint64_t offset;
    size_t *got;
    diskv_done *done;
    void *ctx;
    union {
        struct job job;
        struct engine_read read;
    } under_way;

    char input[INPUT_MAX];
    char skipped[SKIP_MAX]; /* output that nobody asked for */
};

int decoding_new(const struct codec *codec, struct engine_reader *reader, uint64_t size,
                 struct workers *workers, struct decoding **out)
{
    struct decoding *d = malloc(sizeof *d);
    if (!d)
        return DISKV_ENOMEM;
    memset(d, 0, offsetof(struct decoding, input));
    d->codec = codec;
    d->reader = reader;
    d->workers = workers;
    d->size = size;
    *out = d;
    return 0;
}

void decoding_free(struct decoding *d)
{
    if (!d)
        return;
    if (d->decoder)
        d->decoder->ops->decoder_free(d->decoder);
    free(d);
}

uint64_t decoding_size(const struct decoding *d)
{
    return d->size;
}

/* Moves to where the decoder wants to go on for the offset that is asked for. */
static void decoder_place(struct decoding *d)
{
    uint64_t file_offset, value_offset;
    if (d->value_ended && d->offset >= d->value_at)
        return;
    d->decoder->ops->decoder_seek(d->decoder, d->offset, &file_offset, &value_offset);
    if (file_offset != d->file_at - d->io.in_len) {
        d->io.in_len = 0;
        d->file_at = file_offset;
        d->file_ended = false;
    }
    d->value_ended = false;
    d->value_at = value_offset;
}

static int decoder_prepare(struct decoding *d)
{
    if (d->decoder)
        return 0;
    _Static_assert(ENGINE_POINTS_MAX == CODEC_POINTS_MAX, "an engine keeps a codec's points");
    char points[ENGINE_POINTS_MAX];
    /* Where the size is not known there is no record that fits the file, nor do its points. */
    int n = d->size == DISKV_SIZE_UNKNOWN ? 0 : d->reader->engine->ops->points(d->reader, points);
    return d->codec->ops->decoder_new(d->codec, d->reader->info.size, points, n > 0 ? (size_t)n : 0,
                                      &d->decoder);
}

/* Takes what was read of the file, a count or an error. */
static int input_take(struct decoding *d, int64_t n)
{
    if (n < 0)
        return (int)n;
    d->io.in = d->input;
    d->io.in_len = (size_t)n;
    d->file_at += (uint64_t)n;
    d->file_ended = n == 0;
    return 0;
}

/* Sets where the next output goes: to who asked, or what lies before that into nowhere. Behind the
 * value's last byte one more has room, which must not come: so the end is met and what it says of
 * the whole is checked. */
static void output_place(struct decoding *d)
{
    uint64_t skip = d->value_at < d->offset ? d->offset - d->value_at : 0;
    d->io.out = skip || d->value_at == d->size ? d->skipped : d->buf + *d->got;
    if (skip)
        d->io.out_len = skip < SKIP_MAX ? (size_t)skip : SKIP_MAX;
    else
        d->io.out_len = d->value_at == d->size ? 1 : d->len - *d->got;
}

static int output_make(struct decoding *d)
{
    output_place(d);
    const char *from = d->io.out;
    int rc = d->decoder->ops->decode(d->decoder, &d->io, d->file_ended);
    if (rc == DISKV_EAGAIN) {
        *d->got = 0;
        decoder_place(d);
        return ++d->tries < TRIES_MAX ? 0 : DISKV_EDECODE;
    }
    size_t n = (size_t)((const char *)d->io.out - from);
    if (n > d->size - d->value_at)
        return DISKV_EDECODE;
    d->value_at += n;
    *d->got += from == d->skipped ? 0 : n;
    if (rc == 1) {
        d->value_ended = true;
        if (d->size == DISKV_SIZE_UNKNOWN)
            d->size = d->value_at;
        rc = d->size == d->value_at ? 0 : DISKV_EDECODE;
    }
    return rc;
}

static void decode_run(struct job *job);

static void input_read(struct engine_op *op, int rc)
{
    struct decoding *d = container_of(op, struct decoding, under_way.read.op);
    rc = input_take(d, rc ? rc : (int64_t)d->under_way.read.got);
    if (rc) {
        d->done(d->ctx, rc);
        return;
    }
    d->under_way.job.run = decode_run;
    workers_post(d->workers, &d->under_way.job);
}

static void decode_run(struct job *job)
{
    struct decoding *d = container_of(job, struct decoding, under_way.job);
    const struct engine_ops *ops = d->reader->engine->ops;
    int rc = 0;
    while (!rc && !d->value_ended && (*d->got < d->len || d->value_at == d->size)) {
        if (!d->io.in_len && !d->file_ended) {
            int64_t n = ops->read_now(d->reader, d->input, INPUT_MAX, d->file_at);
            if (n == DISKV_EAGAIN) {
                d->under_way.read = (struct engine_read){.op.done = input_read,
                                                         .reader = d->reader,
                                                         .buf = d->input,
                                                         .len = INPUT_MAX,
                                                         .offset = d->file_at};
                ops->read(&d->under_way.read);
                return;
            }
            rc = input_take(d, n);
        }
        if (!rc)
            rc = output_make(d);
    }
    d->done(d->ctx, rc);
}

/* Goes on with what was read of the table of points, a count or an error: without it the decoder
 * begins elsewhere. */
static void table_take(struct decoding *d, int64_t n, size_t want)
{
    if (n == (int64_t)want)
        d->decoder->ops->decoder_learn(d->decoder, d->offset, d->skipped);
    decoder_place(d);
}

static void table_read(struct engine_op *op, int rc)
{
    struct decoding *d = container_of(op, struct decoding, under_way.read.op);
    table_take(d, rc ? rc : (int64_t)d->under_way.read.got, d->under_way.read.len);
    d->under_way.job.run = decode_run;
    workers_post(d->workers, &d->under_way.job);
}

static void decode_begin(struct job *job)
{
    struct decoding *d = container_of(job, struct decoding, under_way.job);
    int rc = decoder_prepare(d);
    if (rc) {
        d->done(d->ctx, rc);
        return;
    }
    const struct engine_ops *ops = d->reader->engine->ops;
    const struct codec_ops *codec = d->codec->ops;
    uint64_t at;
    size_t want = codec->decoder_table ? codec->decoder_table(d->decoder, d->offset, &at) : 0;
    int64_t n = want ? ops->read_now(d->reader, d->skipped, want, at) : 0;
    if (n == DISKV_EAGAIN || (n > 0 && n < (int64_t)want)) {
        d->under_way.read = (struct engine_read){.op.done = table_read,
                                                 .reader = d->reader,
                                                 .buf = d->skipped,
                                                 .len = want,
                                                 .offset = at};
        ops->read(&d->under_way.read);
        return;
    }
    table_take(d, want ? n : -1, want);
    decode_run(job);
}

void decoding_read(struct decoding *d, void *buf, size_t len, uint64_t offset, size_t *got,
                   diskv_done *done, void *ctx)
{
    *got = 0;
    d->buf = buf;
    d->len = len;
    d->offset = offset;
    d->got = got;
    d->done = done;
    d->ctx = ctx;
    d->tries = 0;
    d->under_way.job.run = decode_begin;
    workers_post(d->workers, &d->under_way.job);
}
