#include "fs.h"

#include "error.h"
#include "log.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void fs_free(struct engine *engine)
{
    struct fs *fs = container_of(engine, struct fs, engine);
    workers_free(fs->committer);
    fs_kept_free(fs->kept);
    workers_free(fs->closer);
    if (*fs->own)
        fs_own_remove(fs);
    if (fs->tmp_fd >= 0)
        close(fs->tmp_fd);
    close(fs->dir_fd);
    pthread_mutex_destroy(&fs->own_lock);
    free(fs->temp_dir);
    free(fs);
}

static const struct engine_ops fs_ops = {
    .name = "fs",
    .free = fs_free,
    .open_now = fs_open_now,
    .open = fs_open,
    .read_now = fs_read_now,
    .read = fs_read,
    .sendable_now = fs_sendable_now,
    .send_now = fs_send_now,
    .points = fs_points,
    .points_drop = fs_points_drop,
    .close = fs_close,
    .begin = fs_begin,
    .probe = fs_probe,
    .write = fs_write,
    .fill = fs_fill,
    .copy = fs_copy,
    .commit = fs_commit,
    .abort = fs_abort,
    .erase = fs_erase,
    .annotate = fs_annotate,
    .move = fs_move,
    .clear = fs_clear,
    .identify = fs_identify,
    .identify_near = fs_identify_near,
    .exists_near = fs_exists_near,
    .near_end = fs_near_end,
    .stat = fs_stat,
    .locate = fs_locate,
    .stamp = fs_stamp,
    .scan = fs_scan,
    .prefix = fs_prefix,
    .leftovers = fs_leftovers,
    .foreign_open = fs_foreign_open,
    .foreign_next = fs_foreign_next,
    .foreign_close = fs_foreign_close,
    .watch = fs_watch,
    .watching = fs_watching,
    .unwatch = fs_unwatch,
};

int engine_fs_open(int dir_fd, const struct engine_fs_options *options, struct engine **out)
{
    struct fs *fs = calloc(1, sizeof *fs);
    if (!fs)
        return DISKV_ENOMEM;
    fs->engine.ops = &fs_ops;
    fs->layout = options->layout;
    fs->workers = options->workers;
    fs->file_perm = options->file_perm ? options->file_perm : 0666;
    fs->path_perm = options->path_perm ? options->path_perm : 0777;
    fs->exact_perm = options->exact_perm;
    fs->detached = options->detached;
    fs->tmp_fd = -1;
    fs->pid = getpid();
    pthread_mutex_init(&fs->own_lock, NULL);
    fs->unsynced = true; /* an earlier process may have left it so */
    int rc = DISKV_ENOMEM;
    if (options->temp_dir && !(fs->temp_dir = strdup(options->temp_dir)))
        goto free_fs;
    rc = workers_new(1, &fs->closer);
    if (rc)
        goto free_fs;
    rc = fs_kept_new(&fs->kept);
    if (rc)
        goto free_closer;
    rc = workers_new(1, &fs->committer);
    if (rc)
        goto free_kept;
    fs->dir_fd = sys_open_beneath(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fs->dir_fd < 0) {
        if (fs->dir_fd == -ENOSYS)
            log_error("this kernel has no openat2: Linux 5.12 or later is needed");
        rc = error_from_errno(-fs->dir_fd);
        goto free_committer;
    }
    int tmp_fd = fs->detached ? -1 : fs_tmp_open(fs);
    fs->tmp_fd = tmp_fd;
    if (tmp_fd < 0 && !fs->detached) {
        rc = error_from_errno(-tmp_fd);
        goto close_dir;
    }
    *out = &fs->engine;
    return 0;

close_dir:
    close(fs->dir_fd);
free_committer:
    workers_free(fs->committer);
free_kept:
    fs_kept_free(fs->kept);
free_closer:
    workers_free(fs->closer);
free_fs:
    pthread_mutex_destroy(&fs->own_lock);
    free(fs->temp_dir);
    free(fs);
    return rc;
}
