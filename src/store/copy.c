/* Making one value of another, without reading it where that can be done. */
#include "reader.h"
#include "writer.h"

#include "util.h"

static void copy_end(diskv_writer *w, int rc)
{
    struct engine_reader *opened = w->under_way.copying.opened;
    if (opened)
        opened->engine->ops->close(opened);
    w->done(w->ctx, rc);
}

static void write_run(struct job *job)
{
    diskv_writer *w = container_of(job, diskv_writer, under_way.copying.write);
    const struct cache_entry *cached = w->under_way.copying.from->cached;
    copy_end(w, w->store->engine->ops->write(w->engine_writer, cached->data, cached->size));
}

/* Writes what is cached, whose file is another by now. What is cached of a compressed file cannot
 * be told from the value without that. */
static void cached_write(diskv_writer *w)
{
    const diskv_reader *from = w->under_way.copying.from;
    const struct cache_entry *cached = from->cached;
    if (from->how == DISKV_READ_STORED && *from->known.codec) {
        copy_end(w, DISKV_ESTALE);
        return;
    }
    if (cached->size > w->store->max_value_bytes) {
        copy_end(w, DISKV_ETOOLARGE);
        return;
    }
    w->size = w->stored = cached->size;
    writer_hashed(w, XXH3_128bits(cached->data, cached->size));
    w->under_way.copying.write.run = write_run;
    workers_post(w->store->workers, &w->under_way.copying.write);
}

/* Takes over what the record says of the file, as far as it holds: the rest is the writer's own. */
static void record_take(diskv_writer *w, const struct engine_info *from)
{
    struct record record;
    struct diskv_info info;
    w->size = w->stored = from->size;
    if (!info_from_engine(w->store, from, &info, NULL, &record))
        return;
    record.retyped = false;
    w->record = record;
    w->size = record.length;
}

static void copy_done(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.copying.copy.op);
    struct engine_reader *reader = w->under_way.copying.copy.reader;
    if (!rc && *w->record.codec) {
        int n = reader->engine->ops->points(reader, w->points);
        w->points_len = n > 0 ? (size_t)n : 0;
    }
    copy_end(w, rc);
}

static void file_copy(diskv_writer *w, struct engine_reader *reader)
{
    record_take(w, &reader->info);
    if (w->size > w->store->max_value_bytes) {
        copy_end(w, DISKV_ETOOLARGE);
        return;
    }
    w->under_way.copying.copy =
        (struct engine_copy){.op.done = copy_done, .writer = w->engine_writer, .reader = reader};
    w->store->engine->ops->copy(&w->under_way.copying.copy);
}

static void open_done(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.copying.open.op);
    struct copying *c = &w->under_way.copying;
    c->opened = rc ? NULL : c->open.reader;
    if (c->opened && memcmp(c->opened->info.ident, c->from->cached->ident, ENGINE_IDENT_LEN) == 0)
        file_copy(w, c->opened);
    else
        cached_write(w);
}

void diskv_writer_copy(diskv_writer *w, diskv_reader *reader, diskv_done *done, void *ctx)
{
    if (w->as_is || w->size || reader->store != w->store) {
        done(ctx, DISKV_EINVAL);
        return;
    }
    w->done = done;
    w->ctx = ctx;
    w->as_is = true;
    w->under_way.copying = (struct copying){.from = reader};
    if (!reader->cached) {
        file_copy(w, reader->engine_reader);
        return;
    }
    w->under_way.copying.open =
        (struct engine_open){.op.done = open_done, .key = reader->key, .len = reader->len};
    w->store->engine->ops->open(w->store->engine, &w->under_way.copying.open);
}
