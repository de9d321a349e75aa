/* Changing what is kept beside a value. */
#include "notes.h"

#include "util.h"

struct annotation {
    struct engine_annotate engine_annotate;
    struct noting noting;
    struct diskv_info info;
    diskv *store;
    struct notes notes;
    diskv_guard *guard;
    void *guard_ctx;
    struct diskv_info *out;
    diskv_done *done;
    void *ctx;
    size_t len;
    char key[];
};

static int annotate_guard(void *ctx, const struct engine_info *current)
{
    struct annotation *a = ctx;
    struct diskv_info info;
    struct record record;
    bool recorded = info_from_engine(a->store, current, &info, NULL, &record);
    int rc = a->guard ? a->guard(a->guard_ctx, &info) : 0;
    if (rc)
        return rc;
    return notes_make(&a->notes, current, recorded ? &record : NULL, &a->engine_annotate.notes);
}

static void annotate_noted(struct noting *n)
{
    struct annotation *a = container_of(n, struct annotation, noting);
    diskv_done *done = a->done;
    void *ctx = a->ctx;
    int rc = n->rc;
    if (!rc && a->out)
        *a->out = a->info;
    free(a);
    done(ctx, rc);
}

static void annotate_done(struct engine_op *op, int rc)
{
    struct annotation *a = container_of(op, struct annotation, engine_annotate.op);
    if (!rc)
        info_from_engine(a->store, &a->engine_annotate.info, &a->info, NULL, NULL);
    a->noting = (struct noting){
        .changes = {{.key = a->key, .len = a->len}},
        .count = 1,
        .info = &a->info,
        .rc = rc,
        .noted = annotate_noted,
    };
    index_note(a->store, &a->noting, op->more);
}

static int annotation_new(diskv *store, const char *key, size_t len,
                          const struct diskv_write_options *options, struct annotation **out)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    struct annotation *a = calloc(1, sizeof *a + len);
    if (!a)
        return DISKV_ENOMEM;
    int rc = notes_take(&a->notes, options);
    if (rc) {
        free(a);
        return rc;
    }
    a->store = store;
    a->guard = options->guard;
    a->guard_ctx = options->guard_ctx;
    a->len = len;
    memcpy(a->key, key, len);
    a->engine_annotate = (struct engine_annotate){
        .op.done = annotate_done,
        .key = a->key,
        .len = len,
        .guard = annotate_guard,
        .guard_ctx = a,
        .op.sync = options->sync ? options->sync == DISKV_SYNC_ALWAYS : store->sync,
    };
    *out = a;
    return 0;
}

void diskv_annotate(diskv *store, const char *key, size_t len,
                    const struct diskv_write_options *options, struct diskv_info *out,
                    diskv_done *done, void *ctx)
{
    struct annotation *a;
    int rc = annotation_new(store, key, len, options, &a);
    if (rc) {
        done(ctx, rc);
        return;
    }
    a->out = out;
    a->done = done;
    a->ctx = ctx;
    store->engine->ops->annotate(store->engine, &a->engine_annotate);
}
