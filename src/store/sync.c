#include "store.h"

#include "buf.h"
#include "log.h"
#include "util.h"

#include <xxhash.h>

/* --- Names, one behind the other, each with its NUL --- */

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

/* --- What is noted of places --- */

_Static_assert(sizeof(struct place_note) <= INDEX_NOTE_VALUE_MAX, "a place's note has room");

struct notes {
    struct names names;
    struct buf values; /* each a length (size_t) and its bytes */
    size_t next;
};

static int notes_add(void *ctx, const char *name, size_t len, const void *value, size_t value_len)
{
    struct notes *notes = ctx;
    int rc = names_add(&notes->names, name, len);
    if (!rc)
        rc = buf_add(&notes->values, &value_len, sizeof value_len);
    return rc ? rc : buf_add(&notes->values, value, value_len);
}

static const char *notes_next(struct notes *notes, struct place_note *note, size_t *len)
{
    const char *name = names_next(&notes->names);
    if (!name)
        return NULL;
    const char *at = notes->values.data + notes->next;
    memcpy(len, at, sizeof *len);
    memset(note, 0, sizeof *note);
    memcpy(note, at + sizeof *len, *len < sizeof *note ? *len : sizeof *note);
    notes->next += sizeof *len + *len;
    return name;
}

static void notes_free(struct notes *notes)
{
    buf_free(&notes->values);
    buf_free(&notes->names.text);
}

/* --- Sets of names and keys, by their hashes; to be sorted between adding and asking --- */

static int set_add(struct buf *set, const char *name, size_t len)
{
    uint64_t hash = XXH3_64bits(name, len);
    return buf_add(set, &hash, sizeof hash);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void set_sort(struct buf *set)
{
    if (set->len)
        qsort(set->data, set->len / sizeof(uint64_t), sizeof(uint64_t), compare_hashes);
}

static bool set_has(const struct buf *set, const char *name, size_t len)
{
    uint64_t hash = XXH3_64bits(name, len);
    return set->len &&
           bsearch(&hash, set->data, set->len / sizeof hash, sizeof hash, compare_hashes);
}

/* --- A sync: places are read, then what they no longer hold is dropped, then they are noted --- */

struct sync {
    diskv *store;
    bool all;             /* trust no stamp */
    bool few;             /* only some places are looked at */
    bool fresh;           /* the index was empty: nothing can be gone */
    bool logged;          /* what is found out is to be logged */
    struct names places;  /* to scan */
    size_t told;          /* of these the first bytes, where few are; the others were found */
    struct notes read;    /* places that were scanned, with what is to be noted of them */
    struct names changed; /* places that were scanned or are no more */
    struct buf changed_set;
    struct buf seen;  /* set of keys */
    struct buf batch; /* keys to insert, each with its NUL */
    size_t batch_count;
    unsigned since;      /* the number of the last change before the place was read */
    struct buf doubtful; /* keys that changed since, likewise */
    struct buf asked;    /* the place that was asked for last whether it is known */
    bool unknown;        /* the answer */
    uint64_t foreign;    /* to be added to the store's, modulo 2^64 */
};

static void sync_free(struct sync *s)
{
    buf_free(&s->places.text);
    notes_free(&s->read);
    buf_free(&s->changed.text);
    buf_free(&s->changed_set);
    buf_free(&s->seen);
    buf_free(&s->batch);
    buf_free(&s->doubtful);
    buf_free(&s->asked);
}

/* Ends it half-way where the store is being closed. */
static int sync_cut(const struct sync *s)
{
    return atomic_load(&s->store->closing) ? DISKV_EUNAVAILABLE : 0;
}

static int batch_flush(struct sync *s)
{
    const struct buf *batch = &s->batch;
    int rc = s->logged ? index_check(s->store, batch->data, batch->len)
                       : index_insert(s->store, batch->data, batch->len, s->since, &s->doubtful);
    s->batch_count = 0;
    s->batch.len = 0;
    return rc;
}

/* Of all places, those keys are looked at that are new, where they are to be logged; of a few, all
 * of them: these places may be others than before. That waits for the end of the scan, which may
 * hold what a look needs. */
static int seen_key(void *ctx, const char *key, size_t len)
{
    struct sync *s = ctx;
    int rc = s->fresh ? 0 : set_add(&s->seen, key, len);
    if (!rc && s->logged && !s->few && index_has(s->store, key, len))
        return 0;
    if (!rc)
        rc = buf_add(&s->batch, key, len);
    if (!rc)
        rc = buf_add(&s->batch, "", 1);
    if (!rc && !s->logged && ++s->batch_count == INDEX_INSERT_MAX)
        rc = batch_flush(s);
    return rc ? rc : sync_cut(s);
}

/* A place that lies in the one being scanned: to be scanned too unless it is known. It is noted
 * first, so that it is not forgotten should this process end before it is scanned. */
static int seen_place(void *ctx, const char *name, size_t len)
{
    struct sync *s = ctx;
    struct place_note note;
    size_t note_len;
    int rc = place_note_begin(s->store, name, len, &note, &note_len);
    return rc > 0 ? names_add(&s->places, name, len) : rc;
}

static int changed_add(struct sync *s, const char *name)
{
    size_t len = strlen(name);
    int rc = names_add(&s->changed, name, len);
    return rc ? rc : set_add(&s->changed_set, name, len);
}

static struct place_note note_of(const struct engine_place *place)
{
    struct place_note note = {.foreign = place->foreign};
    memcpy(note.stamp, place->stamp, place->stamp_len);
    return note;
}

static int note_write(struct sync *s, const char *name, const struct engine_place *place)
{
    struct place_note note = note_of(place);
    return place_note_end(s->store, name, strlen(name), &note, PLACE_NOTE_HEAD + place->stamp_len);
}

/* True where a place that is read for the first time may have had keys of its own: what the store
 * wrote into it is in the index at once, and it may be another directory by now. One that was found
 * lies in one that was read. */
static bool may_have_had(const struct sync *s, const char *name)
{
    struct engine *engine = s->store->engine;
    char prefix[DISKV_KEY_MAX];
    size_t len = 0;
    if (s->places.next <= s->told && s->store->byte_order && engine->ops->prefix)
        engine->ops->prefix(engine, name, prefix, &len);
    return len > 0;
}

/* Notes a place that was scanned, at once where nothing is to be dropped before. */
static int place_read(struct sync *s, const char *name, const struct engine_place *place,
                      bool before)
{
    struct place_note note = note_of(place);
    s->foreign += place->foreign;
    if (s->fresh)
        return note_write(s, name, place);
    if (s->few && !before && !may_have_had(s, name)) {
        int rc = set_add(&s->changed_set, name, strlen(name));
        return rc ? rc : note_write(s, name, place);
    }
    int rc = changed_add(s, name);
    return rc ? rc
              : notes_add(&s->read, name, strlen(name), &note, PLACE_NOTE_HEAD + place->stamp_len);
}

/* A place that is gone is forgotten at once. Where it is there again it may have been read before
 * that, and is read once more; later, what it lies in has changed, and whoever reads that finds a
 * place not known. */
static int place_gone(struct sync *s, const char *name)
{
    struct engine *engine = s->store->engine;
    struct engine_place place;
    int rc = place_note_erase(s->store, name, strlen(name));
    if (!rc)
        rc = changed_add(s, name);
    if (rc || engine->ops->stamp(engine, name, &place) == DISKV_ENOTFOUND)
        return rc;
    return names_add(&s->places, name, strlen(name));
}

/* Reads a place and inserts its keys; places in it that are not known join `places`. */
static int place_scan(struct sync *s, const char *name)
{
    struct engine *engine = s->store->engine;
    struct engine_place place;
    struct place_note note;
    size_t note_len;
    const struct engine_visitor visitor = {.ctx = s, .key = seen_key, .place = seen_place};
    int rc = place_note_begin(s->store, name, strlen(name), &note, &note_len);
    if (rc >= 0)
        rc = sync_cut(s);
    if (rc)
        return rc;
    bool before = note_len >= PLACE_NOTE_HEAD;
    if (s->few)
        s->foreign -= note.foreign;
    s->since = atomic_load(&s->store->note_number);
    rc = engine->ops->scan(engine, name, &visitor, &place);
    int flushed = batch_flush(s);
    if (!flushed)
        flushed = index_check(s->store, s->doubtful.data, s->doubtful.len);
    s->doubtful.len = 0;
    if (!rc)
        return flushed ? flushed : place_read(s, name, &place, before);
    if (rc == DISKV_ENOTFOUND)
        return place_gone(s, name);
    if (rc != DISKV_EACCESS)
        return rc;
    if (!before)
        log_warning("cannot read directory %s: its files are not listed", name);
    return note_write(s, name, &(struct engine_place){0});
}

/* Looks at a place that is known: unchanged, changed or gone. */
static int known_check(struct sync *s, const char *name, const struct place_note *note, size_t len)
{
    struct engine_place place;
    int rc = s->store->engine->ops->stamp(s->store->engine, name, &place);
    if (rc == DISKV_ENOTFOUND)
        return place_gone(s, name);
    if (rc && rc != DISKV_EACCESS)
        return rc;
    if (!s->all && !rc && place.stamp_len && len == PLACE_NOTE_HEAD + place.stamp_len &&
        memcmp(note->stamp, place.stamp, place.stamp_len) == 0) {
        s->foreign += note->foreign;
        return 0;
    }
    return names_add(&s->places, name, strlen(name));
}

/* Checks every place that is known, and has the base read where it is not. */
static int known_check_all(struct sync *s)
{
    struct index *index = s->store->index;
    struct notes known = {0};
    struct place_note note;
    size_t len;
    bool base = false;
    int rc = index->ops->note_each(index, notes_add, &known);
    for (const char *name; !rc && (name = notes_next(&known, &note, &len));) {
        base |= !*name;
        if (strcmp(name, LAYOUT_NOTE) != 0)
            rc = known_check(s, name, &note, len);
        if (!rc)
            rc = sync_cut(s);
    }
    notes_free(&known);
    return rc || base ? rc : names_add(&s->places, "", 0);
}

/* --- Keys of the index that are gone --- */

/* True where nothing is noted of a place: it is gone, or was not there for long enough. Keys of one
 * place mostly come together. */
static bool is_unknown(struct sync *s, const char *place, size_t len)
{
    struct index *index = s->store->index;
    char note[INDEX_NOTE_VALUE_MAX];
    size_t note_len;
    struct buf *asked = &s->asked;
    if (asked->len == len && len && memcmp(asked->data, place, len) == 0)
        return s->unknown;
    s->unknown = index->ops->note_get(index, place, len, note, &note_len) == DISKV_ENOTFOUND;
    asked->len = 0;
    buf_add(asked, place, len); /* else it is asked for again */
    return s->unknown;
}

/* True where a key that was not seen may have been: in a place that was read, is gone or was never
 * known. */
static bool may_be_gone(struct sync *s, const char *key, size_t len)
{
    char place[ENGINE_PLACE_MAX];
    size_t outer;
    if (s->all || s->store->engine->ops->locate(s->store->engine, key, len, place, &outer))
        return true;
    return set_has(&s->changed_set, place, outer) ||
           set_has(&s->changed_set, place, strlen(place)) || is_unknown(s, place, outer);
}

/* Collects what may be gone of the keys that begin with `prefix`, which say where they end only in
 * the order of bytes. */
static int missing_collect(struct sync *s, const char *prefix, size_t prefix_len,
                           struct names *missing)
{
    struct index *index = s->store->index;
    struct index_cursor *cursor;
    int rc = index->ops->cursor_open(index, &cursor);
    if (rc)
        return rc;
    rc = index->ops->cursor_seek(cursor, prefix, prefix_len);
    while (!rc) {
        const char *key;
        size_t len;
        index->ops->cursor_key(cursor, &key, &len);
        if (len < prefix_len || memcmp(key, prefix, prefix_len) != 0)
            break;
        if (may_be_gone(s, key, len) && !set_has(&s->seen, key, len))
            rc = names_add(missing, key, len);
        if (!rc)
            rc = index->ops->cursor_next(cursor);
    }
    index->ops->cursor_close(cursor);
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

static int range_drop(struct sync *s, const char *prefix, size_t len)
{
    struct names missing = {0};
    int rc = missing_collect(s, prefix, len, &missing);
    if (!rc)
        rc = index_check(s->store, missing.text.data, missing.text.len);
    buf_free(&missing.text);
    return rc;
}

/* Drops what the index has and the places that were read have not: one pass over its keys, or over
 * those that can lie in a few places. */
static int missing_drop(struct sync *s)
{
    struct engine *engine = s->store->engine;
    index_dropping(s->store);
    if (s->fresh || !s->changed.text.len)
        return 0;
    set_sort(&s->changed_set);
    set_sort(&s->seen);
    if (!s->few || !s->store->byte_order || !engine->ops->prefix)
        return range_drop(s, "", 0);
    int rc = 0;
    for (const char *name; !rc && (name = names_next(&s->changed));) {
        char prefix[DISKV_KEY_MAX];
        size_t len;
        engine->ops->prefix(engine, name, prefix, &len);
        rc = range_drop(s, prefix, len);
        if (!len)
            break;
    }
    return rc;
}

/* --- The end: from now on the stamps stand for what the index has --- */

static int notes_write(struct sync *s)
{
    struct place_note note;
    size_t len;
    int rc = 0;
    for (const char *name; !rc && (name = notes_next(&s->read, &note, &len));)
        rc = place_note_end(s->store, name, strlen(name), &note, len);
    return rc;
}

static int places_scan(struct sync *s)
{
    int rc = 0;
    for (const char *name; !rc && (name = names_next(&s->places));) {
        char copy[ENGINE_PLACE_MAX]; /* `places` may move while it grows */
        snprintf(copy, sizeof copy, "%s", name);
        rc = place_scan(s, copy);
    }
    if (!rc)
        rc = missing_drop(s);
    return rc ? rc : notes_write(s);
}

/* Finds out whether the index was made for another layout. If so, that note is void until the sync
 * is through. */
static int layout_check(diskv *store, bool *other)
{
    struct index *index = store->index;
    const char *name = store->layout.name;
    char noted[INDEX_NOTE_VALUE_MAX];
    size_t len = 0;
    int rc = index->ops->note_get(index, LAYOUT_NOTE, strlen(LAYOUT_NOTE), noted, &len);
    *other = rc || len != strlen(name) || memcmp(noted, name, len) != 0;
    if (rc && rc != DISKV_ENOTFOUND)
        return rc;
    return *other ? index->ops->note_set(index, LAYOUT_NOTE, strlen(LAYOUT_NOTE), "", 0) : 0;
}

static int layout_note(diskv *store)
{
    const char *name = store->layout.name;
    return store->index->ops->note_set(store->index, LAYOUT_NOTE, strlen(LAYOUT_NOTE), name,
                                       strlen(name));
}

/* Without `all`, a place whose stamp is as noted is not read again. */
static int index_sync(diskv *store, bool all)
{
    struct sync s = {.store = store,
                     .fresh = store->index->ops->count(store->index) == 0,
                     .logged = changes_wanted(store->changes)};
    bool other;
    int rc = layout_check(store, &other);
    s.all = all || other;
    if (!rc)
        rc = known_check_all(&s);
    if (!rc)
        rc = places_scan(&s);
    if (!rc && other)
        rc = layout_note(store);
    if (!rc)
        atomic_store(&store->foreign, s.foreign);
    sync_free(&s);
    if (rc && !atomic_load(&store->closing))
        log_error("cannot bring the index in step with the files: %s", diskv_strerror(rc));
    return rc;
}

int index_read(diskv *store, const char *names, size_t size)
{
    struct sync s = {.store = store, .few = true, .logged = changes_wanted(store->changes)};
    int rc = buf_add(&s.places.text, names, size);
    s.told = size;
    if (!rc)
        rc = places_scan(&s);
    if (!rc)
        atomic_fetch_add(&store->foreign, s.foreign);
    sync_free(&s);
    return rc;
}

static uint64_t watches_refused(diskv *store)
{
    struct engine_watching watching;
    if (!store->live)
        return 0;
    store->engine->ops->watching(store->engine, &watching);
    return watching.refused;
}

/* After a look at all places the log has what is new and what is gone, but not which values became
 * others: it ends here where that was asked for, after the last of several looks, and now and then
 * before that. */
static void log_break(diskv *store, enum stale stale, int64_t now)
{
    if (!stale && atomic_load(&store->unwatched) && now - store->broken_ms < BREAK_MS)
        return;
    store->broken_ms = now;
    changes_break(store->changes);
}

static bool is_old(diskv *store)
{
    return atomic_load(&store->unwatched) &&
           clock_ms_monotonic() - atomic_load(&store->mended_ms) >= MEND_MS;
}

bool index_is_stale(diskv *store)
{
    return atomic_load(&store->index_stale) || atomic_load(&store->mending) || is_old(store);
}

/* What is doubted while this goes on is looked at the next time. */
int index_mend(diskv *store, enum stale stale)
{
    int rc = 0;
    if (!stale && !index_is_stale(store))
        return 0;
    pthread_mutex_lock(&store->sync_lock);
    int64_t began = clock_ms_monotonic();
    bool old = is_old(store);
    atomic_store(&store->mending, true);
    int was = atomic_exchange(&store->index_stale, STALE_NOT);
    atomic_store(&store->mending, was || old);
    if (was > (int)stale)
        stale = (enum stale)was;
    if (stale || old) {
        uint64_t refused = watches_refused(store);
        rc = index_sync(store, stale == STALE_ALL);
        if (rc) {
            if (rc == DISKV_ECORRUPT)
                atomic_store(&store->damaged, true);
            index_doubt(store, stale ? stale : STALE_STAMPS);
        } else {
            atomic_store(&store->mended_ms, began);
            atomic_store(&store->unwatched, watches_refused(store) != refused);
            log_break(store, stale, began);
            atomic_store(&store->indexing, false);
        }
    }
    atomic_store(&store->mending, false);
    pthread_mutex_unlock(&store->sync_lock);
    if (store->live)
        live_wake(store->live);
    return rc;
}
