#include "fs.h"

#include "error.h"
#include "log.h"
#include "sys.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void fs_free(struct engine *engine)
{
    struct fs *fs = container_of(engine, struct fs, engine);
    workers_free(fs->committer);
    workers_free(fs->closer);
    close(fs->tmp_fd);
    close(fs->dir_fd);
    free(fs);
}

static const struct engine_ops fs_ops = {
    .name = "fs",
    .free = fs_free,
    .open_now = fs_open_now,
    .open = fs_open,
    .read_now = fs_read_now,
    .read = fs_read,
    .points = fs_points,
    .close = fs_close,
    .begin = fs_begin,
    .write = fs_write,
    .commit = fs_commit,
    .abort = fs_abort,
    .erase = fs_erase,
    .identify = fs_identify,
    .stat = fs_stat,
    .locate = fs_locate,
    .stamp = fs_stamp,
    .scan = fs_scan,
};

void fs_tmp_name(struct fs *fs, char name[static FS_TMP_NAME])
{
    unsigned long long n = atomic_fetch_add_explicit(&fs->next_tmp, 1, memory_order_relaxed);
    snprintf(name, FS_TMP_NAME, "%ld.%llu", (long)getpid(), n);
}

/* Opens the directory `name`, made where it is missing. */
static int dir_make_open(int parent_fd, const char *name)
{
    int rc = sys_mkdirat(parent_fd, name, 0777);
    if (rc && rc != -EEXIST)
        return rc;
    return sys_open_beneath(parent_fd, name, O_RDONLY | O_DIRECTORY, 0);
}

/* Empties a directory that holds files and directories of files, which is all that tmp ever does.
 */
static int dir_empty(int dir_fd, int depth)
{
    int fd = sys_open_beneath(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int rc = fd < 0 ? fd : -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    int rc = 0;
    for (struct dirent *e; !rc && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        rc = sys_unlinkat(fd, e->d_name, 0);
        if (rc != -EISDIR || depth == 0)
            continue;
        int sub_fd = sys_open_beneath(fd, e->d_name, O_RDONLY | O_DIRECTORY, 0);
        rc = sub_fd < 0 ? sub_fd : dir_empty(sub_fd, depth - 1);
        if (sub_fd >= 0)
            close(sub_fd);
        if (!rc)
            rc = sys_unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    closedir(dir);
    return rc;
}

/* Opens DIR/.diskv/tmp, emptied of what an earlier process left. */
static int tmp_open(int dir_fd)
{
    int private_fd = dir_make_open(dir_fd, FS_PRIVATE);
    if (private_fd < 0)
        return private_fd;
    int tmp_fd = dir_make_open(private_fd, "tmp");
    close(private_fd);
    int rc = tmp_fd < 0 ? tmp_fd : dir_empty(tmp_fd, 1);
    if (rc && tmp_fd >= 0)
        close(tmp_fd);
    return rc ? rc : tmp_fd;
}

int engine_fs_open(int dir_fd, const struct engine_fs_options *options, struct engine **out)
{
    struct fs *fs = calloc(1, sizeof *fs);
    if (!fs)
        return DISKV_ENOMEM;
    fs->engine.ops = &fs_ops;
    fs->layout = options->layout;
    fs->workers = options->workers;
    fs->unsynced = true; /* an earlier process may have left it so */
    int rc = workers_new(1, &fs->closer);
    if (rc)
        goto free_fs;
    rc = workers_new(1, &fs->committer);
    if (rc)
        goto free_closer;
    fs->dir_fd = sys_open_beneath(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fs->dir_fd < 0) {
        if (fs->dir_fd == -ENOSYS)
            log_error("this kernel has no openat2: Linux 5.12 or later is needed");
        rc = error_from_errno(-fs->dir_fd);
        goto free_committer;
    }
    fs->tmp_fd = tmp_open(fs->dir_fd);
    if (fs->tmp_fd < 0) {
        log_error("cannot prepare %s/tmp: %s", FS_PRIVATE, strerror(-fs->tmp_fd));
        rc = error_from_errno(-fs->tmp_fd);
        goto close_dir;
    }
    *out = &fs->engine;
    return 0;

close_dir:
    close(fs->dir_fd);
free_committer:
    workers_free(fs->committer);
free_closer:
    workers_free(fs->closer);
free_fs:
    free(fs);
    return rc;
}
