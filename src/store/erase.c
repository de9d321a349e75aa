/* Erasing values. */
#include "store.h"

#include "util.h"
#include "wait.h"

struct erase {
    struct engine_erase engine_erase;
    struct noting noting;
    diskv *store;
    diskv_guard *guard;
    void *guard_ctx;
    diskv_done *done;
    void *ctx;
    size_t len;
    char key[];
};

static int erase_guard_adapt(void *ctx, const struct engine_info *current)
{
    const struct erase *e = ctx;
    struct diskv_info info;
    info_from_engine(e->store, current, &info, NULL, NULL);
    return e->guard(e->guard_ctx, &info);
}

static void erase_noted(struct noting *n)
{
    struct erase *e = container_of(n, struct erase, noting);
    diskv_done *done = e->done;
    void *ctx = e->ctx;
    int rc = n->rc;
    free(e);
    done(ctx, rc);
}

static void erase_done(struct engine_op *op, int rc)
{
    struct erase *e = container_of(op, struct erase, engine_erase.op);
    if (!rc)
        atomic_fetch_add_explicit(&e->store->erases, 1, memory_order_relaxed);
    e->noting.rc = rc;
    index_note(e->store, &e->noting, op->more);
}

void diskv_erase(diskv *store, const char *key, size_t len, diskv_guard *guard, void *guard_ctx,
                 diskv_done *done, void *ctx)
{
    struct erase *e = diskv_key_valid(key, len) ? calloc(1, sizeof *e + len) : NULL;
    if (!e) {
        done(ctx, diskv_key_valid(key, len) ? DISKV_ENOMEM : DISKV_EKEY);
        return;
    }
    e->store = store;
    e->guard = guard;
    e->guard_ctx = guard_ctx;
    e->done = done;
    e->ctx = ctx;
    e->len = len;
    memcpy(e->key, key, len);
    e->noting = (struct noting){
        .changes = {{.erase = true, .key = e->key, .len = e->len}},
        .count = 1,
        .since = atomic_load(&store->note_number),
        .noted = erase_noted,
    };
    e->engine_erase = (struct engine_erase){
        .op.done = erase_done,
        .key = e->key,
        .len = len,
        .op.sync = store->sync,
        .guard = guard ? erase_guard_adapt : NULL,
        .guard_ctx = e,
    };
    store->engine->ops->erase(store->engine, &e->engine_erase);
}

struct clear {
    diskv *store;
    struct engine_clear engine_clear;
    struct noting noting; /* of no key: but those before it may wait for it */
    struct waiter waiter;
};

static void clear_noted(struct noting *n)
{
    waiter_done(&container_of(n, struct clear, noting)->waiter, n->rc);
}

static void clear_done(struct engine_op *op, int rc)
{
    struct clear *c = container_of(op, struct clear, engine_clear.op);
    c->noting = (struct noting){.rc = rc, .noted = clear_noted};
    index_note(c->store, &c->noting, op->more);
}

/* What the index missed while everything went is made up for by reading what is left. */
int diskv_erase_all(diskv *store, bool foreign)
{
    struct clear c = {
        .store = store,
        .engine_clear = {.op.done = clear_done, .op.sync = store->sync, .foreign = foreign}};
    waiter_init(&c.waiter);
    store->engine->ops->clear(store->engine, &c.engine_clear);
    int rc = waiter_wait(&c.waiter);
    if (rc == DISKV_ECONFLICT)
        return rc;
    if (store->cache)
        cache_clear(store->cache);
    index_mend(store, STALE_ALL);
    return rc;
}
