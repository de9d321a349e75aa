#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct fs_writer *fs_writer_of(struct engine_writer *writer)
{
    return container_of(writer, struct fs_writer, writer);
}

static struct fs *writer_fs(const struct fs_writer *w)
{
    return container_of(w->writer.engine, struct fs, engine);
}

int fs_begin(struct engine *engine, struct engine_writer **out)
{
    struct fs_writer *w = calloc(1, sizeof *w);
    if (!w)
        return DISKV_ENOMEM;
    w->writer.engine = engine;
    w->fd = -1;
    *out = &w->writer;
    return 0;
}

/* The directory that will hold the value, or the nearest above it that is there, must be writable.
 * What the disk would have to be asked for counts as writable. */
static int place_probe(const struct fs *fs, char *path)
{
    for (;;) {
        int fd = sys_open_beneath_now(fs->dir_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY);
        if (fd == -EAGAIN)
            return 0;
        if (fd >= 0) {
            int rc = sys_may_write(fd);
            close(fd);
            return rc;
        }
        if (!*path || (fd != -ENOENT && fd != -ENOTDIR))
            return fd;
        char *slash = strrchr(path, '/');
        *(slash ? slash : path) = '\0';
    }
}

int fs_probe(struct engine *engine, const char *key, size_t len, uint64_t size)
{
    struct fs *fs = container_of(engine, struct fs, engine);
    char path[LAYOUT_PATH_SIZE];
    struct statvfs room;
    if (!fstatvfs(fs->tmp_fd, &room) && room.f_frsize && size / room.f_frsize > room.f_bfree)
        return DISKV_ENOSPACE;
    int rc = fs->layout->to_path(fs->layout, key, len, path);
    if (rc)
        return rc;
    rc = place_probe(fs, path);
    return rc ? error_from_errno(-rc) : 0;
}

void fs_writer_end(struct fs_writer *w, bool renamed)
{
    if (w->fd >= 0) {
        close(w->fd);
        if (!renamed)
            sys_unlinkat(writer_fs(w)->tmp_fd, w->name, 0);
    }
    free(w);
}

static int tmp_create(struct fs *fs, char name[static FS_TMP_NAME])
{
    int fd;
    do {
        fs_tmp_name(fs, name);
        fd = sys_open_beneath(fs->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL, fs->file_perm | S_IWUSR);
    } while (fd == -EEXIST);
    return fd;
}

int fs_file_make(struct fs *fs, struct fs_writer *w)
{
    int fd = atomic_load(&fs->tmp_fd) < 0 ? -ENOENT : tmp_create(fs, w->name);
    if (fd == -ENOENT) {
        fd = fs_tmp(fs);
        if (fd >= 0)
            fd = tmp_create(fs, w->name);
    }
    if (fd < 0)
        return fd;
    w->fd = fd;
    return 0;
}

void fs_file_grown(struct fs_writer *w, size_t len)
{
    uint64_t step = w->size / FS_WRITEBACK_STEP;
    w->size += len;
    if (w->writer.early && w->size / FS_WRITEBACK_STEP != step)
        sys_start_writeback(w->fd, step * FS_WRITEBACK_STEP, FS_WRITEBACK_STEP);
}

int fs_file_append(struct fs *fs, struct fs_writer *w, const char *data, size_t len)
{
    int rc = w->fd < 0 ? fs_file_make(fs, w) : 0;
    while (!rc && len) {
        int64_t n = sys_pwrite(w->fd, data, len, w->size);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        fs_file_grown(w, (size_t)n);
        data += n;
        len -= (size_t)n;
    }
    return rc;
}

int fs_write(struct engine_writer *writer, const void *data, size_t len)
{
    struct fs_writer *w = fs_writer_of(writer);
    assert(!w->shared);
    int rc = fs_file_append(writer_fs(w), w, data, len);
    return rc ? error_from_errno(-rc) : 0;
}

static void abort_run(struct job *job)
{
    fs_writer_end(container_of(job, struct fs_writer, job), false);
}

void fs_abort(struct engine_writer *writer)
{
    struct fs_writer *w = fs_writer_of(writer);
    if (w->fd < 0) {
        fs_writer_end(w, false);
        return;
    }
    w->job.run = abort_run;
    workers_post(writer_fs(w)->workers, &w->job);
}

/* Points that find no room are done without. */
static int points_set(const struct engine_commit *c, int fd)
{
    int rc = sys_fsetxattr(fd, FS_POINTS, c->points, c->points_len);
    bool lost = rc == -ENOSPC || rc == -EOPNOTSUPP || rc == -E2BIG || rc == -ERANGE;
    return lost ? 0 : rc;
}

/* Comes after the attributes, for which a file must be writable. */
static int mode_set(const struct fs *fs, const struct fs_writer *w)
{
    if (fs->exact_perm)
        return sys_fchmod(w->fd, fs->file_perm);
    if (w->shared || fs->file_perm & S_IWUSR)
        return 0;
    struct stat st;
    int rc = sys_stat(w->fd, "", &st);
    return rc ? rc : sys_fchmod(w->fd, st.st_mode & fs->file_perm);
}

/* Sets what rides on the file. Its time comes after the writes, which change it. */
static int attributes_set(const struct engine_commit *c, const struct fs_writer *w)
{
    int fd = w->fd;
    int rc = 0;
    if (*c->type)
        rc = sys_fsetxattr(fd, "user.mime_type", c->type, strlen(c->type));
    if (!rc && *c->record)
        rc = sys_fsetxattr(fd, "user.diskv", c->record, strlen(c->record));
    if (rc == -EOPNOTSUPP && !c->must_keep)
        rc = 0;
    if (!rc && c->points_len)
        rc = points_set(c, fd);
    return rc || w->shared ? rc : sys_set_mtime(fd, c->mtime);
}

static int patch(const struct fs_writer *w, const struct engine_commit *c)
{
    for (size_t done = 0; done < c->patch_len;) {
        int64_t n = sys_pwrite(w->fd, (const char *)c->patch + done, c->patch_len - done,
                               c->patch_offset + done);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        done += (size_t)n;
    }
    return 0;
}

int fs_commit_prepare(struct fs *fs, struct engine_commit *c)
{
    struct fs_writer *w = fs_writer_of(c->writer);
    int rc = w->fd < 0 ? fs_file_make(fs, w) : 0;
    if (!rc)
        rc = fs_file_append(fs, w, c->data, c->data_len);
    if (!rc)
        rc = patch(w, c);
    if (!rc)
        rc = attributes_set(c, w);
    if (!rc)
        rc = mode_set(fs, w);
    if (!rc && c->op.sync && w->size >= FS_LARGE) {
        rc = sys_fsync(w->fd);
        w->synced = true;
    } else if (!rc && c->op.sync && w->size > FS_SMALL) {
        /* The batch's sync writes small ones side by side, in few requests to the disk. */
        sys_start_writeback(w->fd, 0, 0);
    }
    w->prepared = true;
    return rc ? error_from_errno(-rc) : 0;
}

static void prepare_run(struct job *job)
{
    struct engine_commit *c = container_of(job, struct engine_commit, op.job);
    struct fs_writer *w = fs_writer_of(c->writer);
    int rc = fs_commit_prepare(writer_fs(w), c);
    if (rc) {
        fs_writer_end(w, false);
        c->op.done(&c->op, rc);
        return;
    }
    fs_commit_post(c);
}

/* All that needs no order among commits is done by the workers, unless it is little. A small value
 * that need not be synced costs the committer, where the key has none: openat2 (make), pwrite,
 * fsetxattr, utimensat, openat2 (directory), renameat2 and two closes; no allocation and no copy but
 * the kernel's. */
void fs_commit(struct engine_commit *c)
{
    struct fs_writer *w = fs_writer_of(c->writer);
    if (w->fd < 0 && !c->op.sync && c->data_len <= FS_SMALL) {
        fs_commit_post(c);
        return;
    }
    c->op.engine = c->writer->engine;
    c->op.job.run = prepare_run;
    workers_post(writer_fs(w)->workers, &c->op.job);
}
