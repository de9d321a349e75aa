/* Opening a value for reading, from the cache or from its file. */
#include "reader.h"

#include "util.h"

/* From this size on files are kept open: of smaller ones, what is asked for again is soon in the
 * cache. */
#define KEEP_FROM (64 * 1024)

static int reader_new(diskv *store, const char *key, size_t len, enum diskv_read how,
                      diskv_reader **out)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    diskv_reader *r = malloc(sizeof *r + len + 1);
    if (!r)
        return DISKV_ENOMEM;
    memset(r, 0, offsetof(diskv_reader, known.fields.text)); /* which is long */
    r->store = store;
    r->how = how;
    r->len = len;
    memcpy(r->key, key, len);
    r->key[len] = '\0';
    *out = r;
    return 0;
}

static void key_drop(const diskv_reader *r)
{
    cache_drop(r->store->cache, r->key, r->len);
    cache_drop(r->store->cache, r->key, r->len + 1);
}

/* What a value's file is now, looked at when that is first asked. */
struct look {
    bool done;
    uint8_t ident[ENGINE_IDENT_LEN];
};

static bool is_current(const diskv_reader *r, const struct cache_entry *entry, struct look *look)
{
    struct engine *engine = r->store->engine;
    bool gone = !look->done && engine->ops->identify(engine, r->key, r->len, look->ident);
    look->done = true;
    if (gone)
        key_drop(r);
    return memcmp(entry->ident, look->ident, sizeof look->ident) == 0;
}

static bool form_cached(diskv_reader *r, size_t len, struct look *look)
{
    cache_unref(r->cached);
    r->cached = cache_get(r->store->cache, r->key, len);
    if (r->cached && !is_current(r, r->cached, look)) {
        cache_refuse(r->cached);
        r->cached = NULL;
    }
    if (r->cached)
        memcpy(&r->known, r->cached->info, r->cached->info_size);
    return r->cached;
}

/* True where what this reader learns is worth keeping for others. */
static bool reader_keeps(const diskv_reader *r)
{
    return r->how != DISKV_READ_DIRECT && r->how != DISKV_READ_ONCE;
}

/* Looks for the value in the cache; what files have, where they are compressed, has a name of its
 * own there. The file is looked at only where something is found. */
static bool reader_cached(diskv_reader *r)
{
    struct look look = {0};
    if (!r->store->cache)
        return false;
    if (r->how == DISKV_READ_DIRECT) {
        key_drop(r);
        return false;
    }
    if (!form_cached(r, r->len, &look))
        return r->how == DISKV_READ_STORED && form_cached(r, r->len + 1, &look);
    if (r->how == DISKV_READ_STORED && *r->known.codec)
        return form_cached(r, r->len + 1, &look);
    return true;
}

static int reader_decode(diskv_reader *r, const struct codec *codec)
{
    snprintf(r->known.codec, sizeof r->known.codec, "%s", codec->name);
    if (r->how == DISKV_READ_STORED) {
        r->known.info.size = r->engine_reader->info.size;
        return 0;
    }
    return decoding_new(codec, r->engine_reader, r->known.info.size, r->store->workers,
                        &r->decoding);
}

static int reader_decode_by_name(diskv_reader *r, const char *name)
{
    for (size_t i = 0; i < CODECS_MAX; i++)
        if (r->store->codecs[i] && strcmp(r->store->codecs[i]->name, name) == 0)
            return reader_decode(r, r->store->codecs[i]);
    return DISKV_EDECODE;
}

/* Takes over what the engine opened. EAGAIN where the head tells whether it is compressed. */
static int reader_opened(diskv_reader *r)
{
    struct record record;
    r->engine_reader = r->under_way.open.reader;
    const struct engine_info *info = &r->engine_reader->info;
    r->known.codec[0] = '\0';
    bool recorded = info_from_engine(r->store, info, &r->known.info, &r->known.fields, &record);
    r->cacheable = r->store->cache && reader_keeps(r) && info_settled(info, recorded);
    if (recorded)
        return *record.codec ? reader_decode_by_name(r, record.codec) : 0;
    return r->store->codec ? DISKV_EAGAIN : 0;
}

/* Decides by the head, or by an error in its place, how the value is to be read. */
static int head_judge(diskv_reader *r, int64_t n)
{
    const struct codec *codec = r->store->codec;
    if (n < 0)
        return (int)n;
    if (codec->ops->recognises(codec, r->head, (size_t)n))
        return reader_decode(r, codec);
    r->known.info.size = r->engine_reader->info.size;
    return 0;
}

static int head_read_now(diskv_reader *r)
{
    r->head = malloc(CODEC_HEAD_MAX);
    if (!r->head)
        return DISKV_ENOMEM;
    uint64_t size = r->engine_reader->info.size;
    int64_t n = r->store->engine->ops->read_now(r->engine_reader, r->head, CODEC_HEAD_MAX, 0);
    if (n >= 0 && n < CODEC_HEAD_MAX && (uint64_t)n < size)
        return DISKV_EAGAIN;
    return head_judge(r, n);
}

static void reader_counted(diskv_reader *r)
{
    free(r->head);
    r->head = NULL;
    atomic_fetch_add_explicit(&r->store->reads, 1, memory_order_relaxed);
}

static struct engine_open what_to_open(const diskv_reader *r)
{
    return (struct engine_open){.key = r->key,
                                .len = r->len,
                                .keep = reader_keeps(r),
                                .keep_from = r->store->cache ? KEEP_FROM : 0};
}

/* A name that the kernel does not have in memory keeps open_now from telling that there is no file;
 * a look does, so that a missing key costs no worker. */
static int engine_open_now(diskv_reader *r)
{
    struct engine *engine = r->store->engine;
    uint8_t ident[ENGINE_IDENT_LEN];
    r->under_way.open = what_to_open(r);
    int rc = engine->ops->open_now(engine, &r->under_way.open);
    if (rc == DISKV_EAGAIN &&
        engine->ops->identify(engine, r->key, r->len, ident) == DISKV_ENOTFOUND)
        rc = DISKV_ENOTFOUND;
    return rc;
}

int diskv_reader_open_now(diskv *store, const char *key, size_t len, enum diskv_read how,
                          diskv_reader **out)
{
    diskv_reader *r;
    int rc = reader_new(store, key, len, how, &r);
    if (rc)
        return rc;
    if (!reader_cached(r)) {
        rc = engine_open_now(r);
        if (!rc)
            rc = reader_opened(r);
        if (rc == DISKV_EAGAIN && r->engine_reader)
            rc = head_read_now(r);
    }
    if (rc) {
        diskv_reader_close(r);
        return rc;
    }
    reader_counted(r);
    *out = r;
    return 0;
}

static void open_end(diskv_reader *r, int rc)
{
    diskv_done *done = r->done;
    void *ctx = r->ctx;
    if (rc) {
        diskv_reader_close(r);
    } else {
        reader_counted(r);
        *r->out.reader = r;
    }
    done(ctx, rc);
}

static void head_done(struct engine_op *op, int rc)
{
    diskv_reader *r = container_of(op, diskv_reader, under_way.read.op);
    open_end(r, head_judge(r, rc ? rc : (int64_t)r->under_way.read.got));
}

static void open_done(struct engine_op *op, int rc)
{
    diskv_reader *r = container_of(op, diskv_reader, under_way.open.op);
    if (!rc)
        rc = reader_opened(r);
    if (rc == DISKV_EAGAIN && r->engine_reader)
        rc = head_read_now(r);
    if (rc == DISKV_EAGAIN && r->head) {
        r->under_way.read = (struct engine_read){.op.done = head_done,
                                                 .reader = r->engine_reader,
                                                 .buf = r->head,
                                                 .len = CODEC_HEAD_MAX};
        r->store->engine->ops->read(&r->under_way.read);
        return;
    }
    open_end(r, rc);
}

void diskv_reader_open(diskv *store, const char *key, size_t len, enum diskv_read how,
                       diskv_reader **out, diskv_done *done, void *ctx)
{
    diskv_reader *r;
    int rc = reader_new(store, key, len, how, &r);
    if (rc) {
        done(ctx, rc);
        return;
    }
    r->done = done;
    r->ctx = ctx;
    r->out.reader = out;
    if (reader_cached(r)) {
        open_end(r, 0);
        return;
    }
    r->under_way.open = what_to_open(r);
    r->under_way.open.op.done = open_done;
    store->engine->ops->open(store->engine, &r->under_way.open);
}

void diskv_reader_close(diskv_reader *r)
{
    if (!r)
        return;
    free(r->head);
    cache_unref(r->filling);
    cache_unref(r->cached);
    decoding_free(r->decoding);
    if (r->engine_reader)
        r->store->engine->ops->close(r->engine_reader);
    free(r);
}
