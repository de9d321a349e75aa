#include "store.h"

#include "util.h"
#include "wait.h"

struct rescan {
    struct job job;
    diskv *store;
    diskv_done *done;
    void *ctx;
};

static void rescan_run(struct job *job)
{
    struct rescan *r = container_of(job, struct rescan, job);
    diskv_done *done = r->done;
    void *ctx = r->ctx;
    int rc = index_mend(r->store, STALE_ALL);
    free(r);
    done(ctx, rc ? DISKV_EUNAVAILABLE : 0);
}

void diskv_rescan(diskv *store, diskv_done *done, void *ctx)
{
    bool indexing = atomic_load(&store->indexing);
    struct rescan *r = indexing ? NULL : malloc(sizeof *r);
    if (!r) {
        done(ctx, indexing ? DISKV_EUNAVAILABLE : DISKV_ENOMEM);
        return;
    }
    *r = (struct rescan){.job.run = rescan_run, .store = store, .done = done, .ctx = ctx};
    serial_post(&store->mends, store->workers, &r->job);
}

int diskv_rescan_wait(diskv *store)
{
    struct waiter waiter;
    waiter_init(&waiter);
    diskv_rescan(store, waiter_done, &waiter);
    return waiter_wait(&waiter);
}
