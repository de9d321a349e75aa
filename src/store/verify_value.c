/* Looking at one value: its bytes against its checksum, what compresses it against itself. */
#include "verify.h"

#include "points.h"
#include "table.h"
#include "util.h"
#include "wait.h"

#include <stdarg.h>
#include <xxhash.h>

/* How often a value that changes while it is read is looked at. */
#define LOOKS_MAX 8

#define TOLD_STEP (1024 * 1024)

struct look {
    struct verify *v;
    struct scratch *scratch;
    const char *key;
    size_t len;
    struct engine_reader *reader;
    struct record record; /* where `recorded` */
    bool recorded;
    const struct codec *codec; /* or NULL */
    uint64_t file_at, value_at;
    uint64_t untold; /* bytes read that nobody was told of */

    /* The outcome. */
    bool wrong;        /* `problem` says what */
    bool points_wrong; /* and that is all */
    enum diskv_problem problem;
    char detail[120];
};

__attribute__((format(printf, 3, 4))) static int wrong(struct look *l, enum diskv_problem problem,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->detail, sizeof l->detail, format, args);
    va_end(args);
    l->wrong = true;
    l->problem = problem;
    return 0;
}

static void tell_bytes(struct look *l, uint64_t values)
{
    const struct diskv_verify_options *o = l->v->options;
    if (o->done && (values || l->untold))
        o->done(o->ctx, values, l->untold);
    l->untold = 0;
}

/* --- Waiting for the engine --- */

struct opening {
    struct engine_open open;
    struct waiter waiter;
};

static void opened(struct engine_op *op, int rc)
{
    waiter_done(&container_of(op, struct opening, open.op)->waiter, rc);
}

static int value_open(struct look *l)
{
    struct engine *engine = l->v->store->engine;
    struct opening o = {.open = {.op.done = opened, .key = l->key, .len = l->len}};
    int rc = engine->ops->open_now(engine, &o.open);
    if (rc == DISKV_EAGAIN) {
        waiter_init(&o.waiter);
        engine->ops->open(engine, &o.open);
        rc = waiter_wait(&o.waiter);
    }
    l->reader = rc ? NULL : o.open.reader;
    return rc;
}

struct read_wait {
    struct engine_read read;
    struct waiter waiter;
};

static void read_done(struct engine_op *op, int rc)
{
    waiter_done(&container_of(op, struct read_wait, read.op)->waiter, rc);
}

/* Reads on, up to `len` bytes: a count, 0 at the end of the file. */
static int64_t file_read(struct look *l, size_t len)
{
    const struct engine_ops *ops = l->v->store->engine->ops;
    if (atomic_load(&l->v->stopping))
        return DISKV_EAGAIN;
    int64_t n = ops->read_now(l->reader, l->scratch->in, len, l->file_at);
    if (n == DISKV_EAGAIN) {
        struct read_wait r = {.read = {.op.done = read_done,
                                       .reader = l->reader,
                                       .buf = l->scratch->in,
                                       .len = len,
                                       .offset = l->file_at}};
        waiter_init(&r.waiter);
        ops->read(&r.read);
        int rc = waiter_wait(&r.waiter);
        n = rc ? rc : (int64_t)r.read.got;
    }
    if (n > 0) {
        l->file_at += (uint64_t)n;
        l->untold += (uint64_t)n;
        if (l->untold >= TOLD_STEP)
            tell_bytes(l, 0);
    }
    return n;
}

/* --- The bytes --- */

static int plain_read(struct look *l)
{
    int64_t n;
    while ((n = file_read(l, VERIFY_PIECE)) > 0) {
        if (l->recorded)
            XXH3_128bits_update(l->scratch->hash, l->scratch->in, (size_t)n);
        l->value_at += (uint64_t)n;
    }
    return n < 0 ? (int)n : 0;
}

/* Gives the decoder what was read, and takes all it makes of it: 0, 1 at the end of the value. */
static int piece_decode(struct look *l, struct codec_decoder *decoder, size_t len)
{
    struct diskv_coding io = {.in = l->scratch->in, .in_len = len};
    int rc;
    do {
        io.out = l->scratch->out;
        io.out_len = VERIFY_PIECE;
        rc = decoder->ops->decode(decoder, &io, len == 0);
        size_t made = VERIFY_PIECE - io.out_len;
        XXH3_128bits_update(l->scratch->hash, l->scratch->out, made);
        l->value_at += made;
    } while (rc == 0 && io.out_len == 0);
    return rc;
}

/* A decoder that begins at a point goes by the marker that is to end there. */
static bool at_marker(const struct look *l, size_t len)
{
    static const uint8_t marker[] = {0x00, 0x00, 0xFF, 0xFF};
    return len < sizeof marker ||
           memcmp(l->scratch->in + len - sizeof marker, marker, sizeof marker) == 0;
}

/* The points of a file, one after the other. */
struct marks {
    struct points points;
    struct table_block block; /* in place of those where the file has a table */
    uint64_t next;            /* counted from 1 */
    uint64_t at;              /* where that lies in the file; UINT64_MAX for none */
};

/* Reads the block of the table that has the next point; one that is not all there has none. */
static int block_read(struct look *l, struct marks *m)
{
    uint64_t decoded_to = l->file_at;
    uint8_t block[TABLE_BLOCK_SIZE] = {0};
    size_t got = 0;
    int64_t n = 1;
    l->file_at = table_block_at(m->next);
    for (; got < sizeof block && n > 0; got += n > 0 ? (size_t)n : 0) {
        n = file_read(l, sizeof block - got);
        if (n > 0)
            memcpy(block + got, l->scratch->in, (size_t)n);
    }
    l->file_at = decoded_to;
    table_block_read(&m->block, m->next, l->reader->info.size, block);
    return n < 0 ? (int)n : 0;
}

static int marks_place(struct look *l, struct marks *m)
{
    uint64_t i = m->next - 1;
    m->at = UINT64_MAX;
    if (!m->points.table_log2) {
        if (i < m->points.count)
            m->at = m->points.offsets[i];
        return 0;
    }
    int rc = i % TABLE_BLOCK_POINTS ? 0 : block_read(l, m);
    if (!rc && i % TABLE_BLOCK_POINTS < m->block.count)
        m->at = m->block.offsets[i % TABLE_BLOCK_POINTS];
    return rc;
}

/* At the end of the value: whether all points were met that there should be. */
static bool marks_met(const struct look *l, const struct marks *m)
{
    uint64_t met = m->next - 1;
    if (!m->points.table_log2)
        return met == m->points.count;
    return met == (l->value_at ? (l->value_at - 1) >> m->points.table_log2 : 0);
}

/* Decodes from start to end, which checks all that the format brings. What is read stops at each
 * point: what precedes it has to make the value up to where it says it is. */
static int value_decode(struct look *l, struct codec_decoder *decoder, struct marks *m)
{
    unsigned log2 = m->points.table_log2 ? m->points.table_log2 : m->points.spacing_log2;
    int rc = marks_place(l, m);
    while (rc == 0) {
        uint64_t left = m->at - l->file_at;
        int64_t n = file_read(l, left < VERIFY_PIECE ? (size_t)left : VERIFY_PIECE);
        if (n < 0)
            return (int)n;
        rc = piece_decode(l, decoder, (size_t)n);
        if (rc == 0 && l->file_at == m->at) {
            l->points_wrong |= l->value_at != m->next << log2 || !at_marker(l, (size_t)n);
            m->next++;
            rc = marks_place(l, m);
        }
    }
    l->points_wrong |= !marks_met(l, m);
    return rc == 1 ? 0 : rc;
}

static int compressed_read(struct look *l)
{
    struct marks m = {.next = 1};
    char text[ENGINE_POINTS_MAX];
    const struct engine_ops *ops = l->v->store->engine->ops;
    int n = l->recorded ? ops->points(l->reader, text) : 0;
    if (n > 0)
        points_read(&m.points, l->reader->info.size, text, (size_t)n);
    l->points_wrong = n > 0 && !m.points.count;
    struct codec_decoder *decoder;
    int rc = l->codec->ops->decoder_new(l->codec, l->reader->info.size, NULL, 0, &decoder);
    if (rc)
        return rc;
    uint64_t file_offset, value_offset;
    decoder->ops->decoder_seek(decoder, 0, &file_offset, &value_offset);
    rc = value_decode(l, decoder, &m);
    decoder->ops->decoder_free(decoder);
    return rc;
}

/* --- The verdict --- */

static const struct codec *codec_named(const diskv *store, const char *name)
{
    for (size_t i = 0; i < CODECS_MAX; i++)
        if (store->codecs[i] && strcmp(store->codecs[i]->name, name) == 0)
            return store->codecs[i];
    return NULL;
}

/* Another program's file is compressed where it begins so. */
static int codec_recognise(struct look *l)
{
    const struct codec *codec = l->v->store->codec;
    if (!codec)
        return 0;
    int64_t n = file_read(l, CODEC_HEAD_MAX);
    l->file_at = 0;
    if (n < 0)
        return (int)n;
    if (codec->ops->recognises(codec, l->scratch->in, (size_t)n))
        l->codec = codec;
    return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Without a record that fits the file another program wrote it; but a file that is as old as the
 * record and of another size has lost something. */
static int begin(struct look *l)
{
    struct diskv_info info;
    const struct engine_info *from = &l->reader->info;
    l->recorded = info_from_engine(l->v->store, from, &info, NULL, &l->record);
    if (!l->recorded && l->record.hashed && same_time(l->record.mtime, from->mtime))
        return wrong(l, DISKV_PROBLEM_LENGTH, "%llu bytes in place of %llu",
                     (unsigned long long)from->size, (unsigned long long)l->record.size);
    if (!l->recorded)
        return codec_recognise(l);
    l->codec = *l->record.codec ? codec_named(l->v->store, l->record.codec) : NULL;
    if (*l->record.codec && !l->codec)
        return wrong(l, DISKV_PROBLEM_CODEC, "compressed with %s", l->record.codec);
    return 0;
}

static int judge(struct look *l)
{
    if (!l->recorded)
        return 0;
    if (l->value_at != l->record.length)
        return wrong(l, DISKV_PROBLEM_LENGTH, "%llu bytes in place of %llu",
                     (unsigned long long)l->value_at, (unsigned long long)l->record.length);
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(l->scratch->hash));
    if (memcmp(hash.digest, l->record.hash, RECORD_HASH_LEN) == 0)
        return 0;
    char is[2 * RECORD_HASH_LEN + 1], was[2 * RECORD_HASH_LEN + 1];
    hex_encode(hash.digest, RECORD_HASH_LEN, is);
    hex_encode(l->record.hash, RECORD_HASH_LEN, was);
    return wrong(l, DISKV_PROBLEM_CHECKSUM, "XXH3-128 %s in place of %s", is, was);
}

static int open_value_look(struct look *l)
{
    int rc = begin(l);
    if (rc || l->wrong)
        return rc;
    rc = l->codec ? compressed_read(l) : plain_read(l);
    if (rc == DISKV_EDECODE)
        return wrong(l, DISKV_PROBLEM_DECODE, "%s fails behind %llu bytes of the value",
                     l->codec->name, (unsigned long long)l->value_at);
    return rc ? rc : judge(l);
}

/* One look; `ident` is what it was at. ENOTFOUND, ENOMEM, EAGAIN. */
static int look(struct look *l, uint8_t ident[static ENGINE_IDENT_LEN])
{
    l->wrong = l->points_wrong = l->recorded = false;
    l->codec = NULL;
    l->file_at = l->value_at = 0;
    XXH3_128bits_reset(l->scratch->hash);
    memset(ident, 0, ENGINE_IDENT_LEN);
    int rc = value_open(l);
    if (!rc) {
        memcpy(ident, l->reader->info.ident, ENGINE_IDENT_LEN);
        rc = open_value_look(l);
    }
    if (rc && rc != DISKV_ENOTFOUND && rc != DISKV_ENOMEM && rc != DISKV_EAGAIN)
        rc = wrong(l, DISKV_PROBLEM_UNREADABLE, "%s", diskv_strerror(rc));
    return rc;
}

static void look_end(struct look *l)
{
    if (l->reader)
        l->v->store->engine->ops->close(l->reader);
    l->reader = NULL;
}

static void value_tell(struct look *l)
{
    const struct engine_ops *ops = l->v->store->engine->ops;
    struct diskv_finding finding = {
        .problem = l->problem, .key = l->key, .len = l->len, .detail = l->detail};
    if (l->points_wrong && !l->wrong) {
        finding.problem = DISKV_PROBLEM_POINTS;
        finding.detail = "seeking in the value costs more than it must";
        finding.repaired =
            l->v->options->repair && ops->points_drop && !ops->points_drop(l->reader);
    }
    if (l->wrong || l->points_wrong)
        verify_tell(l->v, &finding);
}

static void value_count(struct look *l, bool certain)
{
    pthread_mutex_lock(&l->v->lock);
    l->v->found.values++;
    l->v->found.bytes += l->file_at;
    l->v->found.unverified += certain ? !l->recorded && !l->wrong : 1;
    pthread_mutex_unlock(&l->v->lock);
}

/* What is wrong must be so twice, of one and the same file: it may have changed while it was read.
 */
int verify_value(struct verify *v, struct scratch *scratch, const char *key, size_t len)
{
    struct look l = {.v = v, .scratch = scratch, .key = key, .len = len};
    uint8_t ident[ENGINE_IDENT_LEN] = {0}, before[ENGINE_IDENT_LEN];
    bool certain = false;
    int rc = 0;
    for (int i = 0; !certain && i < LOOKS_MAX; i++) {
        look_end(&l);
        memcpy(before, ident, sizeof before);
        rc = look(&l, ident);
        bool well = !l.wrong && !l.points_wrong;
        certain = rc || well || (i && memcmp(ident, before, sizeof before) == 0);
    }
    if (!rc && certain)
        value_tell(&l);
    if (!rc)
        value_count(&l, certain);
    tell_bytes(&l, 1);
    look_end(&l);
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}
