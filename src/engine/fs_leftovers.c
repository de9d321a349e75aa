/* What processes that were cut off left in the directories for temporary files. */
#include "fs.h"

#include "error.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

struct leftovers {
    struct fs *fs;
    bool remove;
    int (*visit)(void *ctx, const char *name, bool removed);
    void *ctx;
    int rc; /* of `visit` */
};

static int dir_remove(struct fs *fs, int parent_fd, const char *name)
{
    int fd = sys_open_beneath(parent_fd, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    int rc = fs_empty(fs, fd);
    close(fd);
    return rc ? rc : sys_unlinkat(parent_fd, name, AT_REMOVEDIR);
}

static bool leftover_found(struct leftovers *l, int dir_fd, const char *dir, const char *name)
{
    char path[LAYOUT_PATH_SIZE];
    snprintf(path, sizeof path, FS_PRIVATE "/%s%s", dir, name);
    int rc = l->remove ? sys_unlinkat(dir_fd, name, 0) : -EPERM;
    if (rc == -EISDIR)
        rc = dir_remove(l->fs, dir_fd, name);
    l->rc = l->visit(l->ctx, path, !rc);
    return !l->rc;
}

static bool tmp_visit(void *ctx, int dir_fd, const struct dirent *entry)
{
    return leftover_found(ctx, dir_fd, "tmp/", entry->d_name);
}

/* A directory of a process's own is locked as long as that lives. */
static bool own_visit(void *ctx, int private_fd, const struct dirent *entry)
{
    if (strncmp(entry->d_name, FS_OWN_PREFIX, strlen(FS_OWN_PREFIX)) != 0)
        return true;
    int fd = sys_open_beneath(private_fd, entry->d_name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return true;
    bool left = flock(fd, LOCK_EX | LOCK_NB) == 0;
    bool on = !left || leftover_found(ctx, private_fd, "", entry->d_name);
    close(fd);
    return on;
}

int fs_leftovers(struct engine *engine, bool remove,
                 int (*visit)(void *ctx, const char *name, bool removed), void *ctx)
{
    struct fs *fs = container_of(engine, struct fs, engine);
    struct leftovers l = {fs, remove, visit, ctx, 0};
    int rc = fs_entries(fs->dir_fd, FS_PRIVATE, own_visit, &l);
    if (!rc && !l.rc)
        rc = fs_entries(fs->dir_fd, FS_PRIVATE "/tmp", tmp_visit, &l);
    if (rc && rc != -ENOENT)
        return error_from_errno(-rc);
    return l.rc;
}
