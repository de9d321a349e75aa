/* What a store does by itself when it was opened: a thread brings the index in step, then looks
 * through all files, slowly, for what the index has wrong all the same. */
#include "store.h"

#include "buf.h"
#include "log.h"

#include <errno.h>
#include <semaphore.h>

/* A sync that failed is tried again after so long. */
#define RETRY_MS 2000

/* One that took longer is told of. */
#define TELL_MS 1000

/* Files looked at without a rest, and in a second. Of its time the thread takes no more than one
 * part in so many and one. */
#define LOOKS_MAX  256
#define LOOK_RATE  5000
#define REST_PARTS 19

/* What is wrong may be a change that is just being made: it is looked at again after so long. */
#define DOUBT_MS  2000
#define DOUBT_MAX 65536 /* bytes of such keys */

struct background {
    diskv *store;
    enum stale stale;
    pthread_t thread;
    sem_t closing;

    int64_t since_ms; /* when the last rest ended */
    size_t looks;     /* since then */
    struct buf keys;  /* that seem wrong, each with its NUL */
    struct buf places;
    uint64_t wrong;
};

/* Rests, or returns EUNAVAILABLE where the store is closed. */
static int rest(struct background *b, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    while (!atomic_load(&b->store->closing) &&
           sem_clockwait(&b->closing, CLOCK_MONOTONIC, &until) && errno == EINTR)
        ;
    return atomic_load(&b->store->closing) ? DISKV_EUNAVAILABLE : 0;
}

/* --- At the start --- */

static int start(struct background *b)
{
    diskv *store = b->store;
    int64_t began = clock_ms_monotonic();
    while (index_mend(store, b->stale)) {
        int rc = rest(b, RETRY_MS);
        if (rc)
            return rc;
    }
    int64_t took = clock_ms_monotonic() - began;
    if (took > TELL_MS)
        log_info("the index is whole: %llu keys, after %.1f s",
                 (unsigned long long)store->index->ops->count(store->index), (double)took / 1000);
    return 0;
}

/* --- At leisure --- */

/* Another file was looked at: rests now and then. */
static int looked(struct background *b)
{
    if (++b->looks < LOOKS_MAX)
        return 0;
    int64_t worked = REST_PARTS * (clock_ms_monotonic() - b->since_ms);
    int64_t due = LOOKS_MAX * 1000 / LOOK_RATE;
    int rc = rest(b, worked > due ? worked : due);
    b->since_ms = clock_ms_monotonic();
    b->looks = 0;
    return rc;
}

static bool is_wrong(diskv *store, const char *key, size_t len)
{
    bool gone = store->engine->ops->stat(store->engine, key, len, NULL) == DISKV_ENOTFOUND;
    return gone == index_has(store, key, len);
}

/* Mends what still is wrong after a while. */
static int doubts_clear(struct background *b)
{
    struct buf wrong = {0};
    int rc = b->keys.len ? rest(b, DOUBT_MS) : 0;
    for (size_t at = 0, len; !rc && at < b->keys.len; at += len + 1) {
        const char *key = b->keys.data + at;
        len = strlen(key);
        if (!is_wrong(b->store, key, len))
            continue;
        rc = buf_add(&wrong, key, len + 1);
        b->wrong++;
    }
    if (!rc)
        rc = index_check(b->store, wrong.data, wrong.len);
    if (!rc && b->places.len)
        rc = index_read(b->store, b->places.data, b->places.len);
    buf_free(&wrong);
    b->keys.len = b->places.len = 0;
    return rc;
}

static int doubt(struct background *b, const char *key, size_t len)
{
    int rc = buf_add(&b->keys, key, len);
    if (!rc)
        rc = buf_add(&b->keys, "", 1);
    return rc || b->keys.len < DOUBT_MAX ? rc : doubts_clear(b);
}

static int key_seen(void *ctx, const char *key, size_t len)
{
    struct background *b = ctx;
    int rc = index_has(b->store, key, len) ? 0 : doubt(b, key, len);
    return rc ? rc : looked(b);
}

static int place_seen(void *ctx, const char *name, size_t len)
{
    struct background *b = ctx;
    struct index *index = b->store->index;
    char note[INDEX_NOTE_VALUE_MAX];
    size_t note_len;
    int rc = index->ops->note_get(index, name, len, note, &note_len);
    if (rc == DISKV_ENOTFOUND)
        rc = buf_add(&b->places, name, len + 1);
    return rc ? rc : looked(b);
}

static int name_add(void *ctx, const char *name, size_t len, const void *value, size_t value_len)
{
    (void)value;
    (void)value_len;
    int rc = buf_add(ctx, name, len);
    return rc ? rc : buf_add(ctx, "", 1);
}

/* Looks for files that the index lacks, in all places that it knows and those it should. */
static int places_walk(struct background *b)
{
    struct engine *engine = b->store->engine;
    struct index *index = b->store->index;
    const struct engine_visitor visitor = {.ctx = b, .key = key_seen, .place = place_seen};
    struct buf known = {0};
    int rc = index->ops->note_each(index, name_add, &known);
    for (size_t at = 0; !rc && at < known.len; at += strlen(known.data + at) + 1) {
        const char *name = known.data + at;
        struct engine_place place;
        rc = engine->ops->scan(engine, name, &visitor, &place);
        if (rc == DISKV_ENOTFOUND || rc == DISKV_EACCESS)
            rc = 0;
        if (!rc)
            rc = looked(b);
        if (!rc)
            rc = doubts_clear(b);
    }
    buf_free(&known);
    return rc;
}

/* Reads the next keys of the index behind `from`, which becomes the last of them; each with its
 * NUL. */
static int keys_next(struct index *index, struct buf *from, struct buf *keys)
{
    struct index_cursor *cursor;
    const char *key;
    size_t len = 0;
    int rc = index->ops->cursor_open(index, &cursor);
    if (rc)
        return rc;
    rc = index->ops->cursor_seek(cursor, from->data, from->len);
    for (size_t i = 0; !rc && i < LOOKS_MAX; i++) {
        index->ops->cursor_key(cursor, &key, &len);
        if (i > 0 || len != from->len || memcmp(key, from->data, len) != 0)
            rc = name_add(keys, key, len, NULL, 0);
        if (!rc)
            rc = index->ops->cursor_next(cursor);
    }
    index->ops->cursor_close(cursor);
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

/* Looks for keys of the index whose files are gone. */
static int keys_walk(struct background *b)
{
    struct buf from = {0}, keys = {0};
    int rc = buf_reserve(&from, DISKV_KEY_MAX);
    do {
        keys.len = 0;
        if (!rc)
            rc = keys_next(b->store->index, &from, &keys);
        for (size_t at = 0, len; !rc && at < keys.len; at += len + 1) {
            const char *key = keys.data + at;
            len = strlen(key);
            from.len = 0;
            buf_add(&from, key, len);
            rc = is_wrong(b->store, key, len) ? doubt(b, key, len) : 0;
            if (!rc)
                rc = looked(b);
        }
        if (!rc)
            rc = doubts_clear(b);
    } while (!rc && keys.len);
    buf_free(&keys);
    buf_free(&from);
    return rc;
}

static void *background_main(void *arg)
{
    struct background *b = arg;
    int rc = start(b);
    b->since_ms = clock_ms_monotonic();
    if (!rc)
        rc = places_walk(b);
    if (!rc)
        rc = keys_walk(b);
    if (b->wrong)
        log_warning("the index was wrong about %llu keys: they are put right",
                    (unsigned long long)b->wrong);
    if (rc && !atomic_load(&b->store->closing)) {
        log_warning("cannot look through all files: %s", diskv_strerror(rc));
        index_doubt(b->store, STALE_ALL);
    }
    buf_free(&b->keys);
    buf_free(&b->places);
    return NULL;
}

/* --- Its beginning and end --- */

int background_open(diskv *store, enum stale stale)
{
    struct background *b = calloc(1, sizeof *b);
    if (!b)
        return DISKV_ENOMEM;
    b->store = store;
    b->stale = stale;
    sem_init(&b->closing, 0, 0);
    atomic_store(&store->indexing, true);
    if (pthread_create(&b->thread, NULL, background_main, b)) {
        sem_destroy(&b->closing);
        free(b);
        return DISKV_EUNAVAILABLE;
    }
    store->background = b;
    return 0;
}

void background_close(struct background *b)
{
    if (!b)
        return;
    sem_post(&b->closing);
    pthread_join(b->thread, NULL);
    sem_destroy(&b->closing);
    free(b);
}
