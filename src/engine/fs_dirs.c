#include "fs.h"

#include "sys.h"

#include <unistd.h>

static void dirs_fail(struct fs_dirs *dirs, int rc)
{
    dirs->fs->unsynced = true;
    if (!dirs->rc)
        dirs->rc = rc;
}

/* A sync of a directory does not sync the name it has in another: where that may not be on stable
 * storage, because it was not to be, nothing less than a sync of the file system will do. */
static void dirs_flush(struct fs_dirs *dirs)
{
    bool needed = dirs->count && dirs->fs->unsynced;
    bool together = needed || dirs->count >= FS_SYNC_TOGETHER;
    int all = together ? sys_syncfs(dirs->items[0].fd) : 0;
    if (needed && !all)
        dirs->fs->unsynced = false;
    if (needed && all)
        dirs_fail(dirs, all);
    for (size_t i = 0; i < dirs->count; i++) {
        int rc = together && !all ? 0 : sys_fsync(dirs->items[i].fd);
        if (rc)
            dirs_fail(dirs, rc);
        close(dirs->items[i].fd);
    }
    dirs->count = 0;
}

void fs_dirs_add(struct fs_dirs *dirs, int fd)
{
    struct stat st;
    int rc = dirs->sync ? sys_stat(fd, "", &st) : 0;
    if (rc)
        dirs_fail(dirs, rc);
    if (rc || !dirs->sync) {
        close(fd);
        return;
    }
    for (size_t i = 0; i < dirs->count; i++) {
        if (dirs->items[i].ino == st.st_ino && dirs->items[i].dev == st.st_dev) {
            close(fd);
            return;
        }
    }
    if (dirs->count == FS_DIRS_MAX)
        dirs_flush(dirs);
    dirs->items[dirs->count].fd = fd;
    dirs->items[dirs->count].dev = st.st_dev;
    dirs->items[dirs->count].ino = st.st_ino;
    dirs->count++;
}

void fs_dirs_drop_removed(struct fs_dirs *dirs)
{
    size_t kept = 0;
    for (size_t i = 0; i < dirs->count; i++) {
        struct stat st;
        if (!sys_stat(dirs->items[i].fd, "", &st) && st.st_nlink == 0)
            close(dirs->items[i].fd);
        else
            dirs->items[kept++] = dirs->items[i];
    }
    dirs->count = kept;
}

int fs_dirs_sync(struct fs_dirs *dirs)
{
    dirs_flush(dirs);
    return dirs->rc;
}
