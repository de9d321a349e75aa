/* Verifying a store: what lies beside the values first, with the store's lock, then the values, on
 * threads. */
#include "verify.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Values that wait for each thread. */
#define VALUES_AHEAD 64

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

/* --- Values --- */

struct value_job {
    struct job job;
    struct verify *v;
    size_t len;
    char key[];
};

struct scratch *scratch_new(void)
{
    struct scratch *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    s->next = NULL;
    s->hash = XXH3_createState();
    if (!s->hash) {
        free(s);
        return NULL;
    }
    return s;
}

void scratches_free(struct scratch *first)
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

/* Whoever waits is woken when there is much to do for it, not for each value. */
static void value_end(struct verify *v, struct scratch *scratch, int rc)
{
    pthread_mutex_lock(&v->lock);
    if (scratch) {
        scratch->next = v->idle;
        v->idle = scratch;
    }
    if (!v->rc)
        v->rc = rc;
    v->under_way--;
    if (v->under_way == 0 || v->under_way == v->under_way_max / 2)
        pthread_cond_signal(&v->ended);
    pthread_mutex_unlock(&v->lock);
}

static void value_run(struct job *job)
{
    struct value_job *value = container_of(job, struct value_job, job);
    struct verify *v = value->v;
    struct scratch *scratch = scratch_take(v);
    int rc = scratch ? verify_value(v, scratch, value->key, value->len) : DISKV_ENOMEM;
    free(value);
    value_end(v, scratch, rc);
}

static int value_found(void *ctx, const char *key, size_t len)
{
    struct verify *v = ctx;
    struct value_job *value = malloc(sizeof *value + len);
    if (!value)
        return DISKV_ENOMEM;
    *value = (struct value_job){.job.run = value_run, .v = v, .len = len};
    memcpy(value->key, key, len);
    pthread_mutex_lock(&v->lock);
    if (v->under_way == v->under_way_max)
        while (v->under_way > v->under_way_max / 2)
            pthread_cond_wait(&v->ended, &v->lock);
    int rc = v->rc;
    v->under_way += !rc;
    pthread_mutex_unlock(&v->lock);
    if (rc)
        free(value);
    else
        workers_post(v->workers, &value->job);
    return rc;
}

static int values_wait(struct verify *v)
{
    pthread_mutex_lock(&v->lock);
    while (v->under_way)
        pthread_cond_wait(&v->ended, &v->lock);
    int rc = v->rc;
    pthread_mutex_unlock(&v->lock);
    return rc;
}

static int foreign_found(void *ctx, const char *name, const char *what)
{
    verify_tell(ctx, &(struct diskv_finding){
                         .problem = DISKV_PROBLEM_FOREIGN, .path = name, .detail = what});
    return 0;
}

/* The base directory has to be read. */
static int place_closed(void *ctx, const char *name, int rc)
{
    if (!*name)
        return rc;
    verify_tell(ctx, &(struct diskv_finding){.problem = DISKV_PROBLEM_UNREADABLE,
                                             .path = name,
                                             .detail = diskv_strerror(rc)});
    return 0;
}

static int values_verify(struct verify *v, unsigned jobs)
{
    const struct walker walker = {
        .ctx = v, .key = value_found, .foreign = foreign_found, .closed = place_closed};
    int rc = workers_new(jobs, &v->workers);
    if (rc)
        return rc;
    v->under_way_max = jobs * VALUES_AHEAD;
    rc = verify_walk(v->store->engine, &walker);
    int ended = values_wait(v);
    workers_free(v->workers);
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

static int home_verify(struct verify *v, int dir_fd)
{
    struct engine *engine = v->store->engine;
    struct home_lock lock;
    int rc = home_lock(dir_fd, &lock);
    v->found.served = rc == DISKV_EBUSY;
    if (rc)
        return rc == DISKV_EBUSY ? 0 : rc;
    if (engine->ops->leftovers)
        rc = engine->ops->leftovers(engine, v->options->repair, leftover_found, v);
    if (!rc)
        rc = verify_index(v);
    home_unlock(&lock);
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
