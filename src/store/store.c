#include "store.h"

#include "error.h"
#include "log.h"

#include <unistd.h>

#define WORKERS_DEFAULT 8

/* What listings told may take so small a part of what the cache may, beside it. */
#define ROWS_SHARE 4

static int layout_choose(const struct diskv_options *options, struct layout *out)
{
    if (options->to_path || options->to_key)
        return layout_user(options->layout, options->to_path, options->to_key, options->layout_ctx,
                           out);
    return layout_parse(options->layout ? options->layout : layout_path.name, out);
}

/* The codecs that values may have been written with, and the one to write with. Values of the
 * built-in ones are read whatever the options say now. */
static int codecs_open(diskv *store, const struct diskv_options *options)
{
    static const char *const names[] = {"gzip", "zlib"};
    const char *compress = options->compress ? options->compress : "none";
    bool none = strcmp(compress, "none") == 0;
    if (!diskv_codec_valid(compress) || (!none && options->codec))
        return DISKV_EINVAL;
    for (size_t i = 0; i < 2; i++) {
        bool chosen = strncmp(compress, names[i], strlen(names[i])) == 0;
        bool dictionary = i == 1;
        int rc = codec_parse(chosen ? compress : names[i], dictionary ? options->dictionary : NULL,
                             dictionary ? options->dictionary_len : 0, &store->codecs[i]);
        if (rc)
            return rc;
        if (chosen)
            store->codec = store->codecs[i];
    }
    if (!options->codec)
        return 0;
    store->codec = NULL;
    int rc = codec_user(options->codec, &store->codecs[2]);
    store->codec = store->codecs[2];
    return rc;
}

static int fs_engine_open(diskv *store, const char *dir, const struct diskv_options *options)
{
    int dir_fd;
    int rc = options->detached ? home_look(dir, &dir_fd) : home_open(dir, &dir_fd, &store->lock);
    if (rc)
        return rc;
    const struct engine_fs_options fs = {
        .layout = &store->layout,
        .workers = store->workers,
        .file_perm = options->file_perm,
        .path_perm = options->path_perm,
        .exact_perm = options->exact_perm,
        .temp_dir = options->temp_dir,
        .detached = options->detached,
    };
    rc = engine_fs_open(dir_fd, &fs, &store->engine);
    close(dir_fd);
    return rc;
}

static int lmdb_open(const char *dir, struct index **out)
{
    char path[4096];
    bool fresh;
    int n = snprintf(path, sizeof path, "%s/" LAYOUT_STORE_DIR "/index", dir);
    if (n < 0 || (size_t)n >= sizeof path)
        return DISKV_EINVAL;
    return index_lmdb_open(path, &fresh, out);
}

/* Opens the index that the options ask for, in step with the files. */
static int index_open(diskv *store, const char *dir, const struct diskv_options *options,
                      bool memory)
{
    bool lasting = !memory && !options->index && !options->compare && !options->detached;
    store->byte_order = !options->index && !options->compare;
    int rc = options->index ? index_user_new(options->index, &store->index)
             : lasting      ? lmdb_open(dir, &store->index)
                       : index_memory_new(options->compare, options->compare_ctx, &store->index);
    if (!rc && options->watch && store->engine->ops->watch)
        rc = live_open(store);
    if (rc)
        return rc;
    enum stale stale = lasting ? STALE_STAMPS : STALE_ALL;
    if (options->background && !memory)
        return background_open(store, stale);
    if (!options->detached)
        return index_mend(store, stale);
    index_doubt(store, STALE_ALL);
    return 0;
}

static int parts_open(diskv *store, const char *dir, const struct diskv_options *options)
{
    bool memory = options->engine && strcmp(options->engine, "memory") == 0;
    int rc = codecs_open(store, options);
    if (!rc && options->cache_bytes)
        rc = cache_new(options->cache_bytes, &store->cache);
    if (!rc && options->cache_bytes)
        rc = rows_new(options->cache_bytes / ROWS_SHARE, &store->rows);
    if (!rc)
        rc = workers_new(options->workers ? options->workers : WORKERS_DEFAULT, &store->workers);
    if (!rc)
        rc = memory ? engine_memory_new(&store->engine) : fs_engine_open(store, dir, options);
    if (!rc)
        rc = index_open(store, dir, options, memory);
    return rc || !options->scrub_seconds ? rc : scrub_open(store, options->scrub_seconds);
}

static bool engine_valid(const char *name)
{
    return !name || strcmp(name, "fs") == 0 || strcmp(name, "memory") == 0;
}

int diskv_open(const char *dir, const struct diskv_options *options, diskv **out)
{
    static const struct diskv_options defaults;
    if (!options)
        options = &defaults;
    if (!engine_valid(options->engine) || (options->index && options->compare) ||
        (options->detached && (options->watch || options->background || options->temp_dir)))
        return DISKV_EINVAL;
    diskv *store = calloc(1, sizeof *store);
    if (!store)
        return DISKV_ENOMEM;
    pthread_mutex_init(&store->sync_lock, NULL);
    pthread_mutex_init(&store->places_lock, NULL);
    pthread_mutex_init(&store->note_lock, NULL);
    serial_init(&store->mends);
    store->last_noting = &store->first_noting;
    store->lock = (struct home_lock){-1, -1};
    store->detached = options->detached;
    store->sync = options->sync != DISKV_SYNC_NONE;
    store->max_value_bytes = options->max_value_bytes ? options->max_value_bytes : UINT64_MAX;
    int rc = changes_new(&store->changes);
    if (!rc)
        rc = layout_choose(options, &store->layout);
    if (!rc)
        rc = parts_open(store, dir, options);
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
    scrub_close(store->scrub);
    atomic_store(&store->closing, true);
    background_close(store->background);
    workers_free(store->workers);
    live_close(store->live);
    store->live = NULL;
    if (store->engine)
        store->engine->ops->free(store->engine);
    if (store->index)
        store->index->ops->free(store->index);
    for (size_t i = 0; i < CODECS_MAX; i++)
        codec_free(store->codecs[i]);
    rows_free(store->rows);
    cache_free(store->cache);
    changes_free(store->changes);
    home_unlock(&store->lock);
    pthread_mutex_destroy(&store->places_lock);
    pthread_mutex_destroy(&store->sync_lock);
    pthread_mutex_destroy(&store->note_lock);
    serial_destroy(&store->mends);
    free(store);
}

void diskv_stats(diskv *store, struct diskv_stats *out)
{
    struct cache_stats cache = {0};
    struct engine_watching watching = {0};
    if (store->live)
        store->engine->ops->watching(store->engine, &watching);
    if (store->cache)
        cache_stats(store->cache, &cache);
    *out = (struct diskv_stats){
        .keys = store->index->ops->count(store->index),
        .foreign = atomic_load(&store->foreign),
        .writes = atomic_load(&store->writes),
        .erases = atomic_load(&store->erases),
        .reads = atomic_load(&store->reads),
        .bytes_written = atomic_load(&store->bytes_written),
        .bytes_read = atomic_load(&store->bytes_read),
        .cache_bytes = cache.bytes,
        .cache_hits = cache.hits,
        .cache_misses = cache.misses,
        .watching = !store->live                       ? DISKV_WATCHING_NOT
                    : atomic_load(&store->unwatched)   ? DISKV_WATCHING_PARTLY
                    : atomic_load(&store->indexing)    ? DISKV_WATCHING_PARTLY
                    : atomic_load(&store->index_stale) ? DISKV_WATCHING_PARTLY
                                                       : DISKV_WATCHING,
        .watches = watching.places,
        .indexing = atomic_load(&store->indexing),
        .index_damaged = atomic_load(&store->damaged),
    };
    scrub_stats(store->scrub, out);
}
