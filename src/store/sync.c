#include "store.h"

#include "buf.h"
#include "log.h"
#include "util.h"

#include <xxhash.h>

/* Changes to the index that are made in one transaction. */
#define CHANGES_MAX 1000

/* --- Names of places, one behind the other, each with its NUL --- */

struct names {
    struct buf text;
    size_t next;
};

static int names_add(struct names *names, const char *name, size_t len)
{
    int rc = buf_add(&names->text, name, len);
    return rc ? rc : buf_add(&names->text, "", 1);
}

static const char *names_next(struct names *names)
{
    if (names->next >= names->text.len)
        return NULL;
    const char *name = names->text.data + names->next;
    names->next += strlen(name) + 1;
    return name;
}

/* --- Keys seen in a place: inserted in batches, remembered by their hashes --- */

struct seen {
    diskv *store;
    struct names *places; /* to scan */
    bool lookup;          /* whether anybody will ask */
    struct buf hashes;    /* of uint64_t */
    struct buf keys;      /* of the batch, each with its NUL */
    size_t count;         /* of the batch */
    int rc;
};

static int seen_flush(struct seen *s)
{
    struct index_change changes[CHANGES_MAX];
    const char *key = s->keys.data;
    for (size_t i = 0; i < s->count; i++, key += strlen(key) + 1)
        changes[i] = (struct index_change){.key = key, .len = strlen(key)};
    int rc = s->count ? s->store->index->ops->apply(s->store->index, changes, s->count) : 0;
    s->count = 0;
    s->keys.len = 0;
    return rc;
}

static int seen_key(void *ctx, const char *key, size_t len)
{
    struct seen *s = ctx;
    uint64_t hash = XXH3_64bits(key, len);
    int rc = s->lookup ? buf_add(&s->hashes, &hash, sizeof hash) : 0;
    if (!rc)
        rc = buf_add(&s->keys, key, len);
    if (!rc)
        rc = buf_add(&s->keys, "", 1);
    if (!rc && ++s->count == CHANGES_MAX)
        rc = seen_flush(s);
    return rc;
}

/* A place that lies in the one being scanned: to be scanned too unless it is known. It is noted without a
 * stamp first, so that it is not forgotten should this process end before it is scanned. */
static int seen_place(void *ctx, const char *name, size_t len)
{
    struct seen *s = ctx;
    struct index *index = s->store->index;
    char note[INDEX_NOTE_VALUE_MAX];
    size_t note_len;
    int rc = index->ops->note_get(index, name, len, note, &note_len);
    if (rc != DISKV_ENOTFOUND)
        return rc;
    rc = index->ops->note_set(index, name, len, "", 0);
    return rc ? rc : names_add(s->places, name, len);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void seen_sort(struct seen *s)
{
    if (s->hashes.len)
        qsort(s->hashes.data, s->hashes.len / sizeof(uint64_t), sizeof(uint64_t), compare_hashes);
}

static bool seen_has(const struct seen *s, const char *key, size_t len)
{
    uint64_t hash = XXH3_64bits(key, len);
    return s->hashes.len &&
           bsearch(&hash, s->hashes.data, s->hashes.len / sizeof hash, sizeof hash, compare_hashes);
}

/* --- Keys of the index that are gone --- */

int index_check(diskv *store, const char *key, size_t len)
{
    struct engine_info info;
    int rc = store->engine->ops->stat(store->engine, key, len, &info);
    if (rc != DISKV_ENOTFOUND)
        return 0;
    struct index_change change = {.erase = true, .key = key, .len = len};
    rc = store->index->ops->apply(store->index, &change, 1);
    /* A value that came in between has noted itself either after this, or before and been erased.
     */
    if (!rc && store->engine->ops->stat(store->engine, key, len, &info) == 0) {
        change.erase = false;
        rc = store->index->ops->apply(store->index, &change, 1);
    }
    return rc;
}

/* Where a walk over the keys of a place goes on after `key`: at the next one, or past all that lie
 * in the place below that holds it. */
static int after_key(struct index *index, struct index_cursor *cursor,
                     const struct engine_place *place, const char *key, size_t len, bool *below)
{
    const char *slash =
        place->nested ? memchr(key + place->prefix_len, '/', len - place->prefix_len) : NULL;
    *below = slash != NULL;
    if (!slash)
        return index->ops->cursor_next(cursor);
    char past[DISKV_KEY_MAX + 1];
    size_t past_len = (size_t)(slash - key) + 1;
    memcpy(past, key, past_len);
    past[past_len - 1] = '/' + 1;
    return index->ops->cursor_seek(cursor, past, past_len);
}

/* Collects the keys that the index has in a place and that were not seen there. */
static int missing_collect(diskv *store, const struct engine_place *place, const struct seen *seen,
                           struct names *missing)
{
    struct index *index = store->index;
    struct index_cursor *cursor;
    int rc = index->ops->cursor_open(index, &cursor);
    if (rc)
        return rc;
    rc = index->ops->cursor_seek(cursor, place->prefix, place->prefix_len);
    while (!rc) {
        const char *at;
        char key[DISKV_KEY_MAX + 1];
        size_t len;
        index->ops->cursor_key(cursor, &at, &len);
        if (len < place->prefix_len || memcmp(at, place->prefix, place->prefix_len) != 0)
            break;
        memcpy(key, at, len);
        bool below;
        rc = after_key(index, cursor, place, key, len, &below);
        if (!below && !seen_has(seen, key, len)) {
            int failed = names_add(missing, key, len);
            rc = failed ? failed : rc;
        }
    }
    index->ops->cursor_close(cursor);
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

/* Drops what the index has in a place and the place has not. */
static int missing_drop(diskv *store, const struct engine_place *place, const struct seen *seen)
{
    struct names missing = {0};
    int rc = missing_collect(store, place, seen, &missing);
    /* The key that is the directory's own name does not begin with its prefix. */
    size_t own = place->prefix_len;
    if (!rc && own > 1 && place->prefix[own - 1] == '/' && !seen_has(seen, place->prefix, own - 1))
        rc = names_add(&missing, place->prefix, own - 1);
    for (const char *key; !rc && (key = names_next(&missing));)
        rc = index_check(store, key, strlen(key));
    buf_free(&missing.text);
    return rc;
}

/* --- Places --- */

/* What is noted of a place. */
struct place_note {
    uint64_t foreign;
    uint8_t stamp[ENGINE_STAMP_MAX];
};

_Static_assert(sizeof(struct place_note) <= INDEX_NOTE_VALUE_MAX, "a place's note has room");

static int place_note(diskv *store, const char *name, const struct engine_place *place)
{
    struct place_note note = {.foreign = place->foreign};
    memcpy(note.stamp, place->stamp, place->stamp_len);
    return store->index->ops->note_set(store->index, name, strlen(name), &note,
                                       offsetof(struct place_note, stamp) + place->stamp_len);
}

/* Reads a place and brings the index in step with it; places in it that are not known join
 * `places`. */
static int place_scan(diskv *store, const char *name, bool fresh, struct names *places)
{
    struct engine_place place;
    struct seen seen = {.store = store, .places = places, .lookup = !fresh};
    const struct engine_visitor visitor = {.ctx = &seen, .key = seen_key, .place = seen_place};
    int rc = store->engine->ops->scan(store->engine, name, &visitor, &place);
    if (!rc)
        rc = seen_flush(&seen);
    if (!rc && !fresh) {
        seen_sort(&seen);
        rc = missing_drop(store, &place, &seen);
    }
    if (!rc) {
        atomic_fetch_add(&store->foreign, place.foreign);
        rc = place_note(store, name, &place);
    }
    buf_free(&seen.keys);
    buf_free(&seen.hashes);
    if (rc == DISKV_EACCESS) {
        log_warning("cannot read directory %s: its files are not listed", name);
        return 0;
    }
    return rc == DISKV_ENOTFOUND ? 0 : rc; /* gone meanwhile: the place it lay in has changed */
}

/* A place that was known and is no more: nothing in it or below is there. */
static int place_gone(diskv *store, const char *name, struct engine_place *place)
{
    const struct seen nothing = {.store = store};
    place->nested = false;
    int rc = missing_drop(store, place, &nothing);
    return rc ? rc : store->index->ops->note_erase(store->index, name, strlen(name));
}

struct known {
    struct names names;
    struct buf notes; /* each a length (size_t) and its bytes */
};

static int known_add(void *ctx, const char *name, size_t len, const void *value, size_t value_len)
{
    struct known *known = ctx;
    int rc = names_add(&known->names, name, len);
    if (!rc)
        rc = buf_add(&known->notes, &value_len, sizeof value_len);
    return rc ? rc : buf_add(&known->notes, value, value_len);
}

/* Looks at a place that is known: unchanged, changed or gone. */
static int known_check(diskv *store, const char *name, const struct place_note *note, size_t len,
                       bool all, struct names *places)
{
    struct engine_place place;
    int rc = store->engine->ops->stamp(store->engine, name, &place);
    if (rc == DISKV_ENOTFOUND)
        return place_gone(store, name, &place);
    if (rc && rc != DISKV_EACCESS)
        return rc;
    if (!all && !rc && place.stamp_len && len == place.stamp_len &&
        memcmp(note->stamp, place.stamp, len) == 0) {
        atomic_fetch_add(&store->foreign, note->foreign);
        return 0;
    }
    return names_add(places, name, strlen(name));
}

/* Checks every place that is known; those to be read again join `places`. */
static int known_check_all(diskv *store, bool all, struct names *places)
{
    struct known known = {0};
    int rc = store->index->ops->note_each(store->index, known_add, &known);
    const char *at = known.notes.data;
    for (const char *name; !rc && (name = names_next(&known.names));) {
        struct place_note note = {0};
        size_t len;
        memcpy(&len, at, sizeof len);
        memcpy(&note, at + sizeof len, len < sizeof note ? len : sizeof note);
        at += sizeof len + len;
        size_t head = offsetof(struct place_note, stamp);
        rc = known_check(store, name, &note, len < head ? 0 : len - head, all, places);
    }
    buf_free(&known.notes);
    buf_free(&known.names.text);
    return rc;
}

int index_sync(diskv *store, bool all)
{
    struct names places = {0};
    char note[INDEX_NOTE_VALUE_MAX];
    size_t note_len;
    bool fresh = store->index->ops->count(store->index) == 0;
    atomic_store(&store->foreign, 0);
    int rc = known_check_all(store, all, &places);
    if (!rc) {
        rc = store->index->ops->note_get(store->index, "", 0, note, &note_len);
        rc = rc == DISKV_ENOTFOUND ? names_add(&places, "", 0) : rc;
    }
    for (const char *name; !rc && (name = names_next(&places));) {
        char copy[ENGINE_PLACE_MAX]; /* `places` may move while it grows */
        snprintf(copy, sizeof copy, "%s", name);
        rc = place_scan(store, copy, fresh, &places);
    }
    buf_free(&places.text);
    if (rc)
        log_error("cannot bring the index in step with the files: %s", diskv_strerror(rc));
    return rc;
}

void index_note(diskv *store, const char *key, size_t len, bool erased, int rc)
{
    const struct index_change change = {.erase = erased, .key = key, .len = len};
    if (rc == 0)
        rc = store->index->ops->apply(store->index, &change, 1);
    else if (rc != DISKV_EINDOUBT)
        return;
    if (rc && !atomic_exchange(&store->index_stale, true))
        log_warning("the index missed a change (%s): it is brought in step before the next listing",
                    diskv_strerror(rc));
}
