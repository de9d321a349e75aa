#include "fs.h"

#include "error.h"
#include "source.h"
#include "sys.h"
#include "util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* True where the file is the very one that is to be replaced: renaming one of two names of a file
 * to the other does nothing. */
static bool is_value(const struct engine_fill *f, const struct stat *from)
{
    uint8_t ident[ENGINE_IDENT_LEN], value[ENGINE_IDENT_LEN];
    fs_ident(from, ident);
    return !fs_identify(f->writer->engine, f->key, f->len, value) &&
           memcmp(ident, value, sizeof ident) == 0;
}

/* Links the open file into tmp, and takes over its descriptor. By the time of the link `path` may
 * name another file. */
static int file_share(struct fs *fs, const struct engine_fill *f, int fd, const struct stat *from)
{
    struct fs_writer *w = container_of(f->writer, struct fs_writer, writer);
    int rc = is_value(f, from) ? -EXDEV : sys_may_write(fd); /* a commit sets attributes */
    if (!rc)
        rc = fs_tmp(fs);
    if (rc < 0)
        return rc;
    do {
        fs_tmp_name(fs, w->name);
        rc = sys_linkat(AT_FDCWD, f->path, fs->tmp_fd, w->name);
    } while (rc == -EEXIST);
    if (rc)
        return rc;
    struct stat linked;
    rc = sys_stat(fs->tmp_fd, w->name, &linked);
    if (!rc && !fs_same_file(&linked, from))
        rc = -EXDEV;
    if (rc) {
        sys_unlinkat(fs->tmp_fd, w->name, 0);
        return rc;
    }
    w->fd = fd;
    w->size = (uint64_t)linked.st_size;
    w->shared = true;
    return 0;
}

/* Shares the blocks where the file system can; what that leaves the kernel copies, and what that
 * leaves is read and written. */
int fs_file_copy(struct fs *fs, struct fs_writer *w, int fd)
{
    struct stat st;
    int rc = fs_file_make(fs, w);
    if (!rc && sys_clone(w->fd, fd) == 0) {
        rc = sys_stat(w->fd, "", &st);
        w->size = rc ? 0 : (uint64_t)st.st_size;
    }
    if (rc)
        return rc;
    int64_t n;
    while ((n = sys_copy_file_range(fd, w->fd, w->size, FS_WRITEBACK_STEP)) > 0)
        fs_file_grown(w, (size_t)n);
    char buf[64 * 1024];
    while (!rc && (n = sys_pread(fd, buf, sizeof buf, w->size)) > 0)
        rc = fs_file_append(fs, w, buf, (size_t)n);
    return n < 0 ? (int)n : rc;
}

static void fill_run(struct job *job)
{
    struct engine_fill *f = container_of(job, struct engine_fill, op.job);
    struct fs_writer *w = container_of(f->writer, struct fs_writer, writer);
    struct fs *fs = container_of(f->writer->engine, struct fs, engine);
    struct stat from;
    int rc = 0;
    int fd = source_open(f->path, &from);
    if (fd < 0) {
        f->op.done(&f->op, fd);
        return;
    }
    if (!f->share || file_share(fs, f, fd, &from)) {
        rc = fs_file_copy(fs, w, fd);
        close(fd);
    }
    f->op.done(&f->op, rc ? error_from_errno(-rc) : 0);
}

void fs_fill(struct engine_fill *f)
{
    struct fs *fs = container_of(f->writer->engine, struct fs, engine);
    assert(container_of(f->writer, struct fs_writer, writer)->fd < 0);
    f->op.job.run = fill_run;
    workers_post(fs->workers, &f->op.job);
}
