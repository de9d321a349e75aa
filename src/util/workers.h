/* A fixed set of threads that run jobs in the order they were posted. */
#ifndef WORKERS_H
#define WORKERS_H

#include <stddef.h>

struct workers;

/* Lies inside what it works on: posting allocates nothing and cannot fail. */
struct job {
    void (*run)(struct job *job);
    struct job *next;
};

/* The threads' niceness is 5 above the caller's: they give way to those who post. EUNAVAILABLE
 * where they cannot be started. */
int workers_new(size_t threads, struct workers **out);

/* Has `job->run(job)` called once on one of the threads, which may free what the job lies in. */
void workers_post(struct workers *w, struct job *job);

/* Takes up to `max` further posted jobs off the queue into `jobs`, for a job that can do the work
 * of several at once; returns how many. */
size_t workers_take(struct workers *w, struct job **jobs, size_t max);

/* Runs what was posted, ends the threads and frees them. NULL is fine. */
void workers_free(struct workers *w);

#endif
