#include "rows.h"

#include "util.h"

#include <pthread.h>
#include <stdatomic.h>
#include <xxhash.h>

#define TYPE_MAX 30 /* bytes of a type that rows have room for */
#define SET_ROWS 8
#define LOCKS    64 /* so that listings hardly ever wait for one another */

/* The key is not kept: what is told of a value goes by its identity alone, so that two keys with
 * one hash cost no more than a look. */
struct row {
    uint64_t size;
    struct timespec modified;
    struct rows_ident ident; /* of the value */
    char etag[DISKV_ETAG_MAX + 1];
    char type[TYPE_MAX + 1];
};

/* The rows of keys whose hashes agree in part. The hashes lie together, in one line of the
 * processor's cache. */
struct set {
    uint64_t hashes[SET_ROWS]; /* of the keys; 0 where there is no row */
    struct row rows[SET_ROWS];
};

struct rows {
    pthread_mutex_t locks[LOCKS]; /* each of some of the sets */
    atomic_uint next;             /* row of a full set to make room */
    size_t count;                 /* of sets */
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
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&rows->locks[i], NULL);
    *out = rows;
    return 0;
}

void rows_free(struct rows *rows)
{
    if (!rows)
        return;
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&rows->locks[i]);
    free(rows->sets);
    free(rows);
}

static uint64_t hash_key(const char *key, size_t len)
{
    uint64_t hash = XXH3_64bits(key, len);
    return hash ? hash : 1;
}

struct rows_ident rows_ident(const uint8_t ident[static ENGINE_IDENT_LEN])
{
    XXH128_hash_t hash = XXH3_128bits(ident, ENGINE_IDENT_LEN);
    return (struct rows_ident){{hash.low64, hash.high64}};
}

static pthread_mutex_t *rows_lock(struct rows *rows, uint64_t hash)
{
    pthread_mutex_t *lock = &rows->locks[hash % rows->count % LOCKS];
    pthread_mutex_lock(lock);
    return lock;
}

/* The row of a key, or SET_ROWS. */
static size_t set_find(const struct set *set, uint64_t hash)
{
    size_t i = 0;
    while (i < SET_ROWS && set->hashes[i] != hash)
        i++;
    return i;
}

/* The row to keep a key in: its own, an empty one, or any. By age it would always be the one that a
 * listing of more than there is room for asks for next. */
static size_t set_make(struct rows *rows, const struct set *set, uint64_t hash)
{
    size_t i = set_find(set, hash);
    if (i == SET_ROWS)
        i = set_find(set, 0);
    return i < SET_ROWS ? i : rows->next++ % SET_ROWS;
}

bool rows_get(struct rows *rows, const char *key, size_t len, struct rows_ident *of,
              struct diskv_info *out)
{
    uint64_t hash = hash_key(key, len);
    const struct set *set = &rows->sets[hash % rows->count];
    pthread_mutex_t *lock = rows_lock(rows, hash);
    size_t i = set_find(set, hash);
    if (i < SET_ROWS) {
        const struct row *row = &set->rows[i];
        *of = row->ident;
        out->size = row->size;
        out->modified = row->modified;
        memcpy(out->etag, row->etag, sizeof row->etag);
        memcpy(out->type, row->type, sizeof row->type);
    }
    pthread_mutex_unlock(lock);
    return i < SET_ROWS;
}

void rows_keep(struct rows *rows, const char *key, size_t len,
               const uint8_t ident[static ENGINE_IDENT_LEN], const struct diskv_info *info)
{
    if (strlen(info->type) > TYPE_MAX)
        return;
    uint64_t hash = hash_key(key, len);
    struct set *set = &rows->sets[hash % rows->count];
    pthread_mutex_t *lock = rows_lock(rows, hash);
    size_t i = set_make(rows, set, hash);
    struct row *row = &set->rows[i];
    set->hashes[i] = hash;
    row->ident = rows_ident(ident);
    row->size = info->size;
    row->modified = info->modified;
    memcpy(row->etag, info->etag, sizeof row->etag);
    memcpy(row->type, info->type, strlen(info->type) + 1);
    pthread_mutex_unlock(lock);
}
