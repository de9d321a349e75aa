/* Verifying what the store holds all the time, slowly, while it is open. */
#include "verify.h"

#include "log.h"
#include "util.h"

#include <errno.h>

#define PAGE_KEYS 100

/* Between pieces of a value the thread rests so many times as long as the piece took. */
#define REST_PARTS 3

/* Before what has failed is tried again. */
#define RETRY_MS 1000

struct scrub {
    struct verify verify;
    struct diskv_verify_options options;
    struct scratch *scratch;
    int64_t pass_ms;
    pthread_t thread;
    pthread_cond_t stop; /* with the lock of `verify` */
    int64_t rested_ms;   /* since when it has been at work */
    int64_t done_at;     /* when the last pass was done, or 0; under the lock */
};

/* Rests until the moment or the end: false there. */
static bool rest_until(struct scrub *s, int64_t ms)
{
    const struct timespec until = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    int rc = 0;
    pthread_mutex_lock(&s->verify.lock);
    while (!atomic_load(&s->verify.stopping) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&s->stop, &s->verify.lock, &until);
    pthread_mutex_unlock(&s->verify.lock);
    s->rested_ms = clock_ms_monotonic();
    return !atomic_load(&s->verify.stopping);
}

static void piece_done(void *ctx, uint64_t values, uint64_t bytes)
{
    struct scrub *s = ctx;
    int64_t now = clock_ms_monotonic();
    (void)bytes;
    if (!values)
        rest_until(s, now + REST_PARTS * (now - s->rested_ms));
}

static void finding_log(void *ctx, const struct diskv_finding *f)
{
    (void)ctx;
    log_error("%.*s is damaged: %s: %s", (int)f->len, f->key, diskv_problem_word(f->problem),
              f->detail);
}

/* Looks at a page's values, one every `step_ms`; `*due_ms` is when the next is. */
static int page_verify(struct scrub *s, const struct diskv_page *page, double step_ms,
                       double *due_ms)
{
    int rc = 0;
    for (size_t i = 0; i < page->count && !rc; i++) {
        if (!rest_until(s, (int64_t)*due_ms))
            return DISKV_EAGAIN;
        rc = verify_value(&s->verify, s->scratch, page->items[i].name, page->items[i].len);
        *due_ms += step_ms;
    }
    return rc;
}

/* Goes through all keys once, at a pace that lets this take as long as it should. While the index
 * is being built there is nothing to go by. */
static int pass_run(struct scrub *s)
{
    diskv *store = s->verify.store;
    char from[DISKV_KEY_MAX] = "";
    struct diskv_list_options options = {
        .from = from, .prefix = "", .delimiter = "", .limit = PAGE_KEYS, .bare = true};
    double due_ms = (double)clock_ms_monotonic(), step_ms;
    bool more = true;
    while (more) {
        struct diskv_page *page;
        int rc = diskv_list_wait(store, &options, &page);
        if (rc && !rest_until(s, clock_ms_monotonic() + RETRY_MS))
            return DISKV_EAGAIN;
        if (rc)
            continue;
        step_ms = (double)s->pass_ms / (double)(store->index->ops->count(store->index) + 1);
        rc = page_verify(s, page, step_ms, &due_ms);
        more = page->next;
        options.from_len = page->next_len;
        memcpy(from, more ? page->next : "", page->next_len);
        diskv_page_free(page);
        if (rc)
            return rc;
    }
    return rest_until(s, (int64_t)(due_ms + step_ms)) ? 0 : DISKV_EAGAIN;
}

static void *scrub_main(void *arg)
{
    struct scrub *s = arg;
    while (!atomic_load(&s->verify.stopping)) {
        if (pass_run(s)) {
            rest_until(s, clock_ms_monotonic() + RETRY_MS);
            continue;
        }
        pthread_mutex_lock(&s->verify.lock);
        s->done_at = (int64_t)time(NULL);
        pthread_mutex_unlock(&s->verify.lock);
    }
    return NULL;
}

int scrub_open(diskv *store, unsigned seconds)
{
    struct scrub *s = calloc(1, sizeof *s);
    if (!s)
        return DISKV_ENOMEM;
    s->verify.store = store;
    s->verify.options = &s->options;
    s->options =
        (struct diskv_verify_options){.ctx = s, .finding = finding_log, .done = piece_done};
    s->pass_ms = (int64_t)seconds * 1000;
    s->scratch = scratch_new();
    if (!s->scratch) {
        free(s);
        return DISKV_ENOMEM;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->verify.lock, NULL);
    if (pthread_create(&s->thread, NULL, scrub_main, s) == 0) {
        store->scrub = s;
        return 0;
    }
    pthread_mutex_destroy(&s->verify.lock);
    pthread_cond_destroy(&s->stop);
    scratches_free(s->scratch);
    free(s);
    return DISKV_EUNAVAILABLE;
}

void scrub_close(struct scrub *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->verify.lock);
    atomic_store(&s->verify.stopping, true);
    pthread_cond_signal(&s->stop);
    pthread_mutex_unlock(&s->verify.lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->verify.lock);
    pthread_cond_destroy(&s->stop);
    scratches_free(s->scratch);
    free(s);
}

void scrub_stats(struct scrub *s, struct diskv_stats *out)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->verify.lock);
    out->scrubbed = s->verify.found.values;
    out->scrub_wrong = s->verify.found.wrong;
    out->scrubbed_all_at = s->done_at;
    pthread_mutex_unlock(&s->verify.lock);
}
