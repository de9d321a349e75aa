/* Readers that are kept open for whoever reads the same value next. Every so often all are let go
 * of: a file that another program removed takes its space no longer than that. */
#include "fs.h"

#include "util.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>
#include <xxhash.h>

#define KEPT_MAX     512
#define KEPT_PART    8 /* of the descriptors that the process may have */
#define KEPT_SECONDS 2
#define SET_READERS  8

/* A reader under the hash of its key: the key is not kept, for a reader is good only where the
 * identity of its file is that of the key's. */
struct place {
    uint64_t hash;
    struct fs_reader *reader; /* or NULL */
};

/* The places of keys whose hashes agree in part. */
struct set {
    struct place places[SET_READERS];
};

struct fs_kept {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news; /* the first reader is there, or it is to stop */
    bool stopping;
    atomic_size_t used; /* readers that are kept; changed under the lock */
    unsigned next;      /* reader of a full set to make room */
    size_t count;       /* of sets */
    struct set sets[];
};

static struct place *place_find(struct fs_kept *kept, uint64_t hash)
{
    struct place *place = kept->sets[hash % kept->count].places;
    for (size_t i = 0; i < SET_READERS; i++, place++)
        if (place->reader && place->hash == hash)
            return place;
    return NULL;
}

/* The place to keep a key's reader in: its own, an empty one, or any. */
static struct place *place_make(struct fs_kept *kept, uint64_t hash)
{
    struct place *places = kept->sets[hash % kept->count].places;
    struct place *place = place_find(kept, hash);
    for (size_t i = 0; !place && i < SET_READERS; i++)
        if (!places[i].reader)
            place = &places[i];
    return place ? place : &places[kept->next++ % SET_READERS];
}

struct fs_reader *fs_kept_get(struct fs_kept *kept, const char *key, size_t len)
{
    if (!atomic_load(&kept->used))
        return NULL;
    uint64_t hash = XXH3_64bits(key, len);
    pthread_mutex_lock(&kept->lock);
    const struct place *place = place_find(kept, hash);
    struct fs_reader *reader = place ? fs_reader_ref(place->reader) : NULL;
    pthread_mutex_unlock(&kept->lock);
    return reader;
}

void fs_kept_add(struct fs_kept *kept, const char *key, size_t len, struct fs_reader *reader)
{
    uint64_t hash = XXH3_64bits(key, len);
    pthread_mutex_lock(&kept->lock);
    struct place *place = place_make(kept, hash);
    struct fs_reader *old = place->reader;
    *place = (struct place){hash, fs_reader_ref(reader)};
    if (!old && kept->used++ == 0)
        pthread_cond_signal(&kept->news);
    pthread_mutex_unlock(&kept->lock);
    fs_reader_unref(old);
}

void fs_kept_drop(struct fs_kept *kept, const char *key, size_t len)
{
    uint64_t hash = XXH3_64bits(key, len);
    struct fs_reader *reader = NULL;
    pthread_mutex_lock(&kept->lock);
    struct place *place = place_find(kept, hash);
    if (place) {
        reader = place->reader;
        place->reader = NULL;
        kept->used--;
    }
    pthread_mutex_unlock(&kept->lock);
    fs_reader_unref(reader);
}

void fs_kept_clear(struct fs_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++) {
        pthread_mutex_lock(&kept->lock);
        struct set dropped = kept->sets[i];
        kept->sets[i] = (struct set){0};
        for (size_t j = 0; j < SET_READERS; j++)
            kept->used -= dropped.places[j].reader != NULL;
        pthread_mutex_unlock(&kept->lock);
        for (size_t j = 0; j < SET_READERS; j++)
            fs_reader_unref(dropped.places[j].reader);
    }
}

/* Waits until the readers are to be let go of; false at the end. */
static bool kept_wait(struct fs_kept *kept)
{
    struct timespec until;
    int rc = 0;
    pthread_mutex_lock(&kept->lock);
    while (!kept->stopping && kept->used == 0)
        pthread_cond_wait(&kept->news, &kept->lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += KEPT_SECONDS;
    while (!kept->stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&kept->news, &kept->lock, &until);
    bool stopping = kept->stopping;
    pthread_mutex_unlock(&kept->lock);
    return !stopping;
}

static void *kept_main(void *arg)
{
    while (kept_wait(arg))
        fs_kept_clear(arg);
    return NULL;
}

static size_t sets_count(void)
{
    struct rlimit limit;
    bool limited = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / KEPT_PART < KEPT_MAX;
    size_t count = (limited ? limit.rlim_cur / KEPT_PART : KEPT_MAX) / SET_READERS;
    return count ? count : 1;
}

int fs_kept_new(struct fs_kept **out)
{
    size_t count = sets_count();
    struct fs_kept *kept = calloc(1, sizeof *kept + count * sizeof *kept->sets);
    if (!kept)
        return DISKV_ENOMEM;
    kept->count = count;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&kept->news, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&kept->lock, NULL);
    if (pthread_create(&kept->thread, NULL, kept_main, kept)) {
        pthread_mutex_destroy(&kept->lock);
        pthread_cond_destroy(&kept->news);
        free(kept);
        return DISKV_EUNAVAILABLE;
    }
    *out = kept;
    return 0;
}

void fs_kept_free(struct fs_kept *kept)
{
    pthread_mutex_lock(&kept->lock);
    kept->stopping = true;
    pthread_cond_signal(&kept->news);
    pthread_mutex_unlock(&kept->lock);
    pthread_join(kept->thread, NULL);
    fs_kept_clear(kept);
    pthread_mutex_destroy(&kept->lock);
    pthread_cond_destroy(&kept->news);
    free(kept);
}
