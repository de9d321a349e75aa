/* Verifying a store: what lies beside the values first, with the store's lock, then the values, on
 * threads. */
#include "verify.h"

#include "buf.h"
#include "error.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* Keys that a thread takes at a time, and such batches that wait for each thread. */
#define BATCH_KEYS    16
#define BATCHES_AHEAD 4

const char *diskv_problem_word(enum diskv_problem problem)
{
    static const char *const words[] = {
#define WORD(name, word) word,
        DISKV_PROBLEMS(WORD)
#undef WORD
    };
    return words[problem];
}

void verify_tell(struct verify *v, const struct diskv_finding *finding)
{
    pthread_mutex_lock(&v->lock);
    v->found.foreign += finding->problem == DISKV_PROBLEM_FOREIGN;
    v->found.leftovers += finding->problem == DISKV_PROBLEM_LEFTOVER;
    v->found.wrong += finding->problem != DISKV_PROBLEM_FOREIGN;
    v->found.repaired += finding->repaired;
    if (v->options->finding)
        v->options->finding(v->options->ctx, finding);
    pthread_mutex_unlock(&v->lock);
}

/* --- Values, in batches --- */

struct batch {
    struct job job;
    struct verify *v;
    size_t count;
    struct buf keys; /* each with its NUL */
};

struct filling {
    struct verify *v;
    struct workers *workers;
    unsigned batches_max;
    struct batch *batch; /* or NULL */
};

static struct scratch *scratch_new(void)
{
    struct scratch *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    s->hash = XXH3_createState();
    if (!s->hash) {
        free(s);
        return NULL;
    }
    return s;
}

static void scratches_free(struct scratch *first)
{
    for (struct scratch *s; (s = first);) {
        first = s->next;
        XXH3_freeState(s->hash);
        free(s);
    }
}

static struct scratch *scratch_take(struct verify *v)
{
    pthread_mutex_lock(&v->lock);
    struct scratch *s = v->idle;
    if (s)
        v->idle = s->next;
    pthread_mutex_unlock(&v->lock);
    return s ? s : scratch_new();
}

static void batch_end(struct batch *b, struct scratch *scratch, int rc)
{
    struct verify *v = b->v;
    buf_free(&b->keys);
    free(b);
    pthread_mutex_lock(&v->lock);
    if (scratch) {
        scratch->next = v->idle;
        v->idle = scratch;
    }
    if (!v->rc)
        v->rc = rc;
    v->under_way--;
    pthread_cond_signal(&v->ended);
    pthread_mutex_unlock(&v->lock);
}

static void batch_run(struct job *job)
{
    struct batch *b = container_of(job, struct batch, job);
    struct scratch *scratch = scratch_take(b->v);
    int rc = scratch ? 0 : DISKV_ENOMEM;
    const char *key = b->keys.data;
    for (size_t i = 0; i < b->count && !rc; i++, key += strlen(key) + 1)
        rc = verify_value(b->v, scratch, key, strlen(key));
    batch_end(b, scratch, rc);
}

/* Waits until fewer than `max` batches are under way; the first error. */
static int batches_wait(struct verify *v, unsigned max)
{
    pthread_mutex_lock(&v->lock);
    while (v->under_way >= max)
        pthread_cond_wait(&v->ended, &v->lock);
    int rc = v->rc;
    pthread_mutex_unlock(&v->lock);
    return rc;
}

static int batch_post(struct filling *f)
{
    struct batch *b = f->batch;
    int rc = batches_wait(f->v, f->batches_max);
    if (rc || !b)
        return rc;
    pthread_mutex_lock(&f->v->lock);
    f->v->under_way++;
    pthread_mutex_unlock(&f->v->lock);
    f->batch = NULL;
    workers_post(f->workers, &b->job);
    return 0;
}

static int value_found(void *ctx, const char *key, size_t len)
{
    struct filling *f = ctx;
    if (!f->batch) {
        f->batch = malloc(sizeof *f->batch);
        if (!f->batch)
            return DISKV_ENOMEM;
        *f->batch = (struct batch){.job.run = batch_run, .v = f->v};
    }
    int rc = buf_add(&f->batch->keys, key, len);
    if (!rc)
        rc = buf_add(&f->batch->keys, "", 1);
    if (!rc && ++f->batch->count == BATCH_KEYS)
        rc = batch_post(f);
    return rc;
}

static int foreign_found(void *ctx, const char *name, const char *what)
{
    struct filling *f = ctx;
    verify_tell(f->v, &(struct diskv_finding){
                          .problem = DISKV_PROBLEM_FOREIGN, .path = name, .detail = what});
    return 0;
}

/* The base directory has to be read. */
static int place_closed(void *ctx, const char *name, int rc)
{
    struct filling *f = ctx;
    if (!*name)
        return rc;
    verify_tell(f->v, &(struct diskv_finding){.problem = DISKV_PROBLEM_UNREADABLE,
                                              .path = name,
                                              .detail = diskv_strerror(rc)});
    return 0;
}

static int values_verify(struct verify *v, unsigned jobs)
{
    struct filling f = {.v = v, .batches_max = jobs * BATCHES_AHEAD};
    const struct walker walker = {
        .ctx = &f, .key = value_found, .foreign = foreign_found, .closed = place_closed};
    int rc = workers_new(jobs, &f.workers);
    if (rc)
        return rc;
    rc = verify_walk(v->store->engine, &walker);
    if (!rc)
        rc = batch_post(&f);
    if (f.batch) {
        buf_free(&f.batch->keys);
        free(f.batch);
    }
    int ended = batches_wait(v, 1);
    workers_free(f.workers);
    return rc ? rc : ended;
}

/* --- How much there is --- */

struct total {
    struct engine *engine;
    uint64_t values, bytes;
};

static int total_add(void *ctx, const char *key, size_t len)
{
    struct total *t = ctx;
    struct engine_info info;
    if (t->engine->ops->stat(t->engine, key, len, &info) == 0) {
        t->values++;
        t->bytes += info.size;
    }
    return 0;
}

static int total_tell(struct verify *v)
{
    struct total t = {.engine = v->store->engine};
    const struct walker walker = {.ctx = &t, .key = total_add};
    int rc = v->options->total ? verify_walk(t.engine, &walker) : 0;
    if (!rc && v->options->total)
        v->options->total(v->options->ctx, t.values, t.bytes);
    return rc;
}

/* --- What lies beside the values --- */

static int leftover_found(void *ctx, const char *name, bool removed)
{
    verify_tell(ctx, &(struct diskv_finding){.problem = DISKV_PROBLEM_LEFTOVER,
                                             .path = name,
                                             .detail = "left by a process that was cut off",
                                             .repaired = removed});
    return 0;
}

/* Takes the store's lock: a descriptor that holds it, -1 where nobody ever did. EBUSY. */
static int lock_take(int dir_fd, int *lock_fd)
{
    *lock_fd = sys_open_beneath(dir_fd, LAYOUT_STORE_DIR "/lock", O_RDONLY, 0);
    if (*lock_fd < 0)
        return *lock_fd == -ENOENT ? 0 : error_from_errno(-*lock_fd);
    if (flock(*lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(*lock_fd);
    *lock_fd = -1;
    return DISKV_EBUSY;
}

static int home_verify(struct verify *v, int dir_fd)
{
    struct engine *engine = v->store->engine;
    int lock_fd;
    int rc = lock_take(dir_fd, &lock_fd);
    v->found.served = rc == DISKV_EBUSY;
    if (rc)
        return rc == DISKV_EBUSY ? 0 : rc;
    if (engine->ops->leftovers)
        rc = engine->ops->leftovers(engine, v->options->repair, leftover_found, v);
    if (!rc)
        rc = verify_index(v);
    if (lock_fd >= 0)
        close(lock_fd);
    return rc;
}

/* --- All of it --- */

static int store_open(const char *dir, const struct verify *v, unsigned jobs, diskv **out)
{
    const struct diskv_options *given = v->options->store;
    struct diskv_options options = given ? *given : (struct diskv_options){0};
    char layout[LAYOUT_NAME_SIZE] = "";
    if (!options.layout && !options.to_path)
        verify_index_layout(v->index_dir, layout);
    if (*layout)
        options.layout = layout;
    options.detached = true;
    options.watch = false;
    options.engine = options.temp_dir = NULL;
    options.index = NULL;
    options.compare = NULL;
    options.cache_bytes = 0;
    options.workers = jobs;
    return diskv_open(dir, &options, out);
}

static int all_verify(struct verify *v, const char *dir, int dir_fd)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned jobs = v->options->jobs ? v->options->jobs : processors > 0 ? (unsigned)processors : 1;
    int rc = store_open(dir, v, jobs, &v->store);
    if (rc)
        return rc;
    rc = home_verify(v, dir_fd);
    if (!rc)
        rc = total_tell(v);
    if (!rc)
        rc = values_verify(v, jobs);
    diskv_close(v->store);
    return rc;
}

int diskv_verify(const char *dir, const struct diskv_verify_options *options,
                 struct diskv_verified *out)
{
    static const struct diskv_verify_options defaults;
    struct verify v = {.options = options ? options : &defaults};
    char index_dir[4096];
    int n = snprintf(index_dir, sizeof index_dir, "%s/" LAYOUT_STORE_DIR "/index", dir);
    if (n < 0 || (size_t)n >= sizeof index_dir)
        return DISKV_EINVAL;
    v.index_dir = index_dir;
    int dir_fd;
    int rc = home_look(dir, &dir_fd);
    if (rc)
        return rc;
    pthread_mutex_init(&v.lock, NULL);
    pthread_cond_init(&v.ended, NULL);
    rc = all_verify(&v, dir, dir_fd);
    *out = v.found;
    scratches_free(v.idle);
    pthread_cond_destroy(&v.ended);
    pthread_mutex_destroy(&v.lock);
    close(dir_fd);
    return rc;
}
