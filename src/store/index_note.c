#include "store.h"

#include "log.h"
#include "util.h"

#include <xxhash.h>

/* Changes that the index is given at once. */
#define CHANGES_MAX 256

void index_doubt(diskv *store, enum stale stale)
{
    int was = atomic_load(&store->index_stale);
    while (was < (int)stale && !atomic_compare_exchange_weak(&store->index_stale, &was, (int)stale))
        ;
    if (store->live)
        live_wake(store->live);
}

static atomic_uint *noted_number(diskv *store, const char *key, size_t len)
{
    return &store->noted[XXH3_64bits(key, len) % NOTED_SLOTS];
}

/* True where the key, or one that it shares its number with, was noted or looked at since. */
static bool is_noted_since(diskv *store, const char *key, size_t len, unsigned since)
{
    return (int)(atomic_load(noted_number(store, key, len)) - since) > 0;
}

/* Under the lock. */
static void number_take(diskv *store, const char *key, size_t len)
{
    atomic_store(noted_number(store, key, len), atomic_fetch_add(&store->note_number, 1) + 1);
}

static void change_log(diskv *store, const struct index_change *c, const struct diskv_info *info)
{
    if (c->erase)
        changes_gone(store->changes, c->key, c->len, true);
    else
        changes_put(store->changes, c->key, c->len, info);
}

/* Adds what some changes did to the index and to the log; returns the first that found no room.
 * Under the lock. */
static struct noting *notings_apply(diskv *store, struct noting *from, int *rc)
{
    struct index_change changes[CHANGES_MAX];
    size_t count = 0;
    struct noting *end = from;
    for (; end && count + end->count <= CHANGES_MAX; end = end->next)
        for (size_t i = 0; i < end->count && !end->rc; i++)
            changes[count++] = end->changes[i];
    for (size_t i = 0; i < count; i++)
        number_take(store, changes[i].key, changes[i].len);
    int failed = count ? store->index->ops->apply(store->index, changes, count) : 0;
    for (; from != end; from = from->next) {
        for (size_t i = 0; i < from->count && !from->rc; i++)
            change_log(store, &from->changes[i], from->info);
        if (!failed && from->rc == DISKV_EINDOUBT)
            failed = from->rc;
    }
    if (failed)
        *rc = failed;
    return end;
}

void index_dropping(diskv *store)
{
    pthread_mutex_lock(&store->note_lock);
    atomic_store(&store->dropping, atomic_fetch_add(&store->note_number, 1) + 1);
    pthread_mutex_unlock(&store->note_lock);
}

/* Has whoever follows the files look again at keys of which something was noted since before their
 * changes were made, or would have been had the index had them: it may be what a look found that
 * came behind the change. Under the lock. */
static void notings_doubt(diskv *store, const struct noting *n)
{
    for (; n && store->live; n = n->next) {
        for (size_t i = 0; i < n->count && !n->rc; i++) {
            const struct index_change *c = &n->changes[i];
            if (is_noted_since(store, c->key, c->len, n->since) ||
                (int)(atomic_load(&store->dropping) - n->since) > 0)
                live_look(store->live, c->key, c->len);
        }
    }
}

/* Nobody has asked for a listing yet, or for changes. */
static bool is_unasked(diskv *store)
{
    return store->detached && atomic_load(&store->index_stale) == STALE_ALL &&
           !changes_wanted(store->changes);
}

void index_note(diskv *store, struct noting *n, bool more)
{
    n->next = NULL;
    pthread_mutex_lock(&store->note_lock);
    *store->last_noting = n;
    store->last_noting = &n->next;
    if (more) {
        pthread_mutex_unlock(&store->note_lock);
        return;
    }
    struct noting *all = store->first_noting;
    store->first_noting = NULL;
    store->last_noting = &store->first_noting;
    struct noting *asked = is_unasked(store) ? NULL : all;
    int rc = 0;
    notings_doubt(store, asked);
    for (struct noting *at = asked; at;)
        at = notings_apply(store, at, &rc);
    pthread_mutex_unlock(&store->note_lock);
    if (rc && atomic_load(&store->index_stale) != STALE_ALL)
        log_warning("the index missed a change (%s): it is brought in step before the next listing",
                    diskv_strerror(rc));
    if (rc)
        index_doubt(store, STALE_ALL);
    for (struct noting *next; all; all = next) {
        next = all->next;
        all->noted(all);
    }
}

/* Makes the stamps of the places where the key may have been stand for nothing: they may be those
 * of places that are away for a while and come back as they were. */
static int places_doubt(diskv *store, const char *key, size_t len)
{
    char place[ENGINE_PLACE_MAX];
    size_t outer;
    if (store->engine->ops->locate(store->engine, key, len, place, &outer))
        return 0;
    int rc = place_note_doubt(store, place, outer);
    return rc ? rc : place_note_doubt(store, place, strlen(place));
}

bool index_has(diskv *store, const char *key, size_t len)
{
    struct index *index = store->index;
    struct index_cursor *cursor;
    const char *found;
    size_t found_len;
    if (index->ops->cursor_open(index, &cursor))
        return false;
    bool has = index->ops->cursor_seek(cursor, key, len) == 0;
    if (has) {
        index->ops->cursor_key(cursor, &found, &found_len);
        has = found_len == len && memcmp(found, key, len) == 0;
    }
    index->ops->cursor_close(cursor);
    return has;
}

struct look {
    struct index_change change; /* what the files say of its key */
    unsigned noted;             /* the number from before they were asked */
    bool described;
    struct diskv_info info;
};

/* Asks the files for no more than is wanted. */
static int value_look(diskv *store, struct engine_near *near, struct look *look)
{
    const struct engine_ops *ops = store->engine->ops;
    const struct index_change *c = &look->change;
    struct engine_info info;
    bool wanted = changes_wanted(store->changes);
    int rc = !wanted && ops->exists_near
                 ? ops->exists_near(store->engine, near, c->key, c->len)
                 : ops->stat(store->engine, c->key, c->len, wanted ? &info : NULL);
    look->described = !rc && wanted;
    if (look->described)
        info_from_engine(store, &info, &look->info, NULL, NULL);
    return rc;
}

static int key_look(diskv *store, struct engine_near *near, struct look *look)
{
    struct index_change *c = &look->change;
    look->noted = atomic_load(noted_number(store, c->key, c->len));
    int rc = value_look(store, near, look);
    c->erase = rc == DISKV_ENOTFOUND;
    if (c->erase)
        return places_doubt(store, c->key, c->len);
    return rc == DISKV_EACCESS ? 0 : rc;
}

/* Logs what a look found, unless it is known. */
static void look_log(diskv *store, const struct look *look)
{
    const struct index_change *c = &look->change;
    if (!changes_wanted(store->changes))
        return;
    if (c->erase)
        changes_gone(store->changes, c->key, c->len, index_has(store, c->key, c->len));
    else if (look->described)
        changes_put(store->changes, c->key, c->len, &look->info);
}

/* Looks at the keys in turn: those that lie beside each other should come so. */
static int keys_look(diskv *store, struct look *looks, size_t count)
{
    struct engine_near near = {0};
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = key_look(store, &near, &looks[i]);
    if (store->engine->ops->near_end)
        store->engine->ops->near_end(store->engine, &near);
    return rc;
}

/* Makes the changes, but for keys of which something was noted since they were looked at: of these
 * the `*left` are kept, to be looked at again. */
static int looks_apply(diskv *store, struct look *looks, size_t count, size_t *left)
{
    struct index_change changes[CHANGES_MAX];
    size_t n = 0;
    *left = 0;
    pthread_mutex_lock(&store->note_lock);
    for (size_t i = 0; i < count; i++) {
        const struct index_change *c = &looks[i].change;
        if (looks[i].noted != atomic_load(noted_number(store, c->key, c->len))) {
            looks[(*left)++] = looks[i];
            continue;
        }
        look_log(store, &looks[i]);
        number_take(store, c->key, c->len);
        changes[n++] = *c;
    }
    int rc = n ? store->index->ops->apply(store->index, changes, n) : 0;
    pthread_mutex_unlock(&store->note_lock);
    return rc;
}

int index_check(diskv *store, const char *keys, size_t size)
{
    struct look looks[CHANGES_MAX];
    size_t count = 0;
    for (size_t at = 0; at < size || count;) {
        for (; at < size && count < CHANGES_MAX; at += looks[count++].change.len + 1)
            looks[count].change = (struct index_change){.key = keys + at, .len = strlen(keys + at)};
        int rc = keys_look(store, looks, count);
        if (!rc)
            rc = looks_apply(store, looks, count, &count);
        if (rc)
            return rc;
    }
    return 0;
}

int index_insert(diskv *store, const char *keys, size_t size, unsigned since, struct buf *doubtful)
{
    struct index_change changes[INDEX_INSERT_MAX];
    size_t n = 0;
    int rc = 0;
    pthread_mutex_lock(&store->note_lock);
    for (size_t at = 0, len; !rc && at < size; at += len + 1) {
        const char *key = keys + at;
        len = strlen(key);
        if (is_noted_since(store, key, len, since))
            rc = buf_add(doubtful, key, len + 1);
        else
            changes[n++] = (struct index_change){.key = key, .len = len};
    }
    if (!rc && n)
        rc = store->index->ops->apply(store->index, changes, n);
    pthread_mutex_unlock(&store->note_lock);
    return rc;
}
