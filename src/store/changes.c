#include "changes.h"

#include "store.h"

#include <sys/random.h>
#include <xxhash.h>

/* The log holds at most so many changes, in so much memory. */
#define LOG_COUNT 32768
#define LOG_BYTES (4 * 1024 * 1024)

#define CHAINS 16384

struct entry {
    uint64_t hash;  /* of the key */
    uint64_t older; /* the number of the next entry of the chain */
    struct timespec time, modified;
    uint64_t size;
    bool erased;
    char etag[DISKV_ETAG_MAX + 1];
    size_t len;
    char key[];
};

struct changes {
    pthread_mutex_t lock;
    atomic_bool wanted;
    uint64_t first;   /* number of the oldest entry */
    uint64_t reaches; /* the number from which on nothing is missing */
    uint64_t next;
    size_t bytes;
    struct diskv_changes_watch *watches;

    /* By number modulo LOG_COUNT; NULL for a number that stands for what is not known. */
    struct entry *entries[LOG_COUNT];

    /* Numbers of the newest entry of each chain, that has the last entry of each of its keys,
     * newest first. A number that is no longer in the log ends it. */
    uint64_t chains[CHAINS];
};

int changes_new(struct changes **out)
{
    struct changes *c = calloc(1, sizeof *c);
    if (!c)
        return DISKV_ENOMEM;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return 0;
}

void changes_free(struct changes *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < LOG_COUNT; i++)
        free(c->entries[i]);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool changes_wanted(const struct changes *c)
{
    return atomic_load_explicit(&c->wanted, memory_order_acquire);
}

static struct entry **entry_at(struct changes *c, uint64_t number)
{
    return &c->entries[number % LOG_COUNT];
}

static size_t entry_bytes(size_t len)
{
    return sizeof(struct entry) + len;
}

static void oldest_drop(struct changes *c)
{
    struct entry **oldest = entry_at(c, c->first++);
    if (*oldest)
        c->bytes -= entry_bytes((*oldest)->len);
    free(*oldest);
    *oldest = NULL;
    if (c->reaches < c->first)
        c->reaches = c->first;
}

static void news_tell(struct changes *c)
{
    for (struct diskv_changes_watch *w = c->watches; w; w = w->next)
        w->news(w->ctx);
}

/* Where the number of the last entry of a key stands, or of what ends the chain. */
static uint64_t *last_find(struct changes *c, uint64_t hash, const char *key, size_t len)
{
    uint64_t *at = &c->chains[hash % CHAINS];
    while (*at >= c->first && *at) {
        struct entry *e = *entry_at(c, *at);
        if (e->hash == hash && e->len == len && memcmp(e->key, key, len) == 0)
            break;
        at = &e->older;
    }
    return at;
}

/* What the log has of a key last, NULL for nothing. */
static const struct entry *last_of(struct changes *c, const char *key, size_t len)
{
    uint64_t number = *last_find(c, XXH3_64bits(key, len), key, len);
    return number && number >= c->first ? *entry_at(c, number) : NULL;
}

/* Takes a number for an entry, NULL for what is not known. */
static void number_take(struct changes *c, struct entry *e)
{
    while (c->next - c->first == LOG_COUNT)
        oldest_drop(c);
    *entry_at(c, c->next++) = e;
    if (!e)
        c->reaches = c->next;
    news_tell(c);
}

/* Makes an entry the last of its key. */
static void entry_link(struct changes *c, struct entry *e)
{
    uint64_t *before = last_find(c, e->hash, e->key, e->len);
    if (*before && *before >= c->first)
        *before = (*entry_at(c, *before))->older;
    uint64_t *chain = &c->chains[e->hash % CHAINS];
    e->older = *chain;
    *chain = c->next;
}

static void entry_add(struct changes *c, const char *key, size_t len, const struct diskv_info *info)
{
    size_t bytes = entry_bytes(len);
    struct entry *e = malloc(bytes);
    if (!e) {
        number_take(c, NULL);
        return;
    }
    *e = (struct entry){.hash = XXH3_64bits(key, len), .erased = !info, .len = len};
    clock_gettime(CLOCK_REALTIME, &e->time);
    if (info) {
        e->size = info->size;
        e->modified = info->modified;
        memcpy(e->etag, info->etag, sizeof e->etag);
    }
    memcpy(e->key, key, len);
    while (c->bytes + bytes > LOG_BYTES)
        oldest_drop(c);
    c->bytes += bytes;
    entry_link(c, e);
    number_take(c, e);
}

static bool is_same(const struct entry *e, const struct diskv_info *info)
{
    return !e->erased && strcmp(e->etag, info->etag) == 0 &&
           e->modified.tv_sec == info->modified.tv_sec &&
           e->modified.tv_nsec == info->modified.tv_nsec;
}

void changes_put(struct changes *c, const char *key, size_t len, const struct diskv_info *info)
{
    if (!changes_wanted(c))
        return;
    pthread_mutex_lock(&c->lock);
    const struct entry *last = last_of(c, key, len);
    if (!last || !is_same(last, info))
        entry_add(c, key, len, info);
    pthread_mutex_unlock(&c->lock);
}

void changes_gone(struct changes *c, const char *key, size_t len, bool known)
{
    if (!changes_wanted(c))
        return;
    pthread_mutex_lock(&c->lock);
    const struct entry *last = last_of(c, key, len);
    if (last ? !last->erased : known)
        entry_add(c, key, len, NULL);
    pthread_mutex_unlock(&c->lock);
}

void changes_break(struct changes *c)
{
    if (!changes_wanted(c))
        return;
    pthread_mutex_lock(&c->lock);
    number_take(c, NULL);
    pthread_mutex_unlock(&c->lock);
}

/* Begins the log, with a number that tells it from those of other runs, which may have begun at the
 * same time by a clock that was set back. Under the lock. */
static void log_begin(struct changes *c)
{
    if (changes_wanted(c))
        return;
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        number = (uintptr_t)c;
    c->first = c->reaches = c->next = number / 2 + 1; /* far from 2^64, and not 0 */
    atomic_store_explicit(&c->wanted, true, memory_order_release);
}

uint64_t diskv_changes_next(diskv *store)
{
    struct changes *c = store->changes;
    pthread_mutex_lock(&c->lock);
    log_begin(c);
    uint64_t next = c->next;
    pthread_mutex_unlock(&c->lock);
    return next;
}

static bool has_prefix(const struct entry *e, const char *prefix, size_t len)
{
    return e->len >= len && memcmp(e->key, prefix, len) == 0;
}

static int entry_visit(const struct entry *e, uint64_t number, diskv_change_visit *visit, void *ctx)
{
    const struct diskv_change change = {
        .number = number,
        .key = e->key,
        .len = e->len,
        .erased = e->erased,
        .time = e->time,
        .size = e->size,
        .modified = e->modified,
        .etag = e->etag,
    };
    return visit(ctx, &change);
}

int diskv_changes_now(diskv *store, uint64_t *next, const char *prefix, size_t prefix_len,
                      diskv_change_visit *visit, void *ctx)
{
    struct changes *c = store->changes;
    int rc = 0;
    pthread_mutex_lock(&c->lock);
    log_begin(c);
    if (*next < c->reaches || *next > c->next)
        rc = DISKV_ESTALE;
    while (!rc && *next < c->next) {
        const struct entry *e = *entry_at(c, *next);
        if (has_prefix(e, prefix, prefix_len))
            rc = entry_visit(e, *next, visit, ctx);
        if (rc >= 0)
            ++*next;
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

void diskv_changes_watch(diskv *store, struct diskv_changes_watch *watch)
{
    struct changes *c = store->changes;
    pthread_mutex_lock(&c->lock);
    log_begin(c);
    watch->next = c->watches;
    c->watches = watch;
    pthread_mutex_unlock(&c->lock);
}

void diskv_changes_unwatch(diskv *store, struct diskv_changes_watch *watch)
{
    struct changes *c = store->changes;
    pthread_mutex_lock(&c->lock);
    for (struct diskv_changes_watch **at = &c->watches; *at; at = &(*at)->next) {
        if (*at == watch) {
            *at = watch->next;
            break;
        }
    }
    pthread_mutex_unlock(&c->lock);
}
