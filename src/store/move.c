/* Giving values other keys. */
#include "notes.h"

#include "util.h"

struct moving {
    struct engine_move engine_move;
    struct noting noting;
    diskv *store;
    struct diskv_move *move;
    struct notes notes;
    diskv_done *done;
    void *ctx;
};

static int from_guard(void *ctx, const struct engine_info *current)
{
    struct moving *m = ctx;
    struct diskv_info info;
    struct record record;
    bool recorded = info_from_engine(m->store, current, &info, NULL, &record);
    int rc = m->move->from_guard ? m->move->from_guard(m->move->from_guard_ctx, &info) : 0;
    if (rc || !m->move->metadata)
        return rc;
    return notes_make(&m->notes, current, recorded ? &record : NULL, &m->engine_move.notes);
}

static int to_guard(void *ctx, const struct engine_info *current)
{
    const struct moving *m = ctx;
    struct diskv_info info;
    if (current)
        info_from_engine(m->store, current, &info, NULL, NULL);
    return m->move->to_guard(m->move->to_guard_ctx, current ? &info : NULL);
}

static void move_noted(struct noting *n)
{
    struct moving *m = container_of(n, struct moving, noting);
    diskv_done *done = m->done;
    void *ctx = m->ctx;
    int rc = n->rc;
    free(m);
    done(ctx, rc);
}

static void move_done(struct engine_op *op, int rc)
{
    struct moving *m = container_of(op, struct moving, engine_move.op);
    struct diskv_move *move = m->move;
    if (!rc) {
        info_from_engine(m->store, &m->engine_move.info, &move->info, NULL, NULL);
        move->created = m->engine_move.created;
    }
    m->noting.rc = rc;
    index_note(m->store, &m->noting, op->more);
}

static int moving_new(diskv *store, struct diskv_move *move, struct moving **out)
{
    if (!diskv_key_valid(move->from, move->from_len) || !diskv_key_valid(move->to, move->to_len))
        return DISKV_EKEY;
    if (bytes_compare(move->from, move->from_len, move->to, move->to_len) == 0)
        return DISKV_EINVAL;
    struct moving *m = calloc(1, sizeof *m);
    if (!m)
        return DISKV_ENOMEM;
    int rc = move->metadata ? notes_take(&m->notes, move->metadata) : 0;
    if (rc) {
        free(m);
        return rc;
    }
    m->store = store;
    m->move = move;
    m->engine_move = (struct engine_move){
        .op.done = move_done,
        .op.sync = move->sync ? move->sync == DISKV_SYNC_ALWAYS : store->sync,
        .from = move->from,
        .from_len = move->from_len,
        .to = move->to,
        .to_len = move->to_len,
        .from_guard = move->from_guard || move->metadata ? from_guard : NULL,
        .to_guard = move->to_guard ? to_guard : NULL,
        .guard_ctx = m,
    };
    m->noting = (struct noting){
        .changes = {{.erase = true, .key = move->from, .len = move->from_len},
                    {.key = move->to, .len = move->to_len}},
        .count = 2,
        .since = atomic_load(&store->note_number),
        .info = &move->info,
        .noted = move_noted,
    };
    *out = m;
    return 0;
}

void diskv_move(diskv *store, struct diskv_move *move, diskv_done *done, void *ctx)
{
    struct moving *m;
    int rc = moving_new(store, move, &m);
    if (rc) {
        done(ctx, rc);
        return;
    }
    m->done = done;
    m->ctx = ctx;
    store->engine->ops->move(store->engine, &m->engine_move);
}
