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
    diskv_amender *amender; /* or NULL: `notes` are what is to be */
    void *asked_ctx;        /* of either */
    struct diskv_info *out;
    diskv_done *done;
    void *ctx;
    size_t len;
    char key[];
};

/* Asks whether the change goes ahead, and where it is made only now, for what it is. */
static int annotate_ask(struct annotation *a, const struct diskv_info *current,
                        const diskv_fields *fields)
{
    if (!a->amender)
        return a->guard ? a->guard(a->asked_ctx, current) : 0;
    struct diskv_write_options options = {0};
    int rc = a->amender(a->asked_ctx, current, fields, &options);
    return rc ? rc : notes_take(&a->notes, &options);
}

static int annotate_guard(void *ctx, const struct engine_info *current)
{
    struct annotation *a = ctx;
    struct diskv_info info;
    diskv_fields fields;
    struct record record;
    bool recorded = info_from_engine(a->store, current, &info, &fields, &record);
    int rc = annotate_ask(a, &info, &fields);
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
    a->noting.rc = rc;
    index_note(a->store, &a->noting, op->more);
}

static int annotation_new(diskv *store, const char *key, size_t len, struct annotation **out)
{
    if (!diskv_key_valid(key, len))
        return DISKV_EKEY;
    struct annotation *a = calloc(1, sizeof *a + len);
    if (!a)
        return DISKV_ENOMEM;
    a->store = store;
    a->len = len;
    memcpy(a->key, key, len);
    a->engine_annotate = (struct engine_annotate){
        .op.done = annotate_done,
        .op.sync = store->sync,
        .key = a->key,
        .len = len,
        .guard = annotate_guard,
        .guard_ctx = a,
    };
    a->noting = (struct noting){
        .changes = {{.key = a->key, .len = a->len}},
        .count = 1,
        .since = atomic_load(&store->note_number),
        .info = &a->info,
        .noted = annotate_noted,
    };
    *out = a;
    return 0;
}

static void annotation_begin(struct annotation *a, struct diskv_info *out, diskv_done *done,
                             void *ctx)
{
    a->out = out;
    a->done = done;
    a->ctx = ctx;
    a->store->engine->ops->annotate(a->store->engine, &a->engine_annotate);
}

void diskv_annotate(diskv *store, const char *key, size_t len,
                    const struct diskv_write_options *options, struct diskv_info *out,
                    diskv_done *done, void *ctx)
{
    struct annotation *a = NULL;
    int rc = annotation_new(store, key, len, &a);
    if (!rc)
        rc = notes_take(&a->notes, options);
    if (rc) {
        free(a);
        done(ctx, rc);
        return;
    }
    a->guard = options->guard;
    a->asked_ctx = options->guard_ctx;
    if (options->sync)
        a->engine_annotate.op.sync = options->sync == DISKV_SYNC_ALWAYS;
    annotation_begin(a, out, done, ctx);
}

void diskv_amend(diskv *store, const char *key, size_t len, diskv_amender *amender,
                 void *amender_ctx, struct diskv_info *out, diskv_done *done, void *ctx)
{
    struct annotation *a;
    int rc = annotation_new(store, key, len, &a);
    if (rc) {
        done(ctx, rc);
        return;
    }
    a->amender = amender;
    a->asked_ctx = amender_ctx;
    annotation_begin(a, out, done, ctx);
}
