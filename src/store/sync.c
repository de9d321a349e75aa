#include "store.h"

#include "buf.h"
#include "log.h"
#include "util.h"

#include <xxhash.h>

/* Changes to the index that are made in one transaction. */
#define CHANGES_MAX 1000

/* Names the note that holds the layout's name; no place has this one. */
#define LAYOUT_NOTE LAYOUT_STORE_DIR

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

struct place_note {
    uint64_t foreign;
    uint8_t stamp[ENGINE_STAMP_MAX];
};

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
    bool all;            /* trust no stamp */
    bool fresh;          /* the index was empty: nothing can be gone */
    struct names places; /* to scan */
    struct names gone;   /* places that were known and are no more */
    struct notes read;   /* places that were scanned, with what is to be noted of them */
    struct buf changed;  /* set of the names in `gone` and `read` */
    struct buf seen;     /* set of keys */
    struct buf batch;    /* keys to insert, each with its NUL */
    size_t batch_count;
};

static void sync_free(struct sync *s)
{
    buf_free(&s->places.text);
    buf_free(&s->gone.text);
    notes_free(&s->read);
    buf_free(&s->changed);
    buf_free(&s->seen);
    buf_free(&s->batch);
}

static int batch_flush(struct sync *s)
{
    struct index_change changes[CHANGES_MAX];
    const char *key = s->batch.data;
    for (size_t i = 0; i < s->batch_count; i++, key += strlen(key) + 1)
        changes[i] = (struct index_change){.key = key, .len = strlen(key)};
    struct index *index = s->store->index;
    int rc = s->batch_count ? index->ops->apply(index, changes, s->batch_count) : 0;
    s->batch_count = 0;
    s->batch.len = 0;
    return rc;
}

static int seen_key(void *ctx, const char *key, size_t len)
{
    struct sync *s = ctx;
    int rc = s->fresh ? 0 : set_add(&s->seen, key, len);
    if (!rc)
        rc = buf_add(&s->batch, key, len);
    if (!rc)
        rc = buf_add(&s->batch, "", 1);
    if (!rc && ++s->batch_count == CHANGES_MAX)
        rc = batch_flush(s);
    return rc;
}

/* A place that lies in the one being scanned: to be scanned too unless it is known. It is noted
 * without a stamp first, so that it is not forgotten should this process end before it is scanned.
 */
static int seen_place(void *ctx, const char *name, size_t len)
{
    struct sync *s = ctx;
    struct index *index = s->store->index;
    char note[INDEX_NOTE_VALUE_MAX];
    size_t note_len;
    int rc = index->ops->note_get(index, name, len, note, &note_len);
    if (rc != DISKV_ENOTFOUND)
        return rc;
    rc = index->ops->note_set(index, name, len, "", 0);
    return rc ? rc : names_add(&s->places, name, len);
}

/* Notes a place that was scanned, at once where nothing is to be dropped before. */
static int place_read(struct sync *s, const char *name, const struct engine_place *place)
{
    struct place_note note = {.foreign = place->foreign};
    size_t len = strlen(name), note_len = offsetof(struct place_note, stamp) + place->stamp_len;
    memcpy(note.stamp, place->stamp, place->stamp_len);
    atomic_fetch_add(&s->store->foreign, place->foreign);
    struct index *index = s->store->index;
    if (s->fresh)
        return index->ops->note_set(index, name, len, &note, note_len);
    int rc = set_add(&s->changed, name, len);
    return rc ? rc : notes_add(&s->read, name, len, &note, note_len);
}

/* Reads a place and inserts its keys; places in it that are not known join `places`. */
static int place_scan(struct sync *s, const char *name)
{
    struct engine *engine = s->store->engine;
    struct engine_place place;
    const struct engine_visitor visitor = {.ctx = s, .key = seen_key, .place = seen_place};
    int rc = engine->ops->scan(engine, name, &visitor, &place);
    int flushed = batch_flush(s);
    if (!rc)
        rc = flushed ? flushed : place_read(s, name, &place);
    if (rc == DISKV_EACCESS) {
        log_warning("cannot read directory %s: its files are not listed", name);
        return 0;
    }
    return rc == DISKV_ENOTFOUND ? 0 : rc; /* gone meanwhile: the place it lay in has changed */
}

/* Looks at a place that is known: unchanged, changed or gone. */
static int known_check(struct sync *s, const char *name, const struct place_note *note, size_t len)
{
    const size_t head = offsetof(struct place_note, stamp);
    struct engine_place place;
    int rc = s->store->engine->ops->stamp(s->store->engine, name, &place);
    if (rc == DISKV_ENOTFOUND) {
        rc = set_add(&s->changed, name, strlen(name));
        return rc ? rc : names_add(&s->gone, name, strlen(name));
    }
    if (rc && rc != DISKV_EACCESS)
        return rc;
    if (!s->all && !rc && place.stamp_len && len == head + place.stamp_len &&
        memcmp(note->stamp, place.stamp, place.stamp_len) == 0) {
        atomic_fetch_add(&s->store->foreign, note->foreign);
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
    }
    notes_free(&known);
    return rc || base ? rc : names_add(&s->places, "", 0);
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

/* True where a key that was not seen may have been: in a place that was read or is gone. */
static bool may_be_gone(const struct sync *s, const char *key, size_t len)
{
    char place[ENGINE_PLACE_MAX];
    size_t outer;
    if (s->all || s->store->engine->ops->locate(s->store->engine, key, len, place, &outer))
        return true;
    return set_has(&s->changed, place, outer) || set_has(&s->changed, place, strlen(place));
}

static int missing_collect(struct sync *s, struct names *missing)
{
    struct index *index = s->store->index;
    struct index_cursor *cursor;
    int rc = index->ops->cursor_open(index, &cursor);
    if (rc)
        return rc;
    rc = index->ops->cursor_seek(cursor, "", 0);
    while (!rc) {
        const char *key;
        size_t len;
        index->ops->cursor_key(cursor, &key, &len);
        if (may_be_gone(s, key, len) && !set_has(&s->seen, key, len))
            rc = names_add(missing, key, len);
        if (!rc)
            rc = index->ops->cursor_next(cursor);
    }
    index->ops->cursor_close(cursor);
    return rc == DISKV_ENOTFOUND ? 0 : rc;
}

/* Drops what the index has and the places that were read have not: one pass over its keys. */
static int missing_drop(struct sync *s)
{
    if (s->fresh || !s->changed.len)
        return 0;
    struct names missing = {0};
    set_sort(&s->changed);
    set_sort(&s->seen);
    int rc = missing_collect(s, &missing);
    for (const char *key; !rc && (key = names_next(&missing));)
        rc = index_check(s->store, key, strlen(key));
    buf_free(&missing.text);
    return rc;
}

/* --- The end: from now on the stamps stand for what the index has --- */

static int notes_write(struct sync *s)
{
    struct index *index = s->store->index;
    struct place_note note;
    size_t len;
    int rc = 0;
    for (const char *name; !rc && (name = notes_next(&s->read, &note, &len));)
        rc = index->ops->note_set(index, name, strlen(name), &note, len);
    for (const char *name; !rc && (name = names_next(&s->gone));) {
        struct engine_place place; /* it may be there again, and was not read */
        if (s->store->engine->ops->stamp(s->store->engine, name, &place) == DISKV_ENOTFOUND)
            rc = index->ops->note_erase(index, name, strlen(name));
    }
    return rc;
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

int index_sync(diskv *store, bool all)
{
    struct sync s = {.store = store, .fresh = store->index->ops->count(store->index) == 0};
    bool other;
    atomic_store(&store->foreign, 0);
    int rc = layout_check(store, &other);
    s.all = all || other;
    if (!rc)
        rc = known_check_all(&s);
    for (const char *name; !rc && (name = names_next(&s.places));) {
        char copy[ENGINE_PLACE_MAX]; /* `places` may move while it grows */
        snprintf(copy, sizeof copy, "%s", name);
        rc = place_scan(&s, copy);
    }
    if (!rc)
        rc = missing_drop(&s);
    if (!rc)
        rc = notes_write(&s);
    if (!rc && other)
        rc = layout_note(store);
    sync_free(&s);
    if (rc)
        log_error("cannot bring the index in step with the files: %s", diskv_strerror(rc));
    return rc;
}

void index_note(diskv *store, const struct index_change *changes, size_t count, int rc)
{
    if (rc == 0)
        rc = store->index->ops->apply(store->index, changes, count);
    else if (rc != DISKV_EINDOUBT)
        return;
    if (rc && !atomic_exchange(&store->index_stale, true))
        log_warning("the index missed a change (%s): it is brought in step before the next listing",
                    diskv_strerror(rc));
}
