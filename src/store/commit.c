/* The end of a writer: what it wrote becomes the value. */
#include "writer.h"

#include "util.h"

static int guard_adapt(void *ctx, const struct engine_info *current)
{
    const diskv_writer *w = ctx;
    struct diskv_info info;
    if (current)
        info_from_engine(w->store, current, &info, NULL, NULL);
    return w->guard(w->guard_ctx, current ? &info : NULL);
}

/* Says what was stored where no hash did: what a look at the file says. */
static void info_set(diskv_writer *w)
{
    w->info.size = w->store->codec ? DISKV_SIZE_UNKNOWN : w->stored;
    w->info.modified = w->record.mtime;
    record_etag_of_file(w->ident, w->info.type, &w->fields, w->info.etag);
}

static void commit_noted(struct noting *n)
{
    const diskv_writer *w = container_of(n, diskv_writer, noting);
    w->done(w->ctx, n->rc);
}

static void commit_done(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.commit.op);
    w->engine_writer = NULL;
    w->created = w->under_way.commit.created;
    if (!rc && !w->record.hashed)
        info_set(w);
    if (!rc) {
        atomic_fetch_add_explicit(&w->store->writes, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&w->store->bytes_written, w->size, memory_order_relaxed);
    }
    w->noting.rc = rc;
    index_note(w->store, &w->noting, op->more);
}

void writer_hashed(diskv_writer *w, XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(w->record.hash, canonical.digest, sizeof w->record.hash);
    w->record.hashed = true;
    w->record.length = w->size;
}

/* Says how what was written lies in its file. */
static void encoding_note(diskv_writer *w)
{
    writer_hashed(w, XXH3_128bits_digest(w->hash));
    if (!w->encoder)
        return;
    snprintf(w->record.codec, sizeof w->record.codec, "%s", w->store->codec->name);
    const struct codec_ops *ops = w->encoder->ops;
    w->points_len = ops->encoder_points(w->encoder, w->points);
    if (ops->encoder_table)
        w->table_len = ops->encoder_table(w->encoder, &w->table, &w->table_offset);
}

/* Writes down what was stored, for those who read it. */
static int record_make(diskv_writer *w)
{
    struct record *record = &w->record;
    if (!w->as_is)
        encoding_note(w);
    record->size = w->stored;
    if (record->hashed) {
        record_etag(record->hash, w->info.type, &w->fields, w->info.etag);
        w->info.size = record->length;
        w->info.modified = record->mtime;
    }
    return record_format(record, &w->fields, w->record_text);
}

/* The mtime is our own, from a clock with nanoseconds: a later edit in place, whose mtime the
 * kernel takes from its tick, cannot bear the same one. */
void writer_commit(diskv_writer *w)
{
    w->stored += w->len;
    clock_gettime(CLOCK_REALTIME, &w->record.mtime);
    bool recorded = !w->as_is || w->record.hashed || w->fields.len;
    int rc = recorded ? record_make(w) : 0;
    if (rc) {
        w->done(w->ctx, rc);
        return;
    }
    w->noting = (struct noting){
        .changes = {{.key = w->key, .len = w->key_len}},
        .count = 1,
        .since = atomic_load(&w->store->note_number),
        .info = &w->info,
        .noted = commit_noted,
    };
    w->under_way.commit = (struct engine_commit){
        .op.done = commit_done,
        .writer = w->engine_writer,
        .data = w->buf,
        .data_len = w->len,
        .patch = w->table,
        .patch_len = w->table_len,
        .patch_offset = w->table_offset,
        .key = w->key,
        .len = w->key_len,
        .mtime = w->record.mtime,
        .type = w->info.type,
        .record = w->record_text,
        .must_keep = *w->info.type || w->fields.len || (w->as_is && *w->record.codec),
        .points = w->points,
        .points_len = w->points_len,
        .op.sync = w->sync,
        .guard = w->guard ? guard_adapt : NULL,
        .guard_ctx = w,
        .ident = w->record.hashed ? NULL : w->ident,
    };
    w->store->engine->ops->commit(&w->under_way.commit);
}

const struct diskv_info *diskv_writer_info(const diskv_writer *writer)
{
    return &writer->info;
}

bool diskv_writer_created(const diskv_writer *writer)
{
    return writer->created;
}
