#include "fs.h"

#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool fs_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int dir_open(int parent_fd, const char *name)
{
    return sys_open_beneath(parent_fd, name, O_RDONLY | O_DIRECTORY, 0);
}

/* Gives a directory that was just made its mode: `fd`, or closes it and returns why not. */
static int dir_mode_set(const struct fs *fs, int fd)
{
    int rc = fs->exact_perm ? sys_fchmod(fd, fs->path_perm) : 0;
    if (rc)
        close(fd);
    return rc ? rc : fd;
}

/* Removes what file_enclose built aside, whichever of its names are there. */
static void aside_remove(struct fs *fs, const char *aside, int aside_fd)
{
    if (aside_fd >= 0) {
        sys_unlinkat(aside_fd, LAYOUT_VALUE_NAME, 0);
        close(aside_fd);
    }
    if (sys_unlinkat(fs->tmp_fd, aside, AT_REMOVEDIR) == -ENOTDIR)
        sys_unlinkat(fs->tmp_fd, aside, 0);
}

/* After the exchange `aside` names what had the name. It was to be the file that is now `%value`;
 * where another program replaced that in between, what it put there wins. */
static int aside_settle(struct fs *fs, int parent_fd, const char *name, const char *aside,
                        int aside_fd)
{
    struct stat was, is;
    int rc = sys_stat(fs->tmp_fd, aside, &was);
    if (!rc)
        rc = sys_stat(aside_fd, LAYOUT_VALUE_NAME, &is);
    if (rc)
        return rc;
    if (fs_same_file(&was, &is))
        return sys_unlinkat(fs->tmp_fd, aside, 0);
    if (S_ISREG(was.st_mode))
        return sys_renameat2(fs->tmp_fd, aside, aside_fd, LAYOUT_VALUE_NAME, 0);
    return sys_renameat2(fs->tmp_fd, aside, parent_fd, name, RENAME_EXCHANGE);
}

/* Turns the value `name` into a directory that holds it as `%value`, in one step for every reader.
 * 0 also where the file is gone meanwhile: the caller looks again. */
static int file_enclose(struct fs *fs, int parent_fd, const char *name)
{
    char aside[FS_TMP_NAME];
    fs_tmp_name(fs, aside);
    int aside_fd = -1;
    int rc = fs_tmp(fs);
    if (rc >= 0)
        rc = sys_mkdirat(fs->tmp_fd, aside, fs->path_perm);
    if (rc)
        return rc;
    aside_fd = dir_open(fs->tmp_fd, aside);
    if (aside_fd >= 0)
        aside_fd = dir_mode_set(fs, aside_fd);
    rc = aside_fd < 0 ? aside_fd : sys_linkat(parent_fd, name, aside_fd, LAYOUT_VALUE_NAME);
    struct stat st;
    if (!rc)
        rc = sys_stat(aside_fd, LAYOUT_VALUE_NAME, &st);
    if (!rc && !S_ISREG(st.st_mode))
        rc = -ELOOP;
    if (!rc)
        rc = sys_fsync(aside_fd); /* that value may be durable, whatever takes its name */
    if (!rc)
        rc = sys_renameat2(fs->tmp_fd, aside, parent_fd, name, RENAME_EXCHANGE);
    if (rc) {
        aside_remove(fs, aside, aside_fd);
        return rc == -ENOENT ? 0 : rc;
    }
    rc = aside_settle(fs, parent_fd, name, aside, aside_fd);
    close(aside_fd);
    return rc;
}

/* The same for the whole `path`. Whoever follows the files looks at the value when it has one name
 * again. */
static int file_to_dir(struct fs *fs, int parent_fd, const char *name, const char *path)
{
    fs_watch_hold(fs->watch);
    int rc = file_enclose(fs, parent_fd, name);
    fs_watch_go_on(fs->watch, path);
    return rc;
}

/* Opens the directory `name`, the last of `path`, making it or making a file into it. Sets
 * `*changed` where it did. */
static int dir_make(struct fs *fs, int parent_fd, const char *name, const char *path, bool *changed)
{
    bool made = false;
    for (;;) {
        int rc = dir_open(parent_fd, name);
        if (rc >= 0)
            return made ? dir_mode_set(fs, rc) : rc;
        if (rc == -ENOENT) {
            rc = sys_mkdirat(parent_fd, name, fs->path_perm);
            made = !rc;
        } else if (rc == -ENOTDIR) {
            rc = file_to_dir(fs, parent_fd, name, path);
        }
        if (rc && rc != -EEXIST)
            return rc;
        *changed = true;
    }
}

/* Opens directory `path`, component by component, making what is missing. */
static int dirs_make(struct fs *fs, char *path, struct fs_dirs *dirs)
{
    int fd = dir_open(fs->dir_fd, ".");
    for (char *name = path, *end; fd >= 0 && name; name = end) {
        end = strchr(name, '/');
        if (end)
            *end = '\0';
        bool changed = false;
        int next_fd = dir_make(fs, fd, name, path, &changed);
        if (end)
            *end++ = '/';
        fs->unsynced |= changed && !dirs->sync;
        if (changed)
            fs_dirs_add(dirs, fd);
        else
            close(fd);
        fd = next_fd;
    }
    return fd;
}

int fs_parent_open(struct fs *fs, const char *path, bool make, struct fs_dirs *dirs,
                   const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash)
        return dir_open(fs->dir_fd, ".");
    char parent[LAYOUT_PATH_SIZE];
    snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    int fd = dir_open(fs->dir_fd, parent);
    if (make && (fd == -ENOENT || fd == -ENOTDIR))
        return dirs_make(fs, parent, dirs);
    return fd == -ENOTDIR ? -ENOENT : fd;
}

/* Looks at what has the slot's name. -EISDIR for a directory. */
static int slot_look(struct fs_slot *slot)
{
    slot->looked = fs_now();
    int rc = sys_stat(slot->fd, slot->name, &slot->stat);
    slot->exists = !rc;
    if (rc)
        return rc == -ENOENT ? 0 : rc;
    if (S_ISDIR(slot->stat.st_mode))
        return -EISDIR;
    return S_ISREG(slot->stat.st_mode) ? 0 : -ELOOP;
}

int fs_slot_open(struct fs *fs, const char *path, bool make, struct fs_dirs *dirs,
                 struct fs_slot *out)
{
    out->fd = fs_parent_open(fs, path, make, dirs, &out->name);
    if (out->fd < 0)
        return out->fd;
    int rc = slot_look(out);
    if (rc == -EISDIR) {
        int dir_fd = dir_open(out->fd, out->name);
        close(out->fd);
        if (dir_fd < 0)
            return dir_fd;
        out->fd = dir_fd;
        out->name = LAYOUT_VALUE_NAME;
        rc = slot_look(out);
    }
    if (!rc && !make && !out->exists)
        rc = -ENOENT;
    if (rc)
        fs_slot_close(out);
    return rc == -EISDIR ? -ELOOP : rc;
}

void fs_slot_close(struct fs_slot *slot)
{
    close(slot->fd);
    slot->fd = -1;
}

void fs_prune(struct fs *fs, const char *path, struct fs_dirs *dirs)
{
    char dir[LAYOUT_PATH_SIZE];
    snprintf(dir, sizeof dir, "%s", path);
    for (char *slash; (slash = strrchr(dir, '/'));) {
        *slash = '\0';
        const char *name;
        int fd = fs_parent_open(fs, dir, false, dirs, &name);
        int rc = fd < 0 ? fd : sys_unlinkat(fd, name, AT_REMOVEDIR);
        if (!rc) {
            fs_dirs_add(dirs, fd);
            continue;
        }
        if (fd >= 0)
            close(fd);
        if (rc != -ENOENT)
            return;
    }
}
