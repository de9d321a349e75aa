#include "engine.h"

#include "error.h"
#include "source.h"
#include "sys.h"
#include "util.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* The bytes never change once they are there; readers share them with the table. */
struct value {
    atomic_uint refs;
    struct engine_info info;
    size_t len; /* of the key */
    char *key;
    char *data;
    void *points;
    size_t points_len;
};

struct memory {
    struct engine engine;
    pthread_mutex_t lock;
    struct value **values; /* in the order of their keys */
    size_t count, cap;
    uint64_t next_ident;
};

struct memory_reader {
    struct engine_reader reader;
    struct value *value;
};

struct memory_writer {
    struct engine_writer writer;
    struct value *value;
};

static struct memory *engine_memory(struct engine *engine)
{
    return container_of(engine, struct memory, engine);
}

static void value_unref(struct value *v)
{
    if (!v || atomic_fetch_sub(&v->refs, 1) > 1)
        return;
    free(v->key);
    free(v->points);
    free(v->data);
    free(v);
}

/* The position of a key, or where it belongs. Under the lock. */
static bool value_find(const struct memory *m, const char *key, size_t len, size_t *at)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(m->values[middle]->key, m->values[middle]->len, key, len);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return false;
}

static int memory_open_now(struct engine *engine, struct engine_open *o)
{
    struct memory *m = engine_memory(engine);
    struct memory_reader *r = calloc(1, sizeof *r);
    if (!r)
        return DISKV_ENOMEM;
    size_t at;
    pthread_mutex_lock(&m->lock);
    if (value_find(m, o->key, o->len, &at)) {
        r->value = m->values[at];
        r->reader.info = r->value->info;
        atomic_fetch_add(&r->value->refs, 1);
    }
    pthread_mutex_unlock(&m->lock);
    if (!r->value) {
        free(r);
        return DISKV_ENOTFOUND;
    }
    r->reader.engine = engine;
    o->reader = &r->reader;
    return 0;
}

static void memory_open(struct engine *engine, struct engine_open *o)
{
    o->op.done(&o->op, memory_open_now(engine, o));
}

static int64_t memory_read_now(struct engine_reader *reader, void *buf, size_t len, uint64_t offset)
{
    const struct value *v = container_of(reader, struct memory_reader, reader)->value;
    if (offset >= v->info.size)
        return 0;
    uint64_t left = v->info.size - offset;
    size_t n = left < len ? (size_t)left : len;
    if (n)
        memcpy(buf, v->data + offset, n);
    return (int64_t)n;
}

static void memory_read(struct engine_read *r)
{
    r->got = (size_t)memory_read_now(r->reader, r->buf, r->len, r->offset);
    r->op.done(&r->op, 0);
}

static int memory_points(struct engine_reader *reader, void *buf)
{
    const struct value *v = container_of(reader, struct memory_reader, reader)->value;
    if (v->points_len)
        memcpy(buf, v->points, v->points_len);
    return (int)v->points_len;
}

static void memory_close(struct engine_reader *reader)
{
    struct memory_reader *r = container_of(reader, struct memory_reader, reader);
    value_unref(r->value);
    free(r);
}

static int memory_begin(struct engine *engine, struct engine_writer **out)
{
    struct memory_writer *w = calloc(1, sizeof *w);
    struct value *v = calloc(1, sizeof *v);
    if (!w || !v) {
        free(v);
        free(w);
        return DISKV_ENOMEM;
    }
    atomic_init(&v->refs, 1);
    w->writer.engine = engine;
    w->value = v;
    *out = &w->writer;
    return 0;
}

static int value_append(struct value *v, const void *data, size_t len)
{
    char *all = realloc(v->data, v->info.size + len + 1);
    if (!all)
        return DISKV_ENOMEM;
    if (len)
        memcpy(all + v->info.size, data, len);
    v->data = all;
    v->info.size += len;
    return 0;
}

static int memory_write(struct engine_writer *writer, const void *data, size_t len)
{
    return value_append(container_of(writer, struct memory_writer, writer)->value, data, len);
}

static void memory_fill(struct engine_fill *f)
{
    struct value *v = container_of(f->writer, struct memory_writer, writer)->value;
    struct stat st;
    int fd = source_open(f->path, &st);
    int rc = fd < 0 ? fd : 0;
    char buf[64 * 1024];
    int64_t n = 1;
    while (!rc && n > 0) {
        n = sys_pread(fd, buf, sizeof buf, v->info.size);
        rc = n < 0 ? error_from_errno((int)-n) : value_append(v, buf, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    f->op.done(&f->op, rc);
}

static void memory_copy(struct engine_copy *c)
{
    struct value *v = container_of(c->writer, struct memory_writer, writer)->value;
    const struct value *from = container_of(c->reader, struct memory_reader, reader)->value;
    c->op.done(&c->op, value_append(v, from->data, from->info.size));
}

static void memory_abort(struct engine_writer *writer)
{
    struct memory_writer *w = container_of(writer, struct memory_writer, writer);
    value_unref(w->value);
    free(w);
}

/* Puts `v` at its place in the table, which takes over its reference. Under the lock. */
static int value_put(struct memory *m, struct value *v, size_t at, bool exists)
{
    if (exists) {
        value_unref(m->values[at]);
        m->values[at] = v;
        return 0;
    }
    if (m->count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 16;
        struct value **values = reallocarray(m->values, cap, sizeof(struct value *));
        if (!values)
            return DISKV_ENOMEM;
        m->values = values;
        m->cap = cap;
    }
    memmove(m->values + at + 1, m->values + at, (m->count - at) * sizeof(struct value *));
    m->values[at] = v;
    m->count++;
    return 0;
}

/* A copy of a key, for free(). */
static char *key_copy(const char *key, size_t len)
{
    char *copy = malloc(len);
    if (copy)
        memcpy(copy, key, len);
    return copy;
}

/* Without room for the points there are none. */
static void attributes_set(struct value *v, const struct engine_commit *c)
{
    v->info.mtime = c->mtime;
    v->info.quiet_ns = INT64_MAX;
    snprintf(v->info.type, sizeof v->info.type, "%s", c->type);
    snprintf(v->info.record, sizeof v->info.record, "%s", c->record);
    v->points = c->points_len ? malloc(c->points_len) : NULL;
    if (v->points) {
        memcpy(v->points, c->points, c->points_len);
        v->points_len = c->points_len;
    }
}

/* The completion is called under the lock: so completions come in the order of their effects. */
static void memory_commit(struct engine_commit *c)
{
    struct memory_writer *w = container_of(c->writer, struct memory_writer, writer);
    struct memory *m = engine_memory(c->writer->engine);
    struct value *v = w->value;
    attributes_set(v, c);
    v->key = key_copy(c->key, c->len);
    v->len = c->len;
    int rc = v->key ? value_append(v, c->data, c->data_len) : DISKV_ENOMEM;
    if (!rc && c->patch_len)
        memcpy(v->data + c->patch_offset, c->patch, c->patch_len);
    pthread_mutex_lock(&m->lock);
    m->next_ident++;
    memcpy(v->info.ident, &m->next_ident, sizeof m->next_ident);
    size_t at;
    bool exists = value_find(m, c->key, c->len, &at);
    if (!rc && c->guard)
        rc = c->guard(c->guard_ctx, exists ? &m->values[at]->info : NULL);
    if (!rc)
        rc = value_put(m, v, at, exists);
    c->created = !exists;
    c->same = false;
    if (c->ident)
        memcpy(c->ident, v->info.ident, sizeof v->info.ident);
    if (!rc)
        w->value = NULL;
    memory_abort(&w->writer);
    c->op.done(&c->op, rc);
    pthread_mutex_unlock(&m->lock);
}

/* Takes a value out of the table, whose reference is the caller's. Under the lock. */
static struct value *value_take(struct memory *m, size_t at)
{
    struct value *v = m->values[at];
    m->count--;
    memmove(m->values + at, m->values + at + 1, (m->count - at) * sizeof(struct value *));
    return v;
}

static void memory_erase(struct engine *engine, struct engine_erase *e)
{
    struct memory *m = engine_memory(engine);
    pthread_mutex_lock(&m->lock);
    size_t at;
    int rc = value_find(m, e->key, e->len, &at) ? 0 : DISKV_ENOTFOUND;
    if (!rc && e->guard)
        rc = e->guard(e->guard_ctx, &m->values[at]->info);
    if (!rc)
        value_unref(value_take(m, at));
    e->op.done(&e->op, rc);
    pthread_mutex_unlock(&m->lock);
}

static void notes_set(struct engine_info *info, const struct engine_notes *notes)
{
    snprintf(info->type, sizeof info->type, "%s", notes->type);
    snprintf(info->record, sizeof info->record, "%s", notes->record);
}

static void memory_annotate(struct engine *engine, struct engine_annotate *a)
{
    struct memory *m = engine_memory(engine);
    pthread_mutex_lock(&m->lock);
    size_t at;
    int rc = value_find(m, a->key, a->len, &at) ? 0 : DISKV_ENOTFOUND;
    if (!rc)
        rc = a->guard(a->guard_ctx, &m->values[at]->info);
    if (!rc) {
        struct engine_info *info = &m->values[at]->info;
        notes_set(info, &a->notes);
        m->next_ident++;
        memcpy(info->ident, &m->next_ident, sizeof m->next_ident);
        a->info = *info;
    }
    a->op.done(&a->op, rc);
    pthread_mutex_unlock(&m->lock);
}

/* Gives the value at `at` the key, in place of the one it has. There is room in the table for what
 * was just in it. Under the lock. */
static int value_rename(struct memory *m, size_t at, char **key, struct engine_move *move)
{
    struct value *v = value_take(m, at);
    char *old = v->key;
    v->key = *key;
    v->len = move->to_len;
    *key = old;
    move->created = !value_find(m, v->key, v->len, &at);
    if (move->notes.type)
        notes_set(&v->info, &move->notes);
    m->next_ident++;
    memcpy(v->info.ident, &m->next_ident, sizeof m->next_ident);
    move->info = v->info;
    return value_put(m, v, at, !move->created);
}

static void memory_move(struct engine *engine, struct engine_move *move)
{
    struct memory *m = engine_memory(engine);
    char *key = key_copy(move->to, move->to_len);
    pthread_mutex_lock(&m->lock);
    size_t at, to_at;
    int rc = value_find(m, move->from, move->from_len, &at) ? 0 : DISKV_ENOTFOUND;
    if (!rc && move->from_guard)
        rc = move->from_guard(move->guard_ctx, &m->values[at]->info);
    bool exists = value_find(m, move->to, move->to_len, &to_at);
    if (!rc && move->to_guard)
        rc = move->to_guard(move->guard_ctx, exists ? &m->values[to_at]->info : NULL);
    if (!rc)
        rc = key ? value_rename(m, at, &key, move) : DISKV_ENOMEM;
    move->op.done(&move->op, rc);
    pthread_mutex_unlock(&m->lock);
    free(key);
}

static void memory_clear(struct engine *engine, struct engine_clear *c)
{
    struct memory *m = engine_memory(engine);
    pthread_mutex_lock(&m->lock);
    while (m->count)
        value_unref(m->values[--m->count]);
    c->op.done(&c->op, 0);
    pthread_mutex_unlock(&m->lock);
}

static int memory_identify(struct engine *engine, const char *key, size_t len,
                           uint8_t ident[static ENGINE_IDENT_LEN])
{
    struct memory *m = engine_memory(engine);
    size_t at;
    pthread_mutex_lock(&m->lock);
    bool found = value_find(m, key, len, &at);
    if (found)
        memcpy(ident, m->values[at]->info.ident, ENGINE_IDENT_LEN);
    pthread_mutex_unlock(&m->lock);
    return found ? 0 : DISKV_ENOTFOUND;
}

static int memory_stat(struct engine *engine, const char *key, size_t len, struct engine_info *out)
{
    struct memory *m = engine_memory(engine);
    size_t at;
    pthread_mutex_lock(&m->lock);
    bool found = value_find(m, key, len, &at);
    if (found && out)
        *out = m->values[at]->info;
    pthread_mutex_unlock(&m->lock);
    return found ? 0 : DISKV_ENOTFOUND;
}

static int memory_locate(struct engine *engine, const char *key, size_t len, char *place,
                         size_t *outer)
{
    (void)engine;
    (void)key;
    (void)len;
    *place = '\0';
    *outer = 0;
    return 0;
}

/* There is one place, whose stamp is never to be relied on. */
static int memory_stamp(struct engine *engine, const char *place, struct engine_place *out)
{
    (void)engine;
    *out = (struct engine_place){0};
    return *place ? DISKV_ENOTFOUND : 0;
}

static int memory_scan(struct engine *engine, const char *place,
                       const struct engine_visitor *visitor, struct engine_place *out)
{
    struct memory *m = engine_memory(engine);
    int rc = memory_stamp(engine, place, out);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->count && !rc; i++)
        rc = visitor->key(visitor->ctx, m->values[i]->key, m->values[i]->len);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

static void memory_free(struct engine *engine)
{
    struct memory *m = engine_memory(engine);
    for (size_t i = 0; i < m->count; i++)
        value_unref(m->values[i]);
    free(m->values);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct engine_ops memory_ops = {
    .name = "memory",
    .free = memory_free,
    .open_now = memory_open_now,
    .open = memory_open,
    .read_now = memory_read_now,
    .read = memory_read,
    .points = memory_points,
    .close = memory_close,
    .begin = memory_begin,
    .write = memory_write,
    .fill = memory_fill,
    .copy = memory_copy,
    .commit = memory_commit,
    .abort = memory_abort,
    .erase = memory_erase,
    .annotate = memory_annotate,
    .move = memory_move,
    .clear = memory_clear,
    .identify = memory_identify,
    .stat = memory_stat,
    .locate = memory_locate,
    .stamp = memory_stamp,
    .scan = memory_scan,
};

int engine_memory_new(struct engine **out)
{
    struct memory *m = calloc(1, sizeof *m);
    if (!m)
        return DISKV_ENOMEM;
    m->engine.ops = &memory_ops;
    pthread_mutex_init(&m->lock, NULL);
    *out = &m->engine;
    return 0;
}
