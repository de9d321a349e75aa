#include "crew.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define THREADS   8
#define TASKS_MAX 64

struct member {
    pthread_t thread;
    struct crew *crew;
    struct store *store;
};

struct crew {
    crew_work *work;
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t more, room;
    char *tasks[TASKS_MAX]; /* a ring; each two strings, one behind the other */
    size_t first, count;
    bool end;
    struct member members[THREADS];
    size_t size;
};

/* NULL at the end. */
static char *task_take(struct crew *c)
{
    char *task = NULL;
    pthread_mutex_lock(&c->lock);
    while (!c->count && !c->end)
        pthread_cond_wait(&c->more, &c->lock);
    if (c->count) {
        task = c->tasks[c->first];
        c->first = (c->first + 1) % TASKS_MAX;
        c->count--;
        pthread_cond_signal(&c->room);
    }
    pthread_mutex_unlock(&c->lock);
    return task;
}

static void *member_main(void *arg)
{
    struct member *m = arg;
    for (char *task; (task = task_take(m->crew)); free(task))
        m->crew->work(m->crew->ctx, m->store, task, task + strlen(task) + 1);
    return NULL;
}

bool crew_add(struct crew *c, const char *a, const char *b)
{
    size_t a_size = strlen(a) + 1, b_size = strlen(b) + 1;
    char *task = malloc(a_size + b_size);
    if (!task)
        return false;
    memcpy(task, a, a_size);
    memcpy(task + a_size, b, b_size);
    pthread_mutex_lock(&c->lock);
    while (c->count == TASKS_MAX)
        pthread_cond_wait(&c->room, &c->lock);
    c->tasks[(c->first + c->count++) % TASKS_MAX] = task;
    pthread_cond_signal(&c->more);
    pthread_mutex_unlock(&c->lock);
    return true;
}

void crew_finish(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->end = true;
    pthread_cond_broadcast(&c->more);
    pthread_mutex_unlock(&c->lock);
    for (size_t i = 0; i < c->size; i++) {
        pthread_join(c->members[i].thread, NULL);
        c->members[i].store->ops->close(c->members[i].store);
    }
    pthread_cond_destroy(&c->room);
    pthread_cond_destroy(&c->more);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static bool member_start(struct crew *c, struct member *m, struct store *store)
{
    m->crew = c;
    m->store = store->ops->again(store);
    if (!m->store)
        return false;
    if (pthread_create(&m->thread, NULL, member_main, m) == 0)
        return true;
    m->store->ops->close(m->store);
    return false;
}

/* Fewer threads than it would like are no failure. */
struct crew *crew_new(struct store *store, crew_work *work, void *ctx, struct report *report)
{
    struct crew *c = calloc(1, sizeof *c);
    if (c) {
        c->work = work;
        c->ctx = ctx;
        pthread_mutex_init(&c->lock, NULL);
        pthread_cond_init(&c->more, NULL);
        pthread_cond_init(&c->room, NULL);
        while (c->size < THREADS && member_start(c, &c->members[c->size], store))
            c->size++;
        if (c->size)
            return c;
        crew_finish(c);
    }
    report_failure(report, "threads", diskv_strerror(DISKV_ENOMEM));
    return NULL;
}
