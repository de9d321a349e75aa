/* Waits for one asynchronous call. */
#ifndef WAIT_H
#define WAIT_H

#include "diskv.h"

#include <semaphore.h>

struct waiter {
    sem_t done;
    int rc;
};

void waiter_init(struct waiter *w);

/* A diskv_done whose `ctx` is the waiter. Only signals: it may be called with the engine's lock
 * held. */
void waiter_done(void *ctx, int rc);

/* Waits for waiter_done; what it got. */
int waiter_wait(struct waiter *w);

#endif
