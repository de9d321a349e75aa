#include "store.h"

#include "log.h"
#include "util.h"

#include <xxhash.h>

/* Keys that are looked at before the index is changed. */
#define LOOKS_MAX 256

void index_doubt(diskv *store, enum stale stale)
{
    int was = atomic_load(&store->index_stale);
    while (was < (int)stale && !atomic_compare_exchange_weak(&store->index_stale, &was, (int)stale))
        ;
    if (store->live)
        live_wake(store->live);
}

static atomic_uint *noted_count(diskv *store, const char *key, size_t len)
{
    return &store->noted[XXH3_64bits(key, len) % NOTED_SLOTS];
}

void index_note(diskv *store, const struct index_change *changes, size_t count, int rc)
{
    if (store->detached && atomic_load(&store->index_stale) == STALE_ALL)
        return; /* nobody has asked for a listing yet */
    if (rc == 0) {
        pthread_mutex_lock(&store->note_lock);
        for (size_t i = 0; i < count; i++)
            atomic_fetch_add(noted_count(store, changes[i].key, changes[i].len), 1);
        rc = store->index->ops->apply(store->index, changes, count);
        pthread_mutex_unlock(&store->note_lock);
    } else if (rc != DISKV_EINDOUBT) {
        return;
    }
    if (rc && atomic_load(&store->index_stale) != STALE_ALL)
        log_warning("the index missed a change (%s): it is brought in step before the next listing",
                    diskv_strerror(rc));
    if (rc)
        index_doubt(store, STALE_ALL);
}

/* Makes the stamps of the places where the key may have been stand for nothing: they may be those
 * of places that are away for a while and come back as they were. */
static int places_doubt(diskv *store, const char *key, size_t len)
{
    struct index *index = store->index;
    char place[ENGINE_PLACE_MAX], note[INDEX_NOTE_VALUE_MAX];
    size_t outer;
    if (store->engine->ops->locate(store->engine, key, len, place, &outer))
        return 0;
    const size_t lens[] = {outer, strlen(place)};
    for (size_t i = 0; i < array_len(lens); i++) {
        size_t note_len;
        int rc = index->ops->note_get(index, place, lens[i], note, &note_len);
        if (!rc && note_len > PLACE_NOTE_HEAD)
            rc = index->ops->note_set(index, place, lens[i], note, PLACE_NOTE_HEAD);
        if (rc && rc != DISKV_ENOTFOUND)
            return rc;
    }
    return 0;
}

struct look {
    struct index_change change; /* what the files say of its key */
    unsigned noted;             /* the count from before they were asked */
};

static int key_look(diskv *store, struct look *look)
{
    struct index_change *c = &look->change;
    look->noted = atomic_load(noted_count(store, c->key, c->len));
    int rc = store->engine->ops->stat(store->engine, c->key, c->len, NULL);
    c->erase = rc == DISKV_ENOTFOUND;
    if (c->erase)
        return places_doubt(store, c->key, c->len);
    return rc == DISKV_EACCESS ? 0 : rc;
}

/* Makes the changes, but for keys of which something was noted since they were looked at: of these
 * the `*left` are kept, to be looked at again. */
static int looks_apply(diskv *store, struct look *looks, size_t count, size_t *left)
{
    struct index_change changes[LOOKS_MAX];
    size_t n = 0;
    *left = 0;
    pthread_mutex_lock(&store->note_lock);
    for (size_t i = 0; i < count; i++) {
        const struct index_change *c = &looks[i].change;
        if (looks[i].noted == atomic_load(noted_count(store, c->key, c->len)))
            changes[n++] = *c;
        else
            looks[(*left)++] = looks[i];
    }
    int rc = n ? store->index->ops->apply(store->index, changes, n) : 0;
    pthread_mutex_unlock(&store->note_lock);
    return rc;
}

int index_check(diskv *store, const char *keys, size_t size)
{
    struct look looks[LOOKS_MAX];
    size_t count = 0;
    for (size_t at = 0; at < size || count;) {
        for (; at < size && count < LOOKS_MAX; at += looks[count++].change.len + 1)
            looks[count].change = (struct index_change){.key = keys + at, .len = strlen(keys + at)};
        int rc = 0;
        for (size_t i = 0; i < count && !rc; i++)
            rc = key_look(store, &looks[i]);
        if (!rc)
            rc = looks_apply(store, looks, count, &count);
        if (rc)
            return rc;
    }
    return 0;
}
