#include "store.h"

#include "util.h"

#include <xxhash.h>

/* What gathers before it goes to storage: large enough that a write costs little, small enough for
 * many uploads at once. */
#define BUFFER_MAX (256 * 1024)
#define BUFFER_MIN (4 * 1024)

struct diskv_writer {
    diskv *store;
    struct engine_writer *engine_writer; /* NULL once committed */
    XXH3_state_t *hash;
    char *buf;
    size_t len, cap;
    uint64_t size, size_hint;
    struct record record;
    struct diskv_info info;
    char record_text[ENGINE_RECORD_MAX + 1];
    bool created;
    diskv_guard *guard;
    void *guard_ctx;
    diskv_done *done;
    void *ctx;
    union {
        struct engine_write write;
        struct engine_commit commit;
    } under_way;
    size_t key_len;
    char key[];
};

int diskv_writer_open(diskv *store, const char *key, size_t len,
                      const struct diskv_write_options *options, diskv_writer **out)
{
    const char *type = options && options->type ? options->type : "";
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    if (!type_valid(type))
        return DISKV_EINVAL;
    diskv_writer *w = calloc(1, sizeof *w + len);
    if (!w)
        return DISKV_ENOMEM;
    w->store = store;
    w->key_len = len;
    memcpy(w->key, key, len);
    snprintf(w->info.type, sizeof w->info.type, "%s", type);
    if (options) {
        w->guard = options->guard;
        w->guard_ctx = options->guard_ctx;
        w->size_hint = options->size_hint;
    }
    w->hash = XXH3_createState();
    int rc = w->hash ? 0 : DISKV_ENOMEM;
    if (!rc)
        rc = store->engine->ops->begin(store->engine, key, len, &w->engine_writer);
    if (rc) {
        diskv_writer_close(w);
        return rc;
    }
    XXH3_128bits_reset(w->hash);
    *out = w;
    return 0;
}

/* Makes room for more, up to BUFFER_MAX, and for no more than the announced size. */
static int buffer_grow(diskv_writer *w, size_t more)
{
    size_t need = w->len + more;
    if (need <= w->cap || w->cap == BUFFER_MAX)
        return 0;
    size_t cap = w->cap ? w->cap : BUFFER_MIN;
    if (w->size_hint > cap)
        cap = w->size_hint < BUFFER_MAX ? (size_t)w->size_hint : BUFFER_MAX;
    while (cap < need && cap < BUFFER_MAX)
        cap *= 2;
    if (cap > BUFFER_MAX)
        cap = BUFFER_MAX;
    char *buf = realloc(w->buf, cap);
    if (!buf)
        return DISKV_ENOMEM;
    w->buf = buf;
    w->cap = cap;
    return 0;
}

int64_t diskv_writer_append(diskv_writer *w, const void *data, size_t len)
{
    if (len > w->store->max_value_bytes - w->size)
        return DISKV_ETOOLARGE;
    int rc = buffer_grow(w, len);
    if (rc)
        return rc;
    size_t n = w->cap - w->len < len ? w->cap - w->len : len;
    if (n) {
        memcpy(w->buf + w->len, data, n);
        XXH3_128bits_update(w->hash, data, n);
    }
    w->len += n;
    w->size += n;
    return (int64_t)n;
}

static void write_start(diskv_writer *w, void (*done)(struct engine_op *op, int rc))
{
    w->under_way.write = (struct engine_write){
        .op.done = done,
        .writer = w->engine_writer,
        .data = w->buf,
        .len = w->len,
    };
    w->store->engine->ops->write(&w->under_way.write);
}

static void flush_done(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.write.op);
    w->len = 0;
    w->done(w->ctx, rc);
}

void diskv_writer_flush(diskv_writer *w, diskv_done *done, void *ctx)
{
    w->done = done;
    w->ctx = ctx;
    if (w->len)
        write_start(w, flush_done);
    else
        done(ctx, 0);
}

static int guard_adapt(void *ctx, const struct engine_info *current)
{
    const diskv_writer *w = ctx;
    struct diskv_info info;
    if (current)
        info_from_engine(current, &info);
    return w->guard(w->guard_ctx, current ? &info : NULL);
}

static void commit_done(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.commit.op);
    w->engine_writer = NULL;
    w->created = w->under_way.commit.created;
    index_note(w->store, w->key, w->key_len, false, rc);
    if (!rc) {
        atomic_fetch_add_explicit(&w->store->writes, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&w->store->bytes_written, w->size, memory_order_relaxed);
    }
    w->done(w->ctx, rc);
}

/* The mtime is our own, from a clock with nanoseconds: a later edit in place, whose mtime the
 * kernel takes from its tick, cannot bear the same one. */
static void commit_start(diskv_writer *w)
{
    clock_gettime(CLOCK_REALTIME, &w->record.mtime);
    w->record.size = w->size;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(w->hash));
    memcpy(w->record.hash, canonical.digest, sizeof w->record.hash);
    record_etag(w->record.hash, w->info.type, w->info.etag);
    w->info.size = w->size;
    w->info.modified = w->record.mtime;
    int rc = record_format(&w->record, w->record_text, sizeof w->record_text);
    if (rc) {
        w->done(w->ctx, rc);
        return;
    }
    w->under_way.commit = (struct engine_commit){
        .op.done = commit_done,
        .writer = w->engine_writer,
        .mtime = w->record.mtime,
        .type = w->info.type,
        .record = w->record_text,
        .guard = w->guard ? guard_adapt : NULL,
        .guard_ctx = w,
    };
    w->store->engine->ops->commit(&w->under_way.commit);
}

static void last_write_done(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.write.op);
    w->len = 0;
    if (rc)
        w->done(w->ctx, rc);
    else
        commit_start(w);
}

void diskv_writer_commit(diskv_writer *w, diskv_done *done, void *ctx)
{
    w->done = done;
    w->ctx = ctx;
    if (w->len)
        write_start(w, last_write_done);
    else
        commit_start(w);
}

const struct diskv_info *diskv_writer_info(const diskv_writer *writer)
{
    return &writer->info;
}

bool diskv_writer_created(const diskv_writer *writer)
{
    return writer->created;
}

void diskv_writer_close(diskv_writer *w)
{
    if (!w)
        return;
    if (w->engine_writer)
        w->store->engine->ops->abort(w->engine_writer);
    XXH3_freeState(w->hash);
    free(w->buf);
    free(w);
}

struct erase {
    struct engine_erase engine_erase;
    diskv *store;
    diskv_guard *guard;
    void *guard_ctx;
    diskv_done *done;
    void *ctx;
    size_t len;
    char key[];
};

static int erase_guard_adapt(void *ctx, const struct engine_info *current)
{
    const struct erase *e = ctx;
    struct diskv_info info;
    info_from_engine(current, &info);
    return e->guard(e->guard_ctx, &info);
}

static void erase_done(struct engine_op *op, int rc)
{
    struct erase *e = container_of(op, struct erase, engine_erase.op);
    index_note(e->store, e->key, e->len, true, rc);
    if (!rc)
        atomic_fetch_add_explicit(&e->store->erases, 1, memory_order_relaxed);
    diskv_done *done = e->done;
    void *ctx = e->ctx;
    free(e);
    done(ctx, rc);
}

void diskv_erase(diskv *store, const char *key, size_t len, diskv_guard *guard, void *guard_ctx,
                 diskv_done *done, void *ctx)
{
    struct erase *e = diskv_key_valid(key, len) ? calloc(1, sizeof *e + len) : NULL;
    if (!e) {
        done(ctx, diskv_key_valid(key, len) ? DISKV_ENOMEM : DISKV_EKEY);
        return;
    }
    e->store = store;
    e->guard = guard;
    e->guard_ctx = guard_ctx;
    e->done = done;
    e->ctx = ctx;
    e->len = len;
    memcpy(e->key, key, len);
    e->engine_erase = (struct engine_erase){
        .op.done = erase_done,
        .key = e->key,
        .len = len,
        .guard = guard ? erase_guard_adapt : NULL,
        .guard_ctx = e,
    };
    store->engine->ops->erase(store->engine, &e->engine_erase);
}
