/* Whole values. */
#include "buf.h"
#include "store.h"

#define GROWING_MIN (16 * 1024)

int diskv_put(diskv *store, const char *key, size_t len, const void *data, size_t size,
              const struct diskv_write_options *options)
{
    struct diskv_write_options sized = options ? *options : (struct diskv_write_options){0};
    sized.size_hint = size;
    diskv_writer *writer;
    int rc = diskv_writer_open(store, key, len, &sized, &writer);
    if (rc)
        return rc;
    rc = diskv_writer_append_wait(writer, data, size);
    if (!rc)
        rc = diskv_writer_commit_wait(writer);
    diskv_writer_close(writer);
    return rc;
}

/* Reads a value of unknown size into memory that grows. */
static int read_growing(diskv_reader *reader, struct buf *out)
{
    for (;;) {
        int rc = buf_reserve(out, out->len ? out->len : GROWING_MIN);
        if (rc)
            return rc;
        size_t room = out->cap - 1 - out->len;
        int64_t n = diskv_reader_read_wait(reader, out->data + out->len, room, out->len);
        if (n < 0)
            return (int)n;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if ((size_t)n < room)
            return 0;
    }
}

static int read_sized(diskv_reader *reader, uint64_t size, struct buf *out)
{
    int rc = size < SIZE_MAX ? buf_reserve(out, (size_t)size) : DISKV_ENOMEM;
    if (rc)
        return rc;
    int64_t n = diskv_reader_read_wait(reader, out->data, (size_t)size, 0);
    if (n < 0)
        return (int)n;
    out->len = (size_t)n;
    out->data[out->len] = '\0';
    return out->len == size ? 0 : DISKV_ESTALE;
}

int diskv_get(diskv *store, const char *key, size_t len, void **data, size_t *size)
{
    diskv_reader *reader;
    int rc = diskv_reader_open_wait(store, key, len, DISKV_READ_CACHED, &reader);
    if (rc)
        return rc;
    uint64_t known = diskv_reader_info(reader)->size;
    struct buf value = {0};
    rc = known == DISKV_SIZE_UNKNOWN ? read_growing(reader, &value)
                                     : read_sized(reader, known, &value);
    diskv_reader_close(reader);
    if (rc) {
        buf_free(&value);
        return rc;
    }
    *size = value.len;
    *data = buf_steal(&value);
    return 0;
}

int diskv_stat(diskv *store, const char *key, size_t len, struct diskv_info *out)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    struct engine_info info;
    int rc = store->engine->ops->stat(store->engine, key, len, &info);
    if (!rc)
        info_from_engine(store, &info, out, NULL, NULL);
    return rc;
}

int diskv_has(diskv *store, const char *key, size_t len)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    int rc = store->engine->ops->stat(store->engine, key, len, NULL);
    return rc == DISKV_ENOTFOUND ? 0 : rc ? rc : 1;
}
