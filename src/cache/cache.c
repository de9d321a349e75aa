#include "cache.h"

#include "diskv.h"
#include "util.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <xxhash.h>

#define BUCKET_BYTES 1024 /* of the cache, for each bucket of the table */
#define PAGES_MIN    (128 * 1024)

/* A ring of all entries that can be found, by their last use, closed by the cache itself. */
struct age {
    struct age *older, *newer;
};

/* An entry and what goes with it: behind it, in one piece, lie key, info and data. While it can be
 * found, one of the references is the table's. */
struct slot {
    struct cache_entry entry;
    struct cache *cache;
    struct slot *next; /* of the same bucket */
    struct age age;
    atomic_size_t refs;
    uint64_t hash;
    size_t bytes; /* of memory */
    size_t key_len;
    const char *key;
};

/* `used` rises under the lock, before memory is taken, and falls at any time, after it was given
 * back: it is never less than the truth. */
struct cache {
    uint64_t max;
    uint64_t seed;
    size_t mask;
    atomic_uint_fast64_t used, versions;
    pthread_mutex_t lock;
    struct age age; /* `newer` is the oldest, `older` the newest */
    size_t count;
    uint64_t hits, misses;
    uint16_t *asked; /* for each bucket, part of the hash of the last key there was no room for */
    struct slot *buckets[];
};

static struct slot *slot_of(struct cache_entry *entry)
{
    return container_of(entry, struct slot, entry);
}

/* What malloc takes for `size` bytes: with its header, and in whole pages where they are many. */
static uint64_t memory_for(uint64_t size)
{
    uint64_t grain = size < PAGES_MIN ? 16 : 4096;
    return (size + 16 + grain - 1) / grain * grain;
}

static size_t align_up(size_t size)
{
    return (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
}

/* --- The table, under the lock --- */

static void age_remove(struct slot *slot)
{
    slot->age.older->newer = slot->age.newer;
    slot->age.newer->older = slot->age.older;
}

static void age_add(struct cache *cache, struct slot *slot)
{
    slot->age = (struct age){.older = cache->age.older, .newer = &cache->age};
    slot->age.older->newer = &slot->age;
    slot->age.newer->older = &slot->age;
}

/* The link that leads to the entry of a key, or to NULL. */
static struct slot **table_find(struct cache *cache, uint64_t hash, const char *key, size_t len)
{
    struct slot **link = &cache->buckets[hash & cache->mask];
    for (struct slot *slot; (slot = *link); link = &slot->next)
        if (slot->hash == hash && slot->key_len == len && memcmp(slot->key, key, len) == 0)
            break;
    return link;
}

/* Hands the table's reference to the caller, for after the lock; NULL where there is no entry. */
static struct slot *table_remove(struct cache *cache, struct slot **link)
{
    struct slot *slot = *link;
    if (!slot)
        return NULL;
    *link = slot->next;
    age_remove(slot);
    cache->count--;
    return slot;
}

/* Removes the entry that was used least lately. What is being read counts as used now. */
static struct slot *table_evict(struct cache *cache)
{
    for (size_t left = cache->count; left > 0; left--) {
        struct slot *slot = container_of(cache->age.newer, struct slot, age);
        if (slot->refs == 1)
            return table_remove(cache, table_find(cache, slot->hash, slot->key, slot->key_len));
        age_remove(slot);
        age_add(cache, slot);
    }
    return NULL;
}

/* --- References --- */

void cache_ref(struct cache_entry *entry)
{
    slot_of(entry)->refs++;
}

static void slot_unref(struct slot *slot)
{
    if (!slot || --slot->refs > 0)
        return;
    struct cache *cache = slot->cache;
    uint64_t bytes = slot->bytes;
    free(slot);
    cache->used -= bytes;
}

void cache_unref(struct cache_entry *entry)
{
    if (entry)
        slot_unref(slot_of(entry));
}

/* --- Entries --- */

struct cache_entry *cache_get(struct cache *cache, const char *key, size_t len)
{
    uint64_t hash = XXH3_64bits_withSeed(key, len, cache->seed);
    pthread_mutex_lock(&cache->lock);
    struct slot *slot = *table_find(cache, hash, key, len);
    if (slot) {
        slot->refs++;
        age_remove(slot);
        age_add(cache, slot);
        cache->hits++;
    } else {
        cache->misses++;
    }
    pthread_mutex_unlock(&cache->lock);
    return slot ? &slot->entry : NULL;
}

void cache_refuse(struct cache_entry *entry)
{
    struct slot *slot = slot_of(entry), *found = NULL;
    struct cache *cache = slot->cache;
    pthread_mutex_lock(&cache->lock);
    struct slot **link = table_find(cache, slot->hash, slot->key, slot->key_len);
    if (*link == slot)
        found = table_remove(cache, link);
    cache->hits--;
    cache->misses++;
    pthread_mutex_unlock(&cache->lock);
    slot_unref(found);
    slot_unref(slot);
}

/* True where others may make room for a key: where it asked before, and no other in its place
 * since. */
static bool may_evict(struct cache *cache, uint64_t hash)
{
    uint16_t *asked = &cache->asked[hash & cache->mask], part = (uint16_t)(hash >> 48);
    bool again = *asked == part;
    *asked = part;
    return again;
}

/* Counts `bytes` as used, once enough others have gone. */
static bool reserve(struct cache *cache, uint64_t hash, uint64_t bytes)
{
    for (bool evict = false;;) {
        struct slot *oldest = NULL;
        pthread_mutex_lock(&cache->lock);
        bool fits = bytes <= cache->max - cache->used;
        if (fits)
            cache->used += bytes;
        else if (evict || (evict = may_evict(cache, hash)))
            oldest = table_evict(cache);
        pthread_mutex_unlock(&cache->lock);
        if (!oldest)
            return fits;
        slot_unref(oldest);
    }
}

bool cache_takes(const struct cache *cache, uint64_t size)
{
    return size <= cache->max / 4;
}

struct cache_entry *cache_begin(struct cache *cache, const char *key, size_t len,
                                const uint8_t ident[static CACHE_IDENT_LEN], const void *info,
                                size_t info_size, size_t size)
{
    uint64_t most = cache->max / 4;
    if (len > most || info_size > most || size > most) /* the sum of the three cannot overflow */
        return NULL;
    size_t info_at = align_up(sizeof(struct slot) + len);
    size_t data_at = info_at + align_up(info_size), total = data_at + size;
    uint64_t bytes = memory_for(total);
    uint64_t hash = XXH3_64bits_withSeed(key, len, cache->seed);
    if (bytes > most || !reserve(cache, hash, bytes))
        return NULL;
    struct slot *slot = malloc(total);
    if (!slot) {
        cache->used -= bytes;
        return NULL;
    }
    char *start = (char *)slot;
    *slot = (struct slot){
        .entry = {.version = ++cache->versions,
                  .size = size,
                  .info_size = info_size,
                  .info = start + info_at,
                  .data = start + data_at},
        .cache = cache,
        .refs = 1,
        .hash = hash,
        .bytes = bytes,
        .key_len = len,
        .key = memcpy(slot + 1, key, len),
    };
    memcpy(slot->entry.ident, ident, CACHE_IDENT_LEN);
    if (info_size)
        memcpy(slot->entry.info, info, info_size);
    return &slot->entry;
}

void cache_add(struct cache *cache, struct cache_entry *entry)
{
    struct slot *slot = slot_of(entry);
    assert(slot->cache == cache && !slot->age.older); /* an entry is added once */
    slot->refs++;
    pthread_mutex_lock(&cache->lock);
    struct slot **link = table_find(cache, slot->hash, slot->key, slot->key_len);
    struct slot *before = table_remove(cache, link);
    slot->next = *link;
    *link = slot;
    age_add(cache, slot);
    cache->count++;
    pthread_mutex_unlock(&cache->lock);
    slot_unref(before);
}

void cache_drop(struct cache *cache, const char *key, size_t len)
{
    uint64_t hash = XXH3_64bits_withSeed(key, len, cache->seed);
    pthread_mutex_lock(&cache->lock);
    struct slot *slot = table_remove(cache, table_find(cache, hash, key, len));
    pthread_mutex_unlock(&cache->lock);
    slot_unref(slot);
}

/* --- The cache --- */

void cache_clear(struct cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    cache->age.older->newer = NULL; /* the ring becomes a list of what is dropped */
    struct age *age = cache->age.newer;
    cache->age = (struct age){&cache->age, &cache->age};
    cache->count = 0;
    memset(cache->buckets, 0, (cache->mask + 1) * sizeof cache->buckets[0]);
    pthread_mutex_unlock(&cache->lock);
    for (struct age *newer; age; age = newer) {
        newer = age->newer;
        slot_unref(container_of(age, struct slot, age));
    }
}

int cache_new(uint64_t bytes, struct cache **out)
{
    size_t buckets = 1;
    while (buckets <= bytes / BUCKET_BYTES / 2)
        buckets *= 2;
    size_t table = buckets * (sizeof(struct slot *) + sizeof(uint16_t));
    struct cache *cache = calloc(1, sizeof *cache + table);
    if (!cache)
        return DISKV_ENOMEM;
    cache->max = bytes;
    cache->mask = buckets - 1;
    cache->asked = (uint16_t *)&cache->buckets[buckets];
    cache->used = table;
    cache->age = (struct age){&cache->age, &cache->age};
    if (getrandom(&cache->seed, sizeof cache->seed, 0) != sizeof cache->seed)
        cache->seed = (uintptr_t)cache;
    pthread_mutex_init(&cache->lock, NULL);
    *out = cache;
    return 0;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    cache_clear(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

void cache_stats(struct cache *cache, struct cache_stats *out)
{
    pthread_mutex_lock(&cache->lock);
    *out = (struct cache_stats){cache->used, cache->hits, cache->misses};
    pthread_mutex_unlock(&cache->lock);
}
