/* Values that are read often, in memory. Bounded by bytes; what was used least lately makes room.
 * The cache knows nothing of files: an entry carries the identity that its value had, and whoever
 * looks it up says what the identity is now. Thread-safe, but for an entry that is being filled,
 * which is its filler's alone. */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_IDENT_LEN 40

struct cache;

/* Never changes once it was added. */
struct cache_entry {
    uint64_t version;               /* a number that no other entry had, and not 0 */
    size_t size;                    /* of the value */
    size_t info_size;               /* of what is known of it */
    uint8_t ident[CACHE_IDENT_LEN]; /* of the value */
    void *info;                     /* the user's, both aligned for anything */
    char *data;
};

/* `bytes` is what all entries may take together, with everything that goes with them; those that
 * are still read after they were dropped count too. ENOMEM. */
int cache_new(uint64_t bytes, struct cache **out);

/* No entry may be held. NULL is fine. */
void cache_free(struct cache *cache);

/* The entry of a key, whatever its identity: the caller's, for cache_unref, or for cache_refuse if
 * its value has another one by now. NULL where there is none. */
struct cache_entry *cache_get(struct cache *cache, const char *key, size_t len);

/* Drops an entry that cache_get found, which was then no hit but a miss, and the caller's reference
 * to it. */
void cache_refuse(struct cache_entry *entry);

/* False for a value of a size that cache_begin never takes. */
bool cache_takes(const struct cache *cache, uint64_t size);

/* Makes room and begins an entry, which is not found until cache_add; the caller's, for cache_add
 * or cache_unref. `info` is copied. NULL where it would take more than a quarter of the cache or no
 * room can be made: the value is then not cached. Others make room only for a key that was to be
 * cached lately already: what is read once drives nothing out. */
struct cache_entry *cache_begin(struct cache *cache, const char *key, size_t len,
                                const uint8_t ident[static CACHE_IDENT_LEN], const void *info,
                                size_t info_size, size_t size);

/* Makes a filled entry the one of its key. The caller keeps its reference. */
void cache_add(struct cache *cache, struct cache_entry *entry);

void cache_ref(struct cache_entry *entry);

/* NULL is fine. */
void cache_unref(struct cache_entry *entry);

/* Drops what there is of a key. */
void cache_drop(struct cache *cache, const char *key, size_t len);

/* Drops everything. */
void cache_clear(struct cache *cache);

struct cache_stats {
    uint64_t bytes, hits, misses;
};

void cache_stats(struct cache *cache, struct cache_stats *out);

#endif
