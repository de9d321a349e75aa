/* Whole values. */
#include "store.h"

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

/* Reads all of a value into memory that it allocates. */
static int read_whole(diskv_reader *reader, void **out, size_t *size)
{
    uint64_t expected = diskv_reader_info(reader)->size;
    if (expected >= SIZE_MAX)
        return DISKV_ENOMEM;
    size_t len = (size_t)expected;
    char *data = malloc(len + 1);
    if (!data)
        return DISKV_ENOMEM;
    int64_t n = diskv_reader_read_wait(reader, data, len, 0);
    if (n < 0 || (size_t)n != len) {
        free(data);
        return n < 0 ? (int)n : DISKV_ESTALE;
    }
    data[len] = '\0';
    *out = data;
    *size = len;
    return 0;
}

int diskv_get(diskv *store, const char *key, size_t len, void **data, size_t *size)
{
    diskv_reader *reader;
    int rc = diskv_reader_open_wait(store, key, len, &reader);
    if (rc)
        return rc;
    rc = read_whole(reader, data, size);
    diskv_reader_close(reader);
    return rc;
}

int diskv_stat(diskv *store, const char *key, size_t len, struct diskv_info *out)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    struct engine_info info;
    int rc = store->engine->ops->stat(store->engine, key, len, &info);
    if (!rc)
        info_from_engine(&info, out);
    return rc;
}

int diskv_has(diskv *store, const char *key, size_t len)
{
    struct diskv_info info;
    int rc = diskv_stat(store, key, len, &info);
    return rc == DISKV_ENOTFOUND ? 0 : rc ? rc : 1;
}
