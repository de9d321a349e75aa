/* Reading an open value, and keeping it for the cache meanwhile. */
#include "reader.h"

#include "util.h"

const struct diskv_info *diskv_reader_info(const diskv_reader *reader)
{
    return &reader->known.info;
}

const char *diskv_reader_codec(const diskv_reader *reader)
{
    return reader->known.codec;
}

uint64_t diskv_reader_version(const diskv_reader *reader)
{
    return reader->cached ? reader->cached->version : 0;
}

const diskv_fields *diskv_reader_fields(const diskv_reader *reader)
{
    return &reader->known.fields;
}

/* Caches the value that was read to its end, unless its file is another by now. */
static void filling_end(diskv_reader *r)
{
    struct engine *engine = r->store->engine;
    uint8_t ident[ENGINE_IDENT_LEN];
    if (engine->ops->identify(engine, r->key, r->len, ident) == 0 &&
        memcmp(ident, r->filling->ident, sizeof ident) == 0)
        cache_add(r->store->cache, r->filling);
    cache_unref(r->filling);
    r->filling = NULL;
    r->cacheable = false;
}

static size_t known_size(const struct known *known)
{
    return offsetof(struct known, fields.text) + known->fields.len;
}

/* Counts what was read; what comes from the start on, in order, is kept for the cache. */
static void reader_gave(diskv_reader *r, const void *data, size_t len, uint64_t offset)
{
    _Static_assert(CACHE_IDENT_LEN == ENGINE_IDENT_LEN, "the cache takes the engine's identities");
    atomic_fetch_add_explicit(&r->store->bytes_read, len, memory_order_relaxed);
    if (!r->cacheable || offset != r->filled || r->known.info.size >= SIZE_MAX)
        return;
    if (!r->filling) {
        bool stored = r->how == DISKV_READ_STORED && *r->known.codec;
        r->filling =
            cache_begin(r->store->cache, r->key, r->len + stored, r->engine_reader->info.ident,
                        &r->known, known_size(&r->known), (size_t)r->known.info.size);
        r->cacheable = r->filling;
    }
    if (!r->filling || len > r->filling->size - r->filled)
        return;
    if (len)
        memcpy(r->filling->data + r->filled, data, len);
    r->filled += len;
    if (r->filled == r->filling->size)
        filling_end(r);
}

static int64_t cached_read(diskv_reader *r, void *buf, size_t len, uint64_t offset)
{
    uint64_t left = offset < r->cached->size ? r->cached->size - offset : 0;
    size_t n = left < len ? (size_t)left : len;
    if (n)
        memcpy(buf, r->cached->data + offset, n);
    return (int64_t)n;
}

int64_t diskv_reader_read_now(diskv_reader *r, void *buf, size_t len, uint64_t offset)
{
    if (r->decoding)
        return DISKV_EAGAIN;
    int64_t n = r->cached ? cached_read(r, buf, len, offset)
                          : r->store->engine->ops->read_now(r->engine_reader, buf, len, offset);
    if (n >= 0)
        reader_gave(r, buf, (size_t)n, offset);
    return n;
}

const void *diskv_reader_view(diskv_reader *r, size_t len, uint64_t offset)
{
    if (!r->cached || offset > r->cached->size || len > r->cached->size - offset)
        return NULL;
    atomic_fetch_add_explicit(&r->store->bytes_read, len, memory_order_relaxed);
    return r->cached->data + offset;
}

static bool will_be_cached(const diskv_reader *r)
{
    return r->cacheable && cache_takes(r->store->cache, r->known.info.size);
}

static bool is_file(const diskv_reader *r)
{
    return !r->cached && !r->decoding && r->store->engine->ops->send_now;
}

static bool can_send(const diskv_reader *r)
{
    return is_file(r) && !will_be_cached(r);
}

void diskv_reader_once(diskv_reader *r)
{
    if (is_file(r) && r->store->engine->ops->sendable_now(r->engine_reader, 0, 0) == 0)
        r->cacheable = false;
}

int diskv_reader_sendable_now(diskv_reader *r, size_t len, uint64_t offset)
{
    if (!can_send(r))
        return DISKV_ENOTSUP;
    return r->store->engine->ops->sendable_now(r->engine_reader, len, offset);
}

int64_t diskv_reader_send_now(diskv_reader *r, int socket, size_t len, uint64_t offset)
{
    if (!can_send(r))
        return DISKV_ENOTSUP;
    int64_t n = r->store->engine->ops->send_now(r->engine_reader, socket, len, offset);
    if (n > 0)
        atomic_fetch_add_explicit(&r->store->bytes_read, (uint64_t)n, memory_order_relaxed);
    return n;
}

static void read_end(diskv_reader *r, int rc)
{
    if (!rc)
        reader_gave(r, r->buf, *r->out.got, r->offset);
    r->done(r->ctx, rc);
}

static void read_done(struct engine_op *op, int rc)
{
    diskv_reader *r = container_of(op, diskv_reader, under_way.read.op);
    *r->out.got = r->under_way.read.got;
    read_end(r, rc);
}

static void decode_done(void *ctx, int rc)
{
    diskv_reader *r = ctx;
    r->known.info.size = decoding_size(r->decoding);
    read_end(r, rc);
}

void diskv_reader_read(diskv_reader *r, void *buf, size_t len, uint64_t offset, size_t *got,
                       diskv_done *done, void *ctx)
{
    r->done = done;
    r->ctx = ctx;
    r->out.got = got;
    r->buf = buf;
    r->offset = offset;
    if (r->cached) {
        *got = (size_t)cached_read(r, buf, len, offset);
        read_end(r, 0);
        return;
    }
    if (r->decoding) {
        decoding_read(r->decoding, buf, len, offset, got, decode_done, r);
        return;
    }
    r->under_way.read = (struct engine_read){
        .op.done = read_done,
        .reader = r->engine_reader,
        .buf = buf,
        .len = len,
        .offset = offset,
    };
    r->store->engine->ops->read(&r->under_way.read);
}
