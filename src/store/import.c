/* Taking a file for a value. */
#include "writer.h"

#include "error.h"
#include "source.h"
#include "sys.h"
#include "util.h"
#include "wait.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (256 * 1024)

static void fill_done(struct engine_op *op, int rc)
{
    diskv_writer *w = container_of(op, diskv_writer, under_way.fill.op);
    w->done(w->ctx, rc);
}

/* Has the engine take the file as it is. */
static int content_fill(diskv_writer *w, const char *path, bool move, uint64_t size)
{
    struct waiter waiter;
    waiter_init(&waiter);
    w->done = waiter_done;
    w->ctx = &waiter;
    w->as_is = true;
    w->size = w->stored = size;
    w->under_way.fill = (struct engine_fill){
        .op.done = fill_done,
        .writer = w->engine_writer,
        .path = path,
        .key = w->key,
        .len = w->key_len,
        .share = move,
    };
    w->store->engine->ops->fill(&w->under_way.fill);
    return waiter_wait(&waiter);
}

/* Reads the file through, for it is to be compressed. */
static int content_copy(diskv_writer *w, const char *path)
{
    struct stat st;
    int fd = source_open(path, &st);
    if (fd < 0)
        return fd;
    char *piece = malloc(PIECE);
    int rc = piece ? 0 : DISKV_ENOMEM;
    uint64_t at = 0;
    for (int64_t n = 1; !rc && n; at += (uint64_t)n) {
        n = sys_pread(fd, piece, PIECE, at);
        if (n < 0)
            rc = error_from_errno((int)-n);
        else
            rc = diskv_writer_append_wait(w, piece, (size_t)n);
    }
    free(piece);
    close(fd);
    return rc;
}

static int file_look(const char *path, struct stat *st)
{
    if (lstat(path, st))
        return error_from_errno(errno);
    return S_ISREG(st->st_mode) ? 0 : DISKV_EINVAL;
}

/* Removes the file that was taken, unless the name is another's by now: the value's own, even. */
static int source_remove(const diskv_writer *w, const char *path, const struct stat *taken)
{
    struct stat st;
    if (w->under_way.commit.same || file_look(path, &st) || st.st_dev != taken->st_dev ||
        st.st_ino != taken->st_ino)
        return 0;
    return unlink(path) ? error_from_errno(errno) : 0;
}

int diskv_import(diskv *store, const char *key, size_t len, const char *path, bool move,
                 const struct diskv_write_options *options)
{
    struct stat st;
    diskv_writer *w;
    int rc = file_look(path, &st);
    if (!rc && (uint64_t)st.st_size > store->max_value_bytes)
        rc = DISKV_ETOOLARGE;
    if (rc)
        return rc;
    rc = diskv_writer_open(store, key, len, options, &w);
    if (rc)
        return rc;
    w->engine_writer->early = true; /* whoever imports without a sync makes one for many values */
    rc = store->codec ? content_copy(w, path) : content_fill(w, path, move, (uint64_t)st.st_size);
    if (!rc)
        rc = diskv_writer_commit_wait(w);
    if (!rc && move)
        rc = source_remove(w, path, &st);
    diskv_writer_close(w);
    return rc;
}
