#include "rows.h"

#include "util.h"

#include <pthread.h>
#include <xxhash.h>

#define TYPE_MAX 30 /* bytes of a type that rows have room for */
#define SET_ROWS 8

/* The key is not kept: what is told of a value goes by its identity alone, so that two keys with
 * one hash cost no more than a look. */
struct row {
    uint64_t hash; /* of the key; 0 where there is no row */
    uint64_t size;
    struct timespec modified;
    XXH128_hash_t ident; /* the hash of the value's identity */
    char etag[DISKV_ETAG_MAX + 1];
    char type[TYPE_MAX + 1];
};

/* The rows of keys whose hashes agree in part. */
struct set {
    struct row rows[SET_ROWS];
};

struct rows {
    pthread_mutex_t lock;
    unsigned next; /* row of a full set to make room */
    size_t count;  /* of sets */
    struct set *sets;
};

int rows_new(uint64_t bytes, struct rows **out)
{
    struct rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return DISKV_ENOMEM;
    rows->count = bytes / sizeof *rows->sets + 1;
    rows->sets = calloc(rows->count, sizeof *rows->sets); /* takes memory as it is used */
    if (!rows->sets) {
        free(rows);
        return DISKV_ENOMEM;
    }
    pthread_mutex_init(&rows->lock, NULL);
    *out = rows;
    return 0;
}

void rows_free(struct rows *rows)
{
    if (!rows)
        return;
    pthread_mutex_destroy(&rows->lock);
    free(rows->sets);
    free(rows);
}

static uint64_t hash_key(const char *key, size_t len)
{
    uint64_t hash = XXH3_64bits(key, len);
    return hash ? hash : 1;
}

static XXH128_hash_t hash_ident(const uint8_t ident[static ENGINE_IDENT_LEN])
{
    return XXH3_128bits(ident, ENGINE_IDENT_LEN);
}

static struct row *row_find(const struct rows *rows, uint64_t hash)
{
    struct row *row = rows->sets[hash % rows->count].rows;
    for (size_t i = 0; i < SET_ROWS; i++, row++)
        if (row->hash == hash)
            return row;
    return NULL;
}

/* The row to keep a key in: its own, an empty one, or any. By age it would always be the one that a
 * listing of more than there is room for asks for next. */
static struct row *row_make(struct rows *rows, uint64_t hash)
{
    struct set *set = &rows->sets[hash % rows->count];
    struct row *row = row_find(rows, hash);
    for (size_t i = 0; !row && i < SET_ROWS; i++)
        if (set->rows[i].hash == 0)
            row = &set->rows[i];
    return row ? row : &set->rows[rows->next++ % SET_ROWS];
}

bool rows_has(struct rows *rows, const char *key, size_t len)
{
    pthread_mutex_lock(&rows->lock);
    const struct row *row = row_find(rows, hash_key(key, len));
    pthread_mutex_unlock(&rows->lock);
    return row;
}

bool rows_get(struct rows *rows, const char *key, size_t len,
              const uint8_t ident[static ENGINE_IDENT_LEN], struct diskv_info *out)
{
    pthread_mutex_lock(&rows->lock);
    const struct row *row = row_find(rows, hash_key(key, len));
    bool same = row && XXH128_isEqual(row->ident, hash_ident(ident));
    if (same) {
        out->size = row->size;
        out->modified = row->modified;
        memcpy(out->etag, row->etag, sizeof row->etag);
        memcpy(out->type, row->type, sizeof row->type);
    }
    pthread_mutex_unlock(&rows->lock);
    return same;
}

void rows_keep(struct rows *rows, const char *key, size_t len,
               const uint8_t ident[static ENGINE_IDENT_LEN], const struct diskv_info *info)
{
    if (strlen(info->type) > TYPE_MAX)
        return;
    uint64_t hash = hash_key(key, len);
    pthread_mutex_lock(&rows->lock);
    struct row *row = row_make(rows, hash);
    row->hash = hash;
    row->ident = hash_ident(ident);
    row->size = info->size;
    row->modified = info->modified;
    memcpy(row->etag, info->etag, sizeof row->etag);
    memcpy(row->type, info->type, strlen(info->type) + 1);
    pthread_mutex_unlock(&rows->lock);
}
