/* Reading a value that is compressed in its file: on a worker, which goes back to the queue while
 * the engine waits for the disk. */
#include "store.h"

#include "util.h"

#define INPUT_MAX CODEC_SEGMENT_MAX
#define PLAIN_MAX CODEC_SEGMENT_MAX

/* How often a read starts over because the points that it began at were wrong. */
#define TRIES_MAX 3

_Static_assert(CODEC_TABLE_MAX <= PLAIN_MAX, "a part of a table goes where output does");

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
    struct codec_segment held; /* in `plain`; without bytes where that is something else */

    /* The read that is under way. */
    char *buf;
    size_t len;
    uint64_t offset;
    size_t *got;
    diskv_done *done;
    void *ctx;
    struct codec_segment next; /* that is read from the file */
    union {
        struct job job;
        struct engine_read read;
    } under_way;

    char input[INPUT_MAX];
    char plain[PLAIN_MAX]; /* a segment, or output that nobody asked for */
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

static uint64_t wanted_at(const struct decoding *d)
{
    return d->offset + *d->got;
}

/* Room for what is no segment. */
static char *plain_room(struct decoding *d)
{
    d->held.value_len = 0;
    return d->plain;
}

/* Moves to where the decoder wants to go on for what is wanted next. */
static void decoder_place(struct decoding *d)
{
    uint64_t file_offset, value_offset;
    if (d->value_ended && wanted_at(d) >= d->value_at)
        return;
    d->decoder->ops->decoder_seek(d->decoder, wanted_at(d), &file_offset, &value_offset);
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
    uint64_t skip = d->value_at < wanted_at(d) ? wanted_at(d) - d->value_at : 0;
    d->io.out = skip || d->value_at == d->size ? plain_room(d) : d->buf + *d->got;
    if (skip)
        d->io.out_len = skip < PLAIN_MAX ? (size_t)skip : PLAIN_MAX;
    else
        d->io.out_len = d->value_at == d->size ? 1 : d->len - *d->got;
}

/* After the points were wrong, and with them what was made so far. */
static int start_over(struct decoding *d)
{
    *d->got = 0;
    decoder_place(d);
    return ++d->tries < TRIES_MAX ? 0 : DISKV_EDECODE;
}

static int output_make(struct decoding *d)
{
    output_place(d);
    const char *from = d->io.out;
    int rc = d->decoder->ops->decode(d->decoder, &d->io, d->file_ended);
    if (rc == DISKV_EAGAIN)
        return start_over(d);
    size_t n = (size_t)((const char *)d->io.out - from);
    if (n > d->size - d->value_at)
        return DISKV_EDECODE;
    d->value_at += n;
    *d->got += from == d->plain ? 0 : n;
    if (rc == 1) {
        d->value_ended = true;
        if (d->size == DISKV_SIZE_UNKNOWN)
            d->size = d->value_at;
        rc = d->size == d->value_at ? 0 : DISKV_EDECODE;
    }
    return rc;
}

/* Gives what the held segment has of what is wanted next: its first byte it has. */
static void held_give(struct decoding *d)
{
    size_t from = (size_t)(wanted_at(d) - d->held.value_offset);
    size_t left = d->held.value_len - from, room = d->len - *d->got;
    size_t n = left < room ? left : room;
    memcpy(d->buf + *d->got, d->plain + from, n);
    *d->got += n;
    decoder_place(d);
}

/* True where the held segment is the way to go on; not where the decoder need only do so, which may
 * have been there from the value's start and verify its checksum. */
static bool held_goes_on(const struct decoding *d)
{
    uint64_t at = wanted_at(d), from = d->held.value_offset;
    return at != d->value_at && at >= from && at - from < d->held.value_len;
}

/* True where a segment is to be read next. The last bytes of the value are never one, so that its
 * end is met. */
static bool next_find(struct decoding *d)
{
    const struct codec_ops *codec = d->codec->ops;
    size_t room = d->len - *d->got;
    return room && codec->decoder_segment &&
           codec->decoder_segment(d->decoder, wanted_at(d), room, &d->next) &&
           d->next.value_offset < d->size && d->next.value_len < d->size - d->next.value_offset;
}

/* Takes what was read of it, a count or an error. */
static int next_take(struct decoding *d, int64_t n)
{
    if (n < 0)
        return (int)n;
    d->next.file_len = (size_t)n;
    int rc = d->codec->ops->decode_segment(d->decoder, &d->next, d->input, plain_room(d));
    if (rc == DISKV_EAGAIN)
        return start_over(d);
    if (rc)
        return rc;
    d->held = d->next;
    held_give(d);
    return 0;
}

/* --- On workers --- */

/* A count of what is in memory, or an error: EAGAIN where `done` will be told, on any thread, which
 * it is also where not all of a `whole` is in memory. */
static int64_t file_read(struct decoding *d, char *buf, size_t len, uint64_t at, bool whole,
                         void (*done)(struct engine_op *op, int rc))
{
    const struct engine_ops *ops = d->reader->engine->ops;
    int64_t n = ops->read_now(d->reader, buf, len, at);
    if (n != DISKV_EAGAIN && (!whole || n <= 0 || n == (int64_t)len))
        return n;
    d->under_way.read = (struct engine_read){
        .op.done = done, .reader = d->reader, .buf = buf, .len = len, .offset = at};
    ops->read(&d->under_way.read);
    return DISKV_EAGAIN;
}

/* Goes on, on a worker, after a read that was waited for; or ends with its error. */
static void go_on(struct decoding *d, int rc, void (*run)(struct job *job))
{
    if (rc) {
        d->done(d->ctx, rc);
        return;
    }
    d->under_way.job.run = run;
    workers_post(d->workers, &d->under_way.job);
}

static void decode_run(struct job *job);
static void decode_next(struct job *job);

static void input_read(struct engine_op *op, int rc)
{
    struct decoding *d = container_of(op, struct decoding, under_way.read.op);
    go_on(d, input_take(d, rc ? rc : (int64_t)d->under_way.read.got), decode_run);
}

static int input_decode(struct decoding *d)
{
    int rc = 0;
    if (!d->io.in_len && !d->file_ended)
        rc = input_take(d, file_read(d, d->input, INPUT_MAX, d->file_at, false, input_read));
    return rc ? rc : output_make(d);
}

static void next_read(struct engine_op *op, int rc)
{
    struct decoding *d = container_of(op, struct decoding, under_way.read.op);
    d->next.file_len = d->under_way.read.got;
    go_on(d, rc, decode_next);
}

static int next_decode(struct decoding *d)
{
    d->file_at -= d->io.in_len; /* the segment takes its place */
    d->io.in_len = 0;
    return next_take(
        d, file_read(d, d->input, d->next.file_len, d->next.file_offset, true, next_read));
}

static void decode_on(struct decoding *d, int rc)
{
    while (!rc && !d->value_ended && (*d->got < d->len || d->value_at == d->size))
        if (held_goes_on(d))
            held_give(d);
        else
            rc = next_find(d) ? next_decode(d) : input_decode(d);
    if (rc != DISKV_EAGAIN)
        d->done(d->ctx, rc);
}

static void decode_run(struct job *job)
{
    decode_on(container_of(job, struct decoding, under_way.job), 0);
}

static void decode_next(struct job *job)
{
    struct decoding *d = container_of(job, struct decoding, under_way.job);
    decode_on(d, next_take(d, (int64_t)d->next.file_len));
}

/* Goes on with what was read of the table of points, a count or an error: without it the decoder
 * begins elsewhere. */
static void table_take(struct decoding *d, int64_t n, size_t want)
{
    if (n == (int64_t)want)
        d->decoder->ops->decoder_learn(d->decoder, d->offset, d->plain);
    decoder_place(d);
}

static void table_read(struct engine_op *op, int rc)
{
    struct decoding *d = container_of(op, struct decoding, under_way.read.op);
    table_take(d, rc ? rc : (int64_t)d->under_way.read.got, d->under_way.read.len);
    go_on(d, 0, decode_run);
}

static void decode_begin(struct job *job)
{
    struct decoding *d = container_of(job, struct decoding, under_way.job);
    int rc = decoder_prepare(d);
    if (rc) {
        d->done(d->ctx, rc);
        return;
    }
    const struct codec_ops *codec = d->codec->ops;
    uint64_t at;
    size_t want = codec->decoder_table ? codec->decoder_table(d->decoder, d->offset, &at) : 0;
    int64_t n = want ? file_read(d, plain_room(d), want, at, true, table_read) : -1;
    if (n == DISKV_EAGAIN)
        return;
    table_take(d, n, want);
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
