/* Engine operations that wait for their completion. */
#ifndef ENGINE_HELPERS_H
#define ENGINE_HELPERS_H

#include "engine.h"
#include "util.h"

#include <semaphore.h>

struct waiter {
    sem_t done;
    int rc;
};

struct op_open {
    struct engine_open open;
    struct waiter waiter;
};
struct op_read {
    struct engine_read read;
    struct waiter waiter;
};
struct op_fill {
    struct engine_fill fill;
    struct waiter waiter;
};
struct op_copy {
    struct engine_copy copy;
    struct waiter waiter;
};
struct op_commit {
    struct engine_commit commit;
    struct waiter waiter;
};
struct op_erase {
    struct engine_erase erase;
    struct waiter waiter;
};

struct op_annotate {
    struct engine_annotate annotate;
    struct waiter waiter;
};

struct op_move {
    struct engine_move move;
    struct waiter waiter;
};

struct op_clear {
    struct engine_clear clear;
    struct waiter waiter;
};

#define WAITER_DONE(type, member)                                  \
    static void type##_done(struct engine_op *op, int rc)          \
    {                                                              \
        struct type *o = container_of(op, struct type, member.op); \
        o->waiter.rc = rc;                                         \
        sem_post(&o->waiter.done);                                 \
    }
WAITER_DONE(op_open, open)
WAITER_DONE(op_read, read)
WAITER_DONE(op_fill, fill)
WAITER_DONE(op_copy, copy)
WAITER_DONE(op_commit, commit)
WAITER_DONE(op_erase, erase)
WAITER_DONE(op_annotate, annotate)
WAITER_DONE(op_move, move)
WAITER_DONE(op_clear, clear)

static inline int waiter_wait(struct waiter *w)
{
    while (sem_wait(&w->done))
        ;
    sem_destroy(&w->done);
    return w->rc;
}

static inline int engine_open_wait(struct engine *e, const char *key, size_t len,
                                   struct engine_reader **out)
{
    struct op_open o = {.open = {.op.done = op_open_done, .key = key, .len = len}};
    sem_init(&o.waiter.done, 0, 0);
    e->ops->open(e, &o.open);
    int rc = waiter_wait(&o.waiter);
    *out = o.open.reader;
    return rc;
}

static inline int engine_read_wait(struct engine_reader *r, void *buf, size_t len, uint64_t offset,
                                   size_t *got)
{
    struct op_read o = {
        .read = {.op.done = op_read_done, .reader = r, .buf = buf, .len = len, .offset = offset}};
    sem_init(&o.waiter.done, 0, 0);
    r->engine->ops->read(&o.read);
    int rc = waiter_wait(&o.waiter);
    *got = o.read.got;
    return rc;
}

static inline int engine_write_wait(struct engine_writer *w, const void *data, size_t len)
{
    return w->engine->ops->write(w, data, len);
}

static inline int engine_fill_wait(struct engine_writer *w, struct engine_fill fill)
{
    struct op_fill o = {.fill = fill};
    o.fill.op.done = op_fill_done;
    o.fill.writer = w;
    sem_init(&o.waiter.done, 0, 0);
    w->engine->ops->fill(&o.fill);
    return waiter_wait(&o.waiter);
}

static inline int engine_copy_wait(struct engine_writer *w, struct engine_reader *r)
{
    struct op_copy o = {.copy = {.op.done = op_copy_done, .writer = w, .reader = r}};
    sem_init(&o.waiter.done, 0, 0);
    w->engine->ops->copy(&o.copy);
    return waiter_wait(&o.waiter);
}

static inline void engine_commit_start(struct op_commit *o, struct engine_writer *w,
                                       struct engine_commit commit)
{
    o->commit = commit;
    o->commit.op.done = op_commit_done;
    o->commit.writer = w;
    if (!o->commit.type)
        o->commit.type = "";
    if (!o->commit.record)
        o->commit.record = "";
    sem_init(&o->waiter.done, 0, 0);
    w->engine->ops->commit(&o->commit);
}

static inline int engine_commit_wait(struct engine_writer *w, struct engine_commit commit,
                                     bool *created)
{
    struct op_commit o;
    engine_commit_start(&o, w, commit);
    int rc = waiter_wait(&o.waiter);
    if (created)
        *created = o.commit.created;
    return rc;
}

static inline int engine_put(struct engine *e, const char *key, size_t len, const void *data,
                             size_t size, struct engine_commit commit, bool *created)
{
    struct engine_writer *w;
    int rc = e->ops->begin(e, &w);
    if (rc)
        return rc;
    rc = size ? engine_write_wait(w, data, size) : 0;
    if (rc) {
        e->ops->abort(w);
        return rc;
    }
    commit.key = key;
    commit.len = len;
    return engine_commit_wait(w, commit, created);
}

static inline int engine_import(struct engine *e, const char *key, size_t len, const char *path,
                                bool share, struct engine_commit commit)
{
    struct engine_writer *w;
    int rc = e->ops->begin(e, &w);
    if (rc)
        return rc;
    rc = engine_fill_wait(
        w, (struct engine_fill){.path = path, .key = key, .len = len, .share = share});
    if (rc) {
        e->ops->abort(w);
        return rc;
    }
    commit.key = key;
    commit.len = len;
    return engine_commit_wait(w, commit, NULL);
}

/* Makes what `r` reads the value of `key`. */
static inline int engine_copy(struct engine_reader *r, const char *key, size_t len,
                              struct engine_commit commit)
{
    struct engine_writer *w;
    int rc = r->engine->ops->begin(r->engine, &w);
    if (rc)
        return rc;
    rc = engine_copy_wait(w, r);
    if (rc) {
        r->engine->ops->abort(w);
        return rc;
    }
    commit.key = key;
    commit.len = len;
    return engine_commit_wait(w, commit, NULL);
}

static inline int engine_erase_with(struct engine *e, struct engine_erase erase)
{
    struct op_erase o = {.erase = erase};
    o.erase.op.done = op_erase_done;
    sem_init(&o.waiter.done, 0, 0);
    e->ops->erase(e, &o.erase);
    return waiter_wait(&o.waiter);
}

static inline int engine_erase_wait(struct engine *e, const char *key, size_t len,
                                    engine_guard *guard, void *ctx)
{
    const struct engine_erase erase = {
        .key = key, .len = len, .op.sync = true, .guard = guard, .guard_ctx = ctx};
    return engine_erase_with(e, erase);
}

/* `annotate` says what; its guard may be NULL where nothing is to be asked. */
static inline int engine_annotate_wait(struct engine *e, struct engine_annotate annotate)
{
    struct op_annotate o = {.annotate = annotate};
    o.annotate.op.done = op_annotate_done;
    o.annotate.op.sync = true;
    sem_init(&o.waiter.done, 0, 0);
    e->ops->annotate(e, &o.annotate);
    return waiter_wait(&o.waiter);
}

/* `move` says what. */
static inline int engine_move_wait(struct engine *e, struct engine_move move)
{
    struct op_move o = {.move = move};
    o.move.op.done = op_move_done;
    sem_init(&o.waiter.done, 0, 0);
    e->ops->move(e, &o.move);
    return waiter_wait(&o.waiter);
}

static inline int engine_clear_wait(struct engine *e, bool foreign)
{
    struct op_clear o = {.clear = {.op.done = op_clear_done, .foreign = foreign, .op.sync = true}};
    sem_init(&o.waiter.done, 0, 0);
    e->ops->clear(e, &o.clear);
    return waiter_wait(&o.waiter);
}

/* The whole value as text for free(), or NULL. */
static inline char *engine_get(struct engine *e, const char *key, size_t len)
{
    struct engine_reader *r;
    if (engine_open_wait(e, key, len, &r))
        return NULL;
    size_t size = (size_t)r->info.size, got = 0;
    char *text = calloc(1, size + 1);
    if (engine_read_wait(r, text, size, 0, &got) || got != size) {
        free(text);
        text = NULL;
    }
    e->ops->close(r);
    return text;
}

#endif
