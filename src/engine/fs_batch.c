#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

/* Changes that share their syncs. */
#define BATCH_MAX 128

enum kind { COMMIT, ERASE, CLEAR, ANNOTATE, MOVE };

static int commit_apply(struct fs *fs, struct engine_commit *c, struct fs_dirs *dirs)
{
    bool prepared = container_of(c->writer, struct fs_writer, writer)->prepared;
    int rc = prepared ? 0 : fs_commit_prepare(fs, c);
    return rc ? rc : fs_commit_apply(fs, c, dirs);
}

/* What is to be done of each kind. */
static int change_apply(struct fs *fs, struct engine_op *op, struct fs_dirs *dirs)
{
    switch ((enum kind)op->kind) {
    case COMMIT:
        return commit_apply(fs, container_of(op, struct engine_commit, op), dirs);
    case ERASE:
        return fs_erase_apply(fs, container_of(op, struct engine_erase, op), dirs);
    case CLEAR:
        return fs_clear_apply(fs, container_of(op, struct engine_clear, op), dirs);
    case ANNOTATE:
        return fs_annotate_apply(fs, container_of(op, struct engine_annotate, op));
    case MOVE:
        return fs_move_apply(fs, container_of(op, struct engine_move, op), dirs);
    }
    return DISKV_EINVAL;
}

/* NULL for all but commits. */
static struct fs_writer *change_writer(struct engine_op *op)
{
    if (op->kind != COMMIT)
        return NULL;
    struct engine_commit *c = container_of(op, struct engine_commit, op);
    return container_of(c->writer, struct fs_writer, writer);
}

/* True where the commit's file is still to be synced. */
static bool change_unsynced(struct engine_op *op)
{
    const struct fs_writer *w = change_writer(op);
    return w && !w->synced && op->sync;
}

/* Syncs the files of a batch's commits; `rc` of each op says how that went. */
static void files_sync(struct fs *fs, struct engine_op **ops, size_t count)
{
    size_t unsynced = 0;
    for (size_t i = 0; i < count; i++)
        unsynced += change_unsynced(ops[i]);
    bool together = unsynced >= FS_SYNC_TOGETHER && sys_syncfs(fs->tmp_fd) == 0;
    for (size_t i = 0; i < count; i++) {
        bool alone = !together && change_unsynced(ops[i]);
        int rc = alone ? sys_fsync(change_writer(ops[i])->fd) : 0;
        ops[i]->rc = rc ? error_from_errno(-rc) : 0;
    }
}

/* Makes a batch of changes: all files are synced, each change is applied in turn, all directories
 * are synced, and all are reported in the order in which they took effect. Only what is to be
 * durable is synced. */
static void batch_run(struct fs *fs, struct engine_op **ops, size_t count)
{
    struct fs_dirs dirs = {.fs = fs};
    files_sync(fs, ops, count);
    for (size_t i = 0; i < count; i++) {
        struct fs_writer *w = change_writer(ops[i]);
        dirs.sync = ops[i]->sync;
        if (!ops[i]->rc)
            ops[i]->rc = change_apply(fs, ops[i], &dirs);
        if (w)
            fs_writer_end(w, !ops[i]->rc);
    }
    int rc = fs_dirs_sync(&dirs);
    for (size_t i = 0; i < count; i++) {
        ops[i]->more = i + 1 < count;
        ops[i]->done(ops[i], !ops[i]->rc && rc && ops[i]->sync ? DISKV_EINDOUBT : ops[i]->rc);
    }
}

static void batch_begin(struct job *job)
{
    struct job *jobs[BATCH_MAX] = {job};
    struct engine_op *ops[BATCH_MAX];
    struct fs *fs =
        container_of(container_of(job, struct engine_op, job)->engine, struct fs, engine);
    size_t count = 1 + workers_take(fs->committer, jobs + 1, BATCH_MAX - 1);
    for (size_t i = 0; i < count; i++)
        ops[i] = container_of(jobs[i], struct engine_op, job);
    batch_run(fs, ops, count);
}

static void change_post(struct engine *engine, struct engine_op *op, enum kind kind)
{
    op->engine = engine;
    op->kind = kind;
    op->job.run = batch_begin;
    workers_post(container_of(engine, struct fs, engine)->committer, &op->job);
}

void fs_commit_post(struct engine_commit *c)
{
    change_post(c->writer->engine, &c->op, COMMIT);
}

void fs_erase(struct engine *engine, struct engine_erase *e)
{
    change_post(engine, &e->op, ERASE);
}

void fs_clear(struct engine *engine, struct engine_clear *c)
{
    change_post(engine, &c->op, CLEAR);
}

void fs_annotate(struct engine *engine, struct engine_annotate *a)
{
    change_post(engine, &a->op, ANNOTATE);
}

void fs_move_post(struct engine *engine, struct engine_move *m)
{
    change_post(engine, &m->op, MOVE);
}
