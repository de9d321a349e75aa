#include "writer.h"

/* What gathers before it goes to storage, while as much is on its way there: large enough that a
 * write costs little, small enough for many uploads at once. */
#define BUFFER_MAX (256 * 1024)
#define BUFFER_MIN (4 * 1024)

/* Takes what the options say, and copies it. */
static int options_take(diskv_writer *w, const struct diskv_write_options *options)
{
    static const struct diskv_write_options defaults;
    if (!options)
        options = &defaults;
    const char *type = options->type ? options->type : "";
    if (!type_valid(type))
        return DISKV_EINVAL;
    snprintf(w->info.type, sizeof w->info.type, "%s", type);
    int rc = fields_set(&w->fields, options->fields, options->field_count);
    if (rc)
        return rc;
    w->guard = options->guard;
    w->guard_ctx = options->guard_ctx;
    w->size_hint = options->size_hint;
    w->sync = options->sync ? options->sync == DISKV_SYNC_ALWAYS : w->store->sync;
    return 0;
}

int diskv_writer_open(diskv *store, const char *key, size_t len,
                      const struct diskv_write_options *options, diskv_writer **out)
{
    diskv_writer *w = calloc(1, sizeof *w);
    if (!w)
        return DISKV_ENOMEM;
    w->store = store;
    int rc = key ? diskv_writer_name(w, key, len) : 0;
    if (!rc)
        rc = options_take(w, options);
    if (!rc) {
        w->hash = XXH3_createState();
        rc = w->hash ? 0 : DISKV_ENOMEM;
    }
    /* What lies compressed may find room where its plain bytes would not. */
    if (!rc && key && options && options->probe && store->engine->ops->probe)
        rc = store->engine->ops->probe(store->engine, key, len, store->codec ? 0 : w->size_hint);
    if (!rc)
        rc = store->engine->ops->begin(store->engine, &w->engine_writer);
    if (rc) {
        writer_free(w);
        return rc;
    }
    w->engine_writer->early = w->sync;
    XXH3_128bits_reset(w->hash);
    *out = w;
    return 0;
}

int diskv_writer_name(diskv_writer *w, const char *key, size_t len)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    memcpy(w->key, key, len);
    w->key_len = len;
    return 0;
}

/* Makes room for more, up to BUFFER_MAX, and for no more than the announced size. */
static int buffer_grow(diskv_writer *w, size_t more)
{
    size_t need = w->len + more;
    if (need <= w->cap || w->cap == BUFFER_MAX)
        return 0;
    size_t cap = w->cap ? w->cap : BUFFER_MIN;
    uint64_t hint = w->size_hint > w->size ? w->size_hint - w->size + w->len : 0;
    if (hint > cap)
        cap = hint < BUFFER_MAX ? (size_t)hint : BUFFER_MAX;
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
    if (w->as_is)
        return DISKV_EINVAL;
    if (len > w->store->max_value_bytes - w->size)
        return DISKV_ETOOLARGE;
    int rc = buffer_grow(w, len);
    if (rc)
        return rc;
    size_t n = w->cap - w->len < len ? w->cap - w->len : len;
    if (n)
        memcpy(w->buf + w->len, data, n);
    diskv_writer_filled(w, n);
    return (int64_t)n;
}

size_t diskv_writer_space(diskv_writer *w, size_t len, void **space)
{
    if (!len || w->as_is || len > w->store->max_value_bytes - w->size || buffer_grow(w, len))
        return 0;
    *space = w->buf + w->len;
    return w->cap - w->len < len ? w->cap - w->len : len;
}

void diskv_writer_filled(diskv_writer *w, size_t len)
{
    if (len)
        XXH3_128bits_update(w->hash, w->buf + w->len, len);
    w->len += len;
    w->size += len;
}

void writer_free(diskv_writer *w)
{
    if (w->engine_writer)
        w->store->engine->ops->abort(w->engine_writer);
    if (w->encoder)
        w->encoder->ops->encoder_free(w->encoder);
    XXH3_freeState(w->hash);
    free(w->encoded);
    if (w->second)
        atomic_fetch_sub(&w->store->second_buffers, 1);
    free(w->behind_buf);
    free(w->buf);
    free(w);
}
