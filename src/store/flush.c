/* A writer's buffer on its way to storage: encoded, written and, at the end, committed.
 *
 * What is not encoded is written behind the caller's back, from a buffer that takes turns with the
 * one that takes more; only one write is under way at a time. A writer that gets no second buffer
 * waits for each write. */
#include "writer.h"

#include "util.h"
#include "wait.h"

/* Writers of a store that have a second buffer: enough to keep all workers busy. */
#define SECOND_MAX 16

static void go_on(diskv_writer *w);

static bool is_encoding(const diskv_writer *w)
{
    return w->store->codec && !w->as_is;
}

static void post(diskv_writer *w, void (*run)(struct job *job))
{
    w->under_way.job.run = run;
    workers_post(w->store->workers, &w->under_way.job);
}

static int write_out(diskv_writer *w, const char *data, size_t len)
{
    w->stored += len;
    return w->store->engine->ops->write(w->engine_writer, data, len);
}

/* The encoder takes the buffer and, at the end, gives all that it has. */
static int encode(diskv_writer *w)
{
    size_t len;
    int rc;
    do {
        rc = writer_encode(w, &len);
        if (!rc && len)
            rc = write_out(w, w->encoded, len);
    } while (!rc && len && !w->drained);
    w->taken = 0;
    return rc;
}

/* Empties the buffer by the caller's own thread. */
static int buffer_drain(diskv_writer *w)
{
    w->behind_rc = is_encoding(w) ? encode(w) : write_out(w, w->buf, w->len);
    w->len = 0;
    return w->behind_rc;
}

static void drain_run(struct job *job)
{
    diskv_writer *w = container_of(job, diskv_writer, under_way.job);
    int rc = buffer_drain(w);
    if (rc || !w->ending)
        w->done(w->ctx, rc);
    else
        writer_commit(w);
}

static void behind_run(struct job *job)
{
    diskv_writer *w = container_of(job, diskv_writer, under_way.job);
    w->behind_rc = write_out(w, w->behind_buf, w->behind_len);
    if (atomic_exchange(&w->behind, BEHIND_NONE) == BEHIND_AWAITED)
        go_on(w);
}

/* Gets the writer a second buffer, which it has until it is freed; false where there is none. */
static bool second_take(diskv_writer *w)
{
    atomic_uint *count = &w->store->second_buffers;
    if (w->second)
        return true;
    w->second = atomic_fetch_add(count, 1) < SECOND_MAX;
    if (!w->second)
        atomic_fetch_sub(count, 1);
    return w->second;
}

/* Has the buffer written while the other takes more. */
static void behind_start(diskv_writer *w)
{
    char *data = w->buf;
    size_t cap = w->cap;
    if (!w->len)
        return;
    w->buf = w->behind_buf;
    w->cap = w->behind_cap;
    w->behind_buf = data;
    w->behind_len = w->len;
    w->behind_cap = cap;
    w->len = 0;
    atomic_store(&w->behind, BEHIND_UNDER_WAY);
    post(w, behind_run);
}

/* Nothing is under way: does what was asked for. */
static void go_on(diskv_writer *w)
{
    if (w->closing) {
        writer_free(w);
    } else if (w->behind_rc) {
        w->done(w->ctx, w->behind_rc);
    } else if (is_encoding(w) && (w->len || w->ending)) {
        post(w, drain_run);
    } else if (w->ending) {
        writer_commit(w);
    } else if (w->len && !second_take(w)) {
        post(w, drain_run);
    } else {
        behind_start(w);
        w->done(w->ctx, 0);
    }
}

/* Goes on at once, or behind the write that is under way. */
static void behind_await(diskv_writer *w)
{
    int under_way = BEHIND_UNDER_WAY;
    if (!atomic_compare_exchange_strong(&w->behind, &under_way, BEHIND_AWAITED))
        go_on(w);
}

bool diskv_writer_flush_now(diskv_writer *w)
{
    if (is_encoding(w) || atomic_load(&w->behind) != BEHIND_NONE || w->behind_rc || !second_take(w))
        return false;
    behind_start(w);
    return true;
}

int diskv_writer_flush_wait(diskv_writer *w)
{
    if (atomic_load(&w->behind) == BEHIND_NONE && !w->behind_rc)
        return w->len ? buffer_drain(w) : 0;
    struct waiter waiter;
    waiter_init(&waiter);
    diskv_writer_flush(w, waiter_done, &waiter);
    return waiter_wait(&waiter);
}

void diskv_writer_flush(diskv_writer *w, diskv_done *done, void *ctx)
{
    w->done = done;
    w->ctx = ctx;
    behind_await(w);
}

void diskv_writer_commit(diskv_writer *w, diskv_done *done, void *ctx)
{
    if (!w->key_len) {
        done(ctx, DISKV_EKEY);
        return;
    }
    w->done = done;
    w->ctx = ctx;
    w->ending = true;
    behind_await(w);
}

void diskv_writer_close(diskv_writer *w)
{
    if (!w)
        return;
    w->closing = true;
    behind_await(w);
}
