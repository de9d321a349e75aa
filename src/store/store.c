#include "store.h"

#include "error.h"
#include "log.h"

#include <unistd.h>

#define WORKERS_DEFAULT 8

static int layout_choose(const struct diskv_options *options, struct layout *out)
{
    if (options->to_path || options->to_key)
        return layout_user(options->layout, options->to_path, options->to_key, options->layout_ctx,
                           out);
    return layout_parse(options->layout ? options->layout : layout_path.name, out);
}

static int memory_parts_open(diskv *store)
{
    int rc = engine_memory_new(&store->engine);
    return rc ? rc : index_memory_new(&store->index);
}

static int fs_parts_open(diskv *store, const char *dir, const struct diskv_options *options)
{
    int dir_fd;
    int rc = home_open(dir, &dir_fd, &store->lock_fd);
    if (rc)
        return rc;
    rc = engine_fs_open(dir_fd, &store->layout, options->sync, store->workers, &store->engine);
    close(dir_fd);
    if (rc)
        return rc;
    char path[4096];
    bool fresh;
    int n = snprintf(path, sizeof path, "%s/.diskv/index", dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return DISKV_EINVAL;
    rc = index_lmdb_open(path, &fresh, &store->index);
    return rc ? rc : index_sync(store, false);
}

int diskv_open(const char *dir, const struct diskv_options *options, diskv **out)
{
    static const struct diskv_options defaults;
    if (!options)
        options = &defaults;
    const char *engine = options->engine ? options->engine : "fs";
    bool memory = strcmp(engine, "memory") == 0;
    if (!memory && strcmp(engine, "fs") != 0)
        return DISKV_EINVAL;
    struct layout layout;
    int rc = layout_choose(options, &layout);
    if (rc)
        return rc;
    diskv *store = calloc(1, sizeof *store);
    if (!store)
        return DISKV_ENOMEM;
    store->layout = layout;
    store->lock_fd = -1;
    store->max_value_bytes = options->max_value_bytes ? options->max_value_bytes : UINT64_MAX;
    pthread_mutex_init(&store->sync_lock, NULL);
    rc = workers_new(options->workers ? options->workers : WORKERS_DEFAULT, &store->workers);
    if (!rc)
        rc = memory ? memory_parts_open(store) : fs_parts_open(store, dir, options);
    if (rc) {
        diskv_close(store);
        return rc;
    }
    *out = store;
    return 0;
}

void diskv_close(diskv *store)
{
    if (!store)
        return;
    workers_free(store->workers);
    if (store->engine)
        store->engine->ops->free(store->engine);
    if (store->index)
        store->index->ops->free(store->index);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    pthread_mutex_destroy(&store->sync_lock);
    free(store);
}

void diskv_stats(diskv *store, struct diskv_stats *out)
{
    *out = (struct diskv_stats){
        .keys = store->index->ops->count(store->index),
        .foreign = atomic_load(&store->foreign),
        .writes = atomic_load(&store->writes),
        .erases = atomic_load(&store->erases),
        .reads = atomic_load(&store->reads),
        .bytes_written = atomic_load(&store->bytes_written),
        .bytes_read = atomic_load(&store->bytes_read),
    };
}
