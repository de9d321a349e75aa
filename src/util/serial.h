/* Jobs that run on workers one after the other, so that those which wait for the same thing keep
 * one thread waiting and not all. Thread-safe. */
#ifndef SERIAL_H
#define SERIAL_H

#include "workers.h"

#include <pthread.h>
#include <stdbool.h>

struct serial {
    struct workers *workers;
    struct job runner; /* runs the first job of the queue */
    pthread_mutex_t lock;
    struct job *first, **last; /* the queue, oldest first */
    bool running;              /* the runner is posted, or runs */
};

void serial_init(struct serial *s);

/* As workers_post, behind those that were posted here before, always with the same workers. */
void serial_post(struct serial *s, struct workers *workers, struct job *job);

/* The workers have ended. */
void serial_destroy(struct serial *s);

#endif
