/* The index against the names of the files. A place that changed since the index last read it is
 * read again when the store is opened: what lies there may differ. Anything else may not. */
#include "verify.h"

#include "buf.h"

#include <xxhash.h>

struct indexed_key {
    uint64_t hash;
    bool met; /* among the files */
};

struct indexed_place {
    uint64_t name; /* hashes of these */
    uint64_t note;
};

struct comparison {
    struct verify *v;
    struct buf keys, places; /* of these structs, sorted by their first members */
    bool settled;            /* the place that is visited is as the index read it */
    bool differs;
};

static int compare_first(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void *find(const struct buf *table, size_t size, const char *name, size_t len)
{
    uint64_t hash = XXH3_64bits(name, len);
    return table->len ? bsearch(&hash, table->data, table->len / size, size, compare_first) : NULL;
}

static void sort(struct buf *table, size_t size)
{
    if (table->len)
        qsort(table->data, table->len / size, size, compare_first);
}

/* --- What the index holds --- */

static int key_add(void *ctx, const char *key, size_t len)
{
    struct comparison *c = ctx;
    struct indexed_key entry;
    memset(&entry, 0, sizeof entry);
    entry.hash = XXH3_64bits(key, len);
    return buf_add(&c->keys, &entry, sizeof entry);
}

static int place_add(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
    struct comparison *c = ctx;
    struct indexed_place entry = {XXH3_64bits(name, name_len), 0};
    if (len <= PLACE_NOTE_HEAD) /* its stamp is not to be relied on */
        return 0;
    entry.note = XXH3_64bits((const char *)value + PLACE_NOTE_HEAD, len - (size_t)PLACE_NOTE_HEAD);
    return buf_add(&c->places, &entry, sizeof entry);
}

/* --- What lies there --- */

/* 0 or ENOTFOUND; `*settled` where it is as the index read it. */
static int place_look(struct comparison *c, const char *name, size_t len, bool *settled)
{
    char path[ENGINE_PLACE_MAX];
    struct engine_place place;
    struct engine *engine = c->v->store->engine;
    snprintf(path, sizeof path, "%.*s", (int)len, name);
    int rc = engine->ops->stamp(engine, path, &place);
    const struct indexed_place *noted = find(&c->places, sizeof *noted, name, len);
    *settled =
        !rc && noted && place.stamp_len && noted->note == XXH3_64bits(place.stamp, place.stamp_len);
    return rc == DISKV_ENOTFOUND ? rc : 0;
}

static int place_visit(void *ctx, const char *name)
{
    struct comparison *c = ctx;
    place_look(c, name, strlen(name), &c->settled);
    return 0;
}

static void differs(struct comparison *c, const char *key, size_t len, const char *detail)
{
    c->differs = true;
    verify_tell(c->v, &(struct diskv_finding){.problem = DISKV_PROBLEM_INDEX,
                                              .key = key,
                                              .len = len,
                                              .detail = detail,
                                              .repaired = c->v->options->repair});
}

static int key_visit(void *ctx, const char *key, size_t len)
{
    struct comparison *c = ctx;
    struct indexed_key *entry = find(&c->keys, sizeof *entry, key, len);
    if (entry)
        entry->met = true;
    else if (c->settled)
        differs(c, key, len, "the index lacks this key");
    return 0;
}

/* --- Keys without a file --- */

static int unmet_visit(void *ctx, const char *key, size_t len)
{
    struct comparison *c = ctx;
    struct engine *engine = c->v->store->engine;
    const struct indexed_key *entry = find(&c->keys, sizeof *entry, key, len);
    char place[ENGINE_PLACE_MAX];
    size_t outer;
    bool settled, inside;
    if ((entry && entry->met) || engine->ops->stat(engine, key, len, NULL) != DISKV_ENOTFOUND)
        return 0;
    if (engine->ops->locate(engine, key, len, place, &outer) == 0) {
        place_look(c, place, outer, &settled);
        if (!settled || (place_look(c, place, strlen(place), &inside) == 0 && !inside))
            return 0;
    }
    differs(c, key, len, "the index has this key, but there is no file");
    return 0;
}

static int note_ignore(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
    (void)ctx, (void)name, (void)name_len, (void)value, (void)len;
    return 0;
}

static int index_compare(struct comparison *c)
{
    struct verify *v = c->v;
    const struct index_visitor content = {c, key_add, place_add};
    const struct index_visitor again = {c, unmet_visit, note_ignore};
    const struct walker walker = {.ctx = c, .place = place_visit, .key = key_visit};
    int rc = index_lmdb_read(v->index_dir, &content);
    if (rc)
        return rc;
    v->found.indexed = c->keys.len / sizeof(struct indexed_key);
    sort(&c->keys, sizeof(struct indexed_key));
    sort(&c->places, sizeof(struct indexed_place));
    rc = verify_walk(v->store->engine, &walker);
    return rc ? rc : index_lmdb_read(v->index_dir, &again);
}

int verify_index(struct verify *v)
{
    struct comparison c = {.v = v};
    int rc = index_compare(&c);
    if (rc == DISKV_ENOTFOUND)
        rc = 0;
    if (rc == DISKV_ECORRUPT) {
        differs(&c, NULL, 0, "the index is damaged");
        rc = 0;
    }
    if (!rc && c.differs && v->options->repair)
        rc = index_lmdb_remove(v->index_dir);
    buf_free(&c.keys);
    buf_free(&c.places);
    return rc;
}

/* --- The layout --- */

static int layout_visit(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
    struct layout layout;
    char noted[LAYOUT_NAME_SIZE];
    if (name_len != strlen(LAYOUT_NOTE) || memcmp(name, LAYOUT_NOTE, name_len) != 0 ||
        len >= sizeof noted)
        return 0;
    memcpy(noted, value, len);
    noted[len] = '\0';
    if (layout_parse(noted, &layout) == 0)
        snprintf(ctx, LAYOUT_NAME_SIZE, "%s", layout.name);
    return 0;
}

void verify_index_layout(const char *dir, char name[static LAYOUT_NAME_SIZE])
{
    const struct index_visitor visitor = {.ctx = name, .note = layout_visit};
    name[0] = '\0';
    index_lmdb_read(dir, &visitor);
}
