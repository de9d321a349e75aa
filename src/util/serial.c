#include "serial.h"

#include "util.h"

/* One job each time: what else was posted to the workers has its turn in between. */
static void runner_run(struct job *runner)
{
    struct serial *s = container_of(runner, struct serial, runner);
    pthread_mutex_lock(&s->lock);
    struct job *job = s->first;
    s->first = job->next;
    if (!s->first)
        s->last = &s->first;
    pthread_mutex_unlock(&s->lock);
    job->run(job);
    pthread_mutex_lock(&s->lock);
    s->running = s->first;
    bool more = s->running;
    pthread_mutex_unlock(&s->lock);
    if (more)
        workers_post(s->workers, runner);
}

void serial_init(struct serial *s)
{
    *s = (struct serial){.runner.run = runner_run, .last = &s->first};
    pthread_mutex_init(&s->lock, NULL);
}

void serial_post(struct serial *s, struct workers *workers, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&s->lock);
    s->workers = workers;
    *s->last = job;
    s->last = &job->next;
    bool was_running = s->running;
    s->running = true;
    pthread_mutex_unlock(&s->lock);
    if (!was_running)
        workers_post(s->workers, &s->runner);
}

void serial_destroy(struct serial *s)
{
    pthread_mutex_destroy(&s->lock);
}
