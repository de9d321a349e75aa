/* A writer's buffer on its way to storage: encoded, written and, at the end, committed.
 *
 * What is not encoded is written behind the caller's back, from a buffer that takes turns with the
 * one that takes more; only one write is under way at a time. A writer that gets no second buffer
 * waits for each write. */
#include "writer.h"

#include "util.h"

/* Writers of a store that have a second buffer: enough to keep all workers busy. */
#define SECOND_MAX 16

static void encode_post(diskv_writer *w);

static bool is_encoding(const diskv_writer *w)
{
    return w->store->codec && !w->as_is;
}

/* The encoder took the buffer and all of its output is where it belongs, or could not be brought
 * there. */
static void encoded_gone(diskv_writer *w, int rc)
{
    w->len = w->taken = 0;
    if (rc || !w->ending)
        w->done(w->ctx, rc);
    else
        writer_commit(w);
}

static void encoded_written(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.write.op);
    w->stored += w->under_way.write.len;
    if (!rc && !w->drained)
        encode_post(w);
    else
        encoded_gone(w, rc);
}

static void write_start(diskv_writer *w, const char *data, size_t len,
                        void (*done)(struct engine_op *op, int rc))
{
    w->under_way.write = (struct engine_write){
        .op.done = done, .writer = w->engine_writer, .data = data, .len = len};
    w->store->engine->ops->write(&w->under_way.write);
}

static void encode_run(struct job *job)
{
    diskv_writer *w = container_of(job, diskv_writer, under_way.encode);
    size_t len;
    int rc = writer_encode(w, &len);
    if (rc || !len)
        encoded_gone(w, rc);
    else
        write_start(w, w->encoded, len, encoded_written);
}

static void encode_post(diskv_writer *w)
{
    w->under_way.encode.run = encode_run;
    workers_post(w->store->workers, &w->under_way.encode);
}

static void go_on(diskv_writer *w);

static void behind_written(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.write.op);
    w->stored += w->under_way.write.len;
    w->behind_rc = rc;
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
    size_t len = w->len;
    size_t cap = w->cap;
    if (!len)
        return;
    w->buf = w->behind_buf;
    w->cap = w->behind_cap;
    w->len = 0;
    w->behind_buf = data;
    w->behind_cap = cap;
    atomic_store(&w->behind, BEHIND_UNDER_WAY);
    write_start(w, data, len, behind_written);
}

static void only_written(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.write.op);
    w->stored += w->len;
    w->len = 0;
    w->behind_rc = rc;
    w->done(w->ctx, rc);
}

/* Nothing is under way: does what was asked for. */
static void go_on(diskv_writer *w)
{
    if (w->closing) {
        writer_free(w);
    } else if (w->behind_rc) {
        w->done(w->ctx, w->behind_rc);
    } else if (is_encoding(w) && (w->len || w->ending)) {
        encode_post(w);
    } else if (w->ending) {
        writer_commit(w);
    } else if (w->len && !second_take(w)) {
        write_start(w, w->buf, w->len, only_written);
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
