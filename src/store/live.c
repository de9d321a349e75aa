/* What the engine tells of other programs' changes, brought into the index by a thread. */
#include "store.h"

#include "buf.h"
#include "log.h"

#include <errno.h>

/* What waits for the thread. Past this, all is looked at in its place. */
#define WAITING_MAX (16 * 1024 * 1024)

/* Of its time the thread takes no more than one part in so many and one. */
#define REST_PARTS  4
#define REST_MAX_MS 400

/* Names, each with its NUL; where one comes again and again, it is there once. */
struct waiting {
    struct buf text;
    size_t last; /* where the last begins */
};

struct live {
    diskv *store;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    bool stopping;
    struct waiting keys, places;
    int64_t mend_ms; /* not to be mended before */
    atomic_bool warned;
    bool told_unwatched;
};

int64_t clock_ms_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void live_wake(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    pthread_cond_signal(&live->news);
    pthread_mutex_unlock(&live->lock);
}

/* --- What the engine calls --- */

static void live_lost(void *ctx)
{
    struct live *live = ctx;
    if (!atomic_exchange(&live->warned, true))
        log_warning("changes of files came faster than they could be followed: "
                    "the directories are looked through");
    index_doubt(live->store, STALE_STAMPS);
    live_wake(live);
}

static int waiting_add(struct waiting *w, const char *name, size_t len)
{
    size_t at = w->text.len;
    if (at - w->last == len + 1 && memcmp(w->text.data + w->last, name, len) == 0)
        return 0;
    int rc = at + len > WAITING_MAX ? DISKV_ENOMEM : buf_reserve(&w->text, len + 1);
    if (rc)
        return rc;
    buf_add(&w->text, name, len);
    buf_add(&w->text, "", 1);
    w->last = at;
    return 0;
}

static void live_add(struct live *live, struct waiting *to, const char *name, size_t len)
{
    pthread_mutex_lock(&live->lock);
    int rc = waiting_add(to, name, len);
    pthread_cond_signal(&live->news);
    pthread_mutex_unlock(&live->lock);
    if (rc)
        live_lost(live);
}

void live_look(struct live *live, const char *key, size_t len)
{
    live_add(live, &live->keys, key, len);
}

static void live_key(void *ctx, const char *key, size_t len)
{
    live_look(ctx, key, len);
}

static void live_place(void *ctx, const char *name, size_t len)
{
    struct live *live = ctx;
    live_add(live, &live->places, name, len);
}

/* --- The thread --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Leaves each name once, in order. */
static int names_sort(struct buf *names)
{
    size_t count = 0;
    for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1)
        count++;
    const char **list = reallocarray(NULL, count, sizeof *list);
    struct buf sorted = {0};
    int rc = list ? buf_reserve(&sorted, names->len) : DISKV_ENOMEM;
    if (rc) {
        free(list);
        return rc;
    }
    const char *name = names->data;
    for (size_t i = 0; i < count; i++, name += strlen(name) + 1)
        list[i] = name;
    qsort(list, count, sizeof *list, compare_names);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(list[i - 1], list[i]) != 0)
            buf_add(&sorted, list[i], strlen(list[i]) + 1);
    free(list);
    buf_free(names);
    *names = sorted;
    return 0;
}

static bool is_mending(const diskv *store)
{
    return !atomic_load(&store->indexing) &&
           (atomic_load(&store->unwatched) || atomic_load(&store->index_stale));
}

static bool has_work(const struct live *live)
{
    return live->keys.text.len || live->places.text.len ||
           (is_mending(live->store) && clock_ms_monotonic() >= live->mend_ms);
}

/* Waits for news, or so long. Under the lock. */
static void news_wait(struct live *live, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&live->news, &live->lock, &until);
}

/* Waits until there is something to do, but at least until `rest_until`, and takes what waits;
 * false at the end. */
static bool work_take(struct live *live, int64_t rest_until, struct buf *keys, struct buf *places)
{
    pthread_mutex_lock(&live->lock);
    while (!live->stopping) {
        int64_t now = clock_ms_monotonic();
        if (now < rest_until)
            news_wait(live, rest_until - now);
        else if (has_work(live))
            break;
        else if (is_mending(live->store))
            news_wait(live, live->mend_ms - now);
        else
            pthread_cond_wait(&live->news, &live->lock);
    }
    *keys = live->keys.text;
    *places = live->places.text;
    live->keys = live->places = (struct waiting){0};
    bool stopping = live->stopping;
    pthread_mutex_unlock(&live->lock);
    return !stopping;
}

/* Says when some places cannot be watched any more, and when all is well again. */
static void state_tell(struct live *live)
{
    bool unwatched = atomic_load(&live->store->unwatched);
    if (unwatched && !live->told_unwatched)
        log_warning("not every directory can be watched (is fs.inotify.max_user_watches used "
                    "up?): all are looked through every second or so");
    live->told_unwatched |= unwatched;
    if (unwatched || atomic_load(&live->store->index_stale))
        return;
    if (atomic_exchange(&live->warned, false) || live->told_unwatched)
        log_info("listings follow the files again");
    live->told_unwatched = false;
}

static void places_work(diskv *store, struct buf *places)
{
    struct engine_watching before, after;
    store->engine->ops->watching(store->engine, &before);
    int rc = names_sort(places);
    if (!rc)
        rc = index_read(store, places->data, places->len);
    store->engine->ops->watching(store->engine, &after);
    if (after.refused != before.refused)
        atomic_store(&store->unwatched, true);
    if (rc)
        index_doubt(store, STALE_STAMPS);
}

static void keys_work(diskv *store, struct buf *keys)
{
    int rc = names_sort(keys);
    if (!rc)
        rc = index_check(store, keys->data, keys->len);
    if (rc)
        index_doubt(store, STALE_ALL);
}

static void mend_work(struct live *live)
{
    int64_t began = clock_ms_monotonic();
    index_mend(live->store, STALE_NOT);
    int64_t ended = clock_ms_monotonic(), rest = REST_PARTS * (ended - began);
    live->mend_ms = ended + (rest > MEND_MS ? rest : MEND_MS);
}

static void *live_main(void *arg)
{
    struct live *live = arg;
    struct buf keys, places;
    int64_t rest_until = 0;
    while (work_take(live, rest_until, &keys, &places)) {
        int64_t began = clock_ms_monotonic();
        if (places.len)
            places_work(live->store, &places);
        if (keys.len)
            keys_work(live->store, &keys);
        buf_free(&keys);
        buf_free(&places);
        int64_t ended = clock_ms_monotonic(), rest = REST_PARTS * (ended - began);
        rest_until = ended + (rest < REST_MAX_MS ? rest : REST_MAX_MS);
        if (is_mending(live->store) && ended >= live->mend_ms)
            mend_work(live);
        state_tell(live);
    }
    buf_free(&keys);
    buf_free(&places);
    return NULL;
}

/* --- Its beginning and end --- */

int live_open(diskv *store)
{
    struct live *live = calloc(1, sizeof *live);
    if (!live)
        return DISKV_ENOMEM;
    live->store = store;
    store->live = live;
    const struct engine_watcher watcher = {live, live_key, live_place, live_lost};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&live->news, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&live->lock, NULL);
    int rc = store->engine->ops->watch(store->engine, &watcher);
    if (rc)
        goto free_live;
    if (pthread_create(&live->thread, NULL, live_main, live)) {
        rc = DISKV_EUNAVAILABLE;
        goto unwatch;
    }
    return 0;

unwatch:
    store->engine->ops->unwatch(store->engine);
free_live:
    store->live = NULL;
    pthread_mutex_destroy(&live->lock);
    pthread_cond_destroy(&live->news);
    free(live);
    return rc;
}

void live_close(struct live *live)
{
    if (!live)
        return;
    pthread_mutex_lock(&live->lock);
    live->stopping = true;
    pthread_cond_signal(&live->news);
    pthread_mutex_unlock(&live->lock);
    pthread_join(live->thread, NULL);
    live->store->engine->ops->unwatch(live->store->engine);
    buf_free(&live->keys.text);
    buf_free(&live->places.text);
    pthread_mutex_destroy(&live->lock);
    pthread_cond_destroy(&live->news);
    free(live);
}
