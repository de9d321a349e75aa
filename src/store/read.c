#include "store.h"

#include "util.h"

struct diskv_reader {
    diskv *store;
    struct engine_reader *engine_reader;
    struct diskv_info info;
    union {
        struct engine_open open;
        struct engine_read read;
    } under_way;
    diskv_done *done;
    void *ctx;
    union {
        diskv_reader **reader;
        size_t *got;
    } out;
    size_t len;
    char key[];
};

static int reader_new(diskv *store, const char *key, size_t len, diskv_reader **out)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    diskv_reader *r = calloc(1, sizeof *r + len);
    if (!r)
        return DISKV_ENOMEM;
    r->store = store;
    r->len = len;
    memcpy(r->key, key, len);
    r->under_way.open.key = r->key;
    r->under_way.open.len = len;
    *out = r;
    return 0;
}

/* Takes over what the engine opened. */
static void reader_opened(diskv_reader *r)
{
    r->engine_reader = r->under_way.open.reader;
    info_from_engine(&r->engine_reader->info, &r->info);
    atomic_fetch_add_explicit(&r->store->reads, 1, memory_order_relaxed);
}

int diskv_reader_open_now(diskv *store, const char *key, size_t len, diskv_reader **out)
{
    diskv_reader *r;
    int rc = reader_new(store, key, len, &r);
    if (rc)
        return rc;
    rc = store->engine->ops->open_now(store->engine, &r->under_way.open);
    if (rc) {
        free(r);
        return rc;
    }
    reader_opened(r);
    *out = r;
    return 0;
}

static void open_done(struct engine_op *op, int rc)
{
    diskv_reader *r = container_of(op, diskv_reader, under_way.open.op);
    diskv_done *done = r->done;
    void *ctx = r->ctx;
    if (rc) {
        free(r);
    } else {
        reader_opened(r);
        *r->out.reader = r;
    }
    done(ctx, rc);
}

void diskv_reader_open(diskv *store, const char *key, size_t len, diskv_reader **out,
                       diskv_done *done, void *ctx)
{
    diskv_reader *r;
    int rc = reader_new(store, key, len, &r);
    if (rc) {
        done(ctx, rc);
        return;
    }
    r->done = done;
    r->ctx = ctx;
    r->out.reader = out;
    r->under_way.open.op.done = open_done;
    store->engine->ops->open(store->engine, &r->under_way.open);
}

const struct diskv_info *diskv_reader_info(const diskv_reader *reader)
{
    return &reader->info;
}

int64_t diskv_reader_read_now(diskv_reader *r, void *buf, size_t len, uint64_t offset)
{
    int64_t n = r->store->engine->ops->read_now(r->engine_reader, buf, len, offset);
    if (n > 0)
        atomic_fetch_add_explicit(&r->store->bytes_read, (uint64_t)n, memory_order_relaxed);
    return n;
}

static void read_done(struct engine_op *op, int rc)
{
    diskv_reader *r = container_of(op, diskv_reader, under_way.read.op);
    *r->out.got = r->under_way.read.got;
    atomic_fetch_add_explicit(&r->store->bytes_read, r->under_way.read.got, memory_order_relaxed);
    r->done(r->ctx, rc);
}

void diskv_reader_read(diskv_reader *r, void *buf, size_t len, uint64_t offset, size_t *got,
                       diskv_done *done, void *ctx)
{
    r->done = done;
    r->ctx = ctx;
    r->out.got = got;
    r->under_way.read = (struct engine_read){
        .op.done = read_done,
        .reader = r->engine_reader,
        .buf = buf,
        .len = len,
        .offset = offset,
    };
    r->store->engine->ops->read(&r->under_way.read);
}

void diskv_reader_close(diskv_reader *r)
{
    if (!r)
        return;
    r->store->engine->ops->close(r->engine_reader);
    free(r);
}
