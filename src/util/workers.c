#include "workers.h"

#include "diskv.h"

#include <pthread.h>
#include <sys/resource.h>

/* Many wake at once, and would keep those who answer clients from the processors. */
#define NICENESS 5

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t posted;
    struct job *first, **last; /* the queue, oldest first */
    bool stopping;
    size_t count;
    pthread_t threads[];
};

static struct job *queue_pop(struct workers *w)
{
    struct job *job = w->first;
    if (!job)
        return NULL;
    w->first = job->next;
    if (!w->first)
        w->last = &w->first;
    return job;
}

static void *worker_main(void *arg)
{
    struct workers *w = arg;
    /* On Linux a thread has a niceness of its own. */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICENESS);
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct job *job = queue_pop(w);
        if (job) {
            pthread_mutex_unlock(&w->lock);
            job->run(job);
            pthread_mutex_lock(&w->lock);
        } else if (w->stopping) {
            break;
        } else {
            pthread_cond_wait(&w->posted, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int workers_new(size_t threads, struct workers **out)
{
    struct workers *w = calloc(1, sizeof *w + threads * sizeof w->threads[0]);
    if (!w)
        return DISKV_ENOMEM;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->posted, NULL);
    w->last = &w->first;
    for (; w->count < threads; w->count++) {
        if (pthread_create(&w->threads[w->count], NULL, worker_main, w)) {
            workers_free(w);
            return DISKV_EUNAVAILABLE;
        }
    }
    *out = w;
    return 0;
}

void workers_post(struct workers *w, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&w->lock);
    *w->last = job;
    w->last = &job->next;
    pthread_cond_signal(&w->posted);
    pthread_mutex_unlock(&w->lock);
}

size_t workers_take(struct workers *w, struct job **jobs, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&w->lock);
    while (n < max && (jobs[n] = queue_pop(w)))
        n++;
    pthread_mutex_unlock(&w->lock);
    return n;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->posted);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->posted);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
