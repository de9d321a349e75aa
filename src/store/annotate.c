/* Changing what is kept beside a value. */
#include "notes.h"

#include "util.h"

struct annotation {
    struct engine_annotate engine_annotate;
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

static void annotate_done(struct engine_op *op, int rc)
{
    struct annotation *a = container_of(op, struct annotation, engine_annotate.op);
    diskv_done *done = a->done;
    void *ctx = a->ctx;
    struct diskv_info info = {0};
    if (!rc)
        info_from_engine(a->store, &a->engine_annotate.info, &info, NULL, NULL);
    const struct index_change change = {.key = a->key, .len = a->len};
    index_note(a->store, &change, 1, &info, rc);
    if (!rc && a->out)
        *a->out = info;
    free(a);
    done(ctx, rc);
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
