/* Ways to use a cache in a line: keys are strings, identities numbers, and the bytes of a value all
 * that number. */
#ifndef CACHE_HELPERS_H
#define CACHE_HELPERS_H

#include "cache.h"
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define BYTES (64 * 1024) /* of the caches */

struct ident {
    uint8_t bytes[CACHE_IDENT_LEN];
};

static inline struct ident ident_of(unsigned version)
{
    struct ident ident = {{0}};
    memcpy(ident.bytes + CACHE_IDENT_LEN - sizeof version, &version, sizeof version);
    return ident;
}

/* The key of a number, of any length to 13. */
static inline void key_name(size_t key, char name[16])
{
    snprintf(name, 16, "%0*zu", (int)(1 + key % 13), key);
}

static inline uint64_t used(struct cache *cache)
{
    struct cache_stats stats;
    cache_stats(cache, &stats);
    return stats.bytes;
}

static inline struct cache_entry *get(struct cache *cache, const char *key, unsigned version)
{
    struct cache_entry *entry = cache_get(cache, key, strlen(key));
    if (entry && memcmp(entry->ident, ident_of(version).bytes, CACHE_IDENT_LEN) != 0) {
        cache_refuse(entry);
        entry = NULL;
    }
    return entry;
}

/* Looks a key up and lets it go. */
static inline bool has(struct cache *cache, const char *key, unsigned version)
{
    struct cache_entry *entry = get(cache, key, version);
    cache_unref(entry);
    return entry;
}

static inline struct cache_entry *begin_once(struct cache *cache, const char *key, unsigned version,
                                             size_t size)
{
    struct cache_entry *entry =
        cache_begin(cache, key, strlen(key), ident_of(version).bytes, key, strlen(key), size);
    if (entry)
        memset(entry->data, (int)version, size);
    return entry;
}

/* Asks twice, so that others make room. */
static inline struct cache_entry *begin(struct cache *cache, const char *key, unsigned version,
                                        size_t size)
{
    cache_unref(begin_once(cache, key, version, size));
    return begin_once(cache, key, version, size);
}

static inline bool put(struct cache *cache, const char *key, unsigned version, size_t size)
{
    struct cache_entry *entry = begin(cache, key, version, size);
    if (entry)
        cache_add(cache, entry);
    cache_unref(entry);
    return entry;
}

static inline void assert_entry(const struct cache_entry *entry, const char *info, unsigned version,
                                size_t size)
{
    assert_non_null(entry);
    if (!entry)
        return; /* compilers do not know that the test has ended */
    assert_int_equal(entry->size, size);
    assert_int_equal(entry->info_size, strlen(info));
    assert_memory_equal(entry->info, info, strlen(info));
    assert_memory_equal(entry->ident, ident_of(version).bytes, CACHE_IDENT_LEN);
    for (size_t i = 0; i < size; i++)
        if (entry->data[i] != (char)version)
            fail_msg("byte %zu of %zu is another's", i, size);
}

#endif
